"""Expressive tempo mapping: a performance on its score's beats, sounding as it was played (arXiv 2512.02652).

Score onsets become points through which a tempo map is drawn: at the first note of every chord the score's
tick comes when that note was played. Whatever else sounds (other notes of a chord, releases, pedal) gets the
tick at which that map reaches its time. Tempi are whole microseconds a quarter, as MIDI stores them; what
rounding one leaves over goes into the next, so that nothing drifts. Every event comes within half a millisecond of
its time, within 0.9 ms where a key passes from hand to hand.

Where no tempo between 5 and 600 bpm leads from one onset to the next (a chord struck together though written
apart, hands that cross in time, a minute's rest over a semiquaver), that onset makes no point and its notes
stand off the grid: the points kept are the longest chain in which every tempo is sound.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from pianist_jax.errors import PianistError
from pianist_jax.music import midi
from pianist_jax.music.notes import Notes
from pianist_jax.score.grid import ScoreGrid

TEMPO_EVENTS = ("onset", "beat")
SLOWEST, FASTEST = 12_000.0, 100.0  # ms a quarter: 5 and 600 bpm, which common sequencers can play
NEAREST = 1 / 32  # quarters between points; ornaments written closer move off the grid
LONGEST_TICK = 0.5  # ms
SNAP = 0.4  # ms by which a note may move to stand exactly on the grid
LEAST_TICKS, MOST_TICKS = 480, 32767  # a quarter
US = 1000  # µs in a ms


@dataclass(frozen=True, eq=False)
class TempoMap:
    """Tempo changes: at `tick` int64[K], the first 0, a quarter begins to last `micros` int64[K] µs."""

    tick: np.ndarray
    micros: np.ndarray
    ticks_per_quarter: int

    def milliseconds(self, ticks: np.ndarray) -> np.ndarray:
        """float64: when ticks come, in ms."""
        passed, place = self._elapsed(), np.searchsorted(self.tick, ticks, side="right") - 1
        return (passed[place] + (ticks - self.tick[place]) * self.micros[place]) / self._unit

    def ticks(self, ms: np.ndarray) -> np.ndarray:
        """int64: the nearest tick to each time (ms, not before 0)."""
        passed, time = self._elapsed(), np.asarray(ms, np.float64) * self._unit
        place = np.maximum(np.searchsorted(passed, time, side="right") - 1, 0)
        return np.rint(self.tick[place] + (time - passed[place]) / self.micros[place]).astype(np.int64)

    @property
    def _unit(self) -> int:
        return US * self.ticks_per_quarter

    def _elapsed(self) -> np.ndarray:
        """int64[K] µs × ticks a quarter before each change: whole numbers, exact below 2^63 for all of MIDI."""
        return np.concatenate([[0], np.cumsum(np.diff(self.tick) * self.micros[:-1])])


@dataclass(frozen=True, eq=False)
class Mapped:
    """A performance on the beats of its score.

    `notes` has N notes and the pedal in ticks; `grid` int64[N] is where each note is written, in the same
    ticks. The file begins `offset` ms after the raw performance does (negative: silence before the first note
    is left out, as the score has no room for it).
    """

    notes: Notes
    grid: np.ndarray
    tempo: TempoMap
    score: ScoreGrid
    events: str
    offset: int

    @property
    def on_grid(self) -> float:
        """The share of notes that stand exactly where the score has them."""
        return float(np.mean(self.notes.onset == self.grid))


def map_tempo(score: ScoreGrid, performance: Notes, events: str = "onset") -> Mapped:
    """Lay a performance (ms; note n plays note n of the score) on the beats of the score.

    Args:
        events: "onset": a tempo change at every onset of the score, whose first note then stands exactly on
            the grid; "beat": changes on beats only, notes between them keep small offsets.

    The notes must be such as `write_midi` takes: those of one pitch may not overlap. Raises ValueError where
    the two differ in length or `events` is unknown, PianistError for what is too long for a MIDI file.
    """
    if len(score) != len(performance):
        raise ValueError(f"the score has {len(score)} notes, the performance {len(performance)}")
    if events not in TEMPO_EVENTS:
        raise ValueError(f"tempo events {events!r} are none of {TEMPO_EVENTS}")
    midi.require_writable(performance)
    place, time, offset, last_pace = _points(score, performance)
    if events == "beat":
        place, time = _at_beats(score, place, time, last_pace)
    ticks_per_quarter = _ticks_per_quarter(score, place, time, last_pace)
    tempo = _tempo_map(place, time, last_pace, ticks_per_quarter)
    grid = _to_ticks(score.onset, score.ticks_per_quarter, ticks_per_quarter)
    notes = _in_ticks(performance, offset, tempo, grid)
    return Mapped(_part_hands(notes, score.part), grid, tempo, score, events, offset)


def _points(score: ScoreGrid, performance: Notes) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Points of the map (quarters, ms of the file), offset (ms), and ms a quarter after the last point."""
    written = np.unique(score.onset)
    earliest = np.full(len(written), np.iinfo(np.int64).max)
    np.minimum.at(earliest, np.searchsorted(written, score.onset), performance.onset)
    earliest[0] = performance.onset.min()  # nothing sounds before the first point
    place, time = written / score.ticks_per_quarter, earliest.astype(np.float64)
    kept = longest_chain(place, time)
    place, time = place[kept], time[kept]
    pace = np.diff(time) / np.diff(place)
    last_pace = _last_pace(score, performance, place, time, pace)
    offset = _offset(place[0], time[0], pace[0] if len(pace) else last_pace)
    time = time + offset
    if place[0] > 0:
        place, time = np.append(0.0, place), np.append(0.0, time)
    return place, time, offset, last_pace


