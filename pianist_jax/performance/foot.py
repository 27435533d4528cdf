"""A foot takes its time: the pedal of a performance moved as fast as pianists move it. NumPy only.

A model that samples the pedal at quarters of the gaps between onsets lets it jump. Here each of its moves keeps its
middle and its depth (`pedal_moves`) and goes there evenly, in a time drawn from those that pianists take: over every
sixteenth training performance of ASAP (`python -m experiments.pedal_pace`).
"""

import dataclasses

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.pedal_moves import Moves, curve_of, moves_of
from pianist_jax.performance.playable import release_pedal

SHARE = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)  # of moves that take less than
GOING_DOWN = (20, 34, 46, 70, 108, 166, 266, 360)  # ms
COMING_UP = (20, 30, 40, 54, 73, 112, 259, 478)  # ms
ROOM = 0.95  # of the time from the middle of a move to that of the next, or of the last, that it may take
ALONE = 1_000  # ms, where there is none


def eased(performance: Notes, rng: np.random.Generator | None) -> Notes:
    """The performance with the moves of its pedal drawn out; without `rng` all take the time that is usual."""
    moves = moves_of(performance.pedal_time, performance.pedal_value)
    if not len(moves):
        return performance
    down = np.diff(moves.target, prepend=0) > 0
    share = np.full(len(moves), 0.5) if rng is None else rng.random(len(moves))
    time = np.where(down, np.interp(share, SHARE, GOING_DOWN), np.interp(share, SHARE, COMING_UP))
    middle = (moves.begin + moves.end) / 2
    room = np.diff(middle, append=middle[-1] + ALONE)
    time = np.minimum(time, ROOM * np.minimum(room, np.append(ALONE, room[:-1])))
    steps = np.arange(len(moves))
    begin = np.maximum(np.rint(middle - time / 2), 0).astype(np.int64)
    begin = np.maximum.accumulate(begin - steps) + steps
    end = np.maximum(begin + np.rint(time).astype(np.int64), begin + 1)
    pedal_time, pedal_value = curve_of(Moves(begin, end, moves.target))
    return release_pedal(dataclasses.replace(performance, pedal_time=pedal_time, pedal_value=pedal_value))
