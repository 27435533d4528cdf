"""Parameters of a performance: chords, time map, tempo, loudness and articulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pianist_jax.performance.parameters import (
    TimeMap,
    bounded,
    carried,
    chord_onsets,
    chords_between,
    clock_of,
    group_chords,
    log_odds,
    of_log_odds,
    parameters_of,
    placed,
    time_map,
)

START = np.array([0, 4, 500, 1000, 1500])  # a chord of two, then single notes
END = START + np.array([500, 496, 250, 500, 1000])
CHORDS = chords_between(60 + np.arange(5), START, END)


def test_notes_within_ten_milliseconds_are_a_chord():
    assert CHORDS.of.tolist() == [0, 0, 1, 2, 3]
    assert CHORDS.first.tolist() == [0, 2, 3, 4]
    assert CHORDS.onset.tolist() == [2, 500, 1000, 1500]
    number, first = group_chords(np.array([0, 2, 10, 11, 500, 510, 511]))
    assert number.tolist() == [0, 0, 0, 1, 2, 2, 3]
    assert first.tolist() == [0, 3, 4, 6]


def test_a_chord_is_played_when_those_of_its_notes_are_on_average_that_are():
    nan = np.nan
    assert clock_of(CHORDS, np.array([20, 5, 600, 600, 2000])).tolist() == [12.5, 600, 601, 2000]
    found = chord_onsets(CHORDS, np.array([nan, 5, nan, 600, 2000]))
    np.testing.assert_array_equal(found, [5, nan, 600, 2000])


def test_the_time_map_leaves_out_the_fewest_chords():
    """So that what is left ascends: as many as of all subsets that do."""
    alone = chords_between(np.full(8, 60), 100 * np.arange(8), 100 * np.arange(8) + 90)
    for seed in range(20):
        values = np.random.default_rng(seed).permutation(8).astype(float)
        mapped = time_map(alone, values)
        found = (mapped.score / 100).astype(int)
        np.testing.assert_array_equal(mapped.performed, values[found])
        assert np.all(np.diff(mapped.performed) > 0)
        subsets = [[i for i in range(8) if mask >> i & 1] for mask in range(256)]
        assert len(found) == max(len(one) for one in subsets if np.all(np.diff(values[one]) > 0))


def test_parameters_are_what_was_done_to_the_score():
    clock = np.array([100.0, 598, 1348, 1848])
    length = np.array([250, 494, 375, 500, 500])  # half, all, all, all, half of what the clock gives them
    mapped = TimeMap(CHORDS.onset, clock)
    found = parameters_of(CHORDS, clock, mapped, np.array([64, 1, 127, 64, 96]), length)
    np.testing.assert_allclose(found.log_ioi, np.log([1, 1.5, 1]))
    slow = 1748 / 1498  # the mean tempo goes on outside: 2 ms before the first chord, behind the last one
    given = [498 + 2 * slow, 496, 375, 500, 1000 * slow]
    np.testing.assert_allclose(found.log_articulation, np.log(length / given), atol=1e-12)
    assert found.velocity.tolist() == [64, 1, 127, 64, 96]
    assert log_odds(found.velocity)[0] == 0
    assert log_odds(found.velocity)[1] == -log_odds(found.velocity)[2]
    backwards = parameters_of(CHORDS, clock[[0, 2, 1, 3]], mapped, found.velocity, length)
    assert backwards.log_ioi[1] == -np.inf


def test_outliers():
    curve = np.array([0.0, 0.1, np.nan, -0.1, 5.0, -np.inf])
    np.testing.assert_array_equal(bounded(curve, 2.0, drop=True), [0, 0.1, np.nan, -0.1, np.nan, np.nan])
    np.testing.assert_array_equal(bounded(curve, 2.0, drop=False), [0, 0.1, np.nan, -0.1, 2.05, -1.95])


def test_chords_draw_in_where_they_would_meet():
    clock, offset = np.array([100.0, 200, 300, 500]), np.array([-30.0, 30, -30, 0, 10])
    assert placed(CHORDS, clock, offset).tolist() == [70, 130, 170, 300, 510]
    wide = placed(CHORDS, clock, 5 * offset)
    assert wide.tolist() == [-50, 145, 155, 300, 550]  # 150 and 150 ms have 90 of the 100 between them


@given(st.integers(1, 127))
def test_velocities_come_back_from_their_log_odds(velocity):
    assert of_log_odds(log_odds(np.array([velocity]))).tolist() == [velocity]


def test_a_clock_goes_on_at_its_mean_tempo():
    old, new = np.array([0.0, 100, 200]), np.array([50.0, 100, 450])
    found = carried(np.array([-100, 50, 150, 300]), old, new)
    assert found == pytest.approx([-150, 75, 275, 650])
