"""Sizes; and that ways to compute the same thing agree: remat, bfloat16, gathered and multiplied tables."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import preset
from pianist_jax.model.note_decoder import NoteEmbedder
from pianist_jax.model.pianist import abstract_params
from pianist_jax.model.sizes import num_params
from tests.model.helpers import (
    CONFIGS,
    NOTES,
    REAL,
    example,
    lively_params,
    loss_and_gradient,
    nll,
    stepped,
)


@pytest.mark.parametrize(
    ("name", "millions"), [("15m", 15.683), ("65m", 65.577), ("135m", 126.874), ("135m-6-6", 136.318)]
)
def test_presets_have_the_paper_s_sizes(name, millions):
    assert num_params(abstract_params(preset(name))) / 1e6 == pytest.approx(millions, abs=6e-4)


def test_an_uncompressed_encoder_has_no_compressor_and_else_the_same():
    config = preset("15m")
    with_it = abstract_params(config)
    without = abstract_params(dataclasses.replace(config, compressed=False))
    compressor = with_it["embedder"].pop("compressor")
    assert num_params(compressor) == 8 * (192 * 24 + 24)
    assert jax.tree.map(lambda x: x.shape, with_it) == jax.tree.map(lambda x: x.shape, without)


@pytest.mark.parametrize(("name", "dropout"), [("token", 0.3), ("note", 0.0)])
def test_remat_changes_no_loss_and_no_gradient(name, dropout):
    config = dataclasses.replace(CONFIGS[name], dropout=dropout)
    params = lively_params(CONFIGS[name])
    score, performance = example(len(REAL), NOTES)
    loss, gradient = loss_and_gradient(config, params, score, performance)
    again, same = loss_and_gradient(dataclasses.replace(config, remat=True), params, score, performance)
    np.testing.assert_allclose(loss, again, rtol=1e-6)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(same), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * max(1.0, float(np.abs(a).max())), rtol=0)
    settled = np.asarray(nll(CONFIGS[name], params, score, performance, REAL))[REAL].sum() / REAL.sum()
    assert (abs(loss - settled) > 1e-3) == (dropout > 0)


@pytest.mark.parametrize("name", ["token", "note-cross"])
def test_bfloat16_is_close_to_float32(name):
    config = CONFIGS[name]
    half = dataclasses.replace(config, dtype="bfloat16")
    # Weights of a fresh model's size: with lively ones rounding turns attention to other notes.
    params = jax.tree.map(lambda x: 0.5 * x, lively_params(config))
    score, performance = example(len(REAL), NOTES)
    exact = np.asarray(nll(config, params, score, performance, REAL))
    rounded = nll(half, params, score, performance, REAL)
    assert rounded.dtype == jnp.float32
    difference = np.abs(np.asarray(rounded) - exact)[REAL]
    assert 0 < difference.mean() < 0.03
    assert difference.max() < 0.2
    if name == "token":
        steps, returned = stepped(half, params, score, performance, REAL)
        assert steps.dtype == jnp.float32
        np.testing.assert_array_equal(returned, performance)
        np.testing.assert_allclose(np.asarray(steps)[REAL][:, 1:], exact[REAL][:, 1:], atol=0.2)


def test_gathered_and_multiplied_embeddings_agree():
    """Steps gather one note's rows; whole sequences multiply by ones and zeros."""
    config = CONFIGS["note"]
    params = {"params": lively_params(config)["embedder"]}
    score, performance = example(2, 5)
    special = np.array([0, 1, 2, 3, 4], np.int32)[None, :, None]
    for ids in (score, performance, np.broadcast_to(special, (2, 5, 8))):
        together = np.asarray(NoteEmbedder(config).apply(params, ids))
        alone = [np.asarray(NoteEmbedder(config).apply(params, ids[:, n : n + 1])) for n in range(5)]
        np.testing.assert_allclose(together, np.concatenate(alone, axis=1), atol=1e-5, rtol=0)
