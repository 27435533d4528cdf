"""What a performance makes of its score: the tempo of every gap, the loudness and the articulation of every note.

One definition of each, for the targets that models learn, for what renderings are averaged and changed by, and for what
evaluation compares: the field's, as in partitura's performance codec (Cancino-Chacón et al. 2022, arXiv 2206.01071). A
chord is written, and played, when its notes are on average; notes that nobody played are NaN and do not count.

* time map: score time to performed time, straight between chords, at the mean tempo outside.
* log-IOI ratio: log of a chord's performed distance to the next one over the written one.
* log-articulation: log of a note's performed length over the one that the time map gives its written length.
* velocity: as played; where velocities are averaged, scaled or learnt, their log-odds, a scale without ends.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes

ONE_CHORD = 10  # ms: voices of a score MIDI are rounded to ticks apart, so that one beat comes twice, 1 or 2 ms apart
CURVES = ("velocity", "log_ioi", "log_articulation")
OUTLIER = {"log_ioi": np.log(8.0), "log_articulation": np.log(16.0)}  # distance from a curve's own median
PREDICTED = ("log_ioi", "velocity", "log_articulation", "tempo")  # by a consensus, in this order
TEMPO_UNIT = 0.25  # in which it names the log of performed over written time
FULL = 0.9  # of the gap between two chords, that their own notes may fill


@dataclass(frozen=True, eq=False)
class Chords:
    """The C chords of a score of N notes.

    `onset` float64 [C] ms, when each is written; `of` int64 [N], the chord of each note; `first` int64 [C], the first
    note of each chord; `pitch` int64 [N], `start` and `end` float64 [N] ms of the notes.
    """

    onset: np.ndarray
    of: np.ndarray
    first: np.ndarray
    pitch: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def __len__(self) -> int:
        return len(self.onset)

    @property
    def notes(self) -> int:
        """N, how many notes they have."""
        return len(self.of)


@dataclass(frozen=True, eq=False)
class TimeMap:
    """Score time <-> performed time in ms: at least one knot, both strictly ascending."""

    score: np.ndarray
    performed: np.ndarray

    def to_performed(self, score_ms: np.ndarray) -> np.ndarray:
        """Performed ms of score ms."""
        return carried(score_ms, self.score, self.performed)

    def to_score(self, performed_ms: np.ndarray) -> np.ndarray:
        """Score ms of performed ms."""
        return carried(performed_ms, self.performed, self.score)

    def lengths(self, chords: Chords) -> np.ndarray:
        """float64 [N] ms: how long the written notes are when performed, at least 1."""
        return np.maximum(self.to_performed(chords.end) - self.to_performed(chords.start), 1.0)

    @property
    def span(self) -> tuple[float, float]:
        """Performed time in ms of the first and the last knot."""
        return float(self.performed[0]), float(self.performed[-1])

    @property
    def slowness(self) -> float:
        """How many times slower than written it goes from the first to the last knot; 1 where there is but one."""
        return float(np.ptp(self.performed) / np.ptp(self.score)) if len(self.score) > 1 else 1.0


@dataclass(frozen=True, eq=False)
class Parameters:
    """A performance of N notes in C chords: velocity float64 [N], log_ioi [C - 1], log_articulation [N].

    NaN: not played; −inf in log_ioi: the next chord comes no later.
    """

    velocity: np.ndarray
    log_ioi: np.ndarray
    log_articulation: np.ndarray


@dataclass(frozen=True, eq=False)
class Dealt:
    """A performance on the N notes of a score and its pedal events.

    float64[N], NaN where a note was not played; onset and end in ms, velocity 0..127.
    """

    onset: np.ndarray
    end: np.ndarray
    velocity: np.ndarray
    pedal_time: np.ndarray
    pedal_value: np.ndarray


def deal(notes: Notes, match: np.ndarray) -> Dealt:
    """Deals a performance out on the notes of its score (`match` int64[N], −1 where one was not played)."""
    played = match >= 0

    def column(values: np.ndarray) -> np.ndarray:
        dealt = np.full(len(match), np.nan)
        dealt[played] = values[match[played]]
        return dealt

    return Dealt(
        onset=column(notes.onset),
        end=column(notes.end),
        velocity=column(notes.velocity),
        pedal_time=notes.pedal_time,
        pedal_value=notes.pedal_value,
    )


def group_chords(onset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 [N] the chord of each note, int64 [C] the first note of each; written onsets (ms) ascend.

    Notes written within `ONE_CHORD` of the first one are a chord.
    """
    first = [0] if len(onset) else []
    for n, time in enumerate(onset.tolist()):
        if time > onset[first[-1]] + ONE_CHORD:
            first.append(n)
    begins = np.zeros(len(onset), np.int64)
    begins[first[1:]] = 1
    return np.cumsum(begins), np.array(first, np.int64)


