"""The performances that the head of `performance.chord_touch` learns from: scores, notes, pedal.

    python -m experiments.touch_data ASAP -o performances.npz --cache pairs/cache

All performances of ASAP's training and validation pieces, each dealt out on the notes of its score. Those of whose
score less than nine tenths was found are left out.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pianist_jax.data.pairs import LEAST_MATCHED
from pianist_jax.evaluation.dataset import load_pieces
from pianist_jax.evaluation.folders import Aligner
from pianist_jax.evaluation.pieces import PlayedPiece
from pianist_jax.files import replacing
from pianist_jax.performance.alignment import share_matched
from pianist_jax.performance.parameters import deal
from pianist_jax.score.load import load
from pianist_jax.score.metre import metre

SPLITS = ("train", "validation")


@dataclass(frozen=True, eq=False)
class Sample:
    """One performance of a score of N notes.

    `pitch` [N], `start` and `end` ms [N] and `metre` [N, 9] as written; `onset`, `release` ms and `velocity` float [N]
    as played, NaN where one was not; `pedal_time` ms and `pedal_value` [P].
    """

    composition: str
    split: str
    pitch: np.ndarray
    start: np.ndarray
    end: np.ndarray
    metre: np.ndarray
    onset: np.ndarray
    release: np.ndarray
    velocity: np.ndarray
    pedal_time: np.ndarray
    pedal_value: np.ndarray


_OF_NOTES = ("pitch", "start", "end", "metre", "onset", "release", "velocity")
_OF_PEDAL = ("pedal_time", "pedal_value")


def collect(pieces: Iterator[PlayedPiece], split: str) -> Iterator[Sample]:
    """The performances of pieces that are worth learning from."""
    for piece in pieces:
        assert piece.source is not None
        columns = metre(load(piece.source, whole=True).grid)
        for human in piece.humans:
            if share_matched(human.match) < LEAST_MATCHED:
                continue
            played = deal(human.notes, human.match)
            written = (piece.score.pitch, piece.score.onset, piece.score.end, columns)
            yield Sample(
                piece.composition, split, *written, played.onset, played.end, played.velocity,
                played.pedal_time, played.pedal_value,
            )  # fmt: skip


def save(path: Path, samples: list[Sample]) -> None:
    """Write samples to one file, atomically."""
    stored: dict[str, np.ndarray] = {}
    for name in (*_OF_NOTES, *_OF_PEDAL):
        values = np.concatenate([getattr(one, name) for one in samples])
        whole = np.int32 if values.dtype.kind == "i" else np.float32
        stored[name] = values.astype(whole)
    stored["notes"] = np.cumsum([0, *(len(one.pitch) for one in samples)])
    stored["pedals"] = np.cumsum([0, *(len(one.pedal_time) for one in samples)])
    for name in ("composition", "split"):
        stored[name] = np.array([getattr(one, name) for one in samples])
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **stored)


def read(path: Path, split: str) -> list[Sample]:
    """The samples of a split of a file that `save` wrote."""
    with np.load(path) as file:
        stored = {name: file[name] for name in file.files}
    notes, pedals = stored["notes"], stored["pedals"]
    return [
        Sample(
            str(stored["composition"][k]),
            split,
            *(stored[name][notes[k] : notes[k + 1]] for name in _OF_NOTES),
            *(stored[name][pedals[k] : pedals[k + 1]] for name in _OF_PEDAL),
        )
        for k in np.flatnonzero(stored["split"] == split)
    ]


def main() -> None:
    """Collect and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("asap", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    options = parser.parse_args()
    samples: list[Sample] = []
    for split in SPLITS:
        pieces = load_pieces(options.asap, Aligner(options.cache), split)
        samples += collect(iter(pieces), split)
        print(f"{split}: {len(pieces)} pieces, {len(samples)} performances so far", flush=True)
    save(options.output, samples)


if __name__ == "__main__":
    main()
