"""What several performances agree on: nearer to what they share than any of them, and as large."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pianist_jax.config import Sampling
from pianist_jax.music.midi import require_writable
from pianist_jax.music.notes import Notes
from pianist_jax.performance.averaging import WORTH, averaged, in_tempo
from pianist_jax.performance.parameters import group_chords, log_odds, of_log_odds
from pianist_jax.performance.playable import release_pedal
from pianist_jax.rendering import renderer
from pianist_jax.rendering.renderer import read_piece, render, render_all
from tests.rendering.models import lively_model, made_up_score

SCORE = made_up_score(200)
SHARE, AS_LARGE = 0.3, ((1.0,) * 2, (1.0,) * 4, (1.0,) * 4)  # of the residual; as single tries
NO_PEDAL = (np.zeros(0, np.int64), np.zeros(0, np.int16))


def interpretation(score, seed=7):
    """What tries share: log slowness of every chord's gap, log-odds of velocities, log articulation of notes."""
    rng = np.random.default_rng(seed)
    count = len(group_chords(score.onset)[1]) - 1
    wave = lambda n, size: size * np.convolve(rng.standard_normal(n + 8), np.ones(9) / 3, "valid")  # noqa: E731
    return wave(count, 0.2), wave(len(score), 0.5), wave(len(score), 0.2) - 0.3


def one_try(score, seed, noise=1.0, pedal=NO_PEDAL):
    """A performance: the interpretation and chance of the same size."""
    rng = np.random.default_rng(seed)
    gap, odds, articulation = (own + noise * own.std() * rng.standard_normal(len(own)) for own in interpretation(score))
    chord, first = group_chords(score.onset)
    clock = np.concatenate([[0], np.cumsum(np.exp(gap) * np.diff(score.onset[first]))])
    onset = np.rint(clock[chord]).astype(np.int64)
    duration = np.maximum(np.rint(score.duration * np.exp(articulation)), 1).astype(np.int64)
    return Notes(score.pitch, onset, duration, of_log_odds(odds), *pedal)


TRIES = [one_try(SCORE, seed) for seed in range(8)]


def foretold():
    """What a model would name that knows the interpretation, float32 [N, 3], in units of a try's size."""
    _, first = group_chords(SCORE.onset)
    curves = np.full((len(SCORE), 3), 99.0, np.float32)  # a gap is told at the first note of its chord
    for number, own in enumerate(interpretation(SCORE)):
        where = first[:-1] if number == 0 else np.arange(len(SCORE))
        curves[where, number] = (own - own.mean()) / own.std() / 2**0.5 + 7.0  # its level is the tries' own
    return curves


def gaps(notes):
    _, first = group_chords(SCORE.onset)
    return np.log(np.diff(notes.onset[first]) / np.diff(SCORE.onset[first]))


def test_one_rehearsal_with_nothing_foretold_is_the_performance_itself():
    assert averaged(SCORE, TRIES, 3, 1, Sampling.residual_scale) is TRIES[3]


def test_with_all_of_its_chance_a_performance_is_itself():
    assert averaged(SCORE, TRIES, 3, 8, 1.0, foretold()) is TRIES[3]


@pytest.mark.parametrize(
    ("curve", "shared"), [(gaps, interpretation(SCORE)[0]), (lambda n: log_odds(n.velocity), interpretation(SCORE)[1])]
)
def test_what_is_shared_comes_out(curve, shared):
    single = [np.corrcoef(curve(one), shared)[0, 1] for one in TRIES]
    played = [averaged(SCORE, TRIES, own, 8, SHARE, larger=AS_LARGE) for own in range(8)]
    agreed = [np.corrcoef(curve(one), shared)[0, 1] for one in played]
    assert min(agreed) > max(single) + 0.03
    size = np.mean([curve(one).std() for one in TRIES])
    np.testing.assert_allclose([curve(one).std() for one in played], size, rtol=0.04)


