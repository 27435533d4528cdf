"""Controls: playing that an honest suite must tell from a human's.

All take and give performances that are 1:1 with the N notes of the score, in score order: notes, or tokens
int32[N, 8] where tokens are mixed up. No single metric catches all of them (beside the left-out human,
on 14 validation compositions with 81 performances):

score        caught by r of log_ioi and log_articulation, variance_match, pedal_f1, histograms;
             by r of velocity in part only (0.38: written dynamics)
deadpan      caught by every r (0), variance_match (0), pedal_f1, histograms; wasserstein sees little of it
rules        (`rules`) caught by r of log_ioi and log_articulation, every agreement, pedal_f1; hardly by r of velocity
shuffled     caught by r, r2, wasserstein, pedal_f1; missed by the histograms, which take it for a human,
             by variance_match of velocity and by pedal_down_error
blind        caught by r, r2, wasserstein, pedal_f1; by the histograms in part only (∩ 0.88, a human 0.95)
halved       caught by variance_match and the histograms; missed by every r; r2 and wasserstein *reward* it
doubled      caught by r2, wasserstein, variance_match, histograms; missed by every r and the pedal
jittered     caught by r, r2, wasserstein and variance_match of log_ioi, by chord_spread_error, and by the
             histogram of IOIs; hardly by log_articulation; missed by velocity and the pedal
other piece  caught by r, r2, wasserstein, pedal_f1; by the histograms in part only (∩ 0.92)

So r says whether the shape is right and variance_match whether its size is; `agreement`, their product, catches
all of them in the curve they spoil, and the composite is made of it. r2 and wasserstein prefer a timid copy to a
human. Chance is not 0 everywhere: what has nothing to do with the music reaches an r of 0.2 in log_articulation
and 0.1 in log_ioi (a score that asks for short notes or short gaps moves everybody's ratio), and 0.15 in pedal_f1.

`CAUGHT_BY` and `MISSED_BY` hold what a test asserts of humans and controls. Candidates stand above the
controls by all of `CAUGHT_BY` but what `UNRANKED` names, and below the humans in the total: wasserstein likes the
timid, so that on a few pieces the flat score can come closer than a model whose timing has the right size; and a
human with jitter is still a human, whom a model need not reach in the shape of timing. By one metric alone a
candidate may stand above a left-out human: what is nearly a mean is nearer to the mean than anybody.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pianist_jax.evaluation.distributions import as_tokens
from pianist_jax.evaluation.pieces import Played
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import FIRST_PITCH, PITCH, SLOTS
from pianist_jax.performance.parameters import TimeMap, chord_onsets, chords_of, deal, time_map

_SHAPES = ("velocity_r_single", "log_ioi_r_single", "log_articulation_r_single")
_SIZES = ("velocity_variance_match", "log_ioi_variance_match", "log_articulation_variance_match")
_FITS = ("velocity_r2_single", "log_ioi_r2_single", "log_articulation_r2_single")
_DISTANCES = ("velocity_wasserstein", "log_ioi_wasserstein", "log_articulation_wasserstein")
_AGREEMENTS = ("velocity_agreement", "log_ioi_agreement", "log_articulation_agreement")
_WRONG_NOTES = (*_SHAPES, *_FITS, *_DISTANCES, *_AGREEMENTS, "pedal_f1")

CAUGHT_BY: dict[str, tuple[str, ...]] = {
    "score": (*_SHAPES, *_SIZES, *_DISTANCES, *_AGREEMENTS, "pedal_f1"),
    "deadpan": (*_SHAPES, *_SIZES, *_DISTANCES, *_AGREEMENTS, "pedal_f1"),
    "rules": ("log_ioi_r_single", "log_articulation_r_single", *_AGREEMENTS, "pedal_f1"),
    "shuffled": _WRONG_NOTES,
    "blind": _WRONG_NOTES,
    "halved": (*_SIZES, *_AGREEMENTS),
    "doubled": (*_SIZES, *_FITS, *_DISTANCES, *_AGREEMENTS),
    "jittered": (
        "log_ioi_r_single",
        "log_ioi_r2_single",
        "log_ioi_wasserstein",
        "log_ioi_variance_match",
        "log_ioi_agreement",
        "chord_spread_error",
    ),
    "other piece": _WRONG_NOTES,
}
MISSED_BY: dict[str, tuple[str, ...]] = {
    "shuffled": ("velocity_variance_match", "intersection_overall"),
    "halved": (*_SHAPES, *_FITS, *_DISTANCES, "pedal_f1"),
    "doubled": (*_SHAPES, "pedal_f1"),
    "jittered": ("velocity_r_single", "velocity_wasserstein", "velocity_agreement", "pedal_f1"),
}
UNRANKED: dict[str, tuple[str, ...]] = {
    "score": _DISTANCES,
    "deadpan": _DISTANCES,
    "doubled": _DISTANCES,
    "jittered": ("log_ioi_r_single", "log_ioi_wasserstein", "log_ioi_agreement"),
}

DEADPAN_VELOCITY = 64
JITTER = 30.0  # ms, standard deviation


def deadpan(score: Notes) -> Notes:
    """The score's own times, one velocity, no pedal."""
    nothing = np.zeros(0, np.int64)
    velocity = np.full(len(score), DEADPAN_VELOCITY, np.int16)
    return replace(score, velocity=velocity, pedal_time=nothing, pedal_value=nothing)


