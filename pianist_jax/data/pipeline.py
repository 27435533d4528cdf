"""Shards -> batches, with Grain: what does not fit into the memory of the device streams through here.

Example i of a run follows from its settings and i alone. A batch is a row of examples, a process takes its share of
the rows, and the state of a loader is the number of the next example: it is the same on any number of processes and
workers, and so is what comes next.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import grain
import numpy as np
from absl import flags

from pianist_jax.data.packing import Apart, Packed, lay_apart, lay_packed
from pianist_jax.data.records import PAIR, PIECE, played_notes, record_kind, unpack_pair, unpack_piece
from pianist_jax.data.shards import PreparedError, read_prepared, read_shard
from pianist_jax.data.sources import SPLITS
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import NOTE_TOKENS, SLOT_START, ScoreTokens, score_shapes

Batch = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Holding:
    """What a folder of shards holds, read once: R records in the order of its shards.

    Attributes:
        name: of the corpus.
        kind: `records.PIECE` or `records.PAIR`.
        weight: how often each note is drawn, relative to other corpora.
        expressive: whether its performances are played, not quantised scores.
        coarse: whether its times lie on a coarse grid (`corruption.jitter`).
        shards: paths.
        notes: int64[R].
        has_pedal: bool[R].
    """

    name: str
    kind: int
    weight: float
    expressive: bool
    coarse: bool
    shards: tuple[str, ...]
    notes: np.ndarray
    has_pedal: np.ndarray


def read_holding(folder: Path, split: str = "train") -> Holding:
    """What one split of a prepared folder, or of a folder of pairs, holds.

    Raises:
        PianistError: it is neither, a shard is missing or damaged, or nothing is in it.
    """
    if split not in SPLITS:
        raise PianistError(f"there is no split {split!r}; it is one of {', '.join(SPLITS)}")
    pairs = folder / f"{split}.array_record"
    if pairs.exists():
        name, weight, expressive, coarse, shards = "pairs", 1.0, True, False, [pairs]
    else:
        prepared = read_prepared(folder)
        source, shards = prepared.source, [*(prepared.shards if split == "train" else prepared.validation)]
        name, weight, expressive, coarse = source.name, source.weight, source.kind != "score", source.coarse
    notes, has_pedal, kind = [], [], PIECE
    for shard in shards:
        for record in read_shard(shard):
            kind = record_kind(record)
            performance, *_, pedal = _unpack(record, kind)
            notes.append(len(performance))
            has_pedal.append(pedal)
    if not notes:
        raise PreparedError(f"{folder}: holds no notes of the {split} split; prepare it with one or leave it out")
    paths = tuple(str(shard) for shard in shards)
    return Holding(name, kind, weight, expressive, coarse, paths, np.array(notes), np.array(has_pedal))


def _unpack(record: bytes, kind: int) -> tuple[np.ndarray, ScoreTokens | None, np.ndarray, bool]:
    """Token ids of the performance, of the score if it is a pair, which notes were played, is there a pedal."""
    if kind == PAIR:
        score, performance, metadata = unpack_pair(record)
        score = score._replace(page=None)  # only some tell it, and the consensus that reads it learns in memory
        return performance, score, played_notes(metadata, score.size), metadata["pedal"] != "none"
    piece = unpack_piece(record)
    return piece.tokens, None, np.ones(len(piece.tokens), bool), piece.pedal != "none"


class ShardWindows:
    """The windows of some records of a folder, by number: a data source for Grain.

    All of them have a pedal, or none has, so that it can be told of the window as a whole.
    """

    def __init__(self, holding: Holding, records: np.ndarray, layout: Apart | Packed, window: int) -> None:
        self._holding, self._records, self.layout, self._window = holding, records, layout, window
        self._source = grain.sources.ArrayRecordDataSource(list(holding.shards))

    def __len__(self) -> int:
        return len(self.layout)

    def __getitem__(self, number: Any) -> Batch:
        """One row of a batch: see `make_loader`."""
        spans = self.layout.spans(int(number) % len(self))
        first = self._records[spans[0][0]]
        example: Batch = {
            "performance": np.zeros((self._window, NOTE_TOKENS), np.int32),
            "note_mask": np.zeros(self._window, bool),
            "has_pedal": np.asarray(self._holding.has_pedal[first]),
            "expressive": np.asarray(self._holding.expressive),
            "coarse": np.asarray(self._holding.coarse),
            "segment_ids": np.zeros(self._window, np.int32),
            "position": np.zeros(self._window, np.int32),
        }
        place = 0
        for segment, (piece, begin, end) in enumerate(spans, 1):
            here = slice(place, place + end - begin)
            performance, score, played = self._read(int(self._records[piece]))
            example["performance"][here] = performance[begin:end] - SLOT_START
            if score is not None:
                shapes = score_shapes(score.groups, self._window)
                values = example.setdefault("score", shapes.map(lambda shape: np.zeros(shape, np.int32)))
                _write(values, here, score.at(slice(begin, end)))
                example.setdefault("played", np.zeros(self._window, bool))[here] = played[begin:end]
            example["note_mask"][here] = True
            example["segment_ids"][here] = segment
            example["position"][here] = np.arange(end - begin)
            place = here.stop
        return example

    def _read(self, record: int) -> tuple[np.ndarray, ScoreTokens | None, np.ndarray]:
        performance, score, played, _ = _unpack(self._source[record], self._holding.kind)
        if len(performance) != self._holding.notes[record]:
            raise PreparedError(f"{self._holding.shards[0]}: has changed while it was read; start again")
        return performance, score, played


def _write(values: ScoreTokens, here: slice, score: ScoreTokens) -> None:
    """Write a score's ids as values into those of a window."""
    for column, given in zip(values, score._replace(notes=score.notes - SLOT_START), strict=True):
        if column is not None:
            column[here] = given


