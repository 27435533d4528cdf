"""Chords are never struck at one instant: how far their notes lie apart, and whether the top one comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pianist_jax.evaluation.curves import Dealt, Frame


@dataclass(frozen=True)
class ChordUse:
    """Medians over the chords of a performance, in ms; NaN where it plays none.

    `spread`: from the first to the last note of a chord. `lead`: how much earlier than the mean of the others
    its highest note comes (melody lead; negative where it comes later).
    """

    spread: float
    lead: float


def chord_use(frame: Frame, playing: Dealt) -> ChordUse:
    """Of all onsets of the score with at least two notes that were played."""
    played = np.isfinite(playing.onset)
    chords = len(frame.onset)
    group = frame.group[played]
    onset = playing.onset[played]
    count = np.bincount(group, minlength=chords)
    earliest, latest = np.full(chords, np.inf), np.full(chords, -np.inf)
    np.minimum.at(earliest, group, onset)
    np.maximum.at(latest, group, onset)
    top = np.full(chords, np.nan)
    upward = np.argsort(frame.pitch, kind="stable")
    top[frame.group[upward]] = playing.onset[upward]  # the highest is written last
    others = (np.bincount(group, onset, minlength=chords) - top) / np.maximum(count - 1, 1)
    several = count > 1
    return ChordUse(_median((latest - earliest)[several]), _median((others - top)[several]))


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")
