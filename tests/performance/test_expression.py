"""What is kept, scaled and thresholded in a performance, and what stays as it was."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import require_writable
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.expression import (
    NEUTRAL,
    Expression,
    express,
    is_strength,
    parse_strengths,
    share_keeping,
)
from pianist_jax.performance.playable import cut_overlaps, release_pedal
from tests.music.helpers import assert_same


def notes(onset, duration, velocity, pedal=(), pitch=None):
    time, value = zip(*pedal, strict=True) if pedal else ((), ())
    pitch = 60 + np.arange(len(onset)) if pitch is None else pitch
    return Notes(pitch, onset, duration, velocity, np.array(time, int), np.array(value, int))


# Two chords of two notes, then single notes; 500 ms a beat, performed with rubato at 10, 405, 1200 and 1700 ms.
SCORE = notes([0, 0, 500, 500, 1000, 1500], [500] * 6, [64, 64, 80, 80, 64, 64], [(0, 127), (900, 0)])
PEDAL = [(100, 90), (1200, 40), (1700, 0)]
PLAYED = notes([0, 20, 400, 410, 1200, 1700], [250, 480, 700, 400, 500, 900], [50, 60, 70, 80, 90, 100], PEDAL)


def middles(made):
    """When the chords come."""
    return np.append(made.onset[:4].reshape(2, 2).mean(axis=1), made.onset[4:])


def columns(made):
    return made.onset.tolist(), made.duration.tolist(), made.velocity.tolist()


def test_nothing_wanted_changes_nothing():
    assert express(SCORE, PLAYED, NEUTRAL) is PLAYED
    assert express(SCORE, PLAYED, Expression(timing=1, keep=())) is PLAYED


def test_velocity():
    kept = express(SCORE, PLAYED, Expression(keep=("velocity",)))
    assert kept.velocity.tolist() == SCORE.velocity.tolist()
    assert columns(kept)[:2] == columns(PLAYED)[:2]
    flat = express(SCORE, PLAYED, Expression(dynamics=0))
    assert set(flat.velocity.tolist()) == {76}  # the mean, by log-odds
    strong = express(SCORE, PLAYED, Expression(dynamics=4)).velocity
    assert 1 <= strong.min() < PLAYED.velocity.min() < PLAYED.velocity.max() < strong.max() <= 127
    assert np.all(np.diff(strong) > 0)
    assert_same(dataclasses.replace(kept, velocity=PLAYED.velocity), PLAYED)


def test_timing():
    even = express(SCORE, PLAYED, Expression(timing=0))
    pace = 1690 / 1500  # the length stays, from the middle of the first chord on
    np.testing.assert_allclose(even.onset, SCORE.onset * pace, atol=0.5)
    own = express(SCORE, PLAYED, Expression(keep=("timing",)))
    assert own.onset.tolist() == SCORE.onset.tolist()
    gaps = [np.diff(middles(express(SCORE, PLAYED, Expression(timing=s)))) for s in (0, 0.5, 1, 2)]
    for gap in gaps:
        assert gap.sum() == pytest.approx(1690, abs=1)
    ratio = [np.log(gap[1] / gap[0]) for gap in gaps]
    np.testing.assert_allclose(ratio, np.log(795 / 395) * np.array([0, 0.5, 1, 2]), atol=0.01)
    half = express(SCORE, PLAYED, Expression(timing=0.5))
    assert half.onset[1] - half.onset[0] == 10
    assert half.velocity.tolist() == PLAYED.velocity.tolist()


def test_lengths_and_pedal_move_with_the_tempo():
    own = express(SCORE, PLAYED, Expression(keep=("timing",)))
    # The second chord was held for 700 of 795 ms to the next.
    assert own.duration[2] == round(500 * 700 / 795)
    assert own.pedal_time.tolist() == [round(500 * 90 / 395), 1000, 1500]
    assert own.pedal_value.tolist() == [90, 40, 0]


def test_tempo_scale():
    fast = express(SCORE, PLAYED, Expression(tempo_scale=2))
    assert fast.onset.tolist() == [0, 10, 200, 205, 600, 850]
    assert fast.duration[2:4].tolist() == [350, 200]
    assert fast.pedal_time.tolist() == [50, 600, 850]
    late = dataclasses.replace(PLAYED, onset=PLAYED.onset + 1000, pedal_time=PLAYED.pedal_time + 1000)
    assert express(SCORE, late, Expression(tempo_scale=2)).onset.tolist() == (fast.onset + 1000).tolist()
    scaled = express(SCORE, PLAYED, Expression(keep=("timing",), tempo_scale=0.5))
    assert scaled.onset.tolist() == (2 * SCORE.onset).tolist()


def test_articulation():
    written = express(SCORE, PLAYED, Expression(keep=("articulation",)))
    assert written.duration[2:5].tolist() == [795, 795, 500]  # at the tempo of the performance
    assert_same(written, express(SCORE, PLAYED, Expression(articulation=0)))
    short = express(SCORE, PLAYED, Expression(articulation=2))
    assert short.duration[0] == round(395 * (250 / 395) ** 2)
    assert short.onset.tolist() == PLAYED.onset.tolist()
    whole = express(SCORE, PLAYED, Expression(articulation=0.5))
    assert whole.duration[0] == round(395 * (250 / 395) ** 0.5)


def test_pedal():
    def pedal(**wishes):
        made = express(SCORE, PLAYED, Expression(**wishes))
        assert columns(made) == columns(PLAYED)
        return list(zip(made.pedal_time.tolist(), made.pedal_value.tolist(), strict=True))

    assert pedal(pedal=0.5) == [(100, 45), (1200, 20), (1700, 0)]
    assert pedal(pedal=0) == []
    assert pedal(pedal=2) == [(100, 127), (1200, 80), (1700, 0)]
    assert pedal(pedal_threshold=41) == [(100, 90), (1200, 0)]
    assert pedal(binary_pedal=True) == [(100, 127), (1200, 0)]
    assert pedal(binary_pedal=True, pedal_threshold=40) == [(100, 127), (1700, 0)]
    assert pedal(keep=("pedal",)) == [(10, 127), (1041, 0)]  # 400 of 500 ms behind the second chord


def test_a_pedal_of_two_states_is_down_for_as_long_as_it_was_deep():
    rng = np.random.default_rng(0)
    time = np.cumsum(rng.integers(50, 400, 400))
    for deepest in (30, 60, 100, 127):  # a fugue's pedal never comes near the middle
        value = rng.integers(0, deepest + 1, 400)
        value[-1] = 0
        deep = (value[:-1] * np.diff(time)).sum() / 127
        down = np.diff(time)[value[:-1] >= share_keeping(time, value)].sum()
        assert abs(down - deep) < 0.025 * np.ptp(time)  # depths are whole numbers
    assert share_keeping(np.array([0, 1000]), np.array([127, 0])) == 64
    assert share_keeping(np.zeros(0, int), np.zeros(0, int)) == 64


@st.composite
def performances(draw):
    """A normalised score and any performance of it that can be written."""
    n = draw(st.integers(1, 30))
    rows = draw(
        st.lists(
            st.tuples(st.integers(60, 66), st.sampled_from([0, 3, 10, 125, 6000]), st.integers(1, 7000)),
            min_size=n,
            max_size=n,
        )
    )
    pitch, gap, length = np.array(rows).T
    raw = Notes(pitch, np.cumsum(gap), length, np.full(n, 64), np.array([5]), np.array([127]))
    score = normalise(raw)[0]
    m = len(score)
    gaps = draw(st.lists(st.integers(2, 3000), min_size=m, max_size=m))
    lengths = np.array(draw(st.lists(st.integers(1, 9000), min_size=m, max_size=m)))
    loud = np.array(draw(st.lists(st.integers(1, 127), min_size=m, max_size=m)))
    pedal = sorted(draw(st.lists(st.integers(0, 90_000), max_size=8)))
    values = draw(st.lists(st.integers(0, 127), min_size=len(pedal), max_size=len(pedal)))
    played = Notes(score.pitch, np.cumsum(gaps), lengths, loud, np.array(pedal, int), np.array(values, int))
    return score, release_pedal(cut_overlaps(played))


STRENGTHS = st.sampled_from([0.0, 0.3, 1.0, 1.7, 4.0])


@settings(max_examples=50)
@given(performances(), st.tuples(*[STRENGTHS] * 4), st.sampled_from([0.1, 1.0, 1.3, 10.0]), st.booleans())
def test_whatever_is_wanted_can_be_written(given, strengths, tempo, binary):
    score, played = given
    timing, dynamics, articulation, pedal = strengths
    wanted = Expression(timing, dynamics, articulation, pedal, tempo_scale=tempo, binary_pedal=binary)
    made = express(score, played, wanted)
    require_writable(made)
    assert made.onset.min() == played.onset.min()
    assert made.pitch.tolist() == played.pitch.tolist()
    for names in (("velocity", "timing"), ("articulation", "pedal"), ("velocity", "timing", "articulation", "pedal")):
        require_writable(express(score, played, Expression(keep=names)))


@pytest.mark.parametrize(
    ("wishes", "complaint"),
    [
        ({"timing": -1}, "strength of timing is -1, but it must be 0 to 4"),
        ({"pedal": float("nan")}, "strength of pedal is nan"),
        ({"keep": ("tempo",)}, "'tempo' cannot be kept; choose velocity, timing, articulation, pedal"),
        ({"keep": ("velocity",), "dynamics": 1.2}, "velocity is kept as written, so the strength of dynamics"),
        ({"tempo_scale": 0}, "tempo scale is 0, but it must be 0.1 to 10"),
        ({"pedal_threshold": 128}, "pedal threshold is 128"),
    ],
)
def test_what_makes_no_sense(wishes, complaint):
    with pytest.raises(PianistError, match=complaint):
        Expression(**wishes)


def test_strengths_as_they_are_written():
    assert parse_strengths(["timing=0.8", "dynamics=1.2,pedal=0"]) == {"timing": 0.8, "dynamics": 1.2, "pedal": 0}
    assert parse_strengths([]) == {}
    for text in ("loudness=1", "timing", "timing=much", "timing=inf", "timing="):
        with pytest.raises(PianistError, match="is no strength; write as in"):
            parse_strengths([text])
    with pytest.raises(PianistError, match="given twice"):
        parse_strengths(["timing=1", "timing=2"])
    assert is_strength("timing=x")
    assert not is_strength("timing.mid")
