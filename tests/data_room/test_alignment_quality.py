"""The measure of alignments, on one whose faults are known."""

import numpy as np
import pytest

from experiments.alignment_quality import beat_errors, judge, twin_places, written_places
from pianist_jax.data.pairs import Performance
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import Notes
from pianist_jax.score.load import load

PITCH = np.array([60, 62, 64, 65, 67, 69])
ONE = Performance("p.mid", "s.mid", "Nobody/A", "validation")


def make_notes(onset: np.ndarray) -> Notes:
    none = np.zeros(0, np.int64)
    return Notes(PITCH, onset, np.full(6, 300), np.full(6, 64), none, none)


@pytest.fixture
def curated(tmp_path):
    """The fifth note is curated as not played; the performance has it."""
    lines = ["xml_id\tmidi_id\ttrack\tchannel\tpitch\tonset"]
    lines += [f"n{n + 1}-1\tn{n}\t0\t0\t{PITCH[n]}\t{(1000 + 700 * n) / 1000}" for n in (0, 1, 2, 3, 5)]
    lines += ["n5-1\tdeletion", "insertion\tn4\t0\t0\t67\t3.8"]
    (tmp_path / "note_alignment.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path / "note_alignment.tsv"


@pytest.mark.parametrize("places", [written_places, twin_places])
def test_joins_are_counted_on_both_sides(tmp_path, curated, places):
    write_midi(tmp_path / "s.mid", make_notes(500 * np.arange(6)))
    score = load(tmp_path / "s.mid")
    known = places(score, tmp_path / "s.mid") if places is twin_places else places(score)
    performance = make_notes(1000 + 700 * np.arange(6))
    right = judge(ONE, known, performance, np.array([0, 1, 2, 3, -1, 5]), curated)
    assert (right.same, right.ours, right.curated, right.f_score) == (5, 5, 5, 1.0)
    assert right.comparable == 1
    assert right.matched == pytest.approx(5 / 6)
    faulty = judge(ONE, known, performance, np.array([-1, 1, 3, 2, 4, 5]), curated)
    assert (faulty.same, faulty.ours, faulty.curated) == (2, 5, 5)
    assert (faulty.precision, faulty.recall) == (0.4, 0.4)


def test_beats_are_compared_where_notes_lie_on_them():
    score, performance = make_notes(500 * np.arange(6)), make_notes(1000 + 700 * np.arange(6))
    beats = np.array([[0, 1000], [1000, 2430], [1250, 2700], [2000, 3800]])
    match = np.array([0, 1, 2, 3, -1, 5])
    np.testing.assert_allclose(beat_errors(score, performance, match, beats), [0, 30])
