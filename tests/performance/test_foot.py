"""A foot draws the pedal's jumps out: when and how deep it goes stays."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pianist_jax.music.midi import require_writable
from pianist_jax.performance.foot import GOING_DOWN, eased
from pianist_jax.performance.pedal_moves import moves_of
from tests.rendering.models import made_up_score

JUMPS = 400


def jumping(seed=0):
    """A performance whose pedal goes down and up at once, every second or so."""
    score, rng = made_up_score(60), np.random.default_rng(seed)
    time = 500 + np.cumsum(rng.integers(900, 1500, JUMPS))
    return dataclasses.replace(score, pedal_time=time, pedal_value=np.tile([127, 0], JUMPS // 2))


def crossings(notes):
    down = np.concatenate([[False], notes.pedal_value >= 64])
    return notes.pedal_time[down[1:] != down[:-1]]


def test_jumps_become_moves_in_the_time_that_pianists_take():
    before, after = jumping(), eased(jumping(), np.random.default_rng(1))
    moves = moves_of(after.pedal_time, after.pedal_value)
    assert moves.target.tolist() == before.pedal_value.tolist()
    down = (moves.end - moves.begin)[::2]
    assert np.median(down) == pytest.approx(GOING_DOWN[4], rel=0.25)
    assert np.median((moves.end - moves.begin)[1::2]) < np.median(down)
    assert np.percentile(down, 90) > 2 * np.percentile(down, 25)


def test_the_middle_is_crossed_when_it_was():
    before, after = jumping(), eased(jumping(), np.random.default_rng(2))
    assert len(crossings(after)) == JUMPS
    assert np.abs(crossings(after) - crossings(before)).max() <= 24


def test_the_same_chance_gives_the_same_and_none_the_usual():
    one, again, other = (eased(jumping(), np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one.pedal_time.tolist() == again.pedal_time.tolist()
    assert one.pedal_time.tolist() != other.pedal_time.tolist()
    usual = eased(jumping(), None)
    moves = moves_of(usual.pedal_time, usual.pedal_value)
    assert np.ptp((moves.end - moves.begin)[::2]) <= 16


@given(st.integers(0, 999), st.integers(0, 80))
@settings(max_examples=60, deadline=None)
def test_it_can_be_written_and_notes_stay(seed, events):
    rng, score = np.random.default_rng(seed), made_up_score(30, seed)
    time = np.sort(rng.integers(0, 8_000, events))
    played = dataclasses.replace(score, pedal_time=time, pedal_value=rng.integers(0, 128, events))
    made = eased(played, rng)
    require_writable(made)
    for name in ("pitch", "onset", "duration", "velocity"):
        np.testing.assert_array_equal(getattr(made, name), getattr(score, name))
    assert np.diff(made.pedal_time).min(initial=1) >= 0
    assert made.pedal_time.min(initial=0) >= 0
    assert made.pedal_value.min(initial=0) >= 0
    assert made.pedal_value.max(initial=0) <= 127
