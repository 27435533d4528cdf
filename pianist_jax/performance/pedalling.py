"""When a foot lifts and lowers the pedal: what pianists usually do in each gap between chords. Learnt; NumPy only.

A decoder draws the pedal of one pianist, note by note, and its chances add up. Here a small network over the encoder's
states of three chords and the gaps around them says how likely the pedal comes up and goes down in a gap. Played are
the moves that are together more likely than `LEAST`, up and down by turns, found by dynamic programming. When each
comes, against the first chord of its gap, is drawn from what the network says of so many times (`TIMES`, and `LIFTS`
from an up to a down of one gap), and differs from pianist to pianist: with the chord or behind it, at once or slowly.
What is one's own are a few numbers, learnt for each training performance, and how far it goes down and comes up: a
rendering draws those of one of them. Where the pedal was drawn deeper than elsewhere it goes deeper.
"""

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import Chords, clock_of
from pianist_jax.performance.pedal_moves import DOWN, TOP
from pianist_jax.performance.playable import make_playable

EARLY = 80.0  # ms before a chord, from which on a move is of the gap behind it
_AFTER = (0, 20, 40, 60, 80, 100, 125, 150, 175, 200, 250, 300, 350, 400, 500, 600, 800, 1000, 1300, 1700, 2300, 3000)
TIMES = np.array([-EARLY, -60, -40, -20, *_AFTER], np.float64)  # edges, ms after the first chord of the gap
LIFTS = np.array([0, 20, 40, 60, 80, 100, 120, 140, 170, 200, 250, 300, 400, 500, 700, 1000, 2000], np.float64)
SHARES = np.linspace(0.0, 1.0, 9)  # whose quantiles tell how deep a pianist's pedal goes
KINDS = np.cumsum([2, len(TIMES) - 1, len(TIMES) - 1])  # of what the network says: odds, times of up, of down, lifts
# Chance of a move that is played. It was chosen on training pieces, with the noise of a performance by default.
LEAST = 0.3
EVEN = 0.6  # of what could be drawn: who pedals is not known to the gap, so that it could be more than one foot does
APART = 20.0  # ms, at least, from one move to the next
LAYERS = ("in", "hidden", "out")
NEVER = -1e9


def chord_states(states: np.ndarray, chords: Chords) -> np.ndarray:
    """float32 [C, D]: the mean of the encoder's states float32 [N, D] of each chord's notes."""
    total = np.zeros((len(chords), states.shape[1]), np.float32)
    np.add.at(total, chords.of, states)
    return total / np.bincount(chords.of)[:, None]


