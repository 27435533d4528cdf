from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pianist_jax.music import tokens as codec
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import BOS, MASK, NOTE_TOKENS, PAD, SLOT_SIZE, SLOT_START, decode, encode
from tests.music.helpers import assert_same, notes_of, random_notes, raw_notes, rows_of


def slow_encode(notes: Notes) -> list[list[int]]:
    """The tokens, note by note, with exact fractions of a millisecond."""
    rows, previous = [], 0
    onsets = notes.onset.tolist()
    pedal = list(zip(notes.pedal_time.tolist(), notes.pedal_value.tolist(), strict=True))
    for i, (pitch, onset, duration, velocity) in enumerate(rows_of(notes)):
        gap = onsets[i + 1] - onset if i + 1 < len(onsets) else 4990
        row = [5 + pitch, 261 + min(onset - previous, 4990), 133 + velocity, 261 + min(duration, 4999)]
        for k in range(4):
            instant = onset + Fraction(k, 4) * gap
            row.append(5261 + next((value for time, value in reversed(pedal) if time <= instant), 0))
        rows.append(row)
        previous = onset
    return rows


def valid_tokens() -> st.SearchStrategy[np.ndarray]:
    slots = [st.integers(0, size - 1) for size in SLOT_SIZE.tolist()]
    return st.lists(st.tuples(*slots), min_size=1, max_size=20).map(lambda rows: np.array(rows) + SLOT_START)


def test_ids_are_the_vocabulary_of_the_paper():
    assert (codec.PAD, codec.MASK, codec.BOS, codec.EOS, codec.PLAY) == (0, 1, 2, 3, 4)
    ranges = np.unique(np.stack([SLOT_START, SLOT_START + SLOT_SIZE], axis=1), axis=0)
    assert ranges.tolist() == [[5, 133], [133, 261], [261, 5261], [5261, 5389]]
    assert codec.VOCABULARY == 5389
    assert len(codec.SLOTS) == NOTE_TOKENS == 8


def test_encode_by_hand():
    notes = notes_of(
        [(60, 100, 400, 64), (64, 100, 6000, 65), (67, 103, 0, 127), (72, 8000, 4999, 1)],
        [(99, 10), (100, 20), (101, 30), (102, 40), (8000, 50), (9247, 60), (9248, 70), (10495, 80)],
    )
    expected = np.array(
        [
            [60, 100, 64, 400, 20, 20, 20, 20],  # a chord: the next onset is this one
            [64, 0, 65, 4999, 20, 20, 30, 40],  # samples at 100, 100.75, 101.5, 102.25
            [67, 3, 127, 0, 40, 40, 40, 40],
            [72, 4990, 1, 4999, 50, 60, 80, 80],  # samples at 8000, 9247.5, 10495, 11742.5
        ]
    )
    np.testing.assert_array_equal(encode(notes), expected + SLOT_START)
    assert encode(notes).dtype == np.int32


def test_pedal_is_up_before_its_first_event():
    tokens = encode(notes_of([(60, 0, 1, 64), (61, 400, 1, 64)], [(200, 127)]))
    assert (tokens[0, 4:] - 5261).tolist() == [0, 0, 127, 127]


@given(raw_notes(longest=30, latest=40))
def test_encode_as_note_by_note(raw: Notes):
    notes, _ = normalise(raw)
    assert encode(notes).tolist() == slow_encode(notes)


@pytest.mark.parametrize("seconds", [4, 300, 20_000])
def test_encode_as_note_by_note_on_longer_pieces(seconds: float):
    notes, _ = normalise(random_notes(np.random.default_rng(2), 600, seconds))
    assert encode(notes).tolist() == slow_encode(notes)


@given(raw_notes(longest=30, latest=40))
def test_tokens_of_notes_survive_the_round_trip(raw: Notes):
    tokens = encode(normalise(raw)[0])
    np.testing.assert_array_equal(encode(decode(tokens)), tokens)


@given(raw_notes(), st.integers(-10, 10_000_000))
def test_notes_within_range_survive_the_round_trip(raw: Notes, start: int):
    notes, _ = normalise(raw)
    again = decode(encode(notes), start)
    assert rows_of(again) == [(p, start + onset, d, v) for p, onset, d, v in rows_of(notes)]


@given(raw_notes())
def test_pedal_that_changes_on_onsets_is_sampled_without_loss(raw: Notes):
    time = np.unique(raw.onset)
    notes, _ = normalise(replace(raw, pedal_time=time, pedal_value=1 + np.arange(len(time))))
    assert_same(decode(encode(notes)), notes)


