from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import Notes, normalise, survivors
from tests.music.helpers import COLUMNS, Row, assert_same, notes_of, random_notes, raw_notes, rows_of


def slow_normalise(raw: Notes) -> tuple[list[Row], list[int]]:
    """The normalisation, note by note: normalised rows and the raw index of each."""
    sounding: dict[int, list[tuple[int, int, int, int]]] = {}
    for i, (pitch, onset, duration, velocity) in enumerate(rows_of(raw)):
        sounding.setdefault(pitch, []).append((onset, max(onset + duration, onset + 1), i, velocity))
    kept = []
    for pitch, notes in sounding.items():
        notes.sort()
        for this, following in zip(notes, [*notes[1:], None], strict=True):
            onset, end, i, velocity = this
            if following is not None and end >= following[0]:
                end = following[0]
            if end > onset:
                kept.append((onset, pitch, end - onset, velocity, i))
    kept.sort()
    rows = [(pitch, onset, length, velocity) for onset, pitch, length, velocity, _ in kept]
    return rows, [i for *_, i in kept]


BY_HAND: dict[str, tuple[list[Row], list[Row], list[int]]] = {  # raw, normalised, index of each raw note
    "one note": ([(60, 0, 500, 64)], [(60, 0, 500, 64)], [0]),
    "no length": ([(60, 7, 0, 64)], [(60, 7, 1, 64)], [0]),
    "ends before it starts": ([(60, 7, -3, 64)], [(60, 7, 1, 64)], [0]),
    "overlap": (
        [(60, 0, 500, 64), (60, 300, 500, 70)],
        [(60, 0, 300, 64), (60, 300, 500, 70)],
        [0, 1],
    ),
    "inside": (
        [(60, 0, 900, 64), (60, 300, 100, 70)],
        [(60, 0, 300, 64), (60, 300, 100, 70)],
        [0, 1],
    ),
    "touching": (
        [(60, 0, 300, 64), (60, 300, 100, 70)],
        [(60, 0, 300, 64), (60, 300, 100, 70)],
        [0, 1],
    ),
    "apart": ([(60, 0, 300, 64), (60, 301, 0, 70)], [(60, 0, 300, 64), (60, 301, 1, 70)], [0, 1]),
    "unison, longest first": ([(60, 5, 300, 64), (60, 5, 200, 70)], [(60, 5, 300, 64)], [0, 0]),
    "unison, longest last": ([(60, 5, 200, 70), (60, 5, 300, 64)], [(60, 5, 300, 64)], [0, 0]),
    "unison, equal lengths": ([(60, 5, 200, 70), (60, 5, 200, 64)], [(60, 5, 200, 64)], [0, 0]),
    "unison, one without length": ([(60, 5, 0, 70), (60, 5, 1, 64)], [(60, 5, 1, 64)], [0, 0]),
    "order": (
        [(67, 0, 9, 1), (60, 4, 9, 2), (60, 0, 9, 3), (64, 0, 9, 4)],
        [(60, 0, 4, 3), (64, 0, 9, 4), (67, 0, 9, 1), (60, 4, 9, 2)],
        [2, 3, 0, 1],
    ),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_normalise_by_hand(case: str):
    raw, normal, index = BY_HAND[case]
    notes, became = normalise(notes_of(raw))
    assert rows_of(notes) == normal
    assert became.tolist() == index
    assert became.dtype == np.int64


@given(raw_notes())
def test_normalise_as_note_by_note(raw: Notes):
    notes, index = normalise(raw)
    rows, kept = slow_normalise(raw)
    assert rows_of(notes) == rows
    assert survivors(raw).tolist() == kept
    np.testing.assert_array_equal(notes.pitch[index], raw.pitch)
    np.testing.assert_array_equal(notes.onset[index], raw.onset)
    np.testing.assert_array_equal(index[survivors(raw)], np.arange(len(notes)))
    assert_same(normalise(notes)[0], notes)


def test_normalise_as_note_by_note_on_a_long_piece():
    raw = random_notes(np.random.default_rng(1), 20_000, seconds=40, pedals=2000)
    notes, _ = normalise(raw)
    rows, _ = slow_normalise(raw)
    assert len(raw) > len(notes) > 10_000
    assert rows_of(notes) == rows
    np.testing.assert_array_equal(notes.pedal_time, raw.pedal_time)
    np.testing.assert_array_equal(notes.pedal_value, raw.pedal_value)


def test_no_notes_normalise_to_none():
    notes, index = normalise(notes_of([], [(3, 127)]))
    assert len(notes) == len(index) == 0
    assert notes.pedal_time.tolist() == [3]


def test_columns_have_their_types():
    notes = notes_of([(60, 3, 4, 5)], [(0, 1)])
    assert [c.dtype for c in (notes.pitch, notes.velocity, notes.pedal_value)] == [np.int16] * 3
    assert [c.dtype for c in (notes.onset, notes.duration, notes.pedal_time)] == [np.int64] * 3
    assert notes.end.tolist() == [7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"velocity": [1, 2]}, "differ in length"),
        ({"pedal_value": [1]}, "differ in length"),
        ({"pitch": [70_000]}, "pitch holds values outside"),
        ({"onset": [0.5]}, "onset holds float64"),
        ({"onset": [[1]]}, "onset has shape"),
        ({"pedal_time": [2, 1], "pedal_value": [0, 0]}, "not sorted"),
    ],
)
def test_columns_that_are_no_notes(change: dict, message: str):
    one_note = {column: [] if column.startswith("pedal") else [60] for column in COLUMNS}
    with pytest.raises(ValueError, match=message):
        Notes(**(one_note | change))


def test_note_counts_of_asap():
    """Counts that an independent implementation of the normalisation found in scores and performances of ASAP."""
    data = Path(os.environ.get("PIANIST_DATA", ""))
    if not (data / "asap_alignments.npz").is_file():
        pytest.skip("PIANIST_DATA names no folder with asap/ and asap_alignments.npz")
    counts = np.load(data / "asap_alignments.npz")
    sample = np.random.default_rng(0).permutation(len(counts["performance"]))[:12]
    found = []
    for i in sample:
        performance = data / "asap" / str(counts["performance"][i])
        score = performance.parent / "midi_score.mid"
        found.append([len(normalise(read_midi(file))[0]) for file in (score, performance)])
    expected = np.stack([counts["score_notes"], counts["performance_notes"]], axis=1)[sample]
    np.testing.assert_array_equal(found, expected)
