import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from pianist_jax.data.records import (
    PAIR,
    PLANE_WIDTHS,
    RecordError,
    StoredPiece,
    compact,
    expand,
    from_planes,
    pack_pair,
    pack_piece,
    pedal_kind,
    record_kind,
    to_planes,
    unpack_pair,
    unpack_piece,
)
from pianist_jax.music.tokens import METRE_SIZE, SLOT_SIZE, SLOT_START, ScoreTokens

METADATA = {"composition": "K. 331", "split": "train", "pedal": "continuous", "file": "x.mid"}


@st.composite
def token_arrays(draw: st.DrawFn, notes: int | None = None) -> np.ndarray:
    """Any tokens int32[N, 8] that the vocabulary allows."""
    count = draw(st.integers(0, 40)) if notes is None else notes
    parts = draw(arrays.arrays(np.float64, (count, 8), elements=st.floats(0, 1, exclude_max=True)))
    return (SLOT_START + np.floor(parts * SLOT_SIZE)).astype(np.int32)


def stored(tokens: np.ndarray) -> np.ndarray:
    """What is kept of tokens: all but the leading silence."""
    expected = tokens.copy()
    expected[:1, 1] = SLOT_START[1]
    return expected


@given(token_arrays(), st.text())
def test_a_piece_comes_back_without_its_leading_silence(tokens: np.ndarray, file: str):
    piece = unpack_piece(pack_piece(StoredPiece(tokens, "rolls", file, "performance", "switch")))
    np.testing.assert_array_equal(piece.tokens, stored(tokens))
    assert piece.tokens.dtype == np.int32
    assert (piece.corpus, piece.file, piece.kind, piece.pedal) == ("rolls", file, "performance", "switch")


def test_a_file_name_that_is_no_unicode_comes_back():
    name = b"Pr\xe9lude.mid".decode("utf-8", "surrogateescape")
    piece = StoredPiece(np.zeros((0, 8), np.int32), "rolls", name, "score", "none")
    assert unpack_piece(pack_piece(piece)).file == name


@given(st.data(), st.integers(0, 30))
def test_a_pair_comes_back(data: st.DataObject, notes: int):
    score, performance = data.draw(token_arrays(notes)), data.draw(token_arrays(notes))
    performance[:, 0] = score[:, 0]
    got_score, got_performance, metadata = unpack_pair(pack_pair(ScoreTokens(score), performance, METADATA))
    np.testing.assert_array_equal(got_score.notes, stored(score))
    assert got_score.metre is None
    np.testing.assert_array_equal(got_performance, stored(performance))
    assert metadata == METADATA


def test_a_pair_comes_back_with_its_metre():
    score, performance = (np.tile(SLOT_START, (5, 1)).astype(np.int32) for _ in range(2))
    columns = np.random.default_rng(0).integers(0, METRE_SIZE, (5, len(METRE_SIZE)))
    columns[0] = np.array(METRE_SIZE) - 1
    written = ScoreTokens(score, columns.astype(np.int32))
    record = pack_pair(written, performance, METADATA)
    assert record_kind(record) == PAIR
    for group, expected in zip(unpack_pair(record)[0], written, strict=True):
        np.testing.assert_array_equal(group, expected)
    written.metre[1, 0] = METRE_SIZE[0]
    with pytest.raises(ValueError, match="outside the range"):
        pack_pair(written, performance, METADATA)


@given(token_arrays())
def test_planes_come_back_and_hold_ten_bytes_a_note(tokens: np.ndarray):
    values = compact(tokens)
    planes = to_planes(values)
    assert [len(plane) for plane in planes] == [width * len(tokens) for width in PLANE_WIDTHS]
    back = np.empty_like(values)
    from_planes(planes, back)
    np.testing.assert_array_equal(expand(back), tokens)


def test_the_last_value_of_every_slot_is_kept_and_the_next_refused():
    last = (SLOT_START + SLOT_SIZE - 1)[None].astype(np.int32)
    np.testing.assert_array_equal(expand(compact(last)), last)
    for slot in range(8):
        beyond = last.copy()
        beyond[0, slot] += 1
        with pytest.raises(ValueError, match=f"slot {slot}"):
            compact(beyond)
        below = SLOT_START[None].astype(np.int32)
        below[0, slot] -= 1
        with pytest.raises(ValueError, match=f"slot {slot}"):
            compact(below)


def test_what_does_not_belong_into_a_record_is_refused():
    tokens = np.tile(SLOT_START, (3, 1)).astype(np.int32)
    with pytest.raises(ValueError, match="jazz"):
        pack_piece(StoredPiece(tokens, "rolls", "a.mid", "jazz", "none"))
    with pytest.raises(ValueError, match="shape"):
        pack_piece(StoredPiece(tokens[0], "rolls", "a.mid", "score", "none"))
    with pytest.raises(ValueError, match="length or pitch"):
        pack_pair(ScoreTokens(tokens), tokens[:2], METADATA)
    other = tokens.copy()
    other[1, 0] += 1
    with pytest.raises(ValueError, match="length or pitch"):
        pack_pair(ScoreTokens(tokens), other, METADATA)
    for missing in ("composition", "split", "pedal"):
        with pytest.raises(ValueError, match="composition, split"):
            pack_pair(ScoreTokens(tokens), tokens, {key: METADATA[key] for key in METADATA if key != missing})


def test_damaged_bytes_and_the_wrong_kind_of_record_are_errors():
    tokens = np.tile(SLOT_START, (3, 1)).astype(np.int32)
    piece = pack_piece(StoredPiece(tokens, "rolls", "a.mid", "score", "none"))
    pair = pack_pair(ScoreTokens(tokens), tokens, METADATA)
    for cut in range(len(piece)):
        with pytest.raises(RecordError):
            unpack_piece(piece[:cut])
    with pytest.raises(RecordError, match="version 9"):
        unpack_piece(piece[:4] + b"\x09" + piece[5:])
    with pytest.raises(RecordError, match="pair"):
        unpack_piece(pair)
    with pytest.raises(RecordError, match="pair"):
        unpack_pair(piece)
    with pytest.raises(RecordError):
        unpack_piece(piece.replace(b'"file"', b'"life"'))
    with pytest.raises(RecordError):
        unpack_piece(piece.replace(b'{"corpus"', b'["corpus"'))


def test_a_pedal_is_told_from_a_switch_by_its_values():
    assert pedal_kind(np.zeros(0, np.int16)) == "none"
    assert pedal_kind(np.array([0, 0])) == "switch"
    assert pedal_kind(np.array([0, 127, 0, 64])) == "switch"
    assert pedal_kind(np.array([0, 127, 0, 64, 63])) == "continuous"
