"""Metrics of pieces put together: what has no value is named and never NaN, means are over compositions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.aligned import WINDOW, Performance, Reference
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import CURVES

MATCHED = 0.8  # a human who plays less of the score than this is worth a warning


@dataclass(frozen=True)
class PieceResult:
    """The metrics of one piece by name, and what was degenerate in it."""

    name: str
    composition: str
    metrics: dict[str, float]
    warnings: tuple[str, ...]


def result_of(reference: Reference, metrics: dict[str, float], warnings: Sequence[str] = ()) -> PieceResult:
    """The metrics of a piece without what has no value, which goes to the warnings with its reason."""
    missing = [name for name, value in metrics.items() if not np.isfinite(value)]
    named = [*warnings]
    if missing:
        named.append(f"{reference.name}: no value for {', '.join(missing)} ({_reason(reference)})")
    kept = {name: float(value) for name, value in metrics.items() if name not in missing}
    return PieceResult(reference.name, reference.composition, kept, tuple(named))


def _reason(reference: Reference) -> str:
    reasons = [
        (len(reference.performances) < 2, "one human"),
        (1 < len(reference.performances) < 4, "fewer than four humans"),
        (reference.chords.notes <= WINDOW, "no window boundary in so short a piece"),
        (not any(len(human.pedal) for human in reference.performances), "no human uses the pedal"),
        (not np.any(np.bincount(reference.chords.of) > 1), "no chords"),
        (any(not np.any(mean) for mean in reference.mean.values()), "a constant human curve"),
    ]
    return "; ".join(text for holds, text in reasons if holds) or "too few notes, samples or humans"


def degenerate(piece: PlayedPiece, reference: Reference, samples: Sequence[Performance]) -> list[str]:
    """Named warnings about a piece and its candidates: what counts as 0 or rests on little."""
    warnings = []
    for index, sample in enumerate(samples):
        if sample.missing or sample.extra:
            shares = f"{sample.missing:.1%} of the score's notes missing, {sample.extra:.1%} of its own extra"
            warnings.append(f"{piece.name}: candidate {index} was aligned: {shares}")
    for human in piece.humans:
        share = float(np.mean(human.match >= 0))
        if share < MATCHED:
            warnings.append(f"{piece.name}: {human.name} plays {share:.0%} of the score's notes")
    for name in CURVES:
        flat = [
            str(index)
            for index, sample in enumerate(samples)
            if not stats.variance_valid(sample.curves[name]) > stats.FLAT
        ]
        if flat:
            warnings.append(
                f"{piece.name}: constant {name} in candidate {', '.join(flat)}: its correlation counts as 0"
            )
        if (stats.variance_valid(reference.curves[name]) <= stats.FLAT).any():
            warnings.append(f"{piece.name}: constant {name} in a human: correlations with it count as 0")
    if any(len(human.pedal) for human in reference.performances) and not all(len(one.pedal) for one in samples):
        warnings.append(f"{piece.name}: a candidate without any pedal: its pedal F1 counts as 0")
    return warnings


def copies(piece: PlayedPiece, played: Sequence[Played]) -> list[str]:
    """A warning for every candidate that is one of the humans it is compared with, note by note."""
    return [
        f"{piece.name}: candidate {index} is {human.name} itself, so its figures say nothing"
        for index, one in enumerate(played)
        for human in piece.humans
        if len(one.notes) == len(human.notes) and _played_notes(one.notes) == _played_notes(human.notes)
    ]


def _played_notes(notes: Notes) -> tuple[bytes, ...]:
    begin = notes.onset[:1]
    return (notes.pitch.tobytes(), (notes.onset - begin).tobytes(), notes.velocity.tobytes())


def aggregate(results: Sequence[PieceResult], rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Each metric's mean over compositions, each of them the mean of its pieces.

    Gives {metric: {"value", "low", "high", "compositions"}}: a 95% interval from 2 000 bootstrap draws of
    compositions.
    """
    by_composition: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for metric, value in result.metrics.items():
            by_composition[metric][result.composition].append(value)
    summary = {}
    for metric, compositions in by_composition.items():
        values = np.array([np.mean(pieces) for pieces in compositions.values()])
        low, high = stats.bootstrap_interval(values, rng)
        summary[metric] = {
            "value": float(values.mean()),
            "low": low,
            "high": high,
            "compositions": len(values),
        }
    return summary
