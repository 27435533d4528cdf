"""What pianists agree on, predicted for a whole score: window by window, each fading into the next."""

from typing import NamedTuple

import numpy as np

from pianist_jax.inference.engine import Model
from pianist_jax.inference.padding import pad_scores
from pianist_jax.inference.programs import ProgramKey, divided
from pianist_jax.inference.windows import cut_windows, windowing_for
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.performance.parameters import PREDICTED, TEMPO_UNIT


class Predicted(NamedTuple):
    """What a model says of a score of N notes before it performs.

    `curves` float32 [N, 4], [N, 8] where it reads the page (`Pianist.read`), None without that head; `states` float32
    [N, D], the encoder's, None where it has none for each note.
    """

    curves: np.ndarray | None = None
    states: np.ndarray | None = None


class WindowedPredictions:
    """What is predicted of a score of `notes` notes as it comes, a window at a time."""

    def __init__(self, notes: int) -> None:
        self._weight = np.zeros((notes, 1), np.float32)
        self._totals: tuple[np.ndarray, ...] = ()

    def add(self, first: int, *told: np.ndarray) -> None:
        """What a window says of its notes, float32 [N, C] each, `first` being the first: less near its ends."""
        n, notes = len(told[0]), len(self._weight)
        if not self._totals:
            self._totals = tuple(np.zeros((notes, values.shape[1]), np.float32) for values in told)
        weight = np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)).astype(np.float32)[:, None]
        self._weight[first : first + n] += weight
        for total, values in zip(self._totals, told, strict=True):
            total[first : first + n] += values * weight

    def predicted(self, count: int | None = None) -> Predicted:
        """The curves and states of all notes, or of the first `count`; the windows that have come must reach so far."""
        weight = self._weight[:count]
        return Predicted(*(total[:count] / weight if total.shape[1] else None for total in self._totals))


def tempo_of(curves: np.ndarray) -> float:
    """How many times slower than written a score would be played, by its curves float32 [N, 4] (`PREDICTED`)."""
    return float(np.exp(TEMPO_UNIT * curves[:, PREDICTED.index("tempo")].mean()))


def predict(model: Model, tokens: ScoreTokens) -> Predicted:
    """What is predicted of a score's tokens int32, the same as when it is performed in windows."""
    found, room = WindowedPredictions(tokens.size), model.config.window
    tokens = model.read(tokens)
    program = model.programs[ProgramKey("consensus", 1, room, tokens.groups)]
    for window in cut_windows(tokens.size, windowing_for(room)):
        score, mask = pad_scores([tokens.at(slice(window.first, window.last))], room)
        told = np.asarray(program(model.params, score, mask))
        found.add(window.first, *divided(model.config, told[0, : window.last - window.first]))
    return found.predicted()


def predict_consensus(model: Model, tokens: ScoreTokens) -> np.ndarray | None:
    """The curves of `predict`; None where the model has no consensus, which then is not run."""
    return predict(model, tokens).curves if model.config.consensus else None
