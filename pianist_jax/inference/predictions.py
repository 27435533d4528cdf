"""What pianists agree on, predicted for a whole score: window by window, each fading into the next."""

from typing import Any

import numpy as np

from pianist_jax.inference.engine import Model
from pianist_jax.inference.padding import pad_scores
from pianist_jax.inference.programs import ProgramKey
from pianist_jax.inference.windows import cut_windows, windowing_for
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.performance.parameters import PREDICTED, TEMPO_UNIT


class WindowedCurves:
    """Curves of a score of `notes` notes as they come, a window at a time."""

    def __init__(self, notes: int) -> None:
        self._total: Any = 0.0
        self._weight = np.zeros((notes, 1), np.float32)

    def add(self, first: int, curves: np.ndarray) -> None:
        """What a window says of its notes, float32 [N, C], `first` being the first: less near its ends."""
        n = len(curves)
        weight = np.zeros_like(self._weight)
        weight[first : first + n, 0] = np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1))
        self._total = self._total + np.pad(curves, ((first, len(weight) - first - n), (0, 0))) * weight
        self._weight += weight

    def curves(self, count: int | None = None) -> np.ndarray | None:
        """float32 [notes, 4], or of the first `count` notes; None where the model predicts nothing.

        The windows that have come must reach so far.
        """
        return self._total[:count] / self._weight[:count] if self._total.shape[1] else None


def tempo_of(curves: np.ndarray) -> float:
    """How many times slower than written a score would be played, by its curves float32 [N, 4] (`PREDICTED`)."""
    return float(np.exp(TEMPO_UNIT * curves[:, PREDICTED.index("tempo")].mean()))


def predict_consensus(model: Model, tokens: ScoreTokens) -> np.ndarray | None:
    """Curves float32 [N, 4] for a score's tokens int32, [N, 8] where the page is read (`Pianist.read`); None without
    that head.

    They are those that are predicted when the score is performed in windows.
    """
    if not model.config.consensus:
        return None
    predicted, room = WindowedCurves(tokens.size), model.config.window
    tokens = model.read(tokens)
    program = model.programs[ProgramKey("consensus", 1, room, tokens.groups)]
    for window in cut_windows(tokens.size, windowing_for(room)):
        score, mask = pad_scores([tokens.at(slice(window.first, window.last))], room)
        curves = np.asarray(program(model.params, score, mask))
        predicted.add(window.first, curves[0, : window.last - window.first])
    return predicted.curves()
