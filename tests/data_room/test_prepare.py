import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.data import entries as entries_room
from pianist_jax.data import prepare as prepare_room
from pianist_jax.data import shards
from pianist_jax.data.fingerprints import hold_out, pitch_shingles
from pianist_jax.data.prepare import Corpus, Summary, prepare
from pianist_jax.data.records import unpack_piece
from pianist_jax.data.shards import PreparedError, read_manifest, read_prepared, read_records, read_shard
from pianist_jax.data.sources import Source, SourceError, find_source, own_source
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import notes_of_bytes, read_midi, write_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import SLOT_START, decode, encode
from tests.data_room.conftest import invented_notes, notes_without_pedal, one_after_another
from tests.data_room.made_shards import write_prepared

ROLLS = find_source("rolls")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made(corpus: Path, out: Path, source: Source = ROLLS, **options) -> Summary:
    (summary,) = prepare([Corpus(source, str(corpus))], out, **{"workers": 1, **options})
    return summary


def left_out(folder: Path) -> dict[str, str]:
    return {line["file"]: line["left_out"] for line in read_manifest(folder) if "left_out" in line}


def test_stored_pieces_are_the_files_tokens(corpus: Path, tmp_path: Path):
    summary = made(corpus, tmp_path / "out")
    prepared = read_prepared(tmp_path / "out" / "rolls")
    pieces = [unpack_piece(record) for record in read_records(prepared)]
    assert [piece.file for piece in pieces] == ["Années/a.MID", "b.midi", "c.mid"]
    assert [piece.pedal for piece in pieces] == ["continuous", "switch", "none"]
    for piece in pieces:
        tokens = encode(normalise(read_midi(corpus / piece.file))[0])
        tokens[0, 1] = SLOT_START[1]
        np.testing.assert_array_equal(piece.tokens, tokens)
        assert (piece.corpus, piece.kind) == ("rolls", "performance")
    assert (summary.pieces, summary.left_out) == (3, {"too short": 1, "unreadable": 1})
    assert summary.notes == sum(len(piece.tokens) for piece in pieces)
    assert prepared.source == ROLLS


def test_the_manifest_names_every_file_and_why_it_was_left_out(corpus: Path, tmp_path: Path):
    made(corpus, tmp_path / "out")
    manifest = {line["file"]: line for line in read_manifest(tmp_path / "out" / "rolls")}
    assert list(manifest) == ["Années/a.MID", "b.midi", "c.mid", "damaged.mid", "short.mid"]
    assert manifest["short.mid"]["left_out"] == "too short: 20 notes, fewer than 64"
    assert manifest["damaged.mid"]["left_out"].startswith("unreadable: damaged.mid: truncated")
    assert str(tmp_path) not in manifest["damaged.mid"]["left_out"]
    assert manifest["b.midi"]["pedal"] == "switch"
    # Without the silence that the file begins with.
    notes = normalise(read_midi(corpus / "Années" / "a.MID"))[0]
    assert manifest["Années/a.MID"]["seconds"] == (notes.end.max() - notes.onset[0]) / 1000
    assert manifest["Années/a.MID"]["notes"] == len(notes)
    assert {line["kind"] for line in manifest.values()} == {"performance"}
    assert len({line.get("content") for line in manifest.values()}) == 5


def test_a_corpus_recorded_without_pedal_has_none_in_any_file(corpus: Path, tmp_path: Path):
    made(corpus, tmp_path, find_source("pop1k7"))
    records = read_records(read_prepared(tmp_path / "pop1k7"))
    assert [unpack_piece(record).pedal for record in records] == ["none"] * 3
    assert read_manifest(tmp_path / "pop1k7")[0]["pedal"] == "continuous"  # as found


def test_an_unforeseen_error_costs_one_file(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail_on_b(name: str, *arguments):
        if name == "b.midi":
            raise ZeroDivisionError("unforeseen")
        return notes_of_bytes(name, *arguments)

    monkeypatch.setattr(entries_room, "notes_of_bytes", fail_on_b)
    assert made(corpus, tmp_path / "out").pieces == 2
    assert left_out(tmp_path / "out" / "rolls")["b.midi"] == "unreadable: ZeroDivisionError: unforeseen"


def test_a_file_that_vanishes_costs_one_file(corpus: Path, tmp_path: Path):
    (corpus / "link.mid").symlink_to(corpus / "nothing")
    assert made(corpus, tmp_path / "out").pieces == 3
    assert "unreadable: " in left_out(tmp_path / "out" / "rolls")["link.mid"]


def test_same_files_same_bytes(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 11000)  # the third piece begins a second shard
    made(corpus, tmp_path / "one")
    shutil.copytree(corpus, tmp_path / "elsewhere")
    made(tmp_path / "elsewhere", tmp_path / "two", workers=2)
    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "two")
    assert "rolls/records-00001-of-00002.array_record" in first
    assert len(list(read_records(read_prepared(tmp_path / "one" / "rolls")))) == 3


