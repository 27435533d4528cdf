"""Words of style: what they measure, and performances changed by them."""

import dataclasses
import json
import math

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.parameters import chords_of
from pianist_jax.performance.playable import make_playable
from pianist_jax.performance.shaping import express_all
from pianist_jax.performance.style import MOST, UNITS, WORDS, Style, measured_of, parse_style
from pianist_jax.performance.styling import styled
from tests.performance.made_up import NO_PEDAL, make_score
from tests.rendering.models import made_up_score

SCORE = make_score(np.random.default_rng(0), 240)


def played_by_somebody(score, seed=0):
    """A tempo that breathes, a louder top, chords a little apart, pedal in two of three chords."""
    rng, chords = np.random.default_rng(seed), chords_of(score)
    gap = np.diff(chords.onset) * np.exp(
        0.3 * np.sin(np.arange(len(chords) - 1) / 5) + rng.normal(0, 0.1, len(chords) - 1)
    )
    clock = 500 + np.concatenate([[0.0], np.cumsum(gap)])
    pedalled = np.flatnonzero(rng.random(len(chords) - 1) < 0.66)
    time = np.stack([clock[pedalled] + 60, clock[pedalled + 1] - 20], axis=1).ravel()
    notes = dataclasses.replace(
        score,
        onset=np.rint(clock[chords.of] + rng.uniform(0, 25, len(score))).astype(np.int64),
        duration=np.rint(score.duration * rng.uniform(0.8, 1.6, len(score))).astype(np.int64),
        velocity=np.clip(np.rint(40 + score.pitch / 3 + rng.normal(0, 9, len(score))), 1, 127).astype(np.int16),
        pedal_time=np.rint(np.maximum.accumulate(time)).astype(np.int64),
        pedal_value=np.tile(np.array([95, 0], np.int16), len(pedalled)),
    )
    return make_playable(notes)


PLAYED = played_by_somebody(SCORE)


def moved(performance, style, score=SCORE):
    """By how many deviations each word is another than in the performance."""
    chords = chords_of(score)
    before, after = (measured_of(chords, one) for one in (performance, styled(score, performance, style)))
    return {word: (after[word] - before[word]) / UNITS[word] for word in WORDS}


def test_measured_by_hand():
    pitch, onset = np.array([60, 72, 60, 72, 60, 72, 60]), np.array([0, 0, 1000, 1000, 2000, 2000, 3000])
    score = Notes(pitch, onset, np.full(7, 1000), np.full(7, 64), *NO_PEDAL)
    late = np.array([8, 0, 8, 0, 14, 0, 5])  # of the lower notes: led by 10 ms on average
    velocity = np.array([64, 96, 64, 96, 64, 96, 64])
    pedal = np.array([0, 1005, 2005]), np.array([0, 96, 20])
    own = measured_of(chords_of(score), Notes(pitch, onset + late, np.full(7, 500), velocity, *pedal))
    odds = np.array([0, math.log(3)] * 3 + [0])
    assert own["level"] == pytest.approx(odds.mean())
    assert own["dynamics"] == pytest.approx(math.log(odds.std()))
    assert own["articulation"] == pytest.approx(math.log(0.5), abs=0.01)
    assert own["lead"] == pytest.approx(10)
    assert own["spread"] == pytest.approx(math.log((2 + 2 + 4) / 3))
    assert own["pedal"] == pytest.approx(1000 / (3005 - 4))
    assert own["depth"] == pytest.approx(96 / 127)
    assert own["rubato"] == pytest.approx(math.log(np.log([1.0, 1.003, 0.998]).std()), abs=0.01)


def test_what_is_not_there_is_not_measured():
    alone = Notes(np.array([60, 62]), np.array([0, 500]), np.array([400, 400]), np.array([64, 64]), *NO_PEDAL)
    own = measured_of(chords_of(alone), alone)
    assert {word for word, value in own.items() if math.isnan(value)} == {
        "rubato", "dynamics", "depth", "spread", "lead",
    }  # fmt: skip
    everything = styled(alone, alone, Style(**dict.fromkeys(WORDS, 1.0)))
    assert measured_of(chords_of(alone), everything)["level"] == pytest.approx(own["level"] + UNITS["level"], abs=0.02)


