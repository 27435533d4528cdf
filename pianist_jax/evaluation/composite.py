"""One figure for how well a renderer plays: a human is 1, the deadpan score 0.

Four things a pianist decides weigh alike: dynamics, timing, articulation, pedal (`WEIGHTS`). Of the first three
the `agreement` counts (r with the mean human × how well the size of the deviations matches, `aligned`), since r
alone cannot see that expression is halved or doubled, and size alone cannot see that it is put on the wrong
notes; of the pedal its transition F1. Each is put on the scale from the deadpan score (0) to the left-out human
(1) of the same pieces before it is weighed. A metric without a value on these pieces (no pedal anywhere) gives
its weight to the others, and is named.

It does not see: the level (how loud, how fast), chords' spread and melody lead, seams, and whether samples
differ from one another as humans do. A human with 30 ms of jitter keeps most of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.suite import Report

WEIGHTS = {
    "velocity_agreement": 0.25,
    "log_ioi_agreement": 0.25,
    "log_articulation_agreement": 0.25,
    "pedal_f1": 0.25,
}
DRAWS = 2000


def composite(
    report: Report, human: Report, deadpan: Report, compositions: Mapping[str, str], rng: np.random.Generator
) -> dict[str, Any]:
    """The figure of one report beside those of the left-out human and the deadpan score.

    `compositions` tells the composition of each piece. Gives {"value", "low", "high", "parts", "without"}: a 95%
    interval from bootstrap draws of compositions (all three reports drawn alike), the scaled metrics, and the
    metrics that had no value. Empty where no metric has one.
    """
    reports = (report, human, deadpan)
    names = sorted(set(compositions.values()))
    chosen = rng.integers(len(names), size=(DRAWS, len(names)))
    draws = np.concatenate([np.arange(len(names))[None], chosen])  # the first: every composition once
    parts: dict[str, np.ndarray] = {}
    for metric in WEIGHTS:
        own, top, bottom = (_means(one, metric, compositions, names) for one in reports)
        known = np.isfinite(own) & np.isfinite(top) & np.isfinite(bottom)
        own, top, bottom = (np.where(known, values, np.nan) for values in (own, top, bottom))
        room = stats.mean_valid(top[draws] - bottom[draws])
        scaled = stats.mean_valid(own[draws] - bottom[draws]) / np.where(room > stats.FLAT, room, np.nan)
        if np.isfinite(scaled[0]):
            parts[metric] = scaled
    if not parts:
        return {}
    weights = np.array([WEIGHTS[metric] for metric in parts])
    rows = np.stack([parts[metric] for metric in parts])
    known = np.isfinite(rows)
    figures = (weights[:, None] * np.where(known, rows, 0)).sum(0) / np.maximum((weights[:, None] * known).sum(0), 1e-9)
    low, high = np.quantile(figures[1:], [0.025, 0.975])
    return {
        "value": float(figures[0]),
        "low": float(low),
        "high": float(high),
        "parts": {metric: float(scaled[0]) for metric, scaled in parts.items()},
        "without": [metric for metric in WEIGHTS if metric not in parts],
    }


def _means(report: Report, metric: str, compositions: Mapping[str, str], names: list[str]) -> np.ndarray:
    """The metric's mean over the pieces of each composition, float64 [C]; NaN where none has a value."""
    values: dict[str, list[float]] = {name: [] for name in names}
    for piece, metrics in report["pieces"].items():
        if metric in metrics:
            values[compositions[piece]].append(metrics[metric])
    return np.array([np.mean(values[name]) if values[name] else np.nan for name in names])
