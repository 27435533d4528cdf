"""The pace of a performance: what may be asked for, what a score tells, and how a performance is brought to it."""

import dataclasses

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import require_writable
from pianist_jax.music.notes import Notes
from pianist_jax.performance.pace import (
    FREE,
    SANE,
    SCORE,
    Pace,
    at_pace,
    factor_of,
    first_mark,
    has_tempo,
    lasting,
    note_value,
    paced,
    parse_pace,
    sane,
    sections,
)
from pianist_jax.score.grid import ScoreGrid, TempoMark
from tests.music.helpers import columns_of

QUARTER = 480
UNTOLD = TempoMark(0, 120.0)


def score_of(count: int, gap: int = 500) -> Notes:
    """Single notes, evenly spaced, each as long as the gap."""
    onset = gap * np.arange(count)
    return columns_of(60 + np.arange(count) % 12, onset, gap)


def grid_of(count: int, *tempi: TempoMark, metre: tuple[int, int] = (4, 4)) -> ScoreGrid:
    zeros = np.zeros(count, np.int64)
    onset = QUARTER * np.arange(count)
    return ScoreGrid(QUARTER, onset, zeros + QUARTER, zeros, ("Piano",), ((0, *metre),), (), tempi)


def played(score: Notes, times: float, seed: int = 0) -> Notes:
    """A performance with rubato, so many times as slow, every note held for a third of its gap, with pedal."""
    gap = np.diff(score.onset) * times * np.exp(0.2 * np.random.default_rng(seed).normal(size=len(score) - 1))
    onset = np.rint(np.concatenate([[0], np.cumsum(gap)])).astype(np.int64) + 100
    length = np.rint(np.append(gap, gap[-1]) / 3).astype(np.int64)
    return Notes(score.pitch, onset, length, score.velocity, onset[::2], np.resize([100, 0], len(onset[::2])))


@pytest.mark.parametrize(
    ("tempo", "duration", "expected"),
    [
        (None, None, Pace()),
        ("score", None, Pace(SCORE)),
        ("free", None, Pace(FREE)),
        ("72", None, Pace(72.0)),
        ("66.5", None, Pace(66.5)),
        (None, "2:30", Pace(duration=150.0)),
        (None, "0:45.5", Pace(duration=45.5)),
        (None, "150", Pace(duration=150.0)),
    ],
)
def test_what_may_be_asked_for(tempo, duration, expected):
    assert parse_pace(tempo, duration) == expected


@pytest.mark.parametrize(
    ("tempo", "duration"),
    [("0", None), ("-60", None), ("abc", None), ("nan", None), ("inf", None), ("", None), ("4000", None)]
    + [(None, text) for text in ("0:00", "0", "1:75", "-1:00", "abc", "", "1:2:3")]
    + [("72", "2:30"), ("score", "2:30")],
)
def test_what_may_not(tempo, duration):
    with pytest.raises(PianistError) as error:
        parse_pace(tempo, duration)
    assert "\n" not in str(error.value)


def test_a_lone_120_that_nobody_sees_tells_nothing():
    assert not has_tempo(grid_of(4))
    assert not has_tempo(grid_of(4, UNTOLD))
    assert not has_tempo(grid_of(4, UNTOLD, TempoMark(960, 120.0)))
    assert has_tempo(grid_of(4, UNTOLD._replace(seen=True)))
    assert has_tempo(grid_of(4, TempoMark(0, 90.0)))
    assert has_tempo(grid_of(4, UNTOLD, TempoMark(960, 90.0)))
    assert has_tempo(None)


def test_beats_are_the_marks_own_or_the_metres():
    assert first_mark(grid_of(4, TempoMark(0, 90.0, 1.5))) == (60.0, 1.5)
    assert first_mark(grid_of(4, TempoMark(0, 90.0), metre=(6, 8))) == (60.0, 1.5)
    assert first_mark(grid_of(4, TempoMark(0, 90.0), metre=(2, 2))) == (45.0, 2.0)
    assert first_mark(grid_of(4)) == (120.0, 1.0)
    assert note_value(1.5) == "♩."


