"""Losses over the slots of notes, and what of them is reported: one figure a field."""

from typing import Any

import jax
import jax.numpy as jnp

from pianist_jax.config import TrainConfig
from pianist_jax.data.corruption import anchor, augment, forget, hide, ids, lose_tempo, unread, untold
from pianist_jax.model.pianist import Pianist
from pianist_jax.music.tokens import MASK, ScoreTokens
from pianist_jax.performance import parameters as curves

CURVES = {name: (number,) for number, name in enumerate(curves.PREDICTED)}
FIELDS = {"pitch": (0,), "ioi": (1,), "velocity": (2,), "duration": (3,), "pedal": (4, 5, 6, 7)}
Batch = dict[str, Any]
Sums = dict[str, Any]  # float32 sums by name; the lengths of `gradients` by the model's rooms


def example(batch: Batch, config: TrainConfig, key: jax.Array, *, augmented: bool) -> Batch:
    """What the model is shown of a batch of windows: `seen` by the encoder (a score) and `performance`, ids [B, N, 8].

    Beside them which slots are `scored` [B, N, 8], `note_mask` [B, N] and, where rows are packed, `segment_ids`
    int32 [B, N]. Pre-training hides the performance from the encoder; fine-tuning gives it the score and scores every
    slot of the notes that were played; of performances without a pedal it is masked. The consensus has `curves` to
    predict, float32 [B, N, 4].
    """
    k_augment, k_hide = jax.random.split(key)
    score: ScoreTokens | None = batch.get("score")
    windows = (*(() if score is None else (score.notes,)), batch["performance"])
    late_B = None
    if config.augmentation.anchored and score is not None:
        k_drift = jax.random.fold_in(key, 1) if augmented else None
        given = (batch["note_mask"], batch.get("slowness"), k_drift, config.augmentation.drift)
        notes_BNS, late_B = anchor(windows[0], windows[1], *given)
        windows = (notes_BNS, windows[1])
    if augmented:
        windows = augment(windows, batch["note_mask"], k_augment, config.augmentation, batch.get("coarse"))
    lost_BN = jnp.zeros(windows[-1].shape[:2], bool)
    if augmented and config.augmentation.lost:
        strayed, lost_BN = lose_tempo(windows[-1], jax.random.fold_in(key, 2), config.augmentation.lost)
        windows = (*windows[:-1], strayed)
    performance = ids(windows[-1])
    if config.task == "pretrain":
        hidden, scored = hide(windows[-1], batch["has_pedal"], batch["expressive"], k_hide, config.masking)
        seen = ScoreTokens(hidden)
        performance = jnp.where(untold(batch["has_pedal"]), MASK, performance)
    else:
        no_pedal = untold(batch["has_pedal"])
        performance = jnp.where(no_pedal, MASK, performance)
        assert score is not None
        seen, scored = score._replace(notes=ids(windows[0])), jnp.broadcast_to(~no_pedal, performance.shape)
        if augmented and seen.metre is not None:
            seen = seen._replace(metre=forget(seen.metre, k_hide, config.augmentation.forget))
        if augmented and seen.page is not None:
            seen = seen._replace(page=unread(seen.page, jax.random.fold_in(key, 3), config.augmentation.unread))
    timed = jnp.isin(jnp.arange(8), jnp.array(FIELDS["ioi"] + FIELDS["duration"]))
    scored = scored & batch["note_mask"][..., None] & ~(lost_BN[..., None] & timed[None, None])
    if "played" in batch:
        scored = scored & batch["played"][..., None]
    shown = {"seen": seen, "performance": performance, "scored": scored, "note_mask": batch["note_mask"]}
    if "segment_ids" in batch:
        shown["segment_ids"] = batch["segment_ids"]
    if "curves" in batch:
        shown["curves"] = _with_tempo(batch["curves"], late_B)
    return shown


def _with_tempo(curves_BN3: jax.Array, late_B: jax.Array | None) -> jax.Array:
    """The curves and behind them the tempo, [B, N, 4]: NaN where scores are not at a known one."""
    tempo_B = jnp.full(len(curves_BN3), jnp.nan) if late_B is None else late_B / curves.TEMPO_UNIT
    shape = (*curves_BN3.shape[:2], 1)
    return jnp.concatenate([curves_BN3, jnp.broadcast_to(tempo_B[:, None, None], shape)], axis=-1)


def summed_loss(
    params: dict, shown: Batch, config: TrainConfig, key: jax.Array, *, train: bool
) -> tuple[jax.Array, Sums]:
    """What the stage learns by: `summed_error` of the consensus, else `summed_nll`."""
    summed = summed_error if config.task == "consensus" else summed_nll
    return summed(params, shown, config, key, train=train)


