"""Optimizers and rates: what they do to weights, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import TrainConfig
from pianist_jax.errors import PianistError
from pianist_jax.training.optimizer import judged_weights, learning_rate, make_optimizer


def weights():
    """A few of a model's, by their names there."""
    attention = {"q": {"kernel": jnp.ones((32, 2, 8))}, "o": {"kernel": jnp.ones((2, 8, 32))}}
    stacked = {"mlp": {"down": {"kernel": jnp.ones((2, 48, 32))}, "up": {"kernel": jnp.ones((2, 32, 48))}}}
    return {
        "encoder": {"blocks": stacked},
        "decoder": {"self_attention": attention, "out_0": {"kernel": jnp.ones((32, 48)), "bias": jnp.ones(48)}},
    }


def moved(config: TrainConfig, steps: int = 3):
    """The last changes of some steps on random gradients, the optimizer's state and the weights after them."""
    params, optimizer = weights(), make_optimizer(config)
    update, state = jax.jit(optimizer.update), optimizer.init(params)
    for step in range(steps):
        rng = np.random.default_rng(step)
        gradients = jax.tree.map(lambda x, rng=rng: jnp.asarray(rng.normal(size=x.shape), jnp.float32), params)
        changes, state = update(gradients, state, params)
        params = jax.tree.map(jnp.add, params, changes)
    return changes, state, params


def test_a_rate_that_stays_falls_at_the_end():
    config = TrainConfig(schedule="stable", steps=100, warmup=10, learning_rate=1.0, final_lr_ratio=0.1)
    rate = learning_rate(config)
    assert [float(rate(step)) for step in (0, 5, 10, 50, 80)] == pytest.approx([0, 0.5, 1, 1, 1])
    assert float(rate(85)) == pytest.approx(1 - 0.9 * 0.5)  # a quarter of the way: half of the fall
    assert float(rate(100)) == pytest.approx(0.1)
    longer = learning_rate(TrainConfig(schedule="stable", steps=200, warmup=10, learning_rate=1.0))
    assert all(float(rate(step)) == float(longer(step)) for step in range(80))  # what runs of any length begin with


def test_muons_steps_are_orthogonal_for_matrices_alone():
    config = TrainConfig(optimizer="muon", weight_decay=0.0, warmup=1, learning_rate=1.0, final_lr_ratio=1.0)
    changes, _, _ = moved(config)
    attention, blocks = changes["decoder"]["self_attention"], changes["encoder"]["blocks"]
    matrices = [attention["q"]["kernel"].reshape(32, -1), attention["o"]["kernel"].reshape(-1, 32)]
    for matrix in (*matrices, *blocks["mlp"]["down"]["kernel"], *blocks["mlp"]["up"]["kernel"]):
        sizes = np.linalg.svd(np.asarray(matrix), compute_uv=False)
        assert sizes.max() < 2.5 * sizes.min()  # Newton-Schulz brings them near to each other, not to 1
        wanted = 0.2 * np.sqrt(max(matrix.shape) * min(matrix.shape))  # entries of .2 by root mean square
        assert float(jnp.linalg.norm(matrix)) == pytest.approx(wanted, rel=0.3)
    adam = changes["decoder"]["out_0"]["kernel"]
    assert float(jnp.sqrt(jnp.mean(adam**2))) > 0.4  # about as large as the rate


def test_schedule_free_weights_are_judged_by_their_mean():
    config = TrainConfig(optimizer="schedule-free", warmup=1, learning_rate=0.1)
    _, state, params = moved(config)
    mean = judged_weights(state, params)
    assert jax.tree.map(jnp.shape, mean) == jax.tree.map(jnp.shape, params)
    assert max(float(jnp.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (mean, params)), strict=True)) > 1e-3
    _, state, params = moved(TrainConfig(warmup=1), steps=1)
    assert judged_weights(state, params) is params


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": "sgd"}, 'optimizer is "sgd"'),
        ({"schedule": "linear"}, 'schedule is "linear"'),
        ({"decay_share": 0.0}, "decay_share is 0.0"),
        ({"optimizer": "schedule-free", "ema_decay": 0.9}, "a mean of its own"),
    ],
)
def test_what_there_is_not_is_refused(settings, words):
    with pytest.raises(PianistError, match=words):
        TrainConfig(**settings)
