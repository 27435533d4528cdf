"""MIDI files -> prepared shards: read, normalise, tokenise, store (paper §1, §2)."""

import concurrent.futures
import dataclasses
import multiprocessing
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pianist_jax.data.records import Piece, pack_piece, pedal_kind
from pianist_jax.data.shards import read_manifest, write_prepared
from pianist_jax.data.sources import Source, midi_files
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import normalise
from pianist_jax.music.tokens import encode

MIN_NOTES = 64


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run did: pieces and notes stored, their seconds of music, files left out."""

    pieces: int
    notes: int
    seconds: float
    left_out: int


def prepare(source_dir: Path, out_dir: Path, *, source: Source, workers: int | None = None) -> Summary:
    """Store all MIDI files below a folder as a prepared folder of record shards.

    The same files give the same bytes, however many workers. A file that cannot be read, or has fewer than 64
    notes, is left out; it never stops the run. The manifest names every file and says what became of it. The
    folder appears whole or not at all.

    Args:
        source_dir: where the corpus was unpacked.
        out_dir: must not exist.
        workers: processes; None: as many as there are cores.

    Raises:
        SourceError: no MIDI files there.
        PreparedError: `out_dir` exists already.
    """
    files = midi_files(source_dir)
    work = partial(_entry, source_dir, source)
    write_prepared(out_dir, source, _parallel(work, files, workers or os.cpu_count() or 1))
    lines = [line for line in read_manifest(out_dir) if "left_out" not in line]
    notes, seconds = sum(line["notes"] for line in lines), sum(line["seconds"] for line in lines)
    return Summary(len(lines), notes, seconds, len(files) - len(lines))


def _parallel(work: partial, files: list[Path], workers: int) -> Iterator[tuple[bytes | None, dict]]:
    if workers == 1:
        yield from map(work, files)
        return
    # Spawned, not forked: the caller may hold threads (JAX does).
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(work, files, chunksize=8)


def _entry(source_dir: Path, source: Source, file: Path) -> tuple[bytes | None, dict]:
    """The record (None: left out) and the manifest line of one file."""
    try:
        return _record(source_dir, source, file)
    except PianistError as error:
        reason = str(error)
    except Exception as error:  # one file in thousands must not cost the others, whatever is wrong with it
        reason = f"{type(error).__name__}: {error}"
    # Relative names only: the manifest is the same wherever the corpus lies.
    return None, {"file": str(file), "left_out": reason.replace(f"{source_dir}{os.sep}", "")}


def _record(source_dir: Path, source: Source, file: Path) -> tuple[bytes | None, dict]:
    notes, _ = normalise(read_midi(source_dir / file))
    if len(notes) < MIN_NOTES:
        return None, {"file": str(file), "left_out": f"{len(notes)} notes, fewer than {MIN_NOTES}"}
    found = pedal_kind(notes.pedal_value)
    pedal = "none" if source.pedal == "none" else found
    record = pack_piece(Piece(encode(notes), source.name, str(file), source.kind, pedal))
    seconds = int(notes.end.max() - notes.onset[0]) / 1000
    return record, {"file": str(file), "notes": len(notes), "seconds": seconds, "pedal": found}
