"""Whose hand and foot play: the foot goes by the encoder of the bundled model alone, and by no drawn pedal then."""

import dataclasses

import numpy as np

from pianist_jax.config import DEFAULT_SAMPLING
from pianist_jax.performance.parameters import chords_of
from pianist_jax.performance.pedalling import KINDS, LAYERS, LIFTS
from pianist_jax.rendering.renderer import read_piece, render, sample_key
from pianist_jax.rendering.touch import head_hashes, heard_by_foot, touch
from pianist_jax.weights import bundled, load_weights
from pianist_jax.weights.heads import load_head
from tests.rendering.models import lively_model, made_up_score


def test_the_bundled_foot_is_of_the_bundled_model() -> None:
    (default,) = [one for one in bundled() if one.name == "default"]
    weights, _ = load_head("pedal")
    assert weights["encoder"].tobytes().decode() == default.hash
    assert weights[LAYERS[0]].shape[0] == 3 * load_weights(default.path)[0].width + 3
    assert weights[LAYERS[-1]].shape[1] == KINDS[-1] + len(LIFTS) - 1


def test_the_foot_hears_the_encoder_that_it_has_learnt_from() -> None:
    states, other = np.ones((3, 32), np.float32), lively_model()
    known = dataclasses.replace(other, hash=load_head("pedal")[0]["encoder"].tobytes().decode())
    assert heard_by_foot(known, DEFAULT_SAMPLING, states) is states
    assert set(head_hashes(known, DEFAULT_SAMPLING)) == {"chords", "pedal"}
    for model, changes in ((other, {}), (known, {"residual_scale": 1.0}), (known, {"foot": False})):
        sampling = dataclasses.replace(DEFAULT_SAMPLING, **changes)
        assert heard_by_foot(model, sampling, states) is None
        assert set(head_hashes(model, sampling)) == {"chords"}
    assert heard_by_foot(known, DEFAULT_SAMPLING, None) is None


def test_a_foot_that_hears_nothing_keeps_the_drawn_pedal() -> None:
    piece = read_piece(made_up_score(40))
    given = chords_of(piece.score), piece.tokens, render(made_up_score(40), lively_model()).notes, sample_key(0, "", 0)
    drawn = touch(*given, dataclasses.replace(DEFAULT_SAMPLING, foot=False))
    np.testing.assert_array_equal(drawn.pedal_value, given[2].pedal_value)
    moved = touch(*given, DEFAULT_SAMPLING)
    np.testing.assert_array_equal(moved.onset, drawn.onset)
