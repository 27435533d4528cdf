"""The pieces of an ASAP folder, each with its score and all its human performances, aligned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pianist_jax.data.pairs import Performance, read_metadata
from pianist_jax.errors import PianistError
from pianist_jax.evaluation.folders import Aligner, align_files, read_notes
from pianist_jax.evaluation.pieces import PlayedPiece
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import normalise
from pianist_jax.music.tokens import encode

TRAINING_PERFORMANCES = 100  # from which the blind control draws


def load_training_tokens(asap_dir: Path, rng: np.random.Generator, count: int = TRAINING_PERFORMANCES) -> np.ndarray:
    """Tokens int32[M, 8] of `count` training performances drawn at random, less the first note of each.

    Raises:
        PianistError: not an ASAP folder, no training performance, a file that cannot be read.
    """
    files = [one.file for one in read_metadata(asap_dir) if one.split == "train"]
    if not files:
        raise PianistError(f"{asap_dir}: metadata.csv names no training performance")
    picks = np.sort(rng.choice(len(files), min(count, len(files)), replace=False))
    return np.concatenate([encode(normalise(read_midi(asap_dir / files[pick]))[0])[1:] for pick in picks])


def load_pieces(
    asap_dir: Path, aligner: Aligner, split: str = "validation", composers: Sequence[str] | None = None
) -> list[PlayedPiece]:
    """The pieces of a split, in the order of metadata.csv: each a score with all performances of it.

    Args:
        aligner: what its folder of kept alignments lacks is aligned and added, which takes from one to many
            seconds a performance.
        composers: only pieces of these, by the first part of their path (default: all).

    Raises:
        PianistError: not an ASAP folder, no performance of that split, a file that cannot be read or aligned.
    """
    by_score: dict[str, list[Performance]] = defaultdict(list)
    for performance in read_metadata(asap_dir):
        wanted = composers is None or performance.score.split("/")[0] in composers
        if performance.split == split and wanted:
            by_score[performance.score].append(performance)
    if not by_score:
        raise PianistError(f"{asap_dir}: metadata.csv names no such performance of split {split!r}")
    scores = {path: read_notes(asap_dir / path) for path in by_score}
    pairs = [(scores[path], asap_dir / one.file) for path, performances in by_score.items() for one in performances]
    found = iter(align_files(pairs, aligner))
    return [
        PlayedPiece(
            path.rpartition("/")[0],
            performances[0].composition,
            scores[path],
            tuple(next(found) for _ in performances),
            asap_dir / path,
            asap_dir / performances[0].notation if performances[0].notation else None,
        )
        for path, performances in by_score.items()
    ]
