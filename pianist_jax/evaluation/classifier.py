"""A two-sample test by classifier: can human and machine be told apart, and by what?

Gradient boosting (scikit-learn's HistGradientBoostingClassifier) reads windows of 64 score notes (`features`) and says
human or candidate; what it says of a composition comes from a classifier that has seen none of it. The AUC is the
chance that of two windows of a composition, one of each kind, it takes the right one for the machine's: .5 where it
cannot tell, 1 where it always can. Values are means over compositions with 95% bootstrap intervals. The floor is one
human of each piece against the others, as if they were a candidate. (Classifiers as two-sample tests: Lopez-Paz and
Oquab, arXiv 1610.06545.)

Candidates are read through the gaps of the humans, each sample through one human's, so that notes which an aligner did
not find give nobody away. A measure, never a training signal on the pieces it is taken on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.features import FEATURES, GROUPS, NAMES, WINDOW, Feature, columns_of, window_features
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.performance.parameters import chords_of

FOLDS = 5
TURNS = 4  # how many humans of each piece take the candidate's place in turn
SETTINGS = {"max_iter": 60, "max_leaf_nodes": 8, "min_samples_leaf": 20, "learning_rate": 0.1, "random_state": 0}
LEAST = 20  # windows of either kind: fewer teach nothing
TELLS = 8  # how many features are put into words
KINDS = ("all", *GROUPS)


@dataclass(frozen=True, eq=False)
class WindowFeatures:
    """Windows of some performances: features float64 [W, ·], and the composition int64 [W] each is of."""

    values: np.ndarray
    composition: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


def human_windows(pieces: Sequence[PlayedPiece]) -> list[list[np.ndarray]]:
    """The features of every human of every piece (`window_features`)."""
    return [[window_features(chords_of(piece.score), human) for human in piece.humans] for piece in pieces]


def candidate_windows(piece: PlayedPiece, samples: Sequence[Played]) -> list[np.ndarray]:
    """The features of each sample, the k-th with the gaps of the k-th human of the piece."""
    chords = chords_of(piece.score)
    return [
        window_features(chords, one, piece.humans[k % len(piece.humans)].match >= 0) for k, one in enumerate(samples)
    ]


def classify(
    pieces: Sequence[PlayedPiece],
    humans: Sequence[Sequence[np.ndarray]],
    machine: Sequence[Sequence[np.ndarray]],
    seed: int,
) -> dict[str, Any]:
    """How well a candidate can be told from the humans.

    Args:
        humans, machine: for each piece the windows of each human and of each sample.
        seed: of folds and bootstrap.

    Gives {"auc": {kind of `KINDS`: {"value", "low", "high", "compositions"}}, "tells": [{"feature", "group", "auc",
    "machine", "human", "words"}]}, the features that differ most first; empty where there are too few windows
    (`LEAST` of either kind, from two compositions).
    """
    theirs, ours = _together(pieces, humans), _together(pieces, machine)
    scores = _auc_by_kind(theirs, ours, seed)
    if not scores:
        return {}
    return {"auc": {kind: _with_interval(found, seed) for kind, found in scores.items()}, "tells": _tells(theirs, ours)}


def add_classifier(
    systems: dict[str, dict[str, Any]],
    pieces: Sequence[PlayedPiece],
    samples: Mapping[str, Sequence[Sequence[Played]]],
    seed: int,
) -> list[str]:
    """Puts what `classify` finds of each system's `samples`, by piece, into its report; the floor into that of "human".

    Gives warnings.
    """
    humans = human_windows(pieces)
    for name, performed in samples.items():
        machine = [candidate_windows(piece, own) for piece, own in zip(pieces, performed, strict=True)]
        systems[name]["classifier"] = classify(pieces, humans, machine, seed)
    if "human" in systems:
        systems["human"]["classifier"] = classify_humans(pieces, humans, seed)
    without = [name for name, report in systems.items() if report.get("classifier") == {}]
    for name in without:
        del systems[name]["classifier"]
    few = f"fewer than {LEAST} windows of {WINDOW} notes, or of one composition"
    return [f"{name}: no classifier: {few}" for name in without]


def classify_humans(pieces: Sequence[PlayedPiece], humans: Sequence[Sequence[np.ndarray]], seed: int) -> dict[str, Any]:
    """The floor: one human of each piece against the others, the mean of `TURNS` turns. Pieces of one are left out."""
    several = [k for k, own in enumerate(humans) if len(own) > 1]
    judged = [pieces[k] for k in several]
    turns: list[dict[str, np.ndarray]] = []
    for turn in range(TURNS):
        one = [[humans[k][turn % len(humans[k])]] for k in several]
        others = [[own for at, own in enumerate(humans[k]) if at != turn % len(humans[k])] for k in several]
        turns.append(_auc_by_kind(_together(judged, others), _together(judged, one), seed))
        if not turns[-1]:
            return {}
    means = {kind: stats.mean_valid(np.stack([found[kind] for found in turns]), 0) for kind in KINDS}
    return {"auc": {kind: _with_interval(found, seed) for kind, found in means.items()}, "tells": []}


def _together(pieces: Sequence[PlayedPiece], windows: Sequence[Sequence[np.ndarray]]) -> WindowFeatures:
    names = sorted({piece.composition for piece in pieces})
    values, labels = [np.zeros((0, len(NAMES)))], [np.zeros(0, np.int64)]
    for piece, performances in zip(pieces, windows, strict=True):
        for one in performances:
            kept = one[np.isfinite(one).any(1)]
            values.append(kept)
            labels.append(np.full(len(kept), names.index(piece.composition)))
    return WindowFeatures(np.concatenate(values), np.concatenate(labels))


def _auc_by_kind(theirs: WindowFeatures, ours: WindowFeatures, seed: int) -> dict[str, np.ndarray]:
    """`_auc_by_composition` of every kind of `KINDS`; nothing where there are too few windows."""
    shared = np.intersect1d(theirs.composition, ours.composition)
    if len(shared) < 2 or min(len(theirs), len(ours)) < LEAST:
        return {}
    folds = _folds(shared, seed)
    return {kind: _auc_by_composition(theirs, ours, folds, columns_of(kind)) for kind in KINDS}


def _folds(compositions: np.ndarray, seed: int) -> list[np.ndarray]:
    drawn = np.random.default_rng(seed).permutation(compositions)
    return np.array_split(drawn, min(FOLDS, len(drawn)))


def _auc_by_composition(
    theirs: WindowFeatures, ours: WindowFeatures, folds: list[np.ndarray], columns: np.ndarray
) -> np.ndarray:
    """float64 [C]: the AUC within each composition of the folds, by a classifier that saw the other folds alone."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    found = []
    with threadpool_limits(1):  # threads that wait for one another are far slower where others work beside them
        for fold in folds:
            kept = [windows.values[~np.isin(windows.composition, fold)][:, columns] for windows in (theirs, ours)]
            sizes = [len(one) for one in kept]
            weight = np.repeat([0.5 * sum(sizes) / max(size, 1) for size in sizes], sizes)
            model = HistGradientBoostingClassifier(**SETTINGS)
            model.fit(np.concatenate(kept), np.repeat([0, 1], sizes), sample_weight=weight)
            for composition in fold:
                own = [windows.values[windows.composition == composition][:, columns] for windows in (theirs, ours)]
                found.append(auc(*(model.decision_function(one) for one in own)))
    return np.array(found)


