"""Curves of pairs: what performances can be averaged by."""

import numpy as np

from pianist_jax.data.curves import pair_curves
from pianist_jax.data.parts import PairCorpus
from pianist_jax.music.tokens import ScoreTokens

NOTES = 60


def corpus(performances: list[np.ndarray], played: np.ndarray, files: list[str]) -> PairCorpus:
    """Pairs of one score: chords of two every 250 ms."""
    n = np.arange(NOTES)
    zero = 0 * n
    score = np.stack([60 + n % 9, np.where(n % 2 == 0, 250, 0), 64 + zero, 200 + zero, *[zero] * 4], axis=1)
    score[0, 1] = 0
    count = len(performances)
    return PairCorpus(
        ScoreTokens(np.concatenate([score] * count).astype(np.uint16)),
        np.concatenate(performances).astype(np.uint16), played,
        np.arange(count + 1) * NOTES, np.zeros(count, np.int32), np.zeros(count, np.uint8), np.zeros(count, np.uint8),
        ("one",), tuple({"corpus": "here", "file": name} for name in files),
    )  # fmt: skip


def performance(seed: int) -> np.ndarray:
    """A waltz through the score: gaps and velocities of its own, a few ms between the notes of a chord."""
    rng = np.random.default_rng(seed)
    n = np.arange(NOTES)
    gap = np.where(n % 2 == 0, rng.integers(200, 400, NOTES), rng.integers(0, 9, NOTES))
    gap[0] = 0
    return np.stack([60 + n % 9, gap, rng.integers(30, 90, NOTES), rng.integers(50, 300, NOTES), *[0 * n] * 4], axis=1)


def test_every_performance_is_told_about_its_own_mean_and_size():
    played = np.ones(3 * NOTES, bool)
    played[[7, NOTES + 20]] = False
    pairs = corpus([performance(seed) for seed in range(3)], played, ["a", "b", "b"])
    curves = pair_curves(pairs).astype(np.float64)
    assert curves.shape == (3 * NOTES, 3)
    for own in (slice(NOTES), slice(NOTES, None)):  # the stretches of one performance are taken together
        np.testing.assert_allclose(np.nanmean(curves[own], axis=0), 0, atol=2e-3)
        np.testing.assert_allclose(np.nanstd(curves[own], axis=0), 1, atol=2e-3)
    assert np.abs(np.nanmean(curves[NOTES : 2 * NOTES, 1])) > 0.01
    assert np.isnan(curves[~played, 1:]).all()
    assert np.isfinite(curves[played, 1:]).all()


def test_a_gap_stands_at_the_first_note_of_its_chord():
    played = np.ones(NOTES, bool)
    played[[20, 21]] = False  # a whole chord
    one = performance(1)
    gaps = pair_curves(corpus([one], played, ["a"])).astype(np.float64)[:, 0]
    first = np.arange(0, NOTES, 2)
    unknown = {NOTES - 2, 18, 20}  # the last has none behind it
    assert set(first[np.isnan(gaps[first])]) == unknown
    assert np.isnan(gaps[first + 1]).all()
    middle = np.cumsum(one[:, 1]).reshape(-1, 2).mean(axis=1)
    known = np.setdiff1d(first, list(unknown))
    expected = np.log(np.diff(middle))[known // 2]
    np.testing.assert_allclose(gaps[known], (expected - expected.mean()) / expected.std(), atol=3e-3)


def test_what_is_out_of_all_proportion_is_unknown():
    one = performance(2)
    one[30, 1] = 4000
    gaps = pair_curves(corpus([one], np.ones(NOTES, bool), ["a"]))[:, 0]
    assert np.isnan(gaps[28])
    assert np.isfinite(gaps[26])
