"""Score + performances -> aligned records (arXiv 2512.02652, fine-tuning data).

A performance is laid on its score note by note: every score note gets the onset, velocity and duration at
which it was played.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter

from pianist_jax.data.alignments import cached_align, read_given
from pianist_jax.data.records import pack_pair, pedal_kind
from pianist_jax.data.sources import SPLITS
from pianist_jax.data.twins import twin_page
from pianist_jax.errors import PianistError
from pianist_jax.files import replacing
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import Notes, normalise, part
from pianist_jax.music.tokens import LAST_GAP, ScoreTokens, encode
from pianist_jax.performance.alignment import AlignmentError, share_matched
from pianist_jax.score.load import load
from pianist_jax.score.metre import metre

LONGEST_GAP = 4
"""A longer run of score notes that were not played cuts the piece."""
DISPLACED = 250
"""ms from the median of its chord beyond which a matched note is not trained on."""
LEAST_NOTES = 64
LEAST_MATCHED = 0.9

_COLUMNS = ("composer", "title", "split", "midi_score", "midi_performance")
_REPEATS = re.compile(r"(_(no|extra))?(_\d)?_repeat$")


class PairError(PianistError):
    """A corpus of scores and performances that cannot be used."""


@dataclass(frozen=True)
class Performance:
    """A row of the corpus: paths relative to its folder, and the composition all its performances share."""

    file: str
    score: str
    composition: str
    split: str
    notation: str = ""  # the same score as it is engraved, if there is such a file


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of a score and one performance of it: the same N notes in score order, both from 0 ms on.

    `first` is the index of its first note in the normalised score; `filled` bool[N] marks the notes that were
    not played and got interpolated values, `displaced` those played more than 250 ms from the rest of their chord.
    """

    score: Notes
    performance: Notes
    first: int
    filled: np.ndarray
    displaced: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """What became of a performance: a line of the manifest.

    `alignment` is `aligned` or `given`, `matched` the share of score notes that were played, `filled` the
    number of notes with interpolated values, `left_out` the reason why it is not used (empty where it is).
    """

    performance: str
    score: str
    composition: str
    split: str
    alignment: str
    matched: float
    score_notes: int
    performance_notes: int
    stretches: int
    notes: int
    filled: int
    left_out: str


def build_stretches(score: Notes, performance: Notes, match: np.ndarray) -> list[Stretch]:
    """The aligned stretches of a score and its performance, both normalised (arXiv 2512.02652).

    Args:
        match: int64[N_score], from `alignment.align`.

    A run of more than `LONGEST_GAP` notes that were not played cuts the piece, and notes before the first or
    after the last played one are left out: there is nothing to interpolate between. Stretches under
    `LEAST_NOTES` notes are dropped.
    """
    return [
        _build_stretch(score, performance, match, first, last)
        for first, last in cut(match)
        if last - first + 1 >= LEAST_NOTES
    ]


