"""The stored record: the tokens of a piece, or of a score with one performance of it, as compact bytes.

A record is a header, its metadata as JSON, and the notes as planes of bytes. Planes keep like with like: all
pitches, all low bytes of the IOIs, …, and the pedal note by note (its four samples continue each other).
General compression then sees what repeats: real recordings take 10 bytes a note as they stand, 4.5 under
brotli, 3.8 under LZMA. Deltas make it worse.
"""

import dataclasses
import itertools
import json
import struct
from collections.abc import Sequence

import numpy as np

from pianist_jax.data.sources import KINDS, PEDALS, SPLITS
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import (
    IOI,
    METRE_SIZE,
    NOTE_TOKENS,
    PAGE_SIZE,
    SLOT_SIZE,
    SLOT_START,
    ScoreTokens,
    score_shapes,
)

VERSION = 1
PIECE, PAIR, METRED_PAIR, PAGED_PAIR = 1, 2, 3, 4  # pairs whose score tells its metre, and its page besides
GROUPS: dict[int, tuple[str, ...]] = {
    PIECE: (),
    PAIR: ("notes",),
    METRED_PAIR: ("notes", "metre"),
    PAGED_PAIR: ("notes", "metre", "page"),
}  # of a score
# Bytes a note in each plane: pitch, IOI low and high, velocity, duration low and high, pedal.
PLANE_WIDTHS = (1, 1, 1, 1, 1, 1, 4)
SIZES = {"metre": METRE_SIZE, "page": PAGE_SIZE}  # of the columns of a score's groups beside its notes
WIDTHS = {name: tuple(1 if size <= 256 else 2 for size in sizes) for name, sizes in SIZES.items()}
_MAGIC = b"PNST"
_HEADER = struct.Struct("<4sBBII")  # magic, version, PIECE or PAIR, notes, bytes of metadata
_MAX_SWITCH_VALUES = 3  # off, on, and one stray; a real pedal shows dozens


class RecordError(PianistError):
    """Bytes that are not a record of this version."""


@dataclasses.dataclass(frozen=True, eq=False)
class StoredPiece:
    """A piece of a corpus: tokens int32[N, 8], where it comes from, and the pedal found in this very file."""

    tokens: np.ndarray
    corpus: str
    file: str
    kind: str
    pedal: str


def compact(tokens: np.ndarray) -> np.ndarray:
    """Token ids int32[N, 8] -> values uint16[N, 8] counted from 0 (ms; MIDI numbers).

    Raises:
        ValueError: another shape, or an id outside its slot's range.
    """
    if tokens.ndim != 2 or tokens.shape[1] != NOTE_TOKENS:
        raise ValueError(f"tokens have shape {tokens.shape}, not [N, {NOTE_TOKENS}]")
    values = np.asarray(tokens, np.int64) - SLOT_START
    _require_range(values, SLOT_SIZE, "slot")
    return values.astype(np.uint16)


def compact_score(score: ScoreTokens) -> ScoreTokens:
    """`compact` of a score's notes; its other groups, uint16, have the same numbers. Raises ValueError likewise."""
    groups = {}
    for name, sizes in SIZES.items():
        columns = getattr(score, name)
        if columns is not None:
            if columns.shape != (len(score.notes), len(sizes)):
                raise ValueError(f"a {name} of shape {columns.shape} does not belong to {len(score.notes)} notes")
            _require_range(columns, np.array(sizes), f"column of the {name}")
            groups[name] = columns.astype(np.uint16)
    return ScoreTokens(compact(score.notes), **groups)


def _require_range(values: np.ndarray, size: np.ndarray, what: str) -> None:
    wrong = (values < 0) | (values >= size)
    if wrong.any():
        note, column = np.argwhere(wrong)[0]
        raise ValueError(f"{values[note, column]} of note {note} lies outside the range of {what} {column}")


def expand(values: np.ndarray) -> np.ndarray:
    """The inverse of `compact`: values uint16[N, 8] -> token ids int32[N, 8]."""
    return values.astype(np.int32) + SLOT_START


def expand_score(values: ScoreTokens) -> ScoreTokens:
    """The inverse of `compact_score`."""
    return values.map(lambda group: group.astype(np.int32))._replace(notes=expand(values.notes))


def pedal_kind(values: np.ndarray) -> str:
    """How a pedal was recorded, from its CC64 values int[P].

    `none` without any, `switch` up to 3 distinct ones, else `continuous`.
    """
    distinct = len(np.unique(values))
    if distinct == 0:
        return "none"
    return "switch" if distinct <= _MAX_SWITCH_VALUES else "continuous"


