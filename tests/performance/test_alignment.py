"""Alignment against made-up performances whose truth is known, and the warping against parangonar's own."""

import warnings

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance import alignment
from pianist_jax.performance.alignment import align, share_matched, warp

NO_PEDAL = (np.zeros(0, np.int64), np.zeros(0, np.int16))


def make_notes(pitch, onset, duration) -> Notes:
    return Notes(pitch, onset, duration, np.full(len(pitch), 64), *NO_PEDAL)


def make_score(rng: np.random.Generator, chords: int = 200) -> Notes:
    """Chords of one to four notes on a grid of semiquavers."""
    onset = 125 * np.cumsum(rng.integers(1, 5, chords))
    sizes = rng.integers(1, 5, chords)
    pitch = np.concatenate([rng.choice(np.arange(40, 88), size, replace=False) for size in sizes])
    return normalise(make_notes(pitch, np.repeat(onset, sizes), np.full(sizes.sum(), 120)))[0]


def perform(rng: np.random.Generator, score: Notes) -> tuple[Notes, np.ndarray]:
    """A performance of wavering tempo, 3% missing, 2% wrong and 3% extra notes; and the truth."""
    stretched = 400 + score.onset * 1.2 + 400 * np.sin(score.onset / 4000)
    onset = np.rint(stretched).astype(np.int64) + rng.integers(0, 25, len(score))
    played = rng.random(len(score)) > 0.03
    wrong = played & (rng.random(len(score)) < 0.02)
    pitch = score.pitch + np.where(wrong, 1, 0)
    extra = rng.choice(len(score), len(score) * 3 // 100, replace=False)
    pitches = np.concatenate((pitch[played], pitch[extra] + 2))
    onsets = np.concatenate((onset[played], onset[extra] + 40))
    performance, index = normalise(make_notes(pitches, onsets, np.full(len(pitches), 90)))
    truth = np.full(len(score), -1)
    truth[played] = index[: played.sum()]
    truth[wrong] = -1
    return performance, truth


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
