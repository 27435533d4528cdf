"""Where batches come from: a corpus in the devices' memory, or a loader that reads shards. The loop sees no difference.

A corpus in memory is drawn from inside the jitted program, by the number of the step: nothing has to be remembered.
A loader reads ahead on the host, and where it has got to is saved with the state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pianist_jax.config import TrainConfig
from pianist_jax.data.windows import Windows
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.parallel import global_batch, place, replicated
from pianist_jax.training.account import Account
from pianist_jax.training.losses import Sums
from pianist_jax.training.steps import State, abstract_batch, abstract_state, make_step, make_train


class DataError(PianistError):
    """Data that cannot be read, or not as batches of this run."""


class Loader(Protocol):
    """Endless batches of this process's rows, as `data.windows.take` makes them, and where they have got to (JSON)."""

    def __next__(self) -> dict[str, Any]: ...

    def get_state(self) -> Any:
        """The position before the next batch."""

    def set_state(self, state: Any) -> None:
        """Go on from a position."""


@dataclass(frozen=True)
class Feed:
    """`advance` runs `config.stretch` steps and returns their sums; `position` and `seek` tell and set the place."""

    advance: Callable[[State], tuple[State, Sums]]
    position: Callable[[], Any]
    seek: Callable[[Any], None]


def open_feed(config: TrainConfig, data: Windows | Loader, mesh: Mesh, account: Account | None = None) -> Feed:
    """The compiled steps over either kind of data; waiting for a loader goes to the `account` of the run.

    Raises PianistError where the mesh cannot share a batch.
    """
    if isinstance(data, dict):
        return _resident(config, data, mesh)
    return _streamed(config, data, mesh, account or Account())


def windows_of(batches: Sequence[dict[str, Any]]) -> Windows:
    """A few batches of a loader as a corpus in memory, one window a row."""
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), *batches)
    rows, notes = joined["note_mask"].shape
    sides = {name: joined[name] for name in ("score", "performance") if name in joined}
    played = {"played": joined["played"].reshape(-1)} if "played" in joined else {}
    return {
        **jax.tree.map(lambda values: values.reshape(rows * notes, -1), sides),
        **played,
        "start": np.arange(rows, dtype=np.int32) * notes,
        "length": joined["note_mask"].sum(axis=1, dtype=np.int32),
        "chance": np.linspace(0, 1, rows + 1, dtype=np.float32)[1:],
        "has_pedal": joined["has_pedal"],
        "expressive": joined["expressive"],
    }


def _resident(config: TrainConfig, windows: Windows, mesh: Mesh) -> Feed:
    windows = place(windows, replicated(mesh))
    run = make_train(config, config.stretch, mesh).lower(abstract_state(config, mesh), windows).compile()
    return Feed(lambda state: run(state, windows), lambda: None, lambda position: None)


def _streamed(config: TrainConfig, loader: Loader, mesh: Mesh, account: Account) -> Feed:
    step = make_step(config, mesh).lower(abstract_state(config, mesh), abstract_batch(config, mesh)).compile()
    add = jax.jit(lambda a, b: jax.tree.map(jnp.add, a, b))
    wanted = abstract_batch(config, mesh)

    def advance(state: State) -> tuple[State, Sums]:
        total: Sums | None = None
        for _ in range(config.stretch):
            with account.spent_on("data"):
                batch = next_batch(loader, wanted)
            state, sums = step(state, global_batch(batch, mesh))
            total = sums if total is None else add(total, sums)
        assert total is not None
        return state, total

    def seek(position: Any) -> None:
        if position is not None:
            loader.set_state(position)

    return Feed(advance, loader.get_state, seek)


def next_batch(loader: Loader, wanted: dict[str, Any]) -> dict[str, Any]:
    """The next batch in the shapes that were compiled. Raises DataError where none can be read."""
    try:
        batch = next(loader)
    except PianistError as error:
        raise DataError(str(error)) from error
    except StopIteration:
        raise DataError("the data have come to an end; give a loader that begins again") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"the data cannot be read ({type(error).__name__}: {reason}); bring the shard back") from error
    return {name: _as_wanted(name, batch.get(name), part) for name, part in wanted.items()}


def _as_wanted(name: str, given: Any, wanted: Any) -> Any:
    """An array, or the groups of a score that are wanted: a model without metre does without it. Raises DataError."""
    if isinstance(wanted, ScoreTokens) and isinstance(given, ScoreTokens):
        return ScoreTokens(
            **{key: _as_wanted(f"score.{key}", getattr(given, key), getattr(wanted, key)) for key in wanted.groups}
        )
    if given is None:
        raise DataError(f'the data have no "{name}"; give those of the task that is trained')
    shape = (wanted.shape[0] // jax.process_count(), *wanted.shape[1:])
    if given.shape != shape:
        raise DataError(
            f'the data give "{name}" {given.shape} to a process instead of {shape}; '
            "set batch and window as the loader has them"
        )
    return np.asarray(given, wanted.dtype)
