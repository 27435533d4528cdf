"""Pieces, their humans and their candidates, each performance dealt out on the notes of the score.

NaN marks a note that was not played. Curves of different performances of one piece can then be compared point by point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import decode
from pianist_jax.performance.parameters import (
    CURVES,
    OUTLIER,
    Chords,
    Dealt,
    TimeMap,
    bounded,
    chord_onsets,
    parameters_of,
)


@dataclass(frozen=True, eq=False)
class Played:
    """A performance, a human's or a program's: normalised notes; `match` int64[N] gives each score note's
    performed note, −1 for none. `aligned` tells whether an aligner found the match, which may err, or every
    note of the score is known to be played once.
    """

    name: str
    notes: Notes
    match: np.ndarray
    aligned: bool = True

    @property
    def missing(self) -> int:
        """How many notes of the score are not played."""
        return int((self.match < 0).sum())

    @property
    def extra(self) -> int:
        """How many notes are played that the score does not have."""
        return len(self.notes) - (len(self.match) - self.missing)


@dataclass(frozen=True, eq=False)
class PlayedPiece:
    """A normalised score of N notes and its human performances.

    `composition` is the cluster of the confidence intervals: movements or versions of one work share it.
    `source` is the score's file, if there is one, `notation` the same score as it is engraved.
    Raises PianistError where a human's match does not fit score or performance.
    """

    name: str
    composition: str
    score: Notes
    humans: tuple[Played, ...]
    source: Path | None = None
    notation: Path | None = None

    def __post_init__(self) -> None:
        if not len(self.score):
            raise PianistError(f"{self.name}: the score has no notes")
        for human in self.humans:
            if human.match.shape != (len(self.score),) or human.match.max(initial=-1) >= len(human.notes):
                raise PianistError(f"{self.name}: the alignment of {human.name} does not fit its notes; align it again")


Candidate = Played | Notes | np.ndarray


def as_played(piece: PlayedPiece, candidates: np.ndarray | Sequence[Candidate]) -> list[Played]:
    """K candidates of a piece as performances of it: as they are where they are that already, else from tokens
    int[K, N, 8] or notes that are 1:1 with the score and in its order.

    Raises PianistError, naming the piece, where one has another number of notes, other pitches or no valid
    tokens.
    """
    everyone = np.arange(len(piece.score))
    dealt = []
    for index, candidate in enumerate(candidates):
        if isinstance(candidate, Played):
            dealt.append(candidate)
            continue
        if isinstance(candidate, Notes):
            notes = candidate
        else:
            try:
                notes = decode(candidate)
            except ValueError as error:
                raise PianistError(f"{piece.name}: candidate {index} is no performance: {error}") from error
        if len(notes) != len(piece.score):
            raise PianistError(
                f"{piece.name}: candidate {index} has {len(notes)} notes, its score {len(piece.score)}; "
                "render this very score, every note once"
            )
        if np.any(notes.pitch != piece.score.pitch):
            note = int(np.argmax(notes.pitch != piece.score.pitch))
            raise PianistError(
                f"{piece.name}: candidate {index} plays pitch {notes.pitch[note]} for note {note}, its score "
                f"{piece.score.pitch[note]}; compare it with the piece it plays"
            )
        dealt.append(Played(f"candidate {index}", notes, everyone, aligned=False))
    if not dealt:
        raise PianistError(f"{piece.name}: no candidate to evaluate")
    return dealt


def curves_of(chords: Chords, playing: Dealt, mapped: TimeMap, human: bool) -> dict[str, np.ndarray]:
    """The curves of a performance (`parameters_of`), keyed by `CURVES`: float64, NaN where not played.

    A value further than `OUTLIER` from the curve's own median, and a performed distance that is not positive, is a
    misalignment in a human performance (NaN); a rendered one is aligned by construction, so there the value is its own
    doing and is held at the bound.
    """
    clock = chord_onsets(chords, playing.onset)
    made = parameters_of(chords, clock, mapped, playing.velocity, playing.end - playing.onset)
    return {name: bounded(getattr(made, name), OUTLIER.get(name, np.inf), human) for name in CURVES}
