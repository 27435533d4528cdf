"""A score rehearsed: what pianists agree on is played, and little of the chance of a drawn performance. NumPy only.

A performance drawn from the model is an interpretation with chance on top. The mean of many keeps what they share, and
people like it: a quantitatively average performance was rated among the best of its kind (Repp 1997, Music Perception
14, 419-444). A model with a consensus head foretells that mean besides, for all pianists that it has learnt from; it
counts as much as `WORTH` drawn performances. But a mean is flatter than any of them, so its size is brought back to
theirs.

* timing: the log of every chord's gap over the written one; the whole takes as long as the tries do on average.
* dynamics: the log-odds of velocities (`curves.log_odds`). articulation: the log of performed over written length.
  Of these three the mean, with a share `chance` of a performance's own distance from it, is scaled about its own
  mean to the standard deviation of single tries.
* spread of chords: the performance's own; a mean of spreads sounds like no hand.
* pedal: in every passage of `PASSAGE` chords that of the try which is nearest to what all agree on, their median, drawn
  towards the performance's own by a share `OWN_PEDAL`, so that no two samples pedal alike. A median of pedals would
  lose the short lifts that no two tries make at one moment.

Gaps and moments are those of the score, so that tries of different tempo meet.
"""

from collections.abc import Sequence

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import CURVES, carried, chord_times, chords, curves_on, lengths, of_log_odds
from pianist_jax.performance.playable import make_playable

WORTH = 16  # drawn performances
NEAR = 0.2  # |log| of a try's time over the written one
PASSAGE = 4  # chords, in which the pedal is one try's
OWN_PEDAL = 0.2


def in_tempo(score: Notes, tries: Sequence[Notes]) -> tuple[list[Notes], int]:
    """The tries in their order, those that leave the written tempo behind the others, and how many keep it.

    A decoder follows its own playing, so that now and then a try runs away, and chooses articulation and pedal for a
    tempo that nobody asked for. One keeps it that is off by no more than `NEAR` beyond the nearest.
    """
    written = np.ptp(score.onset)
    if not written:
        return list(tries), len(tries)
    away = np.array([abs(np.log(max(np.ptp(one.onset), 1) / written)) for one in tries])
    most = away.min() + NEAR
    order = np.argsort(np.maximum(away, most), kind="stable")
    return [tries[k] for k in order], int(np.sum(away <= most))


def averaged(
    score: Notes, tries: Sequence[Notes], own: int, rehearsals: int, chance: float, consensus: np.ndarray | None = None
) -> Notes:
    """What the first `rehearsals` of `tries` agree on, with a rest of try number `own`; note n plays score note n.

    `consensus` float32 [N, 4] is `model.consensus`'s of the score. With all of its `chance`, 1, or where there is
    nothing that it could agree with, a try is played as it is.
    """
    if chance == 1 or not len(score) or (rehearsals == 1 and consensus is None):
        return tries[own]
    chord, first = chords(score.onset)
    written = score.onset[first].astype(np.float64)
    clocks = [chord_times(one.onset, chord) for one in tries]
    drawn = [
        curves_on(score.onset, score.end, written, clock, one.velocity, one.duration)
        for one, clock in zip(tries, clocks, strict=True)
    ]
    common, mine = slice(rehearsals), tries[own]
    foretold = [None] * 3 if consensus is None else [consensus[first[:-1], 0], consensus[:, 1], consensus[:, 2]]
    gap, velocity, articulation = (
        _agreed([getattr(one, name) for one in drawn[common]], getattr(drawn[own], name), chance, curve)
        for name, curve in zip(CURVES, foretold, strict=True)
    )
    wanted = _clock(np.exp(gap) * np.diff(written), clocks[common], clocks[own], chance)
    room = np.append(np.diff(wanted), np.inf)[chord]
    spread = np.clip(mine.onset - clocks[own][chord], 0, 0.9 * room)
    onset = np.rint(wanted[chord] + spread).astype(np.int64)
    length = np.rint(lengths(score.onset, score.end, written, wanted) * np.exp(articulation))
    mine_last = [*range(min(rehearsals, len(tries))), own]
    pedal = _pedal([tries[k] for k in mine_last], [clocks[k] for k in mine_last], written, wanted)
    played = Notes(mine.pitch, onset, np.maximum(length, 1).astype(np.int64), of_log_odds(velocity), *pedal)
    return make_playable(played)


def _agreed(tries: Sequence[np.ndarray], own: np.ndarray, chance: float, foretold: np.ndarray | None) -> np.ndarray:
    """The mean of curves float64 [N] and a share of what `own` has beside it, as large as a single one.

    What is `foretold` is counted in units of a single one's standard deviation, about its mean.
    """
    if not len(own):
        return own
    mean, size = np.mean(tries, axis=0), np.mean([one.std() for one in tries])
    if foretold is not None:
        curve = mean.mean() + size * (foretold - foretold.mean())
        mean = (len(tries) * mean + WORTH * curve) / (len(tries) + WORTH)
    mixed = mean + chance * (own - mean)
    times = size / mixed.std() if mixed.std() > 0 else 1.0
    return mixed.mean() + times * (mixed - mixed.mean())


def _clock(gap: np.ndarray, tries: Sequence[np.ndarray], own: np.ndarray, chance: float) -> np.ndarray:
    """float64 [C] ms: when the chords come, so far apart as `gap` says relative to each other, on the tries' tempo."""
    if len(own) > 1:
        whole = [np.log(clock[-1] - clock[0]) for clock in (*tries, own)]
        mean = np.mean(whole[:-1])
        gap = gap * np.exp(mean + chance * (whole[-1] - mean)) / gap.sum()
    return own[0] + np.concatenate([[0.0], np.cumsum(gap)])


def _pedal(
    tries: Sequence[Notes], played: Sequence[np.ndarray], written: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Times int64 [P] ms and values int16 [P] of the pedal: in every passage that of the try nearest to the goal.

    The last of the tries is the performance's own, which the others are compared with.
    """
    times = [carried(one.pedal_time, clock, written) for one, clock in zip(tries, played, strict=True)]
    moment = np.unique(np.concatenate(times))
    if not len(moment):
        return np.zeros(0, np.int64), np.zeros(0, np.int16)
    values = np.stack(
        [
            np.append(0, one.pedal_value)[np.searchsorted(time, moment, side="right")]
            for one, time in zip(tries, times, strict=True)
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
