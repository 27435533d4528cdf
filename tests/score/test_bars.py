import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.score.bars import notes_in, parse_bars, parse_ranges, require_bars
from pianist_jax.score.describe import describe
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.load import load
from tests.music.helpers import midi, off, on, track


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


def test_ranges_of_bars():
    assert parse_ranges("5-8,17-20, 30") == ((5, 8), (17, 20), (30, 30))
    for text in ("5-8,", ",5", "5-8;9", "5,,6"):
        with pytest.raises(PianistError, match="are no bars"):
            parse_ranges(text)


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


def test_inspect_and_render_count_the_same_bars(tmp_path):
    """A metre that comes a few ticks late begins no bar of its own before it; a name that says left means left."""
    path = tmp_path / "a.mid"
    metre = b"\xff\x58\x04\x03\x02\x18\x08"
    left = track((0, b"\xff\x03\x04left"), (0, on(72)), (2000, off(72)), (10, metre), (0, on(74)), (1500, off(74)))
    right = track((0, on(48)), (3510, off(48)))
    path.write_bytes(midi(left, right))
    score, rows = load(path), dict(describe(path))
    assert rows["bars"] == str(len(score.grid.bars()) - 1) == str(len(score.bars)) == "2"
    assert (score.grid.bars()[:-1] / score.grid.ticks_per_quarter).tolist() == [bar.start for bar in score.bars]
    assert rows["hands"].startswith("left hand 2, not said 1")
    require_bars(score.grid, (1, 2))
    with pytest.raises(PianistError, match="the score has bars 1-2"):
        require_bars(score.grid, (3, 3))
