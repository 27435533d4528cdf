"""Attention with grouped key/value heads: one function, one module, and its cache."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.config import ModelConfig
from pianist_jax.errors import PianistError

Cache = dict[str, jax.Array]


class Extent(NamedTuple):
    """What of each row is real: its first `length_B` positions, int32 [B].

    Where several pieces share a row, `segment_ids_BN` counts them from 1 on, 0 where no note is, int32 [B, N], and
    decides alone: each piece is treated as if it were alone.
    """

    length_B: jax.Array
    segment_ids_BN: jax.Array | None = None


BLOCK = 512  # queries taken at once where the whole table of weights would be large

_UNSEEN = float(jnp.finfo(jnp.float32).min) / 2  # finite, so that a row that sees nothing gives no NaN


def rotate(x_BTHC: jax.Array, position_T: jax.Array, theta: float = 10_000.0) -> jax.Array:
    """Rotary positions, half-split as in Gemma and LLaMA: channel c turns together with channel c + C/2."""
    half = x_BTHC.shape[-1] // 2
    frequency = theta ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle_TC = position_T.astype(jnp.float32)[:, None] * frequency[None, :]
    cos = jnp.cos(angle_TC)[None, :, None, :]
    sin = jnp.sin(angle_TC)[None, :, None, :]
    left, right = jnp.split(x_BTHC.astype(jnp.float32), 2, axis=-1)
    return jnp.concatenate([left * cos - right * sin, right * cos + left * sin], axis=-1).astype(x_BTHC.dtype)


def attend(
    q_BTHC: jax.Array,
    k_BUKC: jax.Array,
    v_BUKC: jax.Array,
    *,
    scale: float,
    implementation: str,
    causal: bool = False,
    real: Extent | None = None,
) -> jax.Array:
    """Softmax attention, [B, T, H, C]. No soft-cap: the published weights expect none.

    `real` keeps the first keys of each row visible, or with segments, to each query, the keys of its own segment. N
    divides T and U, which have T / N and U / N positions to a note.
    Raises PianistError for segments under "flash" attention, which knows none.
    """
    length_B, segment_ids_BN = (None, None) if real is None else real
    if implementation == "flash":
        from pianist_jax.model.flash import flash  # only TPUs pay for loading Pallas

        if segment_ids_BN is not None:
            raise PianistError('attention "flash" knows no segments: set packed=false or model.attention=xla')
        return flash(q_BTHC, k_BUKC, v_BUKC, length_B, scale=scale, causal=causal)
    if implementation == "xla" and q_BTHC.shape[1] > BLOCK:
        return attend_in_blocks(q_BTHC, k_BUKC, v_BUKC, real, scale=scale, causal=causal)
    if segment_ids_BN is not None:
        segment_BT, segment_BU = (_segments(segment_ids_BN, x.shape[1]) for x in (q_BTHC, k_BUKC))
        seen_B1TU = (segment_BT[:, :, None] == segment_BU[:, None])[:, None]
        return jax.nn.dot_product_attention(  # type: ignore[call-overload]
            q_BTHC, k_BUKC, v_BUKC, mask=seen_B1TU, scale=scale, is_causal=causal, implementation=implementation
        )
    query_length_B = None if length_B is None else jnp.full_like(length_B, q_BTHC.shape[1])
    return jax.nn.dot_product_attention(  # type: ignore[call-overload]  # "xla" and "cudnn" are strings here
        q_BTHC,
        k_BUKC,
        v_BUKC,
        scale=scale,
        is_causal=causal,
        query_seq_lengths=query_length_B,
        key_value_seq_lengths=length_B,
        implementation=implementation,
    )


def _segments(segment_ids_BN: jax.Array, positions: int) -> jax.Array:
    """The segment of every position, int32 [B, positions]."""
    return jnp.repeat(segment_ids_BN, positions // segment_ids_BN.shape[1], axis=1)


def attend_in_blocks(
    q_BTHC: jax.Array, k_BUKC: jax.Array, v_BUKC: jax.Array, real: Extent | None, *, scale: float, causal: bool
) -> jax.Array:
    """`attend` for long sequences, a block of queries after the other.

    The weights of one block alone are in memory (they are computed again for the gradient), what a causal block
    cannot see is not computed, and keys lie as the products read them: a CPU needs half the time for 4096 tokens.
    """
    B, T, H, C = q_BTHC.shape
    K = k_BUKC.shape[2]
    length_B, segment_ids_BN = (None, None) if real is None else real
    q_BKGTC = q_BTHC.reshape(B, T, K, H // K, C).transpose(0, 2, 3, 1, 4)
    k_BKCU, v_BKUC = k_BUKC.transpose(0, 2, 3, 1), v_BUKC.transpose(0, 2, 1, 3)

    @partial(jax.checkpoint, static_argnums=(3,))
    def block(q: jax.Array, k: jax.Array, v: jax.Array, first: int) -> jax.Array:
        t, U = q.shape[3], min(first + BLOCK, k.shape[3]) if causal else k.shape[3]
        k, v = k[..., :U], v[:, :, :U]  # cut in here: the gradient keeps whole keys once, not the parts of each block
        s = jnp.einsum("bkmc,bkcu->bkmu", q.reshape(B, K, -1, C), k, preferred_element_type=jnp.float32) * scale
        seen = jnp.ones((1, 1, 1, 1, U), bool)
        if causal:
            seen &= (jnp.arange(U)[None] <= first + jnp.arange(t)[:, None])[None, None, None]
        if segment_ids_BN is not None:
            own_Bt = _segments(segment_ids_BN, T)[:, first : first + t]
            seen &= (own_Bt[:, :, None] == _segments(segment_ids_BN, k_BUKC.shape[1])[:, None, :U])[:, None, None]
        elif length_B is not None:
            seen &= (jnp.arange(U)[None] < length_B[:, None])[:, None, None, None]
        weight = jax.nn.softmax(jnp.where(seen, s.reshape(B, K, -1, t, U), _UNSEEN), axis=-1).astype(v.dtype)
        return jnp.einsum("bkmu,bkuc->bkmc", weight.reshape(B, K, -1, U), v).reshape(q.shape)

    blocks = []
    for first in range(0, T, BLOCK):
        q = q_BKGTC[:, :, :, first : first + BLOCK]
        blocks.append(block(q, k_BKCU, v_BKUC, first))
    return jnp.concatenate(blocks, axis=3).transpose(0, 3, 1, 2, 4).reshape(B, T, H, C)


def attend_cached(
    q_BTHC: jax.Array, parts: Sequence[tuple[jax.Array, jax.Array, jax.Array]], *, scale: float
) -> jax.Array:
    """`attend` for the few queries of a decoding step, [B, T, H, C].

    Its keys and values come in parts (k [B, K, C, U], v [B, K, U, C], which keys are seen [B or 1, T or 1, U]), laid
    as the two products read them: with positions before heads every step would transpose the whole cache, which costs
    a CPU ten times the products.
    """
    B, T, H, C = q_BTHC.shape
    K = parts[0][0].shape[1]
    q_BKMC = q_BTHC.reshape(B, T, K, H // K, C).transpose(0, 2, 3, 1, 4).reshape(B, K, -1, C)
    scores = []
    for k, _, seen in parts:
        s = jnp.einsum("bkmc,bkcu->bkmu", q_BKMC, k, preferred_element_type=jnp.float32) * scale
        scores.append(jnp.where(seen[:, None, None], s.reshape(B, K, H // K, T, -1), _UNSEEN))
    weight = jax.nn.softmax(jnp.concatenate(scores, axis=-1), axis=-1)
    weight_BKMU = weight.reshape(B, K, -1, weight.shape[-1])
    y_BKMC, first = jnp.zeros_like(q_BKMC), 0
    for _, v, _ in parts:
        last = first + v.shape[2]
        y_BKMC += jnp.einsum("bkmu,bkuc->bkmc", weight_BKMU[..., first:last].astype(v.dtype), v)
        first = last
    return y_BKMC.reshape(B, K, H // K, T, C).transpose(0, 3, 1, 2, 4).reshape(B, T, H, C)


class Attention(nn.Module):
    """Multi-head attention with grouped key/value heads, no biases, optional rotary positions."""

    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        dense: dict[str, Any] = {
            "use_bias": False,
            "dtype": jnp.dtype(c.dtype),
            "kernel_init": nn.initializers.normal(0.02),
        }
        self.q = nn.DenseGeneral((c.heads, c.head_size), **dense)
        self.k = nn.DenseGeneral((c.kv_heads, c.head_size), **dense)
        self.v = nn.DenseGeneral((c.kv_heads, c.head_size), **dense)
        self.o = nn.DenseGeneral(c.width, axis=(-2, -1), **dense)

    def __call__(self, x_BTD: jax.Array, *, causal: bool, real: Extent | None, position_T: jax.Array) -> jax.Array:
        """Self-attention over whole sequences, with rotary positions."""
        q, k, v = rotate(self.q(x_BTD), position_T), rotate(self.k(x_BTD), position_T), self.v(x_BTD)
        return self.o(self._attend(q, k, v, causal=causal, real=real))

    def cached(self, x_BTD: jax.Array, cache: Cache, start: jax.Array) -> tuple[jax.Array, Cache]:
        """Causal self-attention of T new positions from `start` on; returns the cache with them written in.

        A deferred cache keeps them apart, after others of the same `start`, until `settle` writes them in.
        """
        if "k_new" not in cache:
            return self._cached_at_once(x_BTD, cache, start)
        old, T = cache["v_new"].shape[2], x_BTD.shape[1]
        new_T = start + old + jnp.arange(T)
        new = _as_cached(rotate(self.k(x_BTD), new_T), self.v(x_BTD))
        k = jnp.concatenate([cache["k_new"], new["k"].astype(cache["k"].dtype)], axis=3)
        v = jnp.concatenate([cache["v_new"], new["v"].astype(cache["v"].dtype)], axis=2)
        settled_U = jnp.arange(cache["v"].shape[2]) < start
        causal_TU = jnp.arange(old + T)[None] <= old + jnp.arange(T)[:, None]
        parts = [(cache["k"], cache["v"], settled_U[None, None]), (k, v, causal_TU[None])]
        y = attend_cached(rotate(self.q(x_BTD), new_T), parts, scale=self.config.query_scale)
        return self.o(y), {**cache, "k_new": k, "v_new": v}

    def _cached_at_once(self, x_BTD: jax.Array, cache: Cache, start: jax.Array) -> tuple[jax.Array, Cache]:
        new_T = start + jnp.arange(x_BTD.shape[1])
        new = _as_cached(rotate(self.k(x_BTD), new_T), self.v(x_BTD))
        cache = _written(cache, new["k"], new["v"], start)
        seen_TU = jnp.arange(cache["v"].shape[2])[None] <= new_T[:, None]
        parts = [(cache["k"], cache["v"], seen_TU[None])]
        y = attend_cached(rotate(self.q(x_BTD), new_T), parts, scale=self.config.query_scale)
        return self.o(y), cache

    def memory_cache(self, memory_BND: jax.Array) -> Cache:
        """What cross-attention reads of the encoder's output in decoding, computed once."""
        return _as_cached(self.k(memory_BND), self.v(memory_BND))

    def cross_cached(self, x_BTD: jax.Array, cache: Cache, length_B: jax.Array) -> jax.Array:
        """`cross` of a few new positions, from a `memory_cache`."""
        seen_BU = jnp.arange(cache["v"].shape[2])[None] < length_B[:, None]
        parts = [(cache["k"], cache["v"], seen_BU[:, None])]
        return self.o(attend_cached(self.q(x_BTD), parts, scale=self.config.query_scale))

    def cross(self, x_BTD: jax.Array, memory_BND: jax.Array, real: Extent | None) -> jax.Array:
        """Attention to the encoder's notes: no rotary positions, padded notes unseen."""
        k, v = self.k(memory_BND), self.v(memory_BND)
        return self.o(self._attend(self.q(x_BTD), k, v, real=real))

    def empty_cache(self, batch: int, length: int, deferred: bool) -> Cache:
        """A zero cache of `length` positions.

        Deferred where many calls make one step: each would write to the whole cache, which XLA then copies.
        """
        c = self.config
        zeros = partial(jnp.zeros, dtype=jnp.dtype(c.dtype))
        shapes = {"k": (batch, c.kv_heads, c.head_size, length), "v": (batch, c.kv_heads, length, c.head_size)}
        if deferred:
            shapes |= {"k_new": (*shapes["k"][:3], 0), "v_new": (*shapes["v"][:2], 0, c.head_size)}
        return {name: zeros(shape) for name, shape in shapes.items()}

    def _attend(self, q: jax.Array, k: jax.Array, v: jax.Array, **masks: Any) -> jax.Array:
        return attend(q, k, v, scale=self.config.query_scale, implementation=self.config.attention, **masks)


