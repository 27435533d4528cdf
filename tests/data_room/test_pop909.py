"""POP909 laid on its quantised scores, on songs made up for it."""

import dataclasses
from pathlib import Path

import miditoolkit
import numpy as np
import pytest

from pianist_jax.data.pairs import Outcome
from pianist_jax.data.pop909 import make_pop_pairs
from pianist_jax.data.prepare import draw_split
from pianist_jax.data.records import unpack_pair
from pianist_jax.data.shards import read_shard
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import METRE, SLOT_START

TRACKS = ("MELODY", "BRIDGE", "PIANO")


def song(path: Path, seed: int, swing: bool, notes: int = 60) -> None:
    """A song of three tracks, 90 notes: as written on a grid of 240 ticks, or played with a swing of some ticks."""
    rng = np.random.default_rng(seed)
    file = miditoolkit.MidiFile(ticks_per_beat=480)
    file.tempo_changes = [miditoolkit.TempoChange(100 if not swing else 75, 0)]
    late = np.random.default_rng(seed + 1).integers(0, 40, 3 * notes) * swing
    for track, name in enumerate(TRACKS):
        own = miditoolkit.Instrument(0, name=name)
        for k in range(notes // 2 if track else notes):
            start = int(240 * (2 * k if track else k) + late[track * notes + k])
            pitch = int(48 + 12 * (2 - track) + rng.integers(0, 10))
            own.notes.append(miditoolkit.Note(int(50 + 20 * swing), pitch, start, start + 200))
        if swing:
            own.control_changes.append(miditoolkit.ControlChange(64, 127, 400))
        file.instruments.append(own)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.dump(str(path))


@pytest.fixture
def folders(tmp_path):
    for number in range(1, 5):
        song(tmp_path / f"pop/{number:03d}/{number:03d}.mid", number, swing=True)
        song(tmp_path / f"pop/{number:03d}/versions/{number:03d}.mid", number + 50, swing=True)
    for number in range(1, 4):
        song(tmp_path / f"scores/{number:03d}.mid", number if number < 3 else 99, swing=False)
    return tmp_path


def test_songs_are_laid_on_their_scores(folders):
    told: list[Outcome] = []
    made = make_pop_pairs(folders / "pop", folders / "scores", folders / "pairs", validation=0.5, report=told.append)
    assert [outcome.composition for outcome in made] == ["001", "002", "003"]
    assert told == made
    assert [bool(outcome.left_out) for outcome in made] == [False, False, True]  # 003 has the score of another song
    assert [outcome.split for outcome in made] == [draw_split(name, 0.5) for name in ("001", "002", "003")]
    records = [
        record for split in ("train", "validation")
        for record in read_shard(folders / f"pairs/{split}.array_record")
    ]  # fmt: skip
    assert len(records) == 2
    for record in records:
        (score, columns, _), performance, metadata = unpack_pair(record)
        assert metadata["corpus"] == "pop909"
        assert metadata["pedal"] == "switch"
        assert len(score) == 120
        onset = np.cumsum(score[:, 1] - SLOT_START[1])
        assert (onset % 300 == 0).all()  # quavers at 100 a minute
        assert (score[:, 2] - SLOT_START[2] == 64).all()
        assert (performance[:, 2] - SLOT_START[2] == 70).all()
        assert np.cumsum(performance[:, 1] - SLOT_START[1])[-1] == pytest.approx(onset[-1] * 100 / 75, abs=80)
        column = dict(zip(METRE, columns.T, strict=True))
        assert not column["bar"].any()
        assert column["beat"].all()
        assert not column["hand"].any()
    manifest = (folders / "pairs/manifest.csv").read_text().splitlines()
    assert len(manifest) == 4


def test_a_song_that_cannot_be_read_is_named(folders):
    (folders / "pop/002/002.mid").write_bytes(b"nonsense")
    made = make_pop_pairs(folders / "pop", folders / "scores", folders / "pairs")
    assert [bool(outcome.left_out) for outcome in made] == [False, True, True]
    assert str(folders) not in made[1].left_out
    assert dataclasses.asdict(made[1])["notes"] == 0


def test_no_songs(tmp_path):
    with pytest.raises(PianistError, match=r"no NNN\.mid"):
        make_pop_pairs(tmp_path, tmp_path, tmp_path / "out")
