"""Attention with grouped key/value heads: one function, one module, and its cache."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.config import ModelConfig

Cache = dict[str, jax.Array]


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
    length_B: jax.Array | None = None,
    mask_TU: jax.Array | None = None,
) -> jax.Array:
    """Softmax attention, [B, T, H, C]. No soft-cap: the published weights expect none.

    `length_B` keeps the first so many keys of each row visible; `mask_TU` is True where a query sees a key.
    """
    query_length_B = None if length_B is None else jnp.full_like(length_B, q_BTHC.shape[1])
    return jax.nn.dot_product_attention(  # type: ignore[call-overload]  # "xla" and "cudnn" are strings here
        q_BTHC,
        k_BUKC,
        v_BUKC,
        mask=None if mask_TU is None else mask_TU[None, None],
        scale=scale,
        is_causal=causal,
        query_seq_lengths=query_length_B,
        key_value_seq_lengths=length_B,
        implementation=implementation,
    )


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

    def __call__(
        self, x_BTD: jax.Array, *, causal: bool, length_B: jax.Array | None, position_T: jax.Array
    ) -> jax.Array:
        """Self-attention over whole sequences, with rotary positions."""
        q, k, v = rotate(self.q(x_BTD), position_T), rotate(self.k(x_BTD), position_T), self.v(x_BTD)
        return self.o(self._attend(q, k, v, causal=causal, length_B=length_B))

    def cached(self, x_BTD: jax.Array, cache: Cache, position: jax.Array) -> tuple[jax.Array, Cache]:
        """Causal self-attention of T new positions from `position` on; returns the cache with them written in."""
        new_T = position + jnp.arange(x_BTD.shape[1])
        k = rotate(self.k(x_BTD), new_T).astype(cache["k"].dtype)
        cache = {
            "k": jax.lax.dynamic_update_slice_in_dim(cache["k"], k, position, axis=1),
            "v": jax.lax.dynamic_update_slice_in_dim(
                cache["v"], self.v(x_BTD).astype(cache["v"].dtype), position, axis=1
            ),
        }
        seen_TU = jnp.arange(cache["k"].shape[1])[None, :] <= new_T[:, None]
        q = rotate(self.q(x_BTD), new_T)
        return self.o(self._attend(q, cache["k"], cache["v"], mask_TU=seen_TU, step=True)), cache

    def keys_and_values(self, memory_BND: jax.Array) -> Cache:
        """What cross-attention reads of the encoder's output, computed once."""
        return {"k": self.k(memory_BND), "v": self.v(memory_BND)}

    def cross(
        self, x_BTD: jax.Array, memory: Cache, length_B: jax.Array | None, *, step: bool = False
    ) -> jax.Array:
        """Attention to the encoder's notes: no rotary positions, padded notes unseen."""
        return self.o(self._attend(self.q(x_BTD), memory["k"], memory["v"], length_B=length_B, step=step))

    def empty_cache(self, batch: int, length: int) -> Cache:
        """A zero cache of `length` positions."""
        shape = (batch, length, self.config.kv_heads, self.config.head_size)
        zeros = jnp.zeros(shape, jnp.dtype(self.config.dtype))
        return {"k": zeros, "v": zeros}

    def _attend(
        self, q: jax.Array, k: jax.Array, v: jax.Array, *, step: bool = False, **masks: Any
    ) -> jax.Array:
        implementation = "xla" if step else self.config.attention
        return attend(q, k, v, scale=self.config.query_scale, implementation=implementation, **masks)
