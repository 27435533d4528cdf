"""Long pieces by overlapping windows that meet on note boundaries (paper §5).

A window is as long as the model was trained on. Each begins with notes that the window before it has performed, its
prompt, so that tempo, dynamics and pedal go on from there. The last fifth of the overlap is performed anew: when those
notes were performed first, the score ended too close behind them.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pianist_jax.music.tokens import NOTE_TOKENS


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
    """What one window performs: score tokens int32 [N, 8], performed tokens of its prompt int32 [P, 8].

    `key` uint32 [2] and `first`, the number in the piece of the first note, decide the random numbers; `fresh` counts
    the notes that become final here. `limits`, if given, are the bounds of all its slots (`decode.value_bounds`), where
    more than the prompt is known.
    """

    score: np.ndarray
    prompt: np.ndarray
    key: np.ndarray
    first: int
    fresh: int
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


def joins(notes: int, windowing: Windowing) -> np.ndarray:
    """Where one window takes over from another: int64 numbers of the first notes that a later window performs."""
    return np.array([w.first + w.prompt for w in cut_windows(notes, windowing)[1:]], np.int64)


def perform_pieces(
    pieces: Sequence[np.ndarray],
    keys: Sequence[np.ndarray],
    windowing: Windowing,
    play: Callable[[list[Span], int], list[np.ndarray]],
    *,
    batch: int,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number, performed tokens int32 [N, 8]) of every piece's score tokens as soon as it is done.

    Up to `batch` pieces go through their windows side by side, the next beginning where one has ended. `play` takes
    their spans and how many notes the longest of all has still to go, and gives the performed tokens of each span,
    prompt included.
    """
    cuts = [cut_windows(len(piece), windowing) for piece in pieces]
    performed = [np.zeros((len(piece), NOTE_TOKENS), np.int32) for piece in pieces]
    next_window = [0] * len(pieces)
    waiting = list(range(len(pieces)))[::-1]
    playing: list[int] = []
    while waiting or playing:
        while waiting and len(playing) < batch:
            playing.append(waiting.pop())
        windows = [cuts[piece][next_window[piece]] for piece in playing]
        spans = [_span(pieces[i], performed[i], keys[i], window) for i, window in zip(playing, windows, strict=True)]
        left = max(len(pieces[i]) - window.first for i, window in zip(playing, windows, strict=True))
        for i, window, played in zip(playing, windows, play(spans, left), strict=True):
            performed[i][window.first + window.prompt : window.last] = played[window.prompt :]
            next_window[i] += 1
        for i in [i for i in playing if next_window[i] == len(cuts[i])]:
            playing.remove(i)
            yield i, performed[i]


def _span(score: np.ndarray, performed: np.ndarray, key: np.ndarray, window: Window) -> Span:
    known = window.first + window.prompt
    return Span(
        score=score[window.first : window.last],
        prompt=performed[window.first : known],
        key=key,
        first=window.first,
        fresh=window.settled - known,
    )