def test_the_factor_of_the_written_times():
    score, told, untold = score_of(9), grid_of(9, TempoMark(0, 90.0, 1.0, True)), grid_of(9, UNTOLD)
    assert factor_of(Pace(), score, told) == 1
    assert factor_of(Pace(), score, untold) is None
    assert factor_of(Pace(FREE), score, told) is None
    assert factor_of(Pace(45), score, told) == 2
    assert factor_of(Pace(120), score, untold) == 1
    assert factor_of(Pace(duration=9.0), score, told) == 2
    assert factor_of(Pace(times=1.5), score, untold) == 1.5
    for pace in (Pace(duration=0.5), Pace(duration=40.0)):
        with pytest.raises(PianistError, match="8 times"):
            factor_of(pace, score, told)
    with pytest.raises(PianistError, match="no beats"):
        factor_of(Pace(72), score, None)


def test_guesses_stay_sane():
    grid = grid_of(4, TempoMark(0, 100.0))
    assert sane(1.1, grid) == 1.1
    assert 100 / sane(0.01, grid) == pytest.approx(SANE[1])
    assert 100 / sane(100.0, grid) == pytest.approx(SANE[0])
    assert (sane(9.0, None), sane(0.1, None)) == (2.0, 0.5)


def test_a_score_at_another_pace_keeps_its_proportions():
    slow = at_pace(score_of(8), 1.5)
    assert slow.onset.tolist() == [750 * n for n in range(8)]
    assert slow.duration.tolist() == [750] * 8
    score = score_of(8)
    assert at_pace(score, 1.0) is score


def test_sections_begin_where_another_tempo_holds_for_long():
    score = score_of(100)
    at = lambda note, rate: TempoMark(QUARTER * note, rate)  # noqa: E731
    assert sections(score, None) == [0]
    assert sections(score, grid_of(100, at(0, 100.0))) == [0]
    assert sections(score, grid_of(100, at(0, 100.0), at(40, 60.0), at(70, 120.0))) == [0, 40, 70]
    assert sections(score, grid_of(100, at(0, 100.0), at(40, 101.0))) == [0], "the same tempo again"
    assert sections(score, grid_of(100, at(0, 100.0), at(100, 50.0))) == [0], "behind the last note"
    ritardando = [at(40 + n, 100.0 - 8 * n) for n in range(6)]
    assert sections(score, grid_of(100, at(0, 100.0), *ritardando)) == [0, 41]
    assert sections(score, grid_of(100, at(0, 100.0), at(95, 50.0))) == [0], "a slower end is rubato's"


@pytest.mark.parametrize("times", [0.4, 1.0, 2.5])
def test_a_performance_is_brought_to_its_pace_with_its_rubato(times):
    score = score_of(60)
    before = played(score, times)
    after = paced(score, before, [0])
    assert after.onset[-1] - after.onset[0] == pytest.approx(score.onset[-1], abs=1)
    assert after.onset[0] == before.onset[0]
    old, new = (np.diff(one.onset).astype(float) for one in (before, after))
    np.testing.assert_allclose(new / new.mean(), old / old.mean(), rtol=0.03)
    np.testing.assert_allclose((after.duration[:-1] / new), (before.duration[:-1] / old), atol=0.02)
    np.testing.assert_array_equal(after.onset[::2], after.pedal_time[: len(after.onset[::2])])
    require_writable(after)


def test_every_section_is_as_long_as_written():
    score = score_of(60)
    after = paced(score, played(score, 0.5), [0, 20, 45])
    assert np.diff(after.onset[[0, 20, 45, 59]]).tolist() == pytest.approx([10_000, 12_500, 7_000], abs=1)


def test_one_chord_has_no_tempo():
    chord = columns_of([60, 64], 0, 500)
    assert paced(chord, chord, [0]) is chord


def test_a_duration_goes_from_the_first_onset_to_the_last_release():
    score = score_of(30)
    notes = lasting(played(score, 1.7), 60_000)
    assert notes.end.max() - notes.onset.min() == pytest.approx(60_000, abs=1)


def test_notes_stay_playable_when_they_come_nearer():
    score = dataclasses.replace(score_of(60, 8), pitch=np.full(60, 60))
    notes = paced(score, played(score, 20.0), [0])
    assert (np.diff(notes.onset) >= 2).all()
    assert (notes.end[:-1] < notes.onset[1:]).all()
