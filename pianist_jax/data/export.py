"""Prepared shards -> exported parts (see `parts`), for machines without ArrayRecord."""

import concurrent.futures
import dataclasses
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pianist_jax.data.parts import PAIRS, PIECES, assemble, compress
from pianist_jax.data.records import (
    WIDTHS,
    compact,
    compact_score,
    pair_planes,
    to_planes,
    unpack_pair,
    unpack_piece,
)
from pianist_jax.data.shards import Prepared, PreparedError, read_prepared, read_records, read_shard
from pianist_jax.music.tokens import SCORE_COLUMNS, ScoreTokens, join_scores

PART_BYTES = 40 << 20
BLOCK_NOTES = 1 << 19  # a block decompresses by itself, so blocks load in parallel


@dataclasses.dataclass(frozen=True, eq=False)
class _Stored:
    """A piece or pair on its way: its entry in the header, and its values uint16."""

    entry: dict
    performance: np.ndarray
    score: ScoreTokens | None = None


def export(
    prepared_dirs: Sequence[Path], out_dir: Path, *, name: str = "pretrain", part_bytes: int = PART_BYTES
) -> list[Path]:
    """Write the pieces of prepared folders, in the order given, as `name-1-of-3.part` and so on.

    The same folders give the same bytes. The parts appear when all of them are complete.

    Args:
        prepared_dirs: each of another corpus.
        part_bytes: no part is larger.

    Raises:
        PreparedError: a folder is unusable, a corpus comes twice, a block does not fit, or the parts exist.
    """
    prepared = [read_prepared(Path(folder)) for folder in prepared_dirs]
    names = [each.source.name for each in prepared]
    if len(set(names)) != len(names):
        raise PreparedError(f"prepared folders of one corpus twice ({', '.join(names)}); give each once")
    header = {"kind": PIECES, "sources": [dataclasses.asdict(each.source) for each in prepared]}
    return _write(_pieces(prepared), header, Path(out_dir), name, part_bytes)


def export_pairs(
    record_files: Sequence[Path], out_dir: Path, *, name: str = "pairs", part_bytes: int = PART_BYTES
) -> list[Path]:
    """Write the pairs of ArrayRecord files, in the order given; as `export` does for pieces."""
    stored = list(_pairs(record_files))
    scores = [each.score for each in stored if each.score is not None]
    if len({score.metre is not None for score in scores}) > 1:
        raise PreparedError("some pairs tell the metre and some do not; make them all anew")
    told = {name: any(name in score.groups for score in scores) for name in WIDTHS}
    if told["page"]:  # most corpora are MIDI: what nobody knows is 0
        stored = [dataclasses.replace(each, score=_with_page(each.score)) for each in stored]
    return _write(stored, {"kind": PAIRS, **told}, Path(out_dir), name, part_bytes)


def _with_page(score: ScoreTokens | None) -> ScoreTokens | None:
    if score is None or score.page is not None:
        return score
    return score._replace(page=np.zeros((score.size, SCORE_COLUMNS["page"]), np.uint16))


def _pieces(prepared: Sequence[Prepared]) -> Iterator[_Stored]:
    for source, each in enumerate(prepared):
        for record in read_records(each):
            piece = unpack_piece(record)
            entry = {"notes": len(piece.tokens), "source": source, "pedal": piece.pedal, "file": piece.file}
            yield _Stored(entry, compact(piece.tokens))


def _pairs(record_files: Sequence[Path]) -> Iterator[_Stored]:
    for file in record_files:
        for record in read_shard(Path(file)):
            score, performance, metadata = unpack_pair(record)
            yield _Stored({"notes": score.size, "metadata": metadata}, compact(performance), compact_score(score))


def _write(stored: Iterable[_Stored], header: dict, out_dir: Path, name: str, part_bytes: int) -> list[Path]:
    if any(out_dir.glob(f"{name}-*.part")):
        raise PreparedError(f"{out_dir}: holds parts of {name} already; remove them or name another folder")
    with concurrent.futures.ThreadPoolExecutor() as pool:  # LZMA releases the interpreter lock
        compressed = list(pool.map(_compress_block, _blocks(stored)))
    if not compressed:
        raise PreparedError(f"nothing to export as {name}: the prepared folders hold no notes")
    parts = _divide(header, compressed, part_bytes)
    out_dir.mkdir(parents=True, exist_ok=True)
    width = len(str(len(parts)))
    paths = [out_dir / f"{name}-{number:0{width}d}-of-{len(parts)}.part" for number in range(1, len(parts) + 1)]
    unfinished = [path.with_suffix(".unfinished") for path in paths]
    for path, content in zip(unfinished, parts, strict=True):
        path.write_bytes(content)
    for path, final in zip(unfinished, paths, strict=True):
        path.replace(final)
    return paths


def _blocks(stored: Iterable[_Stored]) -> Iterator[list[_Stored]]:
    """Pieces in order, gathered to at most BLOCK_NOTES notes (a longer piece stands alone)."""
    block: list[_Stored] = []
    notes = 0
    for each in stored:
        if block and notes + each.entry["notes"] > BLOCK_NOTES:
            yield block
            block, notes = [], 0
        block.append(each)
        notes += each.entry["notes"]
    if block:
        yield block


def _compress_block(block: list[_Stored]) -> tuple[dict, bytes]:
    """A block's entry in the header, and its bytes."""
    performance = np.concatenate([stored.performance for stored in block])
    scores = [stored.score for stored in block if stored.score is not None]
    planes = pair_planes(join_scores(scores), performance) if scores else to_planes(performance)
    packed = compress(planes)
    body = b"".join(packed)
    entry = {
        "pieces": [stored.entry for stored in block],
        "notes": sum(stored.entry["notes"] for stored in block),
        "sizes": [len(plane) for plane in packed],
        "crc": zlib.crc32(body),
    }
    return entry, body


def _divide(header: dict, blocks: list[tuple[dict, bytes]], limit: int) -> list[bytes]:
    """Blocks in order, as many to a part as the limit lets."""
    header = {**header, "export": hashlib.sha256(b"".join(body for _, body in blocks)).hexdigest()}
    groups: list[list[tuple[dict, bytes]]] = []
    for block in blocks:
        # Numbered 999 of 999, so that the true numbers take no more room.
        if not groups or len(_part(header, [*groups[-1], block], 999, 999)) > limit:
            groups.append([])
            if len(_part(header, [block], 999, 999)) > limit:
                raise PreparedError(f"{len(block[1])} bytes do not fit into a part of {limit}; allow larger parts")
        groups[-1].append(block)
    return [_part(header, group, number, len(groups)) for number, group in enumerate(groups)]


def _part(header: dict, blocks: list[tuple[dict, bytes]], number: int, parts: int) -> bytes:
    entries, start = [], 0
    for entry, body in blocks:
        entries.append({**entry, "start": start})
        start += len(body)
    whole = {**header, "part": number, "parts": parts, "blocks": entries}
    return assemble(whole, [body for _, body in blocks])
