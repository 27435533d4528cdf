"""Alignments kept on disk, named by the content of what was aligned.

A run over many performances can be stopped at any time, even killed, and takes up where it was; evaluation
finds the alignment of a performance again.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.files import replacing
from pianist_jax.music.notes import Notes
from pianist_jax.performance.alignment import align


class KeptAlignmentError(PianistError):
    """A kept alignment, or a file of alignments made before, that is damaged."""


# What reading an npz raises where it is missing, cut short, or no npz.
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def cached_align(
    score: Notes, performance: Notes, cache: Path, given: np.ndarray | None = None
) -> tuple[np.ndarray, str]:
    """`alignment.align` that remembers: (match int64[N_score], where it came from: `aligned` or `given`).

    Args:
        cache: folder of kept alignments, one file each, named by the content of both note arrays.
        given: a match from elsewhere, taken instead of aligning where it is one (`is_match`).

    Raises:
        AlignmentError: the two cannot be aligned.
        KeptAlignmentError: a kept alignment is damaged.
    """
    path = cache / f"{match_key(score, performance)}.npz"
    if path.exists():
        return _read_match(path, score, performance)
    if given is not None and is_match(given, score, performance):
        match, origin = np.asarray(given, np.int64), "given"
    else:
        match, origin = align(score, performance), "aligned"
    _write_match(path, match, origin)
    return match, origin


def match_key(score: Notes, performance: Notes) -> str:
    """Name of an alignment: a hash of all it depends on, the pitches and onsets of both sides.

    The number in it is that of the aligner: one that joins other notes gets another, so that what a folder keeps from
    before does not change what comes out.
    """
    digest = hashlib.sha256(b"alignment 2")
    for notes in (score, performance):
        digest.update(len(notes).to_bytes(8, "little"))
        digest.update(notes.pitch.astype("<i2").tobytes())
        digest.update(notes.onset.astype("<i8").tobytes())
    return digest.hexdigest()[:40]


def is_match(match: np.ndarray, score: Notes, performance: Notes) -> bool:
    """Whether match[N_score] only joins notes of equal pitch, no performed note twice."""
    if len(match) != len(score) or np.any((match < -1) | (match >= len(performance))):
        return False
    played = match >= 0
    own = match[played]
    return len(np.unique(own)) == len(own) and bool(np.all(score.pitch[played] == performance.pitch[own]))


def _read_match(path: Path, score: Notes, performance: Notes) -> tuple[np.ndarray, str]:
    try:
        with path.open("rb") as file, np.load(file) as kept:
            match, origin = kept["match"].astype(np.int64), str(kept["origin"])
    except _UNREADABLE as error:
        raise KeptAlignmentError(f"{path}: a damaged alignment ({error}); delete it and run again") from error
    if not is_match(match, score, performance):
        raise KeptAlignmentError(f"{path}: not an alignment of these notes; delete it and run again")
    return match, origin


def _write_match(path: Path, match: np.ndarray, origin: str) -> None:
    with replacing(path, make_folder=True) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, match=match.astype(np.int32), origin=np.array(origin))


def read_given(path: Path) -> dict[str, np.ndarray]:
    """Alignments made before: match int64[N_score] by performance file.

    Args:
        path: npz of P performances: `performance` str[P], `score_notes` int[P], and `match`, all in a row.

    Raises:
        KeptAlignmentError: another kind of file.
    """
    try:
        with path.open("rb") as file, np.load(file) as given:
            names, sizes, match = given["performance"], given["score_notes"], given["match"]
    except _UNREADABLE as error:
        raise KeptAlignmentError(f"{path}: no alignments ({error}); leave it out to align anew") from error
    if len(names) != len(sizes) or sizes.sum() != len(match):
        raise KeptAlignmentError(f"{path}: its counts do not add up; leave it out to align anew")
    ends = np.cumsum(sizes)
    starts = ends - sizes
    return {str(name): match[a:b].astype(np.int64) for name, a, b in zip(names, starts, ends, strict=True)}
