"""What a score is once it is read: its notes as they are played, and what is written about each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pianist_jax.music.notes import Notes, survivors
from pianist_jax.score.ensemble import OtherPart
from pianist_jax.score.grid import LEFT, MAJOR, MINOR, RIGHT, ScoreGrid, TempoMark, nearest_fifths
from pianist_jax.score.written import Mark

DEFAULT_TEMPO = 120.0  # quarters a minute before the first tempo mark, as in MIDI
RESOLUTIONS = (480, 10_080, 30_240)  # ticks a quarter; 10 080 holds tuplets of 3, 5, 7 and 9


@dataclass(frozen=True)
class Bar:
    """A bar as played: where it begins and how long it is (quarters), its printed number, the how-manieth time."""

    start: float
    length: float
    number: int
    pickup: bool = False
    time_through: int = 1


@dataclass(frozen=True)
class TimeSignature:
    """From `start` (quarters) on, bars of `beats` notes of value 1/`beat_type`."""

    start: float
    beats: int
    beat_type: int


@dataclass(frozen=True)
class KeySignature:
    """From `start` (quarters) on, `fifths` sharps (negative: flats), minor or major."""

    start: float
    fifths: int
    minor: bool


@dataclass(frozen=True)
class Tempo:
    """From `start` (quarters) on, so many quarters a minute.

    `unit` is the note value of the mark in quarters (0: it names none, the metre's beat is meant); `seen` whether a
    reader of the page sees it, a metronome mark or a word, or only programs do.
    """

    start: float
    quarters_per_minute: float
    unit: float = 0.0
    seen: bool = False


@dataclass(frozen=True, eq=False)
class Score:
    """A score as played: N notes, and what is written about each of them, whatever file it came from.

    The notes are sorted by (onset, pitch); those of a MIDI file stand track by track, as `read_midi` has them.
    `notes` are raw (not normalised), in rounded ms, velocities from the dynamics; staccato and its like sound shorter
    than they are written (`played.SOUNDS`); written pedal is CC64 there.
    Parallel to them: `note_id`; `bar` int32 index into `bars`; `beat`, `onset`, `duration` float64 in quarters,
    `beat` from the bar line, `onset` from the first bar line; `hand` int8 (1 right, 2 left, 0 unknown); `voice`
    int16; `grace` bool; `marks` uint32 of `Mark` flags; `level` int8, the dynamic mark in force as an index into
    `LEVELS` (-1: none yet); `hairpin` int8 (1 in a crescendo, -1 in a diminuendo); `gradual` int8 (1 + the
    quarters since "accel." began where that holds, below 0 for "rit.").

    A grace note is written at its main note's place and is played before it; its `onset` says where, its `bar`
    is its main note's, so that its `beat` may be below 0. The first onset is below 0 where the piece begins with
    a grace note; `lead` is the ms before the first bar line that this takes.
    `pedal` float64[P] are the places, in quarters, of the pedal events of `notes`. `left_out` says in words what
    was read but is not played, `readings` how something was understood (words of tempo, parts), `problems` what is odd
    about the file, `oddities` what is odd and changes nothing. `format` says in words what kind of file it was.
    `midi_grid` is the grid of a MIDI file, which brings its own ticks: see `grid`. `title`: what the piece is called,
    where the file says so. `others` are the parts that sound beside the pianist's, where they are wanted. Where
    they are `conducted` there is no pianist, and the notes are what a conductor reads: all of them.
    """

    notes: Notes
    note_id: tuple[str, ...]
    bar: np.ndarray
    beat: np.ndarray
    onset: np.ndarray
    duration: np.ndarray
    hand: np.ndarray
    voice: np.ndarray
    grace: np.ndarray
    marks: np.ndarray
    level: np.ndarray
    hairpin: np.ndarray
    gradual: np.ndarray
    bars: tuple[Bar, ...]
    time_signatures: tuple[TimeSignature, ...]
    key_signatures: tuple[KeySignature, ...]
    tempos: tuple[Tempo, ...]
    pedal: np.ndarray
    lead: float = 0.0
    left_out: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()
    format: str = ""
    midi_grid: ScoreGrid | None = None
    title: str = ""
    others: tuple[OtherPart, ...] = ()
    conducted: bool = False

    def __len__(self) -> int:
        return len(self.notes)

    @property
    def bar_number(self) -> np.ndarray:
        """int32[N]: the printed number of each note's bar."""
        return np.array([self.bars[index].number for index in self.bar.tolist()], np.int32)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be told of the score beside its notes, a line each."""
        return (*self.readings, *self.problems, *(f"left out: {what}" for what in self.left_out))

    @cached_property
    def grid(self) -> ScoreGrid:
        """Where the notes stand in whole ticks: note n stands for note n of `normalise(self.notes)[0]`.

        Bars begin where the score's do: one that is longer or shorter than its time signature (pick-ups, bars that
        repeats cut) gets a time signature of its own. A grace note before the first bar stands on its first beat.
        """
        grid = _grid(self) if self.midi_grid is None else self.midi_grid
        return replace(grid, remarks=self.remarks, title=self.title)

    def milliseconds(self, quarters: np.ndarray) -> np.ndarray:
        """float64 ms of float64 places in quarters, on the time line of `notes`."""
        return self.lead + elapsed(self.tempos, quarters)


def elapsed(tempos: tuple[Tempo, ...], quarters: np.ndarray) -> np.ndarray:
    """float64 ms from the first bar line to places in quarters, under tempos sorted by place, the first at 0."""
    change = np.array([tempo.start for tempo in tempos])
    ms_a_quarter = np.array([60_000 / tempo.quarters_per_minute for tempo in tempos])
    at = np.concatenate([[0.0], np.cumsum(np.diff(change) * ms_a_quarter[:-1])])
    segment = np.maximum(np.searchsorted(change, quarters, side="right") - 1, 0)
    return at[segment] + (np.asarray(quarters, np.float64) - change[segment]) * ms_a_quarter[segment]


def sounding_keys(score: Score) -> list[KeySignature]:
    """The key signatures, each minor where it says so or what it holds for comes to rest on the tonic of its minor key.

    Many programs write no mode, or major whatever it is: what F minor ends on tells it from A flat major.
    """
    keys = score.key_signatures
    ends = [*(key.start for key in keys[1:]), float("inf")]
    return [
        replace(key, minor=key.minor or _rests_in_minor(score, key, stop))
        for key, stop in zip(keys, ends[: len(keys)], strict=True)
    ]


def _rests_in_minor(score: Score, key: KeySignature, stop: float) -> bool:
    own = (score.onset >= key.start - 1e-6) & (score.onset < stop - 1e-6)
    if not own.any():
        return False
    last = own & (score.onset == score.onset[own].max())
    return int(score.notes.pitch[last].min()) % 12 == (7 * key.fifths + 9) % 12


def _grid(score: Score) -> ScoreGrid:
    """The grid of a score that brings no ticks of its own."""
    kept = survivors(score.notes)
    starts = np.array([bar.start for bar in score.bars])
    steady = np.concatenate([score.onset[(score.marks & Mark.ORNAMENT == 0) & ~score.grace], starts])
    quarter = next((q for q in RESOLUTIONS if np.abs(steady * q - np.rint(steady * q)).max() < 0.02), RESOLUTIONS[-1])
    onset = np.maximum(np.rint(score.onset[kept] * quarter), 0).astype(np.int64)
    duration = np.maximum(np.rint(score.duration[kept] * quarter), 1).astype(np.int64)
    hand = score.hand[kept].astype(np.int64)
    present = np.unique(hand)
    names = {0: "Piano" if len(present) == 1 else "Other", 1: RIGHT, 2: LEFT}
    order = [h for h in (1, 2, 0) if h in present]
    part = np.array([order.index(h) for h in hand.tolist()], np.int64)
    times = [(round(start * quarter), over, under) for start, over, under in _bar_signatures(score)]
    keys = [
        (round(key.start * quarter), (MINOR if key.minor else MAJOR)[nearest_fifths(key.fifths) + 7])
        for key in sounding_keys(score)
    ]
    labels = tuple(names[h] for h in order)
    tempi = [TempoMark(round(t.start * quarter), t.quarters_per_minute, t.unit, t.seen) for t in score.tempos]
    ids = tuple(score.note_id[index] for index in kept.tolist())
    return ScoreGrid(quarter, onset, duration, part, labels, tuple(times), tuple(keys), tuple(tempi), ids=ids)


def _bar_signatures(score: Score) -> list[tuple[float, int, int]]:
    """Time signatures (quarters, numerator, denominator) under which every bar begins where it does."""
    found: list[tuple[float, int, int]] = []
    for bar in score.bars:
        said = [(sign.beats, sign.beat_type) for sign in score.time_signatures if sign.start <= bar.start + 1e-6]
        over, under = said[-1] if said else (4, 4)
        while under < 64 and abs(bar.length * under / 4 - round(bar.length * under / 4)) > 1e-3:
            under *= 2
        if abs(bar.length - over * 4 / under) > 1e-3:
            over = min(max(round(bar.length * under / 4), 1), 255)
        if not found or found[-1][1:] != (over, under):
            found.append((bar.start if found else 0.0, over, under))
    return found
