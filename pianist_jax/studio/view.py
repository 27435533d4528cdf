"""What the page is told of a score and its performances: columns of numbers, places in quarters, times in ms."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.pace import first_mark, has_tempo, note_value
from pianist_jax.performance.parameters import chords_of, clock_of
from pianist_jax.rendering.hashes import content_hash
from pianist_jax.score.grid import ScoreGrid


def score_view(name: str, grid: ScoreGrid, notes: Notes, ids: Sequence[str]) -> dict[str, Any]:
    """A score: bar lines, beats and the N notes as written; `ids` name them on the page (none: it is not engraved)."""
    per_quarter = grid.ticks_per_quarter
    beats, unit = first_mark(grid)
    return {
        "name": name,
        "bars": _short(grid.bars() / per_quarter),
        "beats": _short(grid.beats() / per_quarter),
        "metres": [[_round(tick / per_quarter), over, under] for tick, over, under in grid.time_signatures],
        "tempo": {"written": _round(beats), "unit": note_value(unit), "quarters": unit, "told": has_tempo(grid)},
        "remarks": list(grid.remarks),
        "notes": {
            "pitch": notes.pitch.tolist(),
            "at": _short(grid.quarters),
            "length": _short(grid.duration / per_quarter),
            "hand": grid.hand.tolist(),
            "velocity": notes.velocity.tolist(),
            "id": list(ids),
        },
    }


def take_view(grid: ScoreGrid, score: Notes, notes: Notes) -> dict[str, Any]:
    """A performance, note n of which plays note n of the score, or of its beginning: columns, pedal, clock, curves.

    `clock` pairs places in the score (quarters, ascending) with ms; `tempo` has the beats a minute from each of its
    places on, in the value of the first mark.
    """
    at, clock = _clock(grid, score, notes)
    beats = grid.beats() / grid.ticks_per_quarter
    beats = np.unique(np.clip(beats, at[0], at[-1]))
    reached = np.interp(beats, at, clock)
    _, unit = first_mark(grid)
    with np.errstate(divide="ignore"):
        tempo = np.diff(beats) / unit * 60_000 / np.maximum(np.diff(reached), 1)
    return {
        "onset": notes.onset.tolist(),
        "duration": notes.duration.tolist(),
        "velocity": notes.velocity.tolist(),
        "pedal": {"time": notes.pedal_time.tolist(), "value": notes.pedal_value.tolist()},
        "clock": {"at": _short(at), "ms": _short(clock)},
        "tempo": {"at": _short(beats[:-1]), "bpm": _short(tempo)},
        "end": int(notes.end.max()),
        "sound": content_hash(notes),
    }


def _clock(grid: ScoreGrid, score: Notes, notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Places float64 [K] in quarters and when they are reached, float64 [K] ms: the chords, both ascending."""
    chords = chords_of(score)
    at, clock = grid.quarters[chords.first], clock_of(chords, notes.onset)
    last = (grid.onset + grid.duration)[: len(notes)].max() / grid.ticks_per_quarter
    first = np.diff(np.maximum.accumulate(at), prepend=-1.0) > 1e-6  # ornaments share a place with their note
    at, clock = at[first], clock[first]
    end = max(float(notes.end.max()), clock[-1] + 1)
    return np.append(at, max(last, at[-1] + 1e-3)), np.append(clock, end)


def _round(value: float) -> float:
    return round(float(value), 4)


def _short(values: np.ndarray) -> list[float]:
    return np.round(values, 4).tolist()