def _stacked(rows: Sequence[Any]) -> Any:
    """Arrays, or the groups of scores, of several rows as one."""
    if not isinstance(rows[0], ScoreTokens):
        return np.stack(rows)
    return ScoreTokens(**{name: np.stack([getattr(row, name) for row in rows]) for name in rows[0].groups})


def make_windows(holding: Holding, window: int, *, packed: bool, stride: int, seed: int) -> list[ShardWindows]:
    """The windows of a folder: those with a pedal, and those without."""
    found = []
    for pedal in (True, False):
        records = np.flatnonzero(holding.has_pedal == pedal)
        if not len(records):
            continue
        lengths = holding.notes[records]
        if packed:
            layout: Apart | Packed = lay_packed(lengths, window, stride, np.random.default_rng((seed, pedal)))
        else:
            layout = lay_apart(lengths, window, stride)
        found.append(ShardWindows(holding, records, layout, window))
    return found


class _Rows:
    """Batch number -> the rows of it that are this process's, stacked."""

    def __init__(self, examples: grain.MapDataset, first: int, batch: int, rows: range) -> None:
        self._examples, self._first, self._batch, self._rows = examples, first, batch, rows

    def __call__(self, number: int) -> Batch:
        start = self._first + int(number) * self._batch
        rows = [self._examples[start + row] for row in self._rows]
        return {name: _stacked([row[name] for row in rows]) for name in rows[0]}


