"""The beginning of a performance while the rest is being performed: what its draws agree on so far."""

import dataclasses
from collections.abc import Callable

import numpy as np

from pianist_jax.config import DEFAULT_SAMPLING
from pianist_jax.errors import PianistError
from pianist_jax.inference.engine import Model
from pianist_jax.inference.predictions import Predicted, WindowedPredictions
from pianist_jax.inference.windows import Span
from pianist_jax.music.notes import Notes
from pianist_jax.performance.detokenize import detokenize
from pianist_jax.performance.expression import NEUTRAL
from pianist_jax.rendering.renderer import Piece, agreed, expressed_at, needed_draws
from pianist_jax.studio.wishes import Wish

OnNotes = Callable[[Notes, Notes], None]  # the score's first notes and their performance


class Preview:
    """Gathers what is played and tells `on_notes` whenever it has become twice as much.

    So the first notes come at once, and not much is made again. They come of what the renderer does with a whole: near
    to what the rendering will have there, not the same, as its draws agree on the piece as a whole.
    """

    def __init__(self, piece: Piece, model: Model, wish: Wish, on_notes: OnNotes) -> None:
        self._piece, self._model, self._wish, self._on_notes = piece, model, wish, on_notes
        self._played: list[list[np.ndarray]] = [[] for _ in range(needed_draws(1, DEFAULT_SAMPLING))]
        self._told = 0

    def on_played(self, span: Span, tokens: np.ndarray, predicted: WindowedPredictions) -> None:
        """Take in final notes of a span of a draw, tokens int32 [n, 8], and what is predicted so far."""
        self._played[span.draw].append(tokens)
        count = min(sum(map(len, parts)) for parts in self._played)
        if count >= max(2 * self._told, 1):
            self._told = count
            begun = beginning(self._piece, count)
            self._on_notes(begun.score, self._agreed(begun, predicted.predicted(count)))

    def _agreed(self, begun: Piece, predicted: Predicted) -> Notes:
        drawn = [detokenize(begun.score, np.concatenate(parts)[: len(begun.score)]) for parts in self._played]
        (played,) = agreed(begun, drawn, predicted, self._model, self._wish.seed, 1, DEFAULT_SAMPLING)
        try:
            return expressed_at(begun, played, self._wish.pace, self._wish.expression)
        except PianistError:  # bars or a hand are meant that have not come yet
            return expressed_at(begun, played, self._wish.pace, NEUTRAL)


def beginning(piece: Piece, count: int) -> Piece:
    """The first notes of a piece, and the pedal until the last of them is struck."""
    notes, grid = piece.score, piece.grid
    kept = notes.pedal_time <= notes.onset[count - 1]
    columns = {name: getattr(notes, name)[:count] for name in ("pitch", "onset", "duration", "velocity")}
    pedal = {name: getattr(notes, name)[kept] for name in ("pedal_time", "pedal_value")}
    if grid is not None:
        places = {name: getattr(grid, name)[:count] for name in ("onset", "duration", "part", "ids")}
        grid = dataclasses.replace(grid, **places)
    score = dataclasses.replace(notes, **columns, **pedal)
    return dataclasses.replace(piece, score=score, tokens=piece.tokens.at(slice(0, count)), grid=grid)
