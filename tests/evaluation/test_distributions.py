"""The paper's metrics against cases counted by hand."""

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import distributions as d
from pianist_jax.evaluation.controls import shuffled
from pianist_jax.music.tokens import SLOT_START, decode
from tests.evaluation.pieces import notes


def tokens(rows):
    return (np.array(rows) + SLOT_START).astype(np.int32)


# pitch, ioi, velocity, duration, four pedal samples
ROWS = [
    [60, 150, 10, 0, 0, 0, 0, 0],
    [61, 0, 10, 1, 63, 64, 0, 127],
    [62, 199, 20, 499, 127, 127, 127, 127],
    [63, 200, 30, 500, 64, 0, 0, 0],
]


def test_histograms_count_what_the_paper_counts():
    counts = d.histograms([tokens(ROWS)])
    assert {name: bins.size for name, bins in counts.items()} == d.BINS
    assert np.flatnonzero(counts["velocity"]).tolist() == [10, 20, 30]
    assert counts["velocity"][10] == 2
    # 0 and 1 ms share a bin, 499 ms is in the last, 500 ms is out of range
    assert np.flatnonzero(counts["duration"]).tolist() == [0, 249]
    assert counts["duration"][0] == 2
    # the first IOI of the file is left out, 200 ms is out of range
    assert np.flatnonzero(counts["ioi"]).tolist() == [0, 199]
    # 64 is down, 63 is up; the first sample is the lowest bit
    assert np.flatnonzero(counts["pedal"]).tolist() == [0, 1, 2 + 8, 15]


def test_histograms_pool_files_and_leave_each_first_ioi_out():
    once, twice = d.histograms([tokens(ROWS)]), d.histograms([tokens(ROWS), tokens(ROWS)])
    for name in d.FIELDS:
        np.testing.assert_array_equal(twice[name], 2 * once[name])


def test_distance_and_area_by_hand():
    p, q = np.array([1, 1, 0, 0]), np.array([0, 3, 3, 0])
    # p = (½, ½, 0), q = (0, ½, ½), middle (¼, ½, ¼): each KL = ½·log2(2) = ½, divergence ½
    assert d.js_distance(p, q) == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert d.intersection_area(p, q) == pytest.approx(0.5, abs=1e-6)


def test_the_smoothing_is_added_to_each_probability():
    p, q = np.array([1, 0, 0, 0]), np.array([0, 1, 0, 0])
    assert d.intersection_area(p, q) == pytest.approx(4e-10, rel=1e-6)
    assert d.js_distance(p, q) == pytest.approx(1.0, abs=1e-6)


def test_a_copy_is_at_distance_zero():
    compared = d.compare_histograms(d.histograms([tokens(ROWS)]), d.histograms([tokens(ROWS)]))
    assert compared.overall_js == pytest.approx(0, abs=1e-7)
    assert compared.overall_intersection == pytest.approx(1, abs=1e-6)
    assert compared.warnings == ()


def test_overall_is_the_mean_of_four_fields():
    other = [[60, 5, 10, 0, 0, 0, 0, 0], [60, 199, 90, 499, 0, 0, 0, 0]]
    compared = d.compare_histograms(d.histograms([tokens(ROWS)]), d.histograms([tokens(other)]))
    figures = compared.as_dict()
    assert len(figures) == 10
    assert figures["js_overall"] == pytest.approx(np.mean([figures[f"js_{name}"] for name in d.FIELDS]))
    assert figures["intersection_overall"] == pytest.approx(
        np.mean([figures[f"intersection_{name}"] for name in d.FIELDS])
    )
    assert 0 < figures["intersection_overall"] < 1


def test_shuffling_a_performance_changes_nothing_here():
    rng = np.random.default_rng(0)
    onset = np.cumsum(rng.integers(0, 300, 200))
    played = notes(onset, rng.integers(1, 700, 200), rng.integers(1, 127, 200), pedal=[(500, 90), (9000, 0)])
    mixed = shuffled(played, rng)
    before, after = d.histograms([played]), d.histograms([mixed])
    for name in d.FIELDS:
        np.testing.assert_array_equal(before[name], after[name])
    assert not np.array_equal(mixed, d.as_tokens(played))
    np.testing.assert_array_equal(mixed[:, 0], d.as_tokens(played)[:, 0])