def longest_chain(place: np.ndarray, time: np.ndarray) -> np.ndarray:
    """int64[K]: the most of M onsets, the first among them, between which every tempo is sound.

    `place` float64[M] quarters ascending, `time` float64[M] ms in any order.
    """
    length = np.zeros(len(place), np.int64)  # of the longest chain that ends here; 0: none does
    before = np.full(len(place), -1)
    length[0] = 1
    for k in range(1, len(place)):
        quarters, ms = place[k] - place[:k], time[k] - time[:k]
        sound = (quarters >= NEAREST) & (ms >= FASTEST * quarters) & (ms <= SLOWEST * quarters)
        reach = np.where(sound, length[:k], 0)[::-1]
        nearest = k - 1 - int(np.argmax(reach))  # of equals the last
        if length[nearest] and sound[nearest]:
            length[k], before[k] = length[nearest] + 1, nearest
    chain = [int(len(length) - 1 - np.argmax(length[::-1]))]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return np.array(chain[::-1], np.int64)


def _last_pace(score: ScoreGrid, performance: Notes, place: np.ndarray, time: np.ndarray, pace: np.ndarray) -> float:
    """ms a quarter after the last point: so that the last chord fills its written length, within reason."""
    last = np.rint(place[-1] * score.ticks_per_quarter).astype(np.int64)
    final = score.onset == last
    written = score.duration[final].max() / score.ticks_per_quarter
    held = max(float(performance.end[final].max() - time[-1]), 1.0)
    low, high = (pace[-1] / 2, pace[-1] * 4) if len(pace) else (FASTEST, SLOWEST)
    return float(np.clip(held / written, max(low, FASTEST), min(high, SLOWEST)))


def _offset(place: float, time: float, pace: float) -> int:
    """ms between performance and file: none where what the score has before its first note can hold the silence."""
    if place > 0 and FASTEST * place <= time <= SLOWEST * place:
        return 0
    return round(place * pace - time)


def _at_beats(score: ScoreGrid, place: np.ndarray, time: np.ndarray, last_pace: float) -> tuple[np.ndarray, np.ndarray]:
    """The map's points at the beats from the first to the one after the last point."""
    beats = score.beats() / score.ticks_per_quarter
    beats = beats[: np.searchsorted(beats, place[-1]) + 1]
    beyond = np.maximum(beats - place[-1], 0) * last_pace
    return beats, np.interp(beats, place, time) + beyond


