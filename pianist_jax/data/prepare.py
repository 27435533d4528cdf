"""Corpora of MIDI files -> prepared folders, on one machine: read, judge, store (arXiv 2512.02652, data).

Three steps. Every file is read by itself, in batches that are kept on disk (`entries`). What needs to know all of
them is decided in one place (`settle`). The shards are written, each by itself. Whatever is finished when a run is
stopped, even killed, is not done again, and the result is the same to the byte.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pianist_jax.data.entries import (
    DUPLICATE,
    load_lines,
    load_records,
    make_entry,
    read_notes,
    save_entries,
)
from pianist_jax.data.fingerprints import HeldOut, duplicates, hold_out, pitch_shingles
from pianist_jax.data.layouts import Item, list_items
from pianist_jax.data.records import VERSION
from pianist_jax.data.shards import (
    TRAIN,
    VALIDATION,
    PreparedError,
    complete,
    plan_shards,
    read_manifest,
    read_prepared,
    write_shard,
)
from pianist_jax.data.sources import Source, SourceError
from pianist_jax.data.trees import open_tree
from pianist_jax.errors import PianistError

BATCH = 128  # files
RULES = 3  # raised when the same files would give other records
Told = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A corpus and where it lies: a folder, a tar, or an address that fsspec knows."""

    source: Source
    root: str


