"""In what order the bars of a score are played: repeats, voltas, da capo, dal segno."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

MAX_BARS = 20_000


@dataclass
class Jumps:
    """The signs at one written bar that send the player elsewhere.

    `repeat_end` is how often the section that ends here is played (0: no repeat ends here), `repeat_again` whether also
    after a da capo or dal segno; `endings` are the passes on which a bar under a volta bracket is played (empty:
    always). A da capo or dal segno goes `until` the "fine", the "coda", or the fine and from there to the coda
    ("fine, coda"; empty: whichever comes), with all repeats if `again`. `fine_at` is where in the bar the fine stands
    (quarters; 0: at its end), `fine_sure` whether a program says so. `coda_sign` is one of which the page does not say
    whether it leads to the coda or begins it, `from_sign` words that may be a dal segno. Names tell several segni or
    codas apart.
    """

    repeat_start: bool = False
    repeat_end: int = 0
    repeat_again: bool = False
    endings: frozenset[int] = field(default_factory=frozenset)
    segno: bool = False
    coda: bool = False
    fine: bool = False
    fine_at: float = 0.0
    fine_sure: bool = False
    to_coda: bool = False
    coda_sign: bool = False
    da_capo: bool = False
    dal_segno: bool = False
    from_sign: bool = False
    until: str = ""
    again: bool = False
    segno_name: str = ""
    coda_name: str = ""
    leap_name: str = ""
    to_coda_name: str = ""


class Form(NamedTuple):
    """Indices of the written bars as they are played, and where the last one breaks off (quarters; 0: at its end)."""

    order: list[int]
    breaks_off: float = 0.0


@dataclass
class _Section:
    """The section that is being repeated: where it begins, its pass, and those around it that are not finished.

    `row`: the row of brackets inside which it begins, if it does; `row_pass` the pass on which that was entered.
    """

    start: int = 0
    turn: int = 1
    row: frozenset[int] | None = None
    row_pass: int = 0
    around: list[tuple[int, int]] = field(default_factory=list)

    def begin(self, bar: int) -> None:
        """Begin anew at a bar, outside of all brackets."""
        self.start, self.turn, self.row = bar, 1, None
        self.around.clear()

    def begin_inside(self, bar: int, row: frozenset[int]) -> None:
        """Begin under a bracket; what is around it goes on later, unless this is its last pass."""
        if self.row is not row:
            if self.turn < max(row):
                self.around.append((self.start, self.turn))
            self.row_pass = self.turn
        self.start, self.turn, self.row = bar, 1, row


def repeated_sections(bars: Sequence[Jumps]) -> list[frozenset[int]]:
    """The written bars of each section that a repeat sign has played again, with its brackets, in order."""
    passes = _volta_passes(bars)
    found: dict[int, frozenset[int]] = {}
    for bar, following in pairwise(played_form(bars).order):
        if following <= bar and not (bars[bar].da_capo or bars[bar].dal_segno):
            row = [other for other in passes if passes[other] is passes.get(bar)]
            found[following] = found.get(following, frozenset()) | {*range(following, bar + 1), *row}
    return [found[start] for start in sorted(found)]


def played_form(bars: Sequence[Jumps], *, repeats: bool = True, once: Collection[int] = ()) -> Form:
    """In what order the written bars are played, at most `MAX_BARS`.

    Repeats are played out, each volta on its pass, those under a bracket inside it. A da capo or dal segno is taken
    once; after it, in bars that were heard before, repeats are not played again, the last volta is taken, and the piece
    ends at the fine or goes on from the coda. So are repeats of the bars `once` from the start. With `repeats=False`
    every bar is played once; of voltas the last alone.
    A bracket that no repeat leads to is played as it stands. Raises ValueError where it makes more than `MAX_BARS`.
    """
    passes = _volta_passes(bars)
    if not repeats:
        once = [bar for bar in range(len(bars)) if bar not in passes or max(passes[bar]) in bars[bar].endings]
        _require_bounded(once)
        return Form(once)
    order: list[int] = []
    section, bar = _Section(), 0
    heard: set[int] = set()  # before the last jump
    taken: set[int] = set()
    until: str | None = None  # no jump yet
    again = False
    while bar < len(bars):
        here, row = bars[bar], passes.get(bar)
        quiet = bar in once or (bar in heard and not again)
        if row is not None:
            turn = max(row) if quiet else section.row_pass if section.row is row else section.turn
            if turn not in here.endings:
                bar += 1
                if passes.get(bar) is not row:
                    section.begin(bar)
                continue
        if here.repeat_start and bar != section.start:
            section.begin(bar) if row is None else section.begin_inside(bar, row)
        order.append(bar)
        _require_bounded(order)
        if (back := _back(bars, passes, bar, section, quiet)) is not None:
            bar = back
            continue
        leap = None
        if until is not None and here.fine and until != "coda":
            leap = _coda(bars, bar) if until == "fine, coda" else None
            if leap is None:
                return Form(order, here.fine_at)
            until = ""
        elif until is not None and here.to_coda and until in ("", "coda"):
            leap, until = _coda(bars, bar), ""
        elif bar not in taken and (here.da_capo or here.dal_segno):
            taken.add(bar)
            leap, until, again, heard = _leap(bars, bar), _until(bars, bar), here.again, set(order)
        if leap is not None:
            bar = leap
            section.begin(bar)
            continue
        bar += 1
    return Form(order)


def _back(
    bars: Sequence[Jumps], passes: dict[int, frozenset[int]], bar: int, section: _Section, quiet: bool
) -> int | None:
    """Where a repeat leads back to from the end of a bar; None where the player goes on, maybe to a new section."""
    here, row, following = bars[bar], passes.get(bar), passes.get(bar + 1)
    times = here.repeat_end
    if times and row is not None and section.row is not row:
        times = max(times, max(row))
    if section.turn < times and (not quiet or here.repeat_again):
        section.turn += 1
        return section.start
    ends = times > 0
    if ends and section.row is not None and section.around:  # what was repeated under a bracket is done
        section.start, section.turn = section.around.pop()
        section.row, ends = None, False
    if row is not None and section.row is not row:
        next_bracket = following is row and section.turn not in bars[bar + 1].endings
        if next_bracket and section.turn < max(row) and not quiet:  # whether a sign stands there or not
            section.turn += 1
            return section.start
        ends |= following is not row
    if ends and row is not None and section.row is row and following is row:  # the bracket goes on
        section.start, section.turn = bar + 1, 1
    elif ends:
        section.begin(bar + 1)
    return None


def _require_bounded(order: list[int]) -> None:
    if len(order) > MAX_BARS:
        raise ValueError(f"more than {MAX_BARS} bars, repeats played out")


def _leap(bars: Sequence[Jumps], bar: int) -> int:
    """Where a da capo or dal segno at the end of a bar leads: to the segno of its name, else to the last before it."""
    if bars[bar].da_capo:
        return 0
    before = [other for other in range(bar, -1, -1) if bars[other].segno]
    named = [other for other in before if bars[other].segno_name == bars[bar].leap_name]
    return next(iter(named or before), 0)


def _coda(bars: Sequence[Jumps], bar: int) -> int | None:
    """The coda that a sign at the end of a bar leads to: the one of its name, else the next."""
    after = [other for other in range(bar + 1, len(bars)) if bars[other].coda]
    named = [other for other in after if bars[other].coda_name == bars[bar].to_coda_name]
    return next(iter(named or after), None)


def _until(bars: Sequence[Jumps], bar: int) -> str:
    """What ends the way after a jump: either sign, where the one it names stands nowhere."""
    until = bars[bar].until
    there = any(each.to_coda if until == "coda" else each.fine for each in bars)
    return until if there else ""


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
