"""The louder note of a chord sounds first, and nothing else changes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pianist_jax.music.midi import require_writable
from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import chords_of
from pianist_jax.performance.voicing import ROLLED, voiced
from tests.rendering.models import made_up_score

NOTHING = np.zeros(0, np.int64)


def played(pitch, onset, velocity):
    pitch, onset, velocity = (np.array(column) for column in (pitch, onset, velocity))
    return Notes(pitch, onset, np.full(len(pitch), 300), velocity, NOTHING, NOTHING)


SCORE = played([48, 60, 72, 50, 48, 55, 76], [0, 0, 0, 500, 1000, 1000, 1000], [64] * 7)


def test_onsets_of_a_chord_go_by_velocity():
    made = voiced(chords_of(SCORE), played(SCORE.pitch, [0, 8, 20, 480, 990, 995, 1000], [60, 50, 90, 70, 64, 70, 64]))
    assert made.onset.tolist() == [8, 20, 0, 480, 1000, 990, 995]  # of equals the higher one first
    assert made.velocity.tolist() == [60, 50, 90, 70, 64, 70, 64]
    assert made.duration.tolist() == [300] * 7


def test_a_rolled_chord_keeps_its_order():
    rolled = played(SCORE.pitch, [0, ROLLED // 2, ROLLED, 480, 990, 995, 1000], [60, 50, 90, 70, 64, 70, 100])
    assert voiced(chords_of(SCORE), rolled).onset.tolist() == [0, ROLLED // 2, ROLLED, 480, 1000, 995, 990]


def test_no_notes():
    nobody = played([], [], [])
    assert len(voiced(chords_of(nobody), nobody)) == 0


@given(st.integers(0, 999), st.integers(1, 40))
@settings(max_examples=60)
def test_it_can_be_played_and_chords_begin_when_they_began(seed, notes):
    rng = np.random.default_rng(seed)
    score = made_up_score(notes, seed)
    onset = np.cumsum(np.where(np.diff(score.onset, prepend=0) > 0, 200, rng.integers(0, 30, notes)))
    made = voiced(chords_of(score), played(score.pitch, onset, rng.integers(1, 128, notes)))
    require_writable(made)
    for time in np.unique(score.onset):
        own = score.onset == time
        assert sorted(made.onset[own].tolist()) == sorted(onset[own].tolist())
