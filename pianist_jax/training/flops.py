"""The floating-point operations that a training step cannot do without, for figures of utilisation."""

import math

import jax

from pianist_jax.config import ModelConfig
from pianist_jax.model.pianist import abstract_params
from pianist_jax.music.tokens import NOTE_TOKENS

PEAK_BF16 = {
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "TPU v5 lite": 197e12,  # v5e; the names are those that JAX gives the devices
    "TPU v5": 459e12,  # v5p
    "TPU v6 lite": 918e12,  # v6e
}


def flops_per_note(config: ModelConfig, window: int) -> float:
    """Forward and backward operations for one note of a window: 6 for each weight used at each position, and attention.

    Attention over U keys costs 12·U·H·C a position and layer, half of it where it is causal. Tables that are looked
    up cost nothing; the token decoder's tied head counts for what it computes. Recomputation (remat) is not counted.
    """
    shapes = abstract_params(config)
    heads = config.heads * config.head_size
    per_note = {"encoder": 1 if config.compressed else NOTE_TOKENS, "embedder": 1}
    per_note["decoder"] = 1 if config.decoder == "note" else NOTE_TOKENS
    total = 0.0
    for part, positions in per_note.items():
        kernels = jax.tree_util.tree_leaves_with_path(shapes[part])
        weights = sum(math.prod(x.shape) for path, x in kernels if getattr(path[-1], "key", "") == "kernel")
        total += 6.0 * weights * positions
    encoder, decoder = per_note["encoder"], per_note["decoder"]
    total += 12.0 * config.encoder_layers * heads * (window * encoder) * encoder
    total += 6.0 * config.decoder_layers * heads * (window * decoder) * decoder
    if config.cross_attention:
        total += 12.0 * config.decoder_layers * heads * (window * encoder) * decoder
    if config.decoder == "token":
        total += 6.0 * config.width * (2 * 5000 + 6 * 128)
    return total


def peak_flops(kind: str = "") -> float | None:
    """bfloat16 operations a second of this kind of device, or of the first one here, by its maker's data sheet.

    None where it is not known.
    """
    kind = kind or jax.devices()[0].device_kind
    return next((peak for name, peak in PEAK_BF16.items() if name in kind), None)
