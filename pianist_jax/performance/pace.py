"""How fast a score goes: at its written tempo, at another, as long as is wanted, or as fast as a model would.

Whatever rules is a factor of the score's written times. The score is read by the model at that pace, and what it plays
is brought to it: as a whole, and each longer section between tempo marks. NumPy only.
"""

from __future__ import annotations

import dataclasses
import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import carried, chords_of, clock_of, group_chords, moved
from pianist_jax.performance.playable import make_playable

if TYPE_CHECKING:
    from pianist_jax.score.grid import ScoreGrid

SCORE, FREE = "score", "free"
UNTOLD = 120.0  # quarters a minute that programs write where nobody has said anything
BEATS = (5.0, 1000.0)  # a minute, that may be asked for
SANE = (40.0, 184.0)  # beats a minute, within which a model may guess
FURTHEST = 8.0  # times the written tempo, or its inverse, that a duration may need
LONG_SECTION = (16, 8_000)  # chords and ms from which on a section between tempo marks keeps its own tempo
OTHER_TEMPO = 0.03  # |log| by which a mark must differ from the one before to begin a section


@dataclasses.dataclass(frozen=True)
class Pace:
    """What rules the tempo: "score", "free" (the model's guess) or beats a minute; or how many seconds it all lasts.

    A number becomes the score's first tempo mark in its own note value (or the metre's beat), later ones in proportion.
    A duration goes from the first onset to the last release. `times` asks for so many times the written time itself,
    whether a tempo is told or not. Raises PianistError for what makes no sense.
    """

    tempo: str | float = SCORE
    duration: float | None = None
    times: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.tempo, str):
            if self.tempo not in (SCORE, FREE):
                raise PianistError(f"the tempo is {self.tempo!r}; give beats a minute, {SCORE} or {FREE}")
        elif not BEATS[0] <= self.tempo <= BEATS[1]:
            low, high = BEATS
            raise PianistError(f"the tempo is {self.tempo:g}, but it must be {low:g} to {high:g} beats a minute")
        if self.times is not None and (self.tempo, self.duration) != (SCORE, None):
            raise PianistError("of times the written time, a tempo and a duration one can rule; give one of them")
        if self.times is not None and not 1 / FURTHEST <= self.times <= FURTHEST:
            far = f"{1 / FURTHEST:g} to {FURTHEST:g}"
            raise PianistError(f"{self.times:g} times the written time is too far from it; give {far}")
        if self.duration is not None:
            if self.tempo != SCORE:
                raise PianistError("a tempo and a duration cannot both rule; give one of them")
            if not (math.isfinite(self.duration) and self.duration > 0):
                raise PianistError(f"the duration is {self.duration:g} s, but it must be more than 0")

    def metadata(self) -> dict[str, Any]:
        """What a JSON file tells of it."""
        return dataclasses.asdict(self)


AS_WRITTEN = Pace()


def parse_pace(tempo: str | None, duration: str | None) -> Pace:
    """The pace in `72`, `score` or `free`, and `2:30` or `150` (seconds). Raises PianistError.

    >>> parse_pace("72", None).tempo, parse_pace(None, "2:30").duration
    (72.0, 150.0)
    """
    if tempo is not None and duration is not None:
        raise PianistError("--tempo and --duration cannot both rule; give one of them")
    if duration is not None:
        found = re.fullmatch(r"(?:(\d{1,3}):)?(\d{1,2}(?:\.\d+)?|\d{1,5}(?:\.\d+)?)", duration.strip())
        if not found or (found[1] and float(found[2]) >= 60):
            raise PianistError(f"the duration is {duration!r}; give minutes and seconds, as in 2:30")
        return Pace(duration=60 * int(found[1] or 0) + float(found[2]))
    if tempo is None or tempo in (SCORE, FREE):
        return Pace(tempo or SCORE)
    try:
        return Pace(float(tempo))
    except ValueError:
        raise PianistError(f"the tempo is {tempo!r}; give beats a minute, {SCORE} or {FREE}") from None


def has_tempo(grid: ScoreGrid | None) -> bool:
    """Whether a score tells its tempo. Notes without a grid stand as they are; 120 that nobody sees tells nothing."""
    return grid is None or any(mark.seen or abs(mark.quarters_per_minute - UNTOLD) > 0.01 for mark in grid.tempi)


def first_mark(grid: ScoreGrid) -> tuple[float, float]:
    """Beats a minute of the first tempo mark, and how many quarters its beat is."""
    mark = next((mark for mark in grid.tempi), None)
    quarters = mark.quarters_per_minute if mark else UNTOLD
    unit = (mark.unit if mark else 0.0) or _metre_beat(grid)
    return quarters / unit, unit


def note_value(quarters: float) -> str:
    """The sign of a note value, as in `♩.` for one and a half quarters.

    >>> note_value(1.5), note_value(0.3)
    ('♩.', '0.3 ♩')
    """
    signs = {4.0: "𝅝", 2.0: "𝅗𝅥", 1.0: "♩", 0.5: "♪", 3.0: "𝅗𝅥.", 1.5: "♩.", 0.75: "♪."}
    return signs.get(quarters, f"{quarters:g} ♩")


def _metre_beat(grid: ScoreGrid) -> float:
    from pianist_jax.score.grid import beat_quarters

    _, over, under = grid.time_signatures[0]
    return beat_quarters(over, under)