def chords_of(score: Notes) -> Chords:
    """The chords of a normalised score."""
    return chords_between(score.pitch, score.onset, score.end)


def chords_between(pitch: np.ndarray, start: np.ndarray, end: np.ndarray) -> Chords:
    """The chords of notes [N] written from `start` to `end` ms, that begin in order."""
    of, first = group_chords(start)
    onset = np.bincount(of, start) / np.bincount(of)
    return Chords(onset, of, first, pitch.astype(np.int64), start.astype(np.float64), end.astype(np.float64))


def chord_onsets(chords: Chords, onset: np.ndarray) -> np.ndarray:
    """float64 [C] ms: when each chord is played, the mean of its notes' onsets [N]; NaN where all of them are."""
    return chord_means(chords, onset)[0]


def chord_means(chords: Chords, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 [C], int64 [C]: the mean of each chord's notes that have a value (NaN: none has), and how many do."""
    known = np.isfinite(values)
    count = np.bincount(chords.of[known], minlength=len(chords))
    total = np.bincount(chords.of[known], values[known], minlength=len(chords))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), count


def chord_asynchrony(chords: Chords, onset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 [K], float64 [K] ms, of the K chords of which at least two notes are played (`onset` [N], NaN: not).

    From the first to the last note of a chord; and how much earlier than the mean of the others its highest one comes
    (melody lead; negative where it comes later; NaN where the highest is not played).
    """
    played = np.isfinite(onset)
    group, own = chords.of[played], onset[played]
    count = np.bincount(group, minlength=len(chords))
    earliest, latest = np.full(len(chords), np.inf), np.full(len(chords), -np.inf)
    np.minimum.at(earliest, group, own)
    np.maximum.at(latest, group, own)
    top = np.full(len(chords), np.nan)
    upward = np.argsort(chords.pitch, kind="stable")
    top[chords.of[upward]] = onset[upward]  # the highest is written last
    others = (np.bincount(group, own, minlength=len(chords)) - top) / np.maximum(count - 1, 1)
    several = count > 1
    return (latest - earliest)[several], (others - top)[several]


def clock_of(chords: Chords, onset: np.ndarray) -> np.ndarray:
    """float64 [C] ms: `chord_onsets` of a performance that lacks no note, ascending by at least 1 ms."""
    steps = np.arange(len(chords))
    return np.maximum.accumulate(chord_onsets(chords, onset) - steps) + steps


def time_map(chords: Chords, onset: np.ndarray) -> TimeMap:
    """The time map of a performance by its notes' onsets float64 [N], NaN where one is not played.

    Its knots are the chords that were played, less the fewest that stand out of order (misalignments, ornaments).
    Raises PianistError where nothing is played.
    """
    performed = chord_onsets(chords, onset)
    knots = np.flatnonzero(np.isfinite(performed))
    knots = knots[_longest_increasing(performed[knots])]
    if not len(knots):
        raise PianistError("a performance in which no note of the score is played has no time map")
    return TimeMap(chords.onset[knots], performed[knots])


def parameters_of(
    chords: Chords, clock: np.ndarray, mapped: TimeMap, velocity: np.ndarray, length: np.ndarray
) -> Parameters:
    """The parameters of a performance.

    Args:
        clock: float64 [C] ms, when the chords are played; NaN where they are not (`chord_onsets`, `clock_of`).
        mapped: its time map.
        velocity, length: [N], as played, ms; NaN where a note is not.
    """
    return Parameters(
        np.asarray(velocity, np.float64),
        _log(np.diff(clock) / np.diff(chords.onset)),
        np.log(np.maximum(length, 1) / mapped.lengths(chords)),
    )


def _log(ratio: np.ndarray) -> np.ndarray:
    positive = ratio > 0  # False for NaN too
    return np.where(positive, np.log(np.where(positive, ratio, 1.0)), np.where(np.isnan(ratio), np.nan, -np.inf))


def bounded(curve: np.ndarray, bound: float, drop: bool) -> np.ndarray:
    """A log curve whose outliers from its own median are dropped (NaN) or held at the bound; NaN stays NaN."""
    known = curve[np.isfinite(curve)]
    if not len(known):
        return np.full(len(curve), np.nan) if drop else np.where(np.isnan(curve), np.nan, 0.0)
    middle = np.median(known)
    if drop:
        return np.where(np.abs(curve - middle) <= bound, curve, np.nan)
    return np.clip(curve, middle - bound, middle + bound)


def _longest_increasing(values: np.ndarray) -> np.ndarray:
    """Indices of a longest strictly increasing subsequence."""
    tails: list[float] = []
    at: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values.tolist()):
        length = bisect_left(tails, value)
        before.append(at[length - 1] if length else -1)
        if length == len(tails):
            tails.append(value)
            at.append(index)
        else:
            tails[length], at[length] = value, index
    chain = []
    index = at[-1] if at else -1
    while index >= 0:
        chain.append(index)
        index = before[index]
    return np.array(chain[::-1], np.int64)


def carried(time: np.ndarray | float, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """float64: times on one clock as they come on another, straight between knots, at the mean tempo outside."""
    slope = (new[-1] - new[0]) / (old[-1] - old[0]) if len(old) > 1 else 1.0
    outside = np.minimum(time - old[0], 0) + np.maximum(time - old[-1], 0)
    return np.interp(time, old, new) + slope * outside


def moved(time: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """int64 ms: times on one clock as they come on another (knots at float64 `old` and `new` ms)."""
    return np.maximum(np.rint(carried(time, old, new)), 0).astype(np.int64)


def placed(chords: Chords, clock: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """int64 [N] ms: onsets `offset` float64 [N] ms from their chords at `clock` float64 [C], each over before the next.

    Two chords that would meet both draw in, in proportion, so that together they fill no more than `FULL` of their gap.
    """
    late, early = np.maximum.reduceat(offset, chords.first), np.minimum.reduceat(offset, chords.first)
    share = np.minimum(FULL * np.diff(clock) / np.maximum(late[:-1] - early[1:], 1e-9), 1.0)
    behind, before = np.append(share, 1.0)[chords.of], np.append(1.0, share)[chords.of]
    return np.rint(clock[chords.of] + np.where(offset > 0, behind, before) * offset).astype(np.int64)


def log_odds(velocity: np.ndarray) -> np.ndarray:
    """float64 [N]: velocities on a scale without ends, the log-odds of 128."""
    v = np.clip(velocity, 1, 127).astype(np.float64)
    return np.log(v / (128 - v))


def of_log_odds(odds: np.ndarray) -> np.ndarray:
    """int16 [N]: velocities 1..127 of their log-odds."""
    return np.clip(np.rint(128 / (1 + np.exp(-odds))), 1, 127).astype(np.int16)