class Loader(Iterator[Batch]):
    """Batches without end; `make_loader` makes one. Close it, or use it in a `with` statement."""

    def __init__(
        self, examples: grain.MapDataset, data: str, batch: int, rows: range, workers: int, ahead: int
    ) -> None:
        self._examples, self._data, self._batch, self._rows = examples, data, batch, rows
        self._workers, self._ahead = workers, ahead
        self._next = 0
        self._iterator: Any = None

    def __next__(self) -> Batch:
        if self._iterator is None:
            self._iterator = self._start()
        batch = next(self._iterator)
        self._next += self._batch
        return batch

    def get_state(self) -> dict[str, Any]:
        """What `set_state` takes, as JSON values: the same in every process of a run."""
        return {"next_example": self._next, "data": self._data}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from where another loader of the same data, seed and window was.

        Raises:
            PianistError: the state is of other data or settings, whose examples are others.
        """
        if state["data"] != self._data:
            raise PianistError(
                "the data, the seed or the window are not those of the saved run; give the same ones, or begin anew"
            )
        self.close()
        self._next = int(state["next_example"])

    def close(self) -> None:
        """End workers and threads; the next batch starts them again."""
        if self._iterator is not None:
            self._iterator.close()
            self._iterator = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> Iterator[Batch]:
        numbers = grain.MapDataset.range(2**40)
        batches = numbers.map(_Rows(self._examples, self._next, self._batch, self._rows))
        options = grain.ReadOptions(num_threads=1 if self._workers else self._ahead, prefetch_buffer_size=self._ahead)
        ahead = batches.to_iter_dataset(options)
        if self._workers:
            if not flags.FLAGS.is_parsed():
                flags.FLAGS.mark_as_parsed()  # Grain reads them, and nobody else has
            processes = grain.MultiprocessingOptions(num_workers=self._workers, per_worker_buffer_size=self._ahead)
            ahead = ahead.mp_prefetch(processes)
        return iter(ahead)


def make_loader(
    folders: Sequence[Path | str],
    *,
    batch: int,
    window: int,
    seed: int = 0,
    split: str = "train",
    packed: bool = False,
    stride: int = 64,
    weights: Mapping[str, float] | None = None,
    process_index: int = 0,
    process_count: int = 1,
    workers: int = 0,
    ahead: int = 2,
) -> Loader:
    """Batches out of prepared folders (to pre-train on) or folders of pairs (to fine-tune on), without end.

    Each corpus is shuffled as a whole, anew each time it comes round; corpora are mixed so that each note of them is
    drawn in proportion to its corpus' weight. The same arguments give the same batches, whatever `workers` and `ahead`;
    the rows of all processes, one after the other, are the batch of one process.

    Args:
        batch: examples in a batch, over all processes.
        window: notes in an example.
        split: "train" or "validation".
        packed: fill every place with a note, in segments of several pieces; the model must honour `segment_ids`.
            Otherwise an example lies within one piece, and short pieces leave padding.
        stride: windows begin so many notes apart.
        weights: by corpus, instead of its own; 0 leaves it out.
        process_index, process_count: which share of the rows is made here.
        workers: processes that read and cut; 0 does it in threads.
        ahead: batches made ahead, by each worker.

    A batch has b = batch / process_count rows of N = window notes: `performance` int32[b, N, 8] values from 0 (and
    `score`, `ScoreTokens` of pairs), `note_mask` bool[b, N], `has_pedal`, `expressive` and `coarse` bool[b] (as
    `windows.take`), and `segment_ids` int32[b, N], which counts the pieces of a row from 1 on, 0 where no note is, and
    `position` int32[b, N], which counts the notes of each.

    Raises:
        PianistError: a folder is unusable, folders of pieces and of pairs together, nothing left by the weights, a
            batch that does not divide among the processes.
    """
    for name, value in {"batch": batch, "window": window, "stride": stride, "ahead": ahead}.items():
        if value < 1:
            raise PianistError(f"{name} is {value}, but it must be at least 1")
    if batch % process_count or not 0 <= process_index < process_count:
        raise PianistError(f"a batch of {batch} does not divide among {process_count} processes; change one of them")
    holdings = _weighed([read_holding(Path(folder), split) for folder in folders], weights or {})
    examples = _mix(holdings, seed, window=window, packed=packed, stride=stride)
    share = batch // process_count
    rows = range(process_index * share, (process_index + 1) * share)
    data = _fingerprint(holdings, {"window": window, "packed": packed, "stride": stride, "seed": seed})
    return Loader(examples, data, batch, rows, workers, ahead)


def _weighed(holdings: Sequence[Holding], weights: Mapping[str, float]) -> list[Holding]:
    """Those with a weight; all of one kind."""
    names = [holding.name for holding in holdings]
    for name, weight in weights.items():
        if name not in names or weight < 0:
            raise PianistError(f"there is no weight {weight:g} for {name!r}: give 0 or more for {', '.join(names)}")
    kept = [dataclasses.replace(each, weight=weights.get(each.name, each.weight)) for each in holdings]
    kept = [holding for holding in kept if holding.weight > 0]
    if len({holding.kind for holding in kept}) != 1:
        raise PianistError("give folders of pieces or folders of pairs, with some weight, and not both kinds")
    return kept


def _mix(holdings: Sequence[Holding], seed: int, *, window: int, packed: bool, stride: int) -> grain.MapDataset:
    """All examples without end."""
    streams: list[grain.MapDataset] = []
    shares: list[float] = []
    for number, holding in enumerate(holdings):
        for windows in make_windows(holding, window, packed=packed, stride=stride, seed=seed):
            key = int(np.random.SeedSequence((seed, number, len(streams))).generate_state(1)[0])
            streams.append(grain.MapDataset.source(windows).shuffle(key).repeat())
            shares.append(holding.weight * len(windows))
    return grain.MapDataset.mix(streams, shares)


def _fingerprint(holdings: Sequence[Holding], cut: Mapping[str, Any]) -> str:
    """A digest of all that decides which example has which number."""
    digest = hashlib.sha256(json.dumps(dict(cut), sort_keys=True).encode())
    for holding in holdings:
        digest.update(json.dumps([holding.name, holding.kind, holding.weight]).encode())
        digest.update(holding.notes.astype("<i8").tobytes() + holding.has_pedal.tobytes())
    return digest.hexdigest()[:32]
