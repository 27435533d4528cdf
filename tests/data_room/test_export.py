import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.data import export as export_room
from pianist_jax.data.export import export, export_pairs
from pianist_jax.data.parts import Corpus, PartError, load_pairs, load_parts
from pianist_jax.data.prepare import Corpus as Files
from pianist_jax.data.prepare import prepare
from pianist_jax.data.records import compact, pack_pair, unpack_piece
from pianist_jax.data.shards import PreparedError, read_prepared, read_records
from pianist_jax.data.sources import PEDALS, Source, find_source
from pianist_jax.music.tokens import (
    METRE_SIZE,
    SLOT_SIZE,
    SLOT_START,
    ScoreTokens,
)
from tests.data_room.made_shards import write_prepared

SOURCES = (find_source("rolls"), find_source("pop1k7"))


@pytest.fixture
def prepared(corpus: Path, tmp_path: Path) -> list[Path]:
    """The invented files twice, as two corpora; the second is one without pedal."""
    folders = [tmp_path / source.name for source in SOURCES]
    for folder, source in zip(folders, SOURCES, strict=True):
        prepare([Files(source, str(corpus))], folder.parent, workers=1)
    return folders


@pytest.fixture
def exported(prepared: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Both corpora in three parts of one or more blocks."""
    monkeypatch.setattr(export_room, "BLOCK_NOTES", 300)  # less than a piece has, more than another
    paths = export(prepared, tmp_path / "export", part_bytes=6000)
    assert [path.name for path in paths] == [f"pretrain-{n}-of-3.part" for n in (1, 2, 3)]
    assert all(path.stat().st_size <= 6000 for path in paths)
    return paths


def test_the_loaded_corpus_is_what_the_shards_hold(prepared: list[Path], exported: list[Path]):
    loaded = load_parts(exported)
    records = [list(read_records(read_prepared(folder))) for folder in prepared]
    pieces = [unpack_piece(record) for each in records for record in each]
    assert loaded.columns.dtype == np.uint16
    assert loaded.offsets.dtype == np.int64
    np.testing.assert_array_equal(loaded.columns, np.concatenate([compact(piece.tokens) for piece in pieces]))
    np.testing.assert_array_equal(np.diff(loaded.offsets), [len(piece.tokens) for piece in pieces])
    assert loaded.files == tuple(piece.file for piece in pieces)
    assert [loaded.sources[i].name for i in loaded.source] == [piece.corpus for piece in pieces]
    assert [PEDALS[i] for i in loaded.pedal] == ["continuous", "switch", "none", "none", "none", "none"]
    assert loaded.sources == SOURCES
    assert (loaded.columns[loaded.offsets[:-1], 1] == 0).all()


def test_parts_may_be_given_in_any_order_and_loaded_by_any_number_of_threads(exported: list[Path]):
    first, second = load_parts(exported, workers=1), load_parts(exported[::-1], workers=4)
    for field in dataclasses.fields(Corpus):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))


def test_same_shards_same_bytes(prepared: list[Path], tmp_path: Path):
    first, second = (export(prepared, tmp_path / name) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_missing_mixed_and_damaged_parts_are_errors(exported: list[Path], prepared: list[Path], tmp_path: Path):
    with pytest.raises(PartError, match="one of 3 parts"):
        load_parts(exported[1:])
    with pytest.raises(PartError, match="one of 3 parts"):
        load_parts([*exported, exported[0]])
    (other,) = export(prepared[:1], tmp_path / "other", name="other")
    with pytest.raises(PartError, match="parts of an export"):
        load_parts([exported[0], other])
    with pytest.raises(PartError, match="holds pieces, not pairs"):
        load_pairs(exported)
    with pytest.raises(PartError, match="no parts"):
        load_parts([])
    with pytest.raises(PartError, match="cannot be read"):
        load_parts([tmp_path / "missing.part"])
    whole = other.read_bytes()
    damaged = [whole[:length] for length in (0, 5, 20, len(whole) // 2, len(whole) - 1)]
    for where in (3, 9, 30, len(whole) - 1):
        damaged.append(whole[:where] + bytes([whole[where] ^ 255]) + whole[where + 1 :])
    for content in damaged:
        other.write_bytes(content)
        with pytest.raises(PartError, match=r"other-1-of-1\.part"):
            load_parts([other])


def test_an_export_that_cannot_be_made_is_an_error(prepared: list[Path], tmp_path: Path):
    with pytest.raises(PreparedError, match="twice"):
        export([prepared[0], prepared[0]], tmp_path / "export")
    with pytest.raises(PreparedError, match="allow larger parts"):
        export(prepared, tmp_path / "export", part_bytes=1000)
    write_prepared(tmp_path / "empty", Source("mine", "score", "none", "CC0", 1.0), [])
    with pytest.raises(PreparedError, match="nothing to export"):
        export([tmp_path / "empty"], tmp_path / "export")
    assert not (tmp_path / "export").exists()
    export(prepared, tmp_path / "export")
    with pytest.raises(PreparedError, match="already"):
        export(prepared, tmp_path / "export")


def invented_pairs() -> list[tuple[ScoreTokens, np.ndarray, dict]]:
    rng = np.random.default_rng(0)
    pairs = []
    for number, notes in enumerate((70, 400, 64)):
        score, performance = (SLOT_START + rng.integers(0, SLOT_SIZE, (2, notes, 8))).astype(np.int32)
        performance[:, 0] = score[:, 0]
        metadata = {
            "composition": ("Op. 10/1", "K. 331", "Op. 10/1")[number],
            "split": ("train", "validation", "train")[number],
            "pedal": ("continuous", "none", "switch")[number],
            "file": f"{number}.mid",
        }
        pairs.append((ScoreTokens(score), performance, metadata))
    return pairs


def test_loaded_pairs_are_what_was_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export_room, "BLOCK_NOTES", 100)
    pairs = invented_pairs()
    asap = find_source("asap")
    folder = write_prepared(tmp_path / "pairs", asap, [(pack_pair(*pair), pair[2]) for pair in pairs])
    loaded = load_pairs(export_pairs(folder.shards, tmp_path / "export"))
    for number, (score, performance, metadata) in enumerate(pairs):
        low, high = loaded.offsets[number : number + 2]
        for got, tokens in ((loaded.score.notes, score.notes), (loaded.performance, performance)):
            expected = compact(tokens)
            expected[0, 1] = 0
            np.testing.assert_array_equal(got[low:high], expected)
        assert loaded.compositions[loaded.composition[number]] == metadata["composition"]
    assert loaded.compositions == ("K. 331", "Op. 10/1")
    assert loaded.split.tolist() == [0, 1, 0]
    assert loaded.pedal.tolist() == [2, 0, 1]
    assert loaded.metadata == tuple(metadata for _, _, metadata in pairs)


def test_pairs_keep_their_metre_and_what_was_not_played(tmp_path: Path):
    pairs, rng = invented_pairs(), np.random.default_rng(0)
    told = []
    for score, performance, metadata in pairs:
        columns = rng.integers(0, METRE_SIZE, (score.size, len(METRE_SIZE)))
        written = score._replace(metre=columns.astype(np.int32))
        told.append((written, performance, {**metadata, "unplayed": [2]}))
    asap = find_source("asap")
    folder = write_prepared(tmp_path / "pairs", asap, [(pack_pair(*pair), pair[2]) for pair in told])
    loaded = load_pairs(export_pairs(folder.shards, tmp_path / "export"))
    np.testing.assert_array_equal(loaded.score.metre, np.concatenate([score.metre for score, _, _ in told]))
    assert np.flatnonzero(~loaded.played).tolist() == (loaded.offsets[:-1] + 2).tolist()
    mixed = write_prepared(tmp_path / "mixed", asap, [(pack_pair(*pair), pair[2]) for pair in (told[0], pairs[1])])
    with pytest.raises(PreparedError, match="some do not"):
        export_pairs(mixed.shards, tmp_path / "other")


def test_parts_are_loaded_with_numpy_and_the_standard_library_alone(exported: list[Path]):
    """The machine that trains need not have what prepared the data."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from pianist_jax.data.parts import load_parts\n"
        f"load_parts({[str(path) for path in exported]!r})\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['numpy', 'pianist_jax']"
