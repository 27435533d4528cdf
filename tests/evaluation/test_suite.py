"""The suite as it is called: reports fit for JSON, errors with names, controls told from humans."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import controls, suite
from pianist_jax.evaluation.dataset import load_pieces, load_training_tokens
from pianist_jax.evaluation.distributions import as_tokens
from pianist_jax.music.tokens import encode
from tests.evaluation.pieces import invented_piece

LOWER_IS_BETTER = ("wasserstein", "wasserstein_set", "seam", "seam_jump", "error")


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
    assert set(suite.HEADLINES) <= set(report["summary"])
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
    assert "–" in suite.format_table({"a": report})


def test_errors_of_use(pieces, pool):
    with pytest.raises(PianistError, match="1 sets of candidates for 3 pieces"):
        suite.evaluate_pieces(pieces, [samples(pieces[0])])
    with pytest.raises(PianistError, match="piece 1: candidate 0 has 560 notes, its score 590"):
        suite.evaluate_pieces(pieces[1:2], [samples(pieces[0])])
    rng = np.random.default_rng(0)
    with pytest.raises(PianistError, match="unknown control 'louder'"):
        suite.evaluate_controls(pieces, pool, rng, ["louder"])
    with pytest.raises(PianistError, match="at least two pieces"):
        suite.evaluate_controls(pieces[:1], pool, rng)


def test_controls_of_pieces_with_one_human_are_named(pieces, pool):
    mixed = [replace(pieces[0], humans=pieces[0].humans[:1]), *pieces[1:]]
    report = suite.evaluate_controls(mixed, pool, np.random.default_rng(0), ["deadpan"])["deadpan"]
    assert "piece 0: one human, no controls" in report["warnings"]
    assert set(report["pieces"]) == {"piece 1", "piece 2"}


def test_the_left_out_human_reaches_the_ceiling(pieces, pool):
    human = suite.evaluate_controls(pieces, pool, np.random.default_rng(0), ["human"])["human"]
    ceilings = suite.evaluate_pieces(pieces, [samples(piece) for piece in pieces])
    for name in ("velocity", "log_ioi", "log_articulation"):
        expected = ceilings["humans"][f"{name}_r_ceiling"]["value"]
        assert human["summary"][f"{name}_r_single"]["value"] == pytest.approx(expected, abs=1e-9)
        assert human["summary"][f"{name}_wasserstein"]["value"] == pytest.approx(1, abs=0.02)
    assert human["paper"]["left_out"] == pytest.approx(ceilings["paper"]["human"])


def test_a_table_is_aligned_and_says_everything(pieces, pool):
    reports = suite.evaluate_controls(pieces, pool, np.random.default_rng(0), ["human", "deadpan"])
    reports["model"] = suite.evaluate_pieces(pieces, [samples(piece) for piece in pieces])
    lines = suite.format_table(reports).splitlines()
    assert lines[0].split() == ["human", "deadpan", "model"]
    names = [line.split()[0] for line in lines[1:]]
    assert {*suite.HEADLINES, "velocity_r_ceiling", "js_overall", "intersection_overall"} <= set(names)
    assert len(set(names)) == len(names)
    row = next(line for line in lines if line.startswith("velocity_r_single"))
    assert row.split()[2] == "0.000"
    assert len({len(line) for line in lines if "–" not in line}) == 1


def goodness(report, metric):
    paper = report["paper"]["left_out"]
    value = paper[metric] if metric in paper else report["summary"][metric]["value"]
    return -value if metric.endswith(LOWER_IS_BETTER) else value


def assert_controls_are_told_apart(reports):
    human = reports["human"]
    for control, metrics in controls.CAUGHT_BY.items():
        for metric in metrics:
            gap = goodness(human, metric) - goodness(reports[control], metric)
            assert gap > 0.1, f"{metric} does not catch {control}: {gap:.3f}"
    for control, metrics in controls.MISSED_BY.items():
        for metric in metrics:
            gap = goodness(human, metric) - goodness(reports[control], metric)
            assert gap < 0.1, f"{metric} does catch {control}: {gap:.3f}"


def test_every_control_is_caught_by_something_and_misses_are_known():
    assert set(controls.CAUGHT_BY) == set(suite.CONTROLS) - {"human"}
    for control, missed in controls.MISSED_BY.items():
        assert not set(missed) & set(controls.CAUGHT_BY[control])


@pytest.mark.slow
def test_real_humans_rank_above_every_control(tmp_path):
    data = os.environ.get("PIANIST_DATA")
    if not data or not (Path(data) / "asap" / "metadata.csv").is_file():
        pytest.skip("set PIANIST_DATA to a folder with asap/ in it to rank real performances")
    asap = Path(data) / "asap"
    real = load_pieces(asap, tmp_path, composers=["Bach", "Mozart", "Rachmaninoff"])
    assert [len(piece.humans) for piece in real] == [6, 6, 3, 3]
    pool = load_training_tokens(asap, 20, np.random.default_rng(0))
    reports = suite.evaluate_controls(real, pool, np.random.default_rng(0))
    assert_controls_are_told_apart(reports)
    human = reports["human"]
    assert human["paper"]["left_out"]["intersection_overall"] > 0.85  # four pieces
    for name in ("velocity", "log_ioi", "log_articulation"):
        assert human["summary"][f"{name}_r_single"]["value"] > 0.6
