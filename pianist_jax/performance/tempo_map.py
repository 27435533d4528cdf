"""Expressive tempo mapping: a performance on its score's beats, sounding as it was played (arXiv 2512.02652).

Score onsets become points through which a tempo map is drawn: at the first note of every chord the score's
tick comes when that note was played. Whatever else sounds (other notes of a chord, releases, pedal) gets the
tick at which that map reaches its time. Every event comes within half a tick of its time, and, as long as ticks are at
most 3 ms (from 20.9 quarters a minute on at 960 ticks a quarter), within 1 ms (`tempo_events`). Two events of one key
are a tick apart.

Tempi stay within what sequencers document (Live plays 20 to 999 bpm, Cubase up to 300). Where no such tempo leads
from one onset to the next (a chord struck together though written apart, hands that cross in time, a minute's rest
over a semiquaver), that onset makes no point and its notes stand off the grid: the points kept are the longest
chain in which every tempo is sound.

Notation programs quantise what stands between beats, and get little of it right. For them ("bar") all notes stand where
they are written, as long as they are written, and the tempo changes at bar lines: loudness, pedal and the large shape
of time are the performer's, rhythm and touch are the page's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music import midi
from pianist_jax.music.notes import Notes
from pianist_jax.performance.ensemble import KEYS
from pianist_jax.performance.tempo_events import (
    AUDIBLE,
    SEQUENCERS,
    Limits,
    TempoMap,
    apart,
    tempo_map,
    within_hearing,
)
from pianist_jax.score.ensemble import OtherPart
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.sequencer import scaled

TEMPO_EVENTS = ("onset", "beat", "bar")
NEAREST = 1 / 32  # quarters between points; ornaments written closer move off the grid
SNAP = 0.4  # ms by which a note may move to stand exactly on the grid
ENOUGH = 0.9  # of the points that there would be without that
SOON = 4  # ms within which a tick may be too long to part two events
ENDING = 0.5  # quarters before the last point over which the tempo of the end is measured
SUSTAINED = 64  # from this value on a pedal holds


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


def map_tempo(
    score: ScoreGrid,
    performance: Notes,
    events: str = "onset",
    limits: Limits = SEQUENCERS,
    others: Sequence[OtherPart] = (),
) -> Mapped:
    """Lay a performance (ms; note n plays note n of the score) on the beats of the score.

    Args:
        events: "onset": a tempo change at every onset of the score, whose first note then stands exactly on
            the grid; "beat": changes on beats only, notes between them keep small offsets; "bar": notes as they are
            written and changes on bar lines only, for notation programs.
        others: whose pedal and curves (ms) are to come within 1 ms, too, where they are written (`write_mapped`).

    The notes must be such as `write_midi` takes: those of one pitch may not overlap. Other instruments have keys of
    their own (`ensemble.together`). Raises ValueError where
    the two differ in length or `events` is unknown, PianistError for what is too long for a MIDI file.
    """
    if len(score) != len(performance):
        raise ValueError(f"the score has {len(score)} notes, the performance {len(performance)}")
    if events not in TEMPO_EVENTS:
        raise ValueError(f"tempo events {events!r} are none of {TEMPO_EVENTS}")
    instrument = performance.pitch // KEYS
    for each in np.unique(instrument).tolist():
        midi.require_writable(_taken(performance, np.flatnonzero(instrument == each)))
    quarter = limits.ticks_per_quarter
    points = place, time, offset, last_pace = _points(score, performance, limits)
    if events != "onset":
        marks = score.beats() if events == "beat" else score.bars()
        place, time = _at_marks(scaled(marks, score.ticks_per_quarter, quarter) / quarter, place, time, last_pace)
    grid = scaled(score.onset, score.ticks_per_quarter, quarter)
    if events == "bar":
        tempo = tempo_map(np.rint(place * quarter).astype(np.int64), time, last_pace, limits)
        notes = _as_written(score, performance, grid, points, limits)
    else:
        also = [time for other in others for time in (other.notes.pedal_time, other.curve[:, 0])]
        wanted = _times(performance, offset, *also), _handed_over(performance, score.part, offset)
        tempo = within_hearing(place, time, last_pace, wanted, limits)
        notes = _in_ticks(performance, offset, tempo, grid)
        notes = _strikes_apart(notes, score.part, tempo, performance, offset)
    return Mapped(_part_hands(notes, score.part), grid, tempo, score, events, offset)


def _points(score: ScoreGrid, performance: Notes, limits: Limits) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Points of the map (quarters, ms of the file), offset (ms), and ms a quarter after the last point."""
    written = np.unique(score.onset)
    earliest = np.full(len(written), np.iinfo(np.int64).max)
    np.minimum.at(earliest, np.searchsorted(written, score.onset), performance.onset)
    earliest[0] = performance.onset.min()  # nothing sounds before the first point
    place = scaled(written, score.ticks_per_quarter, limits.ticks_per_quarter) / limits.ticks_per_quarter
    time = earliest.astype(np.float64)
    kept = _chain(place, time, limits)
    final = score.onset == written[kept[-1]]
    place, time = place[kept], time[kept]
    last_pace = _last_pace(score, performance, final, place, time, limits)
    pace = np.diff(time[:2]) / np.diff(place[:2])
    offset = _offset(place[0], time[0], pace[0] if len(pace) else last_pace, limits)
    time = time + offset
    if place[0] > 0:
        place, time = np.append(0.0, place), np.append(0.0, time)
    return place, time, offset, last_pace