def test_what_is_foretold_counts_as_so_many_tries():
    """One try and the true mean come as near to it as `WORTH` + 1 tries do, and are as large as the try."""
    shared = interpretation(SCORE)[1]
    curve = lambda one: log_odds(one.velocity)  # noqa: E731
    alone = np.corrcoef(curve(TRIES[0]), shared)[0, 1]
    played = averaged(SCORE, TRIES[:1], 0, 1, 0.0, foretold(), larger=AS_LARGE)
    assert np.corrcoef(curve(played), shared)[0, 1] > alone + 0.2
    assert curve(played).std() == pytest.approx(curve(TRIES[0]).std(), rel=0.04)
    assert curve(played).mean() == pytest.approx(curve(TRIES[0]).mean(), abs=0.02)
    assert played.onset[-1] == pytest.approx(TRIES[0].onset[-1], abs=2)
    mixed = (curve(TRIES[0]) - curve(TRIES[0]).mean() + WORTH * curve(TRIES[0]).std() * foretold()[:, 1]) / (1 + WORTH)
    assert np.corrcoef(curve(played), mixed)[0, 1] > 0.95  # each part of it as large as that of the try
    assert np.corrcoef(gaps(played), interpretation(SCORE)[0])[0, 1] > 0.9


def test_what_is_ones_own_is_most_within_chords():
    """Samples differ in how the notes of a chord are balanced more than in phrases, against the tries."""
    chord = group_chords(SCORE.onset)[0]

    def inner_share(first, second):
        apart = log_odds(first.velocity) - log_odds(second.velocity)
        level = (np.bincount(chord, apart) / np.bincount(chord))[chord]
        return (apart - level).var() / apart.var()

    played = [averaged(SCORE, TRIES, own, 8, SHARE, larger=AS_LARGE) for own in range(8)]
    shares = [np.mean([inner_share(some[k], some[k + 1]) for k in range(7)]) for some in (TRIES, played)]
    assert shares[1] > 1.1 * shares[0]


def test_samples_differ_by_their_own_chance():
    first, second = (log_odds(averaged(SCORE, TRIES, own, 8, SHARE, larger=AS_LARGE).velocity) for own in (0, 1))
    rest = np.corrcoef(first - second, log_odds(TRIES[0].velocity) - log_odds(TRIES[1].velocity))[0, 1]
    assert rest > 0.9


def test_it_takes_as_long_as_the_tries_do():
    spans = np.log([one.onset[-1] for one in TRIES])
    for own in (0, 5):
        wanted = spans.mean() + SHARE * (spans[own] - spans.mean())
        assert np.log(averaged(SCORE, TRIES, own, 8, SHARE, larger=AS_LARGE).onset[-1]) == pytest.approx(
            wanted, abs=1e-4
        )


def test_what_is_played_is_as_large_as_is_wanted():
    larger = ((1.2,) * 2, (1.1,) * 4, (0.9,) * 4)
    once, again = (averaged(SCORE, TRIES, 0, 8, SHARE, larger=times) for times in (AS_LARGE, larger))
    for curve, times in ((gaps, 1.2), (lambda one: log_odds(one.velocity), 1.1)):
        assert curve(again).std() == pytest.approx(times * curve(once).std(), rel=0.02)
        assert np.corrcoef(curve(once), curve(again))[0, 1] > 0.99
    assert again.onset[-1] == pytest.approx(once.onset[-1], abs=2)


def test_tries_that_are_one_give_it_again():
    pedal = (np.array([10, 900, 2000, 5000]), np.array([90, 0, 64, 0], np.int16))
    one = release_pedal(one_try(SCORE, 1, pedal=pedal))
    again = averaged(SCORE, [one] * 4, 2, 4, SHARE, larger=AS_LARGE)
    for name in ("onset", "duration", "pedal_time"):
        np.testing.assert_allclose(getattr(again, name), getattr(one, name), atol=2)
    np.testing.assert_array_equal(again.velocity, one.velocity)
    np.testing.assert_array_equal(again.pedal_value, one.pedal_value)


