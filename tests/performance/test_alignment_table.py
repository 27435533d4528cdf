"""The table of an alignment, against one worked out by hand."""

import numpy as np
import pytest

from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import Notes
from pianist_jax.performance.alignment import AlignmentError
from pianist_jax.performance.alignment_table import COLUMNS, Aligned, align_file, align_score, to_table
from pianist_jax.score.load import Score, load, sections
from pianist_jax.score.reading import Reading
from tests.score.xml_text import attributes, barline, score_xml
from tests.score.xml_text import note as xml_note


def make_notes(pitch, onset, duration=200, velocity=64) -> Notes:
    size = len(pitch)
    return Notes(pitch, onset, np.full(size, duration), np.full(size, velocity), np.zeros(0, int), np.zeros(0, int))


@pytest.fixture
def score(tmp_path) -> Score:
    write_midi(tmp_path / "score.mid", make_notes([60, 64, 67, 60, 72], [0, 0, 500, 1000, 1500], 500))
    return load(tmp_path / "score.mid")


def test_table(score):
    performance = make_notes([60, 64, 61, 60, 72], [90, 100, 650, 1300, 2000], velocity=80)
    aligned = Aligned(score, performance, np.array([0, 1, -1, 3, 4]))
    lines = [line.split("\t") for line in to_table(aligned).splitlines()]
    assert lines[0] == list(COLUMNS)
    assert lines[1][2:] == ["1", "0", "1", "60", "0", "90", "200", "80"]
    assert [line[0] for line in lines[1:]] == ["match", "match", "deletion", "match", "match", "insertion"]
    assert lines[3][2:] == ["1", "1", "1", "67", "", "", "", ""]
    assert lines[6][1:] == ["", "", "", "", "61", "2", "650", "200", "80"]
    assert [line[1] for line in lines[1:6]] == list(score.note_id)
    assert aligned.matched == 0.8


def test_notes_of_two_voices_on_one_key_share_what_was_played(tmp_path):
    (tmp_path / "two.musicxml").write_text(
        "<score-partwise><part-list><score-part id='P1'><part-name/></score-part></part-list><part id='P1'>"
        "<measure number='1'><attributes><divisions>1</divisions></attributes>"
        + "".join(note(step, 1, 1) for step in "CDEF")
        + "<backup><duration>4</duration></backup>"
        + note("C", 2, 2)
        + "</measure></part></score-partwise>"
    )
    two = load(tmp_path / "two.musicxml")
    assert len(two) == 5
    performance = make_notes([60, 62, 64, 65], [500, 1100, 1700, 2300])
    aligned = align_score(two, performance)
    assert aligned.played.tolist() == [0, 0, 1, 2, 3]
    assert not len(aligned.insertions)


def note(step: str, duration: int, voice: int) -> str:
    pitch = f"<pitch><step>{step}</step><octave>4</octave></pitch>"
    return f"<note>{pitch}<duration>{duration}</duration><voice>{voice}</voice></note>"


def test_what_shares_no_pitch_is_all_deleted_and_inserted(score):
    aligned = align_score(score, make_notes([30, 31], [0, 500]))
    assert aligned.matched == 0
    assert aligned.insertions.tolist() == [0, 1]
    assert to_table(aligned).count("deletion") == 5


def test_too_large_a_table_is_refused(score, monkeypatch):
    monkeypatch.setattr("pianist_jax.performance.alignment.MAX_CELLS", 10)
    with pytest.raises(AlignmentError, match="more than 10 cells"):
        align_score(score, make_notes([60, 64, 67], [0, 500, 1000]))


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """Two bars repeated, a bar with two endings repeated, and one to close with: 1 2 1 2 3 4 3 5 6."""
    rng = np.random.default_rng(3)
    names = [f"{step}{octave}" for octave in (3, 4, 5) for step in "CDEFGAB"]
    bars = ["".join(xml_note(names[k], 12) for k in rng.permutation(21)[:8]) for _ in range(6)]
    back, left, stop = barline("backward", kind="stop"), barline("forward"), "stop"
    bars[0] = attributes() + bars[0]
    bars[1] += back
    bars[2] = left + bars[2]
    bars[3] = barline(ending="1") + bars[3] + barline("backward", "1", stop)
    bars[4] = barline(ending="2") + bars[4] + barline("", "2", stop)
    path = tmp_path_factory.mktemp("repeats") / "score.musicxml"
    path.write_text(score_xml(*bars))
    return path


@pytest.mark.parametrize(
    ("once", "form"),
    [
        ((), ""),
        ((0,), "repeat 2 of 2"),
        ((1,), "repeat 1 of 2"),
        ((0, 1), "no repeat taken"),
    ],
)
def test_the_form_that_was_played_is_found(repeated, once, form):
    bars = sections(repeated)
    assert bars == [{0, 1}, {2, 3, 4}]
    played = load(repeated, once=frozenset().union(*(bars[number] for number in once)))
    assert len(played) == 8 * (9 - 2 * len(once))
    rng = np.random.default_rng(7)
    onset = np.cumsum(rng.integers(180, 320, len(played)))
    aligned, found = align_file(repeated, make_notes(played.notes.pitch, onset))
    assert found == form
    assert aligned.score.note_id == played.note_id
    assert aligned.played.tolist() == list(range(len(played)))


def test_a_part_of_a_repeated_piece_is_laid_on_its_bars_once(repeated):
    part = load(repeated, Reading(repeats=False)).notes
    aligned, form = align_file(repeated, make_notes(part.pitch[:24], 250 * np.arange(24)))
    assert form == "no repeat taken"
    assert aligned.played[:24].tolist() == list(range(24))
    assert (aligned.played[24:] == -1).all()
