"""A decoder that is told what the consensus foretells, the metre and the page: from nothing on, and it alone learns."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import TrainConfig, preset
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import Pianist, completed
from pianist_jax.music.tokens import METRE, METRE_SIZE, PAGE, PAGE_SIZE, ScoreTokens
from tests.model.helpers import CONFIGS, NOTES, example, lively_params, quick_jit

CONFIG = CONFIGS["informed"]
PLAIN = dataclasses.replace(CONFIG, informed=False)
MASK = np.ones((2, NOTES), bool)


@quick_jit
def likelihood(config: Any, params: Any, score: ScoreTokens, performance: Any) -> jax.Array:
    nats: Any = Pianist(config).apply({"params": params}, score, performance, MASK, method="nll")
    return nats


@quick_jit
def read(config: Any, params: Any, score: ScoreTokens) -> Any:
    return Pianist(config).apply({"params": params}, score, MASK, method="read")


def told(seed: int = 0) -> tuple[ScoreTokens, np.ndarray]:
    notes, performance = example(2, NOTES, masked=0.0)
    rng = np.random.default_rng(seed)
    metre = rng.integers(1, np.minimum(METRE_SIZE, 9), (2, NOTES, len(METRE)))
    page = rng.integers(1, np.minimum(PAGE_SIZE, 9), (2, NOTES, len(PAGE)))
    return ScoreTokens(notes, metre.astype(np.int32), page.astype(np.int32)), performance


def test_it_begins_as_the_decoder_that_was_told_nothing() -> None:
    params, (score, performance) = lively_params(PLAIN), told()
    begun = completed(CONFIG, params)
    assert set(begun) - set(params) == {"informed"}
    before = likelihood(PLAIN, params, score, performance)
    np.testing.assert_array_equal(before, likelihood(CONFIG, begun, score, performance))
    after = likelihood(CONFIG, {**params, "informed": lively_params(CONFIG)["informed"]}, score, performance)
    assert np.abs(before - after).max() > 0.1


@pytest.mark.parametrize("group", ["metre", "page"])
def test_it_hears_metre_and_page(group: str) -> None:
    params, (score, performance) = lively_params(CONFIG), told()
    before = likelihood(CONFIG, params, score, performance)
    unknown = score._replace(**{group: np.zeros_like(getattr(score, group))})
    missing = likelihood(CONFIG, params, score._replace(**{group: None}), performance)
    np.testing.assert_allclose(missing, likelihood(CONFIG, params, unknown, performance), atol=1e-5)
    assert np.abs(before - missing).max() > 1e-3


def test_the_states_that_hand_and_foot_read_are_the_encoder_s() -> None:
    params, (score, _) = lively_params(CONFIG), told()
    memory, _, _, states = read(CONFIG, params, score)
    plain = {name: part for name, part in params.items() if name != "informed"}
    np.testing.assert_allclose(states, read(PLAIN, plain, score)[0], atol=1e-5)
    assert np.abs(np.asarray(memory) - np.asarray(states)).max() > 0.1


@pytest.mark.slow
def test_only_the_decoder_learns() -> None:
    params, (score, performance) = lively_params(CONFIG), told()

    def loss(params: Any) -> jax.Array:
        nats: Any = Pianist(CONFIG).apply({"params": params}, score, performance, MASK, method="nll")
        return jnp.sum(nats)

    for name, part in jax.jit(jax.grad(loss))(params).items():
        sizes = [float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(part)]
        assert (max(sizes) > 0) == (name in ("decoder", "informed")), name


def test_what_cannot_be_informed() -> None:
    with pytest.raises(PianistError, match="only a note decoder is informed, and by a consensus"):
        dataclasses.replace(preset("note-tiny"), informed=True)
    with pytest.raises(PianistError, match="a consensus that informs a decoder stays"):
        TrainConfig(model=CONFIG, task="consensus")
    with pytest.raises(PianistError, match="a consensus that informs a decoder stays"):
        TrainConfig(model=CONFIG, task="finetune", consensus_weight=0.5)
