"""Where each note of a score stands in bar, beat, hand, chord and piece: what a pianist reads beside the notes."""

from __future__ import annotations

import numpy as np

from pianist_jax.music.tokens import BAR_STEPS, BEAT_STEPS, METRE, METRE_SIZE, QUARTER_STEPS
from pianist_jax.score.grid import ScoreGrid, beat_quarters


def metre(grid: ScoreGrid) -> np.ndarray:
    """int32[N, 9]: the columns `tokens.METRE` of every note, each 1 more than its value; 0 would be unknown.

    `bar` and `beat` are the place in bar and beat in 192nds and 48ths, `beats` how many beats the bar has, `hand` 0 for
    the right, 1 for the left, `gap` the quarters since the note before in 24ths, `begun` and `left` the quarters since
    the first and until the last onset, `above` and `below` how many notes of the same onset lie above and below. All of
    them stay what they are when the tempo changes. A first bar shorter than those after it is an upbeat: its place is
    counted from the bar line that follows.
    """
    place, length, beat = _places(grid)
    quarters = grid.quarters
    gap = np.diff(quarters, prepend=quarters[:1])
    above, below = _in_chord(grid)
    columns = {
        "bar": np.floor(place / length * BAR_STEPS + 1e-6),
        "beat": np.floor(place / beat % 1 * BEAT_STEPS + 1e-6),
        "beats": np.rint(length / beat) - 1,
        "hand": _hands(grid),
        "gap": np.rint(gap * QUARTER_STEPS),
        "begun": quarters - quarters.min(initial=0),
        "left": quarters.max(initial=0) - quarters,
        "above": above,
        "below": below,
    }
    whole = np.stack([columns[name] for name in METRE], axis=-1)
    return np.clip(np.floor(whole), -1, np.array(METRE_SIZE) - 2).astype(np.int32) + 1


def _places(grid: ScoreGrid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quarters since its bar line, length of its bar and of its beat of every note, float64[N] each."""
    starts = np.array([tick for tick, _, _ in grid.time_signatures])
    bars = np.array([over * 4 / under for _, over, under in grid.time_signatures])
    beats = np.array([beat_quarters(over, under) for _, over, under in grid.time_signatures])
    own = np.clip(np.searchsorted(starts, grid.onset, side="right") - 1, 0, None)
    lines = grid.bars()
    line = lines[np.clip(np.searchsorted(lines, grid.onset, side="right") - 1, 0, len(lines) - 1)]
    place = np.maximum(grid.onset - line, 0) / grid.ticks_per_quarter
    if len(starts) > 1 and bars[0] < bars[1] and starts[1] <= lines[min(1, len(lines) - 1)]:
        upbeat = own == 0
        place = place + np.where(upbeat, bars[1] - starts[1] / grid.ticks_per_quarter, 0)
        own = np.where(upbeat, 1, own)
    return np.clip(place, 0, bars[own] - 1e-3), bars[own], beats[own]


def _hands(grid: ScoreGrid) -> np.ndarray:
    """0 right, 1 left, -1 unknown, of every note."""
    return np.array([-1, 0, 1])[grid.hand]


def _in_chord(grid: ScoreGrid) -> tuple[np.ndarray, np.ndarray]:
    """How many notes of its onset lie above and below each note; of one onset the notes are sorted by pitch."""
    _, chord, count = np.unique(grid.onset, return_inverse=True, return_counts=True)
    order = np.argsort(chord, kind="stable")
    below = np.empty(len(grid), np.int64)
    below[order] = np.arange(len(grid)) - (np.cumsum(count) - count)[chord[order]]
    return count[chord] - 1 - below, below