def _chain(place: np.ndarray, time: np.ndarray, limits: Limits) -> np.ndarray:
    """The onsets that make points: with ticks short enough for all events, where few onsets are lost for that."""
    every = longest_chain(place, time, limits)
    short = longest_chain(place, time, replace(limits, slowest=60_000 / limits.longest_point))
    return short if len(short) >= ENOUGH * len(every) else every


def longest_chain(place: np.ndarray, time: np.ndarray, limits: Limits = SEQUENCERS) -> np.ndarray:
    """int64[K]: the most of M onsets, the first among them, between which every tempo is sound.

    `place` float64[M] quarters ascending, `time` float64[M] ms in any order.
    """
    length = np.zeros(len(place), np.int64)  # of the longest chain that ends here; 0: none does
    before = np.full(len(place), -1)
    length[0] = 1
    for k in range(1, len(place)):
        quarters, ms = place[k] - place[:k], time[k] - time[:k]
        sound = (quarters >= NEAREST) & (ms >= limits.shortest * quarters) & (ms <= limits.longest * quarters)
        reach = np.where(sound, length[:k], 0)[::-1]
        nearest = k - 1 - int(np.argmax(reach))  # of equals the last
        if length[nearest] and sound[nearest]:
            length[k], before[k] = length[nearest] + 1, nearest
    chain = [int(len(length) - 1 - np.argmax(length[::-1]))]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return np.array(chain[::-1], np.int64)


def _last_pace(
    score: ScoreGrid, performance: Notes, final: np.ndarray, place: np.ndarray, time: np.ndarray, limits: Limits
) -> float:
    """ms a quarter after the last point, under which the notes `final` bool[N] begin.

    It is the tempo at which the music came there, so that a ritardando is not undone at its last chord; slower where
    that chord sounds, with its pedal, for longer than it is written.
    """
    written = score.duration[final].max() / score.ticks_per_quarter
    held = max(_silence(performance, int(performance.end[final].max())) - time[-1], 1.0)
    low, high = limits.shortest, limits.longest_point
    if len(place) > 1:
        before = min(int(np.searchsorted(place, place[-1] - ENDING, side="right")) - 1, len(place) - 2)
        low = (time[-1] - time[max(before, 0)]) / (place[-1] - place[max(before, 0)])
        high = min(4 * low, high)
    return float(np.clip(held / written, low, high))


def _silence(performance: Notes, end: int) -> int:
    """When (ms) a key that comes up at `end` stops sounding: then, or when the pedal comes up."""
    after = int(np.searchsorted(performance.pedal_time, end, side="right"))
    if after == 0 or performance.pedal_value[after - 1] < SUSTAINED:
        return end
    up = np.flatnonzero(performance.pedal_value[after:] < SUSTAINED)
    return int(performance.pedal_time[after + up[0]]) if len(up) else end


