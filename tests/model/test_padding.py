"""A row says the same alone as in a batch of longer rows, whatever its padding holds."""

import jax
import numpy as np
import pytest

from tests.model.helpers import (
    CONFIGS,
    LENGTHS,
    NOTES,
    REAL,
    example,
    lively_params,
    loss_and_gradient,
    nll,
    padded,
    stepped,
)


@pytest.mark.parametrize("name", CONFIGS)
def test_padding_changes_nothing(name):
    config, params = CONFIGS[name], lively_params(CONFIGS[name])
    score, performance = example(len(LENGTHS), NOTES)
    clean = np.asarray(nll(config, params, padded(score, REAL), padded(performance, REAL), REAL))
    noisy = np.asarray(nll(config, params, score, performance, REAL))
    assert np.isfinite(clean).all()
    np.testing.assert_allclose(noisy[REAL], clean[REAL], atol=1e-5, rtol=0)
    alone = np.asarray(nll(config, params, score[1:2, :4], performance[1:2, :4], np.ones((1, 4), bool)))
    np.testing.assert_allclose(clean[1:2, :4], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["token", "note-cross"])
def test_padding_changes_nothing_in_steps(name):
    config, params = CONFIGS[name], lively_params(CONFIGS[name])
    score, performance = example(len(LENGTHS), NOTES)
    clean, _ = stepped(config, params, padded(score, REAL), performance, REAL)
    noisy, _ = stepped(config, params, score, performance, REAL)
    assert np.isfinite(clean).all()
    np.testing.assert_allclose(np.asarray(noisy)[REAL], np.asarray(clean)[REAL], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["token", "note"])
def test_gradients_do_not_see_what_padding_holds(name):
    config, params = CONFIGS[name], lively_params(CONFIGS[name])
    score, performance = example(len(LENGTHS), NOTES)
    _, clean = loss_and_gradient(config, params, padded(score, REAL), padded(performance, REAL))
    _, noisy = loss_and_gradient(config, params, score, performance)
    for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(noisy), strict=True):
        assert np.abs(a).max() > 0
        np.testing.assert_allclose(a, b, atol=1e-4 * max(1.0, float(np.abs(a).max())), rtol=0)
