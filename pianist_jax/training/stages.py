"""A stage of training from files to files: exported corpora in, checkpoints and a weights file out."""

import dataclasses
import importlib.util
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from etils import epath

from pianist_jax.config import ModelConfig, TrainConfig
from pianist_jax.config.changes import differences, from_saved
from pianist_jax.data.curves import pair_curves
from pianist_jax.data.invention import invented
from pianist_jax.data.parts import PairCorpus, choose, load_pairs, load_parts
from pianist_jax.data.thinning import thinned
from pianist_jax.data.windows import Windows, in_time, mixed, pair_windows, piece_windows
from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from pianist_jax.model.pianist import abstract_params, completed
from pianist_jax.model.sizes import num_params
from pianist_jax.parallel import one_device
from pianist_jax.training import checkpoints
from pianist_jax.training.feeds import windows_of
from pianist_jax.training.logs import read_log
from pianist_jax.training.loop import Observers, finished, train
from pianist_jax.training.steps import OPTIONAL, abstract_state, weights
from pianist_jax.weights import load_weights, save_weights
from pianist_jax.weights.card import published, write_card

_CONFIG = "config.json"
HELD_OUT = 20
# What may change when a run goes on: nothing of it changes what is learnt.
FREE = (
    "mesh", "log_every", "evaluate_every", "sample_every", "keep", "keep_every", "validation_batches",
    "model.attention", "model.remat", "model.remat_keeps",
)  # fmt: skip


def run_stage(
    config: TrainConfig,
    data: Path | None,
    workdir: epath.PathLike,
    *,
    source: epath.PathLike | None = None,
    shards: Sequence[Path] = (),
    pairs: Path | None = None,
    workers: int = 0,
    seconds: float = math.inf,
    report: Callable[[str], None] = print,
    observers: Observers | None = None,
    set_anyway: bool = False,
) -> None:
    """Pre-train on the `pretrain-*.part` of `data`, fine-tune or learn the consensus on its `pairs-*.part`; validate on
    the pairs, or where there are none to pre-train with, on every `HELD_OUT`-th piece, which then is not trained on.

    Or stream the folders `shards` (prepared pieces, or pairs to fine-tune on), read by so many `workers`, and validate
    on `data`'s pairs or on a folder of `pairs`. Resumes what `workdir` holds, else begins from `source` (a weights file
    or another run's folder) or from nothing. Raises PianistError where data or source are missing or of another model,
    and where a run goes on with settings by which it would learn otherwise, unless `set_anyway`.
    """
    initial, workdir = None, epath.Path(workdir)
    _require_same(config, workdir, set_anyway)
    observers = observers or Observers(report=report)
    if _is_finished(config, workdir):
        observers.report(finished(config))
        return
    if config.task == "consensus" and (source is None or data is None or shards):
        raise PianistError("the consensus is learnt from exported pairs, upon a model; give --data and --from")
    if config.task != "consensus" and config.model.consensus and not config.consensus_weight:
        raise PianistError("a consensus does not outlive its model: leave model.consensus out and learn it afterwards")
    if source is not None:
        model, initial = load_run(source)
        expected = abstract_params(config.model)
        initial = completed(config.model, initial)
        if jax.tree.map(lambda x: x.shape, initial) != jax.tree.map(lambda x: x.shape, expected):
            raise PianistError(f"{source}: holds a model of other sizes ({model}); set the same model")
    resident = _resident(config, data) if data is not None else {}
    validation = resident.get("validation") or _streamed_validation(config, pairs, shards)
    if jax.process_index() == 0:
        _write_config(config, workdir)
    tell: dict[str, Any] = {"initial": initial, "seconds": seconds, "observers": observers}
    if not shards:
        if "train" not in resident:
            raise PianistError("there is nothing to train on; give --data (exported parts) or --shards")
        train(config, resident["train"], validation, workdir, **tell)
        return
    from pianist_jax.data.pipeline import make_loader  # Grain is not needed for corpora in memory

    how = {"process_index": jax.process_index(), "process_count": jax.process_count(), "workers": workers}
    how |= {"packed": config.packed, "seed": config.seed}
    with make_loader(shards, batch=config.batch, window=config.window, **how) as loader:
        train(config, loader, validation, workdir, **tell)