@given(valid_tokens())
def test_any_valid_tokens_decode(tokens: np.ndarray):
    notes = decode(tokens)
    values = tokens - SLOT_START
    columns = (values[:, 0], np.cumsum(values[:, 1]), values[:, 3], values[:, 2])
    assert rows_of(notes) == list(zip(*columns, strict=True))
    assert np.all(np.diff(notes.pedal_time) > 0)
    assert np.all(np.diff(notes.pedal_value, prepend=0) != 0)
    if np.all(values[1:, 1] >= 4) and values[0, 1] <= 4990 and np.all(values[:, 1] <= 4990):
        np.testing.assert_array_equal(encode(notes), tokens)


def test_decode_by_hand():
    values = [
        [60, 10, 64, 400, 0, 0, 0, 90],
        [64, 103, 65, 300, 90, 127, 127, 64],
        [64, 0, 66, 300, 3, 3, 3, 3],
        [65, 4, 66, 0, 3, 3, 3, 0],
    ]
    notes = decode(np.array(values) + SLOT_START, start=1000)
    assert notes.onset.tolist() == [1010, 1113, 1113, 1117]
    assert notes.pitch.tolist() == [60, 64, 64, 65]
    assert notes.duration.tolist() == [400, 300, 300, 0]
    assert notes.velocity.tolist() == [64, 65, 66, 66]
    # The first note's last quarter is 1010 + 77.25; in the chord the last note's pedal counts.
    events = list(zip(notes.pedal_time.tolist(), notes.pedal_value.tolist(), strict=True))
    assert events == [(1087, 90), (1113, 3), (1117 + 3742, 0)]


def test_no_notes():
    none = notes_of([], [(5, 127)])
    assert encode(none).shape == (0, NOTE_TOKENS)
    assert_same(decode(encode(none)), notes_of([]))


@pytest.mark.parametrize(
    ("slot", "token"),
    [(0, PAD), (1, MASK), (4, BOS), (5, -1), (0, 133), (0, 4), (1, 260), (2, 132), (3, 5261), (7, 5389)],
)
def test_an_id_in_a_foreign_slot_is_an_error(slot: int, token: int):
    tokens = np.tile(SLOT_START, (3, 1))
    tokens[2, slot] = token
    with pytest.raises(ValueError, match=f"note 2, slot {slot}: {token} is no {codec.SLOTS[slot]}"):
        decode(tokens)


@pytest.mark.parametrize("tokens", [np.zeros((3, 7), int), np.zeros(8, int), np.zeros((2, 8))])
def test_arrays_that_are_no_tokens(tokens: np.ndarray):
    with pytest.raises(ValueError, match="expected integers"):
        decode(tokens)


@pytest.mark.parametrize(
    ("rows", "pedal", "message"),
    [
        ([(60, 10, 1, 64), (61, 9, 1, 64)], [], "note 1 begins 1 ms before note 0"),
        ([(60, -2, 1, 64)], [], "note 0 begins 2 ms before time 0"),
        ([(128, 0, 1, 64)], [], "note 0, slot 0: 128 is no pitch"),
        ([(60, 0, 1, 64), (61, 0, 1, -1)], [], "note 1, slot 2: -1 is no velocity"),
        ([(60, 0, -1, 64)], [], "note 0, slot 3: -1 is no duration"),
        ([(60, 0, 1, 64)], [(0, 128)], "note 0, slot 4: 128 is no pedal1"),
    ],
)
def test_notes_that_have_no_tokens(rows: list, pedal: list, message: str):
    with pytest.raises(ValueError, match=message):
        encode(notes_of(rows, pedal))


def test_scores_are_cut_and_joined_group_by_group():
    notes, metre = np.arange(24).reshape(3, 8), np.arange(27).reshape(3, len(codec.METRE))
    with_metre, plain = codec.ScoreTokens(notes, metre), codec.ScoreTokens(notes + 100)
    assert (with_metre.groups, plain.groups) == (("notes", "metre"), ("notes",))
    joined = codec.join_scores([with_metre.at(slice(1, None)), plain])
    assert joined.size == 5
    np.testing.assert_array_equal(joined.notes, np.concatenate([notes[1:], notes + 100]))
    np.testing.assert_array_equal(joined.metre, np.concatenate([metre[1:], 0 * metre]))
    assert codec.join_scores([plain, plain]).metre is None
    shapes = codec.score_shapes(with_metre.groups, 2, 3)
    assert (shapes.notes, shapes.metre, shapes.page) == ((2, 3, 8), (2, 3, len(codec.METRE)), None)
    assert with_metre.only(("notes",)).metre is None
