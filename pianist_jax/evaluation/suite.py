"""The suite: pieces and candidates in, one report out; the controls beside them.

A report is a dict of plain values, fit for JSON:
    summary      {metric: {"value", "low", "high", "compositions"}}, the aligned metrics (`aligned`)
    humans       the same for what the humans reach among themselves
    paper        {"performances" | "pieces" | "left_out" | "human": {figure: value}}, the metrics of arXiv 2512.02652:
                 candidates by either weighting, a control against the humans it is not made of, the human
                 baseline
    pieces       {piece: {metric: value}}
    samples      K
    warnings     named degenerate inputs
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import controls, rules
from pianist_jax.evaluation.aligned import (
    Reference,
    candidate_metrics,
    human_metrics,
    prepare,
    reference_of,
    without,
)
from pianist_jax.evaluation.chords import chord_use
from pianist_jax.evaluation.distributions import (
    Playing,
    as_tokens,
    compare_coarsely,
    compare_left_out,
    compare_pieces,
    human_baseline,
)
from pianist_jax.evaluation.pieces import Candidate, Played, PlayedPiece, as_played
from pianist_jax.evaluation.results import PieceResult, aggregate, copies, degenerate, result_of
from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import deal

Candidates = np.ndarray | Sequence[Candidate]
Report = dict[str, Any]


def evaluate_pieces(
    pieces: Sequence[PlayedPiece],
    candidates: Sequence[Candidates],
    rng: np.random.Generator | None = None,
    boundaries: Sequence[np.ndarray | None] | None = None,
) -> Report:
    """All metrics of candidates against the humans of their pieces.

    Args:
        candidates: for each piece its K candidates: `Played`, or tokens int32[K, N, 8] or K Notes that are 1:1
            with the notes of the score and in their order.
        rng: of the bootstrap; by default the same every time.
        boundaries: for each piece the score note indices at which rendering windows meet (default: every 256
            notes of a piece of more than 512).

    Raises PianistError, naming the piece, for candidates that do not fit its score and pieces without humans.
    """
    if len(pieces) != len(candidates) or not pieces:
        raise PianistError(f"{len(candidates)} sets of candidates for {len(pieces)} pieces; give one for each piece")
    rng = rng or np.random.default_rng(0)
    results, humans, playing = [], [], []
    for index, (piece, own) in enumerate(zip(pieces, candidates, strict=True)):
        reference = reference_of(piece)
        played = as_played(piece, own)
        playing.append(_playing(own, played))
        samples = [prepare(reference.chords, one) for one in played]
        metrics = candidate_metrics(reference, samples, None if boundaries is None else boundaries[index])
        metrics |= _coarse(playing[-1], piece)
        warnings = [*copies(piece, played), *degenerate(piece, reference, samples)]
        results.append(result_of(reference, metrics, warnings))
        humans.append(result_of(reference, human_metrics(reference)))
    paper, warnings = _paper_metrics(pieces, playing)
    report = _report(results, paper, warnings, rng)
    report["humans"] = aggregate(humans, rng)
    report["samples"] = max(len(samples) for samples in playing)
    report["warnings"] += [warning for result in humans for warning in result.warnings]
    return report


def _playing(own: Candidates, played: Sequence[Played]) -> list[Playing]:
    """What the distributions are taken of: the tokens as they are where there are tokens."""
    return [given if isinstance(given, np.ndarray) else one.notes for given, one in zip(own, played, strict=True)]


def _coarse(playing: Sequence[Playing], piece: PlayedPiece, left_out: bool = False) -> dict[str, float]:
    compared = compare_coarsely(playing, [human.notes for human in piece.humans], left_out)
    return {f"coarse_{figure}": value for figure, value in compared.as_dict().items()}


def _paper_metrics(
    pieces: Sequence[PlayedPiece], playing: Sequence[Sequence[Playing]]
) -> tuple[dict[str, dict[str, float]], list[str]]:
    human = [[one.notes for one in piece.humans] for piece in pieces]
    compared = {weighting: compare_pieces(playing, human, weighting) for weighting in ("performances", "pieces")}
    if max(len(performances) for performances in human) > 1:
        compared["human"] = human_baseline(human)
    return (
        {name: figures.as_dict() for name, figures in compared.items()},
        [warning for figures in compared.values() for warning in figures.warnings],
    )


def _report(
    results: Sequence[PieceResult],
    paper: dict[str, dict[str, float]],
    warnings: Sequence[str],
    rng: np.random.Generator,
) -> Report:
    named = [warning for result in results for warning in result.warnings]
    return {
        "summary": aggregate(results, rng),
        "humans": {},
        "paper": paper,
        "pieces": {result.name: result.metrics for result in results},
        "samples": 1,
        "warnings": list(dict.fromkeys([*named, *warnings])),
    }


# What a control is made of: piece, a human of it 1:1 with the score, a human of another piece, training
# tokens.
_Maker = Callable[[PlayedPiece, Notes, Notes, np.ndarray, np.random.Generator], Playing]

_MAKERS: dict[str, _Maker] = {
    "human": lambda piece, own, other, pool, rng: own,
    "score": lambda piece, own, other, pool, rng: piece.score,
    "deadpan": lambda piece, own, other, pool, rng: controls.deadpan(piece.score),
    "rules": lambda piece, own, other, pool, rng: rules.perform(piece.score),
    "shuffled": lambda piece, own, other, pool, rng: controls.shuffled(own, rng),
    "blind": lambda piece, own, other, pool, rng: controls.blind(piece.score, pool, rng),
    "halved": lambda piece, own, other, pool, rng: controls.scaled(piece.score, own, 0.5),
    "doubled": lambda piece, own, other, pool, rng: controls.scaled(piece.score, own, 2.0),
    "jittered": lambda piece, own, other, pool, rng: controls.jittered(own, rng),
    "other piece": lambda piece, own, other, pool, rng: controls.borrowed(piece.score, other),
}
CONTROLS = tuple(_MAKERS)
_AS_PLAYED = ("human", "halved", "doubled", "jittered")  # what is a gap in this human's curves stays one
_OF_SCORES = ("score", "deadpan", "rules")  # need no human to be made of
_OF_OTHERS = ("blind", "other piece")  # need a second piece


def evaluate_controls(
    pieces: Sequence[PlayedPiece],
    rng: np.random.Generator,
    pool: np.ndarray | None = None,
    names: Sequence[str] = CONTROLS,
) -> dict[str, Report]:
    """A report for each control and for the left-out human ("human"), by name.

    Every control is made from each human of a piece in turn and judged, as that human is, against the piece's
    *other* humans only: a version of somebody who is in the mean would agree with themselves. Pieces of one
    human take no part, which is named; where there are no others, "score", "deadpan" and "rules" alone are
    judged, against that human. With a single piece there is no other to draw from: "blind" (without a `pool`) and
    "other piece" are missing, which is named. "score" is the score's MIDI as it stands.

    Args:
        pool: int32[M, 8], tokens of training humans, for "blind"; by default those of the other pieces' humans.

    Raises PianistError for unknown names and for no pieces.
    """
    unknown = [name for name in names if name not in _MAKERS]
    if unknown or not pieces:
        what = f"unknown control {unknown[0]!r}; known: {', '.join(CONTROLS)}" if unknown else "no pieces to judge"
        raise PianistError(what)
    judged = [piece for piece in pieces if len(piece.humans) > 1]
    warnings = [f"{piece.name}: one human, no controls" for piece in pieces if len(piece.humans) < 2]
    if not judged:
        return {
            name: evaluate_pieces(pieces, [[_MAKERS[name](one, one.score, one.score, _NONE, rng)] for one in pieces])
            for name in _OF_SCORES
            if name in names
        }
    alone = [name for name in _OF_OTHERS if len(judged) < 2 and (pool is None or name != "blind")]
    warnings += [f"control {name}: needs a second piece with two human performances" for name in alone]
    references = [reference_of(piece) for piece in judged]
    own = [[controls.complete(piece.score, human) for human in piece.humans] for piece in judged]
    pools = [others_tokens(judged, index) if pool is None else pool for index in range(len(judged))]
    reports = {}
    for name in names:
        if name in alone:
            continue
        made = [
            [_MAKERS[name](piece, one, others[k % len(others)], drawn, rng) for k, one in enumerate(turns)]
            for piece, turns, others, drawn in zip(judged, own, own[1:] + own[:1], pools, strict=True)
        ]
        reports[name] = _judge(name, judged, references, made, warnings)
    return reports


_NONE = np.zeros((0, 8), np.int32)


def others_tokens(pieces: Sequence[PlayedPiece], index: int) -> np.ndarray:
    """Tokens of the humans of all pieces but one, less the first note of each."""
    others = [as_tokens(human.notes)[1:] for k, piece in enumerate(pieces) if k != index for human in piece.humans]
    return np.concatenate(others) if others else _NONE


def _judge(
    name: str,
    pieces: Sequence[PlayedPiece],
    references: Sequence[Reference],
    made: list[list[Playing]],
    warnings: Sequence[str],
) -> Report:
    human: list[list[Playing]] = [[one.notes for one in piece.humans] for piece in pieces]
    playing = human if name == "human" else made
    results = []
    for index, (piece, reference) in enumerate(zip(pieces, references, strict=True)):
        heard = [human.match >= 0 for human in piece.humans] if name in _AS_PLAYED else None
        result = _judge_piece(reference, as_played(piece, made[index]), heard)
        coarse = _coarse(playing[index], piece, left_out=True)
        results.append(replace(result, metrics=result.metrics | coarse))
    compared = compare_left_out(playing, human)
    paper = {"left_out": compared.as_dict()}
    return _report(results, paper, [*compared.warnings, *warnings], np.random.default_rng(0))


def _judge_piece(reference: Reference, made: Sequence[Played], heard: Sequence[np.ndarray] | None) -> PieceResult:
    """The metrics of the control made from each human, against the others: the mean of those with a value.

    heard: for each human which notes of the score are theirs; what the control filled in is not judged.
    """
    found: dict[str, list[float]] = {}
    for turn, one in enumerate(made):
        sample = prepare(reference.chords, one)
        if heard is not None:
            gaps = {name: np.isnan(rows[turn]) for name, rows in reference.curves.items()}
            curves = {name: np.where(gaps[name], np.nan, curve) for name, curve in sample.curves.items()}
            chords = chord_use(reference.chords, deal(one.notes, np.where(heard[turn], one.match, -1)))
            sample = replace(sample, curves=curves, chords=chords)
        for metric, value in candidate_metrics(without(reference, turn), [sample]).items():
            if np.isfinite(value):
                found.setdefault(metric, []).append(value)
    means = {metric: float(np.mean(values)) for metric, values in found.items()}
    return PieceResult(reference.name, reference.composition, means, ())
