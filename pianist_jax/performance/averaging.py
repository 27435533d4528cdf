"""Several drawn performances averaged: what they agree on is played, with little of what is each one's own. NumPy only.

A performance drawn from the model is an interpretation with a residual on top, which is chance. The mean of many keeps
what they share, and people like it: a quantitatively average performance was rated among the best of its kind (Repp
1997, Music Perception 14, 419-444). A model with a consensus head predicts that mean besides, for all pianists that it
has learnt from; it counts as much as `WORTH` drawn performances. But a mean is flatter than any of them, so its size is
brought back to theirs.

* timing: the log-IOI ratios; the whole takes as long as the draws do on average.
* dynamics: the log-odds of velocities. articulation: the log-articulation.
  Of these three (`performance.parameters`) the mean, with a share `residual_scale` of a performance's own distance from
  it, is scaled about its own mean to the standard deviation of pianists: that of single draws `FLATTER` times.
* spread of chords: the performance's own; a mean of spreads sounds like no hand.
* pedal: in every passage of `PASSAGE` chords that of the draw which is nearest to what all agree on, their median,
  drawn towards the performance's own by a share `OWN_PEDAL`, so that no two samples pedal alike. A median of pedals
  would lose the short lifts that no two draws make at one moment.

Gaps and moments are those of the score, so that draws of different tempo meet.
"""

from collections.abc import Sequence

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import (
    OUTLIER,
    PREDICTED,
    Chords,
    TimeMap,
    bounded,
    carried,
    chords_of,
    clock_of,
    log_odds,
    of_log_odds,
    parameters_of,
    placed,
)
from pianist_jax.performance.playable import make_playable

WORTH = 16  # drawn performances
# By so much log-IOI, log-odds of velocity and log-articulation of single draws are flatter than pianists': top-p cuts
# the tails. Chosen on ASAP's validation pieces, told the tempo, so that the mean ratio of variances is 1.
FLATTER = (1.15, 1.08, 1.12)
NEAR = 0.2  # |log| of a draw's time over the written one
PASSAGE = 4  # chords, in which the pedal is one draw's
OWN_PEDAL = 0.2


def in_tempo(score: Notes, draws: Sequence[Notes]) -> tuple[list[Notes], int]:
    """The draws in their order, those that leave the written tempo behind the others, and how many keep it.

    A decoder follows its own playing, so that now and then a draw runs away, and chooses articulation and pedal for a
    tempo that nobody asked for. One keeps it that is off by no more than `NEAR` beyond the nearest.
    """
    written = np.ptp(score.onset)
    if not written:
        return list(draws), len(draws)
    away = np.array([abs(np.log(max(np.ptp(one.onset), 1) / written)) for one in draws])
    most = away.min() + NEAR
    order = np.argsort(np.maximum(away, most), kind="stable")
    return [draws[k] for k in order], int(np.sum(away <= most))


def averaged(
    score: Notes,
    draws: Sequence[Notes],
    own: int,
    count: int,
    residual_scale: float,
    consensus: np.ndarray | None = None,
    *,
    larger: tuple[float, float, float] = FLATTER,
) -> Notes:
    """What the first `count` of `draws` agree on, with a rest of draw number `own`; note n plays score note n.

    `consensus` float32 [N, 4] is `model.consensus`'s of the score; of [N, 8] the last four are what it would be if
    nobody read the page. Draws do not hear the page: what it changes is added to them whole. What comes out is so many
    times `larger` than single draws, of each of the three. With all of its residual, scale 1, or where there is nothing
    that it could agree with, a draw is played as it is but for that.
    """
    hears = consensus is not None and consensus.shape[1] > len(PREDICTED)
    if not len(score) or ((residual_scale == 1 or (count == 1 and consensus is None)) and not hears):
        return draws[own]
    if count == 1:  # each performance is brought to the consensus alone, not to the first of them
        draws, own = [draws[own]], 0
    chords, mine = chords_of(score), draws[own]
    clocks = [clock_of(chords, one.onset) for one in draws]
    drawn = [_curves(chords, one, clock) for one, clock in zip(draws, clocks, strict=True)]
    heard = [_consensus_curve(consensus, chords, k) for k in range(3)]
    log_ioi, odds, articulation = (
        _mixed([one[k] for one in drawn[:count]], drawn[own][k], residual_scale, larger[k], *heard[k]) for k in range(3)
    )
    articulation = bounded(articulation, OUTLIER["log_articulation"], drop=False)
    wanted = _clock(np.exp(log_ioi) * np.diff(chords.onset), clocks[:count], clocks[own], residual_scale)
    onset = placed(chords, wanted, mine.onset - clocks[own][chords.of])
    length = np.rint(TimeMap(chords.onset, wanted).lengths(chords) * np.exp(articulation))
    mine_last = [*range(min(count, len(draws))), own]
    pedal = _pedal([draws[k] for k in mine_last], [clocks[k] for k in mine_last], chords.onset, wanted)
    played = Notes(mine.pitch, onset, np.maximum(length, 1).astype(np.int64), of_log_odds(odds), *pedal)
    return make_playable(played)


