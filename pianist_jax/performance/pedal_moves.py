"""The sustain pedal as a foot moves it: from when to when, and how deep. NumPy only.

A curve of controller 64 is told by its turns: where it goes up or down again by at least `TURN`. Between two turns the
foot rests and then moves once, evenly. What is smaller than a turn is a tremble of foot or sensor and is left out.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

DOWN, TOP = 64, 127  # from which on a pedal is down; all of its way
TURN = 12  # of 127
QUARTILES = (0.25, 0.75)  # of a move's way, through which the straight line is drawn that it becomes
SLOWEST = 20  # ms before an event tells of a value, in which it is reached
STEP = 8  # ms between the events of a drawn move


@dataclass(frozen=True, eq=False)
class Moves:
    """K moves of a foot: `begin` int64 [K] ms, ascending, `end` [K] ms, each after its begin, `target` [K] 0..127."""

    begin: np.ndarray
    end: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.begin)


def pedal_steps(time: np.ndarray, value: np.ndarray, begin: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """float64 [P + 1] ms, int64 [P + 1]: how long a pedal is how deep from `begin` to `end`; up before its P events."""
    bounds = np.clip(np.concatenate([[begin], time, [end]]), begin, end)
    return np.diff(bounds), np.concatenate([[0], value]).astype(np.int64)


def crossings(time: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 [K] ms, bool [K]: when a pedal crosses `DOWN`, down and up by turns, and whether it goes down then."""
    state = np.concatenate([[False], value >= DOWN])
    changed = np.flatnonzero(state[1:] != state[:-1])
    return time[changed].astype(np.float64), state[changed + 1]


def moves_of(time: np.ndarray, value: np.ndarray) -> Moves:
    """The moves of a pedal that is up at first: events at `time` [P] ms, ascending, `value` [P] 0..127."""
    values = [0, *np.asarray(value).tolist()]
    times = [min(0, int(time[0])) if len(time) else 0, *np.asarray(time).tolist()]
    turns = _turns(values)
    begins, ends, targets = [], [], []
    for before, after in itertools.pairwise(turns):
        early, late = (_passed(times, values, before, after, share) for share in QUARTILES)
        begins.append(early - (late - early) / 2)
        ends.append(late + (late - early) / 2)
        targets.append(values[after])
    begin, end = np.array(begins, np.float64), np.array(ends, np.float64)
    middle = (begin[1:] + end[:-1]) / 2  # of a turn that is too short for both straight lines
    begin[1:], end[:-1] = np.maximum(begin[1:], middle), np.minimum(end[:-1], middle)
    whole, steps = np.rint(begin).astype(np.int64), np.arange(len(begin))
    whole = np.maximum.accumulate(whole - steps) + steps
    return Moves(whole, np.maximum(np.rint(end).astype(np.int64), whole + 1), np.array(targets, np.int64))


def _passed(times: list[int], values: list[int], before: int, after: int, share: float) -> float:
    """ms at which a curve has gone so much of its way from one turn to the next for good."""
    level = values[before] + share * (values[after] - values[before])
    down = values[after] < values[before]
    at = after
    while at - 1 > before and (values[at - 1] <= level if down else values[at - 1] >= level):
        at -= 1
    way = (level - values[at - 1]) / (values[at] - values[at - 1])
    since = max(times[at - 1], times[at] - SLOWEST)
    return since + way * (times[at] - since)


def _turns(values: list[int]) -> list[int]:
    """Where a curve turns, its beginning and its last extreme included."""
    turns, extreme, direction = [0], 0, 0
    for at, value in enumerate(values):
        ahead = value - values[extreme]
        if direction == 0:
            if abs(ahead) >= TURN:
                direction, extreme = (1 if ahead > 0 else -1), at
        elif ahead * direction > 0:
            extreme = at
        elif -ahead * direction >= TURN:
            turns.append(extreme)
            direction, extreme = -direction, at
    return [*turns, extreme] if direction else turns


def curve_of(moves: Moves) -> tuple[np.ndarray, np.ndarray]:
    """Events of controller 64: times int64 [P] ms, values int16 [P]; a move is cut short where the next begins."""
    times, values, depth = [], [], 0.0
    stops = np.append(moves.begin, np.iinfo(np.int64).max)[1:]
    for begin, end, target, stop in zip(moves.begin, moves.end, moves.target, stops, strict=True):
        end = max(end, begin + 1)
        steps = np.append(np.arange(begin + STEP, end, STEP), end)
        steps = steps[steps <= stop]
        reached = depth + (target - depth) * (steps - begin) / (end - begin)
        times.append(steps)
        values.append(np.rint(reached))
        if len(steps):
            depth = float(reached[-1])
    if not times:
        return np.zeros(0, np.int64), np.zeros(0, np.int16)
    time, value = np.concatenate(times), np.clip(np.concatenate(values), 0, TOP).astype(np.int16)
    last = np.append(np.diff(time) != 0, True)
    time, value = time[last], value[last]
    changed = np.diff(value, prepend=0) != 0
    return time[changed], value[changed]
