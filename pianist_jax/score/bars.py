"""Bars by their numbers: as they are played, counted from 1, repeats and pick-ups included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from pianist_jax.errors import PianistError

if TYPE_CHECKING:
    from pianist_jax.score.grid import ScoreGrid

Bars = tuple[int, int]  # the first and the last


def parse_bars(text: str) -> Bars:
    """The bars of `17-32`, or of `17` alone. Raises PianistError.

    >>> parse_bars("17-32"), parse_bars("17")
    ((17, 32), (17, 17))
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*(?:[-–]\s*(\d{1,6})\s*)?", text)
    if not match:
        raise PianistError(f"{text!r} are no bars; write the first and the last, as in 17-32")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last:
        raise PianistError(f"{text!r} are no bars: they count from 1, the first before the last")
    return first, last


def parse_ranges(text: str) -> tuple[Bars, ...]:
    """The ranges of `5-8,17-20`. Raises PianistError."""
    return tuple(parse_bars(part) for part in text.split(","))


def require_bars(grid: ScoreGrid, bars: Bars) -> None:
    """Raises PianistError for bars that the score does not have."""
    count = len(grid.bars()) - 1
    if not 1 <= bars[0] <= bars[1] <= count:
        raise PianistError(f"there are no bars {bars[0]}-{bars[1]}: the score has bars 1-{count}")


def notes_in(grid: ScoreGrid, bars: Bars) -> np.ndarray:
    """bool [N]: which notes begin in these bars. Raises PianistError for bars that the score does not have."""
    require_bars(grid, bars)
    lines = grid.bars()
    return (grid.onset >= lines[bars[0] - 1]) & (grid.onset < lines[bars[1]])
