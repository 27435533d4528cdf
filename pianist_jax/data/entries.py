"""What became of each file of a corpus: its record, its manifest line, its fingerprint; and such entries on disk.

A run writes them in batches, so that one that is stopped, even killed, goes on with the batch it was at.
"""

import dataclasses
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pianist_jax.data.fingerprints import HeldOut, content_hash, recording_shingles
from pianist_jax.data.layouts import Item
from pianist_jax.data.quality import fault
from pianist_jax.data.records import StoredPiece, pack_piece, pedal_kind
from pianist_jax.data.sources import Source
from pianist_jax.data.trees import read_content
from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from pianist_jax.music.midi import MAX_BYTES, notes_of_bytes, require_sensible
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import encode

UNREADABLE, TEST, HELD_OUT, METADATA, DUPLICATE = "unreadable", "test split", "held out", "metadata", "duplicate"
NO_SHINGLES = np.zeros(0, np.uint64)


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """A file's record (None: left out), its manifest line, and `recording_shingles` (none where it is left out)."""

    record: bytes | None
    line: dict
    shingles: np.ndarray


def read_notes(root: str, item: Item) -> Notes:
    """The normalised notes of a file of a corpus.

    Raises:
        MidiError: it is no MIDI file with piano notes.
        OSError: it cannot be read.
    """
    require_sensible(item.file, item.size)
    content = read_content(root, item.file, item.start, min(item.size, MAX_BYTES + 1))
    return normalise(notes_of_bytes(item.file, content, item.tracks))[0]


def make_entry(source: Source, root: str, item: Item, held_out: HeldOut) -> Entry:
    """What becomes of a file: the function that every way to prepare a corpus maps over it.

    Whatever is wrong with the file is told in its line, and nothing is raised. `left_out` begins with the kind of
    reason, up to a colon. Only relative names are told: the line is the same wherever the corpus lies.
    """
    line = {"file": item.file, "kind": source.kind, "composition": item.composition, "split": item.split}
    if item.left_out:
        return Entry(None, {**line, "left_out": f"{METADATA}: {item.left_out}"}, NO_SHINGLES)
    if item.split == "test":
        return Entry(None, {**line, "left_out": TEST}, NO_SHINGLES)
    try:
        return _entry(source, item, read_notes(root, item), held_out, line)
    except PianistError as error:
        reason = str(error)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except Exception as error:  # one file in thousands must not cost the others, whatever is wrong with it
        reason = f"{type(error).__name__}: {error}"
    return Entry(None, {**line, "left_out": f"{UNREADABLE}: {reason}"}, NO_SHINGLES)


def _entry(source: Source, item: Item, notes: Notes, held_out: HeldOut, line: dict) -> Entry:
    found = pedal_kind(notes.pedal_value)
    seconds = int(notes.end.max() - notes.onset[0]) / 1000
    line = {**line, "notes": len(notes), "seconds": seconds, "pedal": found, "content": content_hash(notes)}
    reason = fault(notes, source.kind)
    if not reason and item.split == "train":
        held = held_out.find(notes)
        reason = f"{HELD_OUT}: shares {held[1]:.0%} with {held[0]}" if held else ""
    if reason:
        return Entry(None, {**line, "left_out": reason}, NO_SHINGLES)
    pedal = "none" if source.pedal == "none" else found
    record = pack_piece(StoredPiece(encode(notes), source.name, item.file, source.kind, pedal))
    return Entry(record, line, recording_shingles(notes))


def save_entries(path: Path, entries: Sequence[Entry]) -> None:
    """Write a batch of entries; the file appears whole or not at all."""
    records = [entry.record or b"" for entry in entries]
    shingles = [entry.shingles for entry in entries]
    content = io.BytesIO()
    np.savez(
        content,
        lines=np.frombuffer(json.dumps([entry.line for entry in entries]).encode("ascii"), np.uint8),
        sizes=np.array([-1 if entry.record is None else len(entry.record) for entry in entries], np.int64),
        records=np.frombuffer(b"".join(records), np.uint8),
        counts=np.array([len(each) for each in shingles], np.int64),
        shingles=np.concatenate([NO_SHINGLES, *shingles]),
    )
    replace_file(path, content.getvalue(), make_folder=True)


def load_lines(path: Path) -> tuple[list[dict], list[int], list[np.ndarray]]:
    """Of a batch the manifest lines, the sizes of the records in bytes (-1: none), and the shingles.

    Raises:
        PianistError: the file is damaged.
    """
    columns = _load(path, "lines", "sizes", "counts", "shingles")
    lines = json.loads(columns["lines"].tobytes())
    return lines, columns["sizes"].tolist(), np.split(columns["shingles"], np.cumsum(columns["counts"])[:-1])


def load_records(path: Path) -> list[bytes | None]:
    """The records of a batch.

    Raises:
        PianistError: the file is damaged.
    """
    columns = _load(path, "sizes", "records")
    content, at, records = columns["records"].tobytes(), 0, []
    for size in columns["sizes"].tolist():
        records.append(None if size < 0 else content[at : at + size])
        at += max(size, 0)
    return records


def _load(path: Path, *names: str) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise PianistError(f"{path}: damaged; remove it and run the same command again") from error
