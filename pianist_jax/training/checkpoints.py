"""Checkpoints of training through Orbax: written beside the training, whole or not at all, restored onto any mesh.

A checkpoint holds the training state, and as JSON the run's settings and where its data had got to. Which ones stay
is said when the folder is opened. The folder may be on a local disk or in a bucket (`gs://…`).
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint import checkpoint_managers as policies

from pianist_jax.errors import PianistError
from pianist_jax.training import seals

_STATE, _RUN = "default", "run"  # "default" is where runs of the first version kept their state


@dataclass(frozen=True)
class Saved:
    """A restored checkpoint: its step, its state, and what was saved as its data's position (None: nothing)."""

    step: int
    state: dict[str, Any]
    data: Any


@contextmanager
def open_checkpoints(
    folder: epath.PathLike, *, keep: int = 2, keep_every: int = 0, read_only: bool = False
) -> Iterator[ocp.CheckpointManager]:
    """A manager of the checkpoints below `folder`, which is made if needed; on leaving all is written.

    Kept are the last `keep`, the one of the lowest loss, and one every `keep_every` steps. `read_only` leaves the
    folder of a run that may be going on as it is. Raises PianistError where the folder or what remained to be written
    cannot be written.
    """
    options = _options(keep, keep_every, read_only)
    handlers = {_STATE: ocp.StandardCheckpointHandler(), _RUN: ocp.JsonCheckpointHandler()}
    folder = epath.Path(folder)
    if "://" not in str(folder):
        folder = folder.resolve()
    if not read_only:
        _put_aside_unmeasured(folder)
    with _quiet("absl", "asyncio"):  # what goes wrong is told in one line, below
        try:
            manager = ocp.CheckpointManager(folder, options=options, item_handlers=handlers)
        except OSError as error:
            raise PianistError(
                f"{folder}: cannot be used ({error.strerror or error}); choose another folder"
            ) from error
        try:
            yield manager
            with _failures_told(manager):
                manager.wait_until_finished()
                if not read_only:
                    _seal(manager)
        finally:
            with suppress(Exception):  # told above, or something worse is already on its way
                manager.close()


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Loggers that say nothing meanwhile but what is critical."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _put_aside_unmeasured(folder: epath.Path) -> None:
    """Rename checkpoints whose `metrics` are damaged: Orbax reads these of all at once, and then would read none."""
    if jax.process_index() == 0 and folder.exists():
        for checkpoint in folder.iterdir():
            metrics = checkpoint / "metrics" / "metrics"
            if checkpoint.name.isdecimal() and metrics.exists():
                try:
                    float(json.loads(metrics.read_text())["loss"])
                except (ValueError, TypeError, KeyError):
                    target = folder / f"damaged-{checkpoint.name}"
                    if target.exists():
                        target.rmtree()
                    checkpoint.rename(target)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("put aside unmeasured")


def _options(keep: int, keep_every: int, read_only: bool) -> ocp.CheckpointManagerOptions:
    loss = lambda metrics: metrics["loss"]  # noqa: E731
    kept: list[Any] = [policies.LatestN(keep)]
    kept += [policies.BestN(get_metric_fn=loss, reverse=True, n=1, keep_checkpoints_without_metrics=False)]
    if keep_every:
        kept += [policies.EveryNSteps(keep_every)]
    return ocp.CheckpointManagerOptions(
        create=not read_only,
        read_only=read_only,
        save_interval_steps=0 if read_only else 1,
        enable_async_checkpointing=not read_only,
        cleanup_tmp_directories=not read_only,
        lightweight_initialize=read_only,  # damaged metrics of one checkpoint would hide all
        best_fn=None if read_only else loss,  # has the losses written; what is kept is up to the policy
        best_mode="min",
        preservation_policy=None if read_only else policies.AnyPreservationPolicy(kept),
    )


def save(
    manager: ocp.CheckpointManager,
    state: dict[str, Any],
    *,
    data: Any = None,
    config: dict[str, Any] | None = None,
    loss: float | None = None,
) -> None:
    """Begin to save a state under its own step; training may go on, `open_checkpoints` awaits the end.

    `data` (JSON) is where this process has got to in its data, `loss` what the best is chosen by. Every process of a
    job calls this. Raises PianistError when this or an earlier checkpoint cannot be written.
    """
    step = int(state["step"])
    run = {"config": config or {}, "data": _gathered(data)}
    with _failures_told(manager):
        manager.save(
            step,
            args=ocp.args.Composite(**{_STATE: ocp.args.StandardSave(state), _RUN: ocp.args.JsonSave(run)}),
            metrics=None if loss is None else {"loss": loss},
            force=True,
        )


def check(manager: ocp.CheckpointManager) -> None:
    """Raise PianistError where the checkpoint that is being written has failed; seal what is finished."""
    with _failures_told(manager):
        manager.check_for_errors()
        if not manager.is_saving_in_progress():
            _seal(manager)


