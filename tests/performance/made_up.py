"""Made-up scores, and performances of them whose truth is known."""

import numpy as np

from pianist_jax.music.notes import Notes, normalise

NO_PEDAL = (np.zeros(0, np.int64), np.zeros(0, np.int16))


def make_notes(pitch, onset, duration) -> Notes:
    return Notes(pitch, onset, duration, np.full(len(pitch), 64), *NO_PEDAL)


def make_score(rng: np.random.Generator, chords: int = 200) -> Notes:
    """Chords of one to four notes on a grid of semiquavers."""
    onset = 125 * np.cumsum(rng.integers(1, 5, chords))
    sizes = rng.integers(1, 5, chords)
    pitch = np.concatenate([rng.choice(np.arange(40, 88), size, replace=False) for size in sizes])
    return normalise(make_notes(pitch, np.repeat(onset, sizes), np.full(sizes.sum(), 120)))[0]


def perform(rng: np.random.Generator, score: Notes) -> tuple[Notes, np.ndarray]:
    """A performance of wavering tempo, 3% missing, 2% wrong and 3% extra notes; and the truth."""
    stretched = 400 + score.onset * 1.2 + 400 * np.sin(score.onset / 4000)
    onset = np.rint(stretched).astype(np.int64) + rng.integers(0, 25, len(score))
    played = rng.random(len(score)) > 0.03
    wrong = played & (rng.random(len(score)) < 0.02)
    pitch = score.pitch + np.where(wrong, 1, 0)
    extra = rng.choice(len(score), len(score) * 3 // 100, replace=False)
    pitches = np.concatenate((pitch[played], pitch[extra] + 2))
    onsets = np.concatenate((onset[played], onset[extra] + 40))
    performance, index = normalise(make_notes(pitches, onsets, np.full(len(pitches), 90)))
    truth = np.full(len(score), -1)
    truth[played] = index[: played.sum()]
    truth[wrong] = -1
    return performance, truth


def in_a_row(*parts: Notes) -> Notes:
    """Pieces one after the other."""
    starts = np.cumsum([0, *(int(part.end.max()) for part in parts[:-1])])
    columns = [(part.pitch, part.onset + start, part.duration) for part, start in zip(parts, starts, strict=True)]
    return normalise(make_notes(*(np.concatenate(column) for column in zip(*columns, strict=True))))[0]
