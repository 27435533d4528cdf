"""What pianists agree on about each note, predicted from the score: the mean of all performances, not one of them.

A decoder has to draw a performance to tell what it thinks of a score, and chance comes with it. This head reads what
the encoder and its embedding say of each note and names the mean at once, so that it can be learnt by least squares.
"""

import dataclasses
from collections.abc import Callable, Collection

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core.scope import DenyList

from pianist_jax.config import ModelConfig
from pianist_jax.model.attention import Extent
from pianist_jax.model.encoder import EncoderStack
from pianist_jax.model.layers import dense
from pianist_jax.model.metre import MetreEmbedder
from pianist_jax.model.page import PageEmbedder

LAYERS, HEAD_SIZE = 2, 32
CURVES = 4  # that are predicted


class Consensus(nn.Module):
    """A small encoder upon the encoder, `config.consensus` wide."""

    config: ModelConfig

    @nn.compact
    def __call__(
        self,
        memory_BND: jax.Array,
        embedded_BND: jax.Array,
        metre_BNC: jax.Array,
        page_BNC: jax.Array,
        real: Extent,
        deterministic: bool,
    ) -> jax.Array:
        """Encoder states, embedded notes, the metre's columns and (with `config.page`) the page's -> float32 [B, N, 4].

        The first three are those of `performance.parameters`: the gap behind the note's chord, told at its first note,
        velocity and articulation, each less its mean over the performance and in units of its standard deviation. The
        last is how much slower than written the passage is played, a logarithm in units of `TEMPO_UNIT`.
        """
        heads = self.config.consensus // HEAD_SIZE
        c = dataclasses.replace(
            self.config, width=self.config.consensus, feed_forward=4 * self.config.consensus, heads=heads,
            kv_heads=heads // 2, head_size=HEAD_SIZE, query_scale=HEAD_SIZE**-0.5, encoder_layers=LAYERS,
        )  # fmt: skip
        memory_BND = nn.Dropout(c.dropout)(memory_BND, deterministic=deterministic)
        x = dense(c.width, c, bias=True, name="states")(memory_BND) + dense(c.width, c, name="notes")(embedded_BND)
        x = x + MetreEmbedder(c, name="metre")(metre_BNC)
        if c.page:
            x = x + PageEmbedder(c, name="page")(page_BNC)
        x = nn.gelu(x, approximate=True)
        x = EncoderStack(c, name="stack")(dense(c.width, c, name="hidden")(x), real, deterministic)
        told = [dense(3, c, bias=True, name="curves")(x), dense(1, c, bias=True, name="tempo")(x)]
        return jnp.concatenate(told, axis=-1).astype(jnp.float32)


def several(heads: int) -> Callable[[ModelConfig], nn.Module]:
    """So many heads side by side, each with weights and dropout of its own; what each says, float32 [H, B, N, 4].

    Their mean errs less than any of them: what one has learnt of its training pieces alone, the others have not.
    """
    rngs: dict[bool | str | Collection[str] | DenyList, bool] = {"params": True, "dropout": True}
    return nn.vmap(Consensus, in_axes=None, axis_size=heads, variable_axes={"params": 0}, split_rngs=rngs)
