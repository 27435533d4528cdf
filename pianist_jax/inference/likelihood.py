"""How likely a model finds performances that somebody else played: teacher-forced, in the windows it would play in."""

from collections.abc import Callable, Sequence

import numpy as np

from pianist_jax.inference.engine import Model
from pianist_jax.inference.padding import pad_scores
from pianist_jax.inference.programs import ProgramKey
from pianist_jax.inference.windows import cut_windows, windowing_for
from pianist_jax.music.tokens import NOTE_TOKENS, PAD, ScoreTokens

BATCH = 8


def summed_nll(
    model: Model,
    pairs: Sequence[tuple[ScoreTokens, np.ndarray]],
    *,
    batch: int = BATCH,
    advance: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Nats of every slot, summed over the notes of each pair: float64 [pairs, 8].

    Args:
        pairs: tokens of a score and of a performance of it int32 [N, 8], note by note; all scores tell as much.
        advance: is told of every so many notes that are done.

    Every note counts once, in the window in which it would be performed, with the notes before it as they were
    played.
    """
    windows = [
        (index, window)
        for index, (score, _) in enumerate(pairs)
        for window in cut_windows(score.size, windowing_for(model.config.window))
    ]
    length = min(model.config.window, max((score.size for score, _ in pairs), default=0))
    sums = np.zeros((len(pairs), NOTE_TOKENS))
    for start in range(0, len(windows), batch):
        chosen = windows[start : start + batch]
        parts = [(index, slice(window.first, window.last)) for index, window in chosen]
        nothing = [pairs[0][0].at(slice(0))] * (batch - len(parts))
        score, mask = pad_scores([*(pairs[index][0].at(part) for index, part in parts), *nothing], length)
        played = np.full((batch, length, NOTE_TOKENS), PAD, np.int32)
        for row, (index, part) in enumerate(parts):
            played[row, : part.stop - part.start] = pairs[index][1][part]
        found = slot_nll(model, score, played, mask).astype(np.float64)
        fresh = [slice(window.prompt, window.settled - window.first) for _, window in chosen]
        for row, (index, _) in enumerate(chosen):
            sums[index] += found[row, fresh[row]].sum(0)
        if advance is not None:
            advance(sum(own.stop - own.start for own in fresh))
    return sums


def slot_nll(model: Model, score: ScoreTokens, performed_BNS: np.ndarray, mask_BN: np.ndarray) -> np.ndarray:
    """Nats of every slot of performances of scores, teacher-forced: float32 [B, N, 8]."""
    rows, notes = mask_BN.shape
    score = score._replace(page=None)  # decoders do not read it
    key = ProgramKey("nll", rows, notes, score.groups)
    return np.asarray(model.programs[key](model.params, score, performed_BNS, mask_BN))