# Many corpora at once


def test_a_recording_is_taken_once_whatever_it_is_called(tmp_path: Path):
    """The longest of those that share a recording stays: here a recital of two pieces that come by themselves too."""
    first, second = invented_notes(1, 300), invented_notes(2, 250)
    softer = notes_without_pedal(first.pitch, first.onset, first.duration, np.maximum(first.velocity - 9, 1))
    files = {
        "a/first": first,
        "a/second": second,
        "b/recital": one_after_another(first, second, 400_000),
        "b/again": notes_without_pedal(first.pitch, first.onset + 1234, first.duration, first.velocity),
        "b/softer": softer,
    }
    for name, notes in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_midi(tmp_path / f"{name}.mid", notes)
    corpora = [Corpus(own_source(name, "performance"), str(tmp_path / name)) for name in "ab"]
    summaries = prepare(corpora, tmp_path / "out", workers=1)
    assert [(each.folder.name, each.pieces, each.left_out) for each in summaries] == [
        ("a", 0, {"duplicate": 2}),
        ("b", 2, {"duplicate": 1}),
    ]
    assert left_out(tmp_path / "out" / "a") == dict.fromkeys(
        ("first.mid", "second.mid"), "duplicate: the recording of b/recital.mid again"
    )
    assert [*left_out(tmp_path / "out" / "b")] == ["again.mid"]


def test_nothing_of_a_held_out_piece_is_trained_on(tmp_path: Path):
    """Whatever the file is called, in any key and tempo, played or quantised, or within something longer."""
    score = invented_notes(1, 400)
    (tmp_path / "held").mkdir()
    write_midi(tmp_path / "held" / "sonata.mid", score)
    rng = np.random.default_rng(0)
    slow = 1.7 * score.onset + np.cumsum(rng.uniform(0, 30, len(score)))
    human = notes_without_pedal(score.pitch - 1, slow, score.duration, rng.integers(1, 128, len(score)))
    other = invented_notes(2, 900)
    part = [column[100:200] for column in (human.pitch, human.onset, human.duration, human.velocity)]
    files = {
        "improvisation": human,
        "recital": one_after_another(other, human, int(other.end.max())),
        "excerpt": notes_without_pedal(*part),
        "other": other,
    }
    (tmp_path / "corpus").mkdir()
    for name, notes in files.items():
        write_midi(tmp_path / "corpus" / f"{name}.mid", notes)
    held = [Corpus(own_source("held", "score"), str(tmp_path / "held"))]
    source = own_source("mine", "performance")
    summary = made(tmp_path / "corpus", tmp_path / "out", source, held_out=held)
    assert summary.left_out == {"held out": 3}
    assert sorted(left_out(tmp_path / "out" / "mine")) == ["excerpt.mid", "improvisation.mid", "recital.mid"]
    assert summary.pieces == 1
    assert "with held/sonata.mid" in left_out(tmp_path / "out" / "mine")["recital.mid"]
    (tmp_path / "held" / "sonata.mid").write_bytes(b"")
    with pytest.raises(SourceError, match="nothing in it can be held out"):
        made(tmp_path / "corpus", tmp_path / "again", source, held_out=held)


def test_splits_go_by_composition_and_no_training_shard_holds_one_to_validate_on(tmp_path: Path):
    """The leak check, over what was prepared: by content, as the shards have it."""
    for piece in range(12):
        score = invented_notes(piece, 150)
        for player in range(2):
            rng = np.random.default_rng([piece, player])
            notes = notes_without_pedal(score.pitch, score.onset, score.duration, rng.integers(1, 128, len(score)))
            # Of half the pieces the second player is filed under another name.
            name = f"piece{piece}_score_{player}" if piece % 2 or not player else f"unknown{piece}"
            (tmp_path / "corpus").mkdir(exist_ok=True)
            write_midi(tmp_path / "corpus" / f"{name}.mid", notes)
    source = find_source("pianocore-scores")
    summary = made(tmp_path / "corpus", tmp_path / "out", source, validation=0.4)
    prepared = read_prepared(tmp_path / "out" / source.name)
    validation = [unpack_piece(record) for shard in prepared.validation for record in read_shard(shard)]
    train = [unpack_piece(record) for record in read_records(prepared)]
    assert (len(train), len(validation)) == (summary.pieces, summary.validation)
    assert len(train) > 4
    assert len(validation) > 4
    assert summary.left_out["held out"] > 0  # under another name
    held = hold_out((piece.file, pitch_shingles(as_notes(piece.tokens).pitch)) for piece in validation)
    assert [piece.file for piece in train if held.find(as_notes(piece.tokens))] == []
    split = {line["file"]: (line["composition"], line["split"]) for line in read_manifest(prepared.folder)}
    assert len(set(split.values())) == len({composition for composition, _ in split.values()})