@pytest.mark.parametrize("amount", [1.0, -1.0, 2.5, -2.5])
@pytest.mark.parametrize("word", WORDS)
def test_a_word_moves_itself_and_no_other(word, amount):
    found = moved(PLAYED, Style(**{word: amount}))
    assert found.pop(word) == pytest.approx(amount, abs=0.12)
    assert max(map(abs, found.values())) < 0.25


def test_words_together():
    style = Style(rubato=1, dynamics=-0.5, level=0.5, articulation=-1, pedal=1, depth=1, spread=1, lead=-1)
    for word, off in moved(PLAYED, style).items():
        assert off == pytest.approx(getattr(style, word), abs=0.2), word


def test_pedal_where_there_is_none():
    dry = dataclasses.replace(PLAYED, pedal_time=NO_PEDAL[0], pedal_value=NO_PEDAL[1])
    chords = chords_of(SCORE)
    wet = styled(SCORE, dry, Style(pedal=3))
    assert measured_of(chords, wet)["pedal"] == pytest.approx(3 * UNITS["pedal"], abs=0.02)
    lifted = wet.pedal_time[wet.pedal_value == 0]
    begins = np.abs(wet.onset[:, None] - lifted[None, :]).min(axis=0)
    assert np.all(begins <= 120), "it is lifted where a chord begins"
    assert measured_of(chords, styled(SCORE, dry, Style(pedal=-1)))["pedal"] == 0


def test_nothing_asked_is_nothing_done():
    assert styled(SCORE, PLAYED, Style()) is PLAYED
    assert express_all(SCORE, None, PLAYED, NEUTRAL) is PLAYED
    assert "style" not in NEUTRAL.metadata()


def test_one_chord_and_repeated_keys_stay_playable():
    for score in (make_score(np.random.default_rng(1), 1), made_up_score(60)):
        for sign in (-MOST, MOST):
            made = styled(score, played_by_somebody(score) if len(score) > 9 else score, Style(*[sign] * len(WORDS)))
            assert len(made) == len(score)
            assert made.onset.min() >= 0
            assert made.duration.min() >= 1
            assert np.all(np.diff(made.pedal_time) >= 0)


def test_words_are_read():
    style = parse_style(["rubato=+1,dynamics=-0.5", "pedal=1"])
    assert style == Style(rubato=1, dynamics=-0.5, pedal=1)
    assert parse_style([]) == Style()
    assert style.in_words() == "style rubato +1 dynamics -0.5 pedal +1"
    wish = Expression(style=dataclasses.replace(style, variety=0.5))
    assert Expression.of(json.loads(json.dumps(wish.metadata()))) == wish


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["tempo=1"], "'tempo=1' is no style.*rubato, dynamics, level, articulation, pedal, depth, spread, lead"),
        (["rubato"], "'rubato' is no style"),
        (["rubato=much"], "no style"),
        (["rubato=nan"], "no style"),
        (["rubato=3.1"], "rubato=3.1 is out of reach; give -3 to 3"),
        (["rubato=1", "rubato=-1"], "given twice"),
    ],
)
def test_words_that_are_none(texts, problem):
    with pytest.raises(PianistError, match=problem):
        parse_style(texts)


def test_what_is_kept_has_no_style():
    with pytest.raises(PianistError, match="timing is kept as written, so the style lead means nothing"):
        Expression(keep=("timing",), style=Style(lead=1))
    with pytest.raises(PianistError, match="fully down, so the style depth means nothing"):
        Expression(binary_pedal=True, style=Style(depth=1))


def test_variety_is_drawn_as_pianists_are():
    drawn = [Style(level=0.5, variety=0.4).drawn(np.random.default_rng(k)) for k in range(2000)]
    table = np.array([[getattr(one, word) for word in WORDS] for one in drawn])
    assert table.std(axis=0) == pytest.approx(np.full(len(WORDS), 0.4), abs=0.03)
    assert table.mean(axis=0) == pytest.approx(0.5 * (np.array(WORDS) == "level"), abs=0.04)
    assert np.corrcoef(table.T)[WORDS.index("rubato"), WORDS.index("spread")] == pytest.approx(0.43, abs=0.06)
    assert all(one.variety == 0 for one in drawn)
    kept = Expression(keep=("timing",), binary_pedal=True, style=Style(variety=1)).drawn(np.array([1, 2], np.uint32))
    assert kept.style.words.keys() == {"dynamics", "level", "articulation", "pedal"}
