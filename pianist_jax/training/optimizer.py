"""AdamW with clipping, warm-up and a cosine; norms, biases and embeddings do not decay.

Beside it what a step may do with the weights: keep their running mean, and leave out a step that would throw them off.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from pianist_jax.config import TrainConfig


def learning_rate(config: TrainConfig) -> optax.Schedule:
    """Linear warm-up to the peak, then a cosine to `final_lr_ratio` of it at the last step."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(config.warmup, 1),
        decay_steps=max(config.steps, config.warmup + 1),
        end_value=config.learning_rate * config.final_lr_ratio,
    )


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """The optimizer of a run. The consensus moves its own weights alone."""
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.grad_clip_norm),
        optax.adamw(learning_rate(config), b1=0.9, b2=config.beta2, weight_decay=config.weight_decay, mask=_decays),
    )
    if config.task != "consensus":
        return optimizer
    label = lambda params: {name: "moves" if name == "consensus" else "stays" for name in params}  # noqa: E731
    return optax.partition({"moves": optimizer, "stays": optax.set_to_zero()}, label)


def running_mean(config: TrainConfig, average: Any, params: Any, step: jax.Array) -> Any:
    """The mean of the weights over about the last 1 / (1 - `config.ema_decay`) steps, over fewer in the beginning."""
    decay = jnp.minimum(config.ema_decay, (1.0 + step) / (10.0 + step)).astype(jnp.float32)
    return jax.tree.map(lambda mean, new: mean + (1.0 - decay) * (new - mean), average, params)


def usual_length(
    config: TrainConfig, usual: jax.Array, length: jax.Array, step: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The usual length of gradients after one of `length`, and whether that one is a spike, not to be stepped by.

    None is a spike in the warm-up, nor one that is no number: that stops the run. A spike counts for what is
    allowed, so that what stays high becomes usual.
    """
    bound = config.skip_grad_ratio * usual
    spike = jnp.isfinite(length) & (length > bound) & (usual > 0) & (step >= config.warmup)
    counted = jnp.where(jnp.isfinite(length), jnp.where(spike, bound, length), usual)
    return jnp.where(usual > 0, usual + 0.02 * (counted - usual), counted), spike


def _decays(params: dict) -> dict:
    return jax.tree_util.tree_map_with_path(lambda path, _: getattr(path[-1], "key", "") == "kernel", params)
