"""The jitted programs of training: many steps in one call, without a word to the host between them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pianist_jax.config import TrainConfig
from pianist_jax.data.windows import Windows, draw, take
from pianist_jax.model.pianist import initialise
from pianist_jax.training.losses import Sums, loss_fn
from pianist_jax.training.optimizer import make_optimizer

State = dict[str, Any]  # step int32 [], params, optimizer


def new_state(config: TrainConfig, params: Any = None) -> State:
    """The state before the first step, with fresh parameters unless given."""
    if params is None:
        params = initialise(config.model, jax.random.key(config.seed))
    return {
        "step": jnp.zeros((), jnp.int32),
        "params": params,
        "optimizer": make_optimizer(config).init(params),
    }


def train_step(state: State, windows: Windows, config: TrainConfig) -> tuple[State, Sums]:
    """One step on a batch that follows from the seed and the number of the step alone."""
    key = jax.random.fold_in(jax.random.key(config.seed + 1), state["step"])
    k_draw, k_loss = jax.random.split(key)
    batch = take(windows, draw(windows, k_draw, config.batch), config.window)
    grad = jax.value_and_grad(partial(loss_fn, train=True), has_aux=True)
    (loss, sums), gradients = grad(state["params"], batch, config, k_loss)
    updates, optimizer = make_optimizer(config).update(gradients, state["optimizer"], state["params"])
    params = optax.apply_updates(state["params"], updates)
    sums = {**sums, "loss": loss, "gradient": optax.tree.norm(gradients)}
    return {"step": state["step"] + 1, "params": params, "optimizer": optimizer}, sums


def make_train(config: TrainConfig, steps: int) -> jax.stages.Wrapped:
    """A program of `steps` steps; the old state's buffers are reused. Returns the sums over the steps."""

    def run(state: State, windows: Windows) -> tuple[State, Sums]:
        state, sums = jax.lax.scan(lambda s, _: train_step(s, windows, config), state, length=steps)
        return state, jax.tree.map(lambda x: jnp.sum(x, axis=0), sums)

    return jax.jit(run, donate_argnums=0)


def make_validate(config: TrainConfig, batches: int) -> jax.stages.Wrapped:
    """A program that scores `batches` evenly spaced batches without augmentation: the same ones each time."""

    def run(params: Any, windows: Windows) -> Sums:
        total = windows["start"].shape[0]
        chosen = jnp.linspace(0, total - 1, batches * config.batch).astype(jnp.int32)

        def one(_: None, number: jax.Array) -> tuple[None, Sums]:
            batch = take(windows, chosen.reshape(batches, config.batch)[number], config.window)
            key = jax.random.fold_in(jax.random.key(0), number)
            return None, loss_fn(params, batch, config, key, train=False)[1]

        _, sums = jax.lax.scan(one, None, jnp.arange(batches))
        return jax.tree.map(lambda x: jnp.sum(x, axis=0), sums)

    return jax.jit(run)