def factor_of(
    pace: Pace, score: Notes, grid: ScoreGrid | None, name: str = "score", scale: float = 1.0
) -> float | None:
    """What the written times are multiplied by before a tempo scale, None where the model has to guess.

    Raises PianistError for beats of notes that have none, a duration out of all proportion, or one with a `scale`.
    """
    if pace.duration is not None and scale != 1:
        raise PianistError("a duration and a tempo scale cannot both rule; give one of them")
    if pace.duration is not None:
        written = int(score.end.max() - score.onset[0]) / 1000
        factor = pace.duration / max(written, 0.001)
        if not 1 / FURTHEST <= factor <= FURTHEST:
            times, than = max(factor, 1 / factor), "slower" if factor > 1 else "faster"
            raise PianistError(
                f"{name}: {pace.duration:g} s are {times:.1f} times {than} than written ({written:.1f} s), "
                f"but at most {FURTHEST:g} times can be played"
            )
        return factor
    if pace.times is not None:
        return pace.times
    if isinstance(pace.tempo, str):
        return 1.0 if pace.tempo == SCORE and has_tempo(grid) else None
    if grid is None:
        raise PianistError(f"{name}: notes without bars have no beats; give a score file, or a duration")
    return first_mark(grid)[0] / pace.tempo


def sane(factor: float, grid: ScoreGrid | None) -> float:
    """A guessed factor within the bounds of `SANE` beats a minute; of notes without beats within half and double."""
    if grid is None:
        return min(max(factor, 0.5), 2.0)
    beats, _ = first_mark(grid)
    return min(max(factor, beats / SANE[1]), beats / SANE[0])


def at_pace(score: Notes, factor: float) -> Notes:
    """The score with its times multiplied."""
    if factor == 1:
        return score
    onset, end = (np.rint(times * factor).astype(np.int64) for times in (score.onset, score.end))
    return dataclasses.replace(
        score,
        onset=onset,
        duration=np.maximum(end - onset, 1),
        pedal_time=np.rint(score.pedal_time * factor).astype(np.int64),
    )


def sections(score: Notes, grid: ScoreGrid | None) -> list[int]:
    """Notes at which a new written tempo begins that holds for long, the first note among them."""
    if grid is None or not len(score):
        return [0]
    _, first = group_chords(score.onset)
    starts, rate = [0], None
    for mark in grid.tempi:
        chord = int(np.searchsorted(grid.onset[first], mark.tick))
        changes = rate is None or abs(math.log(mark.quarters_per_minute / rate)) > OTHER_TEMPO
        if chord == 0 or not changes:
            rate = mark.quarters_per_minute if chord == 0 else rate
            continue
        before = chord < len(first) and _is_long(score, first, starts[-1], chord)  # a mark may stand behind all notes
        if before and _is_long(score, first, chord, len(first) - 1):
            starts.append(chord)
            rate = mark.quarters_per_minute
    return [int(first[chord]) for chord in starts]


def _is_long(score: Notes, first: np.ndarray, begin: int, end: int) -> bool:
    least_chords, least_ms = LONG_SECTION
    if end - begin < least_chords:
        return False
    return int(score.onset[first[end]] - score.onset[first[begin]]) >= least_ms


def paced(score: Notes, performance: Notes, starts: list[int]) -> Notes:
    """The performance (note n plays note n of the score) in which every section lasts as long as it is written.

    Within a section all times change alike: rubato, articulation, spread of chords and pedal keep their proportions.
    """
    chords = chords_of(score)
    if len(chords) < 2:
        return performance
    played = clock_of(chords, performance.onset)
    wanted = played.copy()
    bounds = [*(int(chords.of[start]) for start in starts), len(chords) - 1]
    for begin, end in pairwise(bounds):
        times = (chords.onset[end] - chords.onset[begin]) / (played[end] - played[begin])
        wanted[begin : end + 1] = wanted[begin] + (played[begin : end + 1] - played[begin]) * times
    return make_playable(on_clock(performance, played, wanted))


def to_pace(score: Notes, grid: ScoreGrid | None, performance: Notes, pace: Pace) -> Notes:
    """A performance in which every section, and where a duration rules the whole, lasts as long as is wanted."""
    performance = paced(score, performance, sections(score, grid))
    return performance if pace.duration is None else lasting(performance, 1000 * pace.duration)


def lasting(performance: Notes, milliseconds: float) -> Notes:
    """The performance, evenly faster or slower, so that so much passes from its first onset to its last release."""
    begin, end = float(performance.onset.min()), float(performance.end.max())
    return make_playable(on_clock(performance, np.array([begin, end]), np.array([begin, begin + milliseconds])))


def on_clock(performance: Notes, played: np.ndarray, wanted: np.ndarray) -> Notes:
    """The performance with what happened at `played` ms (float64 [C], ascending) as far apart as at the `wanted` ms.

    Its first onset stays where it is.
    """
    begin = float(performance.onset.min())
    wanted = wanted + begin - carried(begin, played, wanted)
    onset, end = moved(performance.onset, played, wanted), moved(performance.end, played, wanted)
    return dataclasses.replace(
        performance,
        onset=onset,
        duration=np.maximum(end - onset, 1),
        pedal_time=moved(performance.pedal_time, played, wanted),
    )
