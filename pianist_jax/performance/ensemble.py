"""Other parts in the pianist's time: each of their notes on the performance's own time map, and all of them together.

Where the pianist plays, what is written together sounds together; in his rests and between his onsets time goes on
straight from one to the other; before his first and after his last at the tempo there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import TimeMap, chords_of, moved, time_map
from pianist_jax.performance.playable import make_playable
from pianist_jax.score.ensemble import OtherPart

LOCAL = 2000.0  # ms of the score over which the tempo at either end is taken, and chords at least
FEWEST = 4
FAR = 24 * 3600 * 1000.0  # ms
KEYS = 128  # that an instrument has, so that a key of one is none of another


def in_time(score: Notes, performance: Notes, others: Sequence[OtherPart], factor: float) -> tuple[OtherPart, ...]:
    """The other parts as they sound with a performance: begun and as long as its time map has it, as loud as written.

    Args:
        score: the pianist's N notes, normalised, at the score's own tempo.
        performance: note n plays note n of the score.
        factor: how many times slower than written the performance is meant to be: of a single chord's tempo.

    What begins before the pianist goes as fast as it must to find room.
    """
    clock = clock_of(score, performance, others, factor)
    return tuple(dataclasses.replace(other, notes=_carried(other.notes, clock)) for other in others)


def clock_of(score: Notes, performance: Notes, others: Sequence[OtherPart], factor: float) -> TimeMap:
    """The performance's time map, with room for what begins before the pianist (`in_time`)."""
    known = _map(score, performance, factor)
    first = known.score[1] - _begin(others) if others else 0.0  # ms of the score from the first of them to the pianist
    if first > 0:
        pace = min(_slope(known), known.performed[1] / first)
        known.performed[0] = known.performed[1] - pace * FAR
    return known


def with_room(score: Notes, performance: Notes, others: Sequence[OtherPart], factor: float) -> Notes:
    """The performance (`in_time`), so much later that parts which begin before the pianist can do so at his tempo."""
    if not others:
        return performance
    late = -int(np.floor(_map(score, performance, factor).to_performed(np.array([_begin(others)]))[0]))
    if late <= 0:
        return performance
    return dataclasses.replace(performance, onset=performance.onset + late, pedal_time=performance.pedal_time + late)


def _begin(others: Sequence[OtherPart]) -> float:
    return float(min(other.notes.onset.min() for other in others))


def _slope(known: TimeMap) -> float:
    return float((known.performed[1] - known.performed[0]) / (known.score[1] - known.score[0]))


def _carried(notes: Notes, clock: TimeMap) -> Notes:
    onset, end = (moved(times, clock.score, clock.performed) for times in (notes.onset, notes.end))
    return make_playable(dataclasses.replace(notes, onset=onset, duration=np.maximum(end - onset, 1)))


def _map(score: Notes, performance: Notes, factor: float) -> TimeMap:
    """The time map with a knot far before and one far after its own, at the tempo of its ends."""
    known = time_map(chords_of(score), performance.onset.astype(np.float64))
    written, performed = known.score, known.performed
    first, last = _pace(written, performed, factor), _pace(-written[::-1], -performed[::-1], factor)
    return TimeMap(
        np.concatenate([[written[0] - FAR], written, [written[-1] + FAR]]),
        np.concatenate([[performed[0] - first * FAR], performed, [performed[-1] + last * FAR]]),
    )


def _pace(score: np.ndarray, performed: np.ndarray, factor: float) -> float:
    """Performed over written time from the first knot on."""
    if len(score) < 2:
        return factor
    near = int(np.searchsorted(score, score[0] + LOCAL, side="right")) - 1
    stop = max(near, min(FEWEST, len(score)) - 1)
    return float((performed[stop] - performed[0]) / (score[stop] - score[0]))


def together(performance: Notes, others: Sequence[OtherPart]) -> Notes:
    """All notes as `score.ensemble.with_others` has them; those of other parts `KEYS` higher, part by part."""
    if not others:
        return performance
    every = [performance, *(other.notes for other in others)]
    pitch = [notes.pitch + np.int16(KEYS * k) for k, notes in enumerate(every)]
    onset, duration, velocity = (
        np.concatenate([getattr(notes, name) for notes in every]) for name in ("onset", "duration", "velocity")
    )
    pedal = performance.pedal_time, performance.pedal_value
    return Notes(np.concatenate(pitch), onset, duration, velocity, *pedal)
