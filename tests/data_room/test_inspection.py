"""What `pianist data` and `pianist align` show: tables against made-up shards, files that open, plain errors."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pianist_jax import cli
from pianist_jax.data.inspection import BETWEEN_SEGMENTS, find_folders, inspect, table, window_notes
from pianist_jax.data.pipeline import make_loader
from pianist_jax.data.prepare import Corpus, prepare
from pianist_jax.data.sources import find_source
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.tokens import LAST_GAP, SLOT_START, encode
from tests.data_room.conftest import invented_notes
from tests.data_room.made_shards import ROLES, make_folders, make_pairs_folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    """A folder of two prepared corpora and a folder of pairs."""
    where = tmp_path_factory.mktemp("shards")
    make_folders(where)
    (where / "pairs").mkdir()
    make_pairs_folder(where / "pairs")
    return where


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["pianist", *map(str, arguments)])
        try:
            cli.main()
            code: str | int = 0
        except SystemExit as stopped:
            code = stopped.code or 0
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


def test_contents_are_counted(shards):
    assert [folder.name for folder in find_folders(shards)] == ["ecompetition", "pairs", "pianocore-scores"]
    (corpus,) = inspect(shards / "ecompetition")
    sizes = ROLES["ecompetition"]
    assert (corpus.pieces, corpus.notes) == (len(sizes), sum(sizes))
    assert corpus.pedals == {"none": 1, "switch": 0, "continuous": 3}
    assert corpus.counts["velocity"].tolist()[97:101] == [2000, 64, 70, 300]
    assert corpus.counts["pedal (CC64)"].sum() == 4 * (sum(sizes) - 70)  # not of the piece without
    train, validation = inspect(shards / "pairs")
    assert (train.pieces, train.notes, validation.pieces, validation.notes) == (2, 265, 1, 90)
    lines = table([corpus, train])
    assert lines[1].split()[:4] == ["ecompetition", "performance", "4", "2434"]
    assert lines[-1].split()[:4] == ["sum", "6", "2699", f"{(corpus.milliseconds + train.milliseconds) / 3.6e6:.1f}"]
    assert len(table([corpus])) == 2


def test_the_command_shows_draws_and_lets_listen(shards, run):
    code, out, err = run("data", shards, "--plot", "picture.png", "--listen", "heard", "--windows", 2)
    assert (code, err) == (0, [])
    assert [line.split()[0] for line in out[:6]] == [
        "corpus", "ecompetition", "pairs", "pairs", "pianocore-scores", "sum",
    ]  # fmt: skip
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")
    names = sorted(path.name for path in Path("heard").iterdir())
    pieces, pairs = [f"piece-{n}-performance.mid" for n in (1, 2)], [
        f"pair-{n}-{side}.mid" for n in (1, 2) for side in ("performance", "score")
    ]  # fmt: skip
    assert names == sorted(pieces + pairs)
    assert run("data", "show", shards)[1] == out[:6]


def test_wrong_folders_are_named(run, tmp_path):
    code, _, err = run("data", tmp_path / "nowhere")
    assert code == 2
    assert "holds nothing prepared" in err[0]
    with pytest.raises(PianistError, match="nothing prepared"):
        find_folders(tmp_path)


def test_the_validation_split_of_a_corpus_is_kept_apart(corpus, tmp_path):
    prepare([Corpus(find_source("rolls"), str(corpus))], tmp_path, validation=0.5, workers=1)
    folder = tmp_path / "rolls"
    train, validation = inspect(folder)
    assert validation.name == "rolls (validation)"
    assert train.pieces + validation.pieces == 3
    pitches = []
    for split in ("train", "validation"):
        with make_loader([folder], batch=2, window=64, split=split) as loader:
            batches = [next(loader) for _ in range(8)]
        assert all(batch["note_mask"].all() for batch in batches)
        pitches.append({batch["performance"][row, :, 0].tobytes() for batch in batches for row in range(2)})
    assert pitches[0].isdisjoint(pitches[1])


@pytest.mark.parametrize("packed", [False, True])
def test_a_row_sounds_as_it_was_stored(shards, packed, tmp_path):
    with make_loader([shards / "pianocore-scores"], batch=4, window=256, packed=packed) as loader:
        batch = next(loader)
    for row in range(4):
        values, segment = batch["performance"][row], batch["segment_ids"][row]
        notes = window_notes(values, segment)
        np.testing.assert_array_equal(notes.pitch, values[segment > 0, 0])
        np.testing.assert_array_equal(notes.velocity, values[segment > 0, 2])
        begins = np.flatnonzero(np.diff(segment, prepend=0) * (segment > 0))
        for begin, end in zip(begins, [*begins[1:], int((segment > 0).sum())], strict=True):
            np.testing.assert_array_equal(np.diff(notes.onset[begin:end]), values[begin + 1 : end, 1])
            if begin:
                last = max(notes.end[:begin].max(), notes.onset[begin - 1] + LAST_GAP)
                assert notes.onset[begin] - last == BETWEEN_SEGMENTS
                lifted = np.searchsorted(notes.pedal_time, notes.onset[begin])
                assert (notes.pedal_time[lifted], notes.pedal_value[lifted]) == (notes.onset[begin], 0)
        assert notes.onset[0] == 0


def test_one_segment_is_what_its_tokens_say():
    notes = invented_notes(5, 60, pedal_values=(0, 30, 90))
    tokens = encode(notes)
    tokens[0, 1] = SLOT_START[1]
    np.testing.assert_array_equal(encode(window_notes(tokens - SLOT_START, np.ones(len(tokens), int))), tokens)


def test_align_writes_a_table(run, tmp_path):
    notes = invented_notes(6, 80)
    write_midi(tmp_path / "score.mid", notes)
    write_midi(tmp_path / "played.mid", notes)
    code, out, err = run("align", "score.mid", "played.mid")
    assert (code, err) == (0, [])
    (line,) = out
    assert line.startswith("played.alignment.tsv: ")
    assert len(Path("played.alignment.tsv").read_text().splitlines()) >= 1 + len(read_midi(tmp_path / "score.mid"))
    write_midi(tmp_path / "other.mid", invented_notes(7, 80))
    _, out, _ = run("align", "score.mid", "other.mid", "-o", "x.tsv")
    assert "less than 90%" in out[1]
    code, _, err = run("align", "score.mid", "missing.mid")
    assert code == 2
    assert "missing.mid" in err[0]
