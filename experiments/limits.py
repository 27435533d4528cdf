"""What pianists do at most: the tables of `music.limits`, over the training performances of ASAP.

    python -m experiments.limits --data parts --pairs pairs --asap ASAP

For each gap between chords, by its place and by its written length at the performance's own tempo: how many times
longer than the performance's median it is, at the 95th percentile for the last four gaps of a piece and the 99.5th for
all others. How long the last chord is held over its written length, and for how long the pedal stays down after the
last release.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pianist_jax.data.parts import PairCorpus, load_pairs
from pianist_jax.music.midi import read_midi
from pianist_jax.music.tokens import DURATION, IOI, MAX_IOI
from pianist_jax.performance.limits import PLACES, WRITTEN
from pianist_jax.performance.parameters import chords

FAR = 1_000_000  # from the end, where a stretch ends before its piece
LIGHT = 20  # a pedal less deep is up


def gaps(pairs: PairCorpus, lengths: dict[tuple[str, str], int]) -> Iterator[tuple[np.ndarray, float]]:
    """Of each training performance: [G, 3] gaps from the end, written ms, log ratio; its last chord's ratio or NaN."""
    for number, about in enumerate(pairs.metadata):
        if pairs.split[number] or about["corpus"] != "asap":
            continue
        own = slice(pairs.offsets[number], pairs.offsets[number + 1])
        score, performance, played = pairs.score.notes[own], pairs.performance[own], pairs.played[own]
        start, onset = (np.cumsum(values[:, IOI], dtype=np.float64) for values in (score, performance))
        chord, first = chords(start)
        count = np.bincount(chord[played], minlength=len(first))
        clock = np.bincount(chord[played], onset[played], minlength=len(first)) / np.maximum(count, 1)
        written, gap = np.diff(start[first]), np.diff(clock)
        known = (count[1:] > 0) & (count[:-1] > 0) & (gap > 0) & (written < MAX_IOI)
        ratio = np.log(gap[known] / written[known])
        middle = float(np.median(ratio))
        ends = about["first"] + len(score) == lengths[about["score"], about["file"]]
        from_end = np.arange(len(gap), 0, -1)[known] if ends else np.full(known.sum(), FAR)
        last = (chord == chord[-1]) & played
        held = np.nan
        if ends and last.any():
            held = performance[last, DURATION].max() / (score[last, DURATION].max() * np.exp(middle))
        yield np.stack([from_end, written[known] * np.exp(middle), ratio - middle], axis=1), held


def pedal_tail(file: Path) -> float:
    """ms for which the pedal stays down behind the last release of a performance; NaN where it is not used."""
    notes = read_midi(file)
    down = np.flatnonzero(notes.pedal_value >= LIGHT)
    if not len(down):
        return np.nan
    up = min(int(down[-1]) + 1, len(notes.pedal_time) - 1)
    return float(notes.pedal_time[up] - notes.end.max())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True, help="the folder of pairs, for its manifest")
    options = parser.parse_args()
    with (options.pairs / "manifest.csv").open() as file:
        lengths = {(row["score"], row["performance"]): int(row["score_notes"]) for row in csv.DictReader(file)}
    pairs = load_pairs(sorted(options.data.glob("pairs-*.part")))
    tables, held = zip(*gaps(pairs, lengths), strict=True)
    from_end, written, ratio = np.concatenate(tables).T
    place = np.searchsorted(PLACES, from_end, side="left")
    column = np.searchsorted(WRITTEN, written, side="right")
    for row in range(len(PLACES) + 1):
        percentile = 99.5 if row == len(PLACES) else 95
        cells = [ratio[(place == row) & (column == c)] for c in range(len(WRITTEN) + 1)]
        most = [f"{np.exp(np.percentile(own, percentile)):.2f} ({len(own)})" for own in cells]
        print(f"percentile {percentile}:", *most)
    print(f"last chord, 95th percentile: {np.nanpercentile(held, 95):.2f}")
    with (options.asap / "metadata.csv").open(encoding="utf-8") as file:
        files = [row["midi_performance"] for row in csv.DictReader(file) if row["split"] == "train"]
    tails = [pedal_tail(options.asap / name) for name in files]
    print("pedal behind the last release, ms:", *(f"{p}%: {np.nanpercentile(tails, p):.0f}" for p in (50, 75, 90, 95)))


if __name__ == "__main__":
    main()
