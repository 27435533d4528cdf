"""Players beside the pianist: how far apart they are, that they keep their order, how loud they are, and when."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.ensemble import in_time
from pianist_jax.performance.players import SUSTAINED, asynchrony, play_together, playing_of, soloist
from pianist_jax.score.ensemble import OtherPart, other_part
from pianist_jax.score.together import AN_ENSEMBLE, Ensemble, parse_ensemble
from pianist_jax.score.written import Mark
from tests.music.helpers import notes_of

SAXOPHONE, CELLO, GUITAR, PIANO = 65, 42, 24, 0


def crotchets(count: int, pitch: int = 60, velocity: int = 64) -> Notes:
    return notes_of([(pitch + n % 5, 500 * n, 500, velocity) for n in range(count)])


def part_of(notes: Notes, program: int, **more: Any) -> OtherPart:
    return dataclasses.replace(other_part("Part", program, notes, (notes.onset, notes.duration)), **more)


def together(
    others: list[OtherPart], piano: Notes, how: Ensemble = AN_ENSEMBLE, seed: int = 0, score: Notes | None = None
):
    rngs = [np.random.default_rng([seed, k]) for k in range(len(others))]
    return play_together(piano if score is None else score, piano, others, 1.0, how, rngs)


def loudness(part: OtherPart) -> np.ndarray:
    """What General MIDI makes of each note's attack, as a velocity."""
    place = np.searchsorted(part.curve[:, 0], part.notes.onset, side="right") - 1
    return part.notes.velocity * (part.curve[place, 1] / 127 if len(part.curve) else 1.0)


def test_players_are_as_far_apart_as_measured_and_wander_slowly():
    """27 to 49 ms between two players (Rasch, 1979), here over 40 pieces; from note to note it changes little."""
    time = 300.0 * np.arange(200)
    late = np.stack([asynchrony(time + 1e6, np.random.default_rng(seed)) for seed in range(40)])
    assert 25 < late.std() < 31, "a player and the pianist"
    assert 35 < (late[:20] - late[20:]).std() < 45, "two players"
    centred = late - late.mean()
    near, far = ((centred[:, :-lag] * centred[:, lag:]).mean() / centred.var() for lag in (1, 40))
    assert 0.6 < near < 0.9
    assert abs(far) < 0.15, "12 s later nothing is left of it"
    assert np.abs(late).max() <= 75


@pytest.mark.parametrize("gap", [3.0, 40.0, 500.0])
def test_notes_of_a_part_keep_their_order(gap):
    time = np.cumsum(np.random.default_rng(1).uniform(0.2, 2.0, 400) * gap)
    for seed in range(10):
        played = time + asynchrony(time, np.random.default_rng(seed), spread=3.0, mean=-30.0)
        assert (np.diff(played) > 0).all()
        assert played.min() >= 0
    piano = crotchets(120)
    rapid = notes_of([(60 + n % 12, 25 * n, 25, 64) for n in range(2000)])
    for seed in range(3):
        (heard,) = together([part_of(rapid, SAXOPHONE)], piano, Ensemble(spread=3.0), seed)
        assert (np.diff(heard.notes.onset) >= 0).all()


def test_they_go_with_the_pianist_and_keep_their_seed():
    score, flute = crotchets(40), part_of(crotchets(40, 72), 73)
    piano = dataclasses.replace(score, onset=np.cumsum(np.linspace(300, 900, 40)).astype(int))
    (plain,) = in_time(score, piano, [flute], 1.0)
    (one,), (same,), (another,) = (together([flute], piano, seed=seed, score=score) for seed in (1, 1, 2))
    late = one.notes.onset - plain.notes.onset
    assert 0 < np.abs(late).max() <= 75
    np.testing.assert_array_equal(one.notes.onset, same.notes.onset)
    np.testing.assert_array_equal(one.curve, same.curve)
    assert (one.notes.onset != another.notes.onset).any()
    (strict,) = together([flute], piano, Ensemble(spread=0.0), score=score)
    np.testing.assert_allclose(strict.notes.onset, plain.notes.onset, atol=1)


def test_a_soloist_is_ahead_and_above():
    piano = crotchets(300)
    parts = [
        part_of(crotchets(300, 48), CELLO),
        part_of(crotchets(300, 72), SAXOPHONE),
        part_of(crotchets(300, 84), PIANO),
    ]
    assert soloist(parts) == 1
    assert soloist(parts[2:]) is None
    heard = [together(parts, piano, seed=seed) for seed in range(10)]
    late = [np.mean([own[k].notes.onset - crotchets(300).onset for own in heard]) for k in (0, 1)]
    assert late[1] == pytest.approx(-10, abs=6)
    assert late[0] == pytest.approx(0, abs=6)
    level = [20 * np.log10(np.mean([loudness(own[k]) ** 2 for own in heard])) for k in (0, 1)]
    assert level[1] - level[0] == pytest.approx(2.0, abs=0.3), "dB"
    even = together(parts, piano, Ensemble(balance=0.0))
    assert loudness(even[1]).mean() == pytest.approx(64, abs=2.5)


