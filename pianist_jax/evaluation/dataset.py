"""The pieces of an ASAP folder, each with its score and all its human performances, aligned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pianist_jax.data.alignments import cached_align, read_given
from pianist_jax.data.pairs import Performance, read_metadata
from pianist_jax.errors import PianistError
from pianist_jax.evaluation.curves import Human, Piece
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import normalise
from pianist_jax.music.tokens import encode


def load_training_tokens(asap_dir: Path, count: int, rng: np.random.Generator) -> np.ndarray:
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
    asap_dir: Path,
    cache: Path,
    split: str = "validation",
    alignments: Path | None = None,
    composers: Sequence[str] | None = None,
) -> list[Piece]:
    """The pieces of a split, in the order of metadata.csv: each a score with all performances of it.

    Args:
        cache: folder of kept alignments (`data.alignments.cached_align`); what is missing there is aligned
            and added, which takes from seconds to minutes a performance.
        composers: only pieces of these, by the first part of their path (default: all).
        alignments: matches made before (`data.alignments.read_given`), taken where they fit.

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
    given = read_given(alignments) if alignments else {}
    pieces = []
    for path, performances in by_score.items():
        score = normalise(read_midi(asap_dir / path))[0]
        humans = []
        for one in performances:
            played = normalise(read_midi(asap_dir / one.file))[0]
            match, _ = cached_align(score, played, cache, given.get(one.file))
            humans.append(Human(Path(one.file).stem, played, match))
        name = path.rpartition("/")[0]
        pieces.append(Piece(name, performances[0].composition, score, tuple(humans)))
    return pieces
