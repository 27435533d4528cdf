"""Where a reader of MusicXML stands, and the numbers it meets on its way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol
from xml.etree.ElementTree import Element

from pianist_jax.score.files import ScoreError
from pianist_jax.score.written import MAX_QUARTERS, Written, WrittenNote

EVEN = 1e-4  # quarters
OVERFLOW = 0.1  # quarters
UNDERFULL = 0.2  # quarters
GRID = 3360  # of a quarter: where bar lines stand, whatever rounding the divisions bring
FORTE = 90  # velocity of <sound dynamics="100">

BEAT_UNITS = {
    "breve": 8.0,
    "whole": 4.0,
    "half": 2.0,
    "quarter": 1.0,
    "eighth": 0.5,
    "16th": 0.25,
    "32nd": 0.125,
    "64th": 0.0625,
}


@dataclass
class Reader:
    """Where a part has got to. `place` and all offsets are quarters from the bar line."""

    name: str
    written: Written
    part: int
    silent_cues: bool = True
    divisions: float = 1.0
    transpose: int = 0
    bar: int = 0
    place: float = 0.0
    length: float = 0.0
    chord: float = 0.0  # where the last note began, for the notes of its chord
    sounding: float = 0.0  # the last end of a note in this bar
    run_ends: list[float] = field(default_factory=list)  # where its voices ended
    nominal: float = 0.0  # length of a bar by the time signature; 0: none yet
    nominals: dict[int, float] = field(default_factory=dict)  # of the bars that are to be full
    brackets: frozenset[int] = field(default_factory=frozenset)
    graces: list[list[WrittenNote]] = field(default_factory=list)
    head: WrittenNote | None = None  # of the last chord, the note that its signs are for
    wavy_lines: dict[tuple[str, int], list[WrittenNote]] = field(default_factory=dict)  # what each covers
    slurs: dict[str, tuple[int, float, int]] = field(default_factory=dict)
    hairpins: dict[str, tuple[int, float, int]] = field(default_factory=dict)


def move(reader: Reader, step: float) -> None:
    """Go on by so many quarters, or back: also beyond the bar line, as some files go to and fro there."""
    if step < 0:
        reader.run_ends.append(reader.place)
    reader.place += step
    reader.length = max(reader.length, reader.place)
    if abs(reader.place) > MAX_QUARTERS:
        raise ScoreError(f"{reader.name}: a bar without end; export it again")


def number(text: str | None, name: str, low: float, high: float) -> float:
    """A number of the file, within limits that music keeps to."""
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        shown = ascii((text or "").strip()[:20])
        raise ScoreError(f"{name}: {shown} stands where a number from {low:g} to {high:g} belongs; export it again")
    return value


class Place(Protocol):
    """Where a reader of any format stands, for what it finds odd there."""

    @property
    def written(self) -> Written:
        """The score as far as it has been read."""

    @property
    def bar(self) -> int:
        """Index of the bar that is being read."""


def clamped(reader: Place, text: str, low: float, high: float, what: str) -> float:
    """A number without which the notes stay what they are: the nearest within limits, and a problem of the score.

    What is no number is taken for the lower limit, or 0 where that is within.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if low <= value <= high:
        return value
    nearest = min(max(0.0, low), high) if math.isnan(value) else min(max(value, low), high)
    reader.written.problem(f"{what} {ascii(text.strip()[:20])[1:-1] or 'empty'} taken for {nearest:g}", reader.bar)
    return nearest


def clamped_whole(reader: Place, text: str | None, low: int, high: int, default: int, what: str) -> int:
    """As `clamped`, an integer; the default where there is none."""
    return default if text is None else round(clamped(reader, text, low, high, what))


def whole(text: str | None, name: str, low: int, high: int, default: int) -> int:
    """An integer of the file; the default where there is none."""
    return default if text is None else round(number(text, name, low, high))


def quarters(reader: Reader, element: Element) -> float:
    """The length that a <note>, <backup> or <forward> states, in quarters."""
    text = element.findtext("duration")
    return 0.0 if text is None else number(text, reader.name, -1e9, 1e9) / reader.divisions


def written_value(element: Element, name: str) -> float:
    """The length of a <note> by its notehead, dots and tuplet; 0 where that is not said."""
    length = BEAT_UNITS.get(element.findtext("type") or "", 0.0) * (2 - 0.5 ** len(element.findall("dot")))
    actual, normal = (element.findtext(f"time-modification/{kind}-notes") or "1" for kind in ("actual", "normal"))
    return length * number(normal, name, 1, 999) / number(actual, name, 1, 999)


def velocity_of(percent: float) -> int:
    """The MIDI velocity of a `dynamics` attribute, which is a percentage of forte."""
    return min(max(round(percent * FORTE / 100), 1), 127)


def bar_length(reader: Reader) -> float:
    """How long the bar was that has been read, freed from what rounding made of tuplets.

    Rests that overflow make no bar longer, if another voice ends where the time signature says (but by a 64th
    they do: MuseScore plays such bars longer, too). A bar that lacks less than a 16th is filled.
    """
    length, nominal = reader.length, reader.nominal
    full = any(abs(end - nominal) < EVEN for end in (*reader.run_ends, reader.place))
    if nominal and full:  # voices may end early, as what is not printed is often not written
        reader.written.compare_ends(reader.bar, (nominal, max(reader.sounding, nominal)))
    if nominal and full and reader.sounding < nominal + EVEN and length > nominal + OVERFLOW:
        return nominal
    if reader.bar and EVEN < nominal - length < UNDERFULL:
        return nominal
    even = round(length * GRID) / GRID
    return even if abs(even - length) < EVEN else length
