"""What a decoder is told of a note beside the encoder's state: what pianists agree on there, the metre and the page."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.config import ModelConfig
from pianist_jax.model.layers import embed_features
from pianist_jax.model.metre import metre_features
from pianist_jax.model.page import page_features


class Informed(nn.Module):
    """A small network over all of it; it begins with zeros, so that a decoder goes on from what it can do without."""

    config: ModelConfig

    @nn.compact
    def __call__(self, foretold_BNC: jax.Array, metre_BNC: jax.Array, page_BNC: jax.Array) -> jax.Array:
        """The consensus's last states [B, N, `config.consensus`], metre [B, N, 9], page [B, N, 8] -> [B, N, D]."""
        told = [foretold_BNC.astype(jnp.float32), metre_features(metre_BNC), page_features(page_BNC)]
        return embed_features(jnp.concatenate(told, axis=-1), self.config, nn.initializers.lecun_normal())
