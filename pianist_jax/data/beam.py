"""Corpora -> prepared folders on Apache Beam: what `prepare` does, spread over as many machines as a runner has.

The function mapped over the files is the same (`entries.make_entry`), and so are the decisions (`prepare.settle`,
`prepare.plan_folder`): manifests and shards come out as they do locally, to the byte. Only what the decisions need
comes together in one place: manifest lines and a sample of fingerprints, about 4 kB a file.

Beam is the extra `beam`; paths are folders that all machines see, or addresses that fsspec knows (gs://, s3:// …).
"""

import dataclasses
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np

from pianist_jax.data.entries import Entry, make_entry
from pianist_jax.data.fingerprints import HeldOut
from pianist_jax.data.layouts import Item
from pianist_jax.data.prepare import (
    Corpus,
    Listed,
    list_corpora,
    plan_folder,
    read_held_out,
    run_digest,
    settle,
)
from pianist_jax.data.shards import PreparedError, describe, manifest, write_shard
from pianist_jax.data.sources import Source
from pianist_jax.runners import pipeline_options

if TYPE_CHECKING:
    import apache_beam as beam

Light = tuple[int, dict, int, np.ndarray]  # number of the file, its line, bytes of its record (-1: none), shingles


@dataclasses.dataclass(frozen=True)
class CorpusFile:
    """A file among those of all corpora: its number, and what `make_entry` is told."""

    number: int
    source: Source
    root: str
    item: Item


def prepare_on_beam(
    corpora: Sequence[Corpus],
    out_dir: str,
    held_out: Sequence[Corpus] = (),
    validation: float = 0.0,
    runner: str = "Direct",
    options: Sequence[str] = (),
) -> None:
    """Store corpora as prepared folders, `out_dir/NAME` each, as `prepare.prepare` does.

    Args:
        out_dir: where the machines can write; its prepared folders must not exist.
        runner: one of `runners.RUNNERS`.
        options: of that runner, `key=value` each (`project=…`, `temp_location=gs://…`).

    Raises:
        PianistError: Beam is not installed, or does not know the runner.
        SourceError, PreparedError: as `prepare.prepare`.
    """
    settings = pipeline_options(runner, options)
    import apache_beam as beam

    with tempfile.TemporaryDirectory() as scratch:
        listed = list_corpora(corpora, Path(scratch), validation)
        held = read_held_out(list_corpora(held_out, Path(scratch), 0.0, distinct=False), listed)
        system, root = fsspec.core.url_to_fs(out_dir)
        for each in listed:
            if system.exists(f"{root}/{each.source.name}"):
                raise PreparedError(f"{out_dir}/{each.source.name}: exists already; remove it or name another folder")
        with beam.Pipeline(options=settings) as pipeline:
            _build(pipeline, listed, held, out_dir)


def _build(pipeline: "beam.Pipeline", listed: Sequence[Listed], held_out: HeldOut, out_dir: str) -> None:
    import apache_beam as beam

    jobs = [
        CorpusFile(number, each.source, each.root, item)
        for number, (each, item) in enumerate((each, item) for each in listed for item in each.items)
    ]
    names = [each.source.name for each in listed for _ in each.items]
    sources = [each.source for each in listed]
    run = run_digest(listed, held_out)
    held = beam.pvalue.AsSingleton(pipeline | "Held out" >> beam.Create([held_out]))
    entries = (
        pipeline | "Files" >> beam.Create(jobs) | "Spread" >> beam.Reshuffle() | "Read" >> beam.Map(read_entry, held)
    )
    decided = (
        entries
        | "Lighten" >> beam.Map(lighten)
        | "Gather" >> beam.combiners.ToList()
        | "Decide" >> beam.Map(decide, names, sources, run)
    )
    shards = (
        entries
        | "Send" >> beam.FlatMap(send, beam.pvalue.AsSingleton(decided))
        | "Bring together" >> beam.GroupByKey()
        | "Write shards" >> beam.Map(write_sent, out_dir)
    )
    # A folder's description is its sign of being complete: it comes when all shards are there.
    written = beam.pvalue.AsSingleton(shards | "Count" >> beam.combiners.Count.Globally())
    decided | "Describe" >> beam.Map(write_texts, out_dir, written)


@dataclasses.dataclass(frozen=True)
class Decided:
    """What becomes of all files: `shard` of each that is taken, by its number; texts by path below the output."""

    shard: dict[int, str]
    texts: dict[str, str]


def decide(lights: Iterable[Light], names: Sequence[str], sources: Sequence[Source], run: str) -> Decided:
    """The decisions of `prepare`, from what is known of each file, in any order."""
    ordered = sorted(lights, key=lambda light: light[0])
    sizes = [size for _, _, size, _ in ordered]
    lines = settle([line for _, line, _, _ in ordered], [shingles for *_, shingles in ordered], names)
    shard: dict[int, str] = {}
    texts: dict[str, str] = {}
    first = 0
    for source in sources:
        last = first + names.count(source.name)
        train, validation = plan_folder(lines[first:last], sizes[first:last])
        for name, files in (train | validation).items():
            shard |= {first + file: f"{source.name}/{name}" for file in files}
        texts[f"{source.name}/manifest.jsonl"] = manifest(lines[first:last])
        texts[f"{source.name}/description.json"] = describe(source, train, validation, run)
        first = last
    return Decided(shard, texts)


def read_entry(job: CorpusFile, held_out: HeldOut) -> tuple[int, Entry]:
    """A file's number and what it holds."""
    return job.number, make_entry(job.source, job.root, job.item, held_out)


def lighten(numbered: tuple[int, Entry]) -> Light:
    """What of a file the decisions need: no record."""
    number, entry = numbered
    return number, entry.line, -1 if entry.record is None else len(entry.record), entry.shingles


def send(numbered: tuple[int, Entry], decided: Decided) -> Iterable[tuple[str, tuple[int, bytes]]]:
    """Its numbered record to the shard that it belongs to, if it is taken."""
    number, entry = numbered
    if number in decided.shard and entry.record is not None:
        yield decided.shard[number], (number, entry.record)


def write_sent(shard: tuple[str, Iterable[tuple[int, bytes]]], out_dir: str) -> str:
    """Write what was sent to a shard, in the order of the files; gives its path."""
    path, numbered = shard
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, "shard")
        write_shard(local, (record for _, record in sorted(numbered)))
        _put(f"{out_dir}/{path}", local.read_bytes())
    return path


def write_texts(decided: Decided, out_dir: str, _: Any) -> None:
    """Write manifests and descriptions."""
    for path, text in decided.texts.items():
        _put(f"{out_dir}/{path}", text.encode("utf-8"))


def _put(path: str, content: bytes) -> None:
    system, inside = fsspec.core.url_to_fs(path)
    system.makedirs(inside.rpartition("/")[0], exist_ok=True)
    system.pipe(inside, content)
