"""Controls do what their names say and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from pianist_jax.evaluation import controls
from pianist_jax.evaluation.distributions import as_tokens
from pianist_jax.evaluation.pieces import curves_of
from pianist_jax.music.tokens import encode
from pianist_jax.performance.parameters import chords_of, deal, time_map
from tests.evaluation.pieces import invented_piece


@pytest.fixture(scope="module")
def piece():
    return invented_piece(np.random.default_rng(3), size=400)


def curves(score, performance):
    chords = chords_of(score)
    dealt = deal(performance, np.arange(len(score)))
    return curves_of(chords, dealt, time_map(chords, dealt.onset), human=False)


def test_deadpan_keeps_the_scores_times(piece):
    flat = controls.deadpan(piece.score)
    np.testing.assert_array_equal(flat.onset, piece.score.onset)
    assert set(flat.velocity) == {64}
    assert len(flat.pedal_time) == 0


def test_complete_keeps_what_was_played_and_fills_in_between(piece):
    human = piece.humans[0]
    assert_equal = np.testing.assert_array_equal
    whole = controls.complete(piece.score, human)
    for name in ("onset", "duration", "velocity", "pedal_time"):
        assert_equal(getattr(whole, name), getattr(human.notes, name))
    match = human.match.copy()
    match[[0, 50, 51, 399]] = -1
    filled = controls.complete(piece.score, replace(human, match=match))
    played = match >= 0
    shift = filled.onset[played] - human.notes.onset[played]
    assert len(set(shift)) == 1
    assert_equal(filled.velocity[played], human.notes.velocity[played])
    assert abs(int(filled.onset[50] - shift[0]) - int(human.notes.onset[50])) < 500
    assert filled.onset.min() >= 0


def test_shuffled_keeps_rows_and_pitches(piece):
    own = piece.humans[0].notes
    mixed, tokens = controls.shuffled(own, np.random.default_rng(0)), as_tokens(own)
    np.testing.assert_array_equal(mixed[:, 0], tokens[:, 0])
    np.testing.assert_array_equal(mixed[0], tokens[0])
    assert sorted(map(tuple, mixed[:, 1:])) == sorted(map(tuple, tokens[:, 1:]))
    assert np.mean(mixed[:, 2] == tokens[:, 2]) < 0.3


def test_blind_draws_each_field_by_itself(piece):
    pool = np.array([[5, 261 + k, 133 + k, 261 + k, 5261, 5262, 5263, 5261 + k] for k in range(100)], np.int32)
    drawn = controls.blind(piece.score, pool, np.random.default_rng(0))
    assert drawn.shape == (400, 8)
    np.testing.assert_array_equal(drawn[:, 0], piece.score.pitch + 5)
    assert abs(np.corrcoef(drawn[:, 1], drawn[:, 2])[0, 1]) < 0.15
    assert abs(np.corrcoef(drawn[:, 2], drawn[:, 3])[0, 1]) < 0.15
    assert (drawn[:, 4:7] == [5261, 5262, 5263]).all()
    for column in (1, 2, 3, 7):
        assert set(drawn[:, column]) <= set(pool[:, column])


def test_borrowed_begins_again_where_the_other_is_shorter(piece):
    other = invented_piece(np.random.default_rng(4), size=150).humans[0].notes
    found = controls.borrowed(piece.score, other)
    np.testing.assert_array_equal(found[:, 0], piece.score.pitch + 5)
    np.testing.assert_array_equal(found[150:300, 1:], encode(other)[:, 1:])


def test_jitter_moves_onsets_by_its_size_and_nothing_else(piece):
    own = replace(piece.humans[0].notes, onset=piece.humans[0].notes.onset + 1000)
    moved = controls.jittered(own, np.random.default_rng(0))
    assert np.std(moved.onset - own.onset) == pytest.approx(30, rel=0.15)
    assert abs(np.mean(moved.onset - own.onset)) < 6
    for name in ("duration", "velocity", "pedal_time"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(own, name))


def test_jitter_at_the_very_start_moves_everything_later(piece):
    own = replace(piece.humans[0].notes, onset=piece.humans[0].notes.onset - 500)
    moved = controls.jittered(own, np.random.default_rng(0))
    assert moved.onset.min() >= 0
    late = moved.pedal_time - own.pedal_time
    assert len(set(late)) == 1


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_scaled_expression_has_the_factors_deviations(piece, factor):
    own = controls.complete(piece.score, piece.humans[0])
    found = controls.scaled(piece.score, own, factor)
    before, after = curves(piece.score, own), curves(piece.score, found)
    for name, tolerance in (("velocity", 0.05), ("log_ioi", 0.05), ("log_articulation", 0.1)):
        assert np.std(after[name]) == pytest.approx(factor * np.std(before[name]), rel=tolerance), name
        assert np.corrcoef(after[name], before[name])[0, 1] > 0.97, name
    assert np.ptp(found.onset) == pytest.approx(np.ptp(own.onset), abs=2)
    assert len(found.pedal_time) == len(own.pedal_time)
    if factor == 1:
        assert np.abs(found.onset - own.onset).max() <= 1
        assert np.abs(found.pedal_time - own.pedal_time).max() <= 1
        assert np.abs(found.duration - own.duration).max() <= 2
