"""The beginning of a performance while the rest is being performed: what its draws agree on so far."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.music.notes import Notes
from pianist_jax.performance.averaging import averaged, in_tempo
from pianist_jax.performance.detokenize import detokenize
from pianist_jax.performance.expression import Expression, express
from pianist_jax.performance.pace import Pace, to_pace
from pianist_jax.performance.voicing import voiced

if TYPE_CHECKING:
    from pianist_jax.inference.windows import Span
    from pianist_jax.rendering.renderer import Piece

OnNotes = Callable[[Notes, Notes], None]  # the score's first notes and their performance


class Preview:
    """Gathers what is played, window by window, and tells `on_notes` whenever all draws have come further.

    The notes are near to what the rendering will have there, not the same: its draws agree on the piece as a whole.
    """

    def __init__(
        self, piece: "Piece", draws: int, sampling: Sampling, pace: Pace, expression: Expression, on_notes: OnNotes
    ) -> None:
        self._piece, self._sampling, self._pace = piece, sampling, pace
        self._expression = dataclasses.replace(expression, tempo_scale=1.0)
        self._on_notes = on_notes
        self._played: list[list[np.ndarray]] = [[] for _ in range(draws)]
        self._told = 0

    def on_played(self, span: "Span", tokens: np.ndarray) -> None:
        """Take in a span of a draw and its performed tokens int32 [N, 8]."""
        prompt = len(span.prompt)
        self._played[span.draw].append(tokens[prompt : prompt + span.fresh])
        count = min(sum(map(len, parts)) for parts in self._played)
        if count > self._told:
            self._told = count
            score = first_notes(self._piece.score, count)
            self._on_notes(score, self._agreed(score, count))

    def _agreed(self, score: Notes, count: int) -> Notes:
        drawn = [detokenize(score, np.concatenate(parts)[:count]) for parts in self._played]
        steady, kept = in_tempo(score, drawn[: self._sampling.averaged])
        agreed = voiced(score, averaged(score, steady, 0, kept, self._sampling.residual_scale))
        return express(score, to_pace(score, self._piece.grid, agreed, self._pace), self._expression)


def first_notes(notes: Notes, count: int) -> Notes:
    """The first notes of a score, and the pedal until the last of them is struck."""
    kept = notes.pedal_time <= notes.onset[count - 1]
    columns = {name: getattr(notes, name)[:count] for name in ("pitch", "onset", "duration", "velocity")}
    pedal = {name: getattr(notes, name)[kept] for name in ("pedal_time", "pedal_value")}
    return dataclasses.replace(notes, **columns, **pedal)
