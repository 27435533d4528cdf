"""Exported parts: whole corpora in a few compressed files that NumPy and the standard library alone can read.

    magic, version, length of the header | header: JSON under LZMA | blocks
    a block: pieces, one after the other, as planes of bytes (`records.to_planes`), each plane under LZMA

LZMA's literal coder follows the high bits of the byte before; each plane has the number of them that serves
it best.
"""

import concurrent.futures
import dataclasses
import itertools
import json
import lzma
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pianist_jax.data.records import PLANE_WIDTHS, WIDTHS, empty_values, fill, played_notes
from pianist_jax.data.sources import KINDS, PEDALS, SPLITS, Source
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import ScoreTokens

VERSION = 1
PIECES, PAIRS = "pieces", "pairs"
_MAGIC = b"PNSTPART"
_PREFIX = struct.Struct("<8sII")  # magic, version, bytes of header
_COMMON = ("export", "parts", "sources", "metre", "page")  # what the headers of one export share
_MAX_HEADER = 1 << 28  # bytes
_MAX_RATIO = 1000  # notes for a compressed byte; real music takes bytes for a note
_MAX_WEIGHT = 1e9  # of a corpus
_CONTEXT_BITS = (0, 2, 4, 4, 1, 4, 4)  # measured on continuous-pedal recordings, one for each plane