def _ticks_per_quarter(score: ScoreGrid, place: np.ndarray, time: np.ndarray, last_pace: float) -> int:
    """So many that the longest tick has at most half a millisecond; a multiple of what the score's grid needs."""
    paces = np.append(np.diff(time) / np.diff(place), last_pace)
    needed = max(float(paces.max()) / LONGEST_TICK, LEAST_TICKS)
    starts = [*(tick for tick, *_ in score.time_signatures), *(tick for tick, _ in score.key_signatures)]
    common = np.gcd.reduce(np.concatenate([score.onset, np.array(starts), [score.ticks_per_quarter]]))
    base = int(score.ticks_per_quarter // common)
    for step in (int(np.lcm(base, LEAST_TICKS)), base, LEAST_TICKS):
        ticks = step * int(np.ceil(needed / step))
        if ticks <= MOST_TICKS:
            break
    return ticks


def _to_ticks(ticks: ArrayLike, old: int, new: int) -> np.ndarray:
    """int64: ticks of `old` to a quarter in ticks of `new`, to the nearest."""
    return (2 * np.asarray(ticks, np.int64) * new + old) // (2 * old)


def _tempo_map(place: np.ndarray, time: np.ndarray, last_pace: float, ticks_per_quarter: int) -> TempoMap:
    """Whole µs a quarter between points, each chosen from where the ones before it really lead."""
    tick = np.rint(place * ticks_per_quarter).astype(np.int64).tolist()
    target = [round(ms * US * ticks_per_quarter) for ms in time]  # µs × ticks a quarter
    reached, micros = 0, []
    for k in range(len(tick) - 1):
        span = tick[k + 1] - tick[k]
        wanted = round((target[k + 1] - reached) / span)
        micros.append(int(np.clip(wanted, 0.99 * FASTEST * US, (1 << 24) - 1)))
        reached += micros[-1] * span
    micros.append(round(last_pace * US))
    changed = np.append(True, np.diff(micros) != 0)
    return TempoMap(np.array(tick)[changed], np.array(micros)[changed], ticks_per_quarter)


def _in_ticks(performance: Notes, offset: int, tempo: TempoMap, grid: np.ndarray) -> Notes:
    """All times as ticks of the map; notes that come within `SNAP` of their place in the score stand there.

    Ticks follow from times alone and rise with them, so that what was simultaneous, or in order, stays so.
    """
    onset, end = performance.onset + offset, performance.end + offset
    pedal = np.maximum(performance.pedal_time + offset, 0)
    times, index = np.unique(np.concatenate([onset, end, pedal]), return_inverse=True)
    ticks = tempo.ticks(times)
    near = np.abs(tempo.milliseconds(grid) - onset) <= SNAP
    ticks[index[: len(onset)][near]] = grid[near]
    ticks = np.maximum.accumulate(ticks)
    if ticks[-1] >= midi.MAX_DELTA:
        raise PianistError("too long for one MIDI file with exact times: split the score")
    begin, stop, pedal = np.split(ticks[index], [len(onset), 2 * len(onset)])
    return Notes(
        performance.pitch,
        begin,
        np.maximum(stop - begin, 1),
        performance.velocity,
        pedal,
        performance.pedal_value,
    )


def _part_hands(notes: Notes, part: np.ndarray) -> Notes:
    """Release a key a tick before the other hand strikes it: across tracks, one tick has no order."""
    order = np.lexsort((notes.onset, notes.pitch))
    before, after = order[:-1], order[1:]
    meets = (notes.pitch[before] == notes.pitch[after]) & (part[before] != part[after])
    meets &= (notes.end[before] == notes.onset[after]) & (notes.duration[before] > 1)
    duration = notes.duration.copy()
    duration[before[meets]] -= 1
    return Notes(notes.pitch, notes.onset, duration, notes.velocity, notes.pedal_time, notes.pedal_value)


def write_mapped(path: str | os.PathLike[str], mapped: Mapped) -> None:
    """Write the editable MIDI file (format 1): a track with tempi and signatures, then one for every part.

    The pedal stands in every part, so that each can have its own instrument. The file appears whole or not
    at all. Raises MidiError where it cannot be written.
    """
    score, notes = mapped.score, mapped.notes
    old, new = score.ticks_per_quarter, mapped.tempo.ticks_per_quarter
    parts = []
    for part, label in enumerate(score.part_names):
        own = np.flatnonzero(score.part == part)
        if len(own):
            columns = (notes.pitch[own], notes.onset[own], notes.duration[own], notes.velocity[own])
            parts.append((label, Notes(*columns, notes.pedal_time, notes.pedal_value)))
    midi.write_parts(
        path,
        parts,
        ticks_per_quarter=new,
        tempo=zip(mapped.tempo.tick.tolist(), mapped.tempo.micros.tolist(), strict=True),
        time_signatures=[(int(_to_ticks(tick, old, new)), over, under) for tick, over, under in score.time_signatures],
        key_signatures=[(int(_to_ticks(tick, old, new)), key) for tick, key in score.key_signatures],
        title=Path(os.fsdecode(path)).name.split(".")[0].encode("utf-8", "replace").decode(),
    )
