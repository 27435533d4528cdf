"""A piece as a MusicXML score."""

import xml.etree.ElementTree as ET

from examples.notation import ALTER, UNITS_PER_CROTCHET, Event, bar_units, parse_hand
from examples.pieces import Piece

FIFTHS = {"C": 0, "G": 1, "Cm": -3}
_TYPE = {1: "whole", 2: "half", 4: "quarter", 8: "eighth", 16: "16th"}
_ACCIDENTAL = {0: "natural", 1: "sharp", -1: "flat"}
_ORNAMENTS = {"mordent", "inverted-mordent"}
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" \
"http://www.musicxml.org/dtds/partwise.dtd">
"""

Voice = list[Event]


def key_alter(step: str, fifths: int) -> int:
    """What a key signature makes of a step: 1 for F in G major, -1 for B, E and A in C minor."""
    sharps = "FCGDAEB"
    if fifths >= 0:
        return int(step in sharps[:fifths])
    return -int(step in sharps[fifths:])


def accidentals(voices: list[Voice], fifths: int) -> list[set[tuple[int, str]]]:
    """For each voice of one bar of one staff: (start, pitch) of the notes that need an accidental.

    An accidental holds for its step and octave to the end of the bar, in all voices.
    """
    needed: list[set[tuple[int, str]]] = [set() for _ in voices]
    in_force: dict[str, int] = {}
    numbered = [(event, voice) for voice, events in enumerate(voices) for event in events]
    for event, voice in sorted(numbered, key=lambda item: (item[0].start, item[1])):
        for name in event.pitches:
            alter = ALTER[name[1:-1]]
            if alter != in_force.get(name[0] + name[-1], key_alter(name[0], fifths)):
                needed[voice].add((event.start, name))
                in_force[name[0] + name[-1]] = alter
    return needed


def _run(index: int, flags: list[bool]) -> str:
    """Place in a run of flags: begin, continue, end, or alone."""
    before = index > 0 and flags[index - 1]
    after = index + 1 < len(flags) and flags[index + 1]
    return {(0, 1): "begin", (1, 1): "continue", (1, 0): "end", (0, 0): "alone"}[before, after]


def beams(events: Voice) -> dict[int, list[str]]:
    """Beam marks by an event's start, the outer beam first. Beams join the notes within one crotchet."""
    groups: dict[int, Voice] = {}
    for event in events:
        groups.setdefault(event.start // UNITS_PER_CROTCHET, []).append(event)
    marks: dict[int, list[str]] = {}
    for group in groups.values():
        short = [event.kind == "notes" and event.value >= 8 for event in group]
        shorter = [event.kind == "notes" and event.value >= 16 for event in group]
        for index, event in enumerate(group):
            outer = _run(index, short)
            if short[index] and outer != "alone":
                inner = _run(index, shorter)
                hook = "forward hook" if outer == "begin" else "backward hook"
                marks[event.start] = [outer, hook if inner == "alone" else inner][: 1 + shorter[index]]
    return marks


def _add(parent: ET.Element, tag: str, text: object = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = None if text is None else str(text)
    return element


def _add_clef(attributes: ET.Element, sign: str, staff: int) -> None:
    clef = _add(attributes, "clef", number=str(staff))
    _add(clef, "sign", sign)
    _add(clef, "line", {"G": 2, "F": 4}[sign])


def _add_attributes(measure: ET.Element, piece: Piece, bar: int) -> None:
    right_clef = dict(piece.clefs).get(bar + 1)
    if bar > 0:
        if right_clef:
            _add_clef(_add(measure, "attributes"), right_clef, 1)
        return
    attributes = _add(measure, "attributes")
    _add(attributes, "divisions", UNITS_PER_CROTCHET)
    key = _add(attributes, "key")
    _add(key, "fifths", FIFTHS[piece.key])
    _add(key, "mode", "minor" if piece.key.endswith("m") else "major")
    time = _add(attributes, "time")
    _add(time, "beats", piece.time[0])
    _add(time, "beat-type", piece.time[1])
    _add(attributes, "staves", 2)
    _add_clef(attributes, right_clef or "G", 1)
    _add_clef(attributes, "F", 2)


def _add_directions(measure: ET.Element, piece: Piece, bar: int) -> None:
    if bar == 0:
        direction = _add(measure, "direction", placement="above")
        if piece.heading:
            _add(_add(direction, "direction-type"), "words", piece.heading)
        metronome = _add(_add(direction, "direction-type"), "metronome")
        _add(metronome, "beat-unit", "quarter")
        _add(metronome, "per-minute", piece.tempo)
        _add(direction, "staff", 1)
        _add(direction, "sound", tempo=str(piece.tempo))
    if mark := dict(piece.dynamics).get(bar + 1):
        direction = _add(measure, "direction", placement="below")
        _add(_add(_add(direction, "direction-type"), "dynamics"), mark)
        _add(direction, "staff", 1)
    if piece.crescendo and bar + 1 == piece.crescendo[0]:
        direction = _add(measure, "direction", placement="below")
        _add(_add(direction, "direction-type"), "words", "cresc.")
        _add(direction, "staff", 1)


def _add_sound(note: ET.Element, event: Event, name: str, voice: int, ties: list[str]) -> None:
    if event.kind == "notes":
        if name != event.pitches[0]:
            _add(note, "chord")
        pitch = _add(note, "pitch")
        _add(pitch, "step", name[0])
        if name[1:-1]:
            _add(pitch, "alter", ALTER[name[1:-1]])
        _add(pitch, "octave", name[-1])
    else:
        _add(note, "rest")
    _add(note, "duration", event.length)
    for kind in ties:
        _add(note, "tie", type=kind)
    _add(note, "voice", voice)


def _add_look(note: ET.Element, event: Event, name: str, staff: int, accidental: bool, beam: list[str]) -> None:
    _add(note, "type", _TYPE[event.value])
    if event.dotted:
        _add(note, "dot")
    if accidental:
        _add(note, "accidental", _ACCIDENTAL[ALTER[name[1:-1]]])
    _add(note, "staff", staff)
    for level, mark in enumerate(beam if event.pitches[:1] == (name,) else [], 1):
        _add(note, "beam", mark, number=str(level))


def _add_notations(note: ET.Element, event: Event, name: str, ties: list[str]) -> None:
    sign = event.sign if event.pitches[-1:] == (name,) else None
    if ties or sign:
        notations = _add(note, "notations")
        for kind in ties:
            _add(notations, "tied", type=kind)
        if sign:
            _add(_add(notations, "ornaments") if sign in _ORNAMENTS else notations, sign)


def _add_voice(measure: ET.Element, events: Voice, voice: int, staff: int, shown: set[tuple[int, str]]) -> None:
    """A voice of one bar; `shown` holds the (start, pitch) of the notes that get an accidental."""
    tied: tuple[str, ...] = ()
    beamed = beams(events)
    for event in events:
        for name in event.pitches or ("",):
            note = _add(measure, "note", **({"print-object": "no"} if event.kind == "gap" else {}))
            ties = ["stop"] * (name in tied) + ["start"] * event.tied
            _add_sound(note, event, name, voice, ties)
            _add_look(note, event, name, staff, (event.start, name) in shown, beamed.get(event.start, []))
            _add_notations(note, event, name, ties)
        tied = event.pitches if event.tied else ()


def _add_repeat(measure: ET.Element, piece: Piece, bar: int, bars: int, location: str) -> None:
    ends = {last: "backward" for _, last in piece.repeats}
    starts = {first: "forward" for first, _ in piece.repeats}
    direction = (starts if location == "left" else ends).get(bar + 1)
    if direction or (location == "right" and bar + 1 == bars):
        barline = _add(measure, "barline", location=location)
        _add(barline, "bar-style", "heavy-light" if location == "left" else "light-heavy")
        if direction:
            _add(barline, "repeat", direction=direction)


def musicxml_bytes(piece: Piece) -> bytes:
    """The piece as a MusicXML 4.0 score: one part, two staves, repeats as signs."""
    root = ET.Element("score-partwise", version="4.0")
    _add(_add(root, "work"), "work-title", piece.title)
    identification = _add(root, "identification")
    _add(identification, "creator", piece.composer, type="composer")
    _add(identification, "rights", "Public domain")
    part_entry = _add(_add(root, "part-list"), "score-part", id="P1")
    _add(part_entry, "part-name", "Piano")
    part = _add(root, "part", id="P1")
    hands = [parse_hand(getattr(piece, hand)) for hand in ("right", "left")]
    for bar in range(len(hands[0])):
        measure = _add(part, "measure", number=str(bar + 1))
        _add_repeat(measure, piece, bar, len(hands[0]), "left")
        _add_attributes(measure, piece, bar)
        _add_directions(measure, piece, bar)
        for staff, hand in enumerate(hands, 1):
            shown = accidentals(hand[bar], FIFTHS[piece.key])
            for index, events in enumerate(hand[bar]):
                if (staff, index) != (1, 0):
                    _add(_add(measure, "backup"), "duration", bar_units(piece))
                voice = 4 * staff - 3 + index  # 1-4 on the upper staff, 5-8 on the lower
                _add_voice(measure, events, voice, staff, shown[index])
        _add_repeat(measure, piece, bar, len(hands[0]), "right")
    ET.indent(root)
    return (_HEAD + ET.tostring(root, encoding="unicode") + "\n").encode()
