"""What hand and foot do to a performance that is decided: how chords are struck, and how the pedal moves."""

import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.inference.engine import Model
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import METRE, ScoreTokens
from pianist_jax.performance.chord_touch import touched
from pianist_jax.performance.foot import eased
from pianist_jax.performance.parameters import Chords
from pianist_jax.performance.pedalling import chord_states, pedalled
from pianist_jax.performance.voicing import voiced
from pianist_jax.weights.heads import load_head

FOOT_SHARE = 0.5  # of the residual: of the foot's chance; with more it moves as no pianist does


def touch(
    chords: Chords,
    tokens: ScoreTokens,
    performance: Notes,
    key: np.ndarray,
    sampling: Sampling,
    heard: np.ndarray | None = None,
) -> Notes:
    """The performance (note n plays note n of the score) with its chords struck and its pedal moved as `sampling` says.

    With what the foot has `heard`, float32 [C, D] (`chords_heard`), it moves when pianists would, else when it was
    drawn to.
    `key` uint32 [2] is all that its chance follows from; at temperature 0 there is none.
    """
    rng = np.random.default_rng(key) if sampling.temperature > 0 else None
    if sampling.hand:
        hand = None if tokens.metre is None else tokens.metre[:, METRE.index("hand")]
        performance = touched(chords, performance, hand, load_head("chords")[0], rng)
    else:
        performance = voiced(chords, performance)
    if sampling.foot:
        if heard is not None:
            chance = FOOT_SHARE * sampling.residual_scale
            performance = pedalled(chords, performance, heard, load_head("pedal")[0], rng, chance)
        performance = eased(performance, rng)
    return performance


def heard_by_foot(model: Model, sampling: Sampling, states: np.ndarray | None) -> np.ndarray | None:
    """The encoder's states, where the foot goes by them: it has learnt those of one model, whose hash it holds.

    A performance that is played as it was drawn keeps the pedal that was drawn.
    """
    if states is None or not sampling.foot or sampling.residual_scale == 1:
        return None
    return states if model.hash.encode() == load_head("pedal")[0]["encoder"].tobytes() else None


def chords_heard(model: Model, sampling: Sampling, chords: Chords, states: np.ndarray | None) -> np.ndarray | None:
    """float32 [C, D]: what the foot goes by (`heard_by_foot`) of each chord, the same for all performances."""
    heard = heard_by_foot(model, sampling, states)
    return None if heard is None else chord_states(heard, chords)


def head_hashes(model: Model, sampling: Sampling) -> dict[str, str]:
    """What names the weights of each head that takes part."""
    takes_part = {"chords": sampling.hand, "pedal": heard_by_foot(model, sampling, np.zeros((0, 0))) is not None}
    return {name: load_head(name)[1] for name, used in takes_part.items() if used}
