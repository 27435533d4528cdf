"""The metre beside the tokens of a score: read where the model is made for it, and not else."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import ModelConfig
from pianist_jax.model.pianist import Pianist, initialise
from pianist_jax.music.tokens import METRE, METRE_SIZE, ScoreTokens
from tests.model.helpers import CONFIGS, LENGTHS, NOTES, REAL, example, lively_params, quick_jit

NAMES = ("note", "token")


def scores_with_metre(seed: int = 0) -> tuple[ScoreTokens, np.ndarray]:
    score, performance = example(len(LENGTHS), NOTES)
    columns = np.random.default_rng(seed).integers(1, METRE_SIZE, (*score.shape[:2], len(METRE)))
    return ScoreTokens(score, columns.astype(np.int32)), performance


def nll(name: str, metre: bool, score: ScoreTokens, performance: np.ndarray) -> np.ndarray:
    config = dataclasses.replace(CONFIGS[name], metre=metre)
    return np.asarray(quick_jit(run)(lively_params(config), score, performance, config=config))


def run(params: Any, score: ScoreTokens, performance: jax.Array, config: ModelConfig) -> Any:
    return Pianist(config).apply({"params": params}, score, performance, jnp.asarray(REAL), method="nll")


@pytest.mark.parametrize("name", NAMES)
def test_the_metre_is_read(name: str) -> None:
    score, performance = scores_with_metre()
    other, _ = scores_with_metre(1)
    told, otherwise = nll(name, True, score, performance), nll(name, True, other, performance)
    assert np.abs(told - otherwise)[REAL].max() > 1e-3
    missing = nll(name, True, ScoreTokens(score.notes), performance)
    unknown = score._replace(metre=0 * score.metre)
    np.testing.assert_allclose(missing, nll(name, True, unknown, performance), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_other_models_do_not_mind_it(name: str) -> None:
    score, performance = scores_with_metre()
    untold = ScoreTokens(score.notes)
    np.testing.assert_array_equal(nll(name, False, score, performance), nll(name, False, untold, performance))


def test_a_new_model_begins_as_if_there_were_no_metre() -> None:
    config = dataclasses.replace(CONFIGS["note"], metre=True)
    params = initialise(config, jax.random.key(0))
    plain = {name: value for name, value in params.items() if not name.startswith("metre")}
    assert plain.keys() < params.keys()
    score, performance = scores_with_metre()
    told = quick_jit(run)(params, score, performance, config=config)
    untold = quick_jit(run)(plain, score, performance, config=dataclasses.replace(config, metre=False))
    np.testing.assert_allclose(np.asarray(told), np.asarray(untold), atol=1e-5)