class PartError(PianistError):
    """An exported part that is damaged, missing, or of another kind."""


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """P pieces of some corpora, in memory, one after the other.

    Attributes:
        columns: uint16[notes, 8], values from 0 in slot order (id = value + SLOT_START); first IOIs are 0.
        offsets: int64[P + 1]; piece i is columns[offsets[i]:offsets[i + 1]].
        source: int32[P], index into `sources`.
        pedal: uint8[P], 0 none (its pedal columns mean nothing), 1 switch, 2 continuous; as found in each
            file, and 0 throughout a corpus recorded without.
        files: P names, relative to their corpus.
        sources: name, kind, pedal, licence and weight of each corpus.
    """

    columns: np.ndarray
    offsets: np.ndarray
    source: np.ndarray
    pedal: np.ndarray
    files: tuple[str, ...]
    sources: tuple[Source, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class PairCorpus:
    """P score–performance pairs in memory, aligned note by note.

    Attributes:
        score, performance: uint16[notes, 8], values from 0 in slot order, equal pitches; first IOIs are 0. The score
            has its metre, [notes, 9], and its page, [notes, 8], unless the export was made without.
        played: bool[notes], False where the performed values are no performer's.
        offsets: int64[P + 1], as in `Corpus`.
        composition: int32[P], index into `compositions`.
        split: uint8[P], 0 train, 1 validation.
        pedal: uint8[P], the performance's, as in `Corpus`.
        compositions: their names.
        metadata: of each pair, as it was stored.
    """

    score: ScoreTokens
    performance: np.ndarray
    played: np.ndarray
    offsets: np.ndarray
    composition: np.ndarray
    split: np.ndarray
    pedal: np.ndarray
    compositions: tuple[str, ...]
    metadata: tuple[dict, ...]


Chosen = TypeVar("Chosen", Corpus, PairCorpus)


def load_parts(paths: Sequence[Path | str], *, workers: int | None = None) -> Corpus:
    """Load all parts of an export of pieces, decompressed in parallel.

    Raises:
        PartError: a part is damaged, of another kind or version, or one of its set is missing.
    """
    headers, columns, _ = _load(paths, PIECES, workers)
    pieces = [piece for header in headers for block in header["blocks"] for piece in block["pieces"]]
    return Corpus(
        columns,
        _offsets([piece["notes"] for piece in pieces]),
        np.array([piece["source"] for piece in pieces], np.int32),
        np.array([PEDALS.index(piece["pedal"]) for piece in pieces], np.uint8),
        tuple(piece["file"] for piece in pieces),
        tuple(Source(**source) for source in headers[0]["sources"]),
    )


def load_pairs(paths: Sequence[Path | str], *, workers: int | None = None) -> PairCorpus:
    """Load all parts of an export of pairs; raises as `load_parts` does."""
    headers, performance, score = _load(paths, PAIRS, workers)
    assert score is not None
    pairs = [pair for header in headers for block in header["blocks"] for pair in block["pieces"]]
    compositions = sorted({pair["metadata"]["composition"] for pair in pairs})
    index = {name: number for number, name in enumerate(compositions)}
    played = [played_notes(pair["metadata"], pair["notes"]) for pair in pairs]
    return PairCorpus(
        score,
        performance,
        np.concatenate(played) if played else np.zeros(0, bool),
        _offsets([pair["notes"] for pair in pairs]),
        np.array([index[pair["metadata"]["composition"]] for pair in pairs], np.int32),
        np.array([SPLITS.index(pair["metadata"]["split"]) for pair in pairs], np.uint8),
        np.array([PEDALS.index(pair["metadata"]["pedal"]) for pair in pairs], np.uint8),
        tuple(compositions),
        tuple(pair["metadata"] for pair in pairs),
    )


def choose(corpus: Chosen, chosen: np.ndarray) -> Chosen:
    """The corpus with the chosen pieces or pairs (bool[P]) alone; compositions and sources keep their numbers."""
    lengths = np.diff(corpus.offsets)
    notes = np.repeat(chosen, lengths)
    kept: dict[str, Any] = {"offsets": _offsets(lengths[chosen].tolist())}
    if isinstance(corpus, PairCorpus):
        kept["score"] = corpus.score.at(notes)
    for field in dataclasses.fields(corpus):
        value = getattr(corpus, field.name)
        if field.name in ("columns", "performance", "played"):
            kept[field.name] = value[notes]
        elif field.name in ("source", "composition", "split", "pedal"):
            kept[field.name] = value[chosen]
        elif field.name in ("files", "metadata"):
            kept[field.name] = tuple(one for one, wanted in zip(value, chosen, strict=True) if wanted)
    return dataclasses.replace(corpus, **kept)


def compress(planes: Sequence[bytes]) -> list[bytes]:
    """The planes of a block, each under LZMA."""
    return [lzma.compress(plane, lzma.FORMAT_RAW, filters=_filters(index)) for index, plane in enumerate(planes)]


def assemble(header: dict, blocks: Sequence[bytes]) -> bytes:
    """A whole part.

    `header` has `kind`, `export` (a digest common to all parts), `part` and `parts` (its number of how many),
    `sources` and `blocks`; each block has `pieces`, `notes`, `start`, `sizes` (of its planes) and `crc`.
    """
    packed = lzma.compress(json.dumps(header, separators=(",", ":")).encode("ascii"))
    return b"".join((_PREFIX.pack(_MAGIC, VERSION, len(packed)), packed, *blocks))


def _filters(plane: int) -> list[dict]:
    # A pair's planes go on after the score's with the performance's, which lack the pitch, and what the score tells.
    bits = (*_CONTEXT_BITS, *_CONTEXT_BITS[1:], *[0] * sum(map(len, WIDTHS.values())))[plane]
    return [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": bits, "lp": 0, "pb": 0, "nice_len": 273}]


def _load(
    paths: Sequence[Path | str], kind: str, workers: int | None
) -> tuple[list[dict], np.ndarray, ScoreTokens | None]:
    """Headers of the parts, values uint16[notes, 8] of the pieces or performances, and of pairs those of the scores."""
    opened = sorted((_open(Path(path), kind) for path in paths), key=lambda part: part[1]["part"])
    if not opened:
        raise PartError("no parts given: name the files of one export")
    headers = [header for _, header, _ in opened]
    export, expected = headers[0]["export"], headers[0]["parts"]
    numbers = [(header["export"], header["part"]) for header in headers]
    if len(headers) != expected or numbers != [(export, n) for n in range(len(headers))]:
        raise PartError(f"{opened[0][0]}: is one of {expected} parts of an export; give these, all of them")
    for path, header, _ in opened:
        if [header.get(key) for key in _COMMON] != [headers[0].get(key) for key in _COMMON]:
            raise PartError(f"{path}: damaged (it contradicts the other parts); copy it or export it again")
    blocks = [(path, start, block) for path, header, start in opened for block in header["blocks"]]
    bounds = _offsets([block["notes"] for _, _, block in blocks])
    groups = ["notes"] * (kind == PAIRS) + _groups_of(headers[0])
    performance, score = empty_values(bounds[-1], groups)
    with concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        tasks = [
            pool.submit(
                _read_block, path, start, block, performance[low:high], score.at(slice(low, high)) if score else None
            )
            for (path, start, block), (low, high) in zip(blocks, itertools.pairwise(bounds), strict=True)
        ]
        for task in tasks:
            task.result()
    return headers, performance, score


def _groups_of(header: dict) -> list[str]:
    """The groups that the scores of a part tell beside their notes."""
    return [name for name in WIDTHS if header.get(name)]


def _open(path: Path, kind: str) -> tuple[Path, dict, int]:
    """Path, header, and where the blocks begin."""
    try:
        with path.open("rb") as file:
            magic, version, length = _PREFIX.unpack(file.read(_PREFIX.size))
            if magic != _MAGIC or version != VERSION:
                raise PartError(f"{path}: not an exported part of version {VERSION}; export the corpus again")
            start = _PREFIX.size + length
            room = os.fstat(file.fileno()).st_size - start
            if room < 0:
                raise ValueError("shorter than its header")
            header = json.loads(lzma.LZMADecompressor().decompress(file.read(length), _MAX_HEADER))
    except OSError as error:
        raise PartError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (struct.error, lzma.LZMAError, EOFError, ValueError, RecursionError) as error:
        raise PartError(f"{path}: damaged; copy it or export it again") from error
    try:
        held = header["kind"]
        if held in (PIECES, PAIRS) and held != kind:
            raise PartError(f"{path}: holds {held}, not {kind}; give the other export")
        whole = held == kind and _is_whole(header, room)
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise PartError(f"{path}: its header is damaged or was edited; copy it or export it again") from error
    if not whole:
        raise PartError(f"{path}: its header is damaged or was edited; copy it or export it again")
    return path, header, start


def _is_whole(header: dict, room: int) -> bool:
    """Whether a header is as `assemble` was given it, and speaks of the `room` bytes behind it. May raise anything."""
    pairs = header["kind"] == PAIRS
    told = sum(len(WIDTHS[name]) for name in _groups_of(header))
    planes = len(PLANE_WIDTHS) + (len(PLANE_WIDTHS) - 1 + told if pairs else 0)
    sources = [] if pairs else header["sources"]
    return (
        isinstance(header["export"], str)
        and _count(header["part"]) < _count(header["parts"])
        and (not pairs or (isinstance(header["metre"], bool) and isinstance(header.get("page", False), bool)))
        and all(_is_source(**source) for source in sources)
        and all(_is_block(block, planes, room) for block in header["blocks"])
        and all(
            _is_pair(piece) if pairs else _is_piece(piece, len(sources))
            for block in header["blocks"]
            for piece in block["pieces"]
        )
    )


def _is_block(block: dict, planes: int, room: int) -> bool:
    length = sum(map(_count, block["sizes"]))
    return (
        len(block["sizes"]) == planes
        and _count(block["start"]) + length <= room
        and _count(block["notes"]) == sum(_count(piece["notes"]) for piece in block["pieces"])
        and block["notes"] <= _MAX_RATIO * length
        and isinstance(block["crc"], int)
    )


def _is_piece(piece: dict, sources: int) -> bool:
    known = _count(piece["source"]) < sources and piece["pedal"] in PEDALS
    return known and isinstance(piece["file"], str) and piece["notes"] > 0


def _is_pair(pair: dict) -> bool:
    about = pair["metadata"]
    texts = [about["composition"], about.get("corpus", ""), about.get("file", "")]
    unplayed = about.get("unplayed", [])
    known = about["split"] in SPLITS and about["pedal"] in PEDALS and all(isinstance(text, str) for text in texts)
    counts = isinstance(unplayed, list) and all(_count(note) < pair["notes"] for note in unplayed)
    return known and pair["notes"] > 0 and counts


def _is_source(name: str, kind: str, pedal: str, licence: str, weight: float, coarse: bool = False) -> bool:
    texts = all(isinstance(text, str) for text in (name, licence))
    known = texts and kind in KINDS and pedal in PEDALS and isinstance(coarse, bool)
    return known and not isinstance(weight, bool) and 0 <= weight <= _MAX_WEIGHT


def _count(value: int) -> int:
    """A whole number from 0 on. Raises TypeError for anything else."""
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} is no count")
    return value


def _read_block(path: Path, start: int, block: dict, performance: np.ndarray, score: ScoreTokens | None) -> None:
    with path.open("rb") as file:
        file.seek(start + block["start"])
        data = file.read(sum(block["sizes"]))
    try:
        if len(data) != sum(block["sizes"]) or zlib.crc32(data) != block["crc"]:
            raise ValueError("other bytes than were written")
        most = max(PLANE_WIDTHS) * block["notes"] + 1
        planes = [
            lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(index)).decompress(data[low:high], most)
            for index, (low, high) in enumerate(itertools.pairwise(_offsets(block["sizes"])))
        ]
        fill(planes, performance, score)
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise PartError(f"{path}: damaged; copy it or export it again") from error


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
