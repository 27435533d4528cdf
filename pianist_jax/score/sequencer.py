"""A score's bars as sequencers and notation programs take them: signatures of at most 99 whole, … or sixteenth notes.

Live documents numerators of 1 to 99 and denominators of 1 to 16, and others are no wider. A bar of another length
(25/32 that a repeat cut, 65/64 that an export rounded) becomes the nearest number of sixteenths that holds its notes;
the next bar begins there, and all that follows is moved by as much.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.score.grid import ScoreGrid, signature_at

DENOMINATORS = (1, 2, 4, 8, 16)
MOST_BEATS = 99  # the largest numerator
SIXTEENTHS = 4  # in a quarter
SLIGHT = 1 / 64  # quarters by which a bar's length may change without a word


def for_sequencers(
    grid: ScoreGrid, ticks_per_quarter: int, *, halved: bool = False
) -> tuple[ScoreGrid, tuple[int, ...]]:
    """The grid in other ticks, all its bars of lengths and signatures that hosts take.

    Args:
        ticks_per_quarter: of the new grid, a multiple of 4.
        halved: a crotchet is written as a quaver, 4/4 as 4/8, and so on, at half as many quarters a minute.

    Gives the new grid and which bars (counted from 1) had to change their length. A bar that a later signature cuts
    short gets one of its own. Notes, keys and tempi keep their distance from their bar line. Raises PianistError
    for a bar of more than 99 whole notes.
    """
    if halved:
        signs = tuple((tick, over, 2 * under) for tick, over, under in grid.time_signatures)
        tempi = tuple(mark._replace(quarters_per_minute=mark.quarters_per_minute / 2) for mark in grid.tempi)
        twice = 2 * grid.ticks_per_quarter
        grid = dataclasses.replace(grid, ticks_per_quarter=twice, time_signatures=signs, tempi=tempi)
    lines, old = grid.bars(), grid.ticks_per_quarter
    length = np.diff(lines) / old
    taken = [
        _signature(quarters, last, *signature_at(grid, tick))
        for quarters, last, tick in zip(length.tolist(), _last_onsets(grid, lines), lines.tolist(), strict=False)
    ]
    steps = [over * 4 * ticks_per_quarter // under for over, under in taken]
    new = np.concatenate([[0], np.cumsum(steps)])

    def moved(ticks: np.ndarray) -> np.ndarray:
        bar = np.clip(np.searchsorted(lines, ticks, side="right") - 1, 0, len(taken) - 1)
        return new[bar] + scaled(ticks - lines[bar], old, ticks_per_quarter)

    def moved_signs(signs: tuple) -> tuple:  # type: ignore[type-arg]
        ticks = moved(np.array([sign[0] for sign in signs], np.int64)).tolist()
        return tuple((tick, *sign[1:]) for tick, sign in zip(ticks, signs, strict=True))

    times = [(int(tick), *sign) for tick, sign in zip(new, taken, strict=False)]
    times = [times[0], *(after for before, after in pairwise(times) if before[1:] != after[1:])]
    tempi = tuple(
        type(mark)(tick, *mark[1:]) for mark, (tick, *_) in zip(grid.tempi, moved_signs(grid.tempi), strict=True)
    )
    changed = np.flatnonzero(np.abs(np.array(steps) / ticks_per_quarter - length) > SLIGHT) + 1
    return dataclasses.replace(
        grid,
        ticks_per_quarter=ticks_per_quarter,
        onset=moved(grid.onset),
        duration=np.maximum(scaled(grid.duration, old, ticks_per_quarter), 1),
        time_signatures=tuple(times),
        key_signatures=moved_signs(grid.key_signatures),
        tempi=tempi,
    ), tuple(changed.tolist())


def scaled(ticks: np.ndarray, old: int, new: int) -> np.ndarray:
    """int64: ticks of `old` to a quarter in ticks of `new`, to the nearest."""
    return (2 * np.asarray(ticks, np.int64) * new + old) // (2 * old)


def _last_onsets(grid: ScoreGrid, lines: np.ndarray) -> list[float]:
    """Quarters from each bar line to the last note that begins before the next: 0 where none does."""
    last = np.zeros(len(lines) - 1)
    bar = np.clip(np.searchsorted(lines, grid.onset, side="right") - 1, 0, len(last) - 1)
    np.maximum.at(last, bar, (grid.onset - lines[bar]) / grid.ticks_per_quarter)
    return last.tolist()


def _signature(length: float, last: float, over: int, under: int) -> tuple[int, int]:
    """The signature for a bar of `length` quarters whose last note begins after `last`, under `over`/`under`."""
    whole = over * 4 / under
    if under in DENOMINATORS and 1 <= over <= MOST_BEATS and abs(whole - length) <= SLIGHT and last < whole:
        return over, under
    sixteenths = max(round(length * SIXTEENTHS), int(last * SIXTEENTHS + 1e-9) + 1)
    preferred = [under] if under in DENOMINATORS else []
    for denominator in (*preferred, 4, 8, 16):
        beats = sixteenths * denominator / 16
        if beats == int(beats) and beats <= MOST_BEATS:
            return int(beats), denominator
    for denominator in (8, 4, 2, 1):  # longer than 99 sixteenths
        beats = -(-sixteenths * denominator // 16)
        if beats <= MOST_BEATS:
            return beats, denominator
    raise PianistError(f"a bar of {length / 4:.0f} whole notes, more than any sequencer takes")