def summed_error(
    params: dict, shown: Batch, config: TrainConfig, key: jax.Array, *, train: bool
) -> tuple[jax.Array, Sums]:
    """Sum of the squared errors of the predicted curves, and sums: `weight`, and error and number of each curve.

    In units of the curve's own variance in its performance: to predict nothing costs 1. What one pianist does beside
    the others cannot be predicted and costs as much in the end.
    """
    curves_HBNC: Any = Pianist(config.model).apply(
        {"params": params},
        shown["seen"],
        shown["note_mask"],
        segment_ids_BN=shown.get("segment_ids"),
        deterministic=not train,
        method="predict_consensus",
        rngs={"dropout": key},
    )
    return _summed_error(curves_HBNC, shown, train=train)


def _summed_error(curves_HBNC: jax.Array, shown: Batch, *, train: bool) -> tuple[jax.Array, Sums]:
    """Each head learns by its own error; they are judged by that of their mean."""
    told_HBNC = curves_HBNC if train else jnp.mean(curves_HBNC, axis=0, keepdims=True)
    known_BNC = jnp.isfinite(shown["curves"])
    wanted_BNC = jnp.where(known_BNC, shown["curves"], 0.0)
    error_HBNC = jnp.where(known_BNC[None], told_HBNC - wanted_BNC[None], 0.0) ** 2
    error_C = jnp.sum(jnp.mean(error_HBNC, axis=0), axis=(0, 1))
    count_C = jnp.sum(known_BNC, axis=(0, 1), dtype=jnp.float32)
    sums: Sums = {"weight": jnp.sum(count_C)}
    for number, name in enumerate(CURVES):
        sums |= {name: error_C[number], f"{name}_count": count_C[number]}
    return jnp.sum(error_C), sums


def summed_nll(
    params: dict, shown: Batch, config: TrainConfig, key: jax.Array, *, train: bool
) -> tuple[jax.Array, Sums]:
    """Weighted sum of the scored slots' NLL in nats, and sums: `weight`, and NLL and number of slots of each field.

    All in float32. A sum over a batch is that of its parts, so a batch can be taken in parts; its mean cannot. With
    `config.consensus_weight` so many times `summed_error` is added, and its sums, named `agreed_…`.
    """
    both = config.consensus_weight > 0
    told: Any = Pianist(config.model).apply(
        {"params": params},
        shown["seen"],
        shown["performance"],
        shown["note_mask"],
        segment_ids_BN=shown.get("segment_ids"),
        deterministic=not train,
        method="nll_and_consensus" if both else "nll",
        rngs={"dropout": key},
    )
    nll = told[0] if both else told
    scored = shown["scored"]
    nll = jnp.where(scored, nll, 0.0)
    slot_sum, slot_count = jnp.sum(nll, axis=(0, 1)), jnp.sum(scored, axis=(0, 1), dtype=jnp.float32)
    weight = jnp.where(jnp.arange(8) >= FIELDS["pedal"][0], config.pedal_weight, 1.0)
    if config.model.decoder == "note":  # its pitch is given
        weight = weight.at[0].set(0.0)
    sums: Sums = {"weight": jnp.sum(slot_count * weight)}
    for field, slots in FIELDS.items():
        sums[field] = jnp.sum(slot_sum[jnp.array(slots)])
        sums[f"{field}_count"] = jnp.sum(slot_count[jnp.array(slots)])
    total = jnp.sum(slot_sum * weight)
    if both:
        error, errors = _summed_error(told[1], shown, train=train)
        total += config.consensus_weight * error
        sums |= {f"agreed_{name}": value for name, value in errors.items() if name != "weight"}
    return total, sums


def per_field(sums: Sums) -> dict[str, float]:
    """Mean nats a scored slot for each field, and `note`: nats a note over all fields but pitch. So of the curves."""
    host = {name: float(value) for name, value in jax.device_get(sums).items()}
    fields = FIELDS if "pedal" in host else CURVES
    means = {field: host[field] / max(host[f"{field}_count"], 1.0) for field in fields}
    means["note"] = sum(means[field] * len(slots) for field, slots in fields.items() if field != "pitch")
    if f"agreed_{curves.PREDICTED[0]}" in host:
        agreed = {f"agreed_{name}" for name in CURVES}
        means |= {name: host[name] / max(host[f"{name}_count"], 1.0) for name in sorted(agreed)}
    return means
