"""In what order the bars of a score are played: repeats, voltas, da capo, dal segno."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

MAX_BARS = 20_000


@dataclass
class Jumps:
    """The signs at one written bar that send the player elsewhere.

    `repeat_end` is how often the section that ends here is played (0: no repeat ends here); `endings` are the
    passes on which a bar under a volta bracket is played (empty: always).
    """

    repeat_start: bool = False
    repeat_end: int = 0
    endings: frozenset[int] = field(default_factory=frozenset)
    segno: bool = False
    coda: bool = False
    fine: bool = False
    to_coda: bool = False
    da_capo: bool = False
    dal_segno: bool = False


def played_order(bars: Sequence[Jumps], *, repeats: bool = True) -> list[int]:
    """Indices of the written bars in the order in which they are played, at most `MAX_BARS`.

    Repeats are played out, each volta on its pass. After a da capo or dal segno repeats are not played again,
    the last volta is taken, and the piece ends at the fine or goes on from the coda. With `repeats=False`
    every bar is played once; of voltas the last alone. A bracket that no repeat leads to is played as it stands.
    Raises ValueError where the signs make more than `MAX_BARS` bars.
    """
    passes = _volta_passes(bars)
    last_pass = {bar: max(among) for bar, among in passes.items()}
    if not repeats:
        order = [bar for bar in range(len(bars)) if bar not in passes or last_pass[bar] in bars[bar].endings]
        _require_bounded(order)
        return order
    order, bar, start, turn = [], 0, 0, 1
    jumped = False
    while bar < len(bars):
        here = bars[bar]
        if here.repeat_start and bar != start:
            start, turn = bar, 1
        if bar in passes and (last_pass[bar] if jumped else turn) not in here.endings:
            bar += 1
            if bar not in passes or passes[bar] is not passes[bar - 1]:
                start, turn = bar, 1
            continue
        order.append(bar)
        _require_bounded(order)
        times = max(here.repeat_end, last_pass.get(bar, 0)) if here.repeat_end else 0
        if turn < times and not jumped:
            bar, turn = start, turn + 1
            continue
        leap = None if jumped else _leap(bars, bar)
        if jumped and here.fine:
            break
        if jumped and here.to_coda:
            leap = next((other for other in range(bar + 1, len(bars)) if bars[other].coda), None)
        if leap is not None:
            jumped, bar, start, turn = True, leap, leap, 1
            continue
        bar += 1
        left_volta = bar - 1 in passes and passes.get(bar) is not passes[bar - 1]
        if here.repeat_end or left_volta:
            start, turn = bar, 1
    return order


def _require_bounded(order: list[int]) -> None:
    if len(order) > MAX_BARS:
        raise ValueError(f"more than {MAX_BARS} bars, repeats played out")


def _leap(bars: Sequence[Jumps], bar: int) -> int | None:
    """Where a da capo or dal segno at the end of a bar leads."""
    if bars[bar].da_capo:
        return 0
    if bars[bar].dal_segno:
        return next((other for other in range(bar, -1, -1) if bars[other].segno), 0)
    return None


def _volta_passes(bars: Sequence[Jumps]) -> dict[int, frozenset[int]]:
    """For each bar under a volta bracket all passes of its row of brackets; one shared object a row.

    A row without a repeat sign, or with a single bracket that the first pass skips, is no volta.
    """
    passes: dict[int, frozenset[int]] = {}
    for bracketed, group in groupby(range(len(bars)), key=lambda bar: bool(bars[bar].endings)):
        if not bracketed:
            continue
        for row in _rows(bars, list(group)):
            among = frozenset().union(*(bars[bar].endings for bar in row))
            if any(bars[bar].repeat_end for bar in row) and 1 in among:
                passes |= dict.fromkeys(row, among)
    return passes


def _rows(bars: Sequence[Jumps], group: list[int]) -> list[list[int]]:
    """Adjacent brackets, cut where a first ending follows another ending: a new row begins there."""
    rows = [[group[0]]]
    for before, bar in pairwise(group):
        fresh = 1 in bars[bar].endings and 1 not in bars[before].endings
        if fresh:
            rows.append([])
        rows[-1].append(bar)
    return rows