def to_planes(values: np.ndarray) -> list[bytes]:
    """Values uint16[N, 8] -> planes of bytes, N × PLANE_WIDTHS long."""
    pitch, ioi, velocity, duration = values[:, :4].T
    columns = (pitch, ioi & 255, ioi >> 8, velocity, duration & 255, duration >> 8, values[:, 4:])
    return [column.astype(np.uint8).tobytes() for column in columns]


def group_planes(name: str, columns: np.ndarray) -> list[bytes]:
    """Columns uint16[N, C] of a score's group, "metre" or "page" -> planes of bytes, N × WIDTHS[name] long."""
    widths = zip(columns.T, WIDTHS[name], strict=True)
    return [column.astype("u1" if width == 1 else "<u2").tobytes() for column, width in widths]


def from_group_planes(name: str, planes: Sequence[bytes], columns: np.ndarray) -> None:
    """Fill columns uint16[N, C] from the planes of `group_planes`. Raises ValueError for a plane of another length."""
    for plane, width, column in zip(planes, WIDTHS[name], columns.T, strict=True):
        if len(plane) != width * len(columns):
            raise ValueError(f"a plane holds {len(plane)} bytes, not {width * len(columns)}")
        column[:] = np.frombuffer(plane, "u1" if width == 1 else "<u2")


def from_planes(planes: Sequence[bytes], values: np.ndarray) -> None:
    """Fill values uint16[N, 8] from the planes of `to_planes`.

    Raises:
        ValueError: a plane does not have N notes.
    """
    bytes_ = [np.frombuffer(plane, np.uint8) for plane in planes]
    for plane, width in zip(bytes_, PLANE_WIDTHS, strict=True):
        if len(plane) != width * len(values):
            raise ValueError(f"a plane holds {len(plane)} bytes, not {width * len(values)}")
    pitch, ioi, ioi_high, velocity, duration, duration_high, pedal = bytes_
    values[:, 0] = pitch
    values[:, 1] = ioi + (ioi_high.astype(np.uint16) << 8)
    values[:, 2] = velocity
    values[:, 3] = duration + (duration_high.astype(np.uint16) << 8)
    values[:, 4:] = pedal.reshape(-1, 4)


def fill(planes: Sequence[bytes], performance: np.ndarray, score: ScoreTokens | None = None) -> None:
    """Fill the values uint16 of a piece, or of a performance and its score, from all planes.

    Raises:
        ValueError: a plane does not have N notes.
    """
    own, others = PLANE_WIDTHS, PLANE_WIDTHS[1:]
    if score is None:
        from_planes(planes[: len(own)], performance)
        return
    from_planes(planes[: len(own)], score.notes)
    from_planes((planes[0], *planes[len(own) : len(own) + len(others)]), performance)  # its pitches are stored once
    begin = len(own) + len(others)
    for name in score.groups[1:]:
        from_group_planes(name, planes[begin : begin + len(WIDTHS[name])], getattr(score, name))
        begin += len(WIDTHS[name])


def pack_piece(piece: StoredPiece) -> bytes:
    """A piece as a record; its leading silence is left out (the first IOI is stored as 0).

    Raises:
        ValueError: tokens out of range, an unknown kind or pedal.
    """
    if piece.kind not in KINDS or piece.pedal not in PEDALS:
        raise ValueError(f"kind {piece.kind!r} or pedal {piece.pedal!r} is none of {KINDS}, {PEDALS}")
    metadata = {"corpus": piece.corpus, "file": piece.file, "kind": piece.kind, "pedal": piece.pedal}
    return _pack(PIECE, metadata, len(piece.tokens), to_planes(_from_zero(piece.tokens)))


def unpack_piece(record: bytes) -> StoredPiece:
    """The inverse of `pack_piece`.

    Raises:
        RecordError: damaged bytes, another version, or a pair.
    """
    metadata, values, _ = _unpack(record, PIECE)
    try:
        return StoredPiece(expand(values), **metadata)
    except TypeError as error:
        raise RecordError(f"a piece's record has the wrong metadata ({error}): prepare its corpus again") from error


