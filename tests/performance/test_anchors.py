"""Where scores and made-up performances of them are cut, against the truth."""

from itertools import pairwise

import numpy as np
import pytest

from pianist_jax.music.notes import Notes
from pianist_jax.performance.anchors import LEAST, NEARBY, find_anchors, find_cuts, longest_chain
from tests.performance.made_up import in_a_row, make_notes, make_score, perform


def pieces(cuts: list[tuple[int, int]], score: Notes, performance: Notes) -> np.ndarray:
    """How many notes each piece has, on both sides: [P, 2]."""
    return np.diff([(0, 0), *cuts, (len(score), len(performance))], axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_cuts_lie_where_both_agree(seed):
    rng = np.random.default_rng(seed)
    score = make_score(rng, 1500)
    performance, truth = perform(rng, score)
    cuts = find_cuts(score, performance)
    sizes = pieces(cuts, score, performance)
    assert sizes.min() >= LEAST
    assert sizes.max() <= 2 * LEAST
    for s, p in cuts:
        assert score.onset[s] > score.onset[s - 1]
        assert truth[:s].max() < p
        assert truth[s:][truth[s:] >= 0].min() >= p
    assert find_cuts(score, performance) == cuts


def test_nothing_short_is_cut():
    score = make_score(np.random.default_rng(0), 180)
    assert LEAST < len(score) < 2 * LEAST
    assert find_cuts(score, score) == []
    assert find_cuts(score, make_notes([], [], [])) == []


def test_other_music_is_not_cut():
    one, other = (make_score(np.random.default_rng(seed), 600) for seed in (0, 1))
    assert find_cuts(one, other) == []
    assert find_anchors(one.pitch, other.pitch).shape == (0, 2)


@pytest.fixture(scope="module")
def repeat():
    """A section, what follows, and what was played of each: the section twice, each time with other mistakes."""
    rng = np.random.default_rng(8)
    section, rest = make_score(rng, 500), make_score(rng, 500)
    once, again, end = (perform(rng, part)[0] for part in (section, section, rest))
    return section, rest, once, again, end


def test_a_repeat_that_the_pianist_adds_gives_no_false_anchors(repeat):
    section, rest, once, again, end = repeat
    score, performance = in_a_row(section, rest), in_a_row(once, again, end)
    cuts = find_cuts(score, performance)
    assert len(cuts) >= 3
    assert min(s for s, _ in cuts) >= len(section) - NEARBY
    assert min(p for _, p in cuts) >= len(once) + len(again) - 2 * NEARBY
    straying = [p - s - (len(once) + len(again) - len(section)) for s, p in cuts]
    assert np.abs(straying).max() <= 30


def test_a_repeat_that_the_pianist_leaves_out_gives_no_false_anchors(repeat):
    section, rest, once, _, end = repeat
    score, performance = in_a_row(section, section, rest), in_a_row(once, end)
    cuts = find_cuts(score, performance)
    assert len(cuts) >= 3
    assert min(s for s, _ in cuts) >= 2 * len(section) - NEARBY
    straying = [p - s - (len(once) - 2 * len(section)) for s, p in cuts]
    assert np.abs(straying).max() <= 30


def test_sections_in_another_order_are_not_cut_across():
    first, second = (make_score(np.random.default_rng(seed), 500) for seed in (0, 1))
    score, performance = in_a_row(first, second), in_a_row(second, first)
    cuts = find_cuts(score, performance)
    moved = {p - s for s, p in cuts}
    assert moved in ({len(second)}, {-len(first)})


def test_the_longest_chain_ascends():
    rng = np.random.default_rng(0)
    assert longest_chain([]) == []
    for _ in range(50):
        values = rng.permutation(9).tolist()
        chain = longest_chain(values)
        assert all(a < b and values[a] < values[b] for a, b in pairwise(chain))
        best = [1] * 9
        for k in range(9):
            best[k] += max((best[j] for j in range(k) if values[j] < values[k]), default=0)
        assert len(chain) == max(best)
