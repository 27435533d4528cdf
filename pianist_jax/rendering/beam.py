"""Scores performed on Apache Beam: what `batch` does, spread over as many machines as a runner has.

A machine takes a few scores at a time, performs them as one process among several in a folder does, and notes them
down in a manifest of its own; at the end these lines stand in the folder's manifest, in the order of the scores. So
renderings are the same to the byte, claims keep two machines from one score, and a run that was stopped goes on, here
or on one machine. Scores, weights and the folder must have the same paths on all machines.

Beam is the extra `beam`.
"""

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError
from pianist_jax.inference.engine import load_model
from pianist_jax.rendering.batch import render_scores
from pianist_jax.rendering.finding import FoundScore, place
from pianist_jax.rendering.manifest import append_line, manifest_path, told_in
from pianist_jax.rendering.order import Order
from pianist_jax.runners import pipeline_options

if TYPE_CHECKING:
    import apache_beam as beam

FEWEST, SHARES = 16, 256  # scores of a share, but for a small rest; shares of a run
_AT_WORK = threading.Lock()  # a worker's threads share its model, and the memory that performing takes


@dataclasses.dataclass(frozen=True)
class Share:
    """The scores that a machine takes at a time, and its number among those of the run."""

    number: int
    jobs: tuple[FoundScore, ...]


def render_on_beam(
    jobs: Sequence[FoundScore],
    make_order: Callable[..., Order],
    model: str,
    runner: str = "Direct",
    options: Sequence[str] = (),
) -> list[PianistError | None]:
    """Perform scores as `batch.render_scores` does; of each, in their order, the error or None.

    Args:
        make_order: gives what is to be made of a `model` that a machine has loaded; it must pickle.
        model: the weights, by the name or path that each machine loads them by, once.
        runner: one of `runners.RUNNERS`.
        options: of that runner, `key=value` each.

    Raises:
        PianistError: Beam is not installed, it does not know the runner, or the weights cannot be loaded here.
    """
    settings = pipeline_options(runner, options)
    import apache_beam as beam

    folder = make_order(model=load_model(model)).folder
    shares = divide(jobs)
    with beam.Pipeline(options=settings) as pipeline:
        (
            pipeline
            | "Shares" >> beam.Create(shares)
            | "Spread" >> beam.Reshuffle()
            | "Perform" >> _performing(make_order, model, below(folder, jobs))
        )
    told = gather(folder, jobs)
    return [_error(job, told.get(job.stem.as_posix(), {})) for job in jobs]


def _performing(make_order: Callable[..., Order], model: str, kept: frozenset[str]) -> "beam.ParDo":
    import apache_beam as beam
    from apache_beam.utils.shared import Shared

    class Perform(beam.DoFn):
        """Its model is loaded once for all threads of a worker."""

        def __init__(self) -> None:
            self.shared = Shared()

        def setup(self) -> None:
            self.order = make_order(model=self.shared.acquire(partial(load_model, model)))

        def process(self, share: Share) -> None:
            perform(share, self.order, kept)

    return beam.ParDo(Perform())


def divide(jobs: Sequence[FoundScore]) -> list[Share]:
    """The scores in shares, neighbours together: of an archive they are read one after the other."""
    size = max(FEWEST, -(-len(jobs) // SHARES))
    starts = range(0, len(jobs), size)
    return [Share(number, tuple(jobs[start : start + size])) for number, start in enumerate(starts)]


def below(folder: Path, jobs: Sequence[FoundScore]) -> frozenset[str]:
    """The places of scores that lie in the folder of renderings, and that none may replace."""
    root = Path(place(folder))
    return frozenset(where for job in jobs if Path(where := place(job.score)).is_relative_to(root))


def perform(share: Share, order: Order, kept: frozenset[str] = frozenset()) -> None:
    """Perform a share; what became of its scores is told by the manifests."""
    with _AT_WORK:
        for _ in render_scores(share.jobs, order, manifest=_part(order.folder, f"{share.number:05}"), kept=kept):
            pass


def gather(folder: Path, jobs: Sequence[FoundScore]) -> Mapping[str, Mapping[str, Any]]:
    """Bring the shares' lines into the folder's manifest, in the order of the scores; the last line about each score.

    Lines of a run that was stopped are among them.
    """
    whole, parts = manifest_path(folder), sorted(folder.glob(_part(folder, "*").name))
    new: dict[str, dict[str, Any]] = {}
    for path in parts:
        new |= told_in(path)
    first = [job.stem.as_posix() for job in jobs]
    for stem in [*(stem for stem in first if stem in new), *sorted(new.keys() - set(first))]:
        append_line(whole, new[stem])
    for path in parts:
        path.unlink(missing_ok=True)
    return told_in(whole)


def _part(folder: Path, number: str) -> Path:
    return folder / f"manifest-beam-{number}.jsonl"


def _error(job: FoundScore, entry: Mapping[str, Any]) -> PianistError | None:
    if entry.get("state") in ("made", "found"):
        return None
    return PianistError(entry.get("error", f"{job.score}: no machine has told what became of it; run it again"))
