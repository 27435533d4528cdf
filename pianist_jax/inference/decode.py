"""Performing notes one after the other: one scan with static caches, which knows no model.

The model comes as functions: `Step` of its parameters and, for notes that are known, `Follow`. What each note
may become comes as bounds: every slot of every note has a lowest and a highest value.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.inference.sampling import Knobs, draw_value, uniforms
from pianist_jax.inference.steady import Clock, gone_on, steadied
from pianist_jax.music.tokens import (
    BOS,
    DURATION,
    FIRST_PITCH,
    IOI,
    MAX_IOI,
    NOTE_TOKENS,
    PITCH,
    SLOT_SIZE,
    SLOT_START,
    VELOCITY,
)
from pianist_jax.performance.limits import LEAST_SHARE, WIDEST

if TYPE_CHECKING:
    from pianist_jax.model.token_decoder import Choose

Step = Callable[[Any, Any, jax.Array, jax.Array, jax.Array, "Choose"], tuple[Any, jax.Array]]
Follow = Callable[[Any, jax.Array, jax.Array, jax.Array], Any]
Carry = dict[str, Any]

LEAST_IOI = 5  # ms in the performance between notes that the score does not strike together
CHUNK = 64  # notes performed by one call
BLOCK = 32  # known notes taken in at once


def value_bounds(
    score_NS: np.ndarray, locked_NS: np.ndarray | None = None, *, opening: bool = False, anchored: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each slot of N notes, int32 [N, 8] each, from their score tokens.

    The pitch is the score's. A score IOI that is not 0 stays at least 5 ms; velocity and duration are at least 1.
    The first notes are as in `locked_NS` (performed tokens of as many notes as it has); with `opening` the first
    note of all begins at once, as nothing comes before it. Where the score is at the performance's tempo (`anchored`)
    a gap is at least `LEAST_SHARE` of the written one, and the notes of a chord follow each other within `WIDEST` ms.
    """
    score = score_NS.astype(np.int32) - SLOT_START
    low = np.zeros_like(score)
    high = np.broadcast_to(SLOT_SIZE - 1, score.shape).astype(np.int32)
    low[:, 0] = high[:, 0] = score[:, 0]
    low[:, IOI] = np.where(score[:, IOI] > 0, LEAST_IOI, 0)
    high[:, IOI] = MAX_IOI
    if anchored:
        low[:, IOI] = np.maximum(low[:, IOI], (LEAST_SHARE * score[:, IOI]).astype(np.int32))
        high[:, IOI] = np.where(score[:, IOI] > 0, MAX_IOI, WIDEST)
    low[:, [VELOCITY, DURATION]] = 1
    if opening:
        low[:1, IOI] = high[:1, IOI] = 0
    if locked_NS is not None:
        low[: len(locked_NS)] = high[: len(locked_NS)] = locked_NS - SLOT_START
    return low, high