def _offset(place: float, time: float, pace: float, limits: Limits) -> int:
    """ms between performance and file: none where what the score has before its first note can hold the silence."""
    if place > 0 and limits.shortest * place <= time <= limits.longest_point * place:
        return 0
    return round(place * pace - time)


def _at_marks(
    marks: np.ndarray, place: np.ndarray, time: np.ndarray, last_pace: float
) -> tuple[np.ndarray, np.ndarray]:
    """The map's points at beats or bar lines `marks` (quarters), to the first one after the last point."""
    marks = np.unique(marks[: np.searchsorted(marks, place[-1]) + 1])
    beyond = np.maximum(marks - place[-1], 0) * last_pace
    return marks, np.interp(marks, place, time) + beyond


def _times(performance: Notes, offset: int, *also: np.ndarray) -> np.ndarray:
    """float64 ms of the file at which anything happens, ascending, each once."""
    moved = np.maximum(np.concatenate([performance.pedal_time, *also]) + offset, 0)
    return np.unique(np.concatenate([performance.onset + offset, performance.end + offset, moved])).astype(np.float64)


def _as_written(
    score: ScoreGrid,
    performance: Notes,
    grid: np.ndarray,
    points: tuple[np.ndarray, np.ndarray, int, float],
    limits: Limits,
) -> Notes:
    """Every note where and as long as it is written, as loud as it is played; the pedal at what it was moved with."""
    place, time, offset, last_pace = points
    length = np.maximum(scaled(score.duration, score.ticks_per_quarter, limits.ticks_per_quarter), 1)
    begin, stop = _keys_apart(performance.pitch, grid, grid, grid + length)
    moved = np.maximum(performance.pedal_time + offset, 0)
    beyond = np.maximum(moved - time[-1], 0) / last_pace
    pedal = np.rint((np.interp(moved, time, place) + beyond) * limits.ticks_per_quarter).astype(np.int64)
    return Notes(performance.pitch, begin, stop - begin, performance.velocity, pedal, performance.pedal_value)


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
    begin, stop = _keys_apart(performance.pitch, performance.onset, begin, stop)
    columns = (performance.pitch, begin, stop - begin, performance.velocity)
    return Notes(*columns, pedal, performance.pedal_value)


