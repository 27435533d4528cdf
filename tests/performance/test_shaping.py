"""A finer say: hands, bars, and when places of the score come."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import normalise
from pianist_jax.performance.expression import Expression
from pianist_jax.performance.parameters import carried, chords_of, clock_of
from pianist_jax.performance.shape import AS_PLAYED, Shape
from pianist_jax.performance.shaping import express_all, notes_of_hand, parse_shape, shaped
from pianist_jax.score.bars import notes_in
from pianist_jax.score.load import load
from tests.rendering.renderings import CHORALE, made_up_rendering

PETZOLD = Path(__file__).parents[2] / "examples" / "petzold-minuet-bwvanh114.musicxml"


@pytest.fixture(scope="module")
def chorale():
    return made_up_rendering(CHORALE, seed=3)


def of_shape(rendering, shape):
    return shaped(rendering.score, rendering.grid, rendering.notes, shape)


def comes_at(rendering, notes, place):
    """Seconds at which a place of the score comes."""
    grid = rendering.grid
    chords = chords_of(rendering.score)
    bars = grid.bars()
    tick = bars[int(place) - 1] + place % 1 * (bars[int(place)] - bars[int(place) - 1])
    return float(carried(tick, grid.onset[chords.first].astype(float), clock_of(chords, notes.onset))) / 1000


def test_balance(chorale):
    new = of_shape(chorale, parse_shape(["left=-3"]))
    left = notes_of_hand(chorale.grid, "left")
    assert 0.2 < left.mean() < 0.8
    old = chorale.notes
    np.testing.assert_array_equal(new.velocity[~left], old.velocity[~left])
    middle = left & (np.abs(old.velocity - 64) < 12)
    ratio = new.velocity[middle] / old.velocity[middle]
    assert ratio.mean() == pytest.approx(10 ** (-3 / 40), abs=0.03)
    np.testing.assert_array_equal(new.onset, old.onset)
    loud = of_shape(chorale, parse_shape(["left=20,right=24"]))
    assert 100 < loud.velocity.max() <= 127


@pytest.mark.parametrize(
    ("strength", "column"), [("dynamics=0", "velocity"), ("timing=0", "onset"), ("articulation=2", "duration")]
)
def test_strengths_of_some_bars(chorale, strength, column):
    new = of_shape(chorale, parse_shape(ranges=[f"{strength}@5-6"]))
    free = notes_in(chorale.grid, (5, 6))
    for name in ("onset", "velocity", "duration"):
        old, changed = getattr(chorale.notes, name), getattr(new, name)
        np.testing.assert_array_equal(changed[~free], old[~free])
    assert np.mean(getattr(new, column)[free] != getattr(chorale.notes, column)[free]) > 0.5
    if column == "velocity":
        assert len(set(new.velocity[free].tolist())) == 1


def test_hits_come_when_they_are_wanted_and_the_tempo_has_no_jumps(chorale):
    """The score lasts 78 s; bars are 6 s long."""
    wanted = {4.0: 20.0, 8.5: 41.5, 12.0: 80.0}
    texts = ["4=20", "8.5=0:41.5", "12=1:20"]
    new = of_shape(chorale, parse_shape(hits=texts))
    for place, seconds in wanted.items():
        assert comes_at(chorale, new, place) == pytest.approx(seconds, abs=0.02)
    assert new.onset.min() == chorale.notes.onset.min()
    old_clock, clock = (clock_of(chords_of(chorale.score), notes.onset) for notes in (chorale.notes, new))
    rate = np.diff(clock) / np.diff(old_clock)
    assert np.abs(np.diff(np.log(rate))).max() < 0.25
    assert rate.min() > 0
    assert rate[-1] == pytest.approx(1, abs=0.1), "after the last it goes on as it did"
    np.testing.assert_array_equal(new.velocity, chorale.notes.velocity)


def test_lead_in(chorale):
    new = of_shape(chorale, Shape(lead_in=2.5))
    assert new.onset.min() == 2500
    late = 2500 - chorale.notes.onset.min()
    np.testing.assert_array_equal(new.onset, chorale.notes.onset + late)
    np.testing.assert_array_equal(new.pedal_time, chorale.notes.pedal_time + late)


def test_swing():
    read = load(PETZOLD)
    score = normalise(read.notes)[0]
    new = shaped(score, read.grid, score, Shape(swing=67.0))
    beats, quarters = read.grid.beats(), read.grid.ticks_per_quarter
    half = np.isin(read.grid.onset, (beats[:-1] + beats[1:]) // 2)
    on_beat = np.isin(read.grid.onset, beats)
    np.testing.assert_array_equal(new.onset[on_beat], score.onset[on_beat])
    beat = np.diff(np.unique(score.onset[on_beat])).min()
    np.testing.assert_allclose((new.onset - score.onset)[half], 0.17 * beat, atol=2)
    assert half.sum() > 50
    assert quarters == beats[1] - beats[0]


def test_a_shape_is_told_and_read_again():
    shape = parse_shape(["left=-3", "right=1.5"], ["timing=1.5@17-24"], 60.0, 2.0, ["24=1:03.5", "3.25=10"])
    told = json.loads(json.dumps(Expression(shape=shape, dynamics=0.5).metadata()))
    assert Expression.of(told).shape == shape
    assert shape.hits == ((3.25, 10.0), (24.0, 63.5))
    assert shape.in_words() == (
        "left -3 dB, right +1.5 dB, timing 1.5 in bars 17-24, swing 60%, lead-in 2 s, "
        "bar 3.25 at 10 s, bar 24 at 63.5 s"
    )
    assert "shape" not in Expression().metadata()
    assert not AS_PLAYED


def test_with_an_expression(chorale):
    wish = Expression(dynamics=0.0, shape=Shape(balance=(("right", 6.0),)))
    new = express_all(chorale.score, chorale.grid, chorale.notes, wish)
    right = notes_of_hand(chorale.grid, "right")
    assert [len(set(new.velocity[hand].tolist())) for hand in (right, ~right)] == [1, 1]
    assert new.velocity[right][0] > new.velocity[~right][0]


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"hits": ["4=20", "8=19"]}, "the hit of bar 4 comes no earlier"),
        ({"hits": ["4=20", "8=500"]}, r"needs \d+\.\d times the tempo; at most 8"),
        ({"hits": ["4=0.5"]}, "times the tempo; at most 8"),
        ({"hits": ["14=99"]}, "no bar 14 to hit: the score has bars 1-13"),
        ({"hits": ["0=1"]}, "no bar 0 to hit"),
        ({"hits": ["x"]}, "is no hit; write"),
        ({"hits": ["4=1:75"]}, "is no hit; write"),
        ({"balance": ["left"]}, "is no balance; write"),
        ({"balance": ["foot=3"]}, "'foot' is no hand"),
        ({"balance": ["left=99"]}, "at most 24 dB"),
        ({"balance": ["left=1", "left=2"]}, "given twice"),
        ({"ranges": ["timing=1.5@12-14"]}, "no bars 12-14: the score has bars 1-13"),
        ({"ranges": ["timing=9@1-2"]}, "the strength of timing is 9"),
        ({"ranges": ["timing=1@"]}, "are no bars"),
        ({"swing": 20.0}, "must be 50 to 80"),
        ({"lead_in": -1.0}, "must be 0 to 600"),
    ],
)
def test_what_cannot_be(chorale, wish, complaint):
    with pytest.raises(PianistError, match=complaint):
        of_shape(chorale, parse_shape(**wish))


def test_scores_that_cannot(chorale):
    with pytest.raises(PianistError, match="notes without bars"):
        shaped(chorale.score, None, chorale.notes, Shape(swing=60.0))
    assert shaped(chorale.score, None, chorale.notes, Shape(lead_in=1.0)).onset.min() == 1000
    nobody = dataclasses.replace(chorale.grid, part_names=tuple("piano" for _ in chorale.grid.part_names))
    with pytest.raises(PianistError, match="does not tell which notes the left hand plays"):
        shaped(chorale.score, nobody, chorale.notes, Shape(balance=(("left", 1.0),)))
