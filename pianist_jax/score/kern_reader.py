"""Where a reader of **kern stands: its spines, the time, the bar."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from pianist_jax.score.reader import Reader
from pianist_jax.score.written import Written, WrittenNote


@dataclass
class Spine:
    """One column of the file: what it holds, its staff (1 is the highest) and part, and when its last note ends."""

    kind: str
    kern: bool
    staff: int
    part: int
    end: Fraction
    cue: bool = False  # small notes
    cue_begins: Fraction = Fraction(-1)
    others: bool = False  # the small notes are of another player
    graces: list[list[WrittenNote]] = field(default_factory=list)


@dataclass
class KernReader:
    """`now` and `bar_start` are quarters from the beginning; `line` is that of the file."""

    name: str
    written: Written
    line: int = 0
    lines: list[str] = field(default_factory=list)
    spines: list[Spine] = field(default_factory=list)
    started: bool = False
    numbered: bool = False  # whether the file numbers its bars
    now: Fraction = Fraction(0)
    bar_start: Fraction = Fraction(0)
    nominal: float = 0.0  # length of a bar by the metre; 0: none yet
    metre: list[float] = field(default_factory=list)  # that of the first bar
    key: tuple[int, bool] = (0, False)
    label: str = ""  # of the section that begins here
    labels: dict[str, int] = field(default_factory=dict)  # bars at which sections begin
    lists: dict[bool, list[str]] = field(default_factory=dict)  # sections as played, by whether repeats are
    slurs: dict[tuple[int, int], list[WrittenNote]] = field(default_factory=dict)
    hairpins: dict[int, tuple[int, float, int]] = field(default_factory=dict)  # open ones, by part
    linked: re.Pattern[str] = re.compile(r"(?!)()")  # ties that the file marks as linked
    tied: dict[tuple[int, int], tuple[Fraction, WrittenNote]] = field(default_factory=dict)  # where each tie began
    parted: dict[tuple[int, int], tuple[Fraction, WrittenNote]] = field(default_factory=dict)  # those over gaps
    says: dict[int, Reader] = field(default_factory=dict)

    @property
    def bar(self) -> int:
        """Index of the bar that is being read."""
        return len(self.written.bars) - 1

    @property
    def place(self) -> float:
        """Quarters from the bar line."""
        return float(self.now - self.bar_start)

    def say(self, part: int) -> Reader:
        """The reader of a part's directions."""
        return self.says.setdefault(part, Reader(self.name, self.written, part))
