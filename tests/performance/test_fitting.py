"""Passages between locked notes: what stays to the byte, and that what comes out can be written."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pianist_jax.music.midi import require_writable
from pianist_jax.music.notes import Notes
from pianist_jax.performance.fitting import alone, ends, fit, graft, held_until, knit, lead_back
from pianist_jax.performance.playable import cut_overlaps, release_pedal
from tests.performance.test_expression import performances

EMPTY = np.full(5, -np.inf)


def test_a_correction_that_grows():
    played, written = np.array([0.0, 100, 200, 300, 400]), np.array([0.0, 100, 200, 300, 400])
    np.testing.assert_allclose(fit(played, written, EMPTY, 1000, 1400), played + 1000)
    slower = np.diff(fit(played, written, EMPTY, 1000, 1800))
    assert slower.sum() == pytest.approx(800)
    np.testing.assert_allclose(np.diff(np.log(slower)), np.log(slower[1] / slower[0]))  # evenly
    assert 100 < slower[0] < slower[-1]
    quicker = np.diff(fit(played, written, EMPTY, 0, 200))
    assert quicker.sum() == pytest.approx(200)
    assert quicker[0] > quicker[-1]


def test_a_chord_waits_for_a_held_key():
    played = np.array([0.0, 100, 200, 300, 400])
    least = np.array([-np.inf, -np.inf, 290, 290, -np.inf])
    fitted = fit(played, played, least, 0, 400)
    assert fitted[2] == pytest.approx(290)
    assert fitted[-1] == pytest.approx(400)
    assert np.all(np.diff(fitted) > 0)


def one_hand(onset, duration=90, velocity=64, pedal=()):
    time, value = zip(*pedal, strict=True) if pedal else ((), ())
    onset = np.asarray(onset)
    n = len(onset)
    columns = 60 + np.arange(n), onset, np.full(n, duration), np.full(n, velocity)
    return Notes(*columns, np.array(time, int), np.array(value, int))


SCORE = one_hand(np.arange(8) * 100)
OLD = one_hand(np.arange(8) * 110, pedal=[(0, 100), (200, 0), (400, 120), (700, 0)])
FREE = np.isin(np.arange(8), [3, 4, 5])


def test_a_passage_keeps_its_place_and_all_else_stays():
    new = one_hand([0, 100, 200, 400, 600, 800, 900, 1000], 50, 100, pedal=[(0, 10), (500, 77), (850, 0)])
    made = graft(OLD, new, SCORE, FREE)
    assert made.onset[~FREE].tolist() == OLD.onset[~FREE].tolist()
    assert made.onset[3] == OLD.onset[3]  # the bars begin when they began
    assert made.velocity.tolist() == [64, 64, 64, 100, 100, 100, 64, 64]
    assert made.duration[~FREE].tolist() == [90] * 5
    correction = np.log(np.diff(made.onset[3:7]) / [200, 200, 100])
    np.testing.assert_allclose(correction[1], correction[[0, 2]].mean(), atol=0.02)
    assert 0 > correction[0] > correction[1]
    pedal = dict(zip(made.pedal_time.tolist(), made.pedal_value.tolist(), strict=True))
    assert [pedal[time] for time in (0, 200, 330, 700)] == [100, 0, 10, 0]
    assert pedal[659] == 120  # as it was when the notes behind begin
    inside = {time: value for time, value in pedal.items() if 330 < time < 659}
    assert list(inside.values()) == [77, 0]


def test_the_end_of_a_piece_is_free():
    free = np.arange(8) >= 6
    new = one_hand([0, 100, 200, 300, 400, 500, 700, 1000], 50, pedal=[(0, 9), (750, 99)])
    made = graft(OLD, new, SCORE, free)
    assert made.onset.tolist() == [*OLD.onset[:7].tolist(), 660 + 300]
    assert made.pedal_value[-1] == 0
    assert (710, 99) in zip(made.pedal_time.tolist(), made.pedal_value.tolist(), strict=True)


def test_the_beginning_too():
    free = np.arange(8) < 2
    new = one_hand([0, 10, 200, 300, 400, 500, 700, 1000])
    made = graft(OLD, new, SCORE, free)
    assert made.onset[[0, 2]].tolist() == [0, 220]
    assert 0 < made.onset[1] < 30


def test_loudness_is_led_back():
    old, new = one_hand(np.arange(200), velocity=40), one_hand(np.arange(200), velocity=90)
    free = np.isin(np.arange(200), np.arange(50, 150))
    led = lead_back(old, new, free)
    assert led.velocity[~free].tolist() == [90] * 100
    assert np.all(np.diff(led.velocity[free]) <= 0)
    assert led.velocity[50] >= 89
    assert led.velocity[134:150].mean() == pytest.approx(40, abs=0.5)
    assert lead_back(old, new, np.arange(200) > 100) is new


def test_a_key_held_into_the_passage():
    pitch = np.array([60, 61, 62, 60, 64, 65, 66, 67])
    old = dataclasses.replace(OLD, pitch=pitch, duration=np.array([325, 90, 90, 90, 90, 90, 90, 90]))
    free = np.isin(np.arange(8), [2, 3, 4])
    assert held_until(old, free).tolist() == [-np.inf] * 3 + [326] + [-np.inf] * 4
    early = dataclasses.replace(old, onset=np.array([0, 110, 220, 240, 260, 550, 660, 770]), duration=np.full(8, 15))
    made = graft(old, early, dataclasses.replace(SCORE, pitch=pitch), free)
    assert made.duration[0] == 325
    assert made.onset[3] == 326
    require_writable(made)


def test_a_hand_stays_with_the_other():
    """Two chords of both hands, a run of the upper one alone between them, and one behind the last."""
    onset = np.array([0, 0, 250, 500, 750, 1000, 1000, 1250])
    score = dataclasses.replace(one_hand(onset), pitch=np.array([40, 70, 71, 72, 73, 41, 74, 75]))
    free = score.pitch >= 70
    assert alone(score, free).tolist() == [False, False, True, True, True, False, False, True]
    old = dataclasses.replace(score, onset=np.array([100, 105, 300, 500, 700, 900, 905, 1100]))
    new = dataclasses.replace(score, onset=np.array([0, 30, 300, 400, 500, 900, 880, 1100]), velocity=np.full(8, 99))
    made = knit(old, new, score, free)
    assert made.onset[~free].tolist() == [100, 900]
    assert made.velocity.tolist() == [64, 99, 99, 99, 99, 64, 99, 99]
    assert made.onset[[1, 6]].tolist() == [130, 880]  # as far from the other hand as it was played
    gaps = np.log(np.diff([100, *made.onset[2:5], 900]) / [300, 100, 100, 400])
    np.testing.assert_allclose(np.diff(gaps), np.diff(gaps).mean(), atol=0.03)  # its own rhythm, evenly quicker
    assert made.onset[7] == 1100
    wider = knit(dataclasses.replace(old, onset=old.onset + 8 * np.isin(np.arange(8), [1, 6])), new, score, free)
    assert (wider.onset - made.onset).tolist() == [0, 8, 0, 0, 0, 0, 8, 0]  # it was as much later before
    later = knit(dataclasses.replace(old, onset=old.onset + 5000), new, score, free)
    assert later.onset[free].tolist() == (made.onset[free] + 5000).tolist()


@settings(max_examples=50)
@given(performances(), performances(), st.randoms(use_true_random=False))
def test_whatever_a_hand_plays_fits(given, other, random):
    score, old = given
    n = len(score)
    free = np.array([random.random() < 0.5 for _ in range(n)])
    free[random.randrange(n)] = True
    gaps, lengths = np.resize(np.diff(other[1].onset, prepend=0), n), np.resize(other[1].duration, n)
    velocity = np.resize(other[1].velocity, n)
    new = cut_overlaps(Notes(score.pitch, np.cumsum(gaps), lengths, velocity, old.pedal_time, old.pedal_value))
    made = knit(old, new, score, free)
    require_writable(made)
    for name in ("pitch", "onset", "duration", "velocity"):
        np.testing.assert_array_equal(getattr(made, name)[~free], getattr(old, name)[~free])
    np.testing.assert_array_equal(made.velocity[free], new.velocity[free])
    np.testing.assert_array_equal(made.pedal_time, old.pedal_time)
    np.testing.assert_array_equal(made.pedal_value, old.pedal_value)


@settings(max_examples=50)
@given(performances(), performances(), st.randoms(use_true_random=False))
def test_whatever_is_played_fits(given, other, random):
    score, old = given
    n = len(score)
    first = random.randrange(n)
    last = random.randrange(first, n) + 1
    free = (np.arange(n) >= first) & (np.arange(n) < last)
    gaps = np.resize(np.diff(other[1].onset, prepend=0), n)
    lengths, velocity = np.resize(other[1].duration, n), np.resize(other[1].velocity, n)
    new = Notes(score.pitch, np.cumsum(gaps), lengths, velocity, other[1].pedal_time, other[1].pedal_value)
    new = release_pedal(cut_overlaps(new))
    made = graft(old, new, score, free)
    require_writable(made)
    for name in ("pitch", "onset", "duration", "velocity"):
        np.testing.assert_array_equal(getattr(made, name)[~free], getattr(old, name)[~free])
    assert ends(free) == (first, last)
    begin, stop = old.onset[first], old.onset[last] if last < n else np.inf
    assert np.all((made.onset[free] >= begin) & (made.onset[free] <= stop))
    for notes in (old, made):
        outside = (notes.pedal_time < begin) | (notes.pedal_time >= stop)
        events = notes.pedal_time[outside].tolist(), notes.pedal_value[outside].tolist()
        if notes is old:
            kept = events
    assert events == kept
