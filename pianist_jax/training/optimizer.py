"""AdamW with clipping, warm-up and a cosine; norms, biases and embeddings do not decay."""

import jax
import optax

from pianist_jax.config import TrainConfig


def learning_rate(config: TrainConfig) -> optax.Schedule:
    """Linear warm-up to the peak, then a cosine to `final` of it at the last step."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(config.warmup, 1),
        decay_steps=max(config.steps, config.warmup + 1),
        end_value=config.learning_rate * config.final,
    )


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """The optimizer of a run."""
    return optax.chain(
        optax.clip_by_global_norm(config.clip),
        optax.adamw(
            learning_rate(config), b1=0.9, b2=config.beta2, weight_decay=config.weight_decay, mask=_decays
        ),
    )


def _decays(params: dict) -> dict:
    return jax.tree_util.tree_map_with_path(lambda path, _: getattr(path[-1], "key", "") == "kernel", params)
