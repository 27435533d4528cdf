"""The tempo of the whole: measured beside the humans', and told to candidates so that it does not matter."""

import dataclasses

import numpy as np
import pytest

from pianist_jax.config import Sampling
from pianist_jax.errors import PianistError
from pianist_jax.evaluation import aligned as a
from pianist_jax.evaluation.candidates import at_tempo_of_humans, humans_slowness, render_candidates, usual_slowness
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.evaluation.table import check
from pianist_jax.performance.pace import on_clock
from pianist_jax.performance.parameters import chords_of
from tests.evaluation.pieces import invented_piece, notes
from tests.rendering.models import lively_model


def slower(played: Played, times: float) -> Played:
    clock = np.array([0.0, 1000.0])
    return dataclasses.replace(played, notes=on_clock(played.notes, clock, times * clock))


@pytest.fixture(scope="module")
def piece() -> PlayedPiece:
    return invented_piece(np.random.default_rng(0), size=200)


def test_the_tempo_is_measured_against_what_is_written_and_against_the_humans():
    score = notes(500 * np.arange(40))
    match = np.arange(40)
    humans = [Played(str(times), notes(np.rint(500 * times * np.arange(40)).astype(int)), match) for times in (1, 4)]
    own = PlayedPiece("even", "even", score, tuple(humans))
    assert humans_slowness(own) == pytest.approx(2)
    reference = a.reference_of(own)
    metrics = a.candidate_metrics(reference, [a.prepare(reference.chords, slower(humans[0], 3.0))])
    assert metrics["tempo_written"] == pytest.approx(3, rel=1e-3)
    assert metrics["tempo_written_human"] == pytest.approx(2, rel=1e-3)
    assert metrics["tempo_error"] == pytest.approx(np.log(1.5), rel=1e-3)
    assert a.human_metrics(reference)["tempo_error_ceiling"] == pytest.approx(np.log(4), rel=1e-3)


def test_the_last_gap_is_told_relative_to_the_others():
    onset = np.append(500 * np.arange(40), 500 * 39 + 3000)
    score, match = notes(500 * np.arange(41)), np.arange(41)
    human = Played("slow end", notes(onset), match)
    reference = a.reference_of(PlayedPiece("end", "end", score, (human,)))
    metrics = a.candidate_metrics(reference, [reference.performances[0]])
    assert metrics["last_gap"] == metrics["last_gap_human"] == pytest.approx(6, rel=1e-3)


def test_performances_are_brought_to_the_humans_tempo(piece):
    told = humans_slowness(piece)
    assert told > 0
    for times in (0.3, 2.0):
        (back,) = at_tempo_of_humans(piece, [slower(piece.humans[0], times)])
        reference = a.reference_of(piece)
        assert usual_slowness(reference.chords, back) == pytest.approx(told, rel=1e-2)
        np.testing.assert_allclose(
            a.prepare(reference.chords, back).curves["log_articulation"],
            reference.performances[0].curves["log_articulation"],
            atol=0.1,
        )


def test_a_model_is_told_the_humans_tempo(piece):
    drawn = Sampling(draws=1, residual_scale=1.0)
    candidates = render_candidates("m", [piece], lively_model(), seed=0, samples=1, sampling=drawn, tempo="humans")
    (made,) = candidates.performances[piece.name]
    chords = chords_of(piece.score)
    assert usual_slowness(chords, made) == pytest.approx(humans_slowness(piece), rel=0.01)


def test_no_such_tempo():
    with pytest.raises(PianistError, match="score, free or humans"):
        check("all", "quick")
