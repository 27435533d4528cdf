"""How well are performances laid on their scores? Against nASAP's curated alignments, piece by piece.

    python -m experiments.alignment_quality --asap DIR --cache CACHE [--written] [--all]
    python -m experiments.alignment_quality --asap DIR --cache CACHE --beats
    python -m experiments.alignment_quality --asap DIR --time 24

A curated alignment joins MusicXML notes and performed notes. Ours joins notes of the score's MIDI twin (what pairs are
made of) or, with --written, of the MusicXML itself; notes are identified by score pitch and onset. Only notes that both
scores have are compared ("known": the share of curated joins they make up). Result for the 69 validation performances
with a curated alignment (Schubert's twelve have none):

    the MIDI twin                              played  matched   known  precision  recall       F  worst F
    Bach/Fugue_bwv_889                              6    97.5%   97.5%     100.0%   99.8%   99.9%    99.7%
    Bach/Prelude_bwv_857                            6    94.3%  100.0%      95.2%   95.7%   95.4%    93.3%
    Beethoven/Piano_Sonatas_18-1                    9    87.6%   99.6%      98.9%   96.8%   97.8%    96.7%  9 left out
    Beethoven/Piano_Sonatas_28-1                    5    98.0%  100.0%      98.1%   98.5%   98.3%    95.5%
    Chopin/Barcarolle                               9    87.3%   96.5%      94.5%   93.3%   93.9%    93.2%  9 left out
    Chopin/Etudes_op_25_1                           5    91.2%   99.9%      98.4%   98.2%   98.3%    97.1%  2 left out
    Debussy/Images_Book_1_1_Reflets_dans_lEau       2    94.5%   99.2%      99.5%   99.4%   99.5%    99.2%
    Haydn/Keyboard_Sonatas_46-1                     5    96.9%   98.1%      96.0%   98.4%   97.2%    96.1%
    Liszt/Ballade_2                                 6    95.9%   99.6%      98.9%   98.9%   98.9%    97.9%
    Mozart/Piano_Sonatas_12-3                       3    99.0%   99.3%      99.6%   99.6%   99.6%    99.1%
    Rachmaninoff/Preludes_op_23_4                   3    98.0%   96.1%      99.9%   99.9%   99.9%    99.7%
    Ravel/Gaspard_de_la_Nuit_1_Ondine               7    85.8%   98.7%      93.7%   93.2%   93.4%    91.5%  7 left out
    Schumann/Kreisleriana_5                         3    95.8%   96.1%      99.5%   99.7%   99.6%    99.5%
    all                                            69    92.7%   98.6%      97.4%   97.1%   97.2%    91.5%  27 left out
    used for training or validation: 42, mean F 98.46%, worst 93.26%

    --written, all                                 69    89.6%  100.0%      94.9%   96.0%   95.4%    84.3%  26 left out
    used for training or validation: 43, mean F 97.30%, worst 92.07%

The MusicXML is read with its ornaments played out, which pianists play otherwise: 3 063 of the 7 103 notes of Chopin's
Barcarolle, whose F falls to 86%, are theirs.

"Left out" are performances that match less than 90% of their score: named in the manifest, not trained on. That errs on
the safe side: most of them skip what the twin writes out (a repeat, trills) and are right elsewhere. Against the beats
that ASAP annotates, all performances:

         matched  performances  < 100 ms  < 250 ms   < 1 s  worst < 250 ms
      98% – 100%           290     99.6%     99.8%  100.0%           95.5%
      95% –  98%           301     99.0%     99.5%   99.9%           92.5%
      90% –  95%           248     98.2%     99.2%   99.9%           93.8%
      85% –  90%            64     97.0%     98.6%   99.6%           87.8%
      80% –  85%            21     93.4%     95.0%   96.9%           76.3%
       0% –  80%             9     93.9%     94.7%   95.5%           70.9%
    29 performances have not as many annotated beats as their score

Long pieces are cut (`anchors`), which costs next to nothing: aligned whole, the same 69 have mean F 97.3%, the 42
that are used 98.47%, worst 93.26%; the beats were compared with whole alignments. Aligning 24 performances spread
evenly over all sizes takes 13 s of one core, 39 s whole; the longest, 10 177 score notes, 1.4 s, 7.2 s whole. All
962, which `pianist pairs` spreads over the cores, take 9 minutes of one.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.score_input import EXACT, TOLERANCE, pair, shifts, unique
from pianist_jax.data.alignments import cached_align
from pianist_jax.data.pairs import LEAST_MATCHED, Performance, load_alignment, read_metadata
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.alignment import align, share_matched
from pianist_jax.score.load import Score, load

BEAT_MS = 8  # annotated beats are rounded otherwise than the score's ticks
SAME_MS = 3  # the curated files give seconds in their own rounding


@dataclass(frozen=True)
class Quality:
    """One performance: notes both alignments could join, how many each did, how many joins are the same."""

    composition: str
    file: str
    matched: float
    comparable: float
    curated: int
    ours: int
    same: int

    @property
    def precision(self) -> float:
        """Share of our joins that are curated."""
        return self.same / max(self.ours, 1)

    @property
    def recall(self) -> float:
        """Share of the curated joins that are ours."""
        return self.same / max(self.curated, 1)

    @property
    def f_score(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.same / max(self.ours + self.curated, 1)


@dataclass(frozen=True, eq=False)
class Places:
    """A curated score as an alignment knows it: for each MusicXML id the index of the aligned score's note, or -1."""

    aligned: Notes
    index: dict[str, int]


