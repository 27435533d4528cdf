"""Checkpoints of training through Orbax: atomic, the last few kept, restored into the shapes asked for."""

import logging
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from pianist_jax.errors import PianistError

logging.getLogger("absl").setLevel(logging.ERROR)


def open_checkpoints(folder: Path | str, *, keep: int = 2) -> ocp.CheckpointManager:
    """A manager of the checkpoints below `folder`, which is made if needed."""
    options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True, enable_async_checkpointing=True)
    return ocp.CheckpointManager(
        Path(folder).resolve(), options=options, item_handlers=ocp.StandardCheckpointHandler()
    )


def save(manager: ocp.CheckpointManager, state: dict[str, Any]) -> None:
    """Save a state under its own step; `manager.wait_until_finished` awaits the end of the writing."""
    manager.save(int(state["step"]), args=ocp.args.StandardSave(state))


def restore(manager: ocp.CheckpointManager, like: dict[str, Any]) -> dict[str, Any] | None:
    """The last complete state in the shapes of `like`, or None where nothing is saved.

    Raises PianistError when what is saved does not fit `like` (another model or optimizer).
    """
    step = manager.latest_step()
    if step is None:
        return None
    wanted = jax.eval_shape(lambda: like)
    # Compared before reading: arrays of other shapes fail one by one while Orbax still reads the rest.
    kept, asked = _shapes(manager.item_metadata(step).tree), _shapes(wanted)
    for name in sorted(kept.keys() | asked.keys()):
        if kept.get(name) != asked.get(name):
            reason = f"{name} is {kept.get(name, 'missing')}, not {asked.get(name, 'expected')}"
            which = f"{manager.directory}: the checkpoint of step {step} is of another model"
            raise PianistError(f"{which} ({reason}); use a new --workdir")
    return manager.restore(step, args=ocp.args.StandardRestore(wanted))


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each array by its path; tuples and lists, which files do not tell apart, count the same."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda leaf: hasattr(leaf, "shape"))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in leaves}
