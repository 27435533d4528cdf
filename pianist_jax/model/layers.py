"""The parts every stack is made of: RMSNorm, gated MLP, Transformer block."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.config import ModelConfig
from pianist_jax.model.attention import Attention, Cache, Extent, grown, settle


class RMSNorm(nn.Module):
    """x / rms(x) · (1 + weight), computed in float32 with eps 1e-6, returned in x's dtype."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalise the last axis."""
        weight = self.param("weight", nn.initializers.zeros_init(), (x.shape[-1],), jnp.float32)
        y = x.astype(jnp.float32)
        y = y * jax.lax.rsqrt(jnp.mean(jnp.square(y), axis=-1, keepdims=True) + 1e-6)
        return (y * (1.0 + weight.reshape((1,) * (x.ndim - 1) + (-1,)))).astype(x.dtype)


def dense(features: int, config: ModelConfig, *, bias: bool = False, name: str | None = None) -> nn.Dense:
    """A linear map with the model's dtype and initialisation (normal, std 0.02)."""
    init = nn.initializers.normal(0.02)
    return nn.Dense(features, use_bias=bias, dtype=jnp.dtype(config.dtype), kernel_init=init, name=name)


def embed_features(features: jax.Array, config: ModelConfig, begin: nn.initializers.Initializer) -> jax.Array:
    """Features of notes, [B, N, F], through a small network -> [B, N, D]: `hidden` and `out` of the module it is in.

    It gives zeros at first, as if nothing were told; `hidden` begins as `begin` says.
    """
    c, dtype = config, jnp.dtype(config.dtype)
    hidden = nn.Dense(c.width, dtype=dtype, kernel_init=begin, name="hidden")(features.astype(dtype))
    zeros = nn.initializers.zeros_init()
    out = nn.Dense(c.width, use_bias=False, dtype=dtype, kernel_init=zeros, name="out")
    return out(nn.gelu(hidden, approximate=True))


def one_hot(column: jax.Array, size: int) -> jax.Array:
    """A column int32 [B, N] of `size` values -> float32 [B, N, size - 1]; 0, which is unknown, gives zeros."""
    return (column[..., None] == jnp.arange(1, size)[None, None]).astype(jnp.float32)


def kept_in_remat(config: ModelConfig) -> Any:
    """What a block computed again for the gradient still keeps: nothing, or what its linear maps gave ("dots")."""
    policies = jax.checkpoint_policies
    return policies.dots_with_no_batch_dims_saveable if config.remat_keeps == "dots" else policies.nothing_saveable


class GatedMLP(nn.Module):
    """down(gelu_tanh(gate(x)) · up(x)), no biases."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map the last axis to the hidden width and back."""
        c = self.config
        gate = nn.gelu(dense(c.feed_forward, c, name="gate")(x), approximate=True)
        return dense(c.width, c, name="down")(gate * dense(c.feed_forward, c, name="up")(x))


class Block(nn.Module):
    """x + post(sub(pre(x))) for self-attention, cross-attention where asked for, and the gated MLP."""

    config: ModelConfig
    causal: bool
    cross: bool

    def setup(self) -> None:
        self.self_attention = Attention(self.config)
        self.pre_self, self.post_self = RMSNorm(), RMSNorm()
        if self.cross:
            self.cross_attention = Attention(self.config)
            self.pre_cross, self.post_cross = RMSNorm(), RMSNorm()
        self.mlp = GatedMLP(self.config)
        self.pre_mlp, self.post_mlp = RMSNorm(), RMSNorm()
        self.dropout = nn.Dropout(self.config.dropout)

    def __call__(
        self,
        x: jax.Array,
        memory_BND: Any,
        real: Extent,
        position_T: jax.Array,
        deterministic: bool,
    ) -> jax.Array:
        """Whole sequences."""
        unmasked = self.causal and real.segment_ids_BN is None
        y = self.self_attention(
            self.pre_self(x), causal=self.causal, real=None if unmasked else real, position_T=position_T
        )
        x = x + self.dropout(self.post_self(y), deterministic=deterministic)
        if self.cross:
            y = self.cross_attention.cross(self.pre_cross(x), memory_BND, real)
            x = x + self.dropout(self.post_cross(y), deterministic=deterministic)
        return x + self.dropout(self.post_mlp(self.mlp(self.pre_mlp(x))), deterministic=deterministic)

    def start(self, memory_BND: jax.Array, positions: int, deferred: bool) -> dict[str, Cache]:
        """The empty cache of this block, with what cross-attention needs of the encoder."""
        cache = {"self": self.self_attention.empty_cache(memory_BND.shape[0], positions, deferred)}
        if self.cross:
            cache["cross"] = self.cross_attention.memory_cache(memory_BND)
        return cache

    def step(
        self, x: jax.Array, cache: dict[str, Cache], length_B: jax.Array, start: jax.Array
    ) -> tuple[jax.Array, dict[str, Cache]]:
        """A few new positions from `start` on (or after others, in a deferred cache)."""
        y, written = self.self_attention.cached(self.pre_self(x), cache["self"], start)
        x = x + self.post_self(y)
        if self.cross:
            y = self.cross_attention.cross_cached(self.pre_cross(x), cache["cross"], length_B)
            x = x + self.post_cross(y)
        return x + self.post_mlp(self.mlp(self.pre_mlp(x))), {**cache, "self": written}


class Stack(nn.Module):
    """Causal blocks one after the other and a final norm: the body of both decoders."""

    config: ModelConfig
    cross: bool

    def setup(self) -> None:
        block: Any = Block
        if self.config.remat:
            block = nn.remat(Block, static_argnums=(5,), policy=kept_in_remat(self.config))
        self.blocks = [block(self.config, causal=True, cross=self.cross) for _ in range(self.config.decoder_layers)]
        self.norm = RMSNorm()

    def __call__(self, x_BTD: jax.Array, memory_BND: jax.Array, real: Extent, deterministic: bool) -> jax.Array:
        """Teacher-forced: all positions at once."""
        position_T = jnp.arange(x_BTD.shape[1])
        for block in self.blocks:
            x_BTD = block(x_BTD, memory_BND, real, position_T, deterministic)
        return self.norm(x_BTD)

    def start(self, memory_BND: jax.Array, positions: int, *, deferred: bool = False) -> list[dict[str, Cache]]:
        """Empty caches for `positions` positions; deferred ones take several runs before they `settle`."""
        return [block.start(memory_BND, positions, deferred) for block in self.blocks]

    def step(
        self, x: jax.Array, caches: list[dict[str, Cache]], length_B: jax.Array, start: jax.Array
    ) -> tuple[jax.Array, list[dict[str, Cache]]]:
        """New positions from `start` on (or after others, in deferred caches), [B, T, D] -> [B, T, D]."""
        written = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, cache, length_B, start)
            written.append(cache)
        return self.norm(x), written

    def settle(self, caches: list[dict[str, Cache]], start: jax.Array, after: jax.Array) -> list[dict[str, Cache]]:
        """The caches with the new positions written in from `start` on, once `after` is known.

        `after` must depend on every reading of the caches: it then is clear that these may be written in place.
        """
        caches, _ = jax.lax.optimization_barrier((caches, after))
        return [{**cache, "self": settle(cache["self"], start)} for cache in caches]

    def grow(self, caches: list[dict[str, Cache]], positions: int) -> list[dict[str, Cache]]:
        """The caches with room for `positions` positions."""
        return [{**cache, "self": grown(cache["self"], positions)} for cache in caches]
