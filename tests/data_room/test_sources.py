import csv
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import fsspec
import numpy as np
import pytest

from pianist_jax.data.entries import read_notes
from pianist_jax.data.layouts import Item, list_items
from pianist_jax.data.sources import (
    KINDS,
    PEDALS,
    SOURCES,
    SourceError,
    find_source,
    name_of,
    own_source,
)
from pianist_jax.data.trees import open_tree
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import normalise


def items_of(name: str, folder: Path) -> dict[str, Item]:
    return {item.file: item for item in list_items(name, open_tree(str(folder), folder / "scratch"))}


def plant(folder: Path, files: Mapping[str, bytes | str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def table(rows: Sequence[Mapping[str, str]], delimiter: str = ",") -> str:
    class Lines(list):
        write = list.append

    lines = Lines()
    writer = csv.DictWriter(lines, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return "".join(lines)


# Folders, tars, addresses


def test_files_are_found_whatever_their_case_and_in_order_of_bytes(corpus: Path):
    expected = ["Années/a.MID", "b.midi", "c.mid", "damaged.mid", "short.mid"]
    assert [*items_of("mine", corpus)] == expected


def test_a_name_that_is_no_unicode_is_kept(tmp_path: Path):
    name = b"Pr\xe9lude.mid"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"")
    assert [os.fsencode(file) for file in items_of("mine", tmp_path)] == [name]


def test_a_folder_without_music_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(SourceError, match=f"{tmp_path}: no MIDI"):
        items_of("mine", tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        items_of("mine", tmp_path / "missing")
    (tmp_path / "a.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(SourceError, match="not a tar that can be read"):
        items_of("mine", tmp_path / "a.tar")
    (tmp_path / "a.tar.gz").write_bytes(b"no gzip")
    with pytest.raises(SourceError, match="not a tar that can be read"):
        open_tree(str(tmp_path / "a.tar.gz"), tmp_path / "scratch")
    with pytest.raises(SourceError, match="no files there"):
        open_tree("memory://nothing/here", tmp_path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_tar_reads_as_the_folder_it_holds(corpus: Path, tmp_path: Path, mode: str):
    path = tmp_path / f"corpus.tar{mode[1:].replace(':', '.')}"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        archive.add(corpus, ".")
    tree = open_tree(str(path), tmp_path / "scratch")
    items = {item.file: item for item in list_items("mine", tree)}
    assert [*items] == [*items_of("mine", corpus)]
    for file in ("Années/a.MID", "c.mid"):
        notes, expected = read_notes(tree.root, items[file]), normalise(read_midi(corpus / file))[0]
        np.testing.assert_array_equal(notes.onset, expected.onset)
        np.testing.assert_array_equal(notes.pitch, expected.pitch)
    before = path.stat().st_mtime_ns, sorted((tmp_path / "scratch").glob("*"))
    assert len(before[1]) == (mode != "w")
    assert open_tree(str(path), tmp_path / "scratch").sizes == tree.sizes  # unpacked once


def test_an_address_reads_as_a_folder(corpus: Path, tmp_path: Path):
    system = fsspec.filesystem("memory")
    for file in items_of("mine", corpus):
        system.pipe(f"/bucket/{file}", (corpus / file).read_bytes())
    tree = open_tree("memory://bucket", tmp_path)
    items = {item.file: item for item in list_items("mine", tree)}
    assert [*items] == [*items_of("mine", corpus)]
    np.testing.assert_array_equal(
        read_notes(tree.root, items["b.midi"]).onset, normalise(read_midi(corpus / "b.midi"))[0].onset
    )


# The table


def test_an_unknown_corpus_names_the_nearest():
    assert find_source("rolls").kind == "performance"
    with pytest.raises(SourceError, match="did you mean 'pop909'"):
        find_source("pop-909")


def test_the_table_uses_the_words_that_records_know():
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    for source in SOURCES:
        assert source.kind in KINDS
        assert source.pedal in PEDALS
        assert source.licence
        assert source.weight >= 0


def test_corpora_of_ones_own():
    assert own_source("mine", "score").name == "mine"
    for name, kind in (("mine", "opera"), ("maestro", "performance"), ("a/b", "score"), ("", "score")):
        with pytest.raises(SourceError):
            own_source(name, kind)
    names = {"data/maestro.tar.xz": "maestro", "maestro-v3/": "maestro-v3", "gs://b/aria-midi": "aria-midi"}
    assert {path: name_of(path) for path in names} == names


# Layouts, on small made-up trees


def test_asap(tmp_path: Path):
    rows = [
        {"composer": composer, "title": title, "split": split, "midi_score": f"{composer}/{title}/midi_score.mid",
         "midi_performance": f"{composer}/{title}/{name}.mid"}
        for composer, title, split, name in (
            ("Bach", "Fugue", "validation", "A01"),
            ("Bach", "Fugue", "validation", "B01"),
            ("Liszt", "Sonata", "train", "A02"),
        )
    ]  # fmt: skip
    plant(tmp_path, {row[column]: b"" for row in rows for column in ("midi_performance", "midi_score")})
    plant(tmp_path, {"Bach/Fugue/xml_score.mid": b""})
    plant(tmp_path, {"metadata.csv": table(rows)})
    items = items_of("asap", tmp_path)
    assert [(item.composition, item.split) for item in items.values() if not item.left_out] == [
        ("Bach/Fugue", "validation"),
        ("Bach/Fugue", "validation"),
        ("Liszt/Sonata", "train"),
    ]
    score = items["Bach/Fugue/midi_score.mid"]
    assert (score.left_out, score.split) == ("a score, for pairs", "validation")
    assert "not listed" in items["Bach/Fugue/xml_score.mid"].left_out
    plant(tmp_path, {"metadata.csv": table([{"composer": "", "midi_performance": ""}])})
    with pytest.raises(SourceError, match="not laid out like asap"):
        items_of("asap", tmp_path)
    (tmp_path / "metadata.csv").unlink()
    with pytest.raises(SourceError, match=r"metadata\.csv is missing"):
        items_of("asap", tmp_path)


@pytest.mark.parametrize("version", ["v2.0.0", "v3.0.0"])
def test_maestro(tmp_path: Path, version: str):
    rows = [
        {"canonical_composer": "Alban Berg", "canonical_title": "Sonata Op. 1", "split": split, "year": "2018",
         "midi_filename": f"2018/{split}.midi", "audio_filename": "", "duration": "9"}
        for split in ("train", "validation", "test")
    ]  # fmt: skip
    root = f"maestro-{version}"
    plant(tmp_path, {f"{root}/{row['midi_filename']}": b"" for row in rows})
    plant(tmp_path, {f"{root}/maestro-{version}.csv": table(rows)})
    items = items_of("maestro", tmp_path)
    assert {file.rpartition("/")[2]: item.split for file, item in items.items()} == {
        "train.midi": "train", "validation.midi": "validation", "test.midi": "test",
    }  # fmt: skip
    assert {item.composition for item in items.values()} == {"Alban Berg/Sonata Op. 1"}


def test_aria_midi(tmp_path: Path):
    metadata = {
        "1": {"metadata": {"composer": "chopin", "opus": "28", "piece_number": "4"}, "audio_scores": {"0": 0.99}},
        "23": {"metadata": {"genre": "pop"}, "audio_scores": {"0": 0.96, "1": 0.9499}},
    }
    files = ["data/aa/000001_0.mid", "data/aa/000023_0.mid", "data/ab/000023_1.mid", "data/ab/000077_0.mid"]
    plant(tmp_path, dict.fromkeys(files, b"") | {"metadata.json": json.dumps(metadata)})
    items = items_of("aria-midi", tmp_path)
    assert [items[file].composition for file in files[:3]] == ["chopin/28/4", "000023", "000023"]
    assert [items[file].left_out for file in files[:2]] == ["", ""]
    assert items[files[2]].left_out == "audio score 0.95, below 0.95"
    assert "not listed" in items[files[3]].left_out
    plant(tmp_path, {"metadata.json": "[]"})
    with pytest.raises(SourceError, match="not laid out like aria-midi"):
        items_of("aria-midi", tmp_path)


def test_giantmidi(tmp_path: Path):
    files = ["midis/Aaron, Michael, Piano Course, V-92VX3trfE.mid", "Satie_Vexations_in_C_x4fkE9-o_yo_cut_no_1.mid"]
    plant(tmp_path, dict.fromkeys(files, b""))
    items = items_of("giantmidi", tmp_path)
    assert [items[file].composition for file in files] == ["Aaron, Michael, Piano Course", "Satie_Vexations_in_C"]
    rows = [{"surname": "Aaron", "youtube_id": "V-92VX3trfE", "split": "test"}]
    name = "full_music_pieces_youtube_similarity_pianosoloprob_split.csv"
    plant(tmp_path, {name: table(rows, "\t")})
    assert [item.split for item in items_of("giantmidi", tmp_path).values()] == ["train", "test"]


def test_pdmx(tmp_path: Path):
    rows = [
        {"mid": f"./mid/{n}.mid", "composer_name": "Joplin", "song_name": f"Rag {n}", "title": "",
         "subset:no_license_conflict": str(n != 2)}
        for n in range(4)
    ]  # fmt: skip
    sizes = (7001, 7000, 9000)
    plant(tmp_path, {f"PDMX/mid/{n}.mid": bytes(size) for n, size in enumerate(sizes)} | {"PDMX/PDMX.csv": table(rows)})
    items = [*items_of("pdmx", tmp_path).values()]
    assert [item.left_out for item in items] == ["", "7000 bytes, at most 7000", "its licence is in doubt"]
    assert items[0].composition == "Joplin/Rag 0"


def test_pop909_reads_three_tracks_of_one_version(tmp_path: Path):
    plant(tmp_path, {"POP909/001/001.mid": b"", "POP909/001/versions/001-v1.mid": b""})
    song, version = items_of("pop909", tmp_path).values()
    assert (song.composition, song.left_out, song.tracks) == ("001", "", ("MELODY", "BRIDGE", "PIANO"))
    assert version.left_out == "another version of the song"


@pytest.mark.parametrize(
    ("name", "file", "composition"),
    [
        ("emopia", "midis/Q1_bQS8eAX-hyE_12.mid", "bQS8eAX-hyE"),
        ("pianocore-scores", "Sonata,_Op.1_score_MS_refined.mid", "Sonata,_Op.1"),
        ("rolls", "supra/jg717nb8731_exp.mid", "supra/jg717nb8731"),
        ("rolls", "supra/jg717nb8731.mid", "supra/jg717nb8731"),
        ("ecompetition", "2002/chan01.mid", "2002/chan01"),
        ("pop1k7", "src_003/770.midi", "src_003/770"),
        ("pianist8", "Hisaishi/Hisaishi_Rain_Garden.mid", "Hisaishi/Hisaishi_Rain_Garden"),
        ("piano-midi-de", "Haydn/hay_40_1.mid", "Haydn/hay_40_1"),
    ],
)
def test_names_tell_the_composition(tmp_path: Path, name: str, file: str, composition: str):
    plant(tmp_path, {file: b""})
    assert items_of(name, tmp_path)[file].composition == composition


def test_scans_of_rolls_without_dynamics_are_left_out(tmp_path: Path):
    plant(tmp_path, {"a_raw.mid": b"", "a_exp.mid": b""})
    assert [item.left_out for item in items_of("rolls", tmp_path).values()] == [
        "", "the raw scan of a roll, without dynamics",
    ]  # fmt: skip