def written_places(xml: Score) -> Places:
    """Where the aligned score is the MusicXML itself."""
    aligned, index = normalise(xml.notes)
    return Places(aligned, dict(zip(xml.note_id, index.tolist(), strict=True)))


def twin_places(xml: Score, midi: Path) -> Places:
    """Where the aligned score is the MIDI twin: notes of equal pitch and place, shifted bars put back."""
    aligned = normalise(read_midi(midi))[0]
    twin = load(midi)
    left, right = unique(xml), unique(twin)
    exact = pair(xml, twin, left, right, EXACT)
    rest = np.setdiff1d(left, exact[:, 0]), np.setdiff1d(right, exact[:, 1])
    near = pair(xml, twin, *rest, TOLERANCE)
    rest = np.setdiff1d(rest[0], near[:, 0]), np.setdiff1d(rest[1], near[:, 1])
    moved = pair(xml, twin, *rest, 2 * TOLERANCE, shifts(xml, twin, left, right))
    by_place = {place: number for number, place in enumerate(_places(aligned))}
    lead = int(aligned.onset[0] - twin.notes.onset.min())
    twin_index = {
        int(one): by_place.get((int(twin.notes.pitch[other]), int(twin.notes.onset[other]) + lead), -1)
        for one, other in np.concatenate([exact, near, moved])
    }
    place = [(int(p), round(float(o), 3)) for p, o in zip(xml.notes.pitch, xml.onset, strict=True)]
    first = {place[int(one)]: int(one) for one in left}
    return Places(aligned, {name: twin_index.get(first[at], -1) for name, at in zip(xml.note_id, place, strict=True)})


def _places(notes: Notes) -> list[tuple[int, int]]:
    return list(zip(notes.pitch.tolist(), notes.onset.tolist(), strict=True))


