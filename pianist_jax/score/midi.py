"""A MIDI file as a score: what its tempo map, signatures and tracks say about the notes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import mido
import numpy as np

from pianist_jax.files import printable
from pianist_jax.music.midi import DRUM_CHANNEL, MidiError, gather_events
from pianist_jax.music.notes import Notes, survivors
from pianist_jax.score.ensemble import named_apart, remarks_on
from pianist_jax.score.facts import DEFAULT_TEMPO, Bar, KeySignature, Score, Tempo, TimeSignature
from pianist_jax.score.grid import LEFT, MAJOR, MINOR, NO_SIGNATURE, RIGHT, ScoreGrid, TempoMark
from pianist_jax.score.hands import LEFT_HAND, RIGHT_HAND, named_hand
from pianist_jax.score.midi_parts import read_midi_parts
from pianist_jax.score.repeats import MAX_BARS
from pianist_jax.score.titles import track_title

CIRCLE = ("Fb", *MAJOR, *(name.removesuffix("m") for name in MINOR[-3:]))  # from fewest sharps to most


def read_midi_score(
    path: str | os.PathLike[str], part: str | None = None, *, whole: bool = False, accompany: bool = False
) -> Score:
    """A MIDI file as a score: notes and pedal of what a pianist plays (`read_midi_parts`), in the order of the file.

    Bars follow the time signatures, 4/4 where there is none, and are numbered from 1. Hands are what the parts are
    called (`hand_names`). A track is a voice. Nothing is written about the notes beside their velocity. Raises
    MidiError, for signatures that make too many bars, too.
    """
    name = printable(path)
    read = read_midi_parts(path, part, whole=whole, accompany=accompany)
    file, quarter = read.file, read.file.ticks_per_beat
    tracks = [gather_events(name, [track]) for track in file.tracks]
    onset, end = (
        np.array([tick for each in tracks for tick in getattr(each, at)], np.int64) for at in ("start", "end")
    )
    voice = np.repeat(np.arange(1, len(tracks) + 1), [len(events.start) for events in tracks])
    channel = np.array([channel for events in tracks for channel in events.channel], np.int64)
    places = {place: index for index, place in enumerate(read.places)}
    part_of = [
        places[track - 1, own if file.type == 0 else -1]
        for track, own in zip(voice.tolist(), channel.tolist(), strict=True)
    ]
    grid = _grid(name, file, read.notes, np.stack([onset, end, np.array(part_of, np.int64)]), read.names)
    lines = grid.bars()
    bars = tuple(
        Bar(start / quarter, (stop - start) / quarter, number)
        for number, (start, stop) in enumerate(pairwise(lines.tolist()), 1)
    )
    bar = np.searchsorted(lines[:-1], onset, side="right") - 1
    others = named_apart(read.others, pianist := () if read.conducted else grid.part_names, name)
    return Score(
        notes=read.notes,
        note_id=tuple(f"n{number}" for number in range(1, len(onset) + 1)),
        bar=bar.astype(np.int32),
        beat=(onset - lines[bar]) / quarter,
        onset=onset / quarter,
        duration=(end - onset) / quarter,
        hand=np.array([named_hand(label) for label in grid.part_names], np.int8)[part_of],
        voice=np.minimum(voice, 32767).astype(np.int16),
        grace=np.zeros(len(onset), bool),
        marks=np.zeros(len(onset), np.uint32),
        level=np.full(len(onset), -1, np.int8),
        hairpin=np.zeros(len(onset), np.int8),
        gradual=np.zeros(len(onset), np.int8),
        bars=bars,
        time_signatures=tuple(TimeSignature(tick / quarter, *time) for tick, *time in grid.time_signatures),
        key_signatures=tuple(KeySignature(tick / quarter, *_fifths(key)) for tick, key in grid.key_signatures),
        tempos=_tempos(grid),
        pedal=np.sort([tick for events in tracks for tick, _ in events.pedal]) / quarter,
        left_out=read.left_out,
        readings=(*read.readings, *remarks_on(others, read.unknown, pianist)),
        problems=read.problems,
        oddities=_oddities(file),
        format=f"MIDI, format {file.type}, {_some(len(file.tracks), 'track')}, {quarter} ticks a quarter",
        midi_grid=grid,
        title=_title(file),
        others=others,
        conducted=read.conducted,
    )


def _title(file: mido.MidiFile) -> str:
    """What the first track is called, where it has no notes and others do: there programs write the title."""
    first, *others = file.tracks or [[]]
    if not others or any(message.type == "note_on" for message in first):
        return ""
    return track_title(next((message.name for message in first if message.type == "track_name"), ""))


def hand_names(names: Sequence[str], part: np.ndarray, pitch: np.ndarray) -> tuple[str, ...]:
    """What the parts are called: hands, the higher the right one, where there are two that do not say so themselves."""
    if len(names) != 2:
        return tuple(label or f"Part {k + 1}" for k, label in enumerate(names))
    hands = [named_hand(label) for label in names]
    if sorted(hands) == [RIGHT_HAND, LEFT_HAND]:  # in whatever language
        return tuple(RIGHT if hand == RIGHT_HAND else LEFT for hand in hands)
    if any(hands):
        return tuple(label or "Piano" for label in names)
    mean = [pitch[part == k].mean() if np.any(part == k) else 64.0 for k in range(2)]
    return (RIGHT, LEFT) if mean[0] >= mean[1] else (LEFT, RIGHT)


def _grid(name: str, file: mido.MidiFile, raw: Notes, columns: np.ndarray, names: Sequence[str]) -> ScoreGrid:
    """The grid of a file whose notes begin, end and belong as int64[3, N] `columns` say. Raises MidiError."""
    kept = survivors(raw)
    start, end, part = columns[:, kept]
    times = [(tick, event.numerator, event.denominator) for tick, event in _events(file, "time_signature")]
    if not times or times[0][0] > 0:
        times.insert(0, NO_SIGNATURE)
    _require_bars(times, int(end.max()), file.ticks_per_beat, name)
    return ScoreGrid(
        file.ticks_per_beat,
        start,
        np.maximum(end - start, 1),
        part,
        hand_names(names, part, raw.pitch[kept]),
        tuple(times),
        tuple((tick, event.key) for tick, event in _events(file, "key_signature")),
        tuple(TempoMark(tick, 60e6 / event.tempo) for tick, event in _events(file, "set_tempo")),
    )


def _events(file: mido.MidiFile, kind: str) -> list[tuple[int, mido.MetaMessage]]:
    """(tick, event) of one kind over all tracks, sorted, the last of those at one tick; no metre of no beats."""
    found: dict[int, mido.MetaMessage] = {}
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == kind and (kind != "time_signature" or message.numerator):
                found[tick] = message
    return sorted(found.items(), key=lambda event: event[0])


def _require_bars(times: Sequence[tuple[int, int, int]], end: int, quarter: int, name: str) -> None:
    """Raises MidiError where there would be more bars than a score can have, before they are counted out."""
    last = max(end, times[-1][0] + 1)
    bars = 0.0
    for (start, over, under), (stop, _, _) in pairwise([*times, (last, 0, 0)]):
        bars += max(stop - start, 1) * under / (4 * over * quarter)
    if bars > MAX_BARS:
        raise MidiError(f"{name}: more than {MAX_BARS} bars; check its time signatures and its last events")


def _tempos(grid: ScoreGrid) -> tuple[Tempo, ...]:
    told = {0: DEFAULT_TEMPO} | {mark.tick: mark.quarters_per_minute for mark in grid.tempi}
    return tuple(Tempo(tick / grid.ticks_per_quarter, rate) for tick, rate in told.items())


def _fifths(key: str) -> tuple[int, bool]:
    minor = key.endswith("m")
    return CIRCLE.index(key.removesuffix("m")) - CIRCLE.index("A" if minor else "C"), minor


def _oddities(file: mido.MidiFile) -> tuple[str, ...]:
    """What the file does not say."""
    found, missing = [], 0
    kinds = {message.type for track in file.tracks for message in track}
    for track in file.tracks:
        sounding: Counter[tuple[int, int]] = Counter()
        for message in track:
            if message.type == "note_on" and message.velocity:
                sounding[message.channel, message.note] += message.channel != DRUM_CHANNEL
            elif message.type in ("note_on", "note_off"):
                key = message.channel, message.note
                sounding[key] = max(sounding[key] - 1, 0)
        missing += sum(sounding.values())
    if missing:
        found.append(f"{_some(missing, 'note')} never released: until the key is struck again, or the end")
    if "time_signature" not in kinds:
        found.append("no time signature: 4/4 is meant")
    if "set_tempo" not in kinds:
        found.append("no tempo: 120 quarters a minute is meant")
    return tuple(found)


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