def open_carry(state: Any, rows: int, known: tuple[Follow, jax.Array, jax.Array] | None = None) -> Carry:
    """What `perform` starts from: the model's state before the first note, taken behind the notes that are `known`.

    These come with a `Follow`: performed tokens int32 [B, P, 8], P a multiple of `BLOCK`, and how many of them count.
    They are taken in a block at a time; what is too much is written over by the notes performed next. The score must
    have room for whole blocks.
    """
    previous_BS = jnp.full((rows, NOTE_TOKENS), BOS, jnp.int32)
    if known is None:
        return {"state": state, "n": jnp.zeros((), jnp.int32), "previous": previous_BS}
    follow, prompt_BPS, notes = known

    def take_in(block: jax.Array, given: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
        state, previous_BS = given
        block_BNS = jax.lax.dynamic_slice_in_dim(prompt_BPS, block * BLOCK, BLOCK, axis=1)
        return follow(state, block * BLOCK, previous_BS, block_BNS), block_BNS[:, -1]

    blocks = (notes + BLOCK - 1) // BLOCK
    state, _ = jax.lax.fori_loop(jnp.zeros((), jnp.int32), blocks, take_in, (state, previous_BS))
    previous_BS = jax.lax.dynamic_index_in_dim(prompt_BPS, notes - 1, axis=1, keepdims=False)
    return {"state": state, "n": notes, "previous": previous_BS}


def perform(
    step: Step,
    params: Any,
    carry: Carry,
    low_BNS: jax.Array,
    high_BNS: jax.Array,
    key_B: jax.Array,
    number_B: jax.Array,
    knobs: Knobs,
    clock: Clock | None = None,
    *,
    likelihood: bool = False,
) -> tuple[Carry, jax.Array]:
    """Perform the next N notes of every row; returns the carry after them and their ids, int32 [B, N, 8].

    `low_BNS` and `high_BNS` bound the values of these notes (`value_bounds`), `number_B` is the number of the first
    of them in the row's piece, `key_B` are the rows' keys and `knobs` come from `sampling.knobs_of`. A `clock` keeps
    the performance near the tempo of the score (`steady`). With `likelihood`
    the second result is the pair (ids, float32 [B, N, 8] nats of every value under the model itself, 0 for pitch).
    """
    rows, notes = low_BNS.shape[:2]
    nothing = jnp.zeros((rows, notes), jnp.int32), jnp.ones((rows, 2), jnp.float32)
    expected_BN, begun_B2 = nothing if clock is None else (jnp.asarray(known) for known in clock)

    def note(state: tuple[Carry, jax.Array], given: tuple[jax.Array, ...]) -> tuple[tuple[Carry, jax.Array], Any]:
        (carry, times_B2), (low_BS, high_BS, uniform_BS2, expected_B) = state, given
        nats = [jnp.zeros(low_BS.shape[0], jnp.float32)] * NOTE_TOKENS

        def choose(slot: int, logits_BR: jax.Array, low_R: jax.Array, width_R: jax.Array) -> jax.Array:
            allowed_BR = logits_BR
            if slot == IOI:  # what must not be is not drawn: held at the bound it would be the likeliest value
                allowed_BR = _within(logits_BR, low_R, width_R, low_BS[:, slot], high_BS[:, slot])
                if clock is not None:
                    allowed_BR = steadied(allowed_BR, low_R, width_R, times_B2, expected_B, jnp.asarray(knobs["firm"]))
            drawn_B = draw_value(allowed_BR, low_R, width_R, uniform_BS2[:, slot], slot, knobs)
            value_B = jnp.clip(drawn_B, low_BS[:, slot], high_BS[:, slot])
            if likelihood:
                nats[slot] = _nats(value_B, logits_BR, low_R, width_R)
            return value_B

        pitch_B = low_BS[:, PITCH] + FIRST_PITCH
        after, note_BS = step(params, carry["state"], carry["n"], carry["previous"], pitch_B, choose)
        carry = {"state": after, "n": carry["n"] + 1, "previous": note_BS}
        times_B2 = gone_on(times_B2, expected_B, note_BS[:, IOI] - SLOT_START[IOI])
        return (carry, times_B2), (note_BS, jnp.stack(nats, axis=-1)) if likelihood else note_BS

    given = (_notes_first(low_BNS), _notes_first(high_BNS), uniforms(key_B, number_B, notes), expected_BN.T)
    (carry, _), performed = jax.lax.scan(note, (carry, begun_B2), given)
    return carry, jax.tree.map(_notes_first, performed)


def _within(
    logits_BR: jax.Array, low_R: jax.Array, width_R: jax.Array, low_B: jax.Array, high_B: jax.Array
) -> jax.Array:
    """The logits, those of cells of which no value lies within the bounds of their row at minus infinity."""
    reaches_BR = (low_R + width_R)[None] > low_B[:, None]
    return jnp.where(reaches_BR & (low_R[None] <= high_B[:, None]), logits_BR, -jnp.inf)


def _notes_first(x: jax.Array) -> jax.Array:
    """[B, N, …] <-> [N, B, …]."""
    return jnp.swapaxes(x, 0, 1)


def _nats(value_B: jax.Array, logits_BR: jax.Array, low_R: jax.Array, width_R: jax.Array) -> jax.Array:
    cell_B = jnp.sum(low_R[None] <= value_B[:, None], axis=-1, dtype=jnp.int32) - 1
    picked_B = jnp.take_along_axis(logits_BR, cell_B[:, None], axis=-1)[:, 0]
    return jax.nn.logsumexp(logits_BR, axis=-1) - picked_B + jnp.log(width_R[cell_B].astype(jnp.float32))
