"""A pedal's curve told as moves of a foot, and drawn from them again."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pianist_jax.performance.pedal_moves import TURN, Moves, curve_of, moves_of


def columns(moves):
    return moves.begin.tolist(), moves.end.tolist(), moves.target.tolist()


def at(times, time, value):
    return np.append(0, value)[np.searchsorted(time, times, side="right")].astype(int)


def test_a_switch_is_two_moves():
    moves = moves_of(np.array([1000, 2000]), np.array([127, 0]))
    assert moves.target.tolist() == [127, 0]
    assert np.abs(moves.begin - [980, 1980]).max() <= 10
    assert np.abs(moves.end - [1000, 2000]).max() <= 10


def test_straight_moves_are_found_again():
    drawn = Moves(np.array([100, 900, 1500]), np.array([250, 1000, 1900]), np.array([90, 30, 127]))
    found = moves_of(*curve_of(drawn))
    assert found.target.tolist() == [90, 30, 127]
    for one, other in ((found.begin, drawn.begin), (found.end, drawn.end)):
        assert np.abs(one - other).max() <= 12


def test_what_trembles_is_no_move():
    time = np.arange(0, 2000, 10)
    value = 60 + (np.arange(200) % 2) * (TURN - 1)
    moves = moves_of(time, value)
    assert len(moves) == 1
    assert abs(int(moves.target[0]) - 65) <= 6


def test_a_move_is_cut_short_by_the_next():
    time, value = curve_of(Moves(np.array([0, 100]), np.array([400, 200]), np.array([100, 0])))
    assert value.max() <= 26
    assert value[-1] == 0
    assert time[-1] == 200


def test_nothing_moves():
    nothing = np.zeros(0, int)
    assert len(moves_of(nothing, nothing)) == 0
    assert len(curve_of(Moves(nothing, nothing, nothing))[0]) == 0


@given(st.integers(0, 9999), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_curves_stay_within_midi_and_near_what_was_told(seed, events):
    rng = np.random.default_rng(seed)
    begin = np.cumsum(rng.integers(150, 900, events))
    target = rng.permutation(128)[np.arange(events) % 128]
    given = Moves(begin, begin + rng.integers(20, 140, events), target)
    time, value = curve_of(given)
    assert np.diff(time).min(initial=1) > 0
    assert value.min(initial=0) >= 0
    assert value.max(initial=0) <= 127
    again = curve_of(moves_of(time, value))
    grid = np.arange(0, begin[-1] + 1000, 10)
    assert np.abs(at(grid, time, value) - at(grid, *again)).mean() < TURN
