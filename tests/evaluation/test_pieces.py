"""Curves of performances against cases worked out by hand; pieces and candidates that fit nothing."""

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import pieces as c
from pianist_jax.music.tokens import encode
from pianist_jax.performance.parameters import chords_of, deal, time_map
from tests.evaluation.pieces import notes

NAN = float("nan")


def played(score, performance, match=None, human=True):
    chords = chords_of(score)
    dealt = deal(performance, np.arange(len(score)) if match is None else np.asarray(match))
    mapped = time_map(chords, dealt.onset)
    return chords, dealt, mapped, c.curves_of(chords, dealt, mapped, human)


def test_curves_by_hand():
    # a chord of two, a note, a note; the chord is spread by 20 ms: its onset is 110 ms
    score = notes([0, 0, 500, 1000], [500, 1000, 500, 500], pitch=[60, 64, 62, 65])
    performance = notes([100, 120, 510, 1310], [200, 600, 400, 800], [50, 60, 70, 80], pitch=[60, 64, 62, 65])
    chords, _, mapped, curves = played(score, performance)
    np.testing.assert_array_equal(chords.onset, [0, 500, 1000])
    np.testing.assert_array_equal(chords.first, [0, 2, 3])
    np.testing.assert_array_equal(curves["velocity"], [50, 60, 70, 80])
    np.testing.assert_allclose(curves["log_ioi"], np.log([400 / 500, 800 / 500]))
    # rooms: 400, 1200, 800; the last note's 500 ms lie after the last onset, at the average tempo 1.2: 600
    np.testing.assert_allclose(curves["log_articulation"], np.log([200 / 400, 600 / 1200, 400 / 800, 800 / 600]))
    np.testing.assert_allclose(mapped.to_performed(np.array([250.0, 750.0])), [310, 910])
    np.testing.assert_allclose(mapped.to_score(np.array([310.0, 910.0])), [250, 750])
    assert mapped.span == (110, 1310)


def test_notes_that_are_not_played_are_gaps():
    score = notes([0, 500, 1000, 1500], pitch=[60, 61, 62, 63])
    performance = notes([0, 400, 1200], velocity=[10, 20, 30], pitch=[60, 61, 63])
    _, _, mapped, curves = played(score, performance, [0, 1, -1, 2])
    np.testing.assert_array_equal(curves["velocity"], [10, 20, NAN, 30])
    np.testing.assert_allclose(curves["log_ioi"], [np.log(0.8), NAN, NAN])
    assert np.isnan(curves["log_articulation"]).tolist() == [False, False, True, False]
    assert mapped.to_performed(np.array(1000.0)) == 800


def test_the_tempo_and_the_level_of_the_score_do_not_matter_to_the_map():
    score = notes([0, 300, 700, 1600])
    for factor in (1, 2, 5):
        slow = notes(score.onset * factor, score.duration * factor)
        curves = played(score, slow)[3]
        np.testing.assert_allclose(curves["log_ioi"], np.log(factor))
        np.testing.assert_allclose(curves["log_articulation"], 0, atol=1e-12)


def test_an_onset_out_of_order_is_no_knot_and_no_human_ioi():
    score = notes(np.arange(6) * 100)
    performance = notes([0, 100, 900, 300, 400, 500])
    _, _, mapped, curves = played(score, performance)
    np.testing.assert_array_equal(mapped.performed, [0, 100, 300, 400, 500])
    assert np.isnan(curves["log_ioi"]).tolist() == [False, False, True, False, False] or np.isnan(
        curves["log_ioi"]
    ).tolist() == [False, True, True, False, False]


def test_outliers_are_dropped_in_humans_and_held_at_the_bound_in_candidates():
    score = notes(np.arange(7) * 100)
    wild = notes(np.cumsum([0, 100, 100, 0, 100, 5000, 100]))
    human, candidate = (played(score, wild, human=human)[3]["log_ioi"] for human in (True, False))
    np.testing.assert_allclose(human, [0, 0, NAN, 0, NAN, 0], atol=1e-12)
    np.testing.assert_allclose(candidate, [0, 0, -np.log(8), 0, np.log(8), 0], atol=1e-12)


def test_a_performance_all_at_once_has_flat_curves():
    score = notes(np.arange(5) * 100)
    at_once = notes(np.zeros(5, np.int64), velocity=[1, 2, 3, 4, 5])
    np.testing.assert_array_equal(played(score, at_once, human=False)[3]["log_ioi"], np.zeros(4))
    assert np.isnan(played(score, at_once, human=True)[3]["log_ioi"]).all()


def test_a_score_of_one_chord_has_no_ioi():
    score = notes([0, 0, 0])
    curves = played(score, score)[3]
    assert len(curves["log_ioi"]) == 0
    np.testing.assert_allclose(curves["log_articulation"], 0, atol=1e-12)


def test_candidates_are_tokens_or_notes():
    score = notes([0, 100, 350], pitch=[60, 61, 62])
    piece = c.PlayedPiece("a", "a", score, ())
    tokens = encode(score)[None]
    for candidates in (tokens, [score], [tokens[0], score]):
        for found in c.as_played(piece, candidates):
            np.testing.assert_array_equal(found.notes.onset, score.onset)
            np.testing.assert_array_equal(found.match, [0, 1, 2])
            assert not found.aligned


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (notes([0, 1]), "a: candidate 1 has 2 notes, its score 3"),
        (notes([0, 1, 2], pitch=[60, 1, 62]), "a: candidate 1 plays pitch 1 for note 1, its score 61"),
        (np.zeros((3, 8), np.int32), "a: candidate 1 is no performance: note 0"),
    ],
)
def test_candidates_of_something_else_are_named(candidate, message):
    score = notes([0, 100, 350], pitch=[60, 61, 62])
    with pytest.raises(PianistError, match=message):
        c.as_played(c.PlayedPiece("a", "a", score, ()), [score, candidate])


def test_pieces_and_performances_that_fit_nothing():
    score = notes([0, 100])
    with pytest.raises(PianistError, match="alignment of X does not fit"):
        c.PlayedPiece("a", "a", score, (c.Played("X", score, np.array([0])),))
    with pytest.raises(PianistError, match="alignment of X does not fit"):
        c.PlayedPiece("a", "a", score, (c.Played("X", score, np.array([0, 2])),))
    with pytest.raises(PianistError, match="the score has no notes"):
        c.PlayedPiece("a", "a", notes([]), ())
    with pytest.raises(PianistError, match="no candidate"):
        c.as_played(c.PlayedPiece("a", "a", score, ()), [])
    with pytest.raises(PianistError, match="no time map"):
        time_map(chords_of(score), np.full(2, np.nan))