def read_curated(path: Path) -> Iterator[tuple[str, int, float]]:
    """(MusicXML id, pitch, performed onset in ms) of each match in a note_alignment.tsv of nASAP."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["xml_id"] != "insertion" and row["midi_id"] != "deletion":
                yield row["xml_id"].removesuffix("-1"), int(row["pitch"]), 1000 * float(row["onset"])


def performed_index(performance: Notes, pitch: int, onset: float) -> int:
    """The performed note of this pitch at this time, or -1."""
    low, high = np.searchsorted(performance.onset, [onset - SAME_MS, onset + SAME_MS + 1e-9])
    found = low + np.flatnonzero(performance.pitch[low:high] == pitch)
    return int(found[np.argmin(np.abs(performance.onset[found] - onset))]) if len(found) else -1


def judge(one: Performance, places: Places, performance: Notes, match: np.ndarray, curated: Path) -> Quality:
    """Compare on the notes that both sides know: those of the curated score that the aligned score has too."""
    wanted: dict[int, int] = {}
    known = total = 0
    for name, pitch, onset in read_curated(curated):
        total += 1
        score, played = places.index.get(name, -1), performed_index(performance, pitch, onset)
        if score >= 0 and played >= 0:
            known += 1
            wanted.setdefault(score, played)
    both = np.unique([index for index in places.index.values() if index >= 0])
    ours = {int(index): int(match[index]) for index in both if match[index] >= 0}
    same = sum(ours.get(score) == played for score, played in wanted.items())
    matched = share_matched(match)
    return Quality(one.composition, one.file, matched, known / max(total, 1), len(wanted), len(ours), same)


def measure(asap: Path, cache: Path, *, written: bool) -> list[Quality]:
    """Every validation performance with a curated alignment."""
    scores = _scores(asap)
    places: dict[str, Places] = {}
    found = []
    for one in read_metadata(asap):
        curated = asap / one.file.replace(".mid", "_note_alignments") / "note_alignment.tsv"
        if one.split != "validation" or not curated.is_file():
            continue
        if one.score not in places:
            xml = load(asap / scores[one.score])
            places[one.score] = written_places(xml) if written else twin_places(xml, asap / one.score)
        performance = normalise(read_midi(asap / one.file))[0]
        match, _ = cached_align(places[one.score].aligned, performance, cache)
        found.append(judge(one, places[one.score], performance, match, curated))
    if not found:
        raise PianistError(f"{asap}: holds no curated alignment of a validation performance; give the whole ASAP")
    return found


def _scores(asap: Path) -> dict[str, str]:
    with (asap / "metadata.csv").open(newline="") as file:
        return {row["midi_score"]: row["xml_score"] for row in csv.DictReader(file)}


def table(found: Sequence[Quality], *, every: bool) -> str:
    """A line a piece (or a performance), then the whole."""
    groups: dict[str, list[Quality]] = defaultdict(list)
    for one in found:
        groups[one.file if every else one.composition].append(one)
    lines = [f"{'piece':42}{'played':>7}{'matched':>9}{'known':>8}{'precision':>11}{'recall':>8}{'F':>8}{'worst F':>9}"]
    for name, group in [*groups.items(), ("all", list(found))]:
        means = [
            float(np.mean([getattr(one, field) for one in group]))
            for field in ("matched", "comparable", "precision", "recall", "f_score")
        ]
        worst = min(one.f_score for one in group)
        left_out = sum(one.matched < LEAST_MATCHED for one in group)
        note = f"  {left_out} left out" if left_out else ""
        numbers = "".join(f"{value:{width}.1%}" for value, width in zip(means, (9, 8, 11, 8, 8), strict=True))
        lines.append(f"{name[-42:]:42}{len(group):7}{numbers}{worst:9.1%}{note}")
    used = [one.f_score for one in found if one.matched >= LEAST_MATCHED]
    lines.append(f"used for training or validation: {len(used)}, mean F {np.mean(used):.2%}, worst {min(used):.2%}")
    return "\n".join(lines)


def beat_errors(score: Notes, performance: Notes, match: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """ms between annotated beats float64[B, 2] (score, performance) and the notes there; some have none."""
    errors = []
    for written, played in beats:
        low, high = np.searchsorted(score.onset, [written - BEAT_MS, written + BEAT_MS])
        own = match[low:high]
        if np.any(own >= 0):
            errors.append(abs(float(np.median(performance.onset[own[own >= 0]])) - played))
    return np.array(errors)


def read_beats(path: Path) -> np.ndarray:
    """float64[B] ms of an annotation file of ASAP."""
    return np.array([float(line.split("\t")[0]) for line in path.read_text().splitlines()]) * 1000


def beat_table(asap: Path, cache: Path) -> str:
    """Performances by the share of the score they match, and how far their beats lie from the annotated ones."""
    rows, unlike = [], 0
    for one in read_metadata(asap):
        written = read_beats((asap / one.score).with_name("midi_score_annotations.txt"))
        played = read_beats(asap / one.file.replace(".mid", "_annotations.txt"))
        if len(written) != len(played):
            unlike += 1
            continue
        score, performance, match = load_alignment(asap, one, cache)
        errors = beat_errors(score, performance, match, np.stack([written, played], axis=1))
        within = [float(np.mean(errors < limit)) for limit in (100, 250, 1000)] if len(errors) else [0.0] * 3
        rows.append((share_matched(match), *within))
    lines = [f"{'matched':>12}{'performances':>14}{'< 100 ms':>10}{'< 250 ms':>10}{'< 1 s':>8}{'worst < 250 ms':>16}"]
    for low, high in ((0.98, 1.01), (0.95, 0.98), (0.9, 0.95), (0.85, 0.9), (0.8, 0.85), (0.0, 0.8)):
        band = np.array([row for row in rows if low <= row[0] < high])
        if len(band):
            means = "".join(f"{share:{size}.1%}" for share, size in zip(band[:, 1:].mean(0), (10, 10, 8), strict=True))
            lines.append(f"{low:5.0%} – {min(high, 1):4.0%}{len(band):14}{means}{band[:, 2].min():16.1%}")
    return "\n".join([*lines, f"{unlike} performances have not as many annotated beats as their score"])


def sample(asap: Path, count: int) -> str:
    """Align performances spread evenly over all sizes and say how long all of them take."""
    sizes = []
    for one in read_metadata(asap):
        score, performance = (normalise(read_midi(asap / file))[0] for file in (one.score, one.file))
        sizes.append((len(score) * len(performance), one))
    sizes.sort(key=lambda item: item[0])
    chosen = [sizes[int((number + 0.5) * len(sizes) / count)] for number in range(count)]
    seconds = 0.0
    for cells, one in chosen:
        score, performance = (normalise(read_midi(asap / file))[0] for file in (one.score, one.file))
        began = time.process_time()
        align(score, performance)
        took = time.process_time() - began
        seconds += took
        print(f"{one.file}: {len(score)} x {len(performance)} = {cells / 1e6:.1f} M cells, {took:.1f} s", flush=True)
    whole = seconds / count * len(sizes)
    return f"{count} of {len(sizes)}: {seconds:.0f} s; all of them {whole / 60:.0f} minutes of one core"


def main() -> None:
    """Compare, or time; print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="kept alignments; what is missing is aligned")
    parser.add_argument("--written", action="store_true", help="align to the MusicXML, not to its MIDI twin")
    parser.add_argument("--all", action="store_true", help="a line a performance")
    parser.add_argument("--beats", action="store_true", help="all 962 performances against annotated beats instead")
    parser.add_argument("--time", type=int, metavar="N", help="only time the aligning of N performances")
    options = parser.parse_args()
    if options.time:
        print(sample(options.asap, options.time))
        return
    if options.cache is None:
        raise PianistError("name a folder for the alignments with --cache")
    if options.beats:
        print(beat_table(options.asap, options.cache))
        return
    print(table(measure(options.asap, options.cache, written=options.written), every=options.all))


if __name__ == "__main__":
    main()
