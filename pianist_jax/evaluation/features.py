"""What a window of 64 score notes sounds like, in numbers that tell one way of playing from another.

Every feature is a statistic of one window of one performance. They are of five groups (`GROUPS`) and leave out what is
no playing: the tempo's level, how often a sensor writes the pedal down, notes that an aligner could not find.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.aligned import Performance, prepare
from pianist_jax.evaluation.pieces import Played
from pianist_jax.performance.parameters import Chords, Dealt, chord_means, chord_onsets, deal

WINDOW = 64  # score notes
PLAYED = 0.5  # a window of which less is played says nothing
STRAY = 60.0  # ms from the middle of a chord: a wrong match, or an arpeggio, which is none of the chord's spread
HALF = (32, 96)  # the pedal is neither up nor down
DOWN = 64


@dataclass(frozen=True)
class Feature:
    """A number of a window: its group, what it is in words, and what it is told in ("%": by how much it differs)."""

    group: str
    words: str
    unit: str = ""
    plural: bool = False


GROUPS = ("dynamics", "timing", "chords", "articulation", "pedal")
_D, _T, _C, _A, _P = GROUPS
FEATURES = {
    "velocity": Feature(_D, "the mean velocity", "%"),
    "velocity_spread": Feature(_D, "the deviation of velocity", "%"),
    "velocity_range": Feature(_D, "the range of velocity (5th to 95th percentile)", "%"),
    "velocity_step": Feature(_D, "velocity steps from chord to chord", "%", plural=True),
    "velocity_leap": Feature(_D, "the largest velocity steps from chord to chord", "%", plural=True),
    "velocity_again": Feature(_D, "the correlation of a chord's velocity with the last one's"),
    "velocity_pitch": Feature(_D, "the correlation of velocity with pitch"),
    "velocity_top": Feature(_D, "what the top note is louder than its chord by", "%"),
    "velocity_top_spread": Feature(_D, "the deviation of what the top note is louder than its chord by", "%"),
    "velocity_in_chord": Feature(_D, "the deviation of velocity within chords", "%"),
    "ioi_spread": Feature(_T, "the deviation of log-IOI", "%"),
    "ioi_range": Feature(_T, "the range of log-IOI (5th to 95th percentile)", "%"),
    "ioi_step": Feature(_T, "steps of log-IOI from chord to chord", "%", plural=True),
    "ioi_longest": Feature(_T, "the longest log-IOI against the mean", "%"),
    "ioi_again": Feature(_T, "the correlation of a log-IOI with the last one"),
    "ioi_second": Feature(_T, "the correlation of a log-IOI with the last but one"),
    "ioi_written": Feature(_T, "the correlation of log-IOI with the written length"),
    "ioi_velocity": Feature(_T, "the correlation of log-IOI with velocity"),
    "spread": Feature(_C, "the spread of chords", "%"),
    "spread_largest": Feature(_C, "the largest spread of a chord", "%"),
    "spread_spread": Feature(_C, "the deviation of the spread of chords", "%"),
    "lead": Feature(_C, "the lead of the top note", "ms"),
    "lead_spread": Feature(_C, "the deviation of the top note's lead", "%"),
    "low_lead": Feature(_C, "the lead of the lowest note", "ms"),
    "place_velocity": Feature(_C, "the correlation of a note's place in its chord with its velocity"),
    "place_pitch": Feature(_C, "the correlation of a note's place in its chord with its pitch"),
    "together": Feature(_C, "the share of chords within 4 ms"),
    "articulation": Feature(_A, "the mean log-articulation"),
    "articulation_spread": Feature(_A, "the deviation of log-articulation", "%"),
    "articulation_range": Feature(_A, "the range of log-articulation (5th to 95th percentile)", "%"),
    "articulation_step": Feature(_A, "steps of log-articulation from chord to chord", "%", plural=True),
    "articulation_again": Feature(_A, "the correlation of a chord's articulation with the last one's"),
    "articulation_in_chord": Feature(_A, "the deviation of log-articulation within chords", "%"),
    "articulation_written": Feature(_A, "the correlation of log-articulation with the written length"),
    "articulation_velocity": Feature(_A, "the correlation of log-articulation with velocity"),
    "overlap": Feature(_A, "the share of notes held beyond their written end"),
    "pedal_down": Feature(_P, "the share of time with the pedal down"),
    "pedal_half": Feature(_P, f"the share of time with half pedal ({HALF[0]} to {HALF[1]})"),
    "pedal_mean": Feature(_P, "the mean depth of the pedal (0 to 127)", "%"),
    "pedal_changes": Feature(_P, "pedal changes a note", "%", plural=True),
    "pedal_after": Feature(_P, "what the pedal goes down after the nearest onset by", "ms"),
    "pedal_after_spread": Feature(_P, "the deviation of what the pedal goes down after the nearest onset by", "%"),
    "pedal_lift": Feature(_P, "what the pedal goes up after the nearest onset by", "ms"),
    "pedal_lift_spread": Feature(_P, "the deviation of what the pedal goes up after the nearest onset by", "%"),
    "pedal_lifted": Feature(_P, "the time between pedal up and down", "%"),
}
NAMES = tuple(FEATURES)


def columns_of(group: str) -> np.ndarray:
    """int64: the columns of a group of `GROUPS`, or of "all"."""
    return np.array([k for k, one in enumerate(FEATURES.values()) if group in (one.group, "all")])


def window_features(chords: Chords, played: Played, heard: np.ndarray | None = None) -> np.ndarray:
    """float64 [windows, features] of a performance, windows side by side; what is left over at the end is left out.

    heard: bool [N], which notes of the score count (another performance's gaps, so that gaps tell nothing). Features
    without a value (no chord, no pedal) are NaN; a window of which less than half is played is all NaN. Everybody's
    outliers are dropped as a human's misalignments are (`pieces.curves_of`). A score of fewer than 64 notes has none.
    """
    if chords.notes < WINDOW:
        return np.zeros((0, len(NAMES)))
    match = played.match if heard is None else np.where(heard, played.match, -1)
    if not (match >= 0).any():
        return np.full((chords.notes // WINDOW, len(NAMES)), np.nan)
    playing = deal(played.notes, match)
    performance = prepare(chords, Played(played.name, played.notes, match, aligned=True))
    found = {
        **_dynamics(chords, playing),
        **_timing(chords, playing, performance),
        **_chords(chords, playing),
        **_articulation(chords, playing, performance),
        **_pedal(chords, playing, performance),
    }
    table = np.stack([found[name] for name in NAMES], axis=1)
    share = _rows(np.isfinite(playing.onset).astype(np.float64)).mean(1)
    return np.where((share >= PLAYED)[:, None], table, np.nan)


def _rows(series: np.ndarray) -> np.ndarray:
    """float64 [windows, 64] of a number a note; what is left over at the end is left out."""
    count = len(series) // WINDOW
    return series[: count * WINDOW].reshape(count, WINDOW)


def _mean(series: np.ndarray) -> np.ndarray:
    return stats.mean_valid(_rows(series))


def _deviation(series: np.ndarray) -> np.ndarray:
    rows = _rows(series)
    spread = np.sqrt(stats.mean_valid(stats.centre(rows) ** 2))
    return np.where(np.isfinite(rows).sum(1) > 1, spread, np.nan)


def _largest(series: np.ndarray) -> np.ndarray:
    rows = _rows(series)
    known = np.isfinite(rows)
    return np.where(known.any(1), np.where(known, rows, -np.inf).max(1), np.nan)


def _range(series: np.ndarray) -> np.ndarray:
    """From the 5th to the 95th percentile of what is there."""
    rows = np.sort(_rows(series), axis=1)  # NaN comes last
    last = np.maximum(np.isfinite(rows).sum(1) - 1, 0)
    at = np.arange(len(rows))
    low, high = (rows[at, np.rint(part * last).astype(int)] for part in (0.05, 0.95))
    return high - low


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return stats.pearson(_rows(first), _rows(second))


def _at_chords(chords: Chords, values: np.ndarray) -> np.ndarray:
    """float64 [N]: a number of each chord at its first note, NaN elsewhere."""
    series = np.full(chords.notes, np.nan)
    series[chords.first[: len(values)]] = values
    return series


def _within_chords(chords: Chords, values: np.ndarray) -> np.ndarray:
    """float64 [N]: how far each note of a chord of several is from its chord's mean; NaN for single notes."""
    mean, count = chord_means(chords, values)
    return np.where(count[chords.of] > 1, values - mean[chords.of], np.nan)


def _outer(chords: Chords, values: np.ndarray, highest: bool) -> np.ndarray:
    """float64 [O]: the value of the highest (lowest) note of each chord of several less the mean of its others."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(chords.pitch[known] * (1 if highest else -1), kind="stable")]
    outer = np.full(len(chords), np.nan)
    outer[chords.of[order]] = values[order]  # the outermost is written last
    mean, count = chord_means(chords, values)
    others = (mean * count - outer) / np.maximum(count - 1, 1)
    return np.where(count > 1, outer - others, np.nan)


def _before(values: np.ndarray, steps: int = 1) -> np.ndarray:
    return np.concatenate([np.full(min(steps, len(values)), np.nan), values[: max(len(values) - steps, 0)]])


def _dynamics(chords: Chords, playing: Dealt) -> dict[str, np.ndarray]:
    chord, _ = chord_means(chords, playing.velocity)
    step = _at_chords(chords, np.abs(chord - _before(chord)))
    top = _at_chords(chords, _outer(chords, playing.velocity, highest=True))
    return {
        "velocity": _mean(playing.velocity),
        "velocity_spread": _deviation(playing.velocity),
        "velocity_range": _range(playing.velocity),
        "velocity_step": _mean(step),
        "velocity_leap": _largest(step),
        "velocity_again": _correlation(_at_chords(chords, chord), _at_chords(chords, _before(chord))),
        "velocity_pitch": _correlation(playing.velocity, chords.pitch.astype(np.float64)),
        "velocity_top": _mean(top),
        "velocity_top_spread": _deviation(top),
        "velocity_in_chord": np.sqrt(_mean(_within_chords(chords, playing.velocity) ** 2)),
    }


def _timing(chords: Chords, playing: Dealt, performance: Performance) -> dict[str, np.ndarray]:
    ioi = performance.curves["log_ioi"]
    here, last, second = (_at_chords(chords, curve) for curve in (ioi, _before(ioi), _before(ioi, 2)))
    loud, _ = chord_means(chords, playing.velocity)
    return {
        "ioi_spread": _deviation(here),
        "ioi_range": _range(here),
        "ioi_step": _mean(np.abs(here - last)),
        "ioi_longest": _largest(here) - _mean(here),
        "ioi_again": _correlation(here, last),
        "ioi_second": _correlation(here, second),
        "ioi_written": _correlation(here, _at_chords(chords, np.log(np.diff(chords.onset)))),
        "ioi_velocity": _correlation(here, _at_chords(chords, loud)),
    }


def _chords(chords: Chords, playing: Dealt) -> dict[str, np.ndarray]:
    place = _within_chords(chords, playing.onset)
    onset = np.where(np.abs(place) <= STRAY, playing.onset, np.nan)
    place = _within_chords(chords, onset)
    earliest, latest = np.full(len(chords), np.inf), np.full(len(chords), -np.inf)
    known = np.isfinite(place)
    np.minimum.at(earliest, chords.of[known], place[known])
    np.maximum.at(latest, chords.of[known], place[known])
    several = np.isfinite(earliest)
    spread = _at_chords(chords, np.where(several, latest - np.where(several, earliest, 0), np.nan))
    lead, low = (_at_chords(chords, -_outer(chords, onset, highest)) for highest in (True, False))
    louder = _within_chords(chords, playing.velocity)
    return {
        "spread": _mean(spread),
        "spread_largest": _largest(spread),
        "spread_spread": _deviation(spread),
        "lead": _mean(lead),
        "lead_spread": _deviation(lead),
        "low_lead": _mean(low),
        "place_velocity": _correlation(place, louder),
        "place_pitch": _correlation(place, _within_chords(chords, chords.pitch.astype(np.float64))),
        "together": _mean(np.where(np.isnan(spread), np.nan, spread <= 4)),
    }


def _articulation(chords: Chords, playing: Dealt, performance: Performance) -> dict[str, np.ndarray]:
    curve = performance.curves["log_articulation"]
    chord, _ = chord_means(chords, curve)
    here, last = _at_chords(chords, chord), _at_chords(chords, _before(chord))
    return {
        "articulation": _mean(curve),
        "articulation_spread": _deviation(curve),
        "articulation_range": _range(curve),
        "articulation_step": _mean(np.abs(here - last)),
        "articulation_again": _correlation(here, last),
        "articulation_in_chord": np.sqrt(_mean(_within_chords(chords, curve) ** 2)),
        "articulation_written": _correlation(curve, np.log(np.maximum(chords.end - chords.start, 1))),
        "articulation_velocity": _correlation(curve, playing.velocity),
        "overlap": _mean(np.where(np.isnan(curve), np.nan, curve > 0)),
    }


def _pedal(chords: Chords, playing: Dealt, performance: Performance) -> dict[str, np.ndarray]:
    count = chords.notes // WINDOW
    edges = performance.mapped.to_performed(np.append(chords.start, chords.end.max())[np.arange(count + 1) * WINDOW])
    time, value = playing.pedal_time.astype(np.float64), playing.pedal_value.astype(np.float64)
    length = np.maximum(np.diff(edges), 1.0)
    shares = {
        "pedal_down": _time_of(time, value >= DOWN, edges) / length,
        "pedal_half": _time_of(time, (value >= HALF[0]) & (value < HALF[1]), edges) / length,
        "pedal_mean": _time_of(time, value, edges) / length,
    }
    state = np.concatenate([[False], value >= DOWN])
    changed = np.flatnonzero(state[1:] != state[:-1])
    at, downward = time[changed], state[changed + 1]
    onsets = chord_onsets(chords, playing.onset)
    onsets = np.sort(onsets[np.isfinite(onsets)])
    after = _after_nearest(at, onsets)
    down, up = (_in_windows(at[chosen], after[chosen], edges) for chosen in (downward, ~downward))
    lifted = np.append(np.diff(at), np.nan)
    gone = ~downward & np.isfinite(lifted)
    return shares | {
        "pedal_changes": np.histogram(at, edges)[0] / WINDOW,
        "pedal_after": down[0],
        "pedal_after_spread": down[1],
        "pedal_lift": up[0],
        "pedal_lift_spread": up[1],
        "pedal_lifted": _in_windows(at[gone], lifted[gone], edges)[0],
    }


def _time_of(time: np.ndarray, value: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The integral between edges (ms) of a value that holds from each time to the next, and is 0 before the first."""
    knots = np.concatenate([[np.append(time, edges).min() - 1.0], time, [np.append(time, edges).max() + 1.0]])
    area = np.cumsum(np.concatenate([[0.0, 0.0], value * np.diff(knots)[1:]]))
    return np.diff(np.interp(edges, knots, area))


def _after_nearest(times: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """ms: how long after the nearest onset each time is (negative: before it)."""
    behind = np.clip(np.searchsorted(onsets, times, side="right") - 1, 0, len(onsets) - 1)
    ahead = np.minimum(behind + 1, len(onsets) - 1)
    before, to_next = times - onsets[behind], times - onsets[ahead]
    return np.where(np.abs(before) <= np.abs(to_next), before, to_next)


def _in_windows(times: np.ndarray, values: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The median and the deviation of the values whose times are in each window; NaN where there are none (one)."""
    middle, spread = np.full(len(edges) - 1, np.nan), np.full(len(edges) - 1, np.nan)
    window = np.searchsorted(edges, times, side="right") - 1
    for index in range(len(middle)):
        own = values[window == index]
        if len(own):
            middle[index] = np.median(own)
        if len(own) > 1:
            spread[index] = own.std()
    return middle, spread