def _keys_apart(
    pitch: np.ndarray, onset: np.ndarray, begin: np.ndarray, stop: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ticks of strikes and releases, a key's strikes, by `onset`, a tick apart and each released by the next."""
    order = np.lexsort((onset, pitch))
    rank = np.arange(len(order))
    own = pitch[order].astype(np.int64) * (1 << 32) - rank
    struck = np.maximum.accumulate(begin[order] + own) - own
    until = np.maximum(stop[order], struck + 1)
    again = pitch[order][1:] == pitch[order][:-1]
    until[:-1] = np.where(again, np.minimum(until[:-1], struck[1:]), until[:-1])
    begin, stop = begin.copy(), stop.copy()
    begin[order], stop[order] = struck, until
    return begin, stop


def _part_hands(notes: Notes, part: np.ndarray) -> Notes:
    """Release a key a tick before the other hand strikes it: across tracks, one tick has no order."""
    before, _ = _meeting(notes, part)
    duration = notes.duration.copy()
    duration[before] -= duration[before] > 1
    return replace(notes, duration=duration)


def _handed_over(performance: Notes, part: np.ndarray, offset: int) -> np.ndarray:
    """float64[P, 2] ms of the file: when one hand releases a key, and when another strikes it soon after."""
    order = np.lexsort((performance.onset, performance.pitch))
    before, after = order[:-1], order[1:]
    own = (performance.pitch[before] == performance.pitch[after]) & (part[before] != part[after])
    pairs = np.stack([performance.end[before], performance.onset[after]], axis=1)[own] + offset
    return pairs[np.diff(pairs, axis=1)[:, 0] < SOON].astype(np.float64)


def _strikes_apart(notes: Notes, part: np.ndarray, tempo: TempoMap, performance: Notes, offset: int) -> Notes:
    """Strike a key a tick after the other hand releases it where that is nearer to the truth than `_part_hands` is."""
    before, after = _meeting(notes, part)
    early, late = apart(tempo, np.stack([performance.end[before], performance.onset[after]], axis=1) + offset)
    moved = after[(early > AUDIBLE) & (late < early) & (notes.duration[after] > 1)]
    onset, duration = notes.onset.copy(), notes.duration.copy()
    onset[moved] += 1
    duration[moved] -= 1
    return replace(notes, onset=onset, duration=duration)


def _meeting(notes: Notes, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which notes end at the tick at which others of their key, in another part, begin."""
    order = np.lexsort((notes.onset, notes.pitch))
    before, after = order[:-1], order[1:]
    meets = (notes.pitch[before] == notes.pitch[after]) & (part[before] != part[after])
    meets &= notes.end[before] == notes.onset[after]
    return before[meets], after[meets]


def write_mapped(
    path: str | os.PathLike[str],
    mapped: Mapped,
    texts: Sequence[str] = (),
    others: Sequence[OtherPart] = (),
    *,
    conducted: bool = False,
) -> None:
    """Write the editable MIDI file (format 1): a track with tempi and signatures, then one for every part.

    The pedal stands in every part of the pianist, so that each can have its own instrument, and key signatures in all
    parts. `texts` are told at the start of the first track. The last parts are those of `others`, whose own pedal and
    curves (ms) are laid on their tracks; where they are `conducted` there is no other. The file appears whole or not at
    all. Raises MidiError where it cannot be written.
    """
    score, notes = mapped.score, mapped.notes
    old, new = score.ticks_per_quarter, mapped.tempo.ticks_per_quarter
    parts, first = [], len(score.part_names) - len(others)
    for part, label in enumerate(score.part_names):
        own = np.flatnonzero(score.part == part)
        if not len(own) or (conducted and part < first):
            continue
        track = midi.Part(label, _taken(notes, own), score.programs[part] if score.programs else 0)
        parts.append(track if part < first else _moved(track, others[part - first], mapped))
    midi.write_parts(
        path,
        parts,
        ticks_per_quarter=new,
        tempo=zip(mapped.tempo.tick.tolist(), mapped.tempo.micros.tolist(), strict=True),
        time_signatures=[
            (int(scaled(np.array(tick), old, new)), over, under) for tick, over, under in score.time_signatures
        ],
        key_signatures=[(int(scaled(np.array(tick), old, new)), key) for tick, key in score.key_signatures],
        title=score.title or Path(os.fsdecode(path)).name.split(".")[0].encode("utf-8", "replace").decode(),
        texts=texts,
    )


def _moved(track: midi.Part, other: OtherPart, mapped: Mapped) -> midi.Part:
    """The track of a part with its pedal and its curve in ticks; what comes with a note comes at its tick."""
    struck = dict(zip(other.notes.onset.tolist(), track.notes.onset.tolist(), strict=True))

    def ticks(time: np.ndarray) -> np.ndarray:
        plain = mapped.tempo.ticks(np.maximum(time + mapped.offset, 0)).tolist()
        at = [struck.get(ms, tick) for ms, tick in zip(time.tolist(), plain, strict=True)]
        return np.maximum.accumulate(np.array(at, np.int64)) if at else np.zeros(0, np.int64)

    pedal = {"pedal_time": ticks(other.notes.pedal_time), "pedal_value": other.notes.pedal_value}
    curve = np.stack([ticks(other.curve[:, 0]), other.curve[:, 1]], axis=1)
    return replace(track, notes=replace(track.notes, **pedal), curve=curve, controller=other.controller)


def _taken(notes: Notes, own: np.ndarray) -> Notes:
    """Notes of one instrument, `own` int64[K], on its own keys; the pedal is the pianist's."""
    pitch, pedal = notes.pitch[own], slice(None if notes.pitch[own[0]] < KEYS else 0)
    columns = (notes.onset[own], notes.duration[own], notes.velocity[own])
    return Notes(pitch % KEYS, *columns, notes.pedal_time[pedal], notes.pedal_value[pedal])
