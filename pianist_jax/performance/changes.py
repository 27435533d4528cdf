"""What differs between two performances of one score, note by note, in figures. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import chords_of, clock_of

if TYPE_CHECKING:
    from pianist_jax.score.grid import ScoreGrid

MOST_RANGES = 6  # of bars that are named; more are counted


@dataclass(frozen=True, eq=False)
class Changes:
    """The notes of a score, bool [N], that begin at another time, last otherwise or are struck otherwise; the pedal."""

    onset: np.ndarray
    duration: np.ndarray
    velocity: np.ndarray
    pedal: bool

    @property
    def notes(self) -> np.ndarray:
        """bool [N]: which notes differ in anything."""
        return self.onset | self.duration | self.velocity

    def __bool__(self) -> bool:
        return bool(self.notes.any()) or self.pedal

    def in_words(self, grid: ScoreGrid | None = None) -> str:
        """As in `3 of 120 notes (bars 5-6): onset 2, velocity 1; pedal`."""
        parts = []
        if self.notes.any():
            bars = f" (bars {bars_in_words(grid, self.notes)})" if grid is not None else ""
            kinds = (("onset", self.onset), ("duration", self.duration), ("velocity", self.velocity))
            each = ", ".join(f"{name} {int(which.sum())}" for name, which in kinds if which.any())
            parts.append(f"{int(self.notes.sum())} of {len(self.notes)} notes{bars}: {each}")
        return "; ".join([*parts, *["pedal"] * self.pedal]) or "nothing"


def changes(old: Notes, new: Notes) -> Changes:
    """What differs between performances that correspond note by note."""
    pedal = not (np.array_equal(old.pedal_time, new.pedal_time) and np.array_equal(old.pedal_value, new.pedal_value))
    return Changes(old.onset != new.onset, old.duration != new.duration, old.velocity != new.velocity, pedal)


def bars_in_words(grid: ScoreGrid, notes: np.ndarray) -> str:
    """The bars in which these notes bool [N] begin, as in `1-4, 7`."""
    bars = np.unique(np.floor(grid.bar_of(grid.onset[notes])).astype(int))
    runs = np.split(bars, np.flatnonzero(np.diff(bars) > 1) + 1)
    words = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    more = f" and {len(words) - MOST_RANGES} more places" if len(words) > MOST_RANGES else ""
    return ", ".join(words[:MOST_RANGES]) + more


def figures(score: Notes, a: Notes, b: Notes) -> list[tuple[str, float, float, float]]:
    """(what, of `a`, of `b`, how alike from -1 to 1) of two performances that correspond to a score note by note.

    The correlation is that of log-IOIs, velocities and log-articulations; NaN where one of them does not vary.
    """
    chords = chords_of(score)
    clocks = [clock_of(chords, notes.onset) for notes in (a, b)]
    gaps = [np.log(np.diff(clock) / np.diff(chords.onset)) for clock in clocks]
    lengths = [np.log(np.maximum(notes.duration, 1) / np.maximum(score.duration, 1)) for notes in (a, b)]
    loud = [notes.velocity.astype(np.float64) for notes in (a, b)]
    seconds = [(notes.end.max() - notes.onset.min()) / 1000 for notes in (a, b)]
    rows = [
        ("length, s", *seconds, np.nan),
        ("tempo: spread of log-IOI", *map(_spread, gaps), _alike(*gaps)),
        ("velocity: mean", *(own.mean() for own in loud), _alike(*loud)),
        ("velocity: spread", *map(_spread, loud), np.nan),
        ("length of notes, times written", *(np.exp(own.mean()) for own in lengths), _alike(*lengths)),
        ("pedal: share of time", *map(_pedalled, (a, b)), np.nan),
    ]
    return [(what, float(one), float(other), float(alike)) for what, one, other, alike in rows]


def _spread(values: np.ndarray) -> float:
    return float(values.std()) if len(values) else 0.0


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 1 and a.std() > 0 and b.std() > 0 else float("nan")


def _pedalled(notes: Notes) -> float:
    """Share of the time from the first onset to the last release in which the pedal is down at all."""
    begin, end = notes.onset.min(), notes.end.max()
    times = np.clip(np.append(notes.pedal_time, end), begin, end)
    return float(np.diff(times)[notes.pedal_value > 0].sum() / (end - begin))
