"""When a foot lifts and lowers the pedal: what pianists usually do in each gap between chords. Learnt; NumPy only.

A decoder draws the pedal of one pianist, note by note, and its chances add up. Here a small network over the encoder's
states of three chords and the gaps around them says how likely the pedal comes up and goes down in a gap, and when,
against the first of its chords. Played are the moves that are together more likely than `LEAST`, up and down by turns,
found by dynamic programming. How deep the pedal is then is as it was drawn.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import Chords, chords_of, clock_of
from pianist_jax.performance.pedal_moves import DOWN, TOP
from pianist_jax.performance.playable import make_playable

EARLY = 80.0  # ms before a chord, from which on a move is of the gap behind it
OFFSET_UNIT = 200.0  # ms, in which the network names when a move comes
# Chance of a move that is played. Without noise 0.3 gives as many moves as pianists make (`experiments.touch_pedal`);
# with that of a performance by default they are more, and this brings them back to pianists' (validation pieces).
LEAST = 0.4
STRAY = 25.0  # ms: scale of the chance, by a Laplace distribution, of when a move comes
APART = 20.0  # ms, at least, from one move to the next
LAYERS = ("in", "hidden", "out")
NEVER = -1e9


def gap_features(states: np.ndarray, chords: Chords, clock: np.ndarray) -> np.ndarray:
    """float32 [C - 1, 3 D + 3]: what the network sees of each gap between chords.

    Args:
        states: float32 [N, D], the encoder's of the notes.
        chords: of the score. clock: float64 [C] ms, when they are played.
    """
    count = np.bincount(chords.of)[:, None]
    total = np.zeros((len(chords), states.shape[1]), np.float32)
    np.add.at(total, chords.of, states)
    each = total / count
    gap = np.log(np.maximum(np.diff(clock), 1.0) + 10.0) - 5.5
    before, after = np.append(0.0, gap[:-1]), np.append(gap[1:], 0.0)
    earlier = np.concatenate([np.zeros((1, each.shape[1]), np.float32), each[:-2]])
    gaps = np.stack([gap, before, after], axis=1).astype(np.float32)
    return np.concatenate([each[:-1], each[1:], earlier, gaps], axis=1)


def moves_expected(features: np.ndarray, weights: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """float64 [G, 2] the log-odds that the pedal comes up and goes down in each gap, float64 [G, 2] when, ms."""
    x = features
    for layer in LAYERS:
        x = x @ weights[layer] + weights[f"{layer}_bias"]
        if layer != LAYERS[-1]:
            x = 0.5 * x * (1.0 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x[:, :2].astype(np.float64), x[:, 2:].astype(np.float64) * OFFSET_UNIT


def chosen_moves(chance: np.ndarray, offset: np.ndarray) -> list[tuple[int, bool]]:
    """The moves (gap, whether down) that together are worth most: each its chance [G, 2] less `LEAST`.

    They come up and down by turns, beginning with a down. In one gap both may be, in the order of `offset` [G, 2] ms.
    """
    worth = (chance - LEAST).tolist()
    best, came = (0.0, NEVER), []
    for (up, down), (when_up, when_down) in zip(worth, offset.tolist(), strict=True):
        both = up + down
        pumped = max(both, 0.0) if when_up > when_down + APART else 0.0  # up before and after
        changed = max(both, 0.0) if when_down > when_up + APART else 0.0  # down before and after
        ways = ((best[0] + pumped, best[1] + up), (best[0] + down, best[1] + changed))
        came.append((ways[0][1] > ways[0][0], ways[1][1] > ways[1][0], pumped > 0, changed > 0))
        best = (max(ways[0]), max(ways[1]))
    state, moves = best[1] > best[0], list[tuple[int, bool]]()
    for gap in range(len(came) - 1, -1, -1):
        from_down = came[gap][1] if state else came[gap][0]
        if from_down != state:
            moves.append((gap, bool(state)))
        elif came[gap][3] if state else came[gap][2]:
            moves += [(gap, bool(state)), (gap, not state)]
        state = from_down
    return moves[::-1]


def pedalled(
    score: Notes,
    performance: Notes,
    states: np.ndarray,
    weights: Mapping[str, np.ndarray],
    rng: np.random.Generator | None,
    chance: float,
) -> Notes:
    """The performance (note n plays note n of the score) with the pedal that pianists would use.

    `rng` draws when each move comes, and logistic noise on the log-odds, times `chance`; without it there is none. A
    piece of one chord stays as it is.
    """
    chords = chords_of(score)
    if len(chords) < 2:
        return performance
    clock = clock_of(chords, performance.onset)
    odds, offset = moves_expected(gap_features(states, chords, clock), weights)
    if rng is not None:
        odds = odds + chance * rng.logistic(size=odds.shape)
        offset = offset + rng.laplace(scale=STRAY, size=offset.shape)
    offset = np.clip(offset, -EARLY, np.diff(clock)[:, None])
    moves = chosen_moves(1 / (1 + np.exp(-odds)), offset)
    if not moves:
        return dataclasses.replace(performance, pedal_time=np.zeros(0, np.int64), pedal_value=np.zeros(0, np.int16))
    time = np.array([clock[gap] + offset[gap, int(down)] for gap, down in moves])
    least = APART * np.arange(len(time))
    time = np.rint(np.maximum.accumulate(np.maximum(time, 0.0) - least) + least).astype(np.int64)
    depth = _depths(performance, time[::2], np.append(time[1::2], clock[-1])[: len(time[::2])])
    value = np.zeros(len(time), np.int16)
    value[::2] = depth
    if len(time) % 2:  # down at the end: let go with the last key
        time = np.append(time, max(int(performance.end.max()), int(time[-1]) + 1))
        value = np.append(value, np.int16(0))
    return make_playable(dataclasses.replace(performance, pedal_time=time, pedal_value=value))


def _depths(performance: Notes, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """int16 [K]: how deep the pedal of a performance gets between each begin and end (ms); as usual where it is up."""
    time, value = performance.pedal_time, performance.pedal_value.astype(np.int64)
    usual = int(np.median(value[value >= DOWN])) if (value >= DOWN).any() else TOP
    first, last = np.maximum(np.searchsorted(time, begin) - 1, 0), np.searchsorted(time, end)
    deepest = [value[a:b].max(initial=0) for a, b in zip(first, last, strict=True)]
    return np.array([depth if depth >= DOWN else usual for depth in deepest], np.int16)
