"""The leak check on real music: played by humans, filed under names that tell nothing, known by their scores."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from pianist_jax.data.fingerprints import hold_out, pitch_shingles
from pianist_jax.data.prepare import Corpus, prepare
from pianist_jax.data.records import unpack_piece
from pianist_jax.data.shards import read_manifest, read_prepared, read_records
from pianist_jax.data.sources import own_source
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import normalise
from pianist_jax.music.tokens import decode


@pytest.mark.slow
def test_no_validation_composition_is_in_any_training_shard(tmp_path: Path):
    """All performances of the validation split, and as many of the training split, in one corpus of numbers."""
    if "PIANIST_DATA" not in os.environ:
        pytest.skip("PIANIST_DATA names no folder with asap/")
    asap = Path(os.environ["PIANIST_DATA"], "asap")
    with (asap / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    validation = [row for row in rows if row["split"] == "validation"]
    train = [row for row in rows if row["split"] == "train"][:: len(rows) // len(validation)]
    for folder in ("scores", "files"):
        (tmp_path / folder).mkdir()
    scores = sorted({row["midi_score"] for row in validation})
    for number, score in enumerate(scores):
        shutil.copy(asap / score, tmp_path / "scores" / f"{number}.mid")
    for number, row in enumerate([*validation, *train]):
        shutil.copy(asap / row["midi_performance"], tmp_path / "files" / f"{number:03}.mid")
    held = [Corpus(own_source("scores", "score"), str(tmp_path / "scores"))]
    files = Corpus(own_source("files", "performance"), str(tmp_path / "files"))
    (summary,) = prepare([files], tmp_path / "out", held_out=held, workers=2)
    left_out = {line["file"] for line in read_manifest(summary.folder) if "held out" in line.get("left_out", "")}
    assert left_out == {f"{number:03}.mid" for number in range(len(validation))}  # every one, and no other
    assert summary.pieces > len(train) * 0.9
    # By content of what the shards hold, whatever the manifest says.
    fingerprints = hold_out((score, pitch_shingles(normalise(read_midi(asap / score))[0].pitch)) for score in scores)
    pieces = [unpack_piece(record) for record in read_records(read_prepared(summary.folder))]
    assert len(pieces) == summary.pieces
    assert [piece.file for piece in pieces if fingerprints.find(decode(piece.tokens))] == []
