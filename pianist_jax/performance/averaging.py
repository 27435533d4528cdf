"""Several drawn performances averaged: what they agree on is played, with little of what is each one's own. NumPy only.

A performance drawn from the model is an interpretation with a residual on top, which is chance. The mean of many keeps
what they share, and people like it: a quantitatively average performance was rated among the best of its kind (Repp
1997, Music Perception 14, 419-444). A model with a consensus head predicts that mean besides, for all pianists that it
has learnt from; it counts as much as `WORTH` drawn performances. But a mean is flatter than any of them, and flattest
in what pianists do each in his own way: from note to note.

* timing: the log-IOI ratios; the whole takes as long as the draws do on average.
* dynamics: the log-odds of velocities. articulation: the log-articulation.
  These three (`performance.parameters`) are divided: what rises with the pitch, what goes over `PHRASE` chords, what
  changes from chord to chord, and how the notes of a chord differ. Of each part the mean is played and so much of what
  the performance has beside it, as `residual_scale` and `OWN` say, as large as pianists' (`LARGER` than that of draws).
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
    chord_means,
    chords_of,
    clock_of,
    log_odds,
    of_log_odds,
    parameters_of,
    placed,
)
from pianist_jax.performance.playable import make_playable

WORTH = 16  # drawn performances
PHRASE = 6.0  # chords, the deviation of the bell that is the weight of those around
Parts = tuple[float, ...]  # of pitch, of a phrase, of chords in it, of the notes of a chord; a gap has the middle two
# Single draws are flatter than pianists by so much in log-IOI, log-odds of velocity and log-articulation: top-p cuts
# the tails. Chosen on ASAP's validation pieces, told the tempo, so that the mean ratio of variances is 1.
LARGER: tuple[Parts, ...] = ((1.5, 1.42), (0.93, 1.02, 1.25, 1.2), (1.1, 1.1, 1.12, 1.12))
# How much more of a part is one's own than of the whole: chosen on training pieces.
OWN: tuple[Parts, ...] = ((0.44, 1.0), (1.0, 0.44, 0.7, 1.7), (1.0, 0.44, 1.0, 1.3))
SAME = 1e-9  # less is the rounding of numbers
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
    larger: tuple[Parts, ...] = LARGER,
) -> Notes:
    """What the first `count` of `draws` agree on, with a rest of draw number `own`; note n plays score note n.

    `consensus` float32 [N, 4] is `model.consensus`'s of the score; of [N, 8] the last four are what it would be if
    nobody read the page. Draws do not hear the page: what it changes is added to them whole. What comes out is so many
    times `larger` than single draws, by the parts of each of the three. With all of its residual, scale 1, or where
    there is nothing that it could agree with, a draw is played as it is but for that.
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
        _mixed(chords, [one[k] for one in drawn[:count]], drawn[own][k], residual_scale, larger[k], OWN[k], *heard[k])
        for k in range(3)
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
    chords: Chords,
    draws: Sequence[np.ndarray],
    own: np.ndarray,
    residual_scale: float,
    larger: Parts,
    shares: Parts,
    predicted: np.ndarray | None,
    change: np.ndarray | None,
) -> np.ndarray:
    """The mean of curves and what `own` has beside it, part by part, each `larger` times as large as that of draws.

    Curves are float64 [C - 1] of gaps or [N] of notes. What is `predicted`, and its `change` by the page, are counted
    in units of the draws' standard deviation.
    """
    if not len(own):
        return own
    mean, size = np.mean(draws, axis=0), np.mean([one.std() for one in draws])
    level = mean.mean()
    if predicted is not None:
        curve = level + size * (predicted - predicted.mean())
        mean = (len(draws) * mean + WORTH * curve) / (len(draws) + WORTH)
    if change is not None:
        mean = mean + size * change
    mixed = np.full(len(own), level)
    of_mean, of_own, *of_draws = (_parts(chords, one) for one in (mean, own, *draws))
    for k, (times, share) in enumerate(zip(larger, shares, strict=True)):
        wanted = times * float(np.mean([parts[k].std() for parts in of_draws]))
        mixed += wanted * _unit(_with_own(of_mean[k], of_own[k], share * residual_scale**2, 1 - residual_scale**2))
    return mixed


def _parts(chords: Chords, curve: np.ndarray) -> list[np.ndarray]:
    """A curve float64 [C - 1] of gaps or [N] of notes divided into parts, each about 0, which make it up again."""
    if len(curve) != chords.notes:
        phrase = _smoothed(curve)
        return [phrase - phrase.mean(), curve - phrase]
    height = chords.pitch - chords.pitch.mean()
    rising = height * (height @ (curve - curve.mean()) / max(height @ height, 1.0))
    level = chord_means(chords, curve - rising)[0]
    phrase = _smoothed(level)
    parts = [part[chords.of] for part in (phrase - phrase[chords.of].mean(), level - phrase)]
    return [rising, *parts, curve - rising - level[chords.of]]


def _smoothed(curve: np.ndarray) -> np.ndarray:
    """The mean of what is around, by a bell that is `PHRASE` wide."""
    reach = int(3 * PHRASE)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / PHRASE) ** 2)
    weight = np.convolve(np.ones(len(curve)), bell)[reach:-reach]
    return np.convolve(curve, bell)[reach:-reach] / weight


def _with_own(mean: np.ndarray, own: np.ndarray, mine: float, ours: float) -> np.ndarray:
    """The mean and what `own` has beside it, whose variances are as `ours` to `mine`."""
    common = _unit(mean)
    rest = own - own.mean()
    size, rest = float(rest.std()), rest - (rest * common).mean() * common
    if rest.std() <= SAME * size:
        return common
    return np.sqrt(ours) * common + np.sqrt(mine) * _unit(rest)


def _unit(curve: np.ndarray) -> np.ndarray:
    """About 0 with a deviation of 1; one without any stays 0."""
    curve = curve - curve.mean()
    deviation = float(curve.std())
    return curve / deviation if deviation > SAME else np.zeros(len(curve))


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
