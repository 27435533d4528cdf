"""Chords are never struck at one instant: how far their notes lie apart, and whether the top one comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pianist_jax.performance.parameters import Chords, Dealt, chord_asynchrony


@dataclass(frozen=True)
class ChordUse:
    """Medians over the chords of a performance, in ms; NaN where it plays none.

    `spread`: from the first to the last note of a chord. `lead`: how much earlier than the mean of the others
    its highest note comes (melody lead; negative where it comes later).
    """

    spread: float
    lead: float


def chord_use(chords: Chords, playing: Dealt) -> ChordUse:
    """Of all onsets of the score with at least two notes that were played."""
    spread, lead = chord_asynchrony(chords, playing.onset)
    return ChordUse(_median(spread), _median(lead))


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")
