import shutil
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.data import prepare as prepare_room
from pianist_jax.data import shards
from pianist_jax.data.prepare import prepare
from pianist_jax.data.records import unpack_piece
from pianist_jax.data.shards import PreparedError, read_manifest, read_prepared, read_records
from pianist_jax.data.sources import Source, SourceError, find_source
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import normalise
from pianist_jax.music.tokens import SLOT_START, encode

ROLLS = find_source("rolls")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_stored_pieces_are_the_files_tokens(corpus: Path, tmp_path: Path):
    summary = prepare(corpus, tmp_path / "out", source=ROLLS, workers=1)
    prepared = read_prepared(tmp_path / "out")
    pieces = [unpack_piece(record) for record in read_records(prepared)]
    assert [piece.file for piece in pieces] == ["Années/a.MID", "b.midi", "c.mid"]
    assert [piece.pedal for piece in pieces] == ["continuous", "switch", "none"]
    for piece in pieces:
        tokens = encode(normalise(read_midi(corpus / piece.file))[0])
        tokens[0, 1] = SLOT_START[1]
        np.testing.assert_array_equal(piece.tokens, tokens)
        assert (piece.corpus, piece.kind) == ("rolls", "performance")
    assert (summary.pieces, summary.left_out) == (3, 2)
    assert summary.notes == sum(len(piece.tokens) for piece in pieces)
    assert prepared.source == ROLLS


def test_the_manifest_names_every_file_and_why_it_was_left_out(corpus: Path, tmp_path: Path):
    prepare(corpus, tmp_path / "out", source=ROLLS, workers=1)
    manifest = {line["file"]: line for line in read_manifest(tmp_path / "out")}
    assert list(manifest) == ["Années/a.MID", "b.midi", "c.mid", "damaged.mid", "short.mid"]
    assert "fewer than 64" in manifest["short.mid"]["left_out"]
    assert "damaged.mid: " in manifest["damaged.mid"]["left_out"]
    assert str(tmp_path) not in manifest["damaged.mid"]["left_out"]
    assert manifest["b.midi"]["pedal"] == "switch"
    # Without the silence that the file begins with.
    notes = normalise(read_midi(corpus / "Années" / "a.MID"))[0]
    assert manifest["Années/a.MID"]["seconds"] == (notes.end.max() - notes.onset[0]) / 1000
    assert manifest["Années/a.MID"]["notes"] == len(notes)


def test_a_corpus_recorded_without_pedal_has_none_in_any_file(corpus: Path, tmp_path: Path):
    prepare(corpus, tmp_path / "out", source=find_source("pop1k7"), workers=1)
    records = read_records(read_prepared(tmp_path / "out"))
    assert [unpack_piece(record).pedal for record in records] == ["none"] * 3
    assert read_manifest(tmp_path / "out")[0]["pedal"] == "continuous"  # as found


def test_an_unforeseen_error_costs_one_file(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail_on_b(path: Path):
        if path.name == "b.midi":
            raise ZeroDivisionError("unforeseen")
        return read_midi(path)

    monkeypatch.setattr(prepare_room, "read_midi", fail_on_b)
    assert prepare(corpus, tmp_path / "out", source=ROLLS, workers=1).pieces == 2
    assert read_manifest(tmp_path / "out")[1] == {
        "file": "b.midi",
        "left_out": "ZeroDivisionError: unforeseen",
    }


def test_same_files_same_bytes(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 11000)  # the third piece begins a second shard
    prepare(corpus, tmp_path / "one", source=ROLLS, workers=1)
    shutil.copytree(corpus, tmp_path / "elsewhere")
    prepare(tmp_path / "elsewhere", tmp_path / "two", source=ROLLS, workers=2)
    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "two")
    assert "records-00001-of-00002.array_record" in first
    assert len(list(read_records(read_prepared(tmp_path / "one")))) == 3


def test_a_run_that_fails_leaves_nothing(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_room, "_entry", stop)
    before = set(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        prepare(corpus, tmp_path / "out", source=ROLLS, workers=1)
    assert set(tmp_path.iterdir()) == before


def test_a_folder_that_exists_is_left_alone(corpus: Path, tmp_path: Path):
    with pytest.raises(PreparedError, match="exists already"):
        prepare(corpus, corpus, source=ROLLS, workers=1)
    with pytest.raises(SourceError):
        prepare(tmp_path / "nothing", tmp_path / "out", source=ROLLS, workers=1)
    assert not (tmp_path / "out").exists()


def test_damaged_prepared_folders_are_errors(corpus: Path, tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(PreparedError, match="prepare it first"):
        read_prepared(out)
    prepare(corpus, out, source=ROLLS, workers=1)
    shard = read_prepared(out).shards[0]
    data = shard.read_bytes()
    stored = [where for where, byte in enumerate(data) if byte]  # the rest is padding
    for where in stored[100 : len(stored) // 2 : 100]:
        shard.write_bytes(data[:where] + bytes([data[where] ^ 255]) + data[where + 1 :])
        with pytest.raises(PreparedError, match="damaged"):
            list(read_records(read_prepared(out)))
    shard.unlink()
    with pytest.raises(PreparedError, match="missing"):
        list(read_records(read_prepared(out)))
    (out / "description.json").write_text('{"format": 0}')
    with pytest.raises(PreparedError, match="format"):
        read_prepared(out)
    (out / "description.json").write_text('{"format": 1}')
    with pytest.raises(PreparedError, match="damaged"):
        read_prepared(out)


def test_a_record_lost_from_a_shard_is_noticed(tmp_path: Path):
    folder = tmp_path / "out"
    source = Source("mine", "score", "none", "CC0", 1.0)
    shards.write_prepared(folder, source, [(b"first", {"file": "a"}), (b"second", {"file": "b"})])
    assert list(read_records(read_prepared(folder))) == [b"first", b"second"]
    description = folder / "description.json"
    description.write_text(description.read_text().replace('"records": 2', '"records": 3'))
    with pytest.raises(PreparedError, match="2 of 3"):
        list(read_records(read_prepared(folder)))
