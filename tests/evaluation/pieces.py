"""Small pieces with invented humans, for the tests of this room."""

import numpy as np

from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.music.notes import Notes


def notes(onset, duration=None, velocity=None, pitch=None, pedal=()):
    """Notes of lists; `pedal` holds (ms, value) pairs."""
    size = len(onset)
    return Notes(
        pitch=np.asarray(pitch if pitch is not None else 60 + np.arange(size) % 24),
        onset=np.asarray(onset),
        duration=np.asarray(duration if duration is not None else np.full(size, 100)),
        velocity=np.asarray(velocity if velocity is not None else np.full(size, 64)),
        pedal_time=np.array([time for time, _ in pedal], np.int64),
        pedal_value=np.array([value for _, value in pedal], np.int16),
    )


def invented_piece(rng, size=600, humans=4, name="piece", pedal=True, individual=0.5, with_shared=False):
    """A score of single notes and chords, and humans who share an interpretation and add their own.

    `with_shared` also gives what they share: curves of loudness [N], of tempo [O − 1], of articulation [N], and the
    onsets at which the pedal changes.
    """
    onset = np.sort(rng.integers(1, size // 2, size)) * 250
    pitch = np.concatenate([40 + np.arange(count) for count in np.unique(onset, return_counts=True)[1]])
    score = notes(onset - onset[0], np.full(size, 240), np.full(size, 80), pitch)
    onsets = np.unique(score.onset)
    shared = [rng.normal(size=length) for length in (size, len(onsets) - 1, size)]
    shared.append(rng.permutation(len(onsets))[: len(onsets) // 6])
    match = np.arange(size, dtype=np.int64)
    played = []
    for index in range(humans):
        performance = invented_performance(rng, score, shared, individual, pedal)
        played.append(Played(f"human {index}", performance, match))
    piece = PlayedPiece(name, name, score, tuple(played))
    return (piece, shared) if with_shared else piece


def invented_performance(rng, score, shared, individual, pedal=True):
    """A performance of shared curves and, added to them, `individual` times its own; so for the pedal's changes."""
    onsets, group = np.unique(score.onset, return_inverse=True)
    *curves, changes = shared
    own = [curve + individual * rng.normal(size=len(curve)) for curve in curves]
    times = 500 + np.concatenate([[0], np.cumsum(np.diff(onsets) * np.exp(0.2 * own[1]))])
    at = np.rint(times[group]).astype(np.int64)
    ends = np.interp(score.end, onsets, times)
    length = np.maximum(np.rint((ends - at + 100) * np.exp(0.3 * own[2])), 1).astype(np.int64)
    velocity = np.clip(np.rint(64 + 12 * own[0]), 1, 127).astype(np.int64)
    elsewhere = rng.integers(len(onsets), size=len(changes))
    changes = np.unique(np.where(rng.random(len(changes)) < 0.4 * individual, elsewhere, changes))
    lifted = [(int(time) + late, value) for time in times[changes] for late, value in ((10, 0), (130, 127))]
    return notes(at, length, velocity, score.pitch, sorted([(0, 127), *lifted]) if pedal else [])
