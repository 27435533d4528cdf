"""What pianists agree on, predicted for whole scores, and heard in what is played."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import Sampling
from pianist_jax.inference.engine import make_model
from pianist_jax.inference.predictions import WindowedPredictions, predict, predict_consensus
from pianist_jax.model.pianist import Pianist
from pianist_jax.performance.averaging import averaged
from pianist_jax.rendering import renderer
from pianist_jax.rendering.renderer import read_piece, render
from tests.model.helpers import lively_params
from tests.rendering.models import NOTE, lively_model, made_up_score

CONFIG = dataclasses.replace(NOTE, consensus=64, consensus_heads=2)


@pytest.fixture(scope="module")
def model():
    return make_model(CONFIG, lively_params(CONFIG), name="lively, agreed")


def told(model, tokens):
    """By the model itself, in one window."""

    def predict(params, score, mask):
        return Pianist(CONFIG).apply({"params": params}, score, mask, method="predict_consensus")

    heads = np.asarray(jax.jit(predict)(model.params, tokens.at(None), jnp.ones((1, tokens.size), bool)))[:, 0]
    assert np.abs(heads[0] - heads[1]).mean() > 0.1
    return heads.mean(axis=0)


def agreed_on(model, tokens):
    found = predict_consensus(model, tokens)
    assert found is not None
    return found


def test_a_score_of_one_window_is_predicted_by_the_model_itself(model):
    tokens = read_piece(made_up_score(50)).tokens
    np.testing.assert_allclose(agreed_on(model, tokens), told(model, tokens), atol=2e-5)


def test_windows_of_a_longer_score_fade_into_each_other(model):
    tokens = read_piece(made_up_score(104)).tokens  # windows of notes 0-63 and 40-103
    parts = told(model, tokens.at(slice(64))), told(model, tokens.at(slice(40, None)))
    weight = np.concatenate([np.ones(40), np.arange(24, 0, -1) / 25, np.zeros(40)])[:, None]
    expected = weight * np.pad(parts[0], ((0, 40), (0, 0))) + (1 - weight) * np.pad(parts[1], ((40, 0), (0, 0)))
    np.testing.assert_allclose(agreed_on(model, tokens), expected, atol=2e-5)


def test_a_model_without_the_head_predicts_nothing():
    assert predict_consensus(lively_model(), read_piece(made_up_score(5)).tokens) is None
    windows = WindowedPredictions(3)
    windows.add(0, np.zeros((3, 0), np.float32), np.ones((3, 2), np.float32))
    assert windows.predicted().curves is None
    np.testing.assert_array_equal(np.asarray(windows.predicted(2).states), np.ones((2, 2)))


def test_the_encoders_states_are_told_beside_the_curves(model):
    tokens = read_piece(made_up_score(50)).tokens
    one = jax.tree.map(lambda x: x[None], tokens._replace(page=None))
    given = {"params": model.params}, one, np.ones((1, 50), bool)
    memory, _ = Pianist(CONFIG).apply(*given, method="encode")
    np.testing.assert_allclose(np.asarray(predict(model, tokens).states), memory[0], atol=2e-5)


@pytest.mark.parametrize("draws", [1, 3])
def test_it_is_heard_in_the_performance(model, monkeypatch, draws):
    monkeypatch.setattr(renderer, "touch", lambda score, tokens, performance, *others: performance)
    monkeypatch.setattr(renderer, "within_limits", lambda score, performance: performance)
    monkeypatch.setattr(renderer, "to_pace", lambda piece, performance, pace: performance)
    score = made_up_score(120)
    drawn = render(score, model, seed=1, samples=draws, residual_scale=1.0)
    played = render(score, model, seed=1, draws=draws)
    agreed = agreed_on(model, read_piece(score).tokens)
    expected = averaged(drawn.score, drawn.performances, 0, draws, Sampling.residual_scale, agreed)
    np.testing.assert_allclose(played.notes.onset, expected.onset, atol=1)
    np.testing.assert_allclose(played.notes.velocity, expected.velocity, atol=1)
    assert (played.notes.velocity != drawn.notes.velocity).mean() > 0.3


def test_the_head_changes_nothing_of_what_is_drawn(model):
    score, params = made_up_score(120), {k: v for k, v in model.params.items() if k != "consensus"}
    without = make_model(NOTE, params, name="the same without")
    drawn = [render(score, one, seed=1, residual_scale=1.0).notes for one in (model, without)]
    alone = render(score, without, seed=1, draws=1).notes  # nothing to agree with
    for other in (drawn[1], alone):
        np.testing.assert_array_equal(drawn[0].onset, other.onset)
        np.testing.assert_array_equal(drawn[0].velocity, other.velocity)
