"""What keeps a drawn performance near the tempo of its score: gaps are drawn by how far it has strayed until now.

A decoder follows its own playing, so that what it plays a little too slowly it goes on playing too slowly. Pianists
come back. So the likelihood of a gap is multiplied by that of the tempo of the last `MEMORY` ms if it were played:
log-normal with a deviation of `STRAY` about that at which pianists would have played them, by the model's consensus, at
the score's tempo as a whole. Only for models whose scores are at the performance's tempo. Chosen so that simple music
keeps its tempo (`python -m experiments.simple_music`) and draws of ASAP's validation pieces agree with pianists.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.music.tokens import IOI, SLOT_START
from pianist_jax.performance.parameters import ONE_CHORD

MEMORY = 2_000.0  # ms of the score in which what was played falls to 1/e of its weight
RUBATO = 0.2  # of log-IOI, that the consensus is told in units of
STRAY = 0.05  # of the logarithm of the tempo


class Clock(NamedTuple):
    """Gaps of the next notes as expected, int32 [B, N] ms, and times until now, float32 [B, 2] ms: expected, played."""

    expected: jax.Array | np.ndarray
    until_now: jax.Array | np.ndarray


def times_until(expected_BN: np.ndarray, played_BN: np.ndarray) -> np.ndarray:
    """float32 [B, 2]: expected and played time behind notes with these gaps (ms), the older the less it weighs.

    Before the first of them the performance was in time.
    """
    since = np.cumsum(expected_BN[:, ::-1], axis=1)[:, ::-1] - expected_BN
    weight = np.exp(-since / MEMORY)
    begun = MEMORY * np.exp(-expected_BN.sum(1, dtype=np.float64) / MEMORY)
    return np.stack([(weight * gap).sum(1) + begun for gap in (expected_BN, played_BN)], axis=1).astype(np.float32)


def gaps_of(tokens_BNS: np.ndarray) -> np.ndarray:
    """int32 [B, N] ms between the notes of performed or written tokens."""
    return tokens_BNS[..., IOI].astype(np.int32) - SLOT_START[IOI]


def expected_gaps(written_N: np.ndarray, curve_N: np.ndarray) -> np.ndarray:
    """int32 [N] ms before each note as pianists would time the written ones, which together take as long.

    curve_N: what the consensus says of the gap behind each note's chord, told at its first note (`model.consensus`).
    """
    place = np.arange(len(written_N))
    first = np.maximum.accumulate(np.where(written_N > ONE_CHORD, place, 0))
    before = first[np.maximum(place - 1, 0)]
    gap = written_N * np.exp(np.where(written_N > ONE_CHORD, RUBATO * curve_N[before], 0.0))
    return np.rint(gap * (written_N.sum() / max(gap.sum(), 1.0))).astype(np.int32)


def gone_on(times_B2: jax.Array, expected_B: jax.Array, played_B: jax.Array) -> jax.Array:
    """The times float32 [B, 2] after one more gap."""
    gaps_B2 = jnp.stack([expected_B, played_B], axis=1).astype(jnp.float32)
    return times_B2 * jnp.exp(-expected_B / MEMORY)[:, None] + gaps_B2


def steadied(
    logits_BR: jax.Array,
    low_R: jax.Array,
    width_R: jax.Array,
    times_B2: jax.Array,
    expected_B: jax.Array,
    firm: jax.Array,
) -> jax.Array:
    """The logits of gaps with that of the tempo if each were played; those within a chord as they are.

    Args:
        low_R, width_R: ms, lowest and number of values of each cell.
        firm: 0 turns it off, 1 is as it is meant.
    """
    middle_R = (low_R + 0.5 * width_R).astype(jnp.float32)
    expected_B1, played_BR = gone_on(times_B2, expected_B, jnp.zeros_like(expected_B)).T[:, :, None]
    off_BR = jnp.log((played_BR + middle_R[None]) / expected_B1)
    steady_BR = logits_BR - firm * 0.5 * (off_BR / STRAY) ** 2
    return jnp.where((expected_B > 0)[:, None], steady_BR, logits_BR)
