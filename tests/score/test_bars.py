import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.score.bars import notes_in, parse_bars, require_bars
from pianist_jax.score.grid import ScoreGrid


def test_bars_as_they_are_written():
    assert parse_bars("17-32") == (17, 32)
    assert parse_bars(" 5 ") == (5, 5)
    assert parse_bars("1 – 2") == (1, 2)
    for text in ("", "a", "1-", "-3", "1-2-3", "1.5", "9" * 30):
        with pytest.raises(PianistError, match="write the first and the last, as in 17-32"):
            parse_bars(text)
    for text in ("0-3", "4-3"):
        with pytest.raises(PianistError, match="count from 1"):
            parse_bars(text)


def test_notes_of_bars():
    """A pick-up of a quarter, then bars of 3/4; the third note begins just before bar 3."""
    onset = np.array([0, 480, 1919, 1920, 3359, 3360])
    signatures = ((0, 1, 4), (480, 3, 4))
    grid = ScoreGrid(480, onset, np.full(6, 10), np.zeros(6, int), ("Piano",), signatures)
    assert notes_in(grid, (1, 1)).tolist() == [True, False, False, False, False, False]
    assert notes_in(grid, (2, 2)).tolist() == [False, True, True, False, False, False]
    assert notes_in(grid, (3, 4)).tolist() == [False, False, False, True, True, True]
    require_bars(grid, (1, 4))
    for bars in ((0, 1), (3, 2), (2, 5)):
        with pytest.raises(PianistError, match="the score has bars 1-4"):
            notes_in(grid, bars)
