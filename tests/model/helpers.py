"""Models, parameters and examples that the tests of this folder share, compiled once a process."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.config import ModelConfig, preset
from pianist_jax.model.pianist import Pianist, abstract_params
from pianist_jax.music.tokens import (
    BOS,
    IOI,
    MASK,
    MAX_IOI,
    NOTE_TOKENS,
    PAD,
    SLOT_SIZE,
    SLOT_START,
    ScoreTokens,
)

CONFIGS = {
    "token": dataclasses.replace(preset("tiny"), encoder_layers=2),
    "uncompressed": dataclasses.replace(preset("tiny"), encoder_layers=2, compressed=False),
    "note": preset("note-tiny"),
    "note-cross": dataclasses.replace(preset("note-tiny"), cross_attention=True),
}


NOTES, LENGTHS = 6, [6, 4, 1, 0]  # of one batch, the same wherever that serves, as shapes cost compilations
REAL = np.arange(NOTES)[None, :] < np.asarray(LENGTHS)[:, None]


# These models are small and run a few times: compiling is what costs.
quick_jit = functools.partial(jax.jit, static_argnames="config", compiler_options={"xla_backend_optimization_level": 0})


@functools.cache
def lively_params(config: ModelConfig) -> Any:
    """Random parameters so large that attention picks and no norm, bias or table is without effect.

    Fresh ones (std 0.02) would attend evenly everywhere: a wrong position or mask would not be seen.
    """
    rng = np.random.default_rng(0)
    sharp = (2.5 / config.query_scale / config.head_size**0.5) ** 0.5  # attention scores of std 2.5

    def draw(path: Any, leaf: Any) -> jax.Array:
        names = [key.key for key in path]
        if names[-1] == "kernel":
            shape = leaf.shape[1:] if "blocks" in names else leaf.shape  # the encoder's are stacked
            inputs = np.prod(shape[:-2]) if names[-2] in "qkv" else np.prod(shape[:-1])
            std = (sharp if names[-2] in "qk" else 1.0) / np.sqrt(inputs)
        else:
            std = {"embedding": 0.5, "table": 0.3, "chosen": 0.3}.get(names[-1], 0.2)
        return jnp.asarray(rng.normal(0, std, leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, abstract_params(config))


def example(batch: int, notes: int, *, masked: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random score, partly masked, and performance of the same pitches, int32 [B, N, 8] each."""
    rng = np.random.default_rng(seed)
    size = SLOT_SIZE.copy()
    size[IOI] = MAX_IOI + 1
    # Mostly short times, as in music, but long ones too.
    share = rng.random((2, batch, notes, NOTE_TOKENS)) ** np.where(size > 128, 4, 1)
    score, performance = (np.floor(share * size) + SLOT_START).astype(np.int32)
    performance[:, :, 0] = score[:, :, 0]
    hidden = rng.random(score.shape) < masked
    hidden[:, :, 0] = False
    score[hidden] = MASK
    return score, performance


def note_mask(lengths: list[int], notes: int) -> np.ndarray:
    return np.arange(notes)[None, :] < np.asarray(lengths)[:, None]


def padded(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`tokens` with the notes outside `mask` turned into padding."""
    return np.where(mask[:, :, None], tokens, PAD).astype(np.int32)


@quick_jit
def nll(config: ModelConfig, params: Any, score: Any, performance: Any, mask: Any) -> jax.Array:
    losses: Any = Pianist(config).apply({"params": params}, ScoreTokens(score), performance, mask, method="nll")
    return losses


@quick_jit
def stepped(config: ModelConfig, params: Any, score: Any, performance: Any, mask: Any) -> tuple[jax.Array, jax.Array]:
    """`performance` forced through start and step: its NLL [B, N, 8], 0 for pitch, and the notes returned.

    Each step is given the note that the step before returned, so that a wrong id is not healed.
    """
    model, variables = Pianist(config), {"params": params}

    def step(carry: Any, note: Any) -> Any:
        state, previous = carry
        n, wanted_BS = note
        losses = [jnp.zeros(wanted_BS.shape[0])]

        def force(slot: int, logits_BR: jax.Array, low_R: jax.Array, width_R: jax.Array) -> jax.Array:
            value_B = wanted_BS[:, slot] - int(SLOT_START[slot])
            inside_BR = (low_R[None] <= value_B[:, None]) & (value_B[:, None] < (low_R + width_R)[None])
            density_BR = jax.nn.log_softmax(logits_BR) - jnp.log(width_R.astype(jnp.float32))[None]
            losses.append(-jnp.sum(jnp.where(inside_BR, density_BR, 0.0), axis=1))
            return value_B

        state, previous = model.apply(variables, state, n, previous, wanted_BS[:, 0], force, method="step")
        return (state, previous), (jnp.stack(losses, axis=-1), previous)

    state = model.apply(variables, ScoreTokens(score), mask, method="start")
    first = jnp.full_like(performance[:, 0], BOS)
    notes = jnp.arange(performance.shape[1])
    _, (losses, returned) = jax.lax.scan(step, (state, first), (notes, performance.swapaxes(0, 1)))
    return losses.swapaxes(0, 1), returned.swapaxes(0, 1)


@quick_jit
def loss_and_gradient(config: ModelConfig, params: Any, score: Any, performance: Any) -> tuple[jax.Array, Any]:
    """Mean NLL of the common batch's real notes and its gradient, with the dropout that `config` asks for."""

    def mean(params: Any) -> jax.Array:
        losses: Any = Pianist(config).apply(
            {"params": params},
            ScoreTokens(score),
            performance,
            REAL,
            deterministic=config.dropout == 0,
            method="nll",
            rngs={"dropout": jax.random.key(1, impl="rbg")},
        )
        return jnp.sum(jnp.where(REAL[..., None], losses, 0.0)) / REAL.sum()

    return jax.value_and_grad(mean)(params)
