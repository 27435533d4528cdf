"""What each performance of a set of pairs makes of its score, as curves that performances can be averaged by."""

import numpy as np

from pianist_jax.data.parts import PairCorpus
from pianist_jax.music.tokens import DURATION, IOI, PITCH, VELOCITY
from pianist_jax.performance.parameters import (
    OUTLIER,
    Chords,
    Parameters,
    chord_onsets,
    chords_between,
    log_odds,
    parameters_of,
    time_map,
)

FURTHEST = (OUTLIER["log_ioi"], np.inf, OUTLIER["log_articulation"])  # from the median; misaligned is what lies beyond


def pair_curves(pairs: PairCorpus) -> np.ndarray:
    """float16 [notes, 3]: log-IOI, log-odds of velocity and log-articulation of every note of every pair.

    A log-IOI stands at the first note of its chord. Each curve is less its mean and in units of its standard deviation
    over all stretches of its performance. NaN where nothing is known: notes that nobody played, the other notes of a
    chord, and what is out of all proportion.
    """
    found = np.full((pairs.offsets[-1], 3), np.nan, np.float32)
    performances: dict[str, list[np.ndarray]] = {}
    for number, about in enumerate(pairs.metadata):
        own = np.arange(pairs.offsets[number], pairs.offsets[number + 1])
        performances.setdefault(f"{about.get('corpus')}/{about.get('file', number)}", []).append(own)
        if pairs.played[own].any():
            chords, made = stretch_parameters(pairs, number)
            found[own[chords.first[:-1]], 0] = np.where(np.isfinite(made.log_ioi), made.log_ioi, np.nan)
            found[own, 1], found[own, 2] = log_odds(made.velocity), made.log_articulation
    for stretches in performances.values():
        notes = np.concatenate(stretches)
        curves = found[notes]
        curves[np.abs(curves - np.nanmedian(curves, axis=0, keepdims=True)) > np.array(FURTHEST)] = np.nan
        mean, size = np.nanmean(curves, axis=0), np.nanstd(curves, axis=0)
        found[notes] = (curves - mean) / np.where(size > 0, size, 1.0)
    return found.astype(np.float16)


def stretch_parameters(pairs: PairCorpus, number: int) -> tuple[Chords, Parameters]:
    """The chords of a pair's score and what is made of them, at least one note being played."""
    own = slice(pairs.offsets[number], pairs.offsets[number + 1])
    score, played = pairs.score.notes[own], pairs.played[own]
    performed = np.where(played[:, None], pairs.performance[own].astype(np.float64), np.nan)
    start = np.cumsum(score[:, IOI], dtype=np.int64)
    onset = np.where(played, np.cumsum(pairs.performance[own][:, IOI], dtype=np.float64), np.nan)
    chords = chords_between(score[:, PITCH], start, start + score[:, DURATION])
    clock = chord_onsets(chords, onset)
    return chords, parameters_of(chords, clock, time_map(chords, onset), performed[:, VELOCITY], performed[:, DURATION])
