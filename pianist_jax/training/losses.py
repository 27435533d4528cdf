"""Losses over the slots of notes, and what of them is reported: one figure a field."""

import jax
import jax.numpy as jnp

from pianist_jax.config import TrainConfig
from pianist_jax.data.corruption import augment, hide, ids, untold
from pianist_jax.model.pianist import Pianist
from pianist_jax.music.tokens import MASK

FIELDS = {"pitch": (0,), "ioi": (1,), "velocity": (2,), "duration": (3,), "pedal": (4, 5, 6, 7)}
Sums = dict[str, jax.Array]


def example(
    batch: dict[str, jax.Array], config: TrainConfig, key: jax.Array, *, augmented: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Encoder ids, performance ids (both int32 [B, N, 8]) and which slots are scored, from a batch of windows.

    Pre-training hides the performance from the encoder; fine-tuning gives it the score and scores every slot.
    """
    k_augment, k_hide = jax.random.split(key)
    windows = tuple(batch[name] for name in ("score", "performance") if name in batch)
    if augmented:
        windows = augment(windows, batch["note_mask"], k_augment, config.augmentation)
    performance = ids(windows[-1])
    if config.task == "pretrain":
        seen, scored = hide(windows[-1], batch["has_pedal"], batch["expressive"], k_hide, config.masking)
        performance = jnp.where(untold(batch["has_pedal"]), MASK, performance)
    else:
        seen, scored = ids(windows[0]), jnp.ones(performance.shape, bool)
    return seen, performance, scored & batch["note_mask"][..., None]


def loss_fn(
    params: dict, batch: dict[str, jax.Array], config: TrainConfig, key: jax.Array, *, train: bool
) -> tuple[jax.Array, Sums]:
    """Weighted mean NLL of the scored slots in nats, and per field the sum of NLL and the number of slots."""
    k_example, k_dropout = jax.random.split(key)
    seen, performance, scored = example(batch, config, k_example, augmented=train)
    nll = Pianist(config.model).apply(
        {"params": params},
        seen,
        performance,
        batch["note_mask"],
        not train,
        method="nll",
        rngs={"dropout": k_dropout},
    )
    nll = jnp.where(scored, nll, 0.0)  # type: ignore[arg-type]
    slot_sum, slot_count = jnp.sum(nll, axis=(0, 1)), jnp.sum(scored, axis=(0, 1), dtype=jnp.float32)
    weight = jnp.where(jnp.arange(8) >= FIELDS["pedal"][0], config.pedal_weight, 1.0)
    if config.model.decoder == "note":  # its pitch is given
        weight = weight.at[0].set(0.0)
    loss = jnp.sum(slot_sum * weight) / jnp.maximum(jnp.sum(slot_count * weight), 1.0)
    sums: Sums = {}
    for field, slots in FIELDS.items():
        sums[field] = jnp.sum(slot_sum[jnp.array(slots)])
        sums[f"{field}_count"] = jnp.sum(slot_count[jnp.array(slots)])
    return loss, sums


def per_field(sums: Sums) -> dict[str, float]:
    """Mean nats a scored slot for each field, and `note`: nats a note over all fields but pitch."""
    host = {name: float(value) for name, value in jax.device_get(sums).items()}
    means = {field: host[field] / max(host[f"{field}_count"], 1.0) for field in FIELDS}
    means["note"] = sum(means[field] * len(slots) for field, slots in FIELDS.items() if field != "pitch")
    return means
