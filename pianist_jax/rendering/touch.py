"""What hand and foot do to a performance that is decided: how chords are struck, and how the pedal moves."""

import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import METRE, ScoreTokens
from pianist_jax.performance.chord_touch import touched
from pianist_jax.performance.foot import eased
from pianist_jax.performance.voicing import voiced
from pianist_jax.weights.heads import load_head


def touch(score: Notes, tokens: ScoreTokens, performance: Notes, key: np.ndarray, sampling: Sampling) -> Notes:
    """The performance (note n plays note n of the score) with its chords struck and its pedal moved as `sampling` says.

    `key` uint32 [2] is all that its chance follows from; at temperature 0 there is none.
    """
    rng = np.random.default_rng(key) if sampling.temperature > 0 else None
    if sampling.hand:
        hand = None if tokens.metre is None else tokens.metre[:, METRE.index("hand")]
        performance = touched(score, performance, hand, load_head("chords")[0], rng)
    else:
        performance = voiced(score, performance)
    if sampling.foot:
        performance = eased(performance, rng)
    return performance


def head_hashes(sampling: Sampling) -> dict[str, str]:
    """What names the weights of each head that takes part."""
    return {"chords": load_head("chords")[1]} if sampling.hand else {}
