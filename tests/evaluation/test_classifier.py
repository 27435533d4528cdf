"""A classifier tells machine from human where they differ, cannot where they do not, and says what differs."""

from dataclasses import replace

import numpy as np
import pytest

from pianist_jax.evaluation import classifier
from pianist_jax.evaluation.features import FEATURES, GROUPS, NAMES, columns_of, window_features
from pianist_jax.evaluation.pieces import Played
from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import chords_of
from tests.evaluation.pieces import invented_performance, invented_piece, notes


@pytest.fixture(scope="module")
def music():
    """Four pieces, each with three humans and, of the same making, two performances that pass for human."""
    rng = np.random.default_rng(7)
    found = []
    for index in range(4):
        piece, shared = invented_piece(rng, size=500, humans=3, name=f"p{index}", with_shared=True)
        more = [invented_performance(rng, piece.score, shared, 0.5) for _ in range(2)]
        everyone = np.arange(len(piece.score))
        found.append((piece, [Played("made", one, everyone, aligned=False) for one in more]))
    return found


def asked(music, change=lambda notes: notes):
    pieces = [piece for piece, _ in music]
    humans = classifier.human_windows(pieces)
    made = [
        classifier.candidate_windows(piece, [replace(one, notes=change(one.notes)) for one in performed])
        for piece, performed in music
    ]
    return classifier.classify(pieces, humans, made, seed=0)


def test_what_is_made_as_humans_are_cannot_be_told_from_them(music):
    found = asked(music)["auc"]
    assert set(found) == {"all", *GROUPS}
    assert all(abs(figures["value"] - 0.5) < 0.2 for figures in found.values())
    assert found["all"]["compositions"] == 4
    assert found["all"]["low"] <= found["all"]["value"] <= found["all"]["high"]


def test_flattened_dynamics_are_found_in_their_group_and_named(music):
    def flatter(one: Notes) -> Notes:
        velocity = one.velocity.mean() + 0.4 * (one.velocity - one.velocity.mean())
        return replace(one, velocity=np.rint(velocity).astype(np.int16))

    found = asked(music, flatter)
    assert found["auc"]["dynamics"]["value"] > 0.95
    assert found["auc"]["all"]["value"] > 0.95
    assert abs(found["auc"]["pedal"]["value"] - 0.5) < 0.2
    first = found["tells"][0]
    assert first["group"] == "dynamics"
    assert abs(first["auc"] - 0.5) > 0.4
    assert first["machine"] < 0.6 * first["human"]
    assert "smaller than humans'" in first["words"]


def test_the_floor_is_a_human_among_humans(music):
    pieces = [piece for piece, _ in music]
    found = classifier.classify_humans(pieces, classifier.human_windows(pieces), seed=0)
    assert all(abs(figures["value"] - 0.5) < 0.15 for figures in found["auc"].values())


def test_too_few_windows_are_named_and_give_no_figure(music):
    piece, performed = music[0]
    systems: dict[str, dict] = {"human": {}, "made": {}}
    warnings = classifier.add_classifier(systems, [piece], {"made": [performed]}, seed=0)
    assert systems == {"human": {}, "made": {}}
    assert [line.split(":")[0] for line in warnings] == ["human", "made"]


def test_gaps_of_a_human_are_gaps_of_the_candidate(music):
    piece, performed = music[0]
    heard = np.ones(len(piece.score), bool)
    heard[64:128] = False
    whole = window_features(chords_of(piece.score), performed[0])
    holed = window_features(chords_of(piece.score), performed[0], heard)
    assert np.isnan(holed[1]).all()
    assert np.isfinite(whole[1, columns_of("dynamics")]).all()
    np.testing.assert_array_equal(holed[0, columns_of("chords")], whole[0, columns_of("chords")])


def test_features_by_hand():
    """64 chords of two notes, 500 ms apart: 10 louder above, 6 ms earlier above, the pedal down in every other half."""
    beats = np.arange(64) * 500
    score = notes(np.repeat(beats, 2), np.full(128, 500), pitch=np.tile([40, 60], 64))
    onset = np.repeat(1000 + beats, 2) + np.tile([6, 0], 64)
    loud = np.repeat(np.where(np.arange(64) % 2, 70, 60), 2) + np.tile([0, 10], 64)
    pedal = [event for beat in beats for event in ((1020 + beat, 100), (1270 + beat, 0))]
    played = Played("x", notes(onset, np.full(128, 250), loud, np.tile([40, 60], 64), pedal), np.arange(128))
    found = dict(zip(NAMES, window_features(chords_of(score), played).T, strict=True))
    assert len(found) == len(FEATURES)
    np.testing.assert_allclose(found["velocity"], 70)
    np.testing.assert_allclose(found["velocity_step"], 10)
    np.testing.assert_allclose(found["velocity_top"], 10)
    np.testing.assert_allclose(found["velocity_again"], -1, atol=0.05)
    np.testing.assert_allclose(found["spread"], 6)
    np.testing.assert_allclose(found["lead"], 6)
    np.testing.assert_allclose(found["place_velocity"], -1)
    np.testing.assert_allclose(found["ioi_spread"], 0, atol=1e-9)
    np.testing.assert_allclose(found["articulation"], np.log(0.5))
    np.testing.assert_allclose(found["pedal_down"], 0.5, atol=0.02)
    np.testing.assert_allclose(found["pedal_changes"], 1)
    np.testing.assert_allclose(found["pedal_after"], 17)  # a chord sounds when its notes do on average
    np.testing.assert_allclose(found["pedal_lifted"], 250)


def test_differences_in_words():
    steps = classifier.in_words(FEATURES["velocity_step"], 6.4, 8.4)["words"]
    assert steps == "velocity steps from chord to chord are 24% smaller than humans' (6.4, theirs 8.4)"
    assert classifier.in_words(FEATURES["pedal_after"], -6.0, 10.0)["words"].endswith("is -6.0 ms, humans' +10.0 ms")


def test_auc_by_hand():
    assert classifier.auc(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1
    assert classifier.auc(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == pytest.approx(0.625)
    assert np.isnan(classifier.auc(np.array([]), np.array([1.0])))
