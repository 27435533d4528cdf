"""What pianists agree on, foretold for whole scores, and heard in what is played."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.model.pianist import Pianist
from pianist_jax.rendering.consensus import consensus_of
from pianist_jax.rendering.programs import Stopwatch, make_model
from pianist_jax.rendering.renderer import read_piece, render
from tests.model.helpers import lively_params
from tests.rendering.models import NOTE, lively_model, made_up_score

CONFIG = dataclasses.replace(NOTE, consensus=64)
HALF = CONFIG.window // 2


@pytest.fixture(scope="module")
def model():
    return make_model(CONFIG, lively_params(CONFIG), name="lively, agreed")


def foretold(model, tokens):
    """By the model itself, in one window."""
    agree = lambda p, score, mask: Pianist(CONFIG).apply({"params": p}, score, mask, method="agree")  # noqa: E731
    return np.asarray(jax.jit(agree)(model.params, tokens[None], jnp.ones((1, len(tokens)), bool)))[0]


def agreed_on(model, tokens, stopwatch=None):
    found = consensus_of(model, tokens, stopwatch or Stopwatch())
    assert found is not None
    return found


def test_a_score_of_one_window_is_foretold_by_the_model_itself(model):
    tokens = read_piece(made_up_score(50)).tokens
    watch = Stopwatch()
    np.testing.assert_allclose(agreed_on(model, tokens, watch), foretold(model, tokens), atol=2e-5)
    assert watch.compile_seconds > 0
    assert watch.perform_seconds > 0


@pytest.mark.parametrize("notes", [64, 65, 96, 150])
def test_windows_of_a_longer_score_fade_into_each_other(model, notes):
    tokens = read_piece(made_up_score(notes)).tokens
    whole = agreed_on(model, tokens)
    assert whole.shape == (notes, 3)
    parts = [foretold(model, tokens[:64]), foretold(model, tokens[-64:])]
    np.testing.assert_allclose(whole[0], parts[0][0], atol=2e-5)  # the ends lie in one window alone
    np.testing.assert_allclose(whole[-1], parts[1][-1], atol=2e-5)
    if notes == 96:
        first, second = parts[0][HALF:], parts[1][:HALF]
        weight = np.arange(HALF, 0, -1)[:, None] / (HALF + 1)
        np.testing.assert_allclose(whole[HALF:64], weight * first + (1 - weight) * second, atol=2e-5)


def test_a_model_without_the_head_foretells_nothing():
    assert consensus_of(lively_model(), read_piece(made_up_score(5)).tokens, Stopwatch()) is None


def test_it_is_heard_unless_all_is_left_to_chance(model):
    score = made_up_score(120)
    agreed = agreed_on(model, read_piece(score).tokens)
    likeness = lambda one: np.corrcoef(one.notes.velocity, agreed[:, 1])[0, 1]  # noqa: E731
    drawn = render(score, model, seed=1, chance=1.0)
    played = render(score, model, seed=1, rehearsals=1)
    assert likeness(played) > likeness(drawn) + 0.2
    without = make_model(NOTE, {k: v for k, v in model.params.items() if k != "consensus"}, name="the same without")
    again = render(score, without, seed=1, chance=1.0)
    assert again.notes.velocity.tolist() == drawn.notes.velocity.tolist()
    assert render(score, without, seed=1, rehearsals=1).notes.onset.tolist() == drawn.notes.onset.tolist()
