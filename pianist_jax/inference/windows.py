"""Long pieces by overlapping windows that meet on note boundaries (arXiv 2512.02652, rendering).

A window is as long as the model was trained on. Each begins with notes that the window before it has performed, its
prompt, so that tempo, dynamics and pedal go on from there. The last fifth of the overlap is performed anew: when those
notes were performed first, the score ended too close behind them.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from pianist_jax.music.tokens import NOTE_TOKENS, ScoreTokens


@dataclasses.dataclass(frozen=True)
class Windowing:
    """Windows of `notes` notes, each `move` further than the last, beginning with `prompt` notes already performed."""

    notes: int
    move: int
    prompt: int

    def __post_init__(self) -> None:
        if not 0 < self.prompt <= self.notes - self.move < self.notes:
            raise ValueError(f"{self} leaves notes out: it must be 0 < prompt <= notes - move < notes")


@dataclasses.dataclass(frozen=True)
class Window:
    """Notes `first` … `last` − 1 of a piece: the first `prompt` are known, those before `settled` final after it."""

    first: int
    last: int
    prompt: int
    settled: int


@dataclasses.dataclass(frozen=True, eq=False)
class Span:
    """What one window performs: score tokens int32 of N notes, performed tokens of its prompt int32 [P, 8].

    `key` uint32 [2] and `first`, the number in the piece of the first note, decide the random numbers; `fresh` counts
    the notes that become final here. `limits`, if given, are the bounds of all its slots (`decode.value_bounds`), where
    more than the prompt is known. It belongs to a draw of a `piece`, whose number tells its score from others.
    """

    score: ScoreTokens
    prompt: np.ndarray
    key: np.ndarray
    first: int
    fresh: int
    piece: int
    draw: int = 0
    limits: tuple[np.ndarray, np.ndarray] | None = None


def windowing_for(notes: int) -> Windowing:
    """Windows of `notes` notes that overlap by three eighths: of 512 notes 192, 153 of them as prompt."""
    overlap = max(notes * 3 // 8, 1)
    return Windowing(notes=notes, move=notes - overlap, prompt=max(overlap * 4 // 5, 1))


def cut_windows(notes: int, windowing: Windowing) -> list[Window]:
    """The windows of a piece of `notes` notes; every note is final in exactly one of them."""
    w = windowing
    windows: list[Window] = []
    while not windows or windows[-1].last < notes:
        first = len(windows) * w.move
        last = min(first + w.notes, notes)
        settled = notes if last == notes else first + w.move + w.prompt
        windows.append(Window(first, last, w.prompt if windows else 0, settled))
    return windows


def window_boundaries(notes: int, windowing: Windowing) -> np.ndarray:
    """Where one window takes over from another: int64 numbers of the first notes that a later window performs."""
    return np.array([w.first + w.prompt for w in cut_windows(notes, windowing)[1:]], np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """One performance to be made, a draw of a piece: all of a piece have the same `score`, tokens int32."""

    piece: int
    draw: int
    score: ScoreTokens
    key: np.ndarray


@dataclasses.dataclass(eq=False)
class _Open:
    """A row that waits or is being performed, and the windows that it has still to go through."""

    row: Row
    windows: list[Window]
    performed: np.ndarray

    @property
    def left(self) -> int:
        return self.row.score.size - self.windows[0].first


def perform_rows(
    rows: Iterable[Row],
    windowing: Windowing,
    play: Callable[[list[Span]], list[np.ndarray]],
    *,
    batch: int,
    ahead: int = 0,
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Yield ((piece, draw), performed tokens int32 [N, 8]) of every row as soon as it is done.

    Up to `batch` rows go through a window side by side: the oldest (of the last ones that which has furthest to go) and
    those whose next windows are most like its own. They are chosen among `ahead` rows (at least `batch`), so that no
    more than these are in memory, however many there are. `play` takes their spans and gives the performed tokens of
    each, prompt included.
    """
    source = iter(rows)
    waiting: list[_Open] = []
    while True:
        # Not all at once: what can be played should not wait until everything is read.
        room = max(ahead, batch) - len(waiting)
        wanted = min(room, 2 * batch)
        fresh = [_open(row, windowing) for row in itertools.islice(source, wanted)]
        waiting += fresh
        if not waiting:
            return
        last_ones = len(fresh) < wanted
        leader = max(waiting, key=lambda each: each.left) if last_ones else waiting[0]
        playing = _side_by_side(leader, waiting, batch)
        spans = [_span(each) for each in playing]
        for each, played in zip(playing, play(spans), strict=True):
            window = each.windows.pop(0)
            each.performed[window.first + window.prompt : window.last] = played[window.prompt :]
            if not each.windows:
                waiting.remove(each)
                yield (each.row.piece, each.row.draw), each.performed


def _open(row: Row, windowing: Windowing) -> _Open:
    notes = row.score.size
    return _Open(row, cut_windows(notes, windowing), np.zeros((notes, NOTE_TOKENS), np.int32))


def _side_by_side(leader: _Open, waiting: list[_Open], batch: int) -> list[_Open]:
    """The rows to play with the leader: with a prompt as long, as all begin behind it, and scores that tell as much."""
    ours = leader.windows[0]

    def kind(each: _Open) -> tuple[int, tuple[str, ...]]:
        return each.windows[0].prompt, each.row.score.groups

    alike = [each for each in waiting if kind(each) == kind(leader)]

    def unlike(each: _Open) -> tuple[int, int]:
        window = each.windows[0]
        return abs(window.last - window.first - ours.last + ours.first), -each.left

    return sorted(alike, key=unlike)[:batch]


def _span(each: _Open) -> Span:
    window = each.windows[0]
    known = window.first + window.prompt
    return Span(
        score=each.row.score.at(slice(window.first, window.last)),
        prompt=each.performed[window.first : known],
        key=each.row.key,
        first=window.first,
        fresh=window.settled - known,
        piece=each.row.piece,
        draw=each.row.draw,
    )
