"""How loud a part is to be between its notes, by the marks and hairpins of the page: what can swell follows that."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np

from pianist_jax.score.facts import Score
from pianist_jax.score.marks import deal_out
from pianist_jax.score.played import play
from pianist_jax.score.reading import AS_IT_STANDS, Reading
from pianist_jax.score.written import MAX_NOTES, Written, WrittenNote

BEFORE = 1e-3  # quarters before a mark at which what held until there is read
OPEN = 16.0  # velocities, about a mark (p to mp), by which a hairpin moves that leads to none
FALLS = 2.0  # quarters over which that is taken back


def page_dynamics(
    alone: Written, score: Score, reading: Reading = AS_IT_STANDS, once: Collection[int] = ()
) -> np.ndarray:
    """What the page says of the dynamics of a part that stands `alone`, played out as the `score` is.

    float64 [K, 3], K ascending: ms on the score's time line, the velocity there, and by how much more or less a hairpin
    leads that goes to no mark. Between them all moves in straight lines. None where it would grow beyond a score's
    limits.
    """
    part = alone.notes[0].part
    listening = [WrittenNote(bar, at, BEFORE, 60, part, 0, 0, "") for bar, at in sorted(_places(alone))]
    if len(listening) > MAX_NOTES:
        return np.zeros((0, 3))
    page = dataclasses.replace(alone, notes=listening, slurs=[], sforzandi=[], pedal=[])
    deal_out(page)
    heard = play(page, reading, once)
    at, first = np.unique(heard.onset, return_index=True)
    velocity, kind = heard.notes.velocity[first].astype(np.float64), heard.hairpin[first]
    table = np.stack([score.milliseconds(at), velocity, _swell(at, velocity, kind)], axis=1).round(3)
    return table[np.diff(table[:, 0], prepend=-np.inf) > 0]


def _places(alone: Written) -> set[tuple[int, float]]:
    """Where what is in force is asked for: at notes, bar lines, marks and the ends of hairpins."""
    last = max(note.bar for note in alone.notes)
    found = {(note.bar, note.offset) for note in alone.notes}
    marks = [(sign.bar, sign.offset) for sign in alone.levels]
    marks += [place for span in alone.hairpins for place in (span.begin, span.end)]
    marks += [(bar, each) for bar in range(last + 1) for each in (0.0, alone.bars[bar].length)]
    for bar, at in marks:
        found |= {(bar, at)} if at < alone.bars[bar].length else set()
        found |= {(bar, at - BEFORE)} if at > BEFORE else set()
    return found


def _swell(at: np.ndarray, velocity: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """float64 [K]: what hairpins add that lead to no mark; one after the other they go on from each other."""
    swell, level, k = np.zeros(len(at)), 0.0, 0
    ended = -np.inf
    while k < len(at):
        if kind[k] == 0:
            swell[k] = level * max(0.0, 1 - (at[k] - ended) / FALLS)
            k += 1
            continue
        others = np.flatnonzero(kind[k:] != kind[k])
        stop = k + int(others[0]) if len(others) else len(at)
        ended = float(at[min(stop, len(at) - 1)])
        leads = stop < len(at) and velocity[stop] != velocity[k]
        begun, goal = level, 0.0 if leads else float(np.clip(level + OPEN * kind[k], -OPEN, OPEN))
        swell[k:stop] = begun + (goal - begun) * (at[k:stop] - at[k]) / max(ended - at[k], BEFORE)
        level, k = goal, stop
    return swell