def settle(cache: Cache, start: jax.Array) -> Cache:
    """The cache with its new positions written in from `start` on: one write a note, which happens in place."""
    empty = {"k_new": cache["k_new"][..., :0], "v_new": cache["v_new"][:, :, :0]}
    return _written(cache, cache["k_new"], cache["v_new"], start) | empty


def grown(cache: Cache, positions: int) -> Cache:
    """The cache with room for so many positions; what it holds stays where it is."""
    more = positions - cache["v"].shape[2]
    k = jnp.pad(cache["k"], ((0, 0), (0, 0), (0, 0), (0, more)))
    return {**cache, "k": k, "v": jnp.pad(cache["v"], ((0, 0), (0, 0), (0, more), (0, 0)))}


def _written(cache: Cache, k_BKCT: jax.Array, v_BKTC: jax.Array, start: jax.Array) -> Cache:
    write = jax.lax.dynamic_update_slice_in_dim
    return {
        "k": write(cache["k"], k_BKCT.astype(cache["k"].dtype), start, axis=3),
        "v": write(cache["v"], v_BKTC.astype(cache["v"].dtype), start, axis=2),
    }


def _as_cached(k_BUKC: jax.Array, v_BUKC: jax.Array) -> Cache:
    return {"k": k_BUKC.transpose(0, 2, 3, 1), "v": v_BUKC.transpose(0, 2, 1, 3)}
