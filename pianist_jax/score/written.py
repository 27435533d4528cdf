"""A score as it stands on the page: what every reader of engraved scores gives, before it is played out.

Places are a bar's index and an offset in quarters from its bar line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntFlag

from pianist_jax.score.repeats import Jumps

MAX_NOTES = 200_000
MAX_QUARTERS = 200_000.0  # a bar, a note or a piece: a day of music at 140 quarters a minute
UNEQUAL = 0.05  # quarters by which voices of a bar differ; less is what rounding makes of tuplets
PLACE_DIGITS = 6  # places that agree to a millionth of a quarter are one
SHOWN, MAX_PROBLEMS = 6, 40  # bars that are named in a line; lines
LEVELS = ("pppp", "ppp", "pp", "p", "mp", "mf", "f", "ff", "fff", "ffff")
LEVEL_VELOCITY = (8, 16, 33, 49, 64, 80, 96, 112, 126, 127)
DEFAULT_VELOCITY = 80
ACCENT_VELOCITY = 112  # sf and its kin, where nothing louder is in force


class Mark(IntFlag):
    """Signs at a note; none changes where it is written, or how long (how long it sounds: `played.SOUNDS`)."""

    STACCATO = 1 << 0
    STACCATISSIMO = 1 << 1
    TENUTO = 1 << 2
    ACCENT = 1 << 3
    MARCATO = 1 << 4
    SFORZANDO = 1 << 5
    FERMATA = 1 << 6
    SLUR = 1 << 7  # under a slur, its first and last note included
    SLUR_START = 1 << 8
    SLUR_STOP = 1 << 9
    TRILL = 1 << 10
    MORDENT = 1 << 11
    TURN = 1 << 12
    TREMOLO = 1 << 13
    ARPEGGIO = 1 << 14
    SMALL = 1 << 15  # cue size: cadenzas and ossia-like passages
    BREATH = 1 << 16  # a breath mark or caesura after the note
    ORNAMENT = 1 << 17  # its place, length or pitch is an ornament's or a grace note's, not the page's


@dataclass
class WrittenBar:
    """One bar of the page: its length in quarters, its printed number, and where it sends the player.

    `divided`: the page does not count it, as where a line divides a bar.
    """

    length: float
    number: int
    pickup: bool = False
    divided: bool = False
    jumps: Jumps = field(default_factory=Jumps)


@dataclass(frozen=True, slots=True)
class Ornament:
    """A sign that is played as more notes than are written, a chord that is broken, or the manner of a grace note.

    `kind` is one of `ornaments.PLAYED`'s, or one that `graces` and `broken` name. `above` and `below` are the
    accidentals (semitones) that the sign writes for the neighbours; `interval` the semitones to the neighbour, where
    the sign says that itself. `length` in quarters: a tremolo's stroke (0: as fast as it goes), a grace note's note
    value. `share`: how much of the note before or after it a grace note takes (0: not said). `number` tells which
    ends belong together and which notes are broken as one chord.
    """

    kind: str
    above: int | None = None
    below: int | None = None
    interval: int = 0
    length: float = 0.0
    share: float = 0.0
    number: str = ""


@dataclass(slots=True)
class WrittenNote:
    """One notehead; `offset` and `length` in quarters, `grace` the steps before the beat (0: no grace note).

    `step` is the letter, 7 an octave from C0 (-1: not known), `alter` its accidental in semitones.
    """

    bar: int
    offset: float
    length: float
    pitch: int
    part: int
    staff: int
    voice: int
    id: str
    marks: int = 0
    grace: int = 0
    tie_start: bool = False
    tie_stop: bool = False
    velocity: int = 0  # 0: none given at the note itself
    level: int = -1  # index into LEVELS
    hairpin: int = 0  # 1 crescendo, -1 diminuendo
    gradual: int = 0  # 1 and so many quarters since "accel." began, less than 0 since "rit." did; 0: neither
    hand: int = 0
    step: int = -1
    alter: int = 0
    ornaments: tuple[Ornament, ...] = ()


@dataclass(frozen=True)
class Sign:
    """Something at a place of one part and staff (0: all staves); `value` depends on the list it stands in."""

    bar: int
    offset: float
    value: tuple[float, ...]
    part: int = 0
    staff: int = 0


@dataclass(frozen=True)
class Spanner:
    """Something from one place (bar, offset) to another, in the voices of its two ends or in all (empty)."""

    begin: tuple[int, float]
    end: tuple[int, float]
    part: int
    voices: frozenset[int] = frozenset()
    kind: int = 0


@dataclass(frozen=True)
class TempoHint:
    """What says a tempo only beside what is in force there: words, or that one note value becomes another.

    `becomes`: (the quarters of the old note value, those of the new one that lasts as long); None for words.
    """

    bar: int
    offset: float
    words: str = ""
    becomes: tuple[float, float] | None = None


@dataclass
class WrittenPart:
    """Who plays a part, as far as the file says: the name, the sounds' names, the MIDI program (0: not said)."""

    name: str
    sounds: str = ""
    program: int = 0
    staves: int = 1
    percussion: bool = False


