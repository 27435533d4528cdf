"""Aligned metrics: candidates of a piece against all its humans, note by note (paper §7, §8).

For each curve of `curves.CURVES` (velocity, log_ioi, log_articulation), of K candidates and H humans:

r_single, r_mean   Pearson's r with the mean human: of one sample (mean over samples), of the mean of K
r_each             of one sample with one human, mean over all pairs
r2_single, r2_mean centred R² against the mean human: shape and size; a flat candidate has 0
wasserstein        per point the mean distance of a sample to a human, over that of two humans: a human has 1
wasserstein_set    per point Wasserstein-1 of m samples to the other humans, over that of m humans to the same
                   (m = min(K, H // 2) >= 2): 1 where the samples spread as the humans do; K > 1
variance_ratio     variance of a sample over the mean variance of the humans: < 1 too flat, > 1 too noisy
variance_match     the smaller of that ratio and its inverse, mean over samples: 1 at best, flat has 0
spread_ratio       variance between samples over that between humans, of centred curves, summed over points; K
> 1 seam               mean |sample − mean human| within 16 notes of a window boundary over that in the
interior seam_jump          mean |jump| of (sample − mean human) at the boundaries over that in the interior,
                   a jump being the mean of 16 notes from there on less that of the 16 before: windows that
                   meet on different levels

Of the pedal: pedal_f1 (`pedal.transition_f1` with each human who uses it, mean), pedal_down (share of the
time), pedal_down_human, pedal_down_error (|share − mean share of the humans|).

The humans' own, from `human_metrics`: r_ceiling and r2_ceiling (each against the mean of the others),
r_between (each against each), reliability of the mean human (Spearman–Brown), pedal_f1_ceiling,
pedal_down_error_ceiling.

The mean human centres every performance first and counts where at least half of them play. What is NaN on
either side is left out pair by pair. No metric is ever NaN: what has no value is absent and named in the
warnings. The variance and the distances of humans are over their own gaps; the level of a curve (how loud,
how fast) matters to `wasserstein` only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.curves import (
    CURVES,
    Dealt,
    Frame,
    Piece,
    TimeMap,
    curves_of,
    deal,
    frame_of,
    time_map,
)
from pianist_jax.evaluation.pedal import PedalUse, pedal_use, transition_f1

WINDOW, HOP, NEAR_SEAM = 512, 256, 16  # notes
MATCHED = 0.8  # a human who plays less of the score than this is worth a warning


@dataclass(frozen=True, eq=False)
class Performance:
    """One performance of a piece, ready to be compared: curves by name, time map, pedal."""

    curves: dict[str, np.ndarray]
    mapped: TimeMap
    pedal: PedalUse


@dataclass(frozen=True, eq=False)
class Reference:
    """The humans of a piece, ready to be compared with.

    `curves` float64[H, ·] by name; `mean` their mean curve; `distance` per point between two of the piece's
    humans, which `without` keeps as it was.
    """

    name: str
    composition: str
    frame: Frame
    performances: tuple[Performance, ...]
    curves: dict[str, np.ndarray]
    mean: dict[str, np.ndarray]
    distance: dict[str, np.ndarray]


@dataclass(frozen=True)
class PieceResult:
    """The metrics of one piece by name, and what was degenerate in it."""

    name: str
    composition: str
    metrics: dict[str, float]
    warnings: tuple[str, ...]


def prepare(frame: Frame, playing: Dealt, human: bool = False) -> Performance:
    """Curves, time map and pedal of a performance dealt out on its score (`curves.deal`)."""
    mapped = time_map(frame, playing)
    return Performance(curves_of(frame, playing, mapped, human), mapped, pedal_use(frame, playing, mapped))


def prepare_notes(frame: Frame, notes: Sequence) -> list[Performance]:
    """Performances of candidates that are 1:1 with the notes of the score (`curves.candidate_notes`)."""
    everyone = np.arange(len(frame))
    return [prepare(frame, deal(one, everyone)) for one in notes]


def reference_of(piece: Piece) -> Reference:
    """The humans of a piece, dealt out on its score.

    Raises PianistError where the piece has no human or one plays nothing of the score.
    """
    if not piece.humans:
        raise PianistError(
            f"{piece.name}: no human performance to compare with; add one or leave the piece out"
        )
    frame = frame_of(piece.score)
    performances = []
    for human in piece.humans:
        if not (human.match >= 0).any():
            raise PianistError(f"{piece.name}: {human.name} plays no note of the score; leave it out")
        performances.append(prepare(frame, deal(human.notes, human.match), human=True))
    curves = {name: np.stack([one.curves[name] for one in performances]) for name in CURVES}
    return Reference(
        name=piece.name,
        composition=piece.composition,
        frame=frame,
        performances=tuple(performances),
        curves=curves,
        mean={name: stats.mean_curve(rows) for name, rows in curves.items()},
        distance={name: stats.pairwise_distance(rows) for name, rows in curves.items()},
    )


def without(reference: Reference, human: int) -> Reference:
    """The reference less one of its (two or more) humans, who, or a version of whom, is to be judged."""
    others = [index for index in range(len(reference.performances)) if index != human]
    curves = {name: rows[others] for name, rows in reference.curves.items()}
    return replace(
        reference,
        performances=tuple(reference.performances[index] for index in others),
        curves=curves,
        mean={name: stats.mean_curve(rows) for name, rows in curves.items()},
    )


def candidate_metrics(
    reference: Reference, samples: Sequence[Performance], boundaries: np.ndarray | None = None
) -> dict[str, float]:
    """All metrics of K samples of one piece (see the top of this file); NaN where there is no value.

    boundaries: score note indices at which rendering windows meet; by default every 256 notes of a piece of
    more than 512.
    """
    metrics: dict[str, float] = {}
    if boundaries is None:
        notes = len(reference.frame)
        boundaries = np.arange(HOP, notes, HOP) if notes > WINDOW else np.zeros(0, np.int64)
    for name in CURVES:
        curves = np.stack([sample.curves[name] for sample in samples])
        found = _curve_metrics(reference, name, curves)
        found |= _seam_metrics(reference, name, curves, np.asarray(boundaries))
        metrics |= {f"{name}_{metric}": value for metric, value in found.items()}
    return metrics | _pedal_metrics(reference, samples)


def _curve_metrics(reference: Reference, name: str, samples: np.ndarray) -> dict[str, float]:
    humans, mean, distance = reference.curves[name], reference.mean[name], reference.distance[name]
    middle = stats.mean_curve(samples)
    to_humans = stats.mean_valid(
        np.stack([np.abs(humans - sample) for sample in samples]).reshape(-1, mean.size), 0
    )
    ratio = _ratio(stats.variance_valid(samples), float(stats.mean_valid(stats.variance_valid(humans))))
    several = {
        "wasserstein_set": _wasserstein_set(samples, humans),
        "spread_ratio": _spread_ratio(samples, humans),
    }
    return {
        "r_single": float(stats.mean_valid(stats.pearson(samples, mean))),
        "r_mean": float(stats.pearson(middle, mean)),
        "r_each": float(stats.mean_valid(stats.pearson(samples[:, None], humans).ravel())),
        "r2_single": float(stats.mean_valid(stats.centred_r2(samples, mean))),
        "r2_mean": float(stats.centred_r2(middle, mean)),
        "wasserstein": stats.ratio_of_sums(to_humans, distance),
        "variance_ratio": float(stats.mean_valid(ratio)),
        "variance_match": float(stats.mean_valid(np.minimum(ratio, 1 / np.maximum(ratio, stats.FLAT)))),
        **(several if len(samples) > 1 else {}),
    }


def _ratio(numerator: np.ndarray, denominator: float) -> np.ndarray:
    return numerator / denominator if denominator > stats.FLAT else np.full_like(numerator, np.nan)


def _wasserstein_set(samples: np.ndarray, humans: np.ndarray) -> float:
    size = min(len(samples), len(humans) // 2)
    if size < 2:
        return float("nan")
    ours, theirs = [], []
    for turn in range(len(humans)):  # every human is as often among the m as any other
        chosen = (turn + np.arange(size)) % len(humans)
        others = np.delete(humans, chosen, axis=0)
        ours.append(stats.wasserstein(samples[(turn + np.arange(size)) % len(samples)], others))
        theirs.append(stats.wasserstein(humans[chosen], others))
    return stats.ratio_of_sums(stats.mean_valid(np.stack(ours), 0), stats.mean_valid(np.stack(theirs), 0))


def _spread_ratio(samples: np.ndarray, humans: np.ndarray) -> float:
    def spread(curves: np.ndarray) -> np.ndarray:
        centred = stats.centre(curves)
        count = np.isfinite(centred).sum(0)
        variance = stats.mean_valid((centred - stats.mean_valid(centred, 0)) ** 2, 0)
        return np.where(count > 1, variance * count / np.maximum(count - 1, 1), np.nan)

    return stats.ratio_of_sums(spread(samples), spread(humans)) if len(humans) > 1 else float("nan")


def _seam_metrics(
    reference: Reference, name: str, samples: np.ndarray, boundaries: np.ndarray
) -> dict[str, float]:
    # An IOI lies where the note that ends it does.
    notes = reference.frame.first[1:] if name == "log_ioi" else np.arange(len(reference.frame))
    after = notes[:, None] - boundaries[None, :]
    near = ((after >= -NEAR_SEAM) & (after < NEAR_SEAM)).any(1)
    at = np.searchsorted(notes, boundaries)
    error = stats.centre(samples) - reference.mean[name]
    jump = np.abs(stats.jumps(error, NEAR_SEAM))
    return {
        "seam": _over(np.abs(error[:, near]), np.abs(error[:, ~near])),
        "seam_jump": _over(jump[:, at[at < len(notes)]], jump[:, ~near]),
    }


def _over(here: np.ndarray, elsewhere: np.ndarray) -> float:
    return float(_ratio(stats.mean_valid(here.ravel()), float(stats.mean_valid(elsewhere.ravel()))))


def _pedal_metrics(reference: Reference, samples: Sequence[Performance]) -> dict[str, float]:
    pedalled = [human for human in reference.performances if len(human.pedal)]
    scores = [transition_f1(one.pedal, human.pedal, human.mapped) for one in samples for human in pedalled]
    shares = np.array([one.pedal.share_down for one in samples])
    usual = float(np.mean([human.pedal.share_down for human in reference.performances]))
    return {
        "pedal_f1": float(np.mean(scores)) if scores else float("nan"),
        "pedal_down": float(shares.mean()),
        "pedal_down_human": usual,
        "pedal_down_error": float(np.abs(shares - usual).mean()),
    }


def human_metrics(reference: Reference) -> dict[str, float]:
    """What the humans of a piece reach among themselves (see the top of this file); NaN for one alone."""
    count = len(reference.performances)
    metrics: dict[str, float] = {}
    for name in CURVES:
        curves, found = reference.curves[name], (float("nan"),) * 4
        if count > 1:
            others = stats.leave_one_out_means(curves)
            above = np.triu_indices(count, 1)
            between = float(stats.mean_valid(stats.pearson(curves[:, None], curves[None])[above]))
            found = (
                float(stats.mean_valid(stats.pearson(curves, others))),
                float(stats.mean_valid(stats.centred_r2(curves, others))),
                between,
                count * between / (1 + (count - 1) * between) if between > 0 else min(between, 0.0),
            )
        keys = ("r_ceiling", "r2_ceiling", "r_between", "reliability")
        metrics |= {f"{name}_{key}": value for key, value in zip(keys, found, strict=True)}
    pairs = [
        transition_f1(first.pedal, second.pedal, second.mapped)
        for first in reference.performances
        for second in reference.performances
        if first is not second and len(second.pedal)
    ]
    shares = np.array([human.pedal.share_down for human in reference.performances])
    errors = np.abs(shares - (shares.sum() - shares) / (count - 1)) if count > 1 else np.array([np.nan])
    metrics["pedal_f1_ceiling"] = float(np.mean(pairs)) if pairs else float("nan")
    metrics["pedal_down_error_ceiling"] = float(errors.mean())
    return metrics


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
        (len(reference.frame) <= WINDOW, "no window boundary in so short a piece"),
        (not any(len(human.pedal) for human in reference.performances), "no human uses the pedal"),
        (any(not np.any(mean) for mean in reference.mean.values()), "a constant human curve"),
    ]
    return "; ".join(text for holds, text in reasons if holds) or "too few notes, samples or humans"


def degenerate(piece: Piece, reference: Reference, samples: Sequence[Performance]) -> list[str]:
    """Named warnings about a piece and its candidates: what counts as 0 or rests on little."""
    warnings = []
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
    if any(len(human.pedal) for human in reference.performances) and not all(
        len(one.pedal) for one in samples
    ):
        warnings.append(f"{piece.name}: a candidate without any pedal: its pedal F1 counts as 0")
    return warnings


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
