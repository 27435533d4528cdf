"""Aligned metrics: what a copy, a timid copy, a seam and every degenerate piece come out as."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import aligned as a
from pianist_jax.evaluation import controls, results
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.performance.parameters import CURVES, chords_of
from tests.evaluation.pieces import invented_piece, notes


@pytest.fixture(scope="module")
def piece():
    return invented_piece(np.random.default_rng(0), size=700)


def samples_of(chords, performances):
    everyone = np.arange(chords.notes)
    return [a.prepare(chords, Played("one", notes, everyone, aligned=False)) for notes in performances]


def measured(piece, *candidates, boundaries=None):
    reference = a.reference_of(piece)
    return a.candidate_metrics(reference, samples_of(reference.chords, candidates), boundaries)


def test_a_perfect_copy_of_the_only_human(piece):
    alone = replace(piece, humans=piece.humans[:1])
    metrics = measured(alone, alone.humans[0].notes)
    for name in CURVES:
        for metric in ("r_single", "r_mean", "r_each", "r2_single", "r2_mean", "variance_match"):
            assert metrics[f"{name}_{metric}"] == pytest.approx(1), (name, metric)
    assert metrics["pedal_f1"] == 1
    assert metrics["pedal_down_error"] == 0


def test_r_r2_and_variance_by_hand():
    # two humans of velocities v and v, a candidate that doubles the deviations and one that turns them round
    deviation = np.tile([-10, 10, -5, 5], 4)
    score = notes(np.arange(16) * 200)
    humans = [Played(str(k), notes(score.onset, velocity=60 + deviation), np.arange(16)) for k in range(2)]
    piece = PlayedPiece("p", "p", score, tuple(humans))
    bold, turned = (notes(score.onset, velocity=50 + factor * deviation) for factor in (2, -1))
    metrics = measured(piece, bold)
    assert metrics["velocity_r_single"] == pytest.approx(1)
    assert metrics["velocity_r2_single"] == pytest.approx(0)
    assert metrics["velocity_variance_ratio"] == pytest.approx(4)
    assert metrics["velocity_variance_match"] == pytest.approx(0.25)
    assert metrics["velocity_agreement"] == pytest.approx(0.25)
    both = measured(piece, bold, turned)
    assert both["velocity_r_single"] == pytest.approx(0)  # (1 − 1) / 2
    assert both["velocity_r_each"] == pytest.approx(0)
    assert both["velocity_r_mean"] == pytest.approx(1)  # their mean: half the deviations
    assert both["velocity_r2_mean"] == pytest.approx(0.75)
    assert both["velocity_r2_single"] == pytest.approx((0 - 3) / 2)
    assert both["velocity_variance_ratio"] == pytest.approx(2.5)
    assert both["velocity_variance_match"] == pytest.approx(0.625)
    assert both["velocity_agreement"] == pytest.approx((0.25 - 1) / 2)


def test_wasserstein_is_one_for_a_human_and_grows_with_the_distance():
    score = notes(np.arange(16) * 200)
    levels = (40, 50, 60, 70)
    humans = [Played(str(v), notes(score.onset, velocity=np.full(16, v)), np.arange(16)) for v in levels]
    piece = PlayedPiece("p", "p", score, tuple(humans))
    between = np.mean([abs(x - y) for x in levels for y in levels if x != y])
    for level in (40, 55, 90):
        metrics = measured(piece, notes(score.onset, velocity=np.full(16, level)))
        expected = np.mean([abs(level - v) for v in levels]) / between
        assert metrics["velocity_wasserstein"] == pytest.approx(expected)


def test_the_set_distance_wants_the_spread_of_the_humans():
    crowd = invented_piece(np.random.default_rng(5), humans=8)
    reference, own = replace(crowd, humans=crowd.humans[:4]), [human.notes for human in crowd.humans[4:]]
    as_humans, all_alike = measured(reference, *own), measured(reference, *[own[0]] * 4)
    for name in CURVES:
        assert as_humans[f"{name}_wasserstein_set"] == pytest.approx(1, abs=0.1)
        assert all_alike[f"{name}_wasserstein_set"] > as_humans[f"{name}_wasserstein_set"] + 0.1
        assert as_humans[f"{name}_spread_ratio"] == pytest.approx(1, abs=0.2)
        assert all_alike[f"{name}_spread_ratio"] == pytest.approx(0, abs=1e-6)
    assert "velocity_spread_ratio" not in measured(reference, own[0])


def test_levels_and_ranges_of_velocity_are_the_samples_and_the_humans_own():
    crowd = invented_piece(np.random.default_rng(5), humans=8)
    reference, own = replace(crowd, humans=crowd.humans[:4]), [human.notes for human in crowd.humans[4:]]
    louder = [replace(one, velocity=np.clip(one.velocity + 15, 1, 127)) for one in own]
    as_humans, loud = measured(reference, *own), measured(reference, *louder)
    assert loud["velocity_wasserstein_level"] > 5 * as_humans["velocity_wasserstein_level"]
    assert loud["log_ioi_wasserstein_level"] == pytest.approx(as_humans["log_ioi_wasserstein_level"])
    played = [human.notes.velocity for human in reference.humans]
    assert as_humans["velocity_deviation_human"] == pytest.approx(np.mean([one.std() for one in played]))
    wide = np.mean([np.subtract(*np.quantile(one.velocity, [0.95, 0.05])) for one in own])
    assert as_humans["velocity_range"] == pytest.approx(wide)


def test_the_ceiling_is_what_each_human_reaches_as_a_candidate_against_the_others(piece):
    reference = a.reference_of(piece)
    found = a.human_metrics(reference)
    turns = [
        a.candidate_metrics(a.without(reference, k), samples_of(reference.chords, [piece.humans[k].notes]))
        for k in range(len(piece.humans))
    ]
    for name in CURVES:
        for ceiling, metric in (
            ("r_ceiling", "r_single"),
            ("r2_ceiling", "r2_single"),
            ("r_between", "r_each"),
        ):
            expected = np.mean([turn[f"{name}_{metric}"] for turn in turns])
            assert found[f"{name}_{ceiling}"] == pytest.approx(expected, abs=0.02), (name, metric)
        r = found[f"{name}_r_between"]
        assert found[f"{name}_reliability"] == pytest.approx(4 * r / (1 + 3 * r))
    assert found["pedal_f1_ceiling"] == pytest.approx(np.mean([turn["pedal_f1"] for turn in turns]), abs=1e-6)
    assert found["pedal_down_error_ceiling"] == pytest.approx(np.mean([t["pedal_down_error"] for t in turns]))


def test_tempo_level_and_start_do_not_matter_to_the_shape(piece):
    own = piece.humans[0].notes
    other = replace(
        own,
        onset=own.onset * 2 + 999,
        duration=own.duration * 2,
        velocity=own.velocity // 2,
        pedal_time=own.pedal_time * 2 + 999,
    )
    first, second = measured(piece, own), measured(piece, other)
    for metric in ("log_ioi_r_single", "log_ioi_r2_single", "log_articulation_r_single", "pedal_down"):
        assert second[metric] == pytest.approx(first[metric], abs=1e-6)
    assert second["velocity_r_single"] == pytest.approx(first["velocity_r_single"], abs=0.01)
    assert second["log_ioi_wasserstein"] > first["log_ioi_wasserstein"] + 0.5


def test_what_was_not_played_is_left_out_pair_by_pair(piece):
    holes = piece.humans[0].match.copy()
    holes[100:104] = -1
    wrong = piece.humans[0].notes.velocity.copy()
    wrong[100:104] = 127
    damaged = replace(piece.humans[0], notes=replace(piece.humans[0].notes, velocity=wrong), match=holes)
    alone = replace(piece, humans=(damaged,))
    assert measured(alone, piece.humans[0].notes)["velocity_r_single"] == pytest.approx(1)


def test_the_seam_metrics_see_seams_and_nothing_else(piece):
    rng = np.random.default_rng(1)
    mean = np.mean([human.notes.velocity for human in piece.humans], axis=0)
    noise = rng.normal(0, 3, 700)
    at = np.arange(700)
    near = (np.abs(at - 256) <= 16) | (np.abs(at - 512) <= 16)

    def seams(velocity):
        played = replace(piece.humans[0].notes, velocity=np.clip(np.rint(velocity), 1, 127).astype(np.int16))
        metrics = measured(piece, played)
        return metrics["velocity_seam"], metrics["velocity_seam_jump"]

    even, rough, stepped = (
        seams(mean + noise),
        seams(mean + noise * np.where(near, 3, 1)),
        seams(mean + noise + np.where((at // 256) % 2, 12, 0)),
    )
    assert even[0] == pytest.approx(1, abs=0.25)
    assert rough[0] > 2.2
    assert stepped[1] > 3 > 2 > even[1]


def test_seams_lie_where_they_are_said_to_lie(piece):
    at = np.array([100, 300])
    velocity = piece.humans[0].notes.velocity.copy()
    velocity[95:105], velocity[295:305] = 127, 127
    played = replace(piece.humans[0].notes, velocity=velocity)
    alone = replace(piece, humans=piece.humans[:1])
    told, guessed = measured(alone, played, boundaries=at), measured(alone, played)
    assert told["velocity_seam"] > 5 > guessed["velocity_seam"]


def flat(piece):
    return replace(piece.score, velocity=np.full(len(piece.score), 70, np.int16))


def test_chords_missing_and_extra_notes_are_measured(piece):
    own = piece.humans[0]
    metrics = measured(piece, own.notes)
    assert metrics["chord_spread"] == 0  # invented humans strike chords at once
    assert metrics["chord_spread_human"] == metrics["chord_spread_error"] == metrics["melody_lead"] == 0
    assert metrics["notes_missing"] == metrics["notes_extra"] == 0
    reference = a.reference_of(piece)
    some = own.match.copy()
    some[:70] = -1
    metrics = a.candidate_metrics(reference, [a.prepare(reference.chords, replace(own, match=some))])
    assert metrics["notes_missing"] == metrics["notes_extra"] == pytest.approx(0.1)
    assert metrics["velocity_r_single"] == pytest.approx(measured(piece, own.notes)["velocity_r_single"], abs=0.05)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda p: replace(p, humans=p.humans[:1]), "one human"),
        (lambda p: without_pedal(p), "no human uses the pedal"),
        (lambda p: first_notes(p, 300), "no window boundary in so short a piece"),
        (lambda p: first_notes(p, 5), "too few notes, samples or humans|no window boundary"),
        (lambda p: constant_velocity(p), "a constant human curve"),
    ],
)
def test_degenerate_pieces_are_named_and_never_nan(piece, change, named):
    changed = change(piece)
    reference = a.reference_of(changed)
    samples = samples_of(reference.chords, [changed.humans[0].notes, flat(changed)])
    warnings: list[str] = []
    for metrics in (a.candidate_metrics(reference, samples), a.human_metrics(reference)):
        result = results.result_of(reference, metrics, results.degenerate(changed, reference, samples))
        assert all(np.isfinite(value) for value in result.metrics.values())
        warnings += result.warnings
    assert any(re.search(named, warning) for warning in warnings), warnings
    assert all(warning.startswith("piece: ") for warning in warnings)


def without_pedal(piece):
    nothing = np.zeros(0, np.int64)
    return replace(
        piece,
        humans=tuple(
            replace(one, notes=replace(one.notes, pedal_time=nothing, pedal_value=nothing)) for one in piece.humans
        ),
    )


def constant_velocity(piece):
    level = np.full(len(piece.score), 64, np.int16)
    return replace(piece, humans=tuple(replace(one, notes=replace(one.notes, velocity=level)) for one in piece.humans))


def cut(notes_, count):
    return replace(
        notes_, **{name: getattr(notes_, name)[:count] for name in ("pitch", "onset", "duration", "velocity")}
    )


def first_notes(piece, count):
    humans = tuple(Played(one.name, cut(one.notes, count), one.match[:count]) for one in piece.humans)
    return PlayedPiece(piece.name, piece.composition, cut(piece.score, count), humans)


def test_flat_candidates_count_as_zero_and_are_named(piece):
    reference = a.reference_of(piece)
    samples = samples_of(reference.chords, [controls.deadpan(piece.score)])
    metrics = a.candidate_metrics(reference, samples)
    for name in CURVES:
        assert metrics[f"{name}_r_single"] == 0
        assert metrics[f"{name}_variance_match"] == 0
        assert metrics[f"{name}_r2_single"] == pytest.approx(0)
    assert metrics["pedal_f1"] == 0
    warnings = " ".join(results.degenerate(piece, reference, samples))
    for expected in (*(f"constant {name} in candidate 0" for name in CURVES), "without any pedal"):
        assert expected in warnings


def test_a_human_who_plays_little_is_named(piece):
    match = np.where(np.arange(700) < 400, np.arange(700), -1)
    little = replace(piece, humans=(replace(piece.humans[0], match=match), *piece.humans[1:]))
    reference = a.reference_of(little)
    assert results.degenerate(little, reference, [])[0] == "piece: human 0 plays 57% of the score's notes"


def test_no_human_and_a_human_of_nothing(piece):
    with pytest.raises(PianistError, match="piece: no human performance"):
        a.reference_of(replace(piece, humans=()))
    silent = replace(piece.humans[0], match=np.full(700, -1))
    with pytest.raises(PianistError, match="human 0 plays no note of the score"):
        a.reference_of(replace(piece, humans=(silent,)))


def test_aggregate_is_the_mean_over_compositions():
    found_of = [
        results.PieceResult("x1", "x", {"r": 0.0}, ()),
        results.PieceResult("x2", "x", {"r": 1.0, "f": 3.0}, ()),
        results.PieceResult("y", "y", {"r": 1.0}, ()),
    ]
    found = results.aggregate(found_of, np.random.default_rng(0))
    assert found["r"]["value"] == pytest.approx(0.75)
    assert found["r"]["compositions"] == 2
    assert (found["r"]["low"], found["r"]["high"]) == (0.5, 1.0)
    assert found["f"] == {"value": 3.0, "low": 3.0, "high": 3.0, "compositions": 1}


def test_frame_length_is_that_of_the_score(piece):
    assert chords_of(piece.score).notes == 700
