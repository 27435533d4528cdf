"""Where a note stands in bar, beat, hand, chord and piece, as a vector to add to its encoder state."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.config import ModelConfig
from pianist_jax.model.layers import embed_features, one_hot
from pianist_jax.model.note_decoder import time_features
from pianist_jax.music.tokens import BAR_STEPS, BEAT_STEPS, METRE, METRE_SIZE

BAR_WAVES, BEAT_WAVES = (1, 2, 3, 4, 6, 8, 12, 16), (1, 2, 3, 4)  # to a bar, to a beat
SCALE = {"gap": 20.0, "begun": 250.0, "left": 250.0}  # into the range in which `time_features` tell values apart
CHOICES = ("beats", "hand", "above", "below")


def metre_features(metre_BNC: jax.Array) -> jax.Array:
    """Columns int32 [B, N, 9] of `tokens.METRE` -> float32 [B, N, F]; what is unknown (0) gives zeros."""
    column = dict(zip(METRE, jnp.moveaxis(metre_BNC, -1, 0), strict=True))
    features = []
    for name, steps, waves in (("bar", BAR_STEPS, BAR_WAVES), ("beat", BEAT_STEPS, BEAT_WAVES)):
        known = (column[name] > 0)[..., None]
        frequency = jnp.asarray(2 * np.pi / steps * np.array(waves), jnp.float32)[None, None]
        angle = (column[name] - 1)[..., None] * frequency
        on_it = (column[name] == 1)[..., None].astype(jnp.float32)
        features += [jnp.sin(angle) * known, jnp.cos(angle) * known, on_it]
    for name, scale in SCALE.items():
        features.append(time_features((column[name] - 1).clip(0) * scale, column[name] > 0))
    for name in CHOICES:
        features.append(one_hot(column[name], METRE_SIZE[METRE.index(name)]))
    return jnp.concatenate(features, axis=-1)


class MetreEmbedder(nn.Module):
    """A small network over the metre's features; it begins with zeros, as if there were none."""

    config: ModelConfig

    @nn.compact
    def __call__(self, metre_BNC: jax.Array) -> jax.Array:
        """[B, N, 9] -> [B, N, D]."""
        return embed_features(metre_features(metre_BNC), self.config, nn.initializers.normal(0.02))