def as_notes(tokens: np.ndarray) -> Notes:
    return decode(tokens)


# Runs that are stopped

KILLED = """
import os, signal, sys
from pathlib import Path
from pianist_jax.data import prepare as room
from pianist_jax.data.sources import own_source
room.BATCH = 2
left = int(sys.argv[3])
def deadly(do):
    def done(self, target):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)  # the file is written and has not got its name
        return do(self, target)
    return done
Path.replace, Path.rename = deadly(Path.replace), deadly(Path.rename)
corpora = [room.Corpus(own_source(Path(root).name, "performance"), root) for root in sys.argv[4:]]
room.prepare(corpora, Path(sys.argv[2]), workers=1)
"""


@pytest.mark.parametrize("after", [0, 2, 4, 5, 6, 7])
def test_a_killed_run_goes_on_and_does_nothing_twice(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
):
    """Killed at its first, third … file: of four batches (0-3), two shards (4, 5) and two folders (6, 7)."""
    monkeypatch.setattr(prepare_room, "BATCH", 2)
    other = tmp_path / "other"
    other.mkdir()
    write_midi(other / "d.mid", invented_notes(9, 100))
    roots, root = [str(corpus), str(other)], Path(__file__).parents[2]
    command = [sys.executable, "-c", KILLED, "", str(tmp_path / "out"), str(after), *roots]
    done = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    calls: list[str] = []

    def counted(name: str) -> Callable:
        do = getattr(prepare_room, name)

        def counting(*given: object) -> None:
            calls.append(name)
            do(*given)

        return counting

    for name in ("_make_batch", "_make_shard"):
        monkeypatch.setattr(prepare_room, name, counted(name))
    corpora = [Corpus(own_source(Path(each).name, "performance"), each) for each in roots]
    prepare(corpora, tmp_path / "out", workers=1)
    assert calls == ["_make_batch"] * max(4 - after, 0) + ["_make_shard"] * min(max(6 - after, 0), 2)
    whole = prepare(corpora, tmp_path / "whole", workers=1)
    assert [each.pieces for each in whole] == [3, 1]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    calls.clear()
    assert [each.pieces for each in prepare(corpora, tmp_path / "out", workers=1)] == [3, 1]
    assert calls == []


def test_a_damaged_batch_is_an_error_that_names_it(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_room, "settle", stop)
    with pytest.raises(KeyboardInterrupt):
        made(corpus, tmp_path / "out")
    (batch,) = (tmp_path / "out").rglob("batch-*.npz")
    batch.write_bytes(batch.read_bytes()[:100])
    with pytest.raises(PianistError, match=f"{batch}: damaged"):
        made(corpus, tmp_path / "out")


def test_a_folder_made_of_something_else_is_left_alone(corpus: Path, tmp_path: Path):
    (tmp_path / "out" / "rolls").mkdir(parents=True)  # one that is empty is no obstacle
    made(corpus, tmp_path / "out")
    before = contents(tmp_path / "out")
    (corpus / "c.mid").unlink()
    with pytest.raises(PreparedError, match="exists already"):
        made(corpus, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    with pytest.raises(SourceError):
        made(tmp_path / "nothing", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(SourceError, match="twice"):
        prepare([Corpus(ROLLS, str(corpus))] * 2, tmp_path / "other", workers=1)


def test_damaged_prepared_folders_are_errors(corpus: Path, tmp_path: Path):
    out = tmp_path / "out" / "rolls"
    with pytest.raises(PreparedError, match="prepare it first"):
        read_prepared(out)
    made(corpus, tmp_path / "out")
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
    write_prepared(folder, source, [(b"first", {"file": "a"}), (b"second", {"file": "b"})])
    assert list(read_records(read_prepared(folder))) == [b"first", b"second"]
    description = folder / "description.json"
    description.write_text(description.read_text().replace('"records": 2', '"records": 3'))
    with pytest.raises(PreparedError, match="2 of 3"):
        list(read_records(read_prepared(folder)))


def test_folders_prepared_before_there_were_validation_splits_are_read(tmp_path: Path):
    folder = tmp_path / "out"
    write_prepared(folder, ROLLS, [(b"first", {"file": "a"})])
    description = folder / "description.json"
    lines = [line for line in description.read_text().splitlines() if "validation" not in line and "run" not in line]
    description.write_text("\n".join(lines).replace("],\n}", "]\n}"))
    prepared = read_prepared(folder)
    assert (prepared.validation, prepared.run, list(read_records(prepared))) == ((), "", [b"first"])
