"""The bidirectional encoder: notes in, one state a note out (arXiv 2512.02652, section 3.2)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.config import ModelConfig
from pianist_jax.model.attention import Extent
from pianist_jax.model.embedding import TokenTable
from pianist_jax.model.layers import Block, RMSNorm, dense, kept_in_remat
from pianist_jax.music.tokens import NOTE_TOKENS, VOCABULARY


class NoteCompressor(nn.Module):
    """8 token embeddings a note, each through its own linear map D -> D/8, concatenated to one D-vector."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x_BNSD: jax.Array) -> jax.Array:
        """[B, N, 8, D] -> [B, N, D]."""
        part = self.config.width // NOTE_TOKENS
        slots = [
            dense(part, self.config, bias=True, name=f"slot_{slot}")(x_BNSD[:, :, slot]) for slot in range(NOTE_TOKENS)
        ]
        return jnp.concatenate(slots, axis=-1)


class TokenEmbedder(nn.Module):
    """Token ids to encoder positions: a note each when compressed, else a token each; scaled by sqrt(width)."""

    config: ModelConfig

    @nn.compact
    def __call__(self, score_BNS: jax.Array) -> jax.Array:
        """[B, N, 8] ids -> [B, T, D] with T = N, or 8N without compression."""
        c = self.config
        table = TokenTable(
            VOCABULARY,
            c.width,
            dtype=jnp.dtype(c.dtype),
            embedding_init=nn.initializers.normal(0.02),
            name="tokens",
        )
        x_BNSD = table(score_BNS, shift=0)
        if c.compressed:
            x = NoteCompressor(c, name="compressor")(x_BNSD)
        else:
            x = x_BNSD.reshape(x_BNSD.shape[0], -1, c.width)
        return x * jnp.asarray(c.width**0.5, x.dtype)


class _ScannedBlock(Block):
    """A Block as the body of a scan over layers."""

    def __call__(self, x: jax.Array, *rest: Any) -> tuple[jax.Array, None]:  # type: ignore[override]
        return super().__call__(x, *rest), None


class EncoderStack(nn.Module):
    """The encoder's blocks, scanned over layers so that compile time does not grow with depth."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x_BTD: jax.Array, real: Extent, deterministic: bool) -> jax.Array:
        """Normalised states, [B, T, D]."""
        body: Any = _ScannedBlock
        if self.config.remat:
            body = nn.remat(body, prevent_cse=False, static_argnums=(5,), policy=kept_in_remat(self.config))
        layers = nn.scan(
            body,
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            in_axes=(nn.broadcast,) * 4,
            length=self.config.encoder_layers,
            metadata_params={nn.PARTITION_NAME: "layers"},
        )
        position_T = jnp.arange(x_BTD.shape[1])
        x_BTD, _ = layers(self.config, causal=False, cross=False, name="blocks")(
            x_BTD, None, real, position_T, deterministic
        )
        return RMSNorm(name="norm")(x_BTD)
