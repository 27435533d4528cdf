"""How far pianists of one piece are from each other: the units of `performance.style`.

    python -m experiments.styles ASAP --cache pairs/cache

Measured are all performances of ASAP's training pieces that at least two pianists play, but those of whose score less
than nine tenths was found: 745 of 128 pieces. The deviation is that within pieces, over all of them. What goes with
what: experiments/README.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pianist_jax.data.pairs import LEAST_MATCHED
from pianist_jax.evaluation.dataset import load_pieces
from pianist_jax.evaluation.folders import Aligner
from pianist_jax.evaluation.pieces import PlayedPiece
from pianist_jax.performance.alignment import share_matched
from pianist_jax.performance.parameters import chords_of, deal
from pianist_jax.performance.style import WORDS, measured


def measure(piece: PlayedPiece) -> np.ndarray:
    """float64 [H, words]: of each human that plays enough of the score."""
    chords = chords_of(piece.score)
    found = [
        measured(chords, deal(human.notes, human.match))
        for human in piece.humans
        if share_matched(human.match) >= LEAST_MATCHED
    ]
    return np.array([[one[word] for word in WORDS] for one in found]).reshape(-1, len(WORDS))


def centred(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """float64 [P, words] each performance less the mean of its piece, and how many pieces each word is told of."""
    apart = [one - np.nanmean(one, axis=0) for one in rows if len(one) > 1]
    return np.concatenate(apart), len(apart)


def deviation(apart: np.ndarray, pieces: int) -> np.ndarray:
    """float64 [words]: pooled over pieces, each of which has spent a degree of freedom on its mean."""
    known = np.isfinite(apart)
    return np.sqrt(np.nansum(apart**2, axis=0) / (known.sum(axis=0) - pieces))


def correlations(apart: np.ndarray) -> np.ndarray:
    """float64 [words, words], of what both words are told of."""
    known = np.where(np.isfinite(apart), apart, 0.0)
    size = np.sqrt((known**2).sum(axis=0))
    return known.T @ known / np.outer(size, size)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("asap", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--split", default="train")
    options = parser.parse_args()
    rows = [measure(piece) for piece in load_pieces(options.asap, Aligner(options.cache), options.split)]
    apart, pieces = centred(rows)
    print(f"{len(apart)} performances of {pieces} pieces")
    table, middle = correlations(apart), np.nanmedian(np.concatenate(rows), axis=0)
    for k, (word, own) in enumerate(zip(WORDS, deviation(apart, pieces), strict=True)):
        others = " ".join(f"{r:+.2f}" for r in table[k])
        print(f"{word:13} deviation {own:.4f}  median {middle[k]:+.3f}  r {others}")


if __name__ == "__main__":
    main()