def test_the_pedal_is_one_that_was_played_and_as_most_played_it():
    def with_pedal(shift, *more):
        """Down in every beat of 500 ms, lifted for 80."""
        beats = 500 * np.arange(40) + shift
        events = sorted([(t + 80, 100 + k % 2) for k, t in enumerate(beats)] + [(t + 500, 0) for t in beats] + [*more])
        time, value = zip(*events, strict=True)
        return one_try(SCORE, 0, noise=0, pedal=(np.array(time), np.array(value, np.int16)))

    usual = [with_pedal(shift) for shift in (0, 20, 40)]
    odd = [with_pedal(0, *((t, 127) for t in range(90, 19_000, 40))), with_pedal(250)]
    played = averaged(SCORE, [*odd, *usual], 0, 5, SHARE, larger=AS_LARGE)
    assert set(played.pedal_value.tolist()) == {0, 100, 101}
    lifts = played.pedal_time[(played.pedal_value == 0) & (played.pedal_time < 19_000)]
    clocks = {one.onset[-1] for one in (*odd, *usual)}
    assert len(clocks) == 1  # so that times can be compared
    assert 36 <= len(lifts) <= 42
    assert np.all((lifts % 500 <= 45) | (lifts % 500 >= 495))


@given(st.data())
@settings(max_examples=60)
def test_whatever_the_tries_are_it_can_be_played(data):
    notes, seed = data.draw(st.integers(1, 12)), data.draw(st.integers(0, 999))
    score = made_up_score(notes, seed)
    rng = np.random.default_rng(seed)

    def wild() -> Notes:
        events = data.draw(st.integers(0, 4))
        time = np.sort(rng.integers(0, 9000, events))
        return release_pedal(
            Notes(
                score.pitch,
                np.cumsum(rng.choice([0, 1, 3, 400, 4990], notes)),
                rng.choice([1, 50, 4999], notes),
                rng.choice([1, 64, 127], notes).astype(np.int16),
                time,
                rng.choice([0, 63, 64, 127], events).astype(np.int16),
            )
        )

    tries = [wild() for _ in range(data.draw(st.integers(2, 5)))]
    own = data.draw(st.integers(0, len(tries) - 1))
    curves = rng.normal(0, 9, (notes, 3)).astype(np.float32) if data.draw(st.booleans()) else None
    played = averaged(score, tries, own, data.draw(st.integers(1, len(tries))), data.draw(st.floats(0, 1)), curves)
    require_writable(played)
    assert played.pitch.tolist() == score.pitch.tolist()
    assert played.onset[0] == tries[own].onset[0]
    assert played.velocity.min() >= 1
    assert played.velocity.max() <= 127
    assert played.duration.min() >= 1
    assert not len(played.pedal_value) or played.pedal_value[-1] == 0


def test_samples_share_their_rehearsals(monkeypatch):
    monkeypatch.setattr(renderer, "touch", lambda score, tokens, performance, *others: performance)
    monkeypatch.setattr(renderer, "within_limits", lambda score, performance: performance)
    monkeypatch.setattr(renderer, "to_pace", lambda piece, performance, pace: performance)
    score, model = made_up_score(40), lively_model()
    drawn = render(score, model, seed=3, samples=4, residual_scale=1.0)
    alone = render(score, model, seed=3, draws=4)
    together = render(score, model, seed=3, samples=3, draws=4)
    assert alone.notes.onset.tolist() == together.notes.onset.tolist()
    assert len({tuple(one.onset.tolist()) for one in together.performances}) == 3
    for own, one in enumerate(together.performances):
        expected = averaged(drawn.score, drawn.performances, own, 4, Sampling.residual_scale)
        for field in dataclasses.fields(Notes):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(expected, field.name))
    assert alone.identity["settings"]["draws"] == 4


def test_at_no_temperature_one_try_is_enough():
    score, model = made_up_score(40), lively_model()
    told: list[int] = []
    list(render_all([read_piece(score)], model, sampling=Sampling(temperature=0), advance=told.append))
    assert sum(told) == 40


def test_tries_that_run_away_come_last_and_do_not_count():
    score = SCORE

    def at(times):
        return dataclasses.replace(score, onset=np.rint(score.onset * times).astype(np.int64))

    times = [0.5, 1.1, 2.0, 0.9, 1.0]
    tries, kept = in_tempo(score, [at(own) for own in times])
    assert kept == 3
    assert [round(float(np.ptp(one.onset) / np.ptp(score.onset)), 1) for one in tries] == [1.1, 0.9, 1.0, 0.5, 2.0]
    tries, kept = in_tempo(score, [at(own) for own in (3.0, 0.4, 0.6)])
    assert (kept, round(float(np.ptp(tries[0].onset) / np.ptp(score.onset)), 1)) == (1, 0.6)
    assert in_tempo(score, [score])[1] == 1
