"""Statistics with gaps, against NumPy, SciPy and hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from pianist_jax.evaluation import statistics as s

NAN = float("nan")


def test_pearson_is_numpys_on_what_both_have():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 50)), rng.normal(size=50)
    x[1, :7], y[40:] = NAN, NAN
    found = s.pearson(x, y)
    for row, r in zip(x, found, strict=True):
        valid = np.isfinite(row) & np.isfinite(y)
        assert r == pytest.approx(np.corrcoef(row[valid], y[valid])[0, 1])


def test_pearson_ignores_level_and_scale_and_knows_degenerate_curves():
    x = np.random.default_rng(1).normal(size=30)
    assert s.pearson(x, 3 * x + 7) == pytest.approx(1)
    assert s.pearson(x, -x) == pytest.approx(-1)
    assert s.pearson(x, np.full(30, 5.1)) == 0
    assert np.isnan(s.pearson(x[:7], x[:7]))
    assert np.isnan(s.pearson(np.zeros(0), np.zeros(0)))


def test_centred_r2_by_hand():
    o = np.array([-1.0, 1, -1, 1, -1, 1, -1, 1])
    assert s.centred_r2(o + 5, o) == pytest.approx(1)
    assert s.centred_r2(np.full(8, 2.0), o) == pytest.approx(0)
    assert s.centred_r2(2 * o, o) == pytest.approx(0)  # 1 − Σ1/Σ1
    assert s.centred_r2(0.5 * o, o) == pytest.approx(0.75)
    assert s.centred_r2(-o, o) == pytest.approx(-3)
    assert np.isnan(s.centred_r2(o, np.ones(8)))


def test_mean_curve_centres_first_and_wants_half_of_the_curves():
    curves = np.array([[1.0, 2, 3, 2], [11, 12, 13, NAN], [21, 22, 23, NAN]])
    found = s.mean_curve(curves)
    np.testing.assert_allclose(found[:3], [-1, 0, 1])
    assert np.isnan(found[3])
    np.testing.assert_allclose(s.mean_curve(curves[:2])[3], 0)  # one of two is half


def test_leave_one_out_means():
    curves = np.array([[0.0, 1], [0, 3], [0, 5]])
    expected = np.array([[-2, 2], [-1.5, 1.5], [-1, 1]])
    np.testing.assert_allclose(s.leave_one_out_means(curves), expected)


def test_pairwise_distance_by_hand():
    curves = np.array([[0.0, 1, 5], [2, NAN, NAN], [6, 4, NAN]])
    np.testing.assert_allclose(s.pairwise_distance(curves), [4, 3, NAN])  # (2 + 6 + 4) / 3


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_wasserstein_is_scipys_with_gaps(rows, others, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 9, (rows, 5)).astype(float), rng.integers(0, 9, (others, 5)).astype(float)
    first[rng.random(first.shape) < 0.3] = NAN
    found = s.wasserstein(first, second)
    for column in range(5):
        own = first[:, column][np.isfinite(first[:, column])]
        expected = wasserstein_distance(own, second[:, column]) if len(own) else NAN
        assert found[column] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_wasserstein_of_single_samples_is_their_distance():
    np.testing.assert_allclose(s.wasserstein(np.array([[1.0, NAN]]), np.array([[4.0, 2.0]])), [3, NAN])


def test_jumps_by_hand():
    values = np.array([0.0, 0, 0, NAN, 6, 6])
    found = s.jumps(values, 2)
    np.testing.assert_allclose(found, [NAN, NAN, 0, 6, 6, NAN])
    assert np.isnan(s.jumps(values[:3], 2)).all()
    np.testing.assert_allclose(s.jumps(np.stack([values, values]), 2)[1], found)


def test_means_variances_and_ratios_of_nothing():
    assert np.isnan(s.mean_valid(np.array([NAN, NAN])))
    assert np.isnan(s.variance_valid(np.ones(3)))
    assert s.variance_valid(np.array([1.0, 3] * 4)) == pytest.approx(1)
    assert np.isnan(s.ratio_of_sums(np.ones(3), np.zeros(3)))
    assert s.ratio_of_sums(np.array([1, 3, NAN]), np.array([1, 1, 5.0])) == pytest.approx(2)


def test_bootstrap_interval_covers_and_is_repeatable():
    values = np.random.default_rng(0).normal(2.0, 1.0, 100)
    low, high = s.bootstrap_interval(values, np.random.default_rng(7))
    assert (low, high) == s.bootstrap_interval(values, np.random.default_rng(7))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)
    assert s.bootstrap_interval(np.array([3.0]), np.random.default_rng(0)) == (3.0, 3.0)
