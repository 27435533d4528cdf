"""No gap, last chord or pedal is longer than pianists make it."""

import dataclasses

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.limits import LAST_CHORD, LONGEST, PEDAL_TAIL, longest, within_limits
from tests.music.helpers import columns_of


def even(count: int = 40, gap: int = 500, times: float = 1.0) -> Notes:
    onset = np.rint(gap * times * np.arange(count)).astype(np.int64)
    return columns_of(60 + np.arange(count) % 7, onset, int(gap * times * 0.9))


def later(notes: Notes, note: int, by: int) -> Notes:
    """All from a note on comes later."""
    return dataclasses.replace(notes, onset=notes.onset + by * (np.arange(len(notes)) >= note))


def test_what_pianists_do_stays():
    score = even()
    played = later(later(even(times=1.2), 20, 400), 39, 300)
    after = within_limits(score, played)
    np.testing.assert_array_equal(after.onset, played.onset)
    np.testing.assert_array_equal(after.duration, played.duration)


def test_a_gap_is_cut_to_what_there_is_at_its_place():
    score = even()
    inside = within_limits(score, later(even(), 20, 9_000))
    assert abs(np.diff(inside.onset)[19] - 500 * LONGEST[2][2]) <= 1
    assert np.diff(inside.onset)[20:].tolist() == [500] * 19
    last = within_limits(score, later(even(), 39, 9_000))
    assert abs(np.diff(last.onset)[-1] - 500 * LONGEST[0][2]) <= 1


def test_the_table_is_read_by_place_and_length():
    most = longest(np.array([100.0, 300, 500, 900, 500, 500]))
    assert most.tolist() == [LONGEST[2][0], LONGEST[2][1], LONGEST[1][2], LONGEST[1][3], LONGEST[1][2], LONGEST[0][2]]


def test_the_end_is_not_held_for_ever():
    score = even()
    played = even()
    duration = played.duration.copy()
    duration[-1] = 20_000
    time, value = np.array([0, 19_000, 30_000, 40_000]), np.array([0, 90, 60, 0])
    played = dataclasses.replace(played, duration=duration, pedal_time=time, pedal_value=value)
    after = within_limits(score, played)
    assert after.duration[-1] == np.rint(LAST_CHORD * int(500 * 0.9))
    assert after.pedal_time[-1] == after.end.max() + PEDAL_TAIL
    assert after.pedal_value[-1] == 0
    assert after.pedal_value.tolist() == [0, 90, 0]


def test_a_pedal_that_is_up_stays_up():
    score = even()
    played = dataclasses.replace(even(), pedal_time=np.array([100, 600]), pedal_value=np.array([90, 0]))
    after = within_limits(score, played)
    assert after.pedal_time.tolist() == [100, 600]
    assert within_limits(even(1), even(1)).onset.tolist() == [0]
