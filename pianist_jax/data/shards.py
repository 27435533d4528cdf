"""Prepared folders: records in ArrayRecord shards, a manifest, and a description.

description.json     format, source, counts, names of the shards, and the run that made them
manifest.jsonl       a line for each file that was looked at: what was taken, or why it was left out
records-00000-of-00002.array_record …     to train on
validation-00000-of-00001.array_record …  compositions of which the others hold nothing
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from array_record.python import array_record_module

from pianist_jax.data.sources import Source
from pianist_jax.errors import PianistError
from pianist_jax.files import replacing

FORMAT = 1
SHARD_BYTES = 32 << 20  # of records before compression: about 3 M notes
_OPTIONS = "group_size:1,brotli:6"  # a record a chunk; brotli knows contexts, zstd does not
_DESCRIPTION, _MANIFEST = "description.json", "manifest.jsonl"
TRAIN, VALIDATION = "records", "validation"  # what shards are called


class PreparedError(PianistError):
    """A prepared folder that exists already, is missing, unfinished, damaged or of another format."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared folder: its corpus, the number of training records, and the paths of its shards in order.

    `validation` are the shards of its validation split, `run` names what it was made from.
    """

    folder: Path
    source: Source
    records: int
    shards: tuple[Path, ...]
    validation: tuple[Path, ...] = ()
    run: str = ""


def plan_shards(sizes: Sequence[int], kind: str) -> dict[str, list[int]]:
    """How records of so many bytes are dealt out: the name of each shard, and the records it holds in order."""
    members: list[list[int]] = []
    filled = 0
    for record, size in enumerate(sizes):
        if not members or filled + size > SHARD_BYTES:
            members.append([])
            filled = 0
        members[-1].append(record)
        filled += size
    return {f"{kind}-{n:05d}-of-{len(members):05d}.array_record": each for n, each in enumerate(members)}


def write_shard(path: Path, records: Iterable[bytes]) -> None:
    """Write one ArrayRecord file; it appears whole or not at all."""
    with replacing(path, make_folder=True) as unfinished:
        writer = array_record_module.ArrayRecordWriter(str(unfinished), _OPTIONS)
        for record in records:
            writer.write(record)
        writer.close()


def complete(
    unfinished: Path,
    folder: Path,
    source: Source,
    lines: Iterable[dict],
    train: dict[str, list[int]],
    validation: dict[str, list[int]],
    *,
    run: str,
) -> None:
    """Add manifest and description to a folder that holds all shards of its plan, and give it its name.

    What a killed run may have left beside them is removed.
    """
    for path in unfinished.iterdir():
        if path.name not in train and path.name not in validation:
            path.unlink()
    (unfinished / _MANIFEST).write_text(manifest(lines), "utf-8")
    (unfinished / _DESCRIPTION).write_text(describe(source, train, validation, run), "utf-8")
    unfinished.chmod(0o755)
    unfinished.rename(folder)


def manifest(lines: Iterable[dict]) -> str:
    """The text of a manifest."""
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)


def describe(source: Source, train: dict[str, list[int]], validation: dict[str, list[int]], run: str) -> str:
    """The text of a description: of what is in which shard, only how much."""
    description = {
        "format": FORMAT,
        "source": dataclasses.asdict(source),
        "records": sum(map(len, train.values())),
        "shards": [*train],
        "validation_records": sum(map(len, validation.values())),
        "validation_shards": [*validation],
        "run": run,
    }
    return json.dumps(description, indent=1) + "\n"


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
        validation = tuple(folder / name for name in description.get("validation_shards", ()))
        source, run = Source(**description["source"]), description.get("run", "")
        return Prepared(folder, source, description["records"], shards, validation, run)
    except OSError as error:
        raise PreparedError(f"{folder}: no prepared corpus ({error.strerror}); prepare it first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise PreparedError(f"{folder / _DESCRIPTION}: damaged; prepare the corpus again") from error


def read_manifest(folder: Path) -> list[dict]:
    """The manifest's lines in order."""
    return [json.loads(line) for line in (folder / _MANIFEST).read_text("utf-8").splitlines()]


def read_records(prepared: Prepared) -> Iterator[bytes]:
    """All training records of a prepared folder, in order.

    Raises:
        PreparedError: a shard is missing or damaged, or there are not as many records as were written.
    """
    seen = 0
    for shard in prepared.shards:
        records = read_shard(shard)
        seen += len(records)
        yield from records
    if seen != prepared.records:
        raise PreparedError(f"{prepared.folder}: holds {seen} of {prepared.records} records; prepare it again")


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
