"""The style of a recording of a piece, to be played in: what tells it from a rendering, in deviations. No JAX."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from pianist_jax.errors import PianistError
from pianist_jax.files import printable
from pianist_jax.music.notes import Notes
from pianist_jax.performance.pace import FREE, Pace
from pianist_jax.performance.parameters import chords_of, deal, time_map
from pianist_jax.performance.style import MOST, UNITS, WORDS, Style, measured, measured_of
from pianist_jax.rendering.extras import read_recording
from pianist_jax.rendering.hashes import file_hash

DEAD = math.log(0.01)  # of "rubato": what rounding to ticks leaves of a written score


@dataclasses.dataclass(frozen=True)
class Likeness:
    """What a recording is like: its words (`performance.style`), and how many times slower than written it goes."""

    file: str
    sha256: str
    words: dict[str, float]
    slowness: float

    def metadata(self) -> dict[str, str]:
        """Which recording it is."""
        return {"file": self.file, "sha256": self.sha256}

    def pace(self, pace: Pace) -> Pace:
        """The pace that is wanted: a free one is the recording's."""
        return Pace(times=self.slowness) if pace.tempo == FREE else pace

    def style(self, score: Notes, performances: Sequence[Notes]) -> Style:
        """By how many deviations the recording differs from what performances of the score are on average.

        A word that either has nothing to measure of stays, and none goes further than `MOST`.
        """
        own = [measured_of(chords_of(score), notes) for notes in performances]
        found = {}
        for word in WORDS:
            off = (self.words[word] - sum(one[word] for one in own) / len(own)) / UNITS[word]
            found[word] = 0.0 if math.isnan(off) else round(min(max(off, -MOST), MOST), 2)
        return Style(**found)


def read_likeness(path: Path, score: Notes, factor: float = 1.0) -> Likeness:
    """The likeness of a recording of a score that stands `factor` times slower than it is written.

    Raises PianistError for a file that cannot be read, plays less than half of the score's notes, or plays them in
    strict time.
    """
    chords, playing = chords_of(score), deal(*read_recording(path, score))
    words = measured(chords, playing)
    if not words["rubato"] > DEAD:
        raise PianistError(f"{printable(path)}: is no performance, as all is in strict time; give another")
    return Likeness(path.name, file_hash(path), words, factor * time_map(chords, playing.onset).slowness)
