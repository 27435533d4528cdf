"""A recording of a score laid on its notes: what was played stays, what was not stands where it would have come."""

from __future__ import annotations

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import chords_of, log_odds, of_log_odds, time_map
from pianist_jax.performance.playable import APART, make_playable

FASTEST, SLOWEST = 0.05, 20.0  # times the written time that a recording may take


def laid_on(score: Notes, played: Notes, match: np.ndarray) -> tuple[Notes, float]:
    """The recording `played`, note n playing note n of the score, and how many times slower than written it goes.

    `match` int64 [N] tells which of its notes plays each note of the score, -1 for none; at least one is. Times,
    lengths, velocities and pedal of what was played stay, but where a key is struck again in between. What is missing
    comes when the chords around it say, as long and as loud as they are.
    """
    match = _in_order(score, played, match)
    known = match >= 0
    chords = chords_of(score)
    onset, length, velocity = (
        np.where(known, column[match].astype(np.float64), np.nan)
        for column in (played.onset, played.duration, played.velocity)
    )
    mapped = time_map(chords, onset)
    place, usual = np.arange(len(score)), mapped.lengths(chords)
    share = float(np.median(length[known] / usual[known]))
    loud = of_log_odds(np.interp(place, place[known], log_odds(velocity[known])))
    filled = np.rint(np.where(known, onset, mapped.to_performed(chords.onset)[chords.of]))
    notes = Notes(
        score.pitch,
        _between_strikes(score.pitch, np.maximum(filled, 0).astype(np.int64), known),
        np.maximum(np.rint(np.where(known, length, share * usual)), 1).astype(np.int64),
        np.where(known, velocity, loud).astype(np.int16),
        played.pedal_time,
        played.pedal_value,
    )
    return make_playable(notes, as_struck=True), float(np.clip(mapped.slowness, FASTEST, SLOWEST))


def _in_order(score: Notes, played: Notes, match: np.ndarray) -> np.ndarray:
    """The same match, each key's strikes in the order of the score."""
    match = match.copy()
    for pitch in np.unique(score.pitch).tolist():
        own = np.flatnonzero((score.pitch == pitch) & (match >= 0))
        match[own] = match[own][np.argsort(played.onset[match[own]], kind="stable")]
    return match


def _between_strikes(pitch: np.ndarray, onset: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Onsets at which what is missing is struck between what was played of the same key, if there is room at all."""
    onset = onset.copy()
    for key in np.unique(pitch[~known]).tolist():
        own = np.flatnonzero(pitch == key)
        for before, after in zip(own[:-1].tolist(), own[1:].tolist(), strict=True):
            if not known[after]:
                onset[after] = max(onset[after], onset[before] + APART)
        for before, after in zip(own[-2::-1].tolist(), own[:0:-1].tolist(), strict=True):
            if not known[before]:
                onset[before] = max(min(onset[before], onset[after] - APART), 0)
    return onset