def _write_config(config: TrainConfig, workdir: epath.Path) -> None:
    """`config.json` of a run, whole or not at all. Raises PianistError where there is no room or no right."""
    text = json.dumps(dataclasses.asdict(config), indent=1)
    if "://" not in str(workdir):
        replace_file(workdir / _CONFIG, text, make_folder=True)
        return
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / _CONFIG).write_text(text)


def _resident(config: TrainConfig, data: Path) -> dict[str, Windows]:
    """Windows of exported parts, to train and to validate on."""
    found = sorted(data.glob("pretrain-*.part"))
    if config.task == "pretrain" and found and not list(data.glob("pairs-*.part")):
        return _pieces_alone(config, found)
    pairs = load_pairs(_parts(data, "pairs"))

    def windows(pairs: PairCorpus, split: str = "train", stride: int = 64) -> Windows:
        curves = pair_curves(pairs) if config.task == "consensus" or config.consensus_weight else None
        likely = in_time(pairs) if config.model.anchored else pairs
        return pair_windows(likely, config.window, split, stride=stride, curves=curves)

    popular = np.array([about.get("corpus") == "pop909" for about in pairs.metadata])
    pianists = choose(pairs, ~popular)  # whom all models are validated on
    resident = {"validation": windows(pianists, "validation", config.window)}
    if config.task != "pretrain":
        resident["train"] = _mixture(config, (pianists, choose(pairs, popular)), found, windows)
    elif found:
        resident["train"] = piece_windows(load_parts(found), config.window)
    return resident


def _pieces_alone(config: TrainConfig, found: Sequence[Path]) -> dict[str, Windows]:
    """Windows of exported pieces without any pairs: every `HELD_OUT`-th piece is validated on."""
    pieces = load_parts(found)
    held_out = np.arange(len(pieces.files)) % HELD_OUT == HELD_OUT - 1
    if not held_out.any():
        few = f"no pairs to validate on and fewer than {HELD_OUT} pieces"
        raise PianistError(f"{found[0].parent}: holds {few}; add some")
    return {
        "validation": piece_windows(choose(pieces, held_out), config.window, stride=config.window),
        "train": piece_windows(choose(pieces, ~held_out), config.window),
    }


def _require_same(config: TrainConfig, workdir: epath.Path, set_anyway: bool) -> None:
    """Raise PianistError where a run that has been saved goes on with settings by which it would learn otherwise."""
    if set_anyway or not (workdir / _CONFIG).exists() or not (workdir / "checkpoints").exists():
        return
    told = [f"{key} {old} -> {new}" for key, (old, new) in differences(read_config(workdir), config, but=FREE).items()]
    if told:
        raise PianistError(
            f"{workdir}: was begun with other settings ({', '.join(told)}); leave them, choose another folder, or add "
            "--set-anyway"
        )


def _is_finished(config: TrainConfig, workdir: epath.Path) -> bool:
    """Whether a run has made all of its steps and can be read. A job of many processes sees that for itself."""
    if jax.process_count() > 1 or not (workdir / "checkpoints").exists():
        return False
    with checkpoints.open_checkpoints(workdir / "checkpoints", read_only=True) as manager:
        if (manager.latest_step() or 0) < config.steps:
            return False
        saved = checkpoints.restore(manager, abstract_state(config, one_device()), optional=OPTIONAL)
        return saved is not None and saved.step >= config.steps


def _mixture(
    config: TrainConfig,
    pairs: tuple[PairCorpus, PairCorpus],
    pieces: Sequence[Path],
    windows: Callable[[PairCorpus], Windows],
) -> Windows:
    """What a stage learns from: pairs of classical music and of pop, parts of them, and invented scores."""
    share = config.mixture
    if share.pop and not len(pairs[1].split):
        raise PianistError("mixture.pop: the exported pairs hold none of POP909; make and export them, or set it to 0")
    if share.invented and not pieces:
        raise PianistError("mixture.invented: there are no pretrain-*.part; export some pieces, or set it to 0")
    whole, parts = 1.0 - share.thinned - share.invented, []
    for own, part in zip(pairs, (1.0 - share.pop, share.pop), strict=True):
        if part:
            parts.append((windows(own), whole * part))
            if share.thinned:
                parts.append((windows(thinned(own, np.random.default_rng(config.seed))), share.thinned * part))
    if share.invented:
        made = invented(load_parts(pieces), config.window, jax.random.key(config.seed))
        parts.append((windows(made), share.invented))
    return mixed(parts)


