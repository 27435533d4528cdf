"""What the page says of each note: dynamics, hairpins, slurs, signs, lengths, voices."""

import numpy as np
import pytest

from pianist_jax.data.twins import page_of_twin, same_notes
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import PAGE, PAGE_SIZE, SIGNS
from pianist_jax.score.load import load
from pianist_jax.score.page import page
from pianist_jax.score.tempi import way_of
from tests.score.xml_text import attributes, direction, note, read, score_xml


def column(columns, name):
    return columns[:, PAGE.index(name)].tolist()


def written(tmp_path):
    """Two bars: p, a crescendo to f over the second; a slur over three notes, a staccato and an accented one."""
    slur = '<slur type="{}" number="1"/>'
    bars = [
        attributes() + direction("<dynamics><p/></dynamics>") + note("C4", 24, notations=slur.format("start"))
        + note("D4", 24) + note("E4", 24, notations=slur.format("stop"))
        + note("F4", 24, notations="<articulations><staccato/></articulations>"),
        direction('<wedge type="crescendo"/>')
        + note("G4", 48, notations="<articulations><accent/></articulations>")
        + direction("<words>poco rit.</words>") + note("A4", 24)
        + direction('<wedge type="stop"/>') + direction("<dynamics><f/></dynamics>") + note("B4", 24),
    ]  # fmt: skip
    path = tmp_path / "a.musicxml"
    path.write_text(score_xml(*bars))
    return path


def test_columns_of_a_page(tmp_path):
    found = page(load(written(tmp_path)))
    levels = [place + 2 for place in (3, 3, 3, 3, 3, 3, 6)]  # p is the fourth of LEVELS, f the seventh
    assert column(found, "level") == levels
    assert column(found, "hairpin") == [1, 1, 1, 1, 3, 3, 1]
    along = column(found, "along")
    assert along[:4] == [1] * 4
    assert 1 < along[4] < along[5]
    assert column(found, "gradual") == [1, 1, 1, 1, 1, 2, 3]
    assert column(found, "slur") == [2, 3, 4, 1, 1, 1, 1]
    bits = [value - 1 for value in column(found, "signs")]
    assert bits == [0, 0, 0, 1 << SIGNS.index("staccato"), 1 << SIGNS.index("accent"), 0, 0]
    assert column(found, "length") == [25, 25, 25, 25, 49, 25, 25]
    assert (found < np.array(PAGE_SIZE)).all()


@pytest.mark.parametrize(("words", "way"), [("rit.", -1), ("poco rallentando", -1), ("accel.", 1), ("stringendo", 1),
                                            ("cresc.", 0), ("ritmico", 0), ("a tempo", 0)])  # fmt: skip
def test_words_that_bend_the_tempo(words, way):
    assert way_of(words) == way


def test_a_tempo_ends_it(tmp_path):
    bars = [
        attributes() + direction("<words>rall.</words>") + note("C4", 48) + note("D4", 24)
        + direction("<words>a tempo</words>") + note("E4", 24),
        direction("<words>accel.</words>") + note("F4", 96),
        *[note("G4", 96)] * 5,
    ]  # fmt: skip
    found = page(read(tmp_path, score_xml(*bars)))
    assert found is not None
    assert column(found, "gradual") == [2, 4, 1, 18, 22, 26, 30, 1, 1]


def test_midi_has_no_page(tmp_path):
    write_midi(tmp_path / "a.mid", load(written(tmp_path)).notes)
    assert page(load(tmp_path / "a.mid")) is None


def test_a_twin_tells_its_page(tmp_path):
    """Of the same notes at another tempo, one of them left out and one more than the page has."""
    twin = load(written(tmp_path))
    own = page(twin)
    onset = np.array([0, 700, 1400, 2800, 4200, 4900, 5300])
    pitch = np.array([60, 62, 64, 67, 69, 71, 88])
    score = normalise(Notes(pitch, onset, np.full(7, 300), np.full(7, 64), *np.zeros((2, 0), np.int64)))[0]
    found = page_of_twin(score, tmp_path / "a.musicxml")
    assert own is not None
    assert found is not None
    kept = [0, 1, 2, 4, 5, 6]
    assert np.array_equal(found[:6], own[kept])
    assert column(found[6:], "level") == column(own[6:], "level")
    assert column(found[6:], "signs") == [0]
    assert same_notes(score, normalise(twin.notes)[0]).tolist() == [*kept, -1]


def test_another_piece_tells_nothing(tmp_path):
    written(tmp_path)
    score = normalise(Notes(np.arange(40, 50), np.arange(10) * 100, np.full(10, 90), np.full(10, 64),
                            *np.zeros((2, 0), np.int64)))[0]  # fmt: skip
    assert page_of_twin(score, tmp_path / "a.musicxml") is None