def pack_pair(score_tokens: ScoreTokens, performance_tokens: np.ndarray, metadata: dict) -> bytes:
    """A score and one performance of it, aligned note by note, as a record. Both lose their leading silence.

    Args:
        score_tokens, performance_tokens: int32, N notes of equal pitches each.
        metadata: JSON values; `composition` (any text), `split` (`train` or `validation`) and `pedal` (of the
            performance, as in `StoredPiece`) must be among them. `unplayed` may list notes whose performed values are
            no performer's.

    Raises:
        ValueError: lengths, pitches or ranges that do not fit, missing metadata.
    """
    if metadata.get("split") not in SPLITS or metadata.get("pedal") not in PEDALS or "composition" not in metadata:
        raise ValueError(f"a pair needs composition, split (of {SPLITS}) and pedal (of {PEDALS}): {metadata}")
    score, performance = compact_score(score_tokens), _from_zero(performance_tokens)
    score.notes[:1, IOI] = 0
    if score.size != len(performance) or (score.notes[:, 0] != performance[:, 0]).any():
        raise ValueError("a pair's score and performance differ in length or pitch")
    kinds = {groups: kind for kind, groups in GROUPS.items()}
    if score.groups not in kinds:
        raise ValueError(f"a pair's score with {' and '.join(score.groups)} alone is not stored")
    return _pack(kinds[score.groups], metadata, score.size, pair_planes(score, performance))


def pair_planes(score: ScoreTokens, performance: np.ndarray) -> list[bytes]:
    """All planes of a pair's values uint16: the performance's pitches, which are the score's, are left out."""
    planes = to_planes(score.notes) + to_planes(performance)[1:]
    return planes + [plane for name in score.groups[1:] for plane in group_planes(name, getattr(score, name))]


def unpack_pair(record: bytes) -> tuple[ScoreTokens, np.ndarray, dict]:
    """The inverse of `pack_pair`: score int32 of N notes, performance int32[N, 8], metadata.

    Raises:
        RecordError: damaged bytes, another version, or a single piece.
    """
    metadata, performance, score = _unpack(record, PAIR)
    assert score is not None
    return expand_score(score), expand(performance), metadata


def played_notes(metadata: dict, notes: int) -> np.ndarray:
    """bool[N]: the notes of a pair whose performed values are a performer's, from its metadata."""
    played = np.ones(notes, bool)
    played[np.array(metadata.get("unplayed", []), np.int64)] = False
    return played


def record_kind(record: bytes) -> int:
    """PIECE or PAIR, whatever its score tells.

    Raises:
        RecordError: not a record of this version.
    """
    if len(record) < _HEADER.size or record[:4] != _MAGIC:
        raise RecordError("not a stored piece: prepare the corpus again")
    _, version, kind, _, _ = _HEADER.unpack_from(record)
    if version != VERSION or kind not in GROUPS:
        raise RecordError(f"a record of version {version}, not {VERSION}: prepare the corpus again")
    return PIECE if kind == PIECE else PAIR


def _from_zero(tokens: np.ndarray) -> np.ndarray:
    values = compact(tokens)
    values[:1, IOI] = 0
    return values


def _pack(kind: int, metadata: dict, notes: int, planes: Sequence[bytes]) -> bytes:
    # ASCII escapes carry file names that are not valid Unicode as well.
    text = json.dumps(metadata, sort_keys=True, separators=(",", ":")).encode("ascii")
    return b"".join((_HEADER.pack(_MAGIC, VERSION, kind, notes, len(text)), text, *planes))


def empty_values(notes: int, groups: Sequence[str] = ()) -> tuple[np.ndarray, ScoreTokens | None]:
    """What `fill` fills: uint16 of a performance of so many notes, and of the `groups` of its score."""
    score = score_shapes(groups, notes).map(lambda shape: np.empty(shape, np.uint16)) if groups else None
    return np.empty((notes, NOTE_TOKENS), np.uint16), score


def _unpack(record: bytes, kind: int) -> tuple[dict, np.ndarray, ScoreTokens | None]:
    if record_kind(record) != kind:
        raise RecordError("a pair where a piece was expected, or the reverse: give the other prepared folder")
    _, _, stored, notes, length = _HEADER.unpack_from(record)
    widths: tuple[int, ...] = PLANE_WIDTHS
    if kind == PAIR:
        widths += PLANE_WIDTHS[1:] + sum((WIDTHS[name] for name in GROUPS[stored][1:]), ())
    ends = _HEADER.size + length + notes * np.cumsum((0, *widths))
    if len(record) != ends[-1]:
        raise RecordError(f"a record of {len(record)} bytes, not {ends[-1]}: prepare the corpus again")
    planes = [record[start:end] for start, end in itertools.pairwise(ends)]
    performance, score = empty_values(notes, GROUPS[stored])
    fill(planes, performance, score)
    try:
        metadata = json.loads(record[_HEADER.size : _HEADER.size + length])
    except ValueError as error:
        raise RecordError("a record's metadata is damaged: prepare the corpus again") from error
    return metadata, performance, score