@dataclass
class Written:
    """A whole score as written. Times, keys, tempos and pedal hold for all parts.

    Values of the signs: `times` (beats, beat type), `keys` (fifths, 1 for minor), `tempos` (quarters a minute,
    quarters of its note value or 0, 1 where it is seen), `pedal` (0..127), `levels` (index into LEVELS or -1,
    velocity), `sforzandi` (velocity of the attack).
    Hairpins are of kind 1 (crescendo) or -1. `left_out` counts what was read but is not played; `readings` say in words
    how something was understood, `problems` what is odd about the file, and in which bars. `parts` are those that the
    notes' `part` counts into; none where the reader knows nothing of them. `orders` are the bars in the order in which
    they are played, by whether repeats are, where the score itself names that order.
    `composer` is a name as the file gives it, for how ornaments were played in that time; `title` what the piece is
    called ("": the file does not say).
    """

    bars: list[WrittenBar] = field(default_factory=list)
    notes: list[WrittenNote] = field(default_factory=list)
    times: list[Sign] = field(default_factory=list)
    keys: list[Sign] = field(default_factory=list)
    tempos: list[Sign] = field(default_factory=list)
    pedal: list[Sign] = field(default_factory=list)
    levels: list[Sign] = field(default_factory=list)
    sforzandi: list[Sign] = field(default_factory=list)
    slurs: list[Spanner] = field(default_factory=list)
    hairpins: list[Spanner] = field(default_factory=list)
    graduals: list[Sign] = field(default_factory=list)  # (1.0,) "accel.", (-1.0,) "rit."
    left_out: Counter[str] = field(default_factory=Counter)
    tempo_hints: list[TempoHint] = field(default_factory=list)
    parts: list[WrittenPart] = field(default_factory=list)
    readings: list[str] = field(default_factory=list)
    problems: dict[str, list[int]] = field(default_factory=dict)
    orders: dict[bool, tuple[int, ...]] = field(default_factory=dict)
    composer: str = ""
    title: str = ""

    def problem(self, what: str, *bars: int) -> None:
        """Note something odd, and in which bars (indices)."""
        self.problems.setdefault(what, []).extend(bars)

    def compare_ends(self, bar: int, ends: Iterable[float]) -> None:
        """Note where voices that are each to fill a bar end at different places (quarters)."""
        found = list(ends)
        if found and max(found) - min(found) > UNEQUAL:
            self.problem("voices of unequal length", bar)

    def problem_lines(self) -> list[str]:
        """One line a kind, with the printed numbers of its first bars."""
        lines = []
        for what, bars in self.problems.items():
            numbers = list(dict.fromkeys(str(self.bars[min(bar, len(self.bars) - 1)].number) for bar in bars))
            more = f" and {len(numbers) - SHOWN} more" * (len(numbers) > SHOWN)
            where = f"bar{'s' * (len(numbers) > 1)} {', '.join(numbers[:SHOWN])}{more}: " if numbers else ""
            lines.append(f"{where}{what}")
        return lines[:MAX_PROBLEMS]


def bar_starts(lengths: Iterable[float]) -> list[float]:
    """Where bars of these lengths begin, in quarters; one place more than there are bars."""
    starts = [0.0]
    for length in lengths:
        starts.append(round(starts[-1] + length, 9))
    return starts