def _curves(chords: Chords, one: Notes, clock: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-IOI [C - 1], log-odds of velocity [N], log-articulation [N], in the order in which they are predicted."""
    made = parameters_of(chords, clock, TimeMap(chords.onset, clock), one.velocity, one.duration)
    return made.log_ioi, log_odds(made.velocity), made.log_articulation


def _consensus_curve(
    consensus: np.ndarray | None, chords: Chords, k: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """A curve of the consensus as draws could know it, and what the page changes of it; None where nothing is told."""
    if consensus is None:
        return None, None
    at = chords.first[:-1] if k == 0 else slice(None)
    blind = len(PREDICTED) + k
    if consensus.shape[1] <= blind:
        return consensus[at, k], None
    return consensus[at, blind], consensus[at, k] - consensus[at, blind]


def _mixed(
    draws: Sequence[np.ndarray],
    own: np.ndarray,
    residual_scale: float,
    larger: float,
    predicted: np.ndarray | None,
    change: np.ndarray | None,
) -> np.ndarray:
    """The mean of curves float64 [N] and a share of what `own` has beside it, `larger` times as large as a single one.

    What is `predicted`, and its `change` by the page, are counted in units of that standard deviation.
    """
    if not len(own):
        return own
    mean, size = np.mean(draws, axis=0), larger * np.mean([one.std() for one in draws])
    if predicted is not None:
        curve = mean.mean() + size * (predicted - predicted.mean())
        mean = (len(draws) * mean + WORTH * curve) / (len(draws) + WORTH)
    mixed = mean + residual_scale * (own - mean)
    if change is not None:
        mixed = mixed + size * change
    times = size / mixed.std() if mixed.std() > 0 else 1.0
    return mixed.mean() + times * (mixed - mixed.mean())


def _clock(gap: np.ndarray, draws: Sequence[np.ndarray], own: np.ndarray, residual_scale: float) -> np.ndarray:
    """float64 [C] ms: when the chords come, so far apart as `gap` says relative to each other, on the draws' tempo."""
    if len(own) > 1:
        whole = [np.log(clock[-1] - clock[0]) for clock in (*draws, own)]
        mean = np.mean(whole[:-1])
        gap = gap * np.exp(mean + residual_scale * (whole[-1] - mean)) / gap.sum()
    return own[0] + np.concatenate([[0.0], np.cumsum(gap)])


def _pedal(
    draws: Sequence[Notes], played: Sequence[np.ndarray], written: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Times int64 [P] ms and values int16 [P] of the pedal: in every passage that of the draw nearest to the goal.

    The last of the draws is the performance's own, which the others are compared with.
    """
    times = [carried(one.pedal_time, clock, written) for one, clock in zip(draws, played, strict=True)]
    moment = np.unique(np.concatenate(times))
    if not len(moment):
        return np.zeros(0, np.int64), np.zeros(0, np.int16)
    values = np.stack(
        [
            np.append(0, one.pedal_value)[np.searchsorted(time, moment, side="right")]
            for one, time in zip(draws, times, strict=True)
        ]
    )
    common = np.median(values[:-1], axis=0)
    goal = common + OWN_PEDAL * (values[-1] - common)
    off = np.abs(values - goal) * np.diff(moment, append=moment[-1] + 1)
    passage = np.searchsorted(written[PASSAGE::PASSAGE], moment, side="right")
    begins = np.flatnonzero(np.diff(passage, prepend=-1))
    nearest = np.add.reduceat(off, begins, axis=1).argmin(axis=0)
    value = values[np.repeat(nearest, np.diff(begins, append=len(moment))), np.arange(len(moment))]
    time = np.maximum(np.rint(carried(moment, written, wanted)), 0).astype(np.int64)
    last = np.diff(time, append=-1) != 0  # of moments that fall on one millisecond
    return time[last], value[last].astype(np.int16)
