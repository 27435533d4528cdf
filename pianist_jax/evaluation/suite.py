"""The suite: pieces and candidates in, one report out; the controls beside them; a plain table.

A report is a dict of plain values, fit for JSON:
    summary      {metric: {"value", "low", "high", "compositions"}}, the aligned metrics (`aligned`)
    humans       the same for what the humans reach among themselves
    paper        {"performances" | "pieces" | "left_out" | "human": {figure: value}}, the metrics of paper §7:
                 candidates by either weighting, a control against the humans it is not made of, the human
                 baseline
    pieces       {piece: {metric: value}}
    samples      K
    warnings     named degenerate inputs
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import controls
from pianist_jax.evaluation.aligned import (
    PieceResult,
    Reference,
    aggregate,
    candidate_metrics,
    degenerate,
    human_metrics,
    prepare_notes,
    reference_of,
    result_of,
    without,
)
from pianist_jax.evaluation.curves import CURVES, Piece, candidate_notes
from pianist_jax.evaluation.distributions import Playing, compare_left_out, compare_pieces, human_baseline
from pianist_jax.music.notes import Notes

Candidates = np.ndarray | Sequence[Notes | np.ndarray]
Report = dict[str, Any]

_HEADLINES = ("r_single", "r_mean", "r2_single", "wasserstein", "variance_match", "seam", "seam_jump")
HEADLINES = (
    *(f"{curve}_{metric}" for metric in _HEADLINES for curve in CURVES),
    "pedal_f1",
    "pedal_down_error",
)


def evaluate_pieces(
    pieces: Sequence[Piece],
    candidates: Sequence[Candidates],
    rng: np.random.Generator | None = None,
    boundaries: Sequence[np.ndarray] | None = None,
) -> Report:
    """All metrics of candidates against the humans of their pieces.

    Args:
        candidates: for each piece its K candidates, 1:1 with the notes of the score and in their order:
            tokens int32[K, N, 8] or K Notes.
        rng: of the bootstrap; by default the same every time.
        boundaries: for each piece the score note indices at which rendering windows meet (default: every 256
            notes of a piece of more than 512).

    Raises PianistError, naming the piece, for candidates that are not 1:1 with the score and pieces without
    humans.
    """
    if len(pieces) != len(candidates) or not pieces:
        raise PianistError(
            f"{len(candidates)} sets of candidates for {len(pieces)} pieces; give one for each piece"
        )
    rng = rng or np.random.default_rng(0)
    results, humans, playing = [], [], []
    for index, (piece, own) in enumerate(zip(pieces, candidates, strict=True)):
        reference = reference_of(piece)
        notes = candidate_notes(piece, own)
        playing.append(_played(own, notes))
        samples = prepare_notes(reference.frame, notes)
        metrics = candidate_metrics(reference, samples, None if boundaries is None else boundaries[index])
        results.append(result_of(reference, metrics, degenerate(piece, reference, samples)))
        humans.append(result_of(reference, human_metrics(reference)))
    paper, warnings = _paper_metrics(pieces, playing)
    report = _report(results, paper, warnings, rng)
    report["humans"] = aggregate(humans, rng)
    report["samples"] = max(len(samples) for samples in playing)
    report["warnings"] += [warning for result in humans for warning in result.warnings]
    return report


def _played(own: Candidates, notes: list[Notes]) -> list[Playing]:
    """What the distributions are taken of: the tokens as they are where there are tokens."""
    return [
        one if isinstance(given, Notes) else np.asarray(given) for given, one in zip(own, notes, strict=True)
    ]


def _paper_metrics(
    pieces: Sequence[Piece], playing: Sequence[Sequence[Playing]]
) -> tuple[dict[str, dict[str, float]], list[str]]:
    human = [[one.notes for one in piece.humans] for piece in pieces]
    compared = {
        weighting: compare_pieces(playing, human, weighting) for weighting in ("performances", "pieces")
    }
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
_Maker = Callable[[Piece, Notes, Notes, np.ndarray, np.random.Generator], Playing]

_MAKERS: dict[str, _Maker] = {
    "human": lambda piece, own, other, pool, rng: own,
    "score": lambda piece, own, other, pool, rng: piece.score,
    "deadpan": lambda piece, own, other, pool, rng: controls.deadpan(piece.score),
    "shuffled": lambda piece, own, other, pool, rng: controls.shuffled(own, rng),
    "blind": lambda piece, own, other, pool, rng: controls.blind(piece.score, pool, rng),
    "halved": lambda piece, own, other, pool, rng: controls.scaled(piece.score, own, 0.5),
    "doubled": lambda piece, own, other, pool, rng: controls.scaled(piece.score, own, 2.0),
    "jittered": lambda piece, own, other, pool, rng: controls.jittered(own, rng),
    "other piece": lambda piece, own, other, pool, rng: controls.borrowed(piece.score, other),
}
CONTROLS = tuple(_MAKERS)
_AS_PLAYED = ("human", "halved", "doubled", "jittered")  # what is a gap in this human's curves stays one


def evaluate_controls(
    pieces: Sequence[Piece],
    pool: np.ndarray,
    rng: np.random.Generator,
    names: Sequence[str] = CONTROLS,
    humans: int | None = None,
) -> dict[str, Report]:
    """A report for each control and for the left-out human ("human"), by name.

    Every control is made from each human of a piece in turn (the first `humans` of them) and judged, as that
    human is, against the piece's *other* humans only: a version of somebody who is in the mean would agree
    with itself. Pieces of one human take no part, which is named. "score" is the score's MIDI as it stands.

    Args:
        pool: int32[M, 8], tokens of training humans, for "blind".

    Raises PianistError for unknown names, and where fewer than two pieces have two humans.
    """
    judged = [piece for piece in pieces if len(piece.humans) > 1]
    if len(judged) < 2:
        raise PianistError("controls need at least two pieces with two human performances each")
    left_out = [f"{piece.name}: one human, no controls" for piece in pieces if len(piece.humans) < 2]
    unknown = [name for name in names if name not in _MAKERS]
    if unknown:
        raise PianistError(f"unknown control {unknown[0]!r}; known: {', '.join(CONTROLS)}")
    references = [reference_of(piece) for piece in judged]
    played = [[human.notes for human in piece.humans] for piece in judged]
    completed = [
        [controls.complete(piece.score, human) for human in piece.humans[:humans]] for piece in judged
    ]
    reports = {}
    for name in names:
        playing = []
        for index, (piece, own) in enumerate(zip(judged, completed, strict=True)):
            others = completed[(index + 1) % len(judged)]
            turns = enumerate(own)
            playing.append(
                [_MAKERS[name](piece, one, others[k % len(others)], pool, rng) for k, one in turns]
            )
        results = [
            _judge_control(reference, candidate_notes(piece, made), name in _AS_PLAYED)
            for piece, reference, made in zip(judged, references, playing, strict=True)
        ]
        compared = compare_left_out(played if name == "human" else playing, played)
        paper = {"left_out": compared.as_dict()}
        reports[name] = _report(results, paper, [*compared.warnings, *left_out], np.random.default_rng(0))
    return reports


def _judge_control(reference: Reference, made: Sequence[Notes], as_played: bool) -> PieceResult:
    """The metrics of the control made from each human, against the others: the mean of those with a value."""
    found: dict[str, list[float]] = {}
    for turn, sample in enumerate(prepare_notes(reference.frame, made)):
        if as_played:
            heard = {name: np.isfinite(rows[turn]) for name, rows in reference.curves.items()}
            kept = {name: np.where(heard[name], curve, np.nan) for name, curve in sample.curves.items()}
            sample = replace(sample, curves=kept)
        for metric, value in candidate_metrics(without(reference, turn), [sample]).items():
            if np.isfinite(value):
                found.setdefault(metric, []).append(value)
    means = {metric: float(np.mean(values)) for metric, values in found.items()}
    return PieceResult(reference.name, reference.composition, means, ())


def format_table(reports: Mapping[str, Report], metrics: Sequence[str] = HEADLINES) -> str:
    """A plain-text table: a line for each metric, a column for each report; "–" where a report has no value.

    The aligned metrics come first, then what the humans reach among themselves where a report has it, then
    the paper's: of candidates with each human performance weighing alike, of controls against the humans they
    are not made of.
    """
    rows: list[list[str]] = [["", *reports]]
    for metric in metrics:
        rows.append(
            [metric, *(_cell(report["summary"].get(metric, {}).get("value")) for report in reports.values())]
        )
    for metric in dict.fromkeys(key for report in reports.values() for key in report["humans"]):
        rows.append(
            [metric, *(_cell(report["humans"].get(metric, {}).get("value")) for report in reports.values())]
        )
    papers = [
        report["paper"].get("left_out") or report["paper"]["performances"] for report in reports.values()
    ]
    rows += [[figure, *(_cell(paper[figure]) for paper in papers)] for figure in papers[0]] if papers else []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
