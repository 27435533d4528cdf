"""Prepared folders: records in ArrayRecord shards, a manifest, and a description.

description.json     format, source, counts, names of the shards
manifest.jsonl       a line for each file that was looked at: what was taken, or why it was left out
records-00000-of-00002.array_record …
"""

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from array_record.python import array_record_module

from pianist_jax.data.sources import Source
from pianist_jax.errors import PianistError

FORMAT = 1
SHARD_BYTES = 32 << 20  # of records before compression: about 3 M notes
_OPTIONS = "group_size:1,brotli:6"  # a record a chunk; brotli knows contexts, zstd does not
_DESCRIPTION, _MANIFEST = "description.json", "manifest.jsonl"


class PreparedError(PianistError):
    """A prepared folder that exists already, is missing, unfinished, damaged or of another format."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared folder: its corpus, the number of records, and the paths of its shards in order."""

    folder: Path
    source: Source
    records: int
    shards: tuple[Path, ...]


def write_prepared(folder: Path, source: Source, entries: Iterable[tuple[bytes | None, dict]]) -> Prepared:
    """Write records and manifest lines, in the order given, as a prepared folder.

    The folder appears whole or not at all. The same entries give the same bytes.

    Args:
        folder: must not exist.
        entries: for each file its record (None: left out) and its manifest line.

    Raises:
        PreparedError: the folder exists already.
    """
    if folder.exists():
        raise PreparedError(f"{folder}: exists already; remove it or name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        records, shards = _write_shards(unfinished, entries)
        description = {
            "format": FORMAT,
            "source": dataclasses.asdict(source),
            "records": records,
            "shards": shards,
        }
        (unfinished / _DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", "utf-8")
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished)
        raise
    return read_prepared(folder)


def read_prepared(folder: Path) -> Prepared:
    """What a prepared folder holds; no record is read.

    Raises:
        PreparedError: not a prepared folder, or of another format.
    """
    try:
        description = json.loads((folder / _DESCRIPTION).read_text("utf-8"))
        if description["format"] != FORMAT:
            raise PreparedError(f"{folder}: not of format {FORMAT}; prepare the corpus again")
        shards = tuple(folder / name for name in description["shards"])
        return Prepared(folder, Source(**description["source"]), description["records"], shards)
    except OSError as error:
        raise PreparedError(f"{folder}: no prepared corpus ({error.strerror}); prepare it first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise PreparedError(f"{folder / _DESCRIPTION}: damaged; prepare the corpus again") from error


def read_manifest(folder: Path) -> list[dict]:
    """The manifest's lines in order."""
    return [json.loads(line) for line in (folder / _MANIFEST).read_text("utf-8").splitlines()]


def read_records(prepared: Prepared) -> Iterator[bytes]:
    """All records of a prepared folder, in order.

    Raises:
        PreparedError: a shard is missing or damaged, or there are not as many records as were written.
    """
    seen = 0
    for shard in prepared.shards:
        records = read_shard(shard)
        seen += len(records)
        yield from records
    if seen != prepared.records:
        raise PreparedError(
            f"{prepared.folder}: holds {seen} of {prepared.records} records; prepare it again"
        )


def read_shard(shard: Path) -> list[bytes]:
    """The records of one ArrayRecord file, in order.

    Raises:
        PreparedError: it is missing or damaged.
    """
    if not shard.is_file():
        raise PreparedError(f"{shard}: missing; prepare the corpus again")
    try:
        reader = array_record_module.ArrayRecordReader(str(shard))
        records = reader.read_all()
        reader.close()
    except Exception as error:  # array_record raises several kinds, none of its own
        raise PreparedError(f"{shard}: damaged; prepare the corpus again") from error
    return records


def _write_shards(folder: Path, entries: Iterable[tuple[bytes | None, dict]]) -> tuple[int, list[str]]:
    writer, written, records = None, 0, 0
    paths: list[Path] = []
    with (folder / _MANIFEST).open("w", encoding="ascii") as manifest:
        for record, line in entries:
            manifest.write(json.dumps(line, sort_keys=True) + "\n")
            if record is None:
                continue
            if writer is None or written + len(record) > SHARD_BYTES:
                if writer is not None:
                    writer.close()
                paths.append(folder / f"unfinished-{len(paths):05d}")
                writer, written = array_record_module.ArrayRecordWriter(str(paths[-1]), _OPTIONS), 0
            writer.write(record)
            written += len(record)
            records += 1
    if writer is not None:
        writer.close()
    names = [f"records-{index:05d}-of-{len(paths):05d}.array_record" for index in range(len(paths))]
    for path, name in zip(paths, names, strict=True):
        path.rename(folder / name)
    return records, names
