"""What each performance of a set of pairs makes of its score, as curves that performances can be averaged by."""

import numpy as np

from pianist_jax.data.parts import PairCorpus
from pianist_jax.music.tokens import DURATION, IOI, VELOCITY
from pianist_jax.performance.parameters import chords, curves_on

FURTHEST = (np.log(8.0), np.inf, np.log(16.0))  # from the median: what lies beyond is a misalignment


def pair_curves(pairs: PairCorpus) -> np.ndarray:
    """float16 [notes, 3]: gap, velocity and articulation (`performance.parameters`) of every note of every pair.

    A gap stands at the first note of its chord; a chord's time is the mean of its notes. Each curve is less its mean
    and in units of its standard deviation over all stretches of its performance. NaN where nothing is known: notes
    that nobody played, the other notes of a chord, and what is out of all proportion.
    """
    found = np.full((pairs.offsets[-1], 3), np.nan, np.float32)
    performances: dict[str, list[np.ndarray]] = {}
    for number, about in enumerate(pairs.metadata):
        own = slice(pairs.offsets[number], pairs.offsets[number + 1])
        performances.setdefault(f"{about['corpus']}/{about['file']}", []).append(np.arange(own.start, own.stop))
        found[own] = _stretch_curves(pairs.score.notes[own], pairs.performance[own], pairs.played[own])
    for stretches in performances.values():
        notes = np.concatenate(stretches)
        curves = found[notes]
        curves[np.abs(curves - np.nanmedian(curves, axis=0, keepdims=True)) > np.array(FURTHEST)] = np.nan
        mean, size = np.nanmean(curves, axis=0), np.nanstd(curves, axis=0)
        found[notes] = (curves - mean) / np.where(size > 0, size, 1.0)
    return found.astype(np.float16)


def _stretch_curves(score: np.ndarray, performance: np.ndarray, played: np.ndarray) -> np.ndarray:
    """float32 [N, 3] of values counted from 0, as they are stored."""
    start, onset = (np.cumsum(values[:, IOI], dtype=np.float64) for values in (score, performance))
    curves = np.full((len(start), 3), np.nan, np.float32)
    chord, first = chords(start)
    count = np.bincount(chord[played], minlength=len(first))
    clock = np.bincount(chord[played], onset[played], minlength=len(first)) / np.maximum(count, 1)
    known = np.flatnonzero(count)
    known = known[np.diff(clock[known], prepend=-1.0) > 0]  # two chords played at one time are a misalignment
    if len(known) < 2:
        return curves
    written, end = start[first], start + score[:, DURATION]
    own = curves_on(start, end, written[known], clock[known], performance[:, VELOCITY], performance[:, DURATION])
    neighbours = np.flatnonzero(np.diff(known) == 1)
    curves[first[known[neighbours]], 0] = own.gap[neighbours]
    curves[played, 1], curves[played, 2] = own.velocity[played], own.articulation[played]
    return curves
