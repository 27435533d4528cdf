"""What a score is once it is read: its notes as they are played, and what is written about each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pianist_jax.music.notes import Notes

DEFAULT_TEMPO = 120.0  # quarters a minute before the first tempo mark, as in MIDI


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
    """A score as played: N notes sorted by (onset, pitch), and what is written about each of them.

    `notes` are raw (not normalised), in rounded ms, velocities from the dynamics; written pedal is CC64 there.
    Parallel to them: `note_id`; `bar` int32 index into `bars`; `beat`, `onset`, `duration` float64 in quarters,
    `beat` from the bar line, `onset` from the first bar line; `hand` int8 (1 right, 2 left, 0 unknown); `voice`
    int16; `grace` bool; `marks` uint32 of `Mark` flags; `level` int8, the dynamic mark in force as an index into
    `LEVELS` (-1: none yet); `hairpin` int8 (1 in a crescendo, -1 in a diminuendo).

    A grace note is written at its main note's place and is played before it; its `onset` says where, its `bar`
    is its main note's, so that its `beat` may be below 0. The first onset is below 0 where the piece begins with
    a grace note; `lead` is the ms before the first bar line that this takes.
    `pedal` float64[P] are the places, in quarters, of the pedal events of `notes`. `left_out` says in words what
    was read but is not played, `readings` how something was understood (words of tempo, parts), `problems` what is odd
    about the file.
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
    bars: tuple[Bar, ...]
    time_signatures: tuple[TimeSignature, ...]
    key_signatures: tuple[KeySignature, ...]
    tempos: tuple[Tempo, ...]
    pedal: np.ndarray
    lead: float = 0.0
    left_out: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.notes)

    @property
    def bar_number(self) -> np.ndarray:
        """int32[N]: the printed number of each note's bar."""
        return np.array([self.bars[index].number for index in self.bar.tolist()], np.int32)

    def milliseconds(self, quarters: np.ndarray) -> np.ndarray:
        """float64 ms of float64 places in quarters, on the time line of `notes`."""
        return self.lead + elapsed(self.tempos, quarters)


def beat_quarters(numerator: int, denominator: int) -> float:
    """How many quarters a beat has under a time signature: three denominators in compound time."""
    compound = denominator >= 8 and numerator > 3 and numerator % 3 == 0
    return (3 if compound else 1) * 4 / denominator


def elapsed(tempos: tuple[Tempo, ...], quarters: np.ndarray) -> np.ndarray:
    """float64 ms from the first bar line to places in quarters, under tempos sorted by place, the first at 0."""
    change = np.array([tempo.start for tempo in tempos])
    ms_a_quarter = np.array([60_000 / tempo.quarters_per_minute for tempo in tempos])
    at = np.concatenate([[0.0], np.cumsum(np.diff(change) * ms_a_quarter[:-1])])
    segment = np.maximum(np.searchsorted(change, quarters, side="right") - 1, 0)
    return at[segment] + (np.asarray(quarters, np.float64) - change[segment]) * ms_a_quarter[segment]
