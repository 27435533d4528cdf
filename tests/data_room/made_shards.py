"""Made-up shards whose every note tells where it comes from."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter

from pianist_jax.data.records import StoredPiece, pack_pair, pack_piece
from pianist_jax.data.shards import TRAIN, Prepared, complete, plan_shards, read_prepared, write_shard
from pianist_jax.data.sources import Source, find_source
from pianist_jax.music.tokens import (
    SLOT_START,
    ScoreTokens,
)

ROLES = {"ecompetition": (300, 70, 64, 2000), "pianocore-scores": (90, 200)}


def numbered_tokens(rng: np.random.Generator, notes: int, number: int) -> np.ndarray:
    """Tokens whose pitch and velocity name the piece, and whose durations count its notes."""
    values = rng.integers(0, 100, (notes, 8))
    values[0, 1] = 0
    values[:, 0], values[:, 2], values[:, 3] = 30 + number, 100 - number, 1 + np.arange(notes)
    return values + SLOT_START


def write_prepared(folder: Path, source: Source, entries: Sequence[tuple[bytes, dict]]) -> Prepared:
    """Records and their manifest lines as a prepared folder without a validation split."""
    plan = plan_shards([len(record) for record, _ in entries], TRAIN)
    unfinished = folder.with_name(f".{folder.name}")
    unfinished.mkdir(parents=True)
    for name, members in plan.items():
        write_shard(unfinished / name, [entries[member][0] for member in members])
    complete(unfinished, folder, source, [line for _, line in entries], plan, {}, run="")
    return read_prepared(folder)


def make_folders(where: Path) -> list[Path]:
    """Two prepared corpora; one piece of the first has no pedal."""
    rng = np.random.default_rng(0)
    made, number = [], itertools.count()
    for name, sizes in ROLES.items():
        source = find_source(name)
        entries = []
        for size in sizes:
            tokens = numbered_tokens(rng, size, next(number))
            pedal = "none" if size == 70 or source.pedal == "none" else "continuous"
            piece = StoredPiece(tokens.astype(np.int32), name, f"{size}.mid", source.kind, pedal)
            entries.append((pack_piece(piece), {"file": piece.file, "notes": size}))
        made.append(where / name)
        write_prepared(made[-1], source, entries)
    return made


def make_pairs_folder(folder: Path) -> Path:
    """A folder of pairs of both splits."""
    rng = np.random.default_rng(1)
    for split, sizes in (("train", (200, 65)), ("validation", (90,))):
        writer = ArrayRecordWriter(str(folder / f"{split}.array_record"), "group_size:1")
        for number, size in enumerate(sizes):
            score, played = (numbered_tokens(rng, size, number).astype(np.int32) for _ in range(2))
            metadata = {"composition": str(number), "split": split, "pedal": "continuous"}
            writer.write(pack_pair(ScoreTokens(score), played, metadata))
        writer.close()
    return folder