def cut(match: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) score index of each stretch, both of them played notes."""
    played = np.flatnonzero(match >= 0)
    if not len(played):
        return []
    breaks = np.flatnonzero(np.diff(played) > LONGEST_GAP + 1)
    firsts = played[np.append(0, breaks + 1)]
    lasts = played[np.append(breaks, len(played) - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _build_stretch(score: Notes, performance: Notes, match: np.ndarray, first: int, last: int) -> Stretch:
    written = part(score, first, last + 1)
    own = match[first : last + 1]
    played = own >= 0
    own = own[played]
    # Sorted: the performer's order within a chord is not the score's, and IOIs must not be negative.
    dealt = np.sort(performance.onset[own])
    onset = _fill_onsets(written.onset, played, dealt)
    velocity = _fill(onset, played, performance.velocity[own])
    duration = np.maximum(_fill(onset, played, performance.duration[own]), 1)
    heard = replace(performance, pitch=written.pitch, onset=onset, duration=duration, velocity=velocity)
    displaced = np.zeros(len(played), bool)
    displaced[played] = _far_from_chord(written.onset[played], performance.onset[own])
    return Stretch(from_zero(written), from_zero(heard), first, ~played, displaced)


def _far_from_chord(score_onset: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """bool[N]: notes played more than `DISPLACED` ms from the median of their score onset: wrong matches, mostly."""
    _, chord, count = np.unique(score_onset, return_inverse=True, return_counts=True)
    order = np.lexsort((onset, chord))
    first = np.cumsum(count) - count
    middle = (onset[order[first + (count - 1) // 2]] + onset[order[first + count // 2]]) / 2
    return np.abs(onset - middle[chord]) > DISPLACED


def _fill_onsets(score_onset: np.ndarray, played: np.ndarray, dealt: np.ndarray) -> np.ndarray:
    """Onsets int64[N] that never decrease: those dealt out, between them interpolated over score onset."""
    onset = np.rint(np.interp(score_onset, score_onset[played], dealt)).astype(np.int64)
    onset[played] = dealt
    # The notes of a chord have one score onset: a missing one must not come after the next that was played.
    return np.minimum.accumulate(onset[::-1])[::-1]


def _fill(onset: np.ndarray, played: np.ndarray, values: np.ndarray) -> np.ndarray:
    """int64[N] values, those of the notes that were not played interpolated over performed onset."""
    filled = np.rint(np.interp(onset, onset[played], values)).astype(np.int64)
    filled[played] = values
    return filled


def from_zero(notes: Notes) -> Notes:
    """Shift notes and pedal so that the first note begins at 0 ms; pedal outside of the notes is left out."""
    start, stop = notes.onset[0], notes.onset[-1] + LAST_GAP
    before, after = np.searchsorted(notes.pedal_time, (start, stop), side="right")
    kept = slice(max(before - 1, 0), after)  # the last event before the start is still in force there
    time = np.maximum(notes.pedal_time[kept] - start, 0)
    return replace(notes, onset=notes.onset - start, pedal_time=time, pedal_value=notes.pedal_value[kept])


def read_metadata(asap_dir: Path) -> list[Performance]:
    """The performances of an ASAP folder, in the order of its metadata.csv.

    Scores that differ in nothing but their repeats (`17-1`, `17-1_no_repeat`) are one composition.

    Raises:
        PairError: no metadata.csv there, a column missing, an unknown split, or a composition in two splits.
    """
    path = asap_dir / "metadata.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except OSError as error:
        raise PairError(f"{path}: {error.strerror}; give the folder that ASAP was unpacked to") from error
    missing = set(_COLUMNS) - set(reader.fieldnames or ())
    if missing:
        names = ", ".join(sorted(missing))
        raise PairError(f"{path}: no column {names}; give ASAP's metadata.csv with a column of splits")
    found = [
        Performance(
            row["midi_performance"],
            row["midi_score"],
            f"{row['composer']}/{_REPEATS.sub('', row['title'])}",
            row["split"],
            row.get("xml_score") or "",
        )
        for row in rows
    ]
    split_of: dict[str, str] = {}
    for one in found:
        if one.split not in SPLITS:
            raise PairError(f"{path}: {one.file} has split {one.split!r}; it must be one of {SPLITS}")
        if split_of.setdefault(one.composition, one.split) != one.split:
            raise PairError(f"{path}: {one.composition} is in two splits; keep a composition in one")
    return found


def load_alignment(asap_dir: Path, performance: Performance, cache: Path) -> tuple[Notes, Notes, np.ndarray]:
    """(score, performance, match), the notes normalised and whole; aligned only where the cache has no match.

    Raises:
        PianistError: a file cannot be read, or the two cannot be aligned.
    """
    score = normalise(read_midi(asap_dir / performance.score))[0]
    played = normalise(read_midi(asap_dir / performance.file))[0]
    return score, played, cached_align(score, played, cache)[0]


@dataclass(frozen=True, eq=False)
class _Job:
    asap_dir: Path
    cache: Path
    performance: Performance
    given: np.ndarray | None
    least_matched: float


def make_pairs(
    asap_dir: Path,
    out_dir: Path,
    *,
    alignments: Path | None = None,
    cache: Path | None = None,
    least_matched: float = LEAST_MATCHED,
    workers: int = 1,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Lay every performance of an ASAP folder on its score; write the pairs and what became of each.

    Writes `<split>.array_record` (records of `records.pack_pair`, in the order of metadata.csv) and
    `manifest.csv` into `out_dir`. Alignments are kept in `cache` (default `out_dir/cache`) as soon as each is
    done: a run that was stopped, even killed, goes on from there. The same input gives the same files,
    however many workers there are.

    Args:
        alignments: alignments made before (`alignments.read_given`); each is checked, and made anew where it
            is wrong.
        least_matched: share of the score's notes that must be matched for a performance to be used.
        workers: processes.
        report: is told each outcome, in the order of metadata.csv.

    Raises:
        PianistError: `asap_dir` is no ASAP folder, `alignments` cannot be read, a kept alignment is damaged.
            A performance that cannot be read or aligned is left out and named in the manifest.
    """
    performances = read_metadata(asap_dir)
    given = read_given(alignments) if alignments else {}
    cache = cache or out_dir / "cache"
    jobs = [_Job(asap_dir, cache, one, given.get(one.file), least_matched) for one in performances]
    records: dict[str, list[bytes]] = {split: [] for split in SPLITS}
    outcomes = []
    for outcome, packed in _run(jobs, workers):
        outcomes.append(outcome)
        report(outcome)
        records[outcome.split] += packed
    write_pairs(out_dir, records, outcomes)
    return outcomes


