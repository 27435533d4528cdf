"""A score rehearsed: what several drawn performances agree on is played, and little of their chance. NumPy only.

A performance drawn from the model is an interpretation with chance on top. The mean of many keeps what they share, and
people like it: a quantitatively average performance was rated among the best of its kind (Repp 1997, Music Perception
14, 419-444). But a mean is flatter than any of them, so its size is brought back to theirs.

* timing: the log of every chord's gap over the written one; the whole takes as long as the tries do on average.
* dynamics: the log-odds of velocities (`expression.log_odds`). articulation: the log of performed over written length.
  Of these three the mean of the tries, with `CHANCE` of a performance's own distance from it, is scaled about its own
  mean to the standard deviation of single tries.
* spread of chords: the performance's own; a mean of spreads sounds like no hand.
* pedal: in every passage of `PASSAGE` chords that of the try which is nearest to the median of all. A median of pedals
  would lose the short lifts that no two tries make at one moment.

Gaps and moments are those of the score, so that tries of different tempo meet.
"""

from collections.abc import Sequence

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.rendering.expression import (
    carried,
    chord_times,
    chords,
    drop_repeated_pedal,
    log_odds,
    of_log_odds,
    part_strikes,
)
from pianist_jax.rendering.realise import cut_overlaps, release_pedal

CHANCE = 0.3  # of a performance's own distance from the mean, so that samples differ
PASSAGE = 4  # chords, in which the pedal is one try's


def rehearsed(score: Notes, tries: Sequence[Notes], own: int, rehearsals: int) -> Notes:
    """What the first `rehearsals` of `tries` agree on, with a rest of try number `own`; note n plays score note n.

    A single rehearsal is the try as it is.
    """
    if rehearsals == 1 or not len(score):
        return tries[own]
    chord, first = chords(score.onset)
    written = score.onset[first].astype(np.float64)
    played = [chord_times(one.onset, chord) for one in tries]
    common = range(rehearsals)
    mine = tries[own]

    gaps = [np.log(np.diff(clock) / np.diff(written)) for clock in played]
    gap = np.exp(_agreed([gaps[k] for k in common], gaps[own])) * np.diff(written)
    lengths = [np.log(clock[-1] - clock[0]) for clock in played if len(clock) > 1]
    if lengths:
        mean = np.mean([lengths[k] for k in common])
        gap *= np.exp(mean + CHANCE * (lengths[own] - mean)) / gap.sum()
    wanted = played[own][0] + np.concatenate([[0.0], np.cumsum(gap)])
    room = np.append(np.diff(wanted), np.inf)[chord]
    spread = np.clip(mine.onset - played[own][chord], 0, 0.9 * room)
    onset = part_strikes(score.pitch, np.rint(wanted[chord] + spread).astype(np.int64))

    odds = [log_odds(one.velocity) for one in tries]
    articulation = [
        np.log(np.maximum(one.duration, 1) / _length(score, written, clock))
        for one, clock in zip(tries, played, strict=True)
    ]
    duration = _length(score, written, wanted) * np.exp(
        _agreed([articulation[k] for k in common], articulation[own])
    )
    time, value = _pedal([tries[k] for k in common], [played[k] for k in common], written, wanted)
    return release_pedal(
        drop_repeated_pedal(
            cut_overlaps(
                Notes(
                    mine.pitch,
                    onset,
                    np.maximum(np.rint(duration), 1).astype(np.int64),
                    of_log_odds(_agreed([odds[k] for k in common], odds[own])),
                    time,
                    value,
                )
            )
        )
    )


def _agreed(tries: Sequence[np.ndarray], own: np.ndarray) -> np.ndarray:
    """The mean of curves float64 [N] and `CHANCE` of what `own` has beside it, as large as a single one."""
    if not len(own):
        return own
    mean = np.mean(tries, axis=0)
    mixed = mean + CHANCE * (own - mean)
    size = mixed.std()
    times = np.mean([one.std() for one in tries]) / size if size > 0 else 1.0
    return mixed.mean() + times * (mixed - mixed.mean())


def _length(score: Notes, written: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """float64 [N] ms: how long the written lengths are on a clock of the chords."""
    return np.maximum(carried(score.end, written, clock) - carried(score.onset, written, clock), 1.0)


def _pedal(
    tries: Sequence[Notes], played: Sequence[np.ndarray], written: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Times int64 [P] ms and values int16 [P] of the pedal: in every passage that of the try nearest to the median."""
    times = [carried(one.pedal_time, clock, written) for one, clock in zip(tries, played, strict=True)]
    moment = np.unique(np.concatenate(times))
    if not len(moment):
        return np.zeros(0, np.int64), np.zeros(0, np.int16)
    values = np.stack([
        np.append(0, one.pedal_value)[np.searchsorted(time, moment, side="right")]
        for one, time in zip(tries, times, strict=True)
    ])
    off = np.abs(values - np.median(values, axis=0)) * np.diff(moment, append=moment[-1] + 1)
    passage = np.searchsorted(written[PASSAGE::PASSAGE], moment, side="right")
    begins = np.flatnonzero(np.diff(passage, prepend=-1))
    nearest = np.add.reduceat(off, begins, axis=1).argmin(axis=0)
    value = values[np.repeat(nearest, np.diff(begins, append=len(moment))), np.arange(len(moment))]
    time = np.maximum(np.rint(carried(moment, written, wanted)), 0).astype(np.int64)
    last = np.diff(time, append=-1) != 0  # of moments that fall on one millisecond
    return time[last], value[last].astype(np.int16)
