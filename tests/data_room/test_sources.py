import os
from pathlib import Path

import pytest

from pianist_jax.data.sources import KINDS, PEDALS, SOURCES, SourceError, find_source, midi_files


def test_files_are_found_whatever_their_case_and_in_order_of_bytes(corpus: Path):
    expected = ["Années/a.MID", "b.midi", "c.mid", "damaged.mid", "short.mid"]
    assert [str(file) for file in midi_files(corpus)] == expected


def test_a_name_that_is_no_unicode_is_kept(tmp_path: Path):
    name = b"Pr\xe9lude.mid"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"")
    assert [os.fsencode(file) for file in midi_files(tmp_path)] == [name]


def test_a_folder_without_music_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(SourceError, match=f"{tmp_path}: no MIDI"):
        midi_files(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        midi_files(tmp_path / "missing")


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
