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

from pianist_jax.data.records import METRE_WIDTHS, empty_values, fill, played_notes
from pianist_jax.data.sources import PEDALS, SPLITS, Source
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import ScoreTokens

VERSION = 1
PIECES, PAIRS = "pieces", "pairs"
_MAGIC = b"PNSTPART"
_PREFIX = struct.Struct("<8sII")  # magic, version, bytes of header
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
            has its metre, [notes, 9], unless the export was made without.
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
    # A pair's planes go on after the score's with the performance's, which lack the pitch, and the score's metre.
    bits = (*_CONTEXT_BITS, *_CONTEXT_BITS[1:], *[0] * len(METRE_WIDTHS))[plane]
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
    if [(header["export"], header["part"]) for header in headers] != [(export, n) for n in range(expected)]:
        raise PartError(f"{opened[0][0]}: is one of {expected} parts of an export; give these, all of them")
    blocks = [(path, start, block) for path, header, start in opened for block in header["blocks"]]
    bounds = _offsets([block["notes"] for _, _, block in blocks])
    groups = ["notes"] * (kind == PAIRS) + ["metre"] * bool(headers[0].get("metre"))
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


def _open(path: Path, kind: str) -> tuple[Path, dict, int]:
    """Path, header, and where the blocks begin."""
    try:
        with path.open("rb") as file:
            magic, version, length = _PREFIX.unpack(file.read(_PREFIX.size))
            if magic != _MAGIC or version != VERSION:
                raise PartError(f"{path}: not an exported part of version {VERSION}; export the corpus again")
            header = json.loads(lzma.decompress(file.read(length)))
    except OSError as error:
        raise PartError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (struct.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise PartError(f"{path}: damaged; copy it or export it again") from error
    if header["kind"] != kind:
        raise PartError(f"{path}: holds {header['kind']}, not {kind}; give the other export")
    return path, header, _PREFIX.size + length


def _read_block(path: Path, start: int, block: dict, performance: np.ndarray, score: ScoreTokens | None) -> None:
    with path.open("rb") as file:
        file.seek(start + block["start"])
        data = file.read(sum(block["sizes"]))
    if len(data) != sum(block["sizes"]) or zlib.crc32(data) != block["crc"]:
        raise PartError(f"{path}: damaged; copy it or export it again")
    ends = _offsets(block["sizes"])
    planes = [
        lzma.decompress(data[low:high], lzma.FORMAT_RAW, filters=_filters(index))
        for index, (low, high) in enumerate(itertools.pairwise(ends))
    ]
    fill(planes, performance, score)


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
