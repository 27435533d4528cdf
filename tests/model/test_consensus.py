"""The head that foretells what pianists agree on: it reads the encoder, changes nothing of it, and sees no padding."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import ModelConfig, preset
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import Pianist, completed, initialise
from pianist_jax.music.tokens import METRE, METRE_SIZE, ScoreTokens
from tests.model.helpers import LENGTHS, NOTES, REAL, example, lively_params, padded, quick_jit

CONFIG = dataclasses.replace(preset("note-tiny"), consensus=64)
SEVERAL = dataclasses.replace(CONFIG, consensus_heads=3)


@quick_jit
def predicted(config: ModelConfig, params: Any, score: ScoreTokens, mask: Any) -> jax.Array:
    curves: Any = Pianist(config).apply({"params": params}, score, mask, method="predict_consensus")
    return curves[0]


def test_padding_changes_nothing() -> None:
    params = lively_params(CONFIG)
    score, _ = example(len(LENGTHS), NOTES, masked=0.0)
    found = predicted(CONFIG, params, ScoreTokens(score), REAL)
    assert found.shape == (len(LENGTHS), NOTES, 4)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(np.where(REAL[..., None], found, 0), np.where(
        REAL[..., None], predicted(CONFIG, params, ScoreTokens(padded(score, REAL)), REAL), 0))  # fmt: skip
    alone = predicted(CONFIG, params, ScoreTokens(score[1:2, : LENGTHS[1]]), np.ones((1, LENGTHS[1]), bool))
    np.testing.assert_allclose(found[1, : LENGTHS[1]], alone[0], atol=1e-5)


def test_every_note_is_heard_by_every_other_and_the_metre_too() -> None:
    params = lively_params(CONFIG)
    score, _ = example(1, NOTES, masked=0.0)
    mask = np.ones((1, NOTES), bool)
    rng = np.random.default_rng(0)
    metre = rng.integers(1, np.minimum(METRE_SIZE, 9), (1, NOTES, len(METRE)))
    told, unknown = (ScoreTokens(score, columns.astype(np.int32)) for columns in (metre, 0 * metre))
    before = predicted(CONFIG, params, told, mask)
    missing = predicted(CONFIG, params, ScoreTokens(score), mask)
    np.testing.assert_allclose(missing, predicted(CONFIG, params, unknown, mask), atol=1e-6)
    assert np.abs(before - predicted(CONFIG, params, unknown, mask)).min() > 1e-6
    told.notes[0, -1, 0] += 1
    assert np.abs(before - predicted(CONFIG, params, told, mask)).max(axis=-1).min() > 1e-6


@pytest.mark.slow
def test_only_the_head_learns() -> None:
    score, _ = example(2, NOTES, masked=0.0)
    metre = np.random.default_rng(0).integers(1, np.minimum(METRE_SIZE, 9), (2, NOTES, len(METRE)))
    told, mask = ScoreTokens(score, metre.astype(np.int32)), np.ones((2, NOTES), bool)
    model, params = Pianist(CONFIG), lively_params(CONFIG)

    def loss(params: Any) -> jax.Array:
        curves: Any = model.apply({"params": params}, told, mask, method="predict_consensus")
        return jnp.sum(curves**2)

    gradients = jax.jit(jax.grad(loss))(params)
    for name, part in gradients.items():
        sizes = [float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(part)]
        assert (min(sizes) > 0) if name == "consensus" else (max(sizes) == 0), name


def test_several_heads_are_heads_of_their_own_and_their_mean_is_told() -> None:
    params = lively_params(SEVERAL)
    score, _ = example(1, NOTES, masked=0.0)
    told, mask, model = ScoreTokens(score), np.ones((1, NOTES), bool), Pianist(SEVERAL)
    each: Any = model.apply({"params": params}, told, mask, method="predict_consensus")
    alone = []
    for head in range(3):
        own = {**params, "consensus": jax.tree.map(lambda leaf, head=head: leaf[head], params["consensus"])}
        alone.append(predicted(CONFIG, own, told, mask))
    np.testing.assert_allclose(each, np.stack(alone), atol=1e-5)
    assert np.abs(np.diff(each, axis=0)).mean() > 0.1
    read: Any = model.apply({"params": params}, told, mask, method="read")
    np.testing.assert_allclose(read[2], np.mean(alone, axis=0), atol=1e-5)


@pytest.mark.slow
def test_a_model_can_get_a_head_and_lose_it() -> None:
    plain = dataclasses.replace(CONFIG, consensus=0)
    params = initialise(plain, jax.random.key(3))
    grown = completed(CONFIG, params)
    assert set(grown) - set(params) == {"consensus"}
    assert jax.tree.all(jax.tree.map(lambda a, b: a is b, completed(plain, grown), params))
    with_metre = completed(dataclasses.replace(plain, metre=True), params)
    assert set(with_metre) - set(params) == {"metre_in", "metre_out"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"consensus": 40}, "multiple of 64"),
        ({"consensus": -64}, "multiple of 64"),
        ({"compressed": False}, "told note by note"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict, problem: str) -> None:
    config = dataclasses.replace(preset("tiny"), consensus=64)
    with pytest.raises(PianistError, match=problem):
        dataclasses.replace(config, **changes)
