"""How far a performance may go: no gap, last chord or pedal longer than pianists make it at such a place. NumPy only.

A decoder that draws from a distribution now and then draws from its tail: a last beat six times as long as the others,
a pedal down for seconds after the last key. What pianists do depends on where it is and on how long it is written, and
was measured over the training performances of ASAP (`python -m experiments.limits`).
"""

import dataclasses

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.pace import on_clock
from pianist_jax.performance.parameters import chords_of, clock_of
from pianist_jax.performance.playable import make_playable

WRITTEN = (200, 400, 800)  # ms at the performance's tempo that divide the columns
PLACES = (1, 4)  # the last gap, the three before it; then all others
LONGEST = (
    (8.27, 5.40, 3.43, 2.71),  # of the last gap, over the median: the 95th percentile
    (4.64, 2.93, 2.50, 2.97),  # of the three before it: so too
    (4.37, 3.50, 4.02, 3.73),  # of all others: the 99.5th
)
# Fewer than 3 in 100 notes of ASAP's pairs come after less of their gap, or later within their chord; most of these are
# misaligned. They are neither learnt from nor drawn.
LEAST_SHARE, WIDEST = 0.25, 200
LAST_CHORD = 4.98  # times its written length at most: the 95th percentile
PEDAL_TAIL = 1_690  # ms that the pedal stays down behind the last release: in three of four performances


def within_limits(score: Notes, performance: Notes) -> Notes:
    """The performance (note n plays note n of the score), its gaps, last chord and pedal no longer than pianists'."""
    chords = chords_of(score)
    if len(chords) > 2:
        played = clock_of(chords, performance.onset)
        gap, written = np.diff(played), np.diff(chords.onset)
        slowness = float(np.median(gap / written))
        most = longest(written * slowness) * written * slowness
        if np.any(gap > most):
            wanted = played[0] + np.concatenate([[0.0], np.cumsum(np.minimum(gap, most))])
            performance = make_playable(on_clock(performance, played, wanted))
        last = chords.of == len(chords) - 1
        most_ms = np.rint(LAST_CHORD * slowness * score.duration).astype(np.int64)
        duration = np.where(last, np.minimum(performance.duration, np.maximum(most_ms, 1)), performance.duration)
        performance = dataclasses.replace(performance, duration=duration)
    return _pedal_let_go(performance)


def longest(written: np.ndarray) -> np.ndarray:
    """float64 [G]: how many times longer than usual each gap of a piece may be, by place and ms at that tempo."""
    from_end = np.arange(len(written), 0, -1)
    place = np.searchsorted(PLACES, from_end, side="left")
    return np.array(LONGEST)[place, np.searchsorted(WRITTEN, written, side="right")]


def _pedal_let_go(notes: Notes) -> Notes:
    """The notes with the pedal up `PEDAL_TAIL` after the last release, and not moved later."""
    until = int(notes.end.max()) + PEDAL_TAIL
    kept = notes.pedal_time < until
    time, value = notes.pedal_time[kept], notes.pedal_value[kept]
    if len(value) and value[-1]:
        time, value = np.append(time, until), np.append(value, 0).astype(np.int16)
    return dataclasses.replace(notes, pedal_time=time, pedal_value=value)
