"""Folders of scores, of human performances and of candidates from any renderer, joined by their names.

`NAME.mid` (or notation) is a score, `NAME-k.mid` the k-th human performance of it, `NAME[-k][.performance].mid` a
candidate, where NAME may hold folders. The output folder of `pianist render` can be given as it is: its `.daw.mid`
files are left aside, and from its `NAME.json` it is known where windows meet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.data.alignments import cached_align
from pianist_jax.errors import PianistError
from pianist_jax.evaluation.candidates import Candidates
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.alignment import AlignmentError
from pianist_jax.performance.parameters import chords_of, deal, time_map
from pianist_jax.score.files import MIDI, NOTATION

PERFORMANCE, DAW = ".performance", ".daw"
SAME_PIECE = 0.5  # F1 of notes found: another piece's reach 0.3, every human of ASAP at least 0.79
IN_ORDER = 0.9  # share of the score's onsets that a performance must play in the score's order
_TAKE = re.compile(r"(.+)-(\d+)")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Aligner:
    """How performances are aligned: folder of kept alignments, processes, and who is told (done, of how many)."""

    cache: Path
    workers: int = 1
    advance: Progress = lambda done, of: None


def read_notes(path: Path) -> Notes:
    """The normalised notes of a MIDI file or a notated score. Raises PianistError."""
    if path.suffix.lower() in NOTATION:
        from pianist_jax.score.load import load

        notes = normalise(load(path).notes)[0]
    else:
        notes = normalise(read_midi(path))[0]
    if not len(notes):
        raise PianistError(f"{path}: no notes; give a file with a piano part")
    return notes


def find_pieces(scores: Path, humans: Path, aligner: Aligner) -> tuple[list[PlayedPiece], list[str]]:
    """The pieces of two folders, by name, and warnings about files that found no partner.

    Raises PianistError where nothing comes together, a file cannot be read, or a human plays another piece.
    """
    if humans.resolve() == scores.resolve():
        raise PianistError(f"{scores}: scores and humans are the same folder; keep them in two")
    files, warnings = _scores(scores)
    played, more = _by_name(humans, {name: name for name in files}, set())
    warnings += more
    warnings += [f"{files[name]}: no human performance {name}-k.mid; left out" for name in files if name not in played]
    if not played:
        raise PianistError(f"{humans}: no human performance of any score; name them after {scores}: NAME-1.mid")
    notes = {name: read_notes(files[name]) for name in files if name in played}
    pairs = [(notes[name], path) for name in notes for path in played[name]]
    found = iter(align_files(pairs, aligner))
    pieces = [
        PlayedPiece(name, name, score, tuple(next(found) for _ in played[name]), files[name])
        for name, score in notes.items()
    ]
    return pieces, warnings


def find_candidates(
    folder: Path, pieces: Sequence[PlayedPiece], aligner: Aligner, name: str
) -> tuple[Candidates, list[str]]:
    """The candidates of a folder for those pieces that it has any of, and warnings about its other files.

    A performance that plays every note of the score once is taken as it is, others are aligned. Raises PianistError
    where the folder has none, a file cannot be read, or plays another piece than its name says.
    """
    aliases = {piece.name: piece.name for piece in pieces}
    for piece in pieces:
        if piece.source is not None:
            aliases.setdefault(f"{piece.name}/{piece.source.stem}", piece.name)
    sources = {piece.source.resolve() for piece in pieces if piece.source is not None}
    files, warnings = _by_name(folder, aliases, sources)
    if not files:
        raise PianistError(f"{folder}: no candidate for any score; name them after the scores: {pieces[0].name}-1.mid")
    present = [piece for piece in pieces if piece.name in files]
    pairs = [(piece.score, path) for piece in present for path in files[piece.name]]
    found = iter(align_files(pairs, aligner))
    performances = {piece.name: tuple(next(found) for _ in files[piece.name]) for piece in present}
    metadata = {piece.name: _metadata(files[piece.name][0]) for piece in present}
    boundaries = {piece.name: _boundaries(metadata[piece.name], len(piece.score)) for piece in present}
    known = {piece: notes for piece, notes in boundaries.items() if notes is not None}
    return Candidates(
        name, performances, known, {"folder": folder.name, **_common_identity(metadata.values())}
    ), warnings


def find_all_candidates(
    folders: Sequence[Path], pieces: Sequence[PlayedPiece], aligner: Aligner
) -> tuple[list[Candidates], list[str]]:
    """The candidates of several folders, each called as its folder is, or by its path where two are called alike."""
    entries, warnings = [], []
    for folder in folders:
        alike = [other for other in folders if other.resolve().name == folder.resolve().name]
        name = folder.resolve().name if len(alike) == 1 else str(folder)
        found, more = find_candidates(folder, pieces, aligner, name)
        entries.append(found)
        warnings += more
    return entries, warnings


def align_files(pairs: Sequence[tuple[Notes, Path]], aligner: Aligner) -> list[Played]:
    """The performances of files, each on the notes of its score. Raises PianistError."""
    jobs = [(score, path, aligner.cache) for score, path in pairs]
    played = []
    for one in _each(jobs, aligner.workers):
        played.append(one)
        aligner.advance(len(played), len(jobs))
    return played


def _each(jobs: Sequence[tuple[Notes, Path, Path]], workers: int) -> Iterable[Played]:
    if workers <= 1 or len(jobs) < 2:
        yield from map(_align_file, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_align_file, jobs)


def _align_file(job: tuple[Notes, Path, Path]) -> Played:
    score, path, cache = job
    notes = read_notes(path)
    known = every_note_once(score, notes)
    try:
        match = known if known is not None else cached_align(score, notes, cache)[0]
    except AlignmentError as error:
        raise PianistError(f"{path}: {error}") from error
    found = 2 * int((match >= 0).sum()) / (len(score) + len(notes))
    if found < SAME_PIECE:
        raise PianistError(
            f"{path}: only {found:.0%} of its notes and the score's find one another: "
            "another piece than its name says? rename it or take it away"
        )
    return Played(path.name, notes, match, aligned=known is None)


def every_note_once(score: Notes, notes: Notes) -> np.ndarray | None:
    """int64[N], which note plays which of the score's, where every note of it is played just once; else None.

    So where each pitch is played as often as it is written (in its order, as a key is struck again only after it was
    struck before), and the onsets come in the score's order but for a few.
    """
    if not np.array_equal(np.bincount(score.pitch, minlength=128), np.bincount(notes.pitch, minlength=128)):
        return None
    match = np.empty(len(score), np.int64)
    match[np.lexsort((score.onset, score.pitch))] = np.lexsort((notes.onset, notes.pitch))
    chords = chords_of(score)
    knots = len(time_map(chords, deal(notes, match).onset).score)
    return match if knots >= IN_ORDER * len(chords) else None


def _scores(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Score files by name; of several with one name the MIDI file."""
    found: dict[str, Path] = {}
    warnings = []
    files = [path for path in _files(folder, (*MIDI, *NOTATION)) if not path.stem.endswith((PERFORMANCE, DAW))]
    for path in sorted(files, key=lambda path: (path.suffix.lower() not in MIDI, str(path))):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            warnings.append(f"{path}: left aside for {found[name].name}")
        found.setdefault(name, path)
    if not found:
        raise PianistError(f"{folder}: no scores in it; give a folder of MIDI files or notated scores")
    return dict(sorted(found.items())), warnings


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        raise PianistError(f"{folder}: no such folder; check the path")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in suffixes and path.is_file()]
    return [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _by_name(folder: Path, aliases: Mapping[str, str], scores: set[Path]) -> tuple[dict[str, list[Path]], list[str]]:
    """Performances of a folder by the piece that their names say, in the order of their numbers."""
    found: dict[str, list[tuple[int, Path]]] = {}
    warnings = []
    for path in _files(folder, MIDI):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem.endswith(DAW) or path.resolve() in scores:
            continue
        stem = stem.removesuffix(PERFORMANCE)
        take = _TAKE.fullmatch(stem)
        numbered = aliases.get(take[1]) if take else None
        whole = aliases.get(stem)
        if whole and numbered:
            warnings.append(f"{path}: taken for a performance of {whole}, not for number {take[2] if take else 0}")
        if whole:
            found.setdefault(whole, []).append((0, path))
        elif numbered and take:
            found.setdefault(numbered, []).append((int(take[2]), path))
        else:
            warnings.append(f"{path}: no score of that name; left out")
    return {name: [path for _, path in sorted(takes)] for name, takes in found.items()}, warnings


def _metadata(path: Path) -> dict[str, Any]:
    """The content of the JSON file that `pianist render` puts beside a performance; nothing where there is none."""
    stem = path.name.removesuffix(path.suffix).removesuffix(PERFORMANCE)
    take = _TAKE.fullmatch(stem)
    for name in (stem, take[1] if take else stem):
        try:
            content = json.loads((path.with_name(f"{name}.json")).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return content if isinstance(content, dict) else {}
    return {}


def _boundaries(metadata: Mapping[str, Any], notes: int) -> np.ndarray | None:
    """Where windows met in a rendering, by its metadata; None where that is not known."""
    try:
        from pianist_jax.inference.windows import Windowing, window_boundaries

        return window_boundaries(notes, Windowing(**metadata["settings"]["windows"]))
    except (KeyError, TypeError, ValueError):
        return None


def _common_identity(metadata: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """Model, hash and seed of renderings that all have the same."""
    found: list[dict[str, Any]] = []
    for one in metadata:
        model = one.get("model")
        if isinstance(model, dict) and {"name", "hash"} <= model.keys() and "seed" in one:
            found.append({"model": model["name"], "hash": model["hash"], "seed": one["seed"]})
    same = len(found) == len(metadata) and all(one == found[0] for one in found)
    return found[0] if same and found else {}
