"""Reads the notation of `pieces.py`: text to events, events to sounding notes."""

import re
from dataclasses import dataclass

from examples.pieces import Piece

UNITS_PER_CROTCHET = 4  # all lengths count semiquavers
NOTE_VALUES = (1, 2, 4, 8, 16)

# The plain velocities that notation programs play a mark with.
VELOCITY = {"pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112}
ALTER = {"": 0, "#": 1, "b": -1}
_TOKEN = re.compile(r"(?P<notes>[^:~^]+)(:(?P<length>\d+)(?P<dot>\.?))?(?P<tie>~?)(\^(?P<sign>[a-z-]+))?")
_PITCH = re.compile(r"(?P<step>[A-G])(?P<alter>[#b]?)(?P<octave>\d)")


@dataclass(frozen=True)
class Event:
    """A chord, rest or gap of one voice: start (from the bar line) and length in semiquavers."""

    start: int
    length: int
    kind: str  # "notes", "rest" or "gap"
    pitches: tuple[str, ...]
    value: int  # the written note value: 4 is a crotchet
    dotted: bool
    tied: bool
    sign: str | None


def midi_pitch(name: str) -> int:
    """MIDI number of a pitch name: C4 is 60."""
    match = _PITCH.fullmatch(name)
    if match is None:
        raise ValueError(f"not a pitch: {name!r}")
    semitone = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[match["step"]]
    return 12 * (int(match["octave"]) + 1) + semitone + ALTER[match["alter"]]


def bar_units(piece: Piece) -> int:
    """Length of a full bar in semiquavers."""
    beats, beat_type = piece.time
    return beats * UNITS_PER_CROTCHET * 4 // beat_type


def parse_voice(text: str) -> list[Event]:
    """The events of one voice in one bar. A token that is no note, rest or gap raises ValueError."""
    events: list[Event] = []
    start, value, dotted = 0, 0, False
    for token in text.split():
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise ValueError(f"not a note: {token!r}")
        if match["length"]:
            value, dotted = int(match["length"]), bool(match["dot"])
        if value not in NOTE_VALUES:
            raise ValueError(f"no such note value: {token!r}")
        length = 4 * UNITS_PER_CROTCHET // value
        length += length // 2 if dotted else 0
        kind = {"r": "rest", "s": "gap"}.get(match["notes"], "notes")
        pitches = tuple(match["notes"].split("+")) if kind == "notes" else ()
        for name in pitches:
            midi_pitch(name)
        events.append(Event(start, length, kind, pitches, value, dotted, bool(match["tie"]), match["sign"]))
        start += length
    return events


def parse_hand(text: str) -> list[list[list[Event]]]:
    """The bars of one hand, each a list of voices, each a list of events."""
    lines = [line for line in text.split("\n") if line.strip()]
    return [[parse_voice(voice) for voice in line.split(" / ")] for line in lines]


def played_bars(piece: Piece, bars: int) -> list[int]:
    """Bar indices (from 0) in the order they are played."""
    order: list[int] = []
    bar = 0
    for first, last in piece.repeats:
        order += [*range(bar, last), *range(first - 1, last)]
        bar = last
    return [*order, *range(bar, bars)]


def velocity(piece: Piece, bar: int, start: int) -> int:
    """Velocity at a place: the mark in force (mf where none is written), rising within a crescendo."""
    marks = [mark for at, mark in piece.dynamics if at <= bar + 1]
    level = VELOCITY[marks[-1] if marks else "mf"]
    if piece.crescendo is None or bar + 1 < piece.crescendo[0]:
        return level
    first, last = piece.crescendo
    risen = min((bar + 1 - first + start / bar_units(piece)) / (last + 1 - first), 1.0)
    return round(level + risen * (VELOCITY[piece.crescendo_to] - level))


def join_ties(voice: list[Event]) -> list[tuple[int, int, str]]:
    """(start, length, pitch) of every note of a voice in one bar, tied notes joined to one.

    A tie that leads to no note of its pitch, or out of the bar, raises ValueError.
    """
    notes: list[tuple[int, int, str]] = []
    held: dict[str, tuple[int, int]] = {}
    for event in voice:
        if not held.keys() <= set(event.pitches):
            break
        sounding = {name: held.get(name, (event.start, 0)) for name in event.pitches}
        longer = {name: (start, length + event.length) for name, (start, length) in sounding.items()}
        held = longer if event.tied else {}
        if not event.tied:
            notes += [(start, length, name) for name, (start, length) in longer.items()]
    if held:
        raise ValueError(f"the tie of {'+'.join(held)} leads nowhere")
    return notes


@dataclass(frozen=True)
class Sounding:
    """A note as it is played, ties joined: times in semiquavers from the beginning."""

    start: int
    length: int
    pitch: int
    velocity: int


def sounding_notes(piece: Piece, hand: str) -> list[Sounding]:
    """The notes of one hand by start and pitch, repeats played out."""
    bars = parse_hand(getattr(piece, hand))
    notes = [
        Sounding(place * bar_units(piece) + start, length, midi_pitch(name), velocity(piece, bar, start))
        for place, bar in enumerate(played_bars(piece, len(bars)))
        for voice in bars[bar]
        for start, length, name in join_ties(voice)
    ]
    return sorted(notes, key=lambda note: (note.start, note.pitch))
