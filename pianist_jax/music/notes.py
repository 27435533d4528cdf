"""Notes and sustain pedal as arrays, and the normalisation every other room relies on (arXiv 2512.02652)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Notes:
    """N notes and P sustain pedal events of one piano, times in integer milliseconds.

    `pitch` int16[N] and `velocity` int16[N] are MIDI numbers, `onset` and `duration` int64[N] ms;
    `pedal_time` int64[P] ms is sorted, `pedal_value` int16[P] is CC64. Any integer sequences are accepted.
    Raises ValueError when lengths differ, a value is no integer or does not fit, or the pedal is not sorted.
    """

    pitch: np.ndarray
    onset: np.ndarray
    duration: np.ndarray
    velocity: np.ndarray
    pedal_time: np.ndarray
    pedal_value: np.ndarray

    def __post_init__(self) -> None:
        for name in ("pitch", "velocity", "pedal_value"):
            object.__setattr__(self, name, _column(name, getattr(self, name), np.int16))
        for name in ("onset", "duration", "pedal_time"):
            object.__setattr__(self, name, _column(name, getattr(self, name), np.int64))
        lengths = {len(self.pitch), len(self.onset), len(self.duration), len(self.velocity)}
        if len(lengths) > 1 or len(self.pedal_time) != len(self.pedal_value):
            raise ValueError("columns of notes, or of pedal events, differ in length")
        if np.any(np.diff(self.pedal_time) < 0):
            raise ValueError("pedal events are not sorted by time")

    def __len__(self) -> int:
        return len(self.pitch)

    @property
    def end(self) -> np.ndarray:
        """int64[N] ms: when each note is released."""
        return self.onset + self.duration


def _column(name: str, values: ArrayLike, dtype: type[np.signedinteger]) -> np.ndarray:
    column = np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"{name} has shape {column.shape}, expected one dimension")
    if column.size == 0:
        return np.zeros(0, dtype)
    if column.dtype == dtype:
        return column
    if not np.issubdtype(column.dtype, np.integer):
        raise ValueError(f"{name} holds {column.dtype}, expected integers")
    limits = np.iinfo(dtype)
    if column.min() < limits.min or column.max() > limits.max:
        raise ValueError(f"{name} holds values outside {limits.min}..{limits.max}")
    return column.astype(dtype)


def part(notes: Notes, start: int, stop: int) -> Notes:
    """The notes from index `start` up to `stop`, at their times; the pedal is untouched."""
    own = slice(start, stop)
    columns = (notes.pitch[own], notes.onset[own], notes.duration[own], notes.velocity[own])
    return Notes(*columns, notes.pedal_time, notes.pedal_value)


def survivors(raw: Notes) -> np.ndarray:
    """int64[N]: for each normalised note, in normalised order, the index of the raw note it comes from.

    Of raw notes that share pitch and onset the longest survives, the last in order among equals.
    """
    return _unisons(raw)[0]


def normalise(raw: Notes) -> tuple[Notes, np.ndarray]:
    """Normalise M raw notes (arXiv 2512.02652, preprocessing).

    A note has at least 1 ms; it is cut where the next note of its pitch begins; unison duplicates become one
    note; notes are sorted by (onset, pitch). The pedal is untouched. Normalising twice changes nothing.

    Returns:
        the N <= M normalised notes, and int64[M]: for each raw note the index of the normalised note that it
        became or was merged into (`survivors` tells which raw note gave its velocity and length).

    >>> twice = Notes([60, 60, 60], [0, 0, 500], [900, 400, 500], [50, 80, 64], [], [])
    >>> notes, became = normalise(twice)
    >>> notes.duration.tolist(), became.tolist()
    ([500, 500], [0, 0, 1])
    """
    kept, index = _unisons(raw)
    pitch, onset = raw.pitch[kept], raw.onset[kept]
    end = onset + np.maximum(raw.duration[kept], 1)
    by_pitch = np.argsort(pitch, kind="stable")  # kept is in onset order already
    before, after = by_pitch[:-1], by_pitch[1:]
    repeated = pitch[before] == pitch[after]
    before, after = before[repeated], after[repeated]
    end[before] = np.minimum(end[before], onset[after])
    notes = Notes(pitch, onset, end - onset, raw.velocity[kept], raw.pedal_time, raw.pedal_value)
    return notes, index


def _unisons(raw: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Raw index int64[N] of each normalised note, and normalised index int64[M] of each raw note."""
    order = np.lexsort((np.maximum(raw.duration, 1), raw.pitch, raw.onset))
    pitch, onset = raw.pitch[order], raw.onset[order]
    last = np.ones(len(order), bool)
    last[:-1] = (pitch[1:] != pitch[:-1]) | (onset[1:] != onset[:-1])
    index = np.empty(len(order), np.int64)
    index[order] = np.cumsum(last) - last
    return order[last].astype(np.int64), index
