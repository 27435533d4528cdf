"""A MIDI file as a score: what its tempo map, signatures and tracks say about the notes."""

from __future__ import annotations

import os
from itertools import pairwise

import mido
import numpy as np

from pianist_jax.files import printable
from pianist_jax.music.midi import gather_events
from pianist_jax.score.facts import DEFAULT_TEMPO, Bar, KeySignature, Score, Tempo, TimeSignature
from pianist_jax.score.files import ScoreError
from pianist_jax.score.midi_parts import read_midi_parts
from pianist_jax.score.repeats import MAX_BARS

CIRCLE = (
    "Fb",
    "Cb",
    "Gb",
    "Db",
    "Ab",
    "Eb",
    "Bb",
    "F",
    "C",
    "G",
    "D",
    "A",
    "E",
    "B",
    "F#",
    "C#",
    "G#",
    "D#",
    "A#",
)


def read_midi_score(path: str | os.PathLike[str], part: str | None = None) -> Score:
    """A MIDI file as a score: notes and pedal of what a pianist plays (`read_midi_parts`), sorted by (onset, pitch).

    Bars follow the time signatures, 4/4 where there is none, and are numbered from 1. Of two tracks with notes
    the higher is the right hand; otherwise hands are unknown. A track is a voice. Nothing is written about the
    notes beside their velocity. Raises MidiError, or ScoreError where its signatures make too many bars.
    """
    name = printable(path)
    read = read_midi_parts(path, part)
    raw, midi = read.notes, read.file
    tracks = [gather_events(name, [track]) for track in midi.tracks]
    quarter = midi.ticks_per_beat
    onset = np.array([tick for events in tracks for tick in events.start], np.float64) / quarter
    end = np.array([tick for events in tracks for tick in events.end], np.float64) / quarter
    voice = np.repeat(np.arange(1, len(tracks) + 1), [len(events.start) for events in tracks])
    pedal = np.sort([tick for events in tracks for tick, _ in events.pedal]) / quarter
    times, keys = _signatures(midi, quarter)
    bars = _bars(times, float(end.max()), name)
    order = np.lexsort((raw.pitch, onset))
    bar = np.searchsorted([bar.start for bar in bars], onset[order], side="right") - 1
    n = len(order)
    return Score(
        notes=type(raw)(
            pitch=raw.pitch[order],
            onset=raw.onset[order],
            duration=raw.duration[order],
            velocity=raw.velocity[order],
            pedal_time=raw.pedal_time,
            pedal_value=raw.pedal_value,
        ),
        note_id=tuple(f"n{index + 1}" for index in order.tolist()),
        bar=bar.astype(np.int32),
        beat=onset[order] - np.array([bar.start for bar in bars])[bar],
        onset=onset[order],
        duration=(end - onset)[order],
        hand=_hands(voice, raw.pitch)[order],
        voice=np.minimum(voice, 32767).astype(np.int16)[order],
        grace=np.zeros(n, bool),
        marks=np.zeros(n, np.uint32),
        level=np.full(n, -1, np.int8),
        hairpin=np.zeros(n, np.int8),
        bars=bars,
        time_signatures=times,
        key_signatures=keys,
        tempos=_tempos([event for events in tracks for event in events.tempo], quarter),
        pedal=pedal,
        left_out=read.left_out,
        readings=read.readings,
        problems=read.problems,
    )


def _tempos(events: list[tuple[int, int]], quarter: int) -> tuple[Tempo, ...]:
    by_tick = {0: 60e6 / DEFAULT_TEMPO} | dict(sorted(events, key=lambda event: event[0]))
    return tuple(Tempo(tick / quarter, 60e6 / micros) for tick, micros in by_tick.items())


def _signatures(midi: mido.MidiFile, quarter: int) -> tuple[tuple[TimeSignature, ...], tuple[KeySignature, ...]]:
    """Time and key signatures by place; of several at one tick the last counts."""
    times: dict[int, tuple[int, int]] = {0: (4, 4)}
    keys: dict[int, tuple[int, bool]] = {}
    events = []
    for track in midi.tracks:
        tick = 0
        for message in track:
            tick += message.time
            events.append((tick, message))
    for tick, message in sorted(events, key=lambda event: event[0]):
        if message.type == "time_signature" and message.numerator:
            times[tick] = (message.numerator, message.denominator)
        elif message.type == "key_signature":
            minor = message.key.endswith("m")
            fifths = CIRCLE.index(message.key.removesuffix("m")) - CIRCLE.index("A" if minor else "C")
            keys[tick] = (fifths, minor)
    return (
        tuple(TimeSignature(tick / quarter, *time) for tick, time in times.items()),
        tuple(KeySignature(tick / quarter, *key) for tick, key in keys.items()),
    )


def _bars(times: tuple[TimeSignature, ...], end: float, name: str) -> tuple[Bar, ...]:
    """Bars from the beginning to the last note's end; a signature begins a new bar, cutting the one before."""
    bars: list[Bar] = []
    last = max(end, times[-1].start + 1e-9)
    for time, stop in pairwise([*times, TimeSignature(last, 4, 4)]):
        if time.start >= last:
            break
        length = 4 * time.beats / time.beat_type
        count = int(np.ceil((stop.start - time.start) / length - 1e-9))
        if len(bars) + count > MAX_BARS:
            raise ScoreError(f"{name}: more than {MAX_BARS} bars; check its time signatures and its last events")
        for index in range(count):
            start = time.start + index * length
            full = length if stop.start == last else min(length, stop.start - start)
            bars.append(Bar(start, full, len(bars) + 1))
    return tuple(bars)


def _hands(voice: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    tracks = np.unique(voice)
    if len(tracks) != 2:
        return np.zeros(len(voice), np.int8)
    high = max(tracks.tolist(), key=lambda track: float(np.mean(pitch[voice == track])))
    return np.where(voice == high, 1, 2).astype(np.int8)