def gap_features(each: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """float32 [C - 1, 3 D + 3]: what the network sees of each gap between chords.

    Args:
        each: float32 [C, D], the `chord_states`.
        clock: float64 [C] ms, when the chords are played.
    """
    gap = np.log(np.maximum(np.diff(clock), 1.0) + 10.0) - 5.5
    before, after = np.append(0.0, gap[:-1]), np.append(gap[1:], 0.0)
    earlier = np.concatenate([np.zeros((1, each.shape[1]), np.float32), each[:-2]])
    gaps = np.stack([gap, before, after], axis=1).astype(np.float32)
    return np.concatenate([each[:-1], each[1:], earlier, gaps], axis=1)


def moves_expected(features: np.ndarray, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """float64 [G, ·] what the network says of each gap, divided at `KINDS`.

    Log-odds that the pedal comes up and goes down in it; not normalised log-likelihoods of each of `TIMES` at which it
    comes up, at which it goes down, and of `LIFTS` between the two where it does both.
    """
    x = features
    for layer in LAYERS:
        x = x @ weights[layer] + weights[f"{layer}_bias"]
        if layer != LAYERS[-1]:
            x = 0.5 * x * (1.0 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x.astype(np.float64)


def drawn_times(said: np.ndarray, gap: np.ndarray, rng: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
    """float64 [G, 2] ms after each gap's first chord at which the pedal would come up and go down.

    `said` [G, ·] are the likelihoods behind the odds, `gap` [G] ms. Second: float64 [G] ms from up to down in one gap.
    Without `rng` all are medians. None is drawn that lies behind `EARLY` before the next chord.
    """
    up, down, lift = np.split(said, KINDS[1:] - KINDS[0], axis=1)
    latest = np.maximum(gap - EARLY, TIMES[1])
    reached = TIMES[:-1] < latest[:, None]
    times = [np.minimum(_drawn(np.where(reached, one, NEVER), TIMES, rng), latest) for one in (up, down)]
    return np.stack(times, axis=1), _drawn(lift, LIFTS, rng)


def _drawn(likelihood: np.ndarray, edges: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """float64 [G]: a value of each row, by the log-likelihoods [G, B] of what lies between edges [B + 1]; or medians.

    Drawn is from the middle of the distribution, `EVEN` of it.
    """
    share = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    share = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)
    goal = np.full(len(share), 0.5) if rng is None else 0.5 + EVEN * (rng.random(len(share)) - 0.5)
    which = np.minimum((share < goal[:, None]).sum(axis=1), share.shape[1] - 1)
    at = np.arange(len(share))
    below = np.where(which > 0, share[at, which - 1], 0.0)
    part = np.clip((goal - below) / np.maximum(share[at, which] - below, 1e-9), 0.0, 1.0)
    return edges[which] + part * np.diff(edges)[which]


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
    chords: Chords,
    performance: Notes,
    heard: np.ndarray,
    weights: Mapping[str, np.ndarray],
    rng: np.random.Generator | None,
    chance: float,
) -> Notes:
    """The performance (note n plays note n of the score) with the pedal that pianists would use.

    `heard` float32 [C, D] are the `chord_states`. `rng` draws whose foot it is, when each move comes, how deep it goes,
    and logistic noise on the log-odds, times `chance`; without it there is no chance, and it goes as deep as it was
    drawn. A piece of one chord stays as it is.
    """
    if len(chords) < 2:
        return performance
    clock = clock_of(chords, performance.onset)
    said = moves_expected(gap_features(heard, clock), weights)
    odds, times, gap = said[:, :2], said[:, 2:], np.diff(clock)
    offset, lift = usual, _ = drawn_times(times, gap, None)
    if rng is not None:
        odds = odds + chance * rng.logistic(size=odds.shape)
        pianist = rng.integers(len(weights["pianists"]))
        offset, lift = drawn_times(times + weights["pianists"][pianist] @ weights["own"], gap, rng)
    moves = chosen_moves(1 / (1 + np.exp(-odds)), usual)
    if not moves:
        return dataclasses.replace(performance, pedal_time=np.zeros(0, np.int64), pedal_value=np.zeros(0, np.int16))
    time = np.array([clock[at] + offset[at, int(down)] for at, down in moves])
    for k, ((last, _), (at, down)) in enumerate(itertools.pairwise(moves), 1):
        if down and last == at:
            time[k] = min(time[k - 1] + lift[at], clock[at + 1])
    least = APART * np.arange(len(time))
    time = np.rint(np.maximum.accumulate(np.maximum(time, 0.0) - least) + least).astype(np.int64)
    value = np.zeros(len(time), np.int16)
    value[::2] = _depths(performance, time[::2], np.append(time[1::2], clock[-1])[: len(time[::2])])
    if rng is not None:
        deep, shallow = weights["depths"][pianist]
        value[::2] = _of_rank(value[::2], deep, rng)
        value[1::2] = _of_rank(value[1::2], shallow, rng)
    if len(time) % 2:  # down at the end: let go with the last key
        time = np.append(time, max(int(performance.end.max()), int(time[-1]) + 1))
        value = np.append(value, np.int16(0))
    return make_playable(dataclasses.replace(performance, pedal_time=time, pedal_value=value))


def depths_of(time: np.ndarray, value: np.ndarray) -> np.ndarray:
    """uint8 [2, SHARES]: quantiles of how deep a pedal is each time it is down, and how deep it stays each time it is
    up between; float64 [P] ms, int [P] its events, of which it is down once at least.
    """
    down = value >= DOWN
    begins = np.flatnonzero(np.diff(down, prepend=False))
    deepest = np.maximum.reduceat(value, begins)[::2]
    highest = np.minimum.reduceat(value, begins)[1::2]
    if len(begins) % 2 == 0 and len(highest) > 1:
        highest = highest[:-1]  # what comes behind the last is no lift
    ways = (deepest, highest if len(highest) else np.zeros(1))
    return np.stack([np.quantile(way, SHARES) for way in ways]).astype(np.uint8)


def _of_rank(drawn: np.ndarray, quantiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int16 [K]: values with these quantiles of `SHARES`, in the order of what was `drawn`, equals by chance."""
    order = np.lexsort((rng.random(len(drawn)), drawn))
    share = np.empty(len(drawn))
    share[order] = (np.arange(len(drawn)) + rng.random(len(drawn))) / max(len(drawn), 1)
    return np.rint(np.interp(share, SHARES, quantiles)).astype(np.int16)


def _depths(performance: Notes, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """int16 [K]: how deep the pedal of a performance gets between each begin and end (ms); as usual where it is up."""
    time, value = performance.pedal_time, performance.pedal_value.astype(np.int64)
    usual = int(np.median(value[value >= DOWN])) if (value >= DOWN).any() else TOP
    first, last = np.maximum(np.searchsorted(time, begin) - 1, 0), np.searchsorted(time, end)
    deepest = [value[a:b].max(initial=0) for a, b in zip(first, last, strict=True)]
    return np.array([depth if depth >= DOWN else usual for depth in deepest], np.int16)