def restore(
    manager: ocp.CheckpointManager,
    like: dict[str, Any],
    *,
    optional: tuple[str, ...] = (),
    put_aside: bool = False,
    report: Callable[[str], None] = print,
) -> Saved | None:
    """The last complete checkpoint in the shapes and shardings of `like`, or None where nothing is saved.

    One that cannot be read is reported and left for the one before; `put_aside` renames it, so that its step can be
    saved again. Parts of the state named `optional` are left out
    where they were not saved or are not asked for. Raises PianistError when what is saved does not fit `like`
    (another model or optimizer), or when none of several can be read.
    """
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        found = _read(manager, step, like, optional)
        if isinstance(found, Saved):
            return found
        report(f"{manager.directory}: the checkpoint of step {step} is damaged ({found}); trying the one before")
        if put_aside:
            _put_aside(manager, step)
    if steps:
        raise PianistError(f"{manager.directory}: no checkpoint can be read; begin anew in another --workdir")
    return None


def _read(manager: ocp.CheckpointManager, step: int, like: dict[str, Any], optional: tuple[str, ...]) -> Saved | str:
    """A checkpoint, or why it cannot be read."""
    problem, saved, wanted = "", None, dict(like)
    try:
        if jax.process_index() == 0:
            seals.verify(manager.directory, step)
        # Compared before reading: arrays of other shapes fail one by one while Orbax still reads the rest.
        metadata = manager.item_metadata(step).get(_STATE)
        if metadata is None:
            raise ValueError("it does not say what it holds")
        tree = metadata.tree
        wanted = {name: part for name, part in like.items() if name in tree or name not in optional}
        unasked = {name: part for name, part in tree.items() if name in optional and name not in like}
        kept, asked = _shapes({n: part for n, part in tree.items() if n not in unasked}), _shapes(wanted)
    except Exception as error:
        problem = _reason(error)
    if _any(bool(problem)):
        return problem or "another process cannot read it"
    for name in sorted(kept.keys() | asked.keys()):
        if kept.get(name) != asked.get(name):
            reason = f"{name} is {kept.get(name, 'missing')}, not {asked.get(name, 'expected')}"
            which = f"{manager.directory}: the checkpoint of step {step} is of another model"
            raise PianistError(f"{which} ({reason}); use a new --workdir")
    try:
        target = wanted | {name: _whole(part, wanted) for name, part in unasked.items()}
        got = manager.restore(step, args=ocp.args.Composite(**{_STATE: ocp.args.StandardRestore(target)}))
        state = {name: got[_STATE][name] for name in wanted}
        run = _run(manager, step)
        saved = Saved(step, state, _position(manager, step, run.get("data")))
    except PianistError:
        raise
    except Exception as error:
        problem = _reason(error)
    if _any(bool(problem)) or saved is None:
        return problem or "another process cannot read it"
    return saved


def _whole(tree: Any, like: dict[str, Any]) -> Any:
    """What is read only because Orbax reads all or nothing: laid out as the first array of `like` with no axes is."""
    sharding = like["step"].sharding
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each array by its path; tuples and lists, which files do not tell apart, count the same."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda leaf: hasattr(leaf, "shape"))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in leaves}


def _seal(manager: ocp.CheckpointManager) -> None:
    if jax.process_index() == 0:
        seals.seal(manager.directory, manager.all_steps())


def _put_aside(manager: ocp.CheckpointManager, step: int) -> None:
    """Rename a damaged checkpoint, so that somebody can look at it."""
    folder = epath.Path(manager.directory)
    if jax.process_index() == 0:
        target = folder / f"damaged-{step}"
        if target.exists():
            target.rmtree()
        (folder / str(step)).rename(target)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(f"put aside {step}")
    manager.reload()


def _gathered(data: Any) -> list[Any]:
    """The JSON value of every process, in order."""
    if jax.process_count() == 1:
        return [data]
    text = np.frombuffer(json.dumps(data).encode(), np.uint8)
    lengths = multihost_utils.process_allgather(np.array(len(text)))
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: len(text)] = text
    every = multihost_utils.process_allgather(padded)
    return [json.loads(row[:length].tobytes()) for row, length in zip(every, lengths, strict=True)]


def _run(manager: ocp.CheckpointManager, step: int) -> dict[str, Any]:
    """What was saved beside the state; nothing in runs of the first version."""
    if not (epath.Path(manager.directory) / str(step) / _RUN).exists():
        return {}
    return manager.restore(step, args=ocp.args.Composite(**{_RUN: ocp.args.JsonRestore()}))[_RUN]


def _position(manager: ocp.CheckpointManager, step: int, places: list[Any] | None) -> Any:
    """Where this process's data had got to. Another number of processes can go on where all were at the same place."""
    if places is None:
        return None
    if len(places) == jax.process_count():
        return places[jax.process_index()]
    if any(place != places[0] for place in places):
        raise PianistError(
            f"{manager.directory}: the checkpoint of step {step} tells how far each of {len(places)} processes had "
            f"read, and this job has {jax.process_count()}; resume with {len(places)} processes"
        )
    return places[0]


def _any(flag: bool) -> bool:
    """Whether any process says so."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.array(flag)).any())


def _reason(error: BaseException) -> str:
    """The shortest true account of an error: the first of a chain's first line."""
    lines = str(error).splitlines() or [""]
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{kind}{lines[0]}"[:160]


@contextmanager
def _failures_told(manager: ocp.CheckpointManager) -> Iterator[None]:
    """What fails while writing, as one line that names the last checkpoint that is whole."""
    try:
        yield
    except PianistError:
        raise
    except Exception as error:
        kept = manager.latest_step()
        which = "none is complete" if kept is None else f"that of step {kept} is the last complete one"
        raise PianistError(
            f"{manager.directory}: a checkpoint cannot be written ({_reason(error)}), {which}; make room and run again"
        ) from error
