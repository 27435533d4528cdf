"""The reference's causal decoder: eight steps a note, one per token (arXiv 2512.02652, section 3.2)."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.config import ModelConfig
from pianist_jax.model.attention import Extent
from pianist_jax.model.embedding import TokenTable
from pianist_jax.model.layers import Stack
from pianist_jax.music.tokens import BOS, NOTE_TOKENS, SLOT_SIZE, SLOT_START, VOCABULARY

CHUNK = 128  # notes whose logits are in memory at once
WIDE = 1000  # ids of a range from which this matters

Choose = Callable[[int, jax.Array, jax.Array, jax.Array], jax.Array]


def segment_starts(segment_ids_BN: jax.Array) -> jax.Array:
    """Where segments begin, bool [B, N], from their numbers."""
    return segment_ids_BN != jnp.pad(segment_ids_BN[:, :-1], ((0, 0), (1, 0)))


class TokenDecoder(nn.Module):
    """Causal over tokens, cross-attending to the encoder; its head is tied to its embedding.

    Every slot is scored over its own id range only: of 5389 logits at most 5000 are computed, mostly 128.
    """

    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        init = nn.initializers.normal(0.02)
        self.embed = TokenTable(VOCABULARY, c.width, dtype=jnp.dtype(c.dtype), embedding_init=init)
        self.stack = Stack(c, cross=True)

    def hidden(self, memory_BTD: jax.Array, real: Extent, performance_BNS: jax.Array, deterministic: bool) -> jax.Array:
        """Teacher-forced states, [B, 8N, D]; position t has seen BOS and the tokens before t."""
        tokens_BT = performance_BNS.reshape(performance_BNS.shape[0], -1)
        shifted_BT = jnp.concatenate([jnp.full_like(tokens_BT[:, :1], BOS), tokens_BT[:, :-1]], axis=1)
        if real.segment_ids_BN is not None:
            starts_BNS = segment_starts(real.segment_ids_BN)[..., None] & (jnp.arange(NOTE_TOKENS) == 0)[None, None]
            shifted_BT = jnp.where(starts_BNS.reshape(shifted_BT.shape), BOS, shifted_BT)
        return self.stack(self._scaled(self.embed(shifted_BT, shift=1)), memory_BTD, real, deterministic)

    def logits(self, hidden: jax.Array, table_RD: jax.Array | None = None) -> jax.Array:
        """30·tanh(h·E/30) in float32, over the whole vocabulary or the given rows of the embedding."""
        table_RD = self.embed.embedding if table_RD is None else table_RD
        table_RD = table_RD.astype(hidden.dtype)
        logits = jnp.einsum("...d,vd->...v", hidden, table_RD, preferred_element_type=jnp.float32)
        return 30.0 * jnp.tanh(logits / 30.0)

    def nll(
        self,
        memory_BTD: jax.Array,
        real: Extent,
        score_BNS: jax.Array,
        performance_BNS: jax.Array,
        deterministic: bool,
    ) -> jax.Array:
        """Negative log-likelihood of each performed token over its slot's range, float32 [B, N, 8], nats."""
        hidden = self.hidden(memory_BTD, real, performance_BNS, deterministic)
        hidden_BNSD = hidden.reshape(*performance_BNS.shape, -1)
        losses = []
        for slot in range(NOTE_TOKENS):
            start, size = int(SLOT_START[slot]), int(SLOT_SIZE[slot])
            value_BN = jnp.clip(performance_BNS[:, :, slot] - start, 0, size - 1)
            table = self.embed.embedding[start : start + size]
            losses.append(slot_nll(hidden_BNSD[:, :, slot], table, value_BN))
        return jnp.stack(losses, axis=-1)

    def start(self, memory_BTD: jax.Array, length_B: jax.Array, score_BNS: jax.Array, notes: int) -> dict[str, Any]:
        """Empty caches for so many notes, and the head of each range of ids, cut out once."""
        ranges = {int(start): int(start + size) for start, size in zip(SLOT_START, SLOT_SIZE, strict=True)}
        return {
            "length": length_B,
            "heads": {str(start): self.embed.embedding[start:end] for start, end in ranges.items()},
            "caches": self.stack.start(memory_BTD, notes * NOTE_TOKENS, deferred=True),
        }

    def grow(self, state: dict[str, Any], notes: int) -> dict[str, Any]:
        """The state with caches for so many notes."""
        return {**state, "caches": self.stack.grow(state["caches"], notes * NOTE_TOKENS)}

    def follow(
        self, state: dict[str, Any], n: jax.Array, previous_BS: jax.Array, performed_BNS: jax.Array
    ) -> dict[str, Any]:
        """The state after notes `n`, n+1, … that are performed already, all taken in at once."""
        tokens_BT = performed_BNS.reshape(performed_BNS.shape[0], -1)
        shifted_BT = jnp.concatenate([previous_BS[:, -1:], tokens_BT[:, :-1]], axis=1)
        start_T = n * NOTE_TOKENS
        hidden, caches = self.stack.step(self._embed(shifted_BT), state["caches"], state["length"], start_T)
        return {**state, "caches": self.stack.settle(caches, start_T, hidden)}

    def step(
        self, state: dict[str, Any], n: jax.Array, previous_BS: jax.Array, pitch_B: jax.Array, choose: Choose
    ) -> tuple[dict[str, Any], jax.Array]:
        """Perform note `n`: seven runs of the stack, the first over two tokens (the last one's end, the pitch)."""
        note = [pitch_B]
        tokens_Bt = jnp.stack([previous_BS[:, -1], pitch_B], axis=1)
        caches, start_T = state["caches"], n * NOTE_TOKENS
        for slot in range(1, NOTE_TOKENS):
            hidden, caches = self.stack.step(self._embed(tokens_Bt), caches, state["length"], start_T)
            start, size = int(SLOT_START[slot]), int(SLOT_SIZE[slot])
            low_R = jnp.arange(size)
            logits_BR = self.logits(hidden[:, -1], state["heads"][str(start)])
            value_B = choose(slot, logits_BR, low_R, jnp.ones_like(low_R))
            note.append(value_B + start)
            tokens_Bt = note[-1][:, None]
        note_BS = jnp.stack(note, axis=-1)
        return {**state, "caches": self.stack.settle(caches, start_T, note_BS)}, note_BS

    def _embed(self, tokens: jax.Array) -> jax.Array:
        return self._scaled(self.embed(tokens))

    def _scaled(self, x: jax.Array) -> jax.Array:
        return x * jnp.asarray(self.config.width**0.5, x.dtype)


