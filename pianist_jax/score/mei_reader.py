"""Where a reader of MEI stands: the staves, the layer, the bar, and what waits for the rest of the document."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from pianist_jax.score.mei_pitch import Spelled, Speller
from pianist_jax.score.mei_tree import Tree
from pianist_jax.score.written import Written, WrittenNote, WrittenPart

SAME = 1e-3  # quarters


@dataclass
class Staff:
    """One staff of the page: its part and its place in it (from 1), and how it differs from what is written."""

    part: int
    number: int
    transpose: int = 0
    ppq: float = 0.0
    percussion: bool = False
    duration: str | None = None
    octave: str | None = None  # of notes that do not say theirs: as said of the staff, or as of the note before


@dataclass
class MeiReader:
    """What is known of the document so far. `count` and `unit` are the metre; places are quarters."""

    name: str
    written: Written
    tree: Tree
    speller: Speller = field(default_factory=Speller)
    staves: dict[str, Staff] = field(default_factory=dict)
    count: float = 4.0
    unit: float = 4.0
    key: dict[str, int] = field(default_factory=dict)  # of staves that do not say their own
    braced: int | None = None  # the part of the brace that is being defined
    players: defaultdict[int, WrittenPart] = field(default_factory=lambda: defaultdict(lambda: WrittenPart("")))
    bar: int = 0
    spelled: list[Spelled] = field(default_factory=list)  # of this bar
    changes: list[tuple[Fraction, str, dict[str, int]]] = field(default_factory=list)  # keys inside this bar
    sounded: dict[str, list[WrittenNote]] = field(default_factory=dict)  # by ids of notes and chords
    places: dict[str, tuple[int, float, str]] = field(default_factory=dict)  # bar, offset, staff of an event
    octave_given: set[str] = field(default_factory=set)
    # Tuplets that are no <tuplet>: scale and last event by the first, each an id or the element itself.
    tuplets: dict[Element | str, tuple[Fraction, Element | str]] = field(default_factory=dict)
    open_tuplets: defaultdict[tuple[str, str], list[tuple[Fraction, Element | str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    ppq: float = 0.0
    tie_starts: set[str] = field(default_factory=set)
    tie_ends: set[str] = field(default_factory=set)
    slurs: dict[tuple[int, str], WrittenNote] = field(default_factory=dict)
    # Of each layer the length and the notes of its last bars, and until which bar a sign repeats how many of them.
    last: dict[tuple[str, str], dict[int, tuple[Fraction, list[Spelled]]]] = field(default_factory=dict)
    again: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)

    @property
    def nominal(self) -> Fraction:
        """The length of a bar by the metre."""
        return Fraction(4 * self.count / self.unit).limit_denominator(4096)


@dataclass(frozen=True)
class TupletSpan:
    """A tuplet from one place of a bar to another (quarters), the latter's event `inside` or not; so much shorter."""

    begin: float
    end: float
    inside: bool
    scale: Fraction

    def holds(self, place: float) -> bool:
        """Whether an event at this place belongs to it."""
        return self.begin - SAME < place < self.end + (SAME if self.inside else -SAME)


@dataclass
class Layer:
    """Where a layer has got to: `place` in quarters from the bar line, `scale` of the tuplets around."""

    reader: MeiReader
    staff: str
    key: tuple[str, str]
    voice: int
    place: Fraction = Fraction(0)
    scale: Fraction = Fraction(1)
    grace: bool = False
    cue: bool = False  # what is shown of another player
    filled: bool = False  # has a rest of the whole bar
    graces: list[list[WrittenNote]] = field(default_factory=list)
    spelled: list[Spelled] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)  # spaces without a length: how many notes stand before each
    placed: list[tuple[int, str]] = field(default_factory=list)  # ids, and how many gaps stand before each
    spans: list[TupletSpan] = field(default_factory=list)  # tuplets that places show
