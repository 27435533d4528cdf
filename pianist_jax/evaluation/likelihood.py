"""Held-out likelihood: how many nats and bits a note of a human performance costs a model (teacher-forced)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pianist_jax.data.pairs import LEAST_NOTES, build_stretches, cut
from pianist_jax.errors import PianistError
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.evaluation.results import PieceResult, aggregate
from pianist_jax.music.tokens import FIRST_TIME, IOI, SLOTS, ScoreTokens, encode

if TYPE_CHECKING:
    from pianist_jax.inference.engine import Model

FIELDS = {
    "ioi": ("ioi",),
    "velocity": ("velocity",),
    "duration": ("duration",),
    "pedal": ("pedal1", "pedal2", "pedal3", "pedal4"),
}

Figures = dict[str, dict[str, float]]


def likelihood(
    pieces: Sequence[PlayedPiece],
    model: Model,
    rng: np.random.Generator,
    *,
    humans: int = 2,
    advance: Callable[[int], None] | None = None,
) -> tuple[Figures, list[str]]:
    """NLL of human performances under a model: {"nats_ioi", …, "nats_note", "bits_ioi", …, "bits_note"}, and warnings.

    Each field in nats, or bits, a note (the pedal: of its four samples together), pitch being given. Of each piece the
    first `humans` performances are taken, in the stretches that training pairs are made of; means are over
    compositions, with intervals, as `results.aggregate` gives them. Exact values count: a cell's probability is spread
    evenly over the values it holds. Raises PianistError where no piece has a stretch to measure.
    """
    from pianist_jax.inference.likelihood import summed_nll

    pairs, owners = [], []
    for index, piece in enumerate(pieces):
        for human in piece.humans[:humans]:
            made = _pairs(piece, human)
            pairs += made
            owners += [index] * len(made)
    if not pairs:
        raise PianistError("no human plays enough of a score in one go to measure a likelihood; align them anew")
    sums = summed_nll(model, pairs, advance=advance)
    notes = np.bincount(owners, [score.size for score, _ in pairs], minlength=len(pieces))
    results, warnings = [], []
    for index, piece in enumerate(pieces):
        if not notes[index]:
            warnings.append(f"{piece.name}: no stretch of aligned notes long enough for a likelihood")
            continue
        slots = sums[np.array(owners) == index].sum(0) / notes[index]
        results.append(PieceResult(piece.name, piece.composition, _figures(slots), ()))
    return aggregate(results, rng), warnings


def count_notes(pieces: Sequence[PlayedPiece], humans: int) -> int:
    """How many notes `likelihood` measures."""
    return sum(
        last - first + 1
        for piece in pieces
        for human in piece.humans[:humans]
        for first, last in cut(human.match)
        if last - first + 1 >= LEAST_NOTES
    )


def _figures(nats_S: np.ndarray) -> dict[str, float]:
    nats = {field: float(sum(nats_S[SLOTS.index(slot)] for slot in slots)) for field, slots in FIELDS.items()}
    nats["note"] = sum(nats.values())
    bits = {field: value / float(np.log(2)) for field, value in nats.items()}
    return {f"{unit}_{field}": v for unit, values in (("nats", nats), ("bits", bits)) for field, v in values.items()}


def _pairs(piece: PlayedPiece, human: Played) -> list[tuple[ScoreTokens, np.ndarray]]:
    """Score and performance tokens of each aligned stretch; the score's with all that the renderer would read."""
    from pianist_jax.rendering.renderer import read_piece

    tokens = read_piece(piece.source or piece.score).tokens
    made = []
    for stretch in build_stretches(piece.score, human.notes, human.match):
        score = tokens.at(slice(stretch.first, stretch.first + len(stretch.score))).map(np.copy)
        score.notes[0, IOI] = FIRST_TIME  # the stretch begins there
        made.append((score, encode(stretch.performance)))
    return made