def test_notes_out_of_time_order_count_like_sorted_ones():
    late = notes([0, 130, 100], [10, 20, 30], [1, 2, 3], [60, 61, 62])
    early = notes([0, 100, 130], [10, 30, 20], [1, 3, 2], [60, 62, 61])
    np.testing.assert_array_equal(d.as_tokens(late), d.as_tokens(early))


def test_a_field_without_values_is_named_and_counts_as_disjoint():
    long_notes = [[60, 0, 10, 900, 0, 0, 0, 0], [61, 5, 10, 900, 0, 0, 0, 0]]
    compared = d.compare_histograms(d.histograms([tokens(long_notes)]), d.histograms([tokens(ROWS)]))
    assert (compared.js["duration"], compared.intersection["duration"]) == (1, 0)
    assert compared.warnings == ("duration: generated playing has no value in range; counted as disjoint",)
    assert all(np.isfinite(list(compared.as_dict().values())))


def one_velocity(*velocities):
    return [tokens([[60, 1, velocity, 1, 0, 0, 0, 0]] * 2) for velocity in velocities]


def test_each_human_weighs_alike_when_paired_and_each_piece_when_not():
    generated = [one_velocity(10), one_velocity(20)]
    human = [one_velocity(10, 10, 10), one_velocity(20)]
    paired = d.compare_pieces(generated, human)
    assert paired.intersection["velocity"] == pytest.approx(1, abs=1e-6)
    single = d.compare_pieces(generated, human, "pieces")
    assert single.intersection["velocity"] == pytest.approx(0.75, abs=1e-6)  # ½ ½ against ¾ ¼


def test_several_candidates_are_dealt_in_turn_or_averaged():
    generated, human = [one_velocity(10, 20)], [one_velocity(10, 20, 10, 20)]
    assert d.compare_pieces(generated, human).intersection["velocity"] == pytest.approx(1, abs=1e-6)
    averaged = d.compare_pieces(generated, human, "pieces")
    assert averaged.intersection["velocity"] == pytest.approx(0.5, abs=1e-6)


def test_human_baseline_gives_everybody_a_turn():
    baseline = d.human_baseline([one_velocity(10, 10, 20)])
    # 10 against {10, 20}: ½, twice; 20 against {10, 10}: 0
    assert baseline.intersection["velocity"] == pytest.approx(1 / 3, abs=1e-6)


def test_human_baseline_names_pieces_with_one_human():
    baseline = d.human_baseline([one_velocity(10, 10), one_velocity(99)])
    assert baseline.intersection["velocity"] == pytest.approx(1, abs=1e-6)
    assert baseline.warnings == ("human baseline: 1 piece(s) with fewer than two humans left out",)
    with pytest.raises(PianistError, match="at least two"):
        d.human_baseline([one_velocity(10)])


def test_left_out_comparison_leaves_its_own_human_out():
    compared = d.compare_left_out([one_velocity(10, 20)], [one_velocity(10, 20)])
    assert compared.intersection["velocity"] == pytest.approx(0, abs=1e-6)


def test_errors_of_use():
    with pytest.raises(PianistError, match=r"shape \(3,\)"):
        d.histograms([np.zeros(3, np.int32)])
    with pytest.raises(PianistError, match="at least one candidate"):
        d.compare_pieces([[]], [one_velocity(1)])
    with pytest.raises(PianistError, match="unknown weighting 'all'"):
        d.compare_pieces([one_velocity(1)], [one_velocity(1)], "all")


def test_tokens_and_their_notes_count_alike():
    both = [d.histograms([form]) for form in (tokens(ROWS), decode(tokens(ROWS)))]
    for name in ("velocity", "duration", "ioi"):
        np.testing.assert_array_equal(both[0][name], both[1][name])
