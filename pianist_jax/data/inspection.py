"""What prepared folders hold, to look at and to listen to."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.data.pipeline import Batch, make_loader
from pianist_jax.data.records import PAIR, record_kind, unpack_pair, unpack_piece
from pianist_jax.data.shards import PreparedError, read_prepared, read_shard
from pianist_jax.data.sources import PEDALS, SOURCES, SPLITS
from pianist_jax.files import replace_file
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import LAST_GAP, NOTE_TOKENS, SLOT_START, decode

BETWEEN_SEGMENTS = 1500
"""ms of silence between the segments of a packed window, after the last note and its pedal (`tokens.LAST_GAP`)."""

FIELDS = {"velocity": (2, 128), "IOI, ms": (1, 5000), "duration, ms": (3, 5000), "pedal (CC64)": (4, 128)}
"""What `--plot` shows: slot and number of values of each."""
_SHOWN = {"IOI, ms": 1000, "duration, ms": 3000}  # values from 0; of the rest all
_BINS = {"IOI, ms": 10, "duration, ms": 25, "pedal (CC64)": 4}


@dataclasses.dataclass(eq=False)
class Contents:
    """What one corpus holds: a line of the table, and its values counted.

    `pedals` counts pieces by their kind of pedal; `counts` has for each of `FIELDS` how often each value occurs.
    """

    name: str
    kind: str
    licence: str
    pieces: int = 0
    notes: int = 0
    milliseconds: int = 0
    pedals: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(PEDALS, 0))
    counts: dict[str, np.ndarray] = dataclasses.field(
        default_factory=lambda: {name: np.zeros(size, np.int64) for name, (_, size) in FIELDS.items()}
    )


def find_folders(folder: Path) -> list[Path]:
    """The prepared folders and folders of pairs that a folder is, or holds, by name.

    Raises:
        PreparedError: there are none.
    """
    found = [each for each in (folder, *_subfolders(folder)) if _holds_pieces(each) or holds_pairs(each)]
    if not found:
        raise PreparedError(f"{folder}: holds nothing prepared; make it with `pianist prepare` or `pianist pairs`")
    return found


def holds_pairs(folder: Path) -> bool:
    """Whether `pianist pairs` made the folder."""
    return (folder / "train.array_record").is_file()


def _holds_pieces(folder: Path) -> bool:
    return (folder / "description.json").is_file()


def _subfolders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []


def inspect(folder: Path) -> list[Contents]:
    """What a prepared folder or a folder of pairs holds: a line for each split.

    Raises:
        PianistError: it is neither, or a shard is missing or damaged.
    """
    if not holds_pairs(folder):
        prepared = read_prepared(folder)
        source = prepared.source
        splits = {source.name: prepared.shards, f"{source.name} (validation)": prepared.validation}
        return [
            _count(Contents(name, source.kind, source.licence), shards) for name, shards in splits.items() if shards
        ]
    shards = [folder / f"{split}.array_record" for split in SPLITS]
    return [
        _count(Contents(f"{folder.name} ({split})", "pair", "unknown"), [shard])
        for split, shard in zip(SPLITS, shards, strict=True)
        if shard.exists()
    ]


def _count(contents: Contents, shards: Sequence[Path]) -> Contents:
    licences = {source.name: source.licence for source in SOURCES}
    for shard in shards:
        for record in read_shard(shard):
            if record_kind(record) == PAIR:
                _, tokens, metadata = unpack_pair(record)
                pedal = metadata["pedal"]
                contents.licence = licences.get(metadata.get("corpus", ""), contents.licence)
            else:
                piece = unpack_piece(record)
                tokens, pedal = piece.tokens, piece.pedal
            values = tokens - SLOT_START
            contents.pieces += 1
            contents.notes += len(values)
            contents.pedals[pedal] += 1
            contents.milliseconds += int(values[:, 1].sum()) + int(values[-1:, 3].sum())
            for name, (slot, size) in FIELDS.items():
                if slot < 4 or pedal != "none":
                    own = values[:, slot] if slot < 4 else values[:, slot:]
                    contents.counts[name] += np.bincount(own.ravel(), minlength=size)
    return contents


def table(found: Sequence[Contents]) -> list[str]:
    """The lines of the table, with a head and a sum."""
    head = ("corpus", "kind", "pieces", "notes", "hours", "tokens", "pedal: none/switch/cont.", "licence")
    rows = [
        (
            one.name,
            one.kind,
            f"{one.pieces}",
            f"{one.notes}",
            f"{one.milliseconds / 3_600_000:.1f}",
            f"{one.notes * NOTE_TOKENS / 1e6:.1f} M",
            "/".join(str(one.pedals[kind]) for kind in PEDALS),
            one.licence,
        )
        for one in [*found, _sum(found)][: len(found) + (len(found) > 1)]
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    left = {0, 1, len(head) - 1}

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return [line(head), *map(line, rows)]


def _sum(found: Sequence[Contents]) -> Contents:
    whole = Contents("sum", "", "")
    for one in found:
        whole.pieces += one.pieces
        whole.notes += one.notes
        whole.milliseconds += one.milliseconds
        for kind, count in one.pedals.items():
            whole.pedals[kind] += count
    return whole


def plot(path: Path, found: Sequence[Contents]) -> None:
    """Draw how velocities, IOIs, durations and pedal values are distributed in each corpus into a PNG file.

    Raises:
        PianistError: it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8), layout="constrained")
    axes: Any = figure.subplots(2, 2)
    for axis, (name, (_, size)) in zip(axes.flat, FIELDS.items(), strict=True):
        width = _BINS.get(name, 1)
        edges = np.arange(0, _SHOWN.get(name, size) + 1, width)
        for number, one in enumerate(found):
            counts = one.counts[name]
            if counts.sum():
                share = np.add.reduceat(counts[: edges[-1]], edges[:-1]) / counts.sum()
                style = ("-", "--", ":")[number // 10 % 3]  # after ten the colours come again
                axis.stairs(share, edges, label=one.name, linewidth=1.4, color=f"C{number % 10}", linestyle=style)
        axis.set(xlabel=name, ylabel="share of values", xlim=(0, edges[-1]))
        if width > 1:
            axis.set(yscale="log", ylabel=f"share of values, {width} a step")
    axes.flat[0].legend(fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    replace_file(path, content.getvalue())


def window_notes(values: np.ndarray, segment: np.ndarray) -> Notes:
    """The notes of one row of a batch, from 0 ms on; segments follow each other after a silence.

    Args:
        values: int[N, 8] from 0, of the `performance` or the score's notes of the row.
        segment: int[N], as in a batch.
    """
    parts: list[Notes] = []
    start = 0
    for number in range(1, int(segment.max(initial=0)) + 1):
        own = values[segment == number]
        own = np.concatenate([own[:1] * (np.arange(NOTE_TOKENS) != 1), own[1:]])  # it begins at once
        part = decode(own + SLOT_START, start)
        pedal_time, pedal_value = np.append(start, part.pedal_time), np.append(0, part.pedal_value)  # lifted before
        parts.append(dataclasses.replace(part, pedal_time=pedal_time, pedal_value=pedal_value))
        start = max(int(part.end.max()), int(part.onset[-1]) + LAST_GAP) + BETWEEN_SEGMENTS
    names = [field.name for field in dataclasses.fields(Notes)]
    joined = {name: np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0, int)]) for name in names}
    return Notes(**joined)


