"""Statistics over curves with gaps: NaN marks what was not played, and is left out pair by pair.

Curves run along the last axis; leading axes broadcast. Nothing here warns: what has no value comes back as
NaN, and the callers name it.
"""

from __future__ import annotations

import numpy as np

SHARED = 8  # fewer points in common than this say nothing
FLAT = 1e-12  # a variance below this is a constant


def mean_valid(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over `axis` of what is not NaN; NaN where nothing is."""
    valid = np.isfinite(values)
    count = valid.sum(axis)
    total = np.where(valid, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def variance_valid(values: np.ndarray) -> np.ndarray:
    """Variance along the last axis of what is not NaN; NaN where fewer than `SHARED` points are."""
    centred = values - mean_valid(values)[..., None]
    return np.where(np.isfinite(values).sum(-1) >= SHARED, mean_valid(centred**2), np.nan)


def centre(values: np.ndarray) -> np.ndarray:
    """Each curve less its own mean."""
    return values - mean_valid(values)[..., None]


def mean_curve(curves: np.ndarray) -> np.ndarray:
    """The mean float64[N] of curves float64[R, N], each centred first so that gaps shift nothing.

    A point counts where at least half of the curves have it.
    """
    centred = centre(curves)
    enough = 2 * np.isfinite(centred).sum(0) >= max(len(curves), 1)
    return np.where(enough, mean_valid(centred, axis=0), np.nan)


def _shared(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second = np.broadcast_arrays(first, second)
    valid = np.isfinite(first) & np.isfinite(second)
    first, second = (centre(np.where(valid, curve, np.nan)) for curve in (first, second))
    return np.where(valid, first, 0.0), np.where(valid, second, 0.0), valid.sum(-1) >= SHARED


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson's r along the last axis; 0 where either is constant, NaN where they share fewer than `SHARED`
    points.
    """
    x, y, enough = _shared(first, second)
    norm = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    varies = norm > FLAT * max(x.shape[-1], 1)
    return np.where(enough, (x * y).sum(-1) / np.where(varies, norm, np.inf), np.nan)


def centred_r2(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """1 − Σ(p − o)² / Σo², both centred on what they share: size as well as shape; 0 for a flat prediction.

    NaN where they share fewer than `SHARED` points or the observed curve is constant.
    """
    p, o, enough = _shared(predicted, observed)
    total = (o**2).sum(-1)
    has_size = enough & (total > FLAT * max(o.shape[-1], 1))
    return np.where(has_size, 1 - ((p - o) ** 2).sum(-1) / np.where(has_size, total, 1.0), np.nan)


def leave_one_out_means(curves: np.ndarray) -> np.ndarray:
    """For each of R curves float64[R, N] the mean curve of the others; R >= 2."""
    everyone = np.arange(len(curves))
    return np.stack([mean_curve(curves[everyone != index]) for index in everyone])


def jumps(values: np.ndarray, width: int) -> np.ndarray:
    """Mean of `width` points from each point on, less that of the `width` points before it; NaN near the
    ends.
    """
    valid = np.isfinite(values)
    edge = [(0, 0)] * (values.ndim - 1) + [(1, 0)]
    total = np.pad(np.cumsum(np.where(valid, values, 0.0), -1), edge)
    count = np.pad(np.cumsum(valid, -1), edge)
    found = np.full(values.shape, np.nan)
    if values.shape[-1] < 2 * width:
        return found
    total, count = (array[..., width:] - array[..., :-width] for array in (total, count))
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    found[..., width : values.shape[-1] - width + 1] = means[..., width:] - means[..., :-width]
    return found


def pairwise_distance(curves: np.ndarray) -> np.ndarray:
    """Per point the mean |difference| of two different curves of float64[R, N]; NaN where fewer than two have
    it.
    """
    total, count = np.zeros(curves.shape[-1]), np.zeros(curves.shape[-1])
    for index in range(1, len(curves)):
        gap = np.abs(curves[index:] - curves[:-index])
        total += np.where(np.isfinite(gap), gap, 0.0).sum(0)
        count += np.isfinite(gap).sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def wasserstein(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance per point between the samples float64[R, N] and float64[Q, N]; NaN where a side
    has none.
    """
    valid_first, valid_second = np.isfinite(first), np.isfinite(second)
    values = np.concatenate([first, second])
    weights = np.concatenate(
        [
            valid_first / np.maximum(valid_first.sum(0), 1),
            -(valid_second / np.maximum(valid_second.sum(0), 1)),
        ]
    )
    # A gap has no weight; put where the last value is, it adds no length either.
    last = np.where(np.isfinite(values), values, -np.inf).max(0)
    values = np.where(np.isfinite(values), values, np.where(np.isfinite(last), last, 0.0))
    order = np.argsort(values, axis=0, kind="stable")
    values, weights = (np.take_along_axis(array, order, axis=0) for array in (values, weights))
    distance = (np.abs(np.cumsum(weights, axis=0)[:-1]) * np.diff(values, axis=0)).sum(0)
    return np.where(valid_first.any(0) & valid_second.any(0), distance, np.nan)


def ratio_of_sums(numerator: np.ndarray, denominator: np.ndarray) -> float:
    """Σ numerator / Σ denominator over the points both have; NaN where the denominator sums to nothing."""
    valid = np.isfinite(numerator) & np.isfinite(denominator)
    total = denominator[valid].sum()
    return float(numerator[valid].sum() / total) if total > FLAT else float("nan")


def bootstrap_interval(
    values: np.ndarray, rng: np.random.Generator, draws: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean of `values` float64[C], one for each composition, compositions drawn
    anew.
    """
    picks = rng.integers(len(values), size=(draws, len(values)))
    low, high = np.quantile(values[picks].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
