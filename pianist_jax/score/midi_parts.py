"""A MIDI file as a pianist's score: the tracks, or channels, that a keyboard plays, and what else there is."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import mido
import numpy as np

from pianist_jax.files import printable
from pianist_jax.music.midi import DRUM_CHANNEL, gather_events, notes_of_tracks, parse_midi, read_bytes
from pianist_jax.music.midi_mend import mended
from pianist_jax.music.midi_scan import SUSTAIN, track_label
from pianist_jax.music.notes import Notes
from pianist_jax.score.ensemble import OtherPart, other_part
from pianist_jax.score.instruments import program_of
from pianist_jax.score.parts import chosen_parts, is_conducted, is_pianist, part_names
from pianist_jax.score.written import WrittenPart

Place = tuple[int, int]  # of a part: its track, and its channel where those are parts, else -1


@dataclass(frozen=True, eq=False)
class MidiScore:
    """A MIDI file whose tracks hold what is played and nothing else; its notes, and what is to be told of it."""

    file: mido.MidiFile
    notes: Notes
    places: list[Place]  # of the parts that are played, in the order of the file
    names: list[str]  # what they are called, "" where nothing says so
    readings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    others: tuple[OtherPart, ...] = ()  # those that sound beside it
    unknown: tuple[str, ...] = ()  # names of these of which no instrument is known
    conducted: bool = False  # all of them sound so


def read_midi_parts(
    path: str | os.PathLike[str], part: str | None = None, *, whole: bool = False, accompany: bool = False
) -> MidiScore:
    """The parts of a MIDI file that a pianist plays, or the `part` of a name or number (`parts.chosen_parts`).

    With `whole` all of them play, whatever they are called; with `accompany` the others sound beside. Every track (in
    format 0: every channel) with notes is a part. Where all are played, `notes` are those of `midi.read_midi`. Raises
    MidiError as that does, PianistError for a part that there is not.
    """
    name = printable(path)
    data = read_bytes(path, name)
    file = parse_midi(name, data)
    places = _places(file)
    parts = [_part(file, place) for place in places]
    counts = [_count(file, place) for place in places]
    chosen, readings = {*range(len(parts))}, list[str]()
    if parts and not whole:
        chosen, readings = chosen_parts(parts, part, name, accompany=accompany)
    silent = [place for index, place in enumerate(places) if index not in chosen]
    left_out = [f"{count} notes of {each}" for each, count, place in zip(part_names(parts), counts, places, strict=True)
                if place in silent and not accompany]  # fmt: skip
    conducted = not whole and is_conducted(parts, part, accompany=accompany)
    others, unknown = list[OtherPart](), []
    for each, player, place in zip(part_names(parts), parts, places, strict=True):
        if accompany and (place in silent or conducted):
            program = program_of(player)
            other = _other(name, file, each, program, [own for own in places if own != place])
            others.append(replace(other, pianist=is_pianist(player, program)))
            unknown += [each] if program is None else []
    if silent:
        file.tracks = [_without(track, number, silent) for number, track in enumerate(file.tracks)]
    drums = sum(_strikes(message) and message.channel == DRUM_CHANNEL for track in file.tracks for message in track)
    problems = [*mended(data).oddities, *([f"{drums} drum note{'s' * (drums != 1)} left out"] if drums else [])]
    notes = notes_of_tracks(name, file)
    places = _places(file)
    names = [_part(file, place).name for place in places]
    told = (tuple(readings), tuple(problems), tuple(left_out), tuple(others), tuple(unknown), conducted)
    return MidiScore(file, notes, places, names, *told)


def _other(name: str, file: mido.MidiFile, part: str, program: int | None, silent: list[Place]) -> OtherPart:
    """The part of a file that is left when others are silent."""
    tracks = [_without(track, number, silent) for number, track in enumerate(file.tracks)]
    alone = mido.MidiFile(type=file.type, ticks_per_beat=file.ticks_per_beat, tracks=tracks)
    events = gather_events(name, tracks)
    start, end = np.array(events.start, np.int64), np.array(events.end, np.int64)
    return other_part(part, program, notes_of_tracks(name, alone), (start, end - start))


def _strikes(message: mido.Message) -> bool:
    return message.type == "note_on" and message.velocity > 0


def _places(file: mido.MidiFile) -> list[Place]:
    """Where the parts with notes are, in the order of the file; in format 0 by channel."""
    found: dict[Place, None] = {}
    for number, track in enumerate(file.tracks):
        channels = {m.channel for m in track if _strikes(m) and m.channel != DRUM_CHANNEL}
        found |= dict.fromkeys((number, channel) for channel in sorted(channels)) if file.type == 0 else {}
        found |= {(number, -1): None} if channels and file.type else {}
    return list(found)


def _count(file: mido.MidiFile, place: Place) -> int:
    return sum(_strikes(m) and m.channel != DRUM_CHANNEL and place[1] in (-1, m.channel) for m in file.tracks[place[0]])


def _part(file: mido.MidiFile, place: Place) -> WrittenPart:
    number, channel = place
    track = file.tracks[number]
    name = next((label for m in track if m.type == "track_name" and (label := track_label(m.name))), "")
    own = channel if channel >= 0 else next(m.channel for m in track if _strikes(m) and m.channel != DRUM_CHANNEL)
    programs = [m.program for each in (track, *file.tracks) for m in each if m.type == "program_change"
                and m.channel == own]  # fmt: skip
    alone = channel < 0 or sum(where[0] == number for where in _places(file)) == 1
    return WrittenPart(name if alone else "", program=programs[0] + 1 if programs else 0)


def _without(track: mido.MidiTrack, number: int, silent: list[Place]) -> mido.MidiTrack:
    """A track without the notes and the pedal of silent parts; all else stays at its time."""
    kept, passed = mido.MidiTrack(), 0
    for message in track:
        played = message.type in ("note_on", "note_off") or (message.is_cc(SUSTAIN) if not message.is_meta else False)
        if played and ((number, -1) in silent or (number, message.channel) in silent):
            passed += message.time
            continue
        kept.append(message.copy(time=message.time + passed) if passed else message)
        passed = 0
    return kept