def write_pairs(out_dir: Path, records: dict[str, list[bytes]], outcomes: list[Outcome]) -> None:
    """Write `<split>.array_record` of the records of each split, and `manifest.csv` of what became of the others."""
    out_dir.mkdir(parents=True, exist_ok=True)
    for split, stored in records.items():
        _write_records(out_dir / f"{split}.array_record", stored)
    _write_manifest(out_dir / "manifest.csv", outcomes)


def _run(jobs: list[_Job], workers: int) -> Iterator[tuple[Outcome, list[bytes]]]:
    if workers == 1:
        yield from map(_make_pair, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_make_pair, jobs)


def _make_pair(job: _Job) -> tuple[Outcome, list[bytes]]:
    one = job.performance
    try:
        score = normalise(read_midi(job.asap_dir / one.score))[0]
        played = normalise(read_midi(job.asap_dir / one.file))[0]
    except PianistError as error:
        # Relative names only: the manifest is the same wherever the corpus lies.
        return outcome_of(one, str(error).replace(f"{job.asap_dir}{os.sep}", "")), []
    sizes = {"score_notes": len(score), "performance_notes": len(played)}
    try:
        match, origin = cached_align(score, played, job.cache, job.given)
    except AlignmentError as error:
        return outcome_of(one, str(error), **sizes), []
    found: dict[str, Any] = {**sizes, "alignment": origin, "matched": round(share_matched(match), 4)}
    if share_matched(match) < job.least_matched:
        least = f"less than {job.least_matched:.0%} of the score matched"
        reason = f"{least}: other repeats, another edition, or trills the score writes out"
        return outcome_of(one, reason, **found), []
    stretches = build_stretches(score, played, match)
    if not stretches:
        return outcome_of(one, f"no stretch of {LEAST_NOTES} notes", **found), []
    found |= {
        "stretches": len(stretches),
        "notes": sum(len(s.score) for s in stretches),
        "filled": sum(int(s.filled.sum()) for s in stretches),
    }
    pedal = pedal_kind(played.pedal_value)
    told = _metre_and_page(job.asap_dir / one.score, job.asap_dir / one.notation if one.notation else None)
    packed = [pack_stretch("asap", one, pedal, stretch, *told) for stretch in stretches]
    return outcome_of(one, "", **found), packed


@lru_cache(maxsize=1)  # the performances of a score come one after the other
def _metre_and_page(path: Path, notation: Path | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The metre and the page of a score."""
    score = load(path, whole=True)
    return metre(score.grid), twin_page(normalise(score.notes)[0], notation)


def outcome_of(one: Performance, left_out: str, **found: Any) -> Outcome:
    """A line of the manifest; what is not `found` is empty or 0."""
    numbers = ("score_notes", "performance_notes", "stretches", "notes", "filled")
    nothing: dict[str, Any] = {"alignment": "", "matched": 0.0, **dict.fromkeys(numbers, 0)}
    return Outcome(one.file, one.score, one.composition, one.split, **{**nothing, **found}, left_out=left_out)


def pack_stretch(
    corpus: str, one: Performance, pedal: str, stretch: Stretch, metre: np.ndarray, page: np.ndarray | None = None
) -> bytes:
    """A record of a stretch; `metre` [N_score, 9] and `page` [N_score, 8] are those of the whole score."""
    metadata = {
        "corpus": corpus,
        "file": one.file,
        "score": one.score,
        "composition": one.composition,
        "split": one.split,
        "first": stretch.first,
        "pedal": pedal,
        "unplayed": np.flatnonzero(stretch.filled | stretch.displaced).tolist(),
    }
    own = slice(stretch.first, stretch.first + len(stretch.score))
    score = ScoreTokens(encode(stretch.score), metre[own], None if page is None else page[own])
    return pack_pair(score, encode(stretch.performance), metadata)


def _write_records(path: Path, records: Iterable[bytes]) -> None:
    with replacing(path) as unfinished:
        writer = ArrayRecordWriter(str(unfinished), "group_size:1,brotli:6")
        for record in records:
            writer.write(record)
        writer.close()


def _write_manifest(path: Path, outcomes: list[Outcome]) -> None:
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Outcome)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(outcome) for outcome in outcomes)