def test_dynamics_follow_the_page_and_the_pianist():
    score = crotchets(80)
    louder = dataclasses.replace(score, velocity=np.where(score.onset < 20_000, 40, 80).astype(np.int16))
    flute = part_of(crotchets(80, 72), 73)
    (heard,) = together([flute], louder, Ensemble(balance=0.0), score=score)
    level = loudness(heard)
    assert level[:30].mean() == pytest.approx(60 + 0.6 * (40 - 60), abs=4)
    assert level[-30:].mean() == pytest.approx(60 + 0.6 * (80 - 60), abs=4)
    marked = np.array([[0.0, 64, 0], [19_999, 64, 0], [20_000, 96, 0], [40_000, 96, 0]])
    struck = dataclasses.replace(flute.notes, velocity=np.where(score.onset < 20_000, 64, 96).astype(np.int16))
    (heard,) = together([part_of(struck, 73, loudness=marked)], score, Ensemble(balance=0.0))
    assert loudness(heard)[:30].mean() == pytest.approx(64, abs=3)
    assert loudness(heard)[-30:].mean() == pytest.approx(96, abs=3)


def test_a_curve_swells_within_notes():
    long = notes_of([(60, 0, 8000, 64), (62, 8000, 8000, 64)])
    swell = np.array([[0.0, 64, 0], [4000, 64, 16], [8000, 64, 0], [16_000, 64, 0]])
    piano = crotchets(33)
    for program, controller, there in ((CELLO, 11, 11), (CELLO, 1, 1), (CELLO, 0, 0), (GUITAR, 11, 0)):
        how = Ensemble(controller=controller, spread=0.0)
        (heard,) = together([part_of(long, program, loudness=swell)], piano, how)
        assert heard.controller == there
        assert len(heard.notes.pedal_time) == 0
        if not there:
            assert len(heard.curve) == 0
            continue
        time, value = heard.curve.T
        assert (np.diff(time) > 0).all()
        at = np.interp([100, 4000, 7900, 12_000], time, value)
        assert at[1] / at[0] == pytest.approx(80 / 64, rel=0.15)
        assert at[1] > at[2] + 10
        assert value.max() == 127
        assert loudness(heard)[0] == pytest.approx(64 * 10 ** (2 / 40), abs=7)


def test_slurs_are_bound_and_breaths_taken():
    notes = crotchets(40, 72)
    slur = int(Mark.SLUR)
    marks = np.array(
        [0] * 10 + [slur] * 9 + [slur | int(Mark.SLUR_STOP)] + [int(Mark.BREATH)] * 10 + [0] * 10, np.uint32
    )
    (heard,) = together([part_of(notes, 73, marks=marks)], crotchets(40), Ensemble(spread=0.0))
    np.testing.assert_allclose(heard.notes.duration[:10], 470, atol=1)
    np.testing.assert_allclose(heard.notes.duration[10:19], 500, atol=1)
    np.testing.assert_allclose(heard.notes.duration[19], 470, atol=1)
    np.testing.assert_allclose(heard.notes.duration[20:30], 350, atol=1)
    assert GUITAR not in SUSTAINED


def test_what_somebody_plays_goes_wherever_the_ensemble_goes():
    written = crotchets(20)
    chords = notes_of([(pitch, at, 500, 64) for at in range(0, 10_000, 500) for pitch in (48, 52)])
    onset = chords.onset * 2 + np.where(chords.pitch == 52, -20, 20) + 100
    pedal = {"pedal_time": np.array([100, 10_100]), "pedal_value": np.array([127, 0])}
    played = dataclasses.replace(chords, onset=onset, duration=chords.duration, velocity=chords.velocity + 9, **pedal)
    own = playing_of(chords, played, exact=True)
    second = dataclasses.replace(part_of(chords, PIANO), playing=(own,))
    (heard,) = together([second], dataclasses.replace(written, onset=written.onset + 1000), score=written)
    np.testing.assert_allclose(heard.notes.onset, chords.onset + 1000 + np.where(chords.pitch == 52, -20, 20), atol=2)
    np.testing.assert_allclose(heard.notes.duration, 250, atol=4)
    assert set(heard.notes.velocity.tolist()) == {73}
    np.testing.assert_allclose(heard.notes.pedal_time, [1000, 6000], atol=2)
    loose = dataclasses.replace(second, playing=(dataclasses.replace(own, exact=False),))
    (heard,) = together([loose], written)
    both = heard.notes.onset.reshape(-1, 2)
    assert 0 < np.abs(both.mean(1) - written.onset).max() < 75
    np.testing.assert_allclose(both[5:, 0] - both[5:, 1], 40, atol=2)


def test_how_an_ensemble_plays_is_said_in_words():
    assert parse_ensemble([]) == AN_ENSEMBLE
    assert parse_ensemble(["spread=0.5,balance=-3", "curve=cc1"]) == Ensemble(True, 0.5, -3.0, 1)
    assert parse_ensemble(["deadpan"]) == Ensemble(shaped=False)
    assert Ensemble.of(AN_ENSEMBLE.metadata()) == AN_ENSEMBLE
    assert not Ensemble.of(None).shaped, "before there were any"
    for wrong in ("spread=9", "spread=x", "deadpan,spread=1", "volume=1", "curve=cc2", "spread=1,spread=1"):
        with pytest.raises(PianistError):
            parse_ensemble([wrong])
    for told in ({"shaped": 1}, {"spread": -1.0}, {"controller": 7}, {"other": 1}):
        with pytest.raises((TypeError, ValueError)):
            Ensemble.of(told)