def _streamed_validation(config: TrainConfig, pairs: Path | None, shards: Sequence[Path]) -> Windows:
    """As many validation windows as are looked at, from a folder of pairs."""
    from pianist_jax.data.pipeline import make_loader

    folder = pairs or (shards[0] if shards and config.task == "finetune" else None)
    if folder is None:
        raise PianistError("there is nothing to validate on; give --validation (a folder of pairs) or --data")
    with make_loader(
        [folder], batch=config.batch, window=config.window, split="validation", stride=config.window
    ) as loader:
        batches = [next(loader) for _ in range(config.validation_batches)]
    return windows_of(batches)


def export_run(workdir: epath.PathLike, out: Path, *, dtype: str = "int8") -> Path:
    """Write the parameters of a run's last checkpoint (their mean, where it kept one) to one weights file; gives it.

    It is what `pianist render --model` takes. Where `out` has no suffix it is a folder to be published: the weights and
    their model card (`weights.card`), as `hub:OWNER/NAME` finds them.
    """
    workdir = epath.Path(workdir)
    config, saved = _last_checkpoint(workdir)
    params = weights(saved.state)
    plain = dataclasses.replace(config.model, dtype="float32", attention="xla", dropout=0.0, remat=False)
    # The log may know of steps whose checkpoint was lost or is damaged.
    seen = [line for line in read_log(workdir) if "validation" in line and line.get("step", 0) <= saved.step]
    about = {"config": dataclasses.asdict(config), "last": seen[-1] if seen else {}}
    file = out if out.suffix else published(out)
    save_weights(file, plain, params, dtype=dtype, metadata=about)
    if file != out:
        write_card(out, about, num_params(params), dtype)
    return file


def load_run(source: epath.PathLike) -> tuple[ModelConfig, Any]:
    """Model settings and parameters of a weights file, or of the last checkpoint of a run's folder."""
    source = epath.Path(source)
    if source.is_file() and "://" not in str(source):
        return load_weights(Path(source))
    config, saved = _last_checkpoint(source)
    return config.model, weights(saved.state)


def _last_checkpoint(source: epath.Path) -> tuple[TrainConfig, checkpoints.Saved]:
    config = read_config(source)
    with checkpoints.open_checkpoints(source / "checkpoints", read_only=True) as manager:
        saved = checkpoints.restore(manager, abstract_state(config, one_device()), optional=OPTIONAL)
    if saved is None:
        raise PianistError(f"{source}: holds no checkpoint yet; train first")
    return config, saved


def read_config(workdir: epath.PathLike) -> TrainConfig:
    """The settings of a run's folder. Raises PianistError where it is none."""
    workdir = epath.Path(workdir)
    try:
        return from_saved(TrainConfig, json.loads((workdir / _CONFIG).read_text()))
    except OSError as error:
        told = f"is no training run ({error.strerror}); give a run's folder or a file"
        raise PianistError(f"{workdir}: {told}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PianistError(f"{workdir}: {_CONFIG} holds no settings of this program ({error}); train anew") from error


def load_config(path: Path, stage: str, model: str) -> TrainConfig:
    """What `get_config(stage, model)` of a Python file returns. Raises PianistError where there is none."""
    specification = importlib.util.spec_from_file_location("recipe", path) if path.is_file() else None
    if specification is None or specification.loader is None:
        raise PianistError(f"{path}: no such recipe; give a Python file with get_config(stage, model)")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise PianistError(f"{path}: has no get_config(stage, model)")
    return module.get_config(stage, model)


def _parts(data: Path, name: str) -> list[Path]:
    found = sorted(data.glob(f"{name}-*.part"))
    if not found:
        raise PianistError(f"{data}: holds no {name}-*.part; make them with `pianist data export`")
    return found
