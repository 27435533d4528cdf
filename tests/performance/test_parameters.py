"""Curves of a performance: tempo, loudness and articulation on scales where differences add up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pianist_jax.performance.parameters import carried, chord_times, chords, curves_on, log_odds, of_log_odds

START = np.array([0, 4, 500, 1000, 1500])  # a chord of two, then single notes
END = START + np.array([500, 496, 250, 500, 1000])


def test_notes_within_ten_milliseconds_are_a_chord():
    chord, first = chords(START)
    assert chord.tolist() == [0, 0, 1, 2, 3]
    assert first.tolist() == [0, 2, 3, 4]
    assert chord_times(np.array([20, 5, 600, 600, 2000]), chord).tolist() == [5, 600, 601, 2000]


def test_curves_are_what_was_done_to_the_score():
    written, clock = START[[0, 2, 3, 4]].astype(float), np.array([100.0, 600, 1350, 1850])
    length = np.array([250, 500, 375, 500, 500])  # half, all, all, all, half of what the clock gives them
    found = curves_on(START, END, written, clock, np.array([64, 1, 127, 64, 96]), length)
    np.testing.assert_allclose(found.gap, np.log([1, 1.5, 1]))
    slow = np.log(1750 / 1500)  # the mean tempo goes on behind the last chord
    np.testing.assert_allclose(found.articulation, [-np.log(2), np.log(500 / 496), 0, 0, -np.log(2) - slow], atol=1e-12)
    assert found.velocity[0] == 0
    assert found.velocity[1] == -found.velocity[2]


@given(st.integers(1, 127))
def test_velocities_come_back_from_their_log_odds(velocity):
    assert of_log_odds(log_odds(np.array([velocity]))).tolist() == [velocity]


def test_a_clock_goes_on_at_its_mean_tempo():
    old, new = np.array([0.0, 100, 200]), np.array([50.0, 100, 450])
    found = carried(np.array([-100, 50, 150, 300]), old, new)
    assert found == pytest.approx([-150, 75, 275, 650])
