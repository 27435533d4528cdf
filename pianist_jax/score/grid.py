"""The score's grid: on which beat of which bar every note stands, in whole ticks. NumPy only."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pianist_jax.score.hands import named_hand

RIGHT, LEFT = "Right hand", "Left hand"
NO_SIGNATURE = (0, 4, 4)  # what a MIDI file without time signatures means
MAJOR = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
MINOR = tuple(
    f"{tonic}m" for tonic in ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
)


class TempoMark(NamedTuple):
    """From a tick on, so many quarters a minute; `unit` and `seen` as in `score.facts.Tempo`."""

    tick: int
    quarters_per_minute: float
    unit: float = 0.0
    seen: bool = False


@dataclass(frozen=True, eq=False)
class ScoreGrid:
    """Where the N normalised notes of a score stand, in ticks of the score (`ticks_per_quarter` to a quarter).

    `onset` and `duration` int64[N]; `part` int64[N] counts into `part_names` (the hands, where there are two).
    `time_signatures` (tick, numerator, denominator) and `key_signatures` (tick, name as in `Bbm`) are sorted;
    the first time signature stands at tick 0. A bar begins at every time signature. `tempi` are the tempo marks,
    sorted: none where the score has none. `remarks` say in words what of the file was read as what, is odd, or is not
    played. `ids` name each note where the file does (`Score.note_id`); `title` is what the piece is called, or "".
    `programs` are the parts' in General MIDI, from 0 on: none where all are the pianist's.
    """

    ticks_per_quarter: int
    onset: np.ndarray
    duration: np.ndarray
    part: np.ndarray
    part_names: tuple[str, ...]
    time_signatures: tuple[tuple[int, int, int], ...] = (NO_SIGNATURE,)
    key_signatures: tuple[tuple[int, str], ...] = ()
    tempi: tuple[TempoMark, ...] = ()
    remarks: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    title: str = ""
    programs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len({len(self.onset), len(self.duration), len(self.part)}) > 1:
            raise ValueError("onsets, durations and parts of a score grid differ in length")
        if not self.time_signatures or self.time_signatures[0][0] != 0:
            raise ValueError("a score grid needs a time signature at tick 0")
        if len(self.part) and not 0 <= self.part.min() <= self.part.max() < len(self.part_names):
            raise ValueError("a score grid names fewer parts than its notes have")

    def __len__(self) -> int:
        return len(self.onset)

    @property
    def quarters(self) -> np.ndarray:
        """float64[N]: the onset of every note in quarters."""
        return self.onset / self.ticks_per_quarter

    @property
    def hand(self) -> np.ndarray:
        """int8[N]: the hand that plays every note, as its part's name says: 1 right, 2 left, 0 unknown."""
        return np.array([named_hand(name) for name in self.part_names], np.int8)[self.part]

    @property
    def end(self) -> int:
        """The last tick of the last note."""
        return int((self.onset + self.duration).max(initial=0))

    def bars(self) -> np.ndarray:
        """int64[B + 1]: the tick at which each bar begins, and where the last ends (at or after the last note)."""
        return self._steps(lambda numerator, denominator: numerator * 4 / denominator)

    def beats(self) -> np.ndarray:
        """int64[K]: the ticks of all beats, to the first at or after the end of the last note.

        A beat is the denominator of the time signature, or three of them in compound time (6/8, 9/8, 12/16 …).
        """
        return self._steps(beat_quarters)

    def bar_of(self, ticks: Sequence[int] | np.ndarray) -> np.ndarray:
        """float64: bar number (from 1) of each tick and how far into it the tick is: 17.5 is the middle of bar 17."""
        starts = self.bars()
        bar = np.clip(np.searchsorted(starts, ticks, side="right") - 1, 0, len(starts) - 2)
        return bar + 1 + (np.asarray(ticks) - starts[bar]) / (starts[bar + 1] - starts[bar])

    def _steps(self, quarters: Callable[[int, int], float]) -> np.ndarray:
        """Ticks from each signature to the next in steps of `quarters(numerator, denominator)`."""
        last = max(self.end, self.time_signatures[-1][0] + 1)
        steps: list[int] = []
        for (start, numerator, denominator), (stop, _, _) in pairwise([*self.time_signatures, (last, 0, 0)]):
            step = quarters(numerator, denominator) * self.ticks_per_quarter
            # What a bar of odd length leaves over before the next signature is no bar of its own.
            slack = self.ticks_per_quarter / 16 if stop < last else 0
            count = max(1, int(np.ceil((stop - start - slack) / step - 1e-9)))
            steps += np.rint(start + step * np.arange(count)).astype(int).tolist()
        return np.array([*steps, round(steps[-1] + step)], np.int64)


def signature_at(grid: ScoreGrid, tick: int) -> tuple[int, int]:
    """The time signature (numerator, denominator) in force at a tick."""
    place = bisect_right([start for start, _, _ in grid.time_signatures], tick) - 1
    _, numerator, denominator = grid.time_signatures[max(place, 0)]
    return numerator, denominator


def beat_quarters(numerator: int, denominator: int) -> float:
    """How many quarters a beat has under a time signature: three denominators in compound time."""
    compound = denominator >= 8 and numerator > 3 and numerator % 3 == 0
    return (3 if compound else 1) * 4 / denominator


def nearest_fifths(fifths: int) -> int:
    """The key that MIDI has, of 7 sharps or flats at most: the one that sounds the same."""
    return fifths if abs(fifths) <= 7 else (fifths + 7) % 12 - 7
