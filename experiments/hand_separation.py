"""Which hand plays a note, worked out (`score.hands.separate_hands`) against the staves of ASAP's MusicXML scores.

    python -m experiments.hand_separation --asap DIR [--quarters 40] [--train 28]

Result, the first 40 quarters of each piece, repeats not played out; costs chosen by hand on the training pieces:

    split        pieces   notes right   median piece   worst piece   split at middle C
    train        28       89.7%         93.7%          25.3%         83.4%
    validation   14       89.2%         89.2%          54.9%         86.8%

The staff that shows a note is not always the hand that plays it; in the worst piece (Beethoven, op. 53, rondo) the
hands cross.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from experiments.score_input import pieces
from pianist_jax.score.hands import LEFT_HAND, separate_hands
from pianist_jax.score.load import load
from pianist_jax.score.reading import Reading

MIDDLE_C = 60


def rates(path: Path, quarters: float) -> tuple[int, float, float]:
    """Notes of a score's beginning, the share whose hand is right, and that which a split at middle C gets right."""
    score = load(path, Reading(repeats=False))
    first = score.onset < score.onset.min() + quarters
    pitch, hand = score.notes.pitch[first], score.hand[first]
    found = separate_hands(score.onset[first], score.duration[first], pitch)
    split = (pitch < MIDDLE_C) == (hand == LEFT_HAND)
    return int(first.sum()), float(np.mean(found == hand)), float(np.mean(split))


def main() -> None:
    """Print a row a split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--quarters", type=float, default=40.0)
    parser.add_argument("--train", type=int, default=28, help="so many training pieces, drawn with seed 0")
    options = parser.parse_args()
    by_split: dict[str, list[Path]] = {"train": [], "validation": []}
    for _, split, xml, _ in pieces(options.asap):
        by_split.setdefault(split, []).append(xml)
    chosen = np.random.default_rng(0).choice(len(by_split["train"]), options.train, replace=False)
    by_split["train"] = [by_split["train"][index] for index in chosen]
    for split, paths in by_split.items():
        found = np.array([rates(path, options.quarters) for path in paths])
        notes, right, middle = found.T
        whole = (np.average(each, weights=notes) for each in (right, middle))
        print(split, len(paths), *(f"{share:.1%}" for share in (*whole, np.median(right), right.min())))


if __name__ == "__main__":
    main()
