"""Chord spread and melody lead, worked out by hand."""

import numpy as np
import pytest

from pianist_jax.evaluation.chords import chord_use
from pianist_jax.performance.parameters import chords_of, deal
from tests.evaluation.pieces import notes

# a chord of three, a single note, a chord of two, another of two
SCORE = notes([0, 0, 0, 100, 200, 200, 300, 300], pitch=[40, 50, 60, 61, 45, 70, 45, 70])


def use(onset, match=None):
    performance = notes(onset, pitch=SCORE.pitch)
    return chord_use(chords_of(SCORE), deal(performance, np.arange(8) if match is None else np.asarray(match)))


def test_spread_and_lead_are_medians_over_chords():
    found = use([30, 20, 0, 100, 210, 200, 340, 300])
    assert found.spread == pytest.approx(30)  # of 30, 10 and 40 ms
    assert found.lead == pytest.approx(25)  # of 25, 10 and 40 ms: the top note comes first
    late = use([0, 0, 30, 100, 200, 210, 300, 340])
    assert late.lead == pytest.approx(-30)


def test_notes_that_are_not_played_are_left_out():
    found = use([30, 20, 0, 100, 210, 200, 340, 300], [0, 1, -1, 3, -1, 5, 6, 7])
    assert found.spread == pytest.approx((10 + 40) / 2)
    assert found.lead == pytest.approx(40)  # one chord has its top note and another


def test_no_chords_have_no_value():
    line = notes([0, 100, 200])
    found = chord_use(chords_of(line), deal(line, np.arange(3)))
    assert np.isnan(found.spread)
    assert np.isnan(found.lead)
