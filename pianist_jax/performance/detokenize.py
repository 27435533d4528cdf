"""Performed tokens to performed notes, with what tokens cannot say put back. NumPy only.

Tokens end at 5 s: where the score's own gap or note is longer, the excess is added at the local tempo. Notes
correspond one to one with the score's and can be written to a MIDI file as they are.
"""

import dataclasses

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import DURATION, IOI, MAX_DURATION, MAX_IOI, SLOT_START, decode
from pianist_jax.performance.parameters import chords_of, clock_of
from pianist_jax.performance.playable import make_playable

TEMPO_NOTES = 16  # to either side, from which the local tempo is taken
TEMPO_PRIOR = 500.0  # ms at the score's own tempo that every estimate starts from
SLOWEST, FASTEST = 4.0, 0.25  # performed time per score time


def detokenize(score: Notes, performed_NS: np.ndarray) -> Notes:
    """The performance of a normalised score from its performed tokens, int [N, 8].

    Note i plays score note i; the first begins when the score's first does. A gap of more than 4990 ms or a note of
    more than 4999 ms in the score gets its excess back. A note still sounding when its pitch is struck again is
    released 1 ms before. The pedal is up after the last note.
    """
    values = performed_NS.astype(np.int64) - SLOT_START
    gap = values[:, IOI] + _gap_excess(score, values[:, IOI])
    gap[0] = score.onset[0]
    onset = np.cumsum(gap)
    duration = values[:, DURATION] + _duration_excess(score, onset)
    notes = decode(performed_NS)
    pedal_time = _move(notes.pedal_time, notes.onset, onset)
    return make_playable(dataclasses.replace(notes, onset=onset, duration=duration, pedal_time=pedal_time))


def local_slowness(score_gap: np.ndarray, performed_gap: np.ndarray) -> np.ndarray:
    """Performed time per score time around each note, float64 [N]; gaps the tokens had to cut do not count."""
    counted = score_gap <= MAX_IOI
    spans = []
    for gap in (performed_gap, score_gap):
        passed = np.concatenate([[0.0], np.cumsum(np.where(counted, gap, 0))])
        n = np.arange(len(gap))
        first, last = np.maximum(n - TEMPO_NOTES, 0), np.minimum(n + TEMPO_NOTES + 1, len(gap))
        spans.append(passed[last] - passed[first] + TEMPO_PRIOR)
    return np.clip(spans[0] / spans[1], FASTEST, SLOWEST)


def _gap_excess(score: Notes, performed_gap: np.ndarray) -> np.ndarray:
    """ms int64 [N] to add to the gap before each note; the silence before the first is not a gap."""
    score_gap = np.diff(score.onset, prepend=score.onset[:1])
    excess = np.maximum(score_gap - MAX_IOI, 0)
    return np.rint(excess * local_slowness(score_gap, performed_gap)).astype(np.int64)


def _duration_excess(score: Notes, onset: np.ndarray) -> np.ndarray:
    """ms int64 [N] to add to each duration: how long its part beyond 4999 score ms takes in the performance."""
    excess = np.zeros(len(score), np.int64)
    long = np.flatnonzero(score.duration > MAX_DURATION)
    if len(long):
        begin = score.onset[long] + MAX_DURATION
        passed = _performed_time(score, onset, score.end[long]) - _performed_time(score, onset, begin)
        excess[long] = np.rint(passed).astype(np.int64)
    return excess


def _performed_time(score: Notes, onset: np.ndarray, time: np.ndarray) -> np.ndarray:
    """When score times (ms) come in the performance: on a line between chords, at the last tempo after them."""
    chords = chords_of(score)
    slowness = local_slowness(np.diff(score.onset, prepend=score.onset[:1]), np.diff(onset, prepend=onset[:1]))[-1]
    beyond = np.maximum(time - chords.onset[-1], 0)
    return np.interp(time, chords.onset, clock_of(chords, onset)) + beyond * slowness


def _move(time: np.ndarray, old_onset: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """Times that lie between old onsets, moved to the same place between the new ones."""
    after = np.maximum(time - old_onset[-1], 0)
    return np.rint(np.interp(time, old_onset, onset.astype(np.float64)) + after).astype(np.int64)
