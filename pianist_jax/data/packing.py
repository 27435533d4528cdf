"""Where windows of notes are cut out of pieces: each from one piece, or packed without a gap.

Both are tables made once from the lengths of the pieces; window i is found without reading any other.
"""

import dataclasses

import numpy as np

Stretch = tuple[int, int, int]  # piece, its first note in the window, the note after its last one


def cut(lengths: np.ndarray, window: int, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of `window` notes of pieces of these lengths, each beginning a `stride` further; int64[W] each.

    Returns the piece, the first note in it, and the number of notes. A piece's last window ends where it ends; a
    piece shorter than a window gives one of its own length.
    """
    last = np.maximum(lengths - window, 0)  # where the last window of a piece begins
    count = -(-last // stride) + 1
    piece = np.repeat(np.arange(len(lengths)), count)
    number = np.arange(len(piece)) - np.repeat(np.cumsum(count) - count, count)
    return piece, np.minimum(number * stride, last[piece]), np.minimum(lengths[piece], window)


@dataclasses.dataclass(frozen=True, eq=False)
class Apart:
    """Every window from one piece; what a short piece leaves over is padding."""

    piece: np.ndarray
    first: np.ndarray
    length: np.ndarray

    def __len__(self) -> int:
        return len(self.piece)

    def spans(self, number: int) -> list[Stretch]:
        """The one span of a window."""
        first = int(self.first[number])
        return [(int(self.piece[number]), first, first + int(self.length[number]))]


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
    """Windows cut out of all pieces laid end to end in a circle (arXiv 2512.02652): every place holds a note.

    `order` int64[P] is the order of the pieces, `ends` int64[P] where each ends. A pass cuts the circle into
    windows; the next begins a `stride` further, so that `window // stride` passes cut it at other places.
    """

    order: np.ndarray
    ends: np.ndarray
    window: int
    stride: int

    def __len__(self) -> int:
        return self._windows() * max(self.window // self.stride, 1)

    def _windows(self) -> int:
        return -(-int(self.ends[-1]) // self.window)

    def spans(self, number: int) -> list[Stretch]:
        """The spans of a window in order, `window` notes in all."""
        turn, index = divmod(number, self._windows())
        place = (index * self.window + turn * self.stride) % int(self.ends[-1])
        here = int(np.searchsorted(self.ends, place, side="right"))
        found: list[Stretch] = []
        missing = self.window
        while missing:
            begin = int(self.ends[here - 1]) if here else 0
            count = min(missing, int(self.ends[here]) - place)
            found.append((int(self.order[here]), place - begin, place - begin + count))
            missing -= count
            here = (here + 1) % len(self.order)
            place = int(self.ends[here - 1]) if here else 0
        return found


def lay_apart(lengths: np.ndarray, window: int, stride: int) -> Apart:
    """Windows of one piece each; a note lies in about `window / stride` of them."""
    return Apart(*cut(lengths, window, stride))


def lay_packed(lengths: np.ndarray, window: int, stride: int, rng: np.random.Generator) -> Packed:
    """Windows packed without a gap, the pieces in an order drawn from `rng`."""
    order = rng.permutation(len(lengths))
    return Packed(order, np.cumsum(lengths[order]), window, stride)


def padding(layout: Apart | Packed, window: int) -> float:
    """Share of the places in all windows that hold no note."""
    if isinstance(layout, Packed):
        return 0.0
    return 1 - float(layout.length.sum()) / (len(layout) * window)
