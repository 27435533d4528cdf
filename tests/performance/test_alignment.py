"""Alignment against made-up performances whose truth is known, and the warping against parangonar's own."""

import warnings

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.performance import alignment
from pianist_jax.performance.alignment import align, share_matched, warp
from pianist_jax.performance.anchors import find_cuts
from tests.performance.made_up import make_notes, make_score, perform


@pytest.mark.parametrize("seed", range(3))
def test_made_up_performance(seed, capfd):
    rng = np.random.default_rng(seed)
    score = make_score(rng)
    performance, truth = perform(rng, score)
    match = align(score, performance)
    assert match.dtype == np.int64
    assert match.shape == (len(score),)
    assert np.mean(match[truth >= 0] == truth[truth >= 0]) >= 0.99
    found = match[match >= 0]
    assert len(np.unique(found)) == len(found)
    assert np.array_equal(score.pitch[match >= 0], performance.pitch[found])
    assert np.array_equal(match, align(score, performance))
    assert capfd.readouterr() == ("", "")


def test_perfect_performance():
    score = make_score(np.random.default_rng(5))
    match = align(score, score)
    assert np.array_equal(match, np.arange(len(score)))
    assert share_matched(match) == 1.0


def test_degenerate_inputs():
    one = make_notes([60], [0], [100])
    other = make_notes([61, 62], [0, 5], [100, 100])
    nothing = make_notes([], [], [])
    assert align(one, one).tolist() == [0]
    assert align(one, other).tolist() == [-1]
    assert align(one, nothing).tolist() == [-1]
    assert align(nothing, one).tolist() == []
    assert share_matched(align(nothing, one)) == 0.0


@pytest.mark.parametrize(
    "score",
    [
        make_notes([60] * 600, 250 * np.arange(600), [200] * 600),
        make_notes([60, 64, 67] * 200, np.repeat(250 * np.arange(200), 3), [200] * 600),
        make_notes([*range(21, 108)], [0] * 87, [200] * 87),
    ],
    ids=["one key again and again", "one chord again and again", "all keys at once"],
)
def test_what_has_no_place_of_its_own_is_aligned_whole(score):
    assert find_cuts(score, score) == []
    assert np.array_equal(align(score, score), np.arange(len(score)))


def test_pieces_are_matched_as_the_whole_is(monkeypatch):
    rng = np.random.default_rng(4)
    score = make_score(rng, 600)
    performance, truth = perform(rng, score)
    assert len(find_cuts(score, performance)) >= 3
    match = align(score, performance)
    assert np.array_equal(match, align(score, performance))
    monkeypatch.setattr(alignment, "find_cuts", lambda *_: [])
    whole = align(score, performance)
    assert np.mean(match == whole) >= 0.998
    assert abs(int((match >= 0).sum()) - int((whole >= 0).sum())) <= 3
    assert np.mean(match[truth >= 0] == truth[truth >= 0]) >= 0.99


def test_what_can_be_cut_may_be_of_any_size(monkeypatch):
    score = make_score(np.random.default_rng(6), 600)
    monkeypatch.setattr(alignment, "MAX_CELLS", 600 * len(score) // 4)
    assert np.array_equal(align(score, score), np.arange(len(score)))


def test_too_large_is_the_users_error(monkeypatch):
    score = make_score(np.random.default_rng(0), 20)
    monkeypatch.setattr(alignment, "MAX_CELLS", 100)
    with pytest.raises(PianistError, match="cut both into movements"):
        align(score, score)


def test_matcher_failure_is_the_users_error(monkeypatch):
    def fail(*_):
        raise IndexError("index 5 is out of bounds")

    monkeypatch.setattr(alignment, "match_by_parangonar", fail)
    with pytest.raises(PianistError, match="check that the performance plays this score"):
        align(make_notes([60], [0], [9]), make_notes([60], [0], [9]))


def test_a_note_matched_twice_is_given_once():
    score = make_notes([60, 60, 61], [0, 500, 500], [9] * 3)
    performance = make_notes([60, 61], [0, 1], [9] * 2)
    pairs = np.array([[1, 0], [0, 0], [2, 1]])
    assert alignment.one_to_one(pairs, score, performance).tolist() == [0, -1, 1]


def test_warp_equals_parangonar():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that it imports
        from parangonar.dp.dtw import DTWSL
    rng = np.random.default_rng(1)
    for _ in range(150):
        notes, onsets = rng.integers(1, 14), rng.integers(2, 14)
        pitches = rng.integers(60, 65, notes)
        chords = [set(rng.integers(60, 65, rng.integers(1, 4)).tolist()) for _ in range(onsets)]
        cost, path = DTWSL()(pitches, chords)
        ours_cost, ours_path = warp(pitches, chords)
        assert ours_cost == cost
        assert np.array_equal(ours_path, path)


def test_warp_of_one_cell():
    cost, path = warp(np.array([60]), [{61}])
    assert cost == 1
    assert path.tolist() == [[0, 0]]
