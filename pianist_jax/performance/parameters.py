"""What a performance makes of its score: the tempo of every gap, the loudness and the articulation of every note.

Chords are notes written within 10 ms. Every curve is on a scale without ends, where differences add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ONE_CHORD = 10  # ms in the score
CURVES = ("gap", "velocity", "articulation")
PREDICTED = (*CURVES, "tempo")  # what a consensus names; the tempo is the log of performed over written time
TEMPO_UNIT = 0.25  # in which it does so


@dataclass(frozen=True, eq=False)
class Curves:
    """A performance of N notes in C chords.

    gap: float64 [C - 1], log of each chord's performed distance to the next one over the written one.
    velocity: float64 [N], log-odds (`log_odds`).
    articulation: float64 [N], log of the performed length over the written one at the performance's own clock.
    """

    gap: np.ndarray
    velocity: np.ndarray
    articulation: np.ndarray


def curves_on(
    start: np.ndarray, end: np.ndarray, written: np.ndarray, clock: np.ndarray, velocity: np.ndarray, length: np.ndarray
) -> Curves:
    """The curves of a performance on the clock of its chords.

    Args:
        start, end: [N] ms, where each note is written to begin and to end.
        written, clock: float64 [C] ms, when each chord is written and when it is played, both ascending.
        velocity: [N], as played.
        length: [N] ms, as played.
    """
    return Curves(
        np.log(np.diff(clock) / np.diff(written)),
        log_odds(velocity),
        np.log(np.maximum(length, 1) / lengths(start, end, written, clock)),
    )


def lengths(start: np.ndarray, end: np.ndarray, written: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """float64 [N] ms: how long the written notes are on a clock of the chords, at least 1."""
    return np.maximum(carried(end, written, clock) - carried(start, written, clock), 1.0)


def chords(onset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 [N] the chord of each note, int64 [C] the first note of each chord; written onsets (ms) ascend."""
    first = [0]
    for n, time in enumerate(onset.tolist()):
        if time > onset[first[-1]] + ONE_CHORD:
            first.append(n)
    begins = np.zeros(len(onset), np.int64)
    begins[first[1:]] = 1
    return np.cumsum(begins), np.array(first, np.int64)


def chord_times(onset: np.ndarray, chord: np.ndarray) -> np.ndarray:
    """float64 [C] ms: when each chord begins, ascending by at least 1 ms."""
    earliest = np.full(int(chord[-1]) + 1, np.iinfo(np.int64).max)
    np.minimum.at(earliest, chord, onset)
    steps = np.arange(len(earliest))
    return (np.maximum.accumulate(earliest - steps) + steps).astype(np.float64)


def carried(time: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """float64: times on one clock as they come on another, straight between chords, at the mean tempo outside."""
    slope = (new[-1] - new[0]) / (old[-1] - old[0]) if len(old) > 1 else 1.0
    outside = np.minimum(time - old[0], 0) + np.maximum(time - old[-1], 0)
    return np.interp(time, old, new) + slope * outside


def moved(time: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """int64 ms: times on one clock as they come on another (chords at float64 `old` and `new` ms)."""
    return np.maximum(np.rint(carried(time, old, new)), 0).astype(np.int64)


def log_odds(velocity: np.ndarray) -> np.ndarray:
    """float64 [N]: velocities on a scale without ends, the log-odds of 128."""
    v = np.clip(velocity, 1, 127).astype(np.float64)
    return np.log(v / (128 - v))


def of_log_odds(odds: np.ndarray) -> np.ndarray:
    """int16 [N]: velocities 1..127 of their log-odds."""
    return np.clip(np.rint(128 / (1 + np.exp(-odds))), 1, 127).astype(np.int16)
