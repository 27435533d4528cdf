"""The pedal against cases worked out by hand."""

import numpy as np
import pytest

from pianist_jax.evaluation.pedal import pedal_use, repedal_f1, transition_f1
from pianist_jax.performance.parameters import chords_of, deal, time_map
from tests.evaluation.pieces import notes

SCORE = notes(np.arange(11) * 100)


def used(pedal, factor=1, start=0, score=SCORE, match=None):
    performance = notes(start + (score.onset * factor).astype(np.int64), pedal=pedal)
    chords = chords_of(score)
    dealt = deal(performance, np.arange(len(score)) if match is None else match)
    mapped = time_map(chords, dealt.onset)
    return pedal_use(chords, dealt, mapped), mapped


def f1(candidate, human):
    return transition_f1(candidate[0], human[0], human[1])


def test_transitions_cross_64_and_lie_on_score_time():
    use, _ = used([(40, 63), (200, 64), (300, 127), (400, 10), (1000, 90)], factor=2)
    np.testing.assert_allclose(use.down, [100, 500])
    np.testing.assert_allclose(use.up, [200])
    assert use.share_down == pytest.approx((200 + 1000) / 2000)


def test_the_pedal_before_the_first_and_after_the_last_onset_does_not_count():
    use, _ = used([(50, 127), (1600, 0), (9000, 127)], start=100)
    assert len(use) == 0
    assert use.share_down == 1


def test_f1_by_hand():
    human = used([(100, 127), (300, 0), (500, 127), (700, 0)])
    candidate = used([(190, 127), (310, 0), (390, 127), (650, 0)])
    # down: 190 is near 100, 390 is not near 500; up: 310 near 300, 650 near 700: 3 of 4 on both sides
    assert f1(candidate, human) == pytest.approx(0.75)
    assert f1(human, human) == 1


def test_a_changed_pedal_is_one_that_goes_down_again_at_once():
    human = used([(0, 127), (200, 0), (300, 127), (800, 0), (900, 127)], factor=1)
    np.testing.assert_allclose(human[0].changes, [200, 800])
    slow = used([(0, 127), (1000, 0), (1400, 127), (2000, 0), (2600, 127)], factor=5)
    np.testing.assert_allclose(slow[0].changes, [200])  # down again after 400 ms, and after 600
    assert repedal_f1(human[0], human[0], human[1]) == 1
    assert repedal_f1(slow[0], human[0], human[1]) == pytest.approx(2 / 3)
    assert repedal_f1(used([(0, 127)])[0], human[0], human[1]) == 0


def test_down_does_not_meet_up_and_nothing_is_met_twice():
    assert f1(used([(500, 127)]), used([(0, 127), (500, 0)])) == 0
    twice = used([(480, 127), (490, 0), (520, 127)])
    assert f1(twice, used([(500, 127)])) == pytest.approx(2 / 4)


def test_the_tempo_of_the_candidate_does_not_matter_and_100_ms_are_the_humans():
    human = used([(400, 127), (800, 0)], factor=4)  # score 100, 200
    assert f1(used([(50, 127), (100, 0)], factor=0.5), human) == 1
    # 30 ms off on the score are 120 ms of this human's time
    assert f1(used([(130, 127), (200, 0)]), human) == pytest.approx(0.5)


def test_no_pedal_on_either_side():
    assert f1(used([]), used([])) == 1
    assert f1(used([]), used([(100, 127)])) == 0
    assert f1(used([(100, 127)]), used([])) == 0


def test_a_stretch_that_one_leaves_out_does_not_count():
    score = notes(np.arange(30) * 100)
    match = np.arange(30)
    match[10:20] = -1
    human = used([(100, 127), (400, 0)], score=score, match=match)
    np.testing.assert_allclose(human[0].silent, [[900, 2000]])
    candidate = used([(100, 127), (400, 0), (1200, 127), (1500, 0)], score=score)
    assert f1(candidate, human) == 1
    assert f1(human, candidate) == 1
