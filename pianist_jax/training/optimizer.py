"""AdamW, Muon or schedule-free AdamW with clipping and warm-up; norms, biases and embeddings do not decay.

Beside it what a step may do with the weights: keep their running mean, and leave out a step that would throw them off.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from pianist_jax.config import TrainConfig

SIZE_AS_ADAM = 0.2  # root mean square of Muon's steps over its rate: as large as AdamW's (arXiv 2502.16982, 2.2)


def learning_rate(config: TrainConfig) -> optax.Schedule:
    """The rate at each step: a linear warm-up to the peak, and then as `config.schedule` says.

    "cosine" falls along one to `final_lr_ratio` of the peak at the last step. "stable" stays at the peak until a share
    `decay_share` of the steps is left and falls along 1 - sqrt to that ratio (warm-up, stable, decay: arXiv 2405.18392,
    section 3), so that runs of several lengths share what they begin with. Schedule-free AdamW stays at the peak.
    """
    peak, warmup = config.learning_rate, max(config.warmup, 1)
    steps = max(config.steps, config.warmup + 1)
    if config.optimizer == "schedule-free":
        return optax.linear_schedule(0.0, peak, warmup)
    if config.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps, peak * config.final_lr_ratio)
    decay = max(min(round(steps * config.decay_share), steps - warmup), 1)

    def stable(step: jax.Array) -> jax.Array:
        done = jnp.clip((step - (steps - decay)) / decay, 0.0, 1.0)
        falling = 1.0 - (1.0 - config.final_lr_ratio) * jnp.sqrt(done)
        return peak * jnp.minimum(step / warmup, 1.0) * falling

    return stable


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """The optimizer of a run. The consensus moves its own weights alone."""
    optimizer = optax.chain(optax.clip_by_global_norm(config.grad_clip_norm), _OPTIMIZERS[config.optimizer](config))
    if config.task != "consensus":
        return optimizer
    label = lambda params: {name: "moves" if name == "consensus" else "stays" for name in params}  # noqa: E731
    return optax.partition({"moves": optimizer, "stays": optax.set_to_zero()}, label)


def _adamw(config: TrainConfig, b1: float = 0.9) -> optax.GradientTransformation:
    return optax.adamw(learning_rate(config), b1=b1, b2=config.beta2, weight_decay=config.weight_decay, mask=_decays)


def _muon(config: TrainConfig) -> optax.GradientTransformation:
    """Orthogonal steps for the matrices between layers, AdamW for all else (arXiv 2502.16982)."""
    return contrib.muon(
        learning_rate(config),
        weight_decay=config.weight_decay,
        adam_b2=config.beta2,
        consistent_rms=SIZE_AS_ADAM,
        muon_weight_dimension_numbers=_matrices,
    )


def _schedule_free(config: TrainConfig) -> optax.GradientTransformation:
    """Schedule-free AdamW (arXiv 2405.15682): what is judged is a mean of the path, `judged_weights`."""
    return contrib.schedule_free(_adamw(config, b1=0.0), learning_rate(config), b1=0.9)


_OPTIMIZERS = {"adamw": _adamw, "muon": _muon, "schedule-free": _schedule_free}


def judged_weights(optimizer: Any, params: Any) -> Any:
    """The weights that a model is judged by: the parameters, or the mean that a schedule-free optimizer tells."""

    def free(x: Any) -> bool:
        return isinstance(x, contrib.ScheduleFreeState)

    states = [x for x in jax.tree.leaves(optimizer, is_leaf=free) if free(x)]
    return contrib.schedule_free_eval_params(states[0], params) if states else params


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


def _matrices(params: dict) -> dict:
    """Which axes of which parameters Muon takes for a matrix: of kernels, but for those of features and of outputs."""

    def axes(path: Any, x: Any) -> contrib.MuonDimensionNumbers | None:
        names = [getattr(each, "key", "") for each in path]
        if names[-1] != "kernel" or not {"mlp", "self_attention", "cross_attention"} & set(names):
            return None
        if names[-2] in ("q", "k", "v"):
            return contrib.MuonDimensionNumbers(x.ndim - 3, (x.ndim - 2, x.ndim - 1))
        if names[-2] == "o":
            return contrib.MuonDimensionNumbers((x.ndim - 3, x.ndim - 2), x.ndim - 1)
        return contrib.MuonDimensionNumbers(x.ndim - 2, x.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)
