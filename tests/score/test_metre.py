"""Where notes stand, on scores written out by hand."""

import numpy as np
import pytest

from pianist_jax.music.tokens import METRE, METRE_SIZE
from pianist_jax.score.grid import NO_SIGNATURE, ScoreGrid
from pianist_jax.score.metre import metre


def column(grid: ScoreGrid, name: str) -> list[int]:
    """A column counted from 0, -1 where it is not known."""
    return (metre(grid)[:, METRE.index(name)] - 1).tolist()


def grid_of(onset: list[int], signatures: tuple = (NO_SIGNATURE,), parts: tuple[str, ...] = ("Piano",), **columns):
    ticks = np.array(onset, np.int64)
    part = np.array(columns.get("part", [0] * len(onset)), np.int64)
    return ScoreGrid(24, ticks, np.full(len(ticks), 12), part, parts, signatures)


def test_places_in_bar_and_beat() -> None:
    grid = grid_of([0, 24, 36, 96, 100], ((0, 4, 4),))
    assert column(grid, "bar") == [0, 48, 72, 0, 8]
    assert column(grid, "beat") == [0, 0, 24, 0, 8]
    assert column(grid, "beats") == [3] * 5  # 4 beats, counted from 1


def test_compound_time_has_beats_of_three() -> None:
    grid = grid_of([0, 12, 36, 48], ((0, 6, 8),))
    assert column(grid, "beats") == [1] * 4
    assert column(grid, "beat") == [0, 16, 0, 16]
    assert column(grid, "bar") == [0, 32, 96, 128]


def test_an_upbeat_stands_before_the_bar_line() -> None:
    grid = grid_of([0, 24, 48], ((0, 1, 4), (24, 4, 4)))
    assert column(grid, "bar") == [144, 0, 48]
    assert column(grid, "beats") == [3, 3, 3]


def test_a_metre_that_changes_later_is_no_upbeat() -> None:
    grid = grid_of([0, 48, 96, 120], ((0, 2, 4), (96, 3, 4)))
    assert column(grid, "bar") == [0, 0, 0, 64]
    assert column(grid, "beats") == [1, 1, 2, 2]


def test_chords_hands_and_the_way_to_the_end() -> None:
    grid = grid_of([0, 0, 0, 24, 96], parts=("Right hand", "Left hand", "Flute"), part=[1, 0, 0, 2, 0])
    assert column(grid, "below") == [0, 1, 2, 0, 0]
    assert column(grid, "above") == [2, 1, 0, 0, 0]
    assert column(grid, "hand") == [1, 0, 0, -1, 0]
    assert column(grid, "gap") == [0, 0, 0, 24, 72]
    assert column(grid, "begun") == [0, 0, 0, 1, 4]
    assert column(grid, "left") == [4, 4, 4, 3, 0]


def test_every_column_stays_in_its_range() -> None:
    rng = np.random.default_rng(0)
    onset = np.sort(rng.integers(0, 200_000, 500)).tolist()
    columns = metre(grid_of(onset, ((0, 1, 64), (77, 31, 8), (9000, 17, 16), (60_000, 255, 1))))
    assert columns.shape == (500, len(METRE))
    assert (columns >= 0).all()
    assert (columns < np.array(METRE_SIZE)).all()


@pytest.mark.parametrize("factor", [1, 20])
def test_ticks_are_only_a_way_of_counting(factor: int) -> None:
    one = grid_of([0, 24, 36, 96])
    more = ScoreGrid(24 * factor, one.onset * factor, one.duration * factor, one.part, one.part_names)
    np.testing.assert_array_equal(metre(one), metre(more))
