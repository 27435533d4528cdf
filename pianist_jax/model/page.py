"""What the page says of a note, as a vector to add where it is heard."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.config import ModelConfig
from pianist_jax.model.layers import embed_features, one_hot
from pianist_jax.music.tokens import ALONG_STEPS, PAGE, PAGE_SIZE, QUARTER_STEPS, SIGNS

CHOICES = ("level", "hairpin", "slur", "voice")
SHORTEST, LONGEST = 1 / QUARTER_STEPS, 16.0  # quarters
WAVES = 8  # bumps over the logarithm of the written length


def page_features(page_BNC: jax.Array) -> jax.Array:
    """Columns int32 [B, N, 8] of `tokens.PAGE` -> float32 [B, N, F]; what is unknown (0) gives zeros."""
    column = dict(zip(PAGE, jnp.moveaxis(page_BNC, -1, 0), strict=True))
    features = []
    for name in CHOICES:
        features.append(one_hot(column[name], PAGE_SIZE[PAGE.index(name)]))
    level = jnp.where(column["level"] > 1, (column["level"] - 7.0) / 4.0, 0.0)  # from pppp to ffff about -1 to 1
    features.append(level[..., None])
    along = jnp.where(column["along"] > 1, (column["along"] - 1.0) / ALONG_STEPS, 0.0)
    since = (column["gradual"] - 2) % 16 / 16.0
    ways = jnp.stack([(column["gradual"] > 1) & (column["gradual"] <= 17), column["gradual"] > 17], axis=-1)
    features += [ways.astype(jnp.float32), ways * since[..., None]]
    kinds = jnp.stack([column["hairpin"] == 2, column["hairpin"] == 3], axis=-1).astype(jnp.float32)
    features.append(kinds * along[..., None])
    bits = jnp.arange(len(SIGNS))[None, None]
    features.append(((jnp.maximum(column["signs"] - 1, 0)[..., None] >> bits) & 1).astype(jnp.float32))
    quarters = jnp.maximum(column["length"] - 1.0, 1.0) / QUARTER_STEPS
    place = jnp.log(quarters / SHORTEST) / jnp.log(LONGEST / SHORTEST) * (WAVES - 1)
    bumps = jnp.maximum(1.0 - jnp.abs(place[..., None] - jnp.arange(WAVES)[None, None]), 0.0)
    features.append(bumps * (column["length"] > 0)[..., None])
    return jnp.concatenate(features, axis=-1)


class PageEmbedder(nn.Module):
    """A small network over the page's features; it begins with zeros, as if there were none."""

    config: ModelConfig

    @nn.compact
    def __call__(self, page_BNC: jax.Array) -> jax.Array:
        """[B, N, 8] -> [B, N, D]."""
        # Few of the features are on: with weights as small as other layers begin with, nothing would come through.
        return embed_features(page_features(page_BNC), self.config, nn.initializers.lecun_normal())
