"""What pianists do at most: the tables of `performance.limits`, over the training performances of ASAP.

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

from pianist_jax.data.curves import stretch_parameters
from pianist_jax.data.parts import PairCorpus, load_pairs
from pianist_jax.music.midi import read_midi
from pianist_jax.music.tokens import DURATION, MAX_IOI
from pianist_jax.performance.limits import PLACES, WRITTEN

FAR = 1_000_000  # from the end, where a stretch ends before its piece
LIGHT = 20  # a pedal less deep is up


def gaps(pairs: PairCorpus, lengths: dict[tuple[str, str], int]) -> Iterator[tuple[np.ndarray, float]]:
    """Of each training performance: [G, 3] gaps from the end, written ms, log ratio; its last chord's ratio or NaN."""
    for number, about in enumerate(pairs.metadata):
        if pairs.split[number] or about["corpus"] != "asap":
            continue
        chords, made = stretch_parameters(pairs, number)
        written = np.diff(chords.onset)
        known = np.isfinite(made.log_ioi) & (written < MAX_IOI)
        ratio = made.log_ioi[known]
        middle = float(np.median(ratio))
        ends = about["first"] + chords.notes == lengths[about["score"], about["file"]]
        from_end = np.arange(len(written), 0, -1)[known] if ends else np.full(known.sum(), FAR)
        own = slice(pairs.offsets[number], pairs.offsets[number + 1])
        last = (chords.of == len(chords) - 1) & pairs.played[own]
        held = np.nan
        if ends and last.any():
            held = pairs.performance[own][last, DURATION].max() / (chords.end - chords.start)[last].max()
            held /= np.exp(middle)
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
