"""The suite as it is called: reports fit for JSON, errors with names, controls told from humans."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import controls, suite
from pianist_jax.evaluation.distributions import as_tokens
from pianist_jax.music.tokens import encode
from tests.evaluation.pieces import invented_piece


@pytest.fixture(scope="module")
def pieces():
    rng = np.random.default_rng(0)
    return [invented_piece(rng, size=560 + 30 * k, humans=3 + k, name=f"piece {k}") for k in range(3)]


@pytest.fixture(scope="module")
def pool(pieces):
    return np.concatenate([as_tokens(human.notes)[1:] for human in pieces[2].humans])


def samples(piece, count=2):
    return np.stack([encode(controls.complete(piece.score, piece.humans[k])) for k in range(count)])


def test_a_report_is_plain_and_complete(pieces):
    report = suite.evaluate_pieces(pieces, [samples(piece) for piece in pieces])
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["samples"] == 2
    assert set(report["pieces"]) == {"piece 0", "piece 1", "piece 2"}
    assert {"velocity_r_single", "log_ioi_agreement", "pedal_f1", "coarse_js_overall"} <= set(report["summary"])
    for figure in [*report["summary"].values(), *report["humans"].values()]:
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert set(report["paper"]) == {"performances", "pieces", "human"}
    assert report == suite.evaluate_pieces(pieces, [samples(piece) for piece in pieces])


def test_notes_and_their_tokens_are_judged_alike(pieces):
    as_notes = [[controls.complete(one.score, one.humans[k]) for k in range(2)] for one in pieces]
    first = suite.evaluate_pieces(pieces, as_notes)["summary"]
    second = suite.evaluate_pieces(pieces, [samples(piece) for piece in pieces])["summary"]
    for metric in ("velocity_r_single", "log_ioi_r_single", "log_articulation_r_single", "pedal_f1"):
        # tokens sample the pedal four times a note
        assert second[metric]["value"] == pytest.approx(first[metric]["value"], abs=0.06), metric


def test_one_human_everywhere_gives_warnings_and_no_nan(pieces):
    alone = [replace(piece, humans=piece.humans[:1]) for piece in pieces]
    report = suite.evaluate_pieces(alone, [samples(piece) for piece in pieces])
    json.dumps(report, allow_nan=False)
    assert "human" not in report["paper"]
    assert "velocity_r_ceiling" not in report["humans"]
    assert any("one human" in warning for warning in report["warnings"])
    assert "velocity_wasserstein" not in report["summary"]


def test_errors_of_use(pieces, pool):
    with pytest.raises(PianistError, match="1 sets of candidates for 3 pieces"):
        suite.evaluate_pieces(pieces, [samples(pieces[0])])
    with pytest.raises(PianistError, match="piece 1: candidate 0 has 560 notes, its score 590"):
        suite.evaluate_pieces(pieces[1:2], [samples(pieces[0])])
    rng = np.random.default_rng(0)
    with pytest.raises(PianistError, match="unknown control 'louder'"):
        suite.evaluate_controls(pieces, rng, pool, ["louder"])
    with pytest.raises(PianistError, match="no pieces"):
        suite.evaluate_controls([], rng, pool)


def test_one_piece_lacks_the_controls_that_come_from_others(pieces):
    reports = suite.evaluate_controls(pieces[:1], np.random.default_rng(0))
    assert set(reports) == set(suite.CONTROLS) - {"blind", "other piece"}
    assert "control blind: needs a second piece with two human performances" in reports["human"]["warnings"]
    with_pool = suite.evaluate_controls(pieces[:1], np.random.default_rng(0), encode(pieces[1].humans[0].notes))
    assert set(with_pool) == set(suite.CONTROLS) - {"other piece"}


def test_one_human_a_piece_leaves_the_scores_to_be_judged(pieces):
    alone = [replace(piece, humans=piece.humans[:1]) for piece in pieces]
    reports = suite.evaluate_controls(alone, np.random.default_rng(0))
    assert set(reports) == {"score", "deadpan", "rules"}
    assert reports["deadpan"]["summary"]["velocity_r_single"]["value"] == 0


def test_a_blind_draw_without_a_pool_comes_from_the_other_pieces(pieces):
    levels = [
        replace(piece, humans=tuple(_at_level(one, 30 + 30 * index) for one in piece.humans))
        for index, piece in enumerate(pieces[:2])
    ]
    pools = [suite.others_tokens(levels, index) for index in range(2)]
    assert [set(pool[:, 2] - 133) for pool in pools] == [{60}, {30}]


def _at_level(human, level):
    return replace(human, notes=replace(human.notes, velocity=np.full(len(human.notes), level)))


def test_controls_of_pieces_with_one_human_are_named(pieces, pool):
    mixed = [replace(pieces[0], humans=pieces[0].humans[:1]), *pieces[1:]]
    report = suite.evaluate_controls(mixed, np.random.default_rng(0), pool, ["deadpan"])["deadpan"]
    assert "piece 0: one human, no controls" in report["warnings"]
    assert set(report["pieces"]) == {"piece 1", "piece 2"}


def test_the_left_out_human_reaches_the_ceiling(pieces, pool):
    human = suite.evaluate_controls(pieces, np.random.default_rng(0), pool, ["human"])["human"]
    ceilings = suite.evaluate_pieces(pieces, [samples(piece) for piece in pieces])
    for name in ("velocity", "log_ioi", "log_articulation"):
        expected = ceilings["humans"][f"{name}_r_ceiling"]["value"]
        assert human["summary"][f"{name}_r_single"]["value"] == pytest.approx(expected, abs=1e-9)
        assert human["summary"][f"{name}_wasserstein"]["value"] == pytest.approx(1, abs=0.02)
    assert human["paper"]["left_out"] == pytest.approx(ceilings["paper"]["human"])