def complete(score: Notes, human: Played) -> Notes:
    """A human performance 1:1 with the score.

    Notes that were not played are put where the human's time map has them, with the velocity of their
    neighbours and the human's median articulation.
    """
    chords = chords_of(score)
    playing = deal(human.notes, human.match)
    mapped = time_map(chords, playing.onset)
    start, end = mapped.to_performed(chords.start), mapped.to_performed(chords.end)
    played = np.flatnonzero(human.match >= 0)
    articulation = np.median((playing.end - playing.onset)[played] / (end - start)[played])
    absent = np.isnan(playing.onset)
    onset = np.where(absent, start, playing.onset)
    duration = np.where(absent, (end - start) * articulation, playing.end - playing.onset)
    velocity = np.interp(np.arange(len(score)), played, playing.velocity[played])
    return _assemble(score, onset, duration, velocity, human.notes.pedal_time, human.notes.pedal_value)


def _assemble(
    score: Notes,
    onset: np.ndarray,
    duration: np.ndarray,
    velocity: np.ndarray,
    pedal_time: np.ndarray,
    pedal_value: np.ndarray,
) -> Notes:
    """Notes of rounded columns, moved so that none begins before 0."""
    late = max(0, -int(np.floor(onset.min())))
    return Notes(
        pitch=score.pitch,
        onset=np.rint(onset).astype(np.int64) + late,
        duration=np.maximum(np.rint(duration), 1).astype(np.int64),
        velocity=np.clip(np.rint(velocity), 1, 127).astype(np.int16),
        pedal_time=np.rint(pedal_time).astype(np.int64) + late,
        pedal_value=pedal_value,
    )


def _with_pitches(tokens: np.ndarray, score: Notes) -> np.ndarray:
    tokens = tokens.copy()
    tokens[:, PITCH] = score.pitch + FIRST_PITCH
    return tokens


def shuffled(performance: Notes, rng: np.random.Generator) -> np.ndarray:
    """The tokens of a performance in random order under its own pitches.

    The first note stays, so that every histogram of arXiv 2512.02652 is unchanged.
    """
    tokens = as_tokens(performance)
    order = np.concatenate([[0], 1 + rng.permutation(len(tokens) - 1)])
    return _with_pitches(tokens[order], performance)


def blind(score: Notes, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every field of every note drawn by itself from `pool` int[M, 8], tokens of training humans.

    The four pedal samples of a note are drawn together.
    """
    drawn = pool[rng.integers(len(pool), size=len(score))]
    for fields in (["ioi"], ["velocity"], ["duration"]):
        columns = [SLOTS.index(name) for name in fields]
        drawn[:, columns] = pool[rng.integers(len(pool), size=len(score))][:, columns]
    return _with_pitches(drawn, score)


def borrowed(score: Notes, other: Notes) -> np.ndarray:
    """How a human plays another piece, put on this score token by token, begun again where it is shorter."""
    tokens = as_tokens(other)
    return _with_pitches(tokens[np.arange(len(score)) % len(tokens)], score)


def jittered(performance: Notes, rng: np.random.Generator, size: float = JITTER) -> Notes:
    """Every onset moved by a normal deviate of `size` ms; lengths, velocities and pedal as played."""
    moved = performance.onset + rng.normal(0.0, size, len(performance))
    return _assemble(
        performance,
        moved,
        performance.duration,
        performance.velocity,
        performance.pedal_time,
        performance.pedal_value,
    )


def scaled(score: Notes, performance: Notes, factor: float) -> Notes:
    """Halved (0.5) or doubled (2) expression.

    The deviations of velocity, log local tempo and log articulation from their means, and of the notes of a
    chord from its onset, times `factor`. The length of the performance stays; the pedal keeps its place in
    the score.
    """
    chords = chords_of(score)
    playing = deal(performance, np.arange(len(score)))
    old = time_map(chords, playing.onset)
    old_onsets = old.to_performed(chords.onset)
    new_onsets = _scaled_times(chords.onset, old_onsets, factor)
    new = TimeMap(chords.onset, new_onsets)
    articulation = np.log(performance.duration / old.lengths(chords))
    articulation = articulation.mean() + factor * (articulation - articulation.mean())
    loudness = performance.velocity.mean() + factor * (performance.velocity - performance.velocity.mean())
    within_chord = performance.onset - chord_onsets(chords, playing.onset)[chords.of]
    return _assemble(
        score,
        new_onsets[chords.of] + factor * within_chord,
        np.exp(articulation) * new.lengths(chords),
        loudness,
        new.to_performed(old.to_score(performance.pedal_time)),
        performance.pedal_value,
    )


def _scaled_times(score: np.ndarray, performed: np.ndarray, factor: float) -> np.ndarray:
    if len(score) < 2:
        return performed
    tempo = np.log(np.diff(performed) / np.diff(score))
    middle = np.average(tempo, weights=np.diff(score))
    steps = np.diff(score) * np.exp(middle + factor * (tempo - middle))
    times = np.concatenate([[0.0], np.cumsum(steps)])
    return performed[0] + times * (performed[-1] - performed[0]) / times[-1]