def slot_nll(hidden_BND: jax.Array, table_RD: jax.Array, value_BN: jax.Array) -> jax.Array:
    """Cross-entropy of one slot, [B, N]; a wide range is scored `CHUNK` notes at a time."""
    B, N, _ = hidden_BND.shape
    if len(table_RD) <= WIDE or N % CHUNK:
        return chunk_nll(hidden_BND, table_RD, value_BN)

    def chunked(x: jax.Array) -> jax.Array:
        return jnp.swapaxes(x.reshape(B, N // CHUNK, CHUNK, *x.shape[2:]), 0, 1)

    def chunk(_: None, part: tuple[jax.Array, jax.Array]) -> tuple[None, jax.Array]:
        return None, chunk_nll(part[0], table_RD, part[1])

    _, nll = jax.lax.scan(chunk, None, (chunked(hidden_BND), chunked(value_BN)))
    return jnp.swapaxes(nll, 0, 1).reshape(B, N)


@jax.checkpoint
def chunk_nll(hidden_BND: jax.Array, table_RD: jax.Array, value_BN: jax.Array) -> jax.Array:
    """Computed again in the backward pass, so that no logits outlive it."""
    logits = jnp.einsum(
        "bnd,rd->bnr", hidden_BND, table_RD.astype(hidden_BND.dtype), preferred_element_type=jnp.float32
    )
    logits = 30.0 * jnp.tanh(logits / 30.0)
    hot = value_BN[..., None] == jnp.arange(len(table_RD))[None, None]
    return jax.nn.logsumexp(logits, axis=-1) - jnp.sum(jnp.where(hot, logits, 0.0), axis=-1)
