"""What has the encoder learnt about music? Linear probes of its states, beside those of random weights.

    python -m experiments.pretraining --data parts --workdir RUNS
    python -m experiments.transfer --data parts --workdir RUNS

The encoder reads human performances of ASAP's training pieces, in windows of 256 notes, and stays as it is; a
logistic regression reads its states. Beats: does this note fall on a beat, or on the first one of a bar (ASAP's
annotations, by way of the aligned score)? Composers: whose piece is it, by the mean state of each window, windows
voting? Pieces are divided by composition, five times over; area under the curve, and balanced accuracy.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import rankdata

from experiments import study
from experiments.study import Material, small
from pianist_jax.config import ModelConfig
from pianist_jax.data.corruption import ids
from pianist_jax.model.pianist import Pianist, initialise
from pianist_jax.music.tokens import METRE, ScoreTokens
from pianist_jax.weights import load_weights, weights_path

WINDOW, FOLDS = 256, 5
EACH = 1  # performances of a composition
COMPOSITIONS = 5  # of a composer, to be in the test
DECAY = 1e-3
RUNS = ("pretrained", "none, as long", "after 100%")


def chosen_windows(material: Material) -> dict[str, np.ndarray]:
    """Windows of performances: values [W, N, 8], metre [W, N, 9], and whose composition each is, by number."""
    pairs, found = material.pairs, []
    for composition in range(len(pairs.compositions)):
        own = np.flatnonzero((pairs.composition == composition) & (pairs.split == 0))[:EACH]
        found += [
            (composition, start)
            for pair in own
            for start in range(int(pairs.offsets[pair]), int(pairs.offsets[pair + 1]) - WINDOW + 1, 4 * WINDOW)
        ]
    composition, start = np.array(found).T
    place = start[:, None] + np.arange(WINDOW)
    return {
        "values": pairs.performance[place].astype(np.int32),
        "metre": pairs.score.metre[place].astype(np.int32),
        "composition": composition,
    }


def states(config: ModelConfig, params: Any, values_WN8: np.ndarray) -> np.ndarray:
    """Encoder states of windows, float32 [W, N, D], each feature with mean 0 and variance 1."""

    @jax.jit
    def encode(values: jax.Array) -> jax.Array:
        mask = np.ones(values.shape[:2], bool)
        return Pianist(config).apply({"params": params}, ScoreTokens(ids(values)), mask, method="encode")[0]

    rows = [np.asarray(encode(values_WN8[at : at + 8])) for at in range(0, len(values_WN8), 8)]
    found = np.concatenate(rows).astype(np.float32)
    return (found - found.mean((0, 1))) / (found.std((0, 1)) + 1e-6)


def regression(x: np.ndarray, label: np.ndarray, classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """A logistic regression of features [S, D] with classes weighed alike: from features to log probabilities."""
    x = np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)
    weight = (1 / np.maximum(np.bincount(label, minlength=classes), 1))[label]
    weight /= weight.sum()
    hot = np.eye(classes)[label]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(x.shape[1], classes)
        logits = x @ w
        value = -np.sum(weight * log_softmax(logits, axis=1)[np.arange(len(label)), label])
        slope = x.T @ (weight[:, None] * (softmax(logits, axis=1) - hot))
        return value + DECAY * np.sum(w**2), (slope + 2 * DECAY * w).ravel()

    w = minimize(loss, np.zeros(x.shape[1] * classes), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    w = w.reshape(-1, classes)
    return lambda new: log_softmax(np.concatenate([new, np.ones((len(new), 1))], axis=1) @ w, axis=1)


def area(score: np.ndarray, truth: np.ndarray) -> float:
    """Area under the receiver's curve."""
    rank, positive = rankdata(score), truth.sum()
    return float((rank[truth].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive)))


def folds(composition: np.ndarray) -> np.ndarray:
    """The fold of each window, compositions kept whole."""
    numbers = np.unique(composition)
    drawn = np.random.default_rng(0).permutation(len(numbers)) % FOLDS
    return drawn[np.searchsorted(numbers, composition)]


def beats(found: np.ndarray, windows: dict[str, np.ndarray], column: str) -> float:
    """Area under the curve of "does this note fall on it", over held-out compositions."""
    place = windows["metre"][..., METRE.index(column)]
    fold, areas = folds(windows["composition"]), []
    for test in range(FOLDS):
        known = place > 0
        own, other = (fold == test)[:, None] & known, (fold != test)[:, None] & known
        other &= np.random.default_rng(test).random(place.shape) < 40_000 / other.sum()
        model = regression(found[other], (place[other] == 1).astype(int), 2)
        areas.append(area(model(found[own])[:, 1], place[own] == 1))
    return float(np.mean(areas))


def composers(found: np.ndarray, windows: dict[str, np.ndarray], names: tuple[str, ...]) -> tuple[float, int]:
    """Balanced accuracy over held-out compositions, and of how many composers."""
    who = np.array([name.split("/")[0] for name in names])
    common = [name for name in np.unique(who) if np.sum(who == name) >= COMPOSITIONS]
    index = np.array([common.index(name) if name in common else -1 for name in who])[windows["composition"]]
    fold, right = folds(windows["composition"]), []
    mean = found.mean(axis=1)
    for test in range(FOLDS):
        other = (fold != test) & (index >= 0)
        model = regression(mean[other], index[other], len(common))
        for composition in np.unique(windows["composition"][(fold == test) & (index >= 0)]):
            own = windows["composition"] == composition
            right.append((index[own][0], model(mean[own]).sum(0).argmax() == index[own][0]))
    label, correct = np.array(right).T
    return float(np.mean([correct[label == one].mean() for one in np.unique(label)])), len(common)


def main() -> int:
    """Probe every encoder, keep and print what comes out."""
    chosen = study.options(__doc__).parse_args()
    material = Material(chosen.data)
    windows = chosen_windows(material)
    encoders: dict[str, tuple[ModelConfig, Callable[[], Any]]] = {
        "random weights": (small(), partial(initialise, small(), jax.random.key(0))),
        **{name: (small(), partial(_kept, chosen.workdir / f"{name}.safetensors")) for name in RUNS},
        "bundled": (load_weights(weights_path("default"))[0], partial(_kept, weights_path("default"))),
    }
    rows = {}
    for name, (config, params) in encoders.items():
        found = states(config, params(), windows["values"])
        accuracy, of = composers(found, windows, material.pairs.compositions)
        rows[name] = {
            "windows": len(found),
            "width": config.width,
            "beat": round(beats(found, windows, "beat"), 4),
            "downbeat": round(beats(found, windows, "bar"), 4),
            "composer": round(accuracy, 4),
            "composers": of,
        }
        print(name, rows[name], flush=True)
    path = chosen.results / "transfer.json"
    study.add_results(path, rows)
    _draw(rows, path.with_suffix(".png"))
    return 0


def _kept(path: Path) -> Any:
    return load_weights(path)[1]


def _draw(rows: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    probes = {"beat": "on a beat (area)", "downbeat": "on a bar's first (area)", "composer": "composer (accuracy)"}
    for number, (name, row) in enumerate(rows.items()):
        axes.bar(np.arange(3) + 0.16 * (number - 2), [row[probe] for probe in probes], 0.15, label=name)
    axes.set_xticks(np.arange(3), list(probes.values()))
    axes.set(title="Linear probes of the encoder's states", ylim=(0, 1))
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
