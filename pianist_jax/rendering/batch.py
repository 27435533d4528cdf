"""Many scores at once, however many: read ahead, performed side by side, written, and noted down in a manifest."""

import dataclasses
import functools
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from pianist_jax.errors import PianistError, in_words
from pianist_jax.performance.shaping import require_shape
from pianist_jax.rendering.ahead import ahead, in_background
from pianist_jax.rendering.claims import Claims, clear_stale
from pianist_jax.rendering.extras import check_plot
from pianist_jax.rendering.finding import FoundScore, place, share_of, shelf
from pianist_jax.rendering.hashes import file_hash, json_hash
from pianist_jax.rendering.manifest import Manifests, hashes, is_whole, manifest_path
from pianist_jax.rendering.order import Order
from pianist_jax.rendering.outputs import Saved, save_rendering, wanted_paths
from pianist_jax.rendering.renderer import Piece, Rendering, check_pace, identity_of, read_piece, render_all
from pianist_jax.rendering.reuse import at_hand, made_again
from pianist_jax.rendering.takes import keep_take

READ_AHEAD = 32  # scores that wait, ready to be performed
LONGEST_NAME = 255  # bytes, of a file
PATIENCE = 1.0  # seconds until one looks again what others have done
WRITTEN_BEHIND = 8  # renderings that wait to be written


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a score: a `rendering` now written to `files`, or those `files` left alone, or an `error`.

    `again`: they were made again without performing. `worst_error_ms`, `take` and `beyond` as in `Saved`.
    """

    score: Path
    files: tuple[Path, ...] = ()
    worst_error_ms: float | None = None
    rendering: Rendering | None = None
    error: PianistError | None = None
    take: int = 1
    again: bool = False
    beyond: tuple[str, ...] = ()


@dataclasses.dataclass
class Tally:
    """How much is to be performed, as far as is known: `notes` in the `read` bytes of scores, `unread` bytes to come.

    Bytes of scores that turn out to need nothing are in neither.
    """

    unread: int = 0
    read: int = 0
    notes: int = 0

    @property
    def expected(self) -> int:
        """How many notes are to be performed in all, guessed from the sizes of the files not yet read."""
        return self.notes + round(self.unread * self.notes / self.read) if self.read else 0


def render_scores(
    jobs: Sequence[FoundScore],
    order: Order,
    *,
    share: str = "1/1",
    manifest: Path | None = None,
    kept: Collection[str] = (),
    tally: Tally | None = None,
    advance: Callable[[int], None] | None = None,
) -> Iterator[Outcome]:
    """Perform the `share` of the scores that falls to this process and write each as soon as it is done.

    Left alone is what was made before from the same score and order, by the manifest or by its own JSON file; set
    aside with an error what cannot be read or would replace something else, or fails in whatever other way. Of several
    scores the manifest tells what became of them. No more than a few batches are in memory at a time. `advance` is told
    of every so many notes drawn. Several processes may fill one folder: each leaves alone what another is at.
    Lines are appended to a `manifest` of its own where one is given; nothing may replace what is at the places `kept`.
    """
    tally, todo = tally or Tally(), share_of(jobs, share)
    tally.unread = sum(job.size for job in todo)
    run = _Run(
        order,
        _Notebook(manifest or (manifest_path(order.folder, share) if len(jobs) > 1 else None), order),
        {*kept, *(place(job.score) for job in jobs)},
        tally,
    )
    try:
        while todo:
            later: list[FoundScore] = []
            yield from _performed(todo, later, run, advance)
            if len(later) == len(todo):
                time.sleep(PATIENCE)
            if later:
                run.notebook.look_around()
                run.again = True
            todo = later
    finally:
        run.claims.release_all()


@dataclasses.dataclass
class _Run:
    """What one run needs everywhere; `again`: it looks at what others were at the first time."""

    order: Order
    notebook: "_Notebook"
    inputs: set[str]
    tally: Tally
    claims: Claims = dataclasses.field(default_factory=Claims)
    again: bool = False


def _performed(
    jobs: Sequence[FoundScore], later: list[FoundScore], run: _Run, advance: Callable[[int], None] | None
) -> Iterator[Outcome]:
    """What becomes of jobs; those that another process is at are put off until `later`."""
    order, notebook, tally = run.order, run.notebook, run.tally
    waiting: dict[int, tuple[FoundScore, str]] = {}
    finished: deque[Outcome] = deque()

    def pieces() -> Iterator[Piece]:
        with ahead(_read(jobs, run), READ_AHEAD) as results:
            for job, result in results:
                tally.unread -= job.size if not run.again else 0
                if result is None:
                    later.append(job)
                    continue
                if isinstance(result, Outcome):
                    finished.append(result)
                    continue
                source, piece = result
                tally.read += job.size
                tally.notes += len(piece.score)
                waiting[next(numbers)] = job, source
                yield piece

    def set_aside(number: int, error: Exception) -> None:
        job, source = waiting.pop(number)
        finished.append(Outcome(job.score, error=in_words(job.score, error, order.log)))
        notebook.note(job, finished[-1], source)
        run.claims.release(order.folder / job.stem)

    numbers, rendered = itertools.count(), functools.partial(render_all, **order.settings, advance=advance)
    with in_background() as submit:
        writing: deque[Future[Outcome]] = deque()
        for number, rendering in _rendered_apart(pieces(), rendered, set_aside):
            job, source = waiting.pop(number)
            writing.append(submit(_write, job, source, rendering, run))
            run.claims.touch()
            del rendering  # only the one who writes it needs it
            while writing and (len(writing) > WRITTEN_BEHIND or writing[0].done()):
                finished.append(writing.popleft().result())
            while finished:
                yield finished.popleft()
        yield from finished
        while writing:
            yield writing.popleft().result()


def _rendered_apart(
    pieces: Iterator[Piece],
    rendered: Callable[[Iterable[Piece]], Iterator[tuple[int, Rendering]]],
    set_aside: Callable[[int, Exception], None],
) -> Iterator[tuple[int, Rendering]]:
    """What is `rendered`, but a piece that cannot be performed is `set_aside` (its number, why) and the others go on.

    Pieces are performed side by side: which of them failed is found out by performing those at hand one by one, which
    gives the same performances.
    """
    at_hand: dict[int, Piece] = {}
    count, ended, broken = 0, False, False

    def taken() -> Iterator[Piece]:
        nonlocal count, ended, broken
        while not ended:
            try:
                piece = next(pieces, None)
            except BaseException:  # of the run, not of a piece
                broken = True
                raise
            if piece is None:
                ended = True
                return
            at_hand[count] = piece
            count += 1
            yield piece

    while not ended:
        first = count
        try:
            for number, rendering in rendered(taken()):
                del at_hand[first + number]
                yield first + number, rendering
            continue
        except Exception:
            if broken or not at_hand:
                raise
        for number, piece in list(at_hand.items()):
            del at_hand[number]
            try:
                ((_, rendering),) = rendered([piece])
            except Exception as error:
                set_aside(number, error)
            else:
                yield number, rendering


@dataclasses.dataclass
class _Notebook:
    """The manifest that this process writes, if any, and what all manifests tell."""

    path: Path | None
    order: Order

    def __post_init__(self) -> None:
        self.digest = self.order.digest()
        self.told = Manifests(self.order.folder, self.path) if self.path else None
        self.trusted = not self.order.force

    def look_around(self) -> None:
        """Take in what other processes have noted since; that counts where all is to be made anew, too."""
        self.trusted = True
        if self.told is not None:
            self.told.look_around()

    def found(self, job: FoundScore, source: str) -> tuple[Path, ...]:
        """The files of the score, if the manifest tells that this rendering is there and it still is."""
        if self.told is None or not self.trusted:
            return ()
        entry = self.told.last.get(job.stem.as_posix(), {})
        same = (entry.get("source"), entry.get("order")) == (source, self.digest)
        folder = self.order.folder
        return tuple(folder / name for name in entry["files"]) if same and is_whole(folder, entry) else ()

    def note(self, job: FoundScore, outcome: Outcome, source: str) -> None:
        """Append what became of a score, unless the last line about it tells so."""
        if self.told is None:
            return
        entry: dict[str, Any] = {"stem": job.stem.as_posix(), "score": str(job.score)}
        same: tuple[str, ...] = ("score", "state", "error")
        if outcome.error is not None:
            entry |= {"state": "failed", "error": str(outcome.error)}
        else:
            written = tuple(path for path in outcome.files if path.exists())
            entry |= {"state": "made" if outcome.rendering else "found", "source": source, "order": self.digest}
            entry["files"] = hashes(self.order.folder, written)
            if outcome.rendering:
                entry |= _figures(outcome.rendering)
            same = () if outcome.rendering else ("source", "order", "files")
        self.told.append(entry, same)


def _figures(rendering: Rendering) -> dict[str, Any]:
    """How many notes a rendering has, the seconds they took at the speed of the run, and its settings."""
    notes, speed = len(rendering.score), rendering.report["notes_per_second"]
    seconds = round(notes * len(rendering.performances) / max(speed, 0.01), 3)
    identity = {key: rendering.identity[key] for key in ("seed", "settings")}
    return {"notes": notes, "seconds": seconds, "model": rendering.identity["model"]["name"], **identity}


def _read(jobs: Iterable[FoundScore], run: _Run) -> Iterator[tuple[FoundScore, Outcome | tuple[str, Piece] | None]]:
    """Every score, with the hash of its file, or what became of it already; None where another process is at it."""
    order, notebook = run.order, run.notebook
    with shelf() as file_of:
        for job in jobs:
            run.claims.touch()
            source, stem = "", order.folder / job.stem
            files: tuple[Path, ...] = ()
            result: Outcome | Piece | None
            try:
                path = file_of(job)
                try:
                    source = file_hash(path)
                    files = notebook.found(job, source)
                    result = Outcome(job.score, files) if files else _read_one(job, path, run)
                except PianistError as error:
                    raise PianistError(str(error).replace(str(path), str(job.score))) from error
            except Exception as error:  # one bad score never stops the others, whatever is wrong with it
                result = Outcome(job.score, error=in_words(job.score, error, order.log))
            if isinstance(result, Outcome):
                told = bool(files) or _noted(job, result, source, run)
                if not result.error:  # whoever made it may have been killed before it gave up its claim
                    clear_stale(stem)
                run.claims.release(stem)
                result = result if told else None
            yield job, (source, result) if isinstance(result, Piece) else result


def _noted(job: FoundScore, outcome: Outcome, source: str, run: _Run) -> bool:
    """Note down what became of a score; False where another process is at it and may be about to.

    Nobody notes anything without a claim, so that none gets a second line. A score that is set aside needs no folder,
    and its name may be too long: that claim goes by another name.
    """
    name = json_hash(job.stem.as_posix()) if outcome.error else job.stem
    if run.notebook.told is not None:
        with suppress(PianistError):  # where no claim can be made, nobody else is at it
            if not run.claims.take(run.order.folder / name):
                return False
    run.notebook.note(job, outcome, source)
    if outcome.error:
        run.claims.release(run.order.folder / name)
    return True


def _read_one(job: FoundScore, path: Path, run: _Run) -> Outcome | Piece | None:
    order = run.order
    stem = order.folder / job.stem
    piece = read_piece(path, order.reading)
    check_pace(piece, order.pace, order.expression)
    check_plot(piece.grid, order.extras)
    require_shape(piece.grid, order.expression.shape)
    has_bars = piece.grid is not None
    paths = wanted_paths(stem, order.samples, order.extras, has_bars=has_bars)
    for wanted in paths:
        if len(os.fsencode(wanted.name)) > LONGEST_NAME:
            raise PianistError(f"{job.score}: its name is too long for {wanted.suffix} files named after it; rename it")
        if place(wanted) in run.inputs:
            raise PianistError(f"{wanted}: is itself a score to render; choose another folder with -o")
    identity = identity_of(piece, **order.settings)
    there = functools.partial(at_hand, stem, identity, order.extras, has_bars=has_bars, takes=order.takes)
    if not order.force and there():
        return Outcome(job.score, tuple(paths))
    if not run.claims.take(stem):
        return None
    # Meanwhile another process may have made it.
    with suppress(PianistError):
        if (run.again or not order.force) and there():
            return Outcome(job.score, tuple(paths))
    saved = Saved()
    if not order.force:
        saved = made_again(stem, identity, order.extras, order.expression, takes=order.takes, claims=run.claims)
    return Outcome(job.score, saved.files, saved.worst_error_ms, take=saved.take, again=True) if saved.files else piece


def _write(job: FoundScore, source: str, rendering: Rendering, run: _Run) -> Outcome:
    order = run.order
    stem = order.folder / job.stem
    try:
        if order.takes:
            saved = keep_take(rendering, stem, order.extras, force=order.force, claims=run.claims)
        else:  # forced, as `_read_one` has asked what is in the way
            saved = save_rendering(rendering, stem, force=True, extras=order.extras)
        told = (saved.files, saved.worst_error_ms, rendering)
        outcome = Outcome(job.score, *told, take=saved.take, beyond=saved.beyond)
    except Exception as error:
        outcome = Outcome(job.score, error=in_words(job.score, error, order.log))
    run.notebook.note(job, outcome, source)
    run.claims.release(stem)
    return outcome
