"""Notes on their way from the page to the score as played, and how long things last at the tempo of a place."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pianist_jax.score.facts import Tempo
from pianist_jax.score.written import Mark, WrittenNote

STROKE_MS = 80.0  # of a trill; pianists play 10 to 15 notes a second (Moore 1992, Music Perception 9/3)
SHORTEST_STROKE = 2.0**-9  # quarters


@dataclass(slots=True)
class Sounding:
    """One note that is heard, `start` to `end` in quarters: a written note with those tied to it, and their marks."""

    note: WrittenNote
    played_bar: int
    start: float
    end: float
    marks: int

    @property
    def length(self) -> float:
        """Quarters from its beginning to its end."""
        return self.end - self.start

    def part_of(self, number: int, pitch: int, start: float, end: float) -> Sounding:
        """The `number`th note (from 1) that is played in this one's place; its id names both.

        Two notes of one tie are one, and an id is that of the page: "n7" plays "n7", "n7~2", "n7~3".
        """
        key = self.note.id if number == 1 else f"{self.note.id}~{number}"
        return Sounding(
            replace(self.note, pitch=pitch, id=key), self.played_bar, start, end, self.marks | Mark.ORNAMENT
        )


class Clock:
    """How long a stroke lasts in quarters, at the tempi (`score.facts.Tempo`, sorted) of a score."""

    def __init__(self, tempos: Sequence[Tempo]) -> None:
        self._places = [tempo.start for tempo in tempos]
        self._rates = [tempo.quarters_per_minute for tempo in tempos]

    def quarters(self, place: float, milliseconds: float) -> float:
        """Quarters that so many milliseconds are at a place."""
        rate = self._rates[max(bisect_right(self._places, place + 1e-6) - 1, 0)]
        return milliseconds * rate / 60_000

    def stroke(self, place: float, milliseconds: float = STROKE_MS) -> float:
        """The note value (a quarter halved so and so often) that comes nearest to a length, in quarters."""
        return float(max(2.0 ** round(math.log2(self.quarters(place, milliseconds))), SHORTEST_STROKE))