@dataclasses.dataclass(frozen=True)
class Listed:
    """A corpus whose files are known; `root` is where they are read (of a compressed tar, what it holds)."""

    source: Source
    root: str
    items: tuple[Item, ...]


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run made of a corpus: pieces and notes to train on, their seconds, pieces to validate on.

    `left_out`: how many files were left out, by kind of reason.
    """

    folder: Path
    pieces: int
    notes: int
    seconds: float
    validation: int
    left_out: dict[str, int]


def prepare(
    corpora: Sequence[Corpus],
    out_dir: Path,
    *,
    held_out: Sequence[Corpus] = (),
    validation: float = 0.0,
    workers: int | None = None,
    tell: Told = lambda done, of: None,
) -> list[Summary]:
    """Store corpora as prepared folders, `out_dir/NAME` each.

    The same files give the same bytes, however many workers and however often the run was stopped. A file that cannot
    be read, or is not worth it, or holds music that others hold already, is left out; it never stops the run.
    The manifests name every file and say what became of it.

    Args:
        held_out: corpora of which nothing is trained on, in whatever file it comes: of one that has splits, its
            validation and test pieces; else all its pieces. Splits of `corpora` themselves count likewise.
        validation: the share of compositions to validate on, of corpora that bring no splits.
        workers: processes; None: as many as there are cores.
        tell: hears how many batches and shards of how many are done.

    Raises:
        SourceError: a corpus is not there, comes twice, or is not laid out as it should be.
        PreparedError: a folder exists already that other files were prepared to, or with other settings.
    """
    listed = list_corpora(corpora, out_dir / ".unpacked", validation)
    withheld = list_corpora(held_out, out_dir / ".unpacked", 0.0, distinct=False)
    workers = workers or os.cpu_count() or 1
    run = _Run(listed, read_held_out(withheld, listed, workers), out_dir)
    missing = [each for each in listed if not run.is_complete(each)]
    if missing:
        with _pool(workers) as each_done:
            run.read(each_done, tell)
            run.write(missing, each_done, tell)
    for scratch in (run.workings, out_dir / ".unpacked"):
        shutil.rmtree(scratch, ignore_errors=True)
    return [summarise(out_dir / each.source.name) for each in listed]


def list_corpora(corpora: Sequence[Corpus], scratch: Path, validation: float, distinct: bool = True) -> list[Listed]:
    """The files of corpora; those without splits get some: a `validation` share of their compositions."""
    names = [corpus.source.name for corpus in corpora]
    if distinct and len(set(names)) < len(names):
        raise SourceError(f"corpora of one name twice ({', '.join(names)}); give each once, or name them NAME=PATH")
    listed = []
    for corpus in corpora:
        tree = open_tree(corpus.root, scratch)
        items = list_items(corpus.source.name, tree)
        if all(item.split == "train" for item in items):
            items = [dataclasses.replace(item, split=draw_split(item.composition, validation)) for item in items]
        listed.append(Listed(corpus.source, tree.root, tuple(items)))
    return listed


def draw_split(composition: str, validation: float) -> str:
    """The split of a composition that brings none: it follows from its name, and about a share is validated on."""
    drawn = int.from_bytes(hashlib.sha256(os.fsencode(composition)).digest()[:8], "big") / 2**64
    return "validation" if drawn < validation else "train"


def read_held_out(withheld: Sequence[Listed], corpora: Sequence[Listed], workers: int = 1) -> HeldOut:
    """The fingerprints of what nothing may be trained on (see `prepare`). What cannot be read is of no harm.

    Raises:
        SourceError: of a corpus to hold out there is nothing that can be read.
    """
    pieces: list[tuple[str, str, Item]] = []
    for number, each in enumerate([*withheld, *corpora]):
        has_splits = any(item.split != "train" for item in each.items)
        everything = number < len(withheld) and not has_splits
        chosen = [item for item in each.items if everything or item.split != "train"]
        pieces += [(f"{each.source.name}/{item.file}", each.root, item) for item in chosen]
    names = [name for name, _, _ in pieces]
    if workers == 1 or len(pieces) < BATCH:
        found = [*map(_shingles_of, pieces)]
    else:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
            found = [*pool.map(_shingles_of, pieces, chunksize=16)]
    read = {name for name, shingles in zip(names, found, strict=True) if shingles is not None}
    for each in withheld:
        if not any(f"{each.source.name}/{item.file}" in read for item in each.items):
            raise SourceError(f"{each.root}: nothing in it can be held out; give MIDI files")
    return hold_out((name, shingles) for name, shingles in zip(names, found, strict=True) if shingles is not None)


def _shingles_of(piece: tuple[str, str, Item]) -> np.ndarray | None:
    _, root, item = piece
    try:
        return pitch_shingles(read_notes(root, item).pitch)
    except (PianistError, OSError):
        return None


def settle(lines: Sequence[dict], shingles: Sequence[np.ndarray], corpora: Sequence[str]) -> list[dict]:
    """Manifest lines, those of recordings that another file holds as well marked as left out.

    Args, one for each file of all corpora in order: its line, its `recording_shingles`, the name of its corpus.
    """
    settled = [*lines]
    for split in ("train", "validation"):
        files = [n for n, line in enumerate(lines) if "left_out" not in line and line["split"] == split]
        doubles = duplicates(
            [lines[n]["content"] for n in files], [shingles[n] for n in files], [lines[n]["notes"] for n in files]
        )
        for n, double in zip(files, doubles, strict=True):
            if double is not None:
                other = f"{corpora[files[double]]}/{lines[files[double]]['file']}"
                settled[n] = {**lines[n], "left_out": f"{DUPLICATE}: the recording of {other} again"}
    return settled


def plan_folder(lines: Sequence[dict], sizes: Sequence[int]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Of a corpus's files, by their settled lines and the bytes of their records: which go into which shard.

    Returns:
        the shards to train on, and those to validate on: name -> numbers of files.
    """
    plans = []
    for kind, split in ((TRAIN, "train"), (VALIDATION, "validation")):
        files = [n for n, line in enumerate(lines) if "left_out" not in line and line["split"] == split]
        plan = plan_shards([sizes[n] for n in files], kind)
        plans.append({name: [files[member] for member in members] for name, members in plan.items()})
    return plans[0], plans[1]


def run_digest(listed: Sequence[Listed], held_out: HeldOut) -> str:
    """Names a run: all that its result follows from."""
    facts = [RULES, VERSION, held_out.digest.hex()]
    for each in listed:
        items = [dataclasses.replace(item, start=0) for item in each.items]
        facts += [dataclasses.asdict(each.source), [dataclasses.astuple(item) for item in items]]
    return hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()[:32]


def summarise(folder: Path) -> Summary:
    """What a prepared folder holds, by its manifest."""
    lines = read_manifest(folder)
    train = [line for line in lines if "left_out" not in line and line.get("split", "train") == "train"]
    reasons = Counter(line["left_out"].partition(":")[0] for line in lines if "left_out" in line)
    notes, seconds = sum(line["notes"] for line in train), sum(line["seconds"] for line in train)
    left_out = dict(sorted(reasons.items()))
    return Summary(folder, len(train), notes, seconds, len(lines) - len(train) - reasons.total(), left_out)


