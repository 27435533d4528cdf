"""Chords are never struck at one instant: how far their notes lie apart, and whether the top one comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pianist_jax.evaluation.pieces import Dealt
from pianist_jax.performance.parameters import Chords


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
    played = np.isfinite(playing.onset)
    group, onset = chords.of[played], playing.onset[played]
    count = np.bincount(group, minlength=len(chords))
    earliest, latest = np.full(len(chords), np.inf), np.full(len(chords), -np.inf)
    np.minimum.at(earliest, group, onset)
    np.maximum.at(latest, group, onset)
    top = np.full(len(chords), np.nan)
    upward = np.argsort(chords.pitch, kind="stable")
    top[chords.of[upward]] = playing.onset[upward]  # the highest is written last
    others = (np.bincount(group, onset, minlength=len(chords)) - top) / np.maximum(count - 1, 1)
    several = count > 1
    return ChordUse(_median((latest - earliest)[several]), _median((others - top)[several]))


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")
