"""Small invented corpora."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import Notes, normalise


def invented_notes(seed: int, notes: int = 200, pedal_values: tuple[int, ...] = (), start: int = 0) -> Notes:
    """Normalised notes with chords and, where values are given, a pedal of these."""
    rng = np.random.default_rng(seed)
    onset = start + np.cumsum(rng.choice([0, 0, 40, 260, 700], notes))
    end = int(onset[-1]) + 500
    events = 50 if pedal_values else 0
    raw = Notes(
        pitch=rng.integers(21, 109, notes),
        onset=onset,
        duration=rng.integers(1, 3000, notes),
        velocity=rng.integers(1, 128, notes),
        pedal_time=np.sort(rng.integers(0, end, events)),
        pedal_value=np.resize(np.array(pedal_values, np.int64), events),
    )
    return normalise(raw)[0]


def notes_without_pedal(pitch: ArrayLike, onset: ArrayLike, duration: ArrayLike, velocity: ArrayLike) -> Notes:
    """Normalised notes of four columns of integers."""
    a, b, c, d = (np.asarray(column, np.int64) for column in (pitch, onset, duration, velocity))
    nothing = np.zeros(0, np.int64)
    return normalise(Notes(a, b, c, d, nothing, nothing))[0]


def one_after_another(first: Notes, second: Notes, gap: int) -> Notes:
    """Two pieces as one, the second `gap` ms after the first has begun to."""
    later = (second.pitch, second.onset + gap, second.duration, second.velocity)
    earlier = (first.pitch, first.onset, first.duration, first.velocity)
    return notes_without_pedal(*(np.concatenate(columns) for columns in zip(earlier, later, strict=True)))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with a recording, a piece with an on/off pedal, one without, one too short, one damaged."""
    folder = tmp_path / "corpus"
    (folder / "Années").mkdir(parents=True)
    write_midi(folder / "Années" / "a.MID", invented_notes(1, pedal_values=tuple(range(0, 128, 7)), start=5000))
    write_midi(folder / "b.midi", invented_notes(2, 900, pedal_values=(0, 127)))
    write_midi(folder / "c.mid", invented_notes(3, 90))
    write_midi(folder / "short.mid", invented_notes(4, 20))
    whole = (folder / "b.midi").read_bytes()
    (folder / "damaged.mid").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("not music")
    (folder / "._a.mid").write_bytes(b"\0\5\26\7")
    return folder