class _Run:
    """One run and its workings, `out_dir/.NAME/`: batches of entries, and unfinished folders."""

    def __init__(self, listed: Sequence[Listed], held_out: HeldOut, out_dir: Path) -> None:
        self.listed, self.held_out, self.out_dir = listed, held_out, out_dir
        self.name = run_digest(listed, held_out)
        self.workings = out_dir / f".{self.name}"
        self.batches = {each.source.name: self._batches(each) for each in listed}

    def _batches(self, each: Listed) -> list[Path]:
        count = -(-len(each.items) // BATCH)
        return [self.workings / each.source.name / f"batch-{n:06d}.npz" for n in range(count)]

    def is_complete(self, each: Listed) -> bool:
        folder = self.out_dir / each.source.name
        if not folder.exists() or not any(folder.iterdir()):
            return False
        with contextlib.suppress(PreparedError):
            if read_prepared(folder).run == self.name:
                return True
        raise PreparedError(f"{folder}: exists already, of other files or settings; remove it or name another folder")

    def read(self, each_done: Callable, tell: Told) -> None:
        """Make the batches that are not there."""
        tasks = []
        for each in self.listed:
            for n, path in enumerate(self.batches[each.source.name]):
                if not path.exists():
                    items = each.items[n * BATCH : (n + 1) * BATCH]
                    tasks.append(partial(_make_batch, path, each.source, each.root, items, self.held_out))
        total = sum(map(len, self.batches.values()))
        for done in each_done(tasks):
            tell(total - len(tasks) + done, total)

    def write(self, missing: Sequence[Listed], each_done: Callable, tell: Told) -> None:
        """Make the folders that are not there."""
        lines, sizes, shingles, corpora = [], [], [], []
        for each in self.listed:
            for path in self.batches[each.source.name]:
                more = load_lines(path)
                lines += more[0]
                sizes += more[1]
                shingles += more[2]
            corpora += [each.source.name] * len(each.items)
        lines = settle(lines, shingles, corpora)
        first, plans, tasks = 0, {}, []
        for each in self.listed:
            name, last = each.source.name, first + len(each.items)
            plans[name] = (lines[first:last], *plan_folder(lines[first:last], sizes[first:last]))
            first = last
            for shard, files in (plans[name][1] | plans[name][2]).items():
                path = self.workings / f"{name}.unfinished" / shard
                if each in missing and not path.exists():
                    tasks.append(partial(_make_shard, path, self.batches[name], files))
        for done in each_done(tasks):
            tell(done, len(tasks))
        for each in missing:
            name = each.source.name
            unfinished = self.workings / f"{name}.unfinished"
            unfinished.mkdir(exist_ok=True)
            complete(unfinished, self.out_dir / name, each.source, *plans[name], run=self.name)


def _make_batch(path: Path, source: Source, root: str, items: Sequence[Item], held_out: HeldOut) -> None:
    save_entries(path, [make_entry(source, root, item, held_out) for item in items])


def _make_shard(path: Path, batches: Sequence[Path], files: Sequence[int]) -> None:
    write_shard(path, _records_of(batches, files))


def _records_of(batches: Sequence[Path], files: Sequence[int]) -> Iterator[bytes]:
    """The records of files, given by their numbers, ascending."""
    batch, records = -1, []
    for file in files:
        if file // BATCH != batch:
            batch = file // BATCH
            records = load_records(batches[batch])
        record = records[file % BATCH]
        if record is None:
            raise PianistError(f"{batches[batch]}: damaged; remove it and run the same command again")
        yield record


def _begin_worker() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Workers of a killed run would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[Callable]:
    """Gives a function that does tasks and yields how many are done."""

    def here(tasks: Sequence[Callable[[], None]]) -> Iterator[int]:
        for done, task in enumerate(tasks, 1):
            task()
            yield done

    def spread(tasks: Sequence[Callable[[], None]]) -> Iterator[int]:
        # Spawned, not forked: the caller may hold threads (JAX does).
        context = multiprocessing.get_context("spawn")
        pool = concurrent.futures.ProcessPoolExecutor(workers, context, _begin_worker)
        try:
            for done, future in enumerate(concurrent.futures.as_completed([pool.submit(task) for task in tasks]), 1):
                future.result()
                yield done
        finally:
            pool.shutdown(cancel_futures=True)

    yield here if workers == 1 else spread