def auc(low: np.ndarray, high: np.ndarray) -> float:
    """The chance that one of `high` is above one of `low`, ties counting half; NaN where a side is empty."""
    low, high = np.sort(low[np.isfinite(low)]), high[np.isfinite(high)]
    if not len(low) or not len(high):
        return float("nan")
    below = np.searchsorted(low, high, side="left") + np.searchsorted(low, high, side="right")
    return float(below.mean() / (2 * len(low)))


def _with_interval(values: np.ndarray, seed: int) -> dict[str, float]:
    values = values[np.isfinite(values)]
    low, high = stats.bootstrap_interval(values, np.random.default_rng(seed))
    return {"value": float(values.mean()), "low": low, "high": high, "compositions": len(values)}


def _tells(theirs: WindowFeatures, ours: WindowFeatures) -> list[dict[str, Any]]:
    """The features by which alone the two differ most within compositions, with their medians, in words."""
    found: list[dict[str, Any]] = []
    for column, (name, feature) in enumerate(FEATURES.items()):
        parts = [
            [windows.values[windows.composition == one, column] for one in np.unique(ours.composition)]
            for windows in (theirs, ours)
        ]
        apart = float(stats.mean_valid(np.array([auc(*pair) for pair in zip(*parts, strict=True)])))
        human, machine = (float(np.nanmedian(np.concatenate(part))) for part in parts)
        if np.isfinite([apart, human, machine]).all():
            told = in_words(feature, machine, human)
            found.append(
                {"feature": name, "group": feature.group, "auc": apart, "machine": machine, "human": human} | told
            )
    found.sort(key=lambda one: -abs(one["auc"] - 0.5))
    return found[:TELLS]


def in_words(feature: Feature, machine: float, human: float) -> dict[str, str]:
    """{"words": "velocity steps from chord to chord are 24% smaller than humans' (6.4, theirs 8.4)"} and the like."""
    verb = "are" if feature.plural else "is"
    if feature.unit == "%" and human > 0:
        differs = machine / human - 1
        size = "larger" if differs > 0 else "smaller"
        told = f"{feature.words} {verb} {abs(differs):.0%} {size} than humans' ({machine:.3g}, theirs {human:.3g})"
        return {"words": told}
    unit = f" {feature.unit}" if feature.unit not in ("", "%") else ""
    digits = 1 if unit else 2
    return {"words": f"{feature.words} {verb} {machine:+.{digits}f}{unit}, humans' {human:+.{digits}f}{unit}"}
