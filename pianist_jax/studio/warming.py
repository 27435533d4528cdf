"""A score that nobody wrote, as long as a window: what it takes to perform it is what most scores take."""

import numpy as np

from pianist_jax.inference.windows import Span
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import NOTE_TOKENS, ScoreTokens, encode
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.metre import metre

TICKS = 480


def spans_of(notes: int, draws: int) -> list[Span]:
    """Spans that perform a scale of so many notes so many times."""
    step = np.arange(notes)
    pitch, onset, length = 48 + 2 * (step % 12), 250 * step, np.full(notes, 250)
    nothing = np.zeros(0, int)
    played = Notes(pitch, onset, length, np.full(notes, 64), nothing, nothing)
    grid = ScoreGrid(TICKS, step * (TICKS // 2), np.full(notes, TICKS // 2), np.zeros(notes, int), ("Piano",))
    tokens = ScoreTokens(encode(played), metre(grid))
    prompt = np.zeros((0, NOTE_TOKENS), np.int32)
    return [Span(tokens, prompt, np.array([0, k], np.uint32), 0, notes, piece=0, draw=k) for k in range(draws)]