def listen(folders: Sequence[Path], out_dir: Path, *, count: int, window: int, seed: int) -> Iterator[Path]:
    """Write a batch of training windows as MIDI files, as a model gets them; gives each path when it is written.

    Of pairs both sides are written. Pieces and pairs each give a batch of `count` windows.

    Raises:
        PianistError: folders that cannot be loaded, files that cannot be written.
    """
    kinds = {"piece": [each for each in folders if not holds_pairs(each)]}
    kinds["pair"] = [each for each in folders if holds_pairs(each)]
    out_dir.mkdir(parents=True, exist_ok=True)
    for kind, own in kinds.items():
        if not own:
            continue
        with make_loader(own, batch=count, window=window, seed=seed, packed=True) as loader:
            batch = next(loader)
        for row in range(count):
            for side in ("score", "performance"):
                if side in batch:
                    path = out_dir / f"{kind}-{row + 1}-{side}.mid"
                    _write_row(path, batch, row, side)
                    yield path


def _write_row(path: Path, batch: Batch, row: int, side: str) -> None:
    values = (batch["score"].notes if side == "score" else batch[side])[row]
    if not batch["has_pedal"][row]:
        values = values * (np.arange(NOTE_TOKENS) < 4)
    write_midi(path, normalise(window_notes(values, batch["segment_ids"][row]))[0])
