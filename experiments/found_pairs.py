"""More pairs than ASAP has: recordings of other corpora that hold a known score, found by what they play.

    python -m experiments.found_pairs --scores pianocore-scores --recordings ecompetition rolls giantmidi \
        --asap ASAP -o FOUND
    pianist pairs FOUND -o found-pairs

Scores are those of a corpus and of ASAP's training pieces. Where a recording shares content with one (`fingerprints`)
and goes through most of it in order (`anchors`), that stretch is cut out; of two scores that claim a stretch the one
with more anchors has it. Left out are stretches of recordings that ASAP has or that were taken before, and whatever
shares content with ASAP's validation pieces in any key, score or stretch. FOUND is laid out like ASAP: metadata.csv,
scores, performances, all to train on. A composition is called as ASAP calls it, else after the first file of the
scores that share content. Of 830 scores, ASAP's, and 2 699 recordings:

    1226 stretches: 511 new, 715 of a known recording
    368 performances of 115 compositions that ASAP lacks
    143 performances of 75 compositions of ASAP

Of these `pianist pairs` keeps 451 (at least 90% of the score matched), 1 377 422 notes: 320 performances of 109
compositions that ASAP lacks and 131 of 71 that it has; ASAP itself gives 2.8 M notes. Reading everything, finding and
writing take 3 minutes of one core.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pianist_jax.data.entries import NO_SHINGLES, read_notes
from pianist_jax.data.fingerprints import (
    LEAST_SAMPLED,
    SAME_PIECE,
    HeldOut,
    hold_out,
    pitch_shingles,
    recording_shingles,
)
from pianist_jax.data.layouts import Item
from pianist_jax.data.pairs import Performance, from_zero, read_metadata
from pianist_jax.data.prepare import Corpus, Listed, list_corpora, read_held_out
from pianist_jax.data.sources import find_source, name_of
from pianist_jax.data.trees import read_content
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import Notes, part
from pianist_jax.performance.anchors import WINDOW, find_anchors, longest_chain

SLACK = 0.12  # of a score's notes: how many more or fewer a pianist may play by its end, or MORE
MORE = 40  # notes
BINS, COVERED = 20, 0.75  # of as many parts of a score so many must have an anchor
MARGIN = 4  # notes before the first note of the score and after its last
OVERLAP = 0.3  # of the shorter of two stretches
KNOWN = 0.4  # of a stretch's shingles that are known: its recording is
COLUMNS = ("composer", "title", "split", "midi_score", "midi_performance", "xml_score")


@dataclass(frozen=True, eq=False)
class File:
    """A file, CORPUS/PATH, and where it is read; int16[N] pitches of its notes, and their `pitch_shingles`."""

    name: str
    root: str
    item: Item
    pitch: np.ndarray
    shingles: np.ndarray


@dataclass(frozen=True)
class Place:
    """A score, by its number, in the notes from `start` up to `stop` of a recording; the anchors that tell so."""

    score: int
    recording: int
    start: int
    stop: int
    anchors: int


def read_file(name: str, root: str, item: Item) -> File | None:
    """A file of a corpus; None where it cannot be read."""
    try:
        pitch = read_notes(root, item).pitch
    except (PianistError, OSError):
        return None
    return File(name, root, item, pitch, pitch_shingles(pitch))


def usable(listed: Listed) -> list[Item]:
    """What may be trained on by the metadata of a corpus."""
    return [item for item in listed.items if not item.left_out and item.split == "train"]


def read_files(listed: Listed, items: Sequence[Item], pool: ProcessPoolExecutor) -> list[File]:
    """Files of a corpus, those that can be read."""
    names = [f"{listed.source.name}/{item.file}" for item in items]
    found = pool.map(read_file, names, [listed.root] * len(items), items, chunksize=16)
    return [file for file in found if file is not None]


def place(score: np.ndarray, recording: np.ndarray) -> tuple[int, int, int] | None:
    """Where int[N] pitches of a score are played among int[M] of a recording: (start, stop, anchors); None: nowhere.

    Of a recital that is the densest crowd of anchors, those that tell of places not far from each other.
    """
    anchors = find_anchors(score, recording)
    if not len(anchors):
        return None
    ahead = anchors[:, 1] - anchors[:, 0]
    slack = max(MORE, int(SLACK * len(score)))
    ordered = np.sort(ahead)
    crowd = np.searchsorted(ordered, ordered + slack, side="right") - np.arange(len(ordered))
    least = ordered[np.argmax(crowd)]
    anchors = anchors[(ahead >= least) & (ahead <= least + slack)]
    chain = anchors[longest_chain(anchors[:, 1].tolist())]
    if len(np.unique(chain[:, 0] * BINS // len(score))) < COVERED * BINS:
        return None
    (i, j), (i_last, j_last) = chain[0], chain[-1] + WINDOW
    start = max(0, int(j - i) - MARGIN)
    return start, min(len(recording), int(j_last + len(score) - i_last) + MARGIN), len(chain)


def find_places(scores: Sequence[File], recordings: Sequence[File]) -> list[Place]:
    """Where scores are played in recordings, those with most anchors first; each stretch has one score."""
    index = hold_out((score.name, score.shingles) for score in scores)
    found = []
    for r, recording in enumerate(recordings):
        for s in np.flatnonzero(index.shares(recording.shingles) >= SAME_PIECE).tolist():
            where = place(scores[s].pitch, recording.pitch)
            if where is not None:
                found.append(Place(s, r, *where))
    found.sort(key=lambda one: (-one.anchors, scores[one.score].name, recordings[one.recording].name))
    kept: list[Place] = []
    for one in found:
        if not any(one.recording == other.recording and _overlap(one, other) > OVERLAP for other in kept):
            kept.append(one)
    return kept


def _overlap(one: Place, other: Place) -> float:
    shared = min(one.stop, other.stop) - max(one.start, other.start)
    return shared / min(one.stop - one.start, other.stop - other.start)


def name_compositions(scores: Sequence[File], asap: Mapping[str, str]) -> list[str]:
    """COMPOSER/TITLE of each score: as ASAP calls it (`asap`, by name of the file) or the one it shares most with.

    One that shares content with none before it is called CORPUS/FILE, after itself.
    """
    index = hold_out((score.name, score.shingles) for score in scores)
    names = [asap.get(score.name, "") for score in scores]
    for number, score in enumerate(scores):
        if not names[number]:
            shares = np.where([name != "" for name in names], index.shares(score.shingles), 0.0)
            nearest = int(np.argmax(shares))
            names[number] = names[nearest] if shares[nearest] >= SAME_PIECE else score.name.rpartition(".")[0]
    return names


class Fresh:
    """Tells which stretches are new: of no recording that is known, and of nothing that is held out."""

    def __init__(self, known: Iterable[np.ndarray], held: HeldOut) -> None:
        self.known = np.unique(np.concatenate([NO_SHINGLES, *known]))
        self.held, self.reasons = held, Counter[str]()

    def takes(self, stretch: Notes) -> bool:
        """Whether a stretch is new, and known from now on; counts why it is not."""
        shingles = recording_shingles(stretch)
        reason = ""
        if len(shingles) < LEAST_SAMPLED:
            reason = "too short"
        elif np.isin(shingles, self.known).mean() > KNOWN:
            reason = "of a known recording"
        elif self.held.find(stretch):
            reason = "held out"
        self.reasons[reason or "new"] += 1
        if not reason:
            self.known = np.union1d(self.known, shingles)
        return not reason


def write_score(out: Path, score: File, notation: Path | None) -> dict[str, str]:
    """Copy a score, and its notation if it has one, to a folder of its own; the columns that tell where, from `out`."""
    folder = score.name.rpartition(".")[0]
    (out / folder).mkdir(parents=True, exist_ok=True)
    content = read_content(score.root, score.item.file, score.item.start, score.item.size)
    (out / folder / "score.mid").write_bytes(content)
    columns = {"midi_score": f"{folder}/score.mid", "xml_score": ""}
    if notation is not None and notation.is_file():
        columns["xml_score"] = f"{folder}/score{notation.suffix}"
        (out / columns["xml_score"]).write_bytes(notation.read_bytes())
    return columns


def write_found(
    out: Path,
    scores: Sequence[File],
    recordings: Sequence[File],
    places: Sequence[Place],
    asap: Mapping[str, Performance],
    asap_dir: Path,
    fresh: Fresh,
) -> list[dict[str, str]]:
    """Cut out what is new and write it as ASAP is laid out; the rows of its metadata.csv."""
    used = [scores[s] for s in sorted({one.score for one in places}, key=lambda s: scores[s].name)]
    known = [score for score in scores if score.name in asap and score not in used]
    given = {name: one.composition for name, one in asap.items()}
    names = name_compositions([*known, *used], given)[len(known) :]
    titles = {score.name: name for score, name in zip(used, names, strict=True)}
    rows = []
    for one in places:
        score, recording = scores[one.score], recordings[one.recording]
        stretch = from_zero(part(read_notes(recording.root, recording.item), one.start, one.stop))
        if not fresh.takes(stretch):
            continue
        notation = asap[score.name].notation if score.name in asap else ""
        columns = write_score(out, score, asap_dir / notation if notation else None)
        stem = recording.name.rpartition(".")[0].replace("/", "_")
        performance = f"{score.name.rpartition('.')[0]}/{stem}_{one.start}.mid"
        write_midi(out / performance, stretch)
        composer, _, title = titles[score.name].partition("/")
        rows.append(
            {"composer": composer, "title": title, "split": "train", "midi_performance": performance, **columns}
        )
    rows.sort(key=lambda row: (row["midi_score"], row["midi_performance"]))
    with (out / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return rows


def find_pairs(scores_at: str, recordings_at: Sequence[str], asap_dir: Path, out: Path, workers: int) -> str:
    """Find, write, and tell what came out.

    Raises:
        PianistError: a corpus is not there or unknown, or `out` exists already.
    """
    if out.exists():
        raise PianistError(f"{out}: exists already; name another folder")
    performances = read_metadata(asap_dir)
    asap = {f"asap/{one.score}": one for one in performances if one.split == "train"}
    with tempfile.TemporaryDirectory() as scratch:
        corpora = [Corpus(find_source(name_of(path)), path) for path in (scores_at, *recordings_at)]
        listed = list_corpora([Corpus(find_source("asap"), str(asap_dir)), *corpora], Path(scratch), 0.0)
        held = read_held_out(listed[:1], [], workers)
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            own = [item for item in listed[0].items if f"asap/{item.file}" in asap]
            scores = read_files(listed[0], own, pool) + read_files(listed[1], usable(listed[1]), pool)
            recordings = [file for each in listed[2:] for file in read_files(each, usable(each), pool)]
            played = [item for item in listed[0].items if not item.left_out]
            known = [*pool.map(_recording_shingles, [listed[0].root] * len(played), played, chunksize=16)]
        scores = [score for score in scores if held.shares(score.shingles).max(initial=0) < SAME_PIECE]
        places = find_places(scores, recordings)
        fresh = Fresh(known, held)
        out.mkdir(parents=True)
        rows = write_found(out, scores, recordings, places, asap, asap_dir, fresh)
    return summary(rows, {one.composition for one in performances}, fresh.reasons)


def _recording_shingles(root: str, item: Item) -> np.ndarray:
    return recording_shingles(read_notes(root, item))


def summary(rows: Sequence[Mapping[str, str]], asap: Collection[str], reasons: Mapping[str, int]) -> str:
    """How many performances of how many compositions are new, and why others are not."""
    lines = [
        f"{sum(reasons.values())} stretches: " + ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
    ]
    names = [f"{row['composer']}/{row['title']}" for row in rows]
    for told, own in (
        ("that ASAP lacks", [name for name in names if name not in asap]),
        ("of ASAP", [name for name in names if name in asap]),
    ):
        lines.append(f"{len(own)} performances of {len(set(own))} compositions {told}")
    return "\n".join(lines)


def main() -> None:
    """Read the command line; find, write and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", required=True, help="a corpus of scores, called as in `pianist prepare --list`")
    parser.add_argument("--recordings", nargs="+", required=True, help="corpora of recordings, likewise")
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()
    print(find_pairs(options.scores, options.recordings, options.asap, options.out, options.workers))


if __name__ == "__main__":
    main()
