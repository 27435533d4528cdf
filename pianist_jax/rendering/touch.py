"""What hands do to a performance that is decided: how they strike its chords."""

import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import METRE, ScoreTokens
from pianist_jax.performance.chord_touch import touched
from pianist_jax.performance.voicing import voiced
from pianist_jax.weights.heads import load_head


def touch(score: Notes, tokens: ScoreTokens, performance: Notes, key: np.ndarray, sampling: Sampling) -> Notes:
    """The performance (note n plays note n of the score) with its chords struck by the hand that is wanted.

    `key` uint32 [2] is all that its chance follows from; at temperature 0 there is none.
    """
    if not sampling.hand:
        return voiced(score, performance)
    hand = None if tokens.metre is None else tokens.metre[:, METRE.index("hand")]
    rng = np.random.default_rng(key) if sampling.temperature > 0 else None
    return touched(score, performance, hand, load_head("chords")[0], rng)


def head_hashes(sampling: Sampling) -> dict[str, str]:
    """What names the weights of each head that takes part."""
    return {"chords": load_head("chords")[1]} if sampling.hand else {}
