"""What MEI writes beside its layers: ties, slurs, octave lines, dynamics, tempo, pedal, marks at notes."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from pianist_jax.score.directions import ATTACKS, EXTREMES, FASTEST, SLOWEST, end_word
from pianist_jax.score.mei_notes import add_slur
from pianist_jax.score.mei_ornaments import add_glissando, add_sign
from pianist_jax.score.mei_reader import MeiReader
from pianist_jax.score.mei_tree import real, references, text_of
from pianist_jax.score.reader import Reader, clamped_whole
from pianist_jax.score.signs import say_dynamics, say_pedal, say_tempo, say_words
from pianist_jax.score.written import LEVELS, Mark, Sign, Spanner, WrittenNote

AT_NOTES = {
    "fermata": Mark.FERMATA,
    "trill": Mark.TRILL,
    "mordent": Mark.MORDENT,
    "turn": Mark.TURN,
    "arpeg": Mark.ARPEGGIO,
    "breath": Mark.BREATH,
    "caesura": Mark.BREATH,
}
HAIRPINS = {"cres": 1, "dim": -1}
PEDALS = {"down": "start", "half": "start", "up": "stop", "bounce": "change"}
SEMITONES = {"8": 12, "15": 24, "22": 36}
SIDES = {"above": 1, "below": -1}
LOW = 60  # a line that says no side lies below notes that are mostly lower
SIGNS = {"trill", "mordent", "turn", "arpeg"}
# Those of a measure; a scoreDef's tempo comes beside them.
EVENTS = {*AT_NOTES, "gliss", "tie", "slur", "octave", "hairpin", "dynam", "dir", "tempo", "pedal"}
PLACE = 1e-6  # quarters
STAMP = 2  # digits to which a sign's place and a note's agree: stamps are rounded
MAX_AT = 64  # notes that one sign can be for

Place = tuple[int, float]
# Beginnings and ends of octave lines, by staff, semitones and side; each line that says no side by a name of its own.
Octaves = defaultdict[tuple[str, int, int | str], list[tuple[Place, Place]]]
Index = dict[tuple[int, int, int, float], list[WrittenNote]]  # by bar, part, staff, offset


@dataclass(frozen=True)
class Event:
    """A sign of a bar, and the metre's unit there, in which its places are counted."""

    bar: int
    unit: float
    element: Element


def add_events(reader: MeiReader, events: list[Event]) -> None:
    """Add to the score what the control events of all bars say, whose notes have been read."""
    parts = {staff.part for staff in reader.staves.values()}
    says = {part: Reader(reader.name, reader.written, part) for part in parts}
    at = _by_place(reader)
    octaves: Octaves = defaultdict(list)
    placed = [(place_of(reader, event), event) for event in events if event.bar < len(reader.written.bars)]
    placed.sort(key=lambda pair: pair[0])
    for place, event in placed:
        element, tag, reader.bar = event.element, event.element.tag, event.bar
        if tag in AT_NOTES:
            notes = list(_notes_at(reader, at, event, place))
            for note in notes:
                note.marks |= AT_NOTES[tag]
            if tag in SIGNS:
                add_sign(element, notes)
        elif tag == "gliss":
            add_glissando(*_end_notes(reader, at, event, place), number=len(placed))
        elif tag == "tie":
            _tie(reader, at, event, place)
        elif tag == "slur":
            first, last = _end_notes(reader, at, event, place)
            if first is not None and last is not None:
                add_slur(reader.written, first, last)
        elif tag == "octave":
            semitones = SEMITONES.get(element.get("dis", "8"), 12)
            side = SIDES.get(element.get("dis.place", ""), 0)
            for staff in _staves(reader, element, event):
                octaves[staff, semitones, side or f"{len(octaves)}"].append((place, end_of(reader, event)))
        elif tag == "hairpin":
            end, kind = end_of(reader, event), HAIRPINS.get(element.get("form", ""), 0)
            for part in _parts(reader, event) if kind and place < end else ():
                reader.written.hairpins.append(Spanner(place, end, part, kind=kind))
        else:
            _say(reader, says, event, place)
    last_bar = len(reader.written.bars) - 1
    for say in says.values():
        say.bar = last_bar
        end_word(say, reader.written.bars[last_bar].length)
    _shift_octaves(reader, octaves)


def _by_place(reader: MeiReader) -> Index:
    index: Index = {}
    for note in reader.written.notes:
        group = index.setdefault((note.bar, note.part, note.staff, round(note.offset, STAMP)), [])
        if not note.grace and len(group) < MAX_AT:
            group.append(note)
    return index


def _there(reader: MeiReader, at: Index, event: Event, place: Place) -> list[WrittenNote]:
    """The notes at a place, on the staves of a sign."""
    known = [reader.staves[staff] for staff in _staves(reader, event.element, event)]
    keys = [(place[0], staff.part, staff.number, round(place[1], STAMP)) for staff in known]
    return [note for key in keys for note in at.get(key, ())]


def place_of(reader: MeiReader, event: Event) -> Place:
    """Bar and offset at which a sign begins: by its tstamp, or at the event that it names."""
    element, reader.bar = event.element, event.bar
    beat = real(reader, element, "tstamp", -1e6, 1e6)
    named = [reader.places[key] for key in references(element) if key in reader.places]
    if named and (beat is None or element.tag not in ("dynam", "tempo", "pedal")):
        return named[0][:2]
    offset = 0.0 if beat is None else (beat - 1) * 4 / event.unit
    return event.bar, min(max(offset, 0.0), reader.written.bars[event.bar].length)


def end_of(reader: MeiReader, event: Event) -> Place:
    """Bar and offset at which a sign ends: by its endid, or its tstamp2 ("2m+1.5": in the second bar after)."""
    named = event.element.get("endid", "").strip().removeprefix("#")
    if named in reader.places:
        return reader.places[named][:2]
    found = re.fullmatch(r"\s*(?:(\d{1,5})m\s*\+\s*)?(\d{1,5}(?:\.\d{1,9})?)\s*", event.element.get("tstamp2", ""))
    if found is None:
        return event.bar, 0.0
    bar = event.bar + int(found[1] or 0)
    if bar >= len(reader.written.bars):
        return len(reader.written.bars) - 1, reader.written.bars[-1].length
    return bar, min(max((float(found[2]) - 1) * 4 / event.unit, 0.0), reader.written.bars[bar].length)


def _staves(reader: MeiReader, element: Element, event: Event) -> list[str]:
    """The staves that a sign is for: those that it names, or that of the note that it names."""
    found = [staff for staff in element.get("staff", "").split()[:100] if staff in reader.staves]
    named = [reader.places[key][2] for key in references(element) if key in reader.places]
    return found or named[:1]


def _parts(reader: MeiReader, event: Event) -> list[int]:
    """The parts that a sign is for; all where it does not say."""
    staves = _staves(reader, event.element, event) or list(reader.staves)
    return sorted({reader.staves[staff].part for staff in staves})


def _notes_at(reader: MeiReader, at: Index, event: Event, place: Place) -> Iterator[WrittenNote]:
    keys = [key for key in references(event.element) if key in reader.places]
    if keys:
        for key in dict.fromkeys(keys):
            yield from reader.sounded.get(key, ())
    elif "tstamp" in event.element.attrib:
        yield from _there(reader, at, event, place)


def _end_notes(
    reader: MeiReader, at: Index, event: Event, place: Place
) -> tuple[WrittenNote | None, WrittenNote | None]:
    """The first and last note of a slur: named, or at its places on its staff."""
    ends = []
    for key, where in (("startid", place), ("endid", end_of(reader, event))):
        named = event.element.get(key, "").strip().removeprefix("#")
        notes = reader.sounded.get(named, [])
        if not notes and key not in event.element.attrib:
            notes = _there(reader, at, event, where)
        ends.append(notes[0] if notes else None)
    return ends[0], ends[1]


def _tie(reader: MeiReader, at: Index, event: Event, place: Place) -> None:
    """A tie by its places; of one that names its notes they know already, and only a gap is left to bridge."""
    element = event.element
    named = [reader.sounded.get(key, []) for side in ("startid", "endid") for key in references(element, side)[:1]]
    if len(named) == 2:
        last = {note.pitch: note for note in reversed(named[1])}
        for first in named[0]:
            if first.pitch in last and not first.grace:
                _hold(reader, at, first, last[first.pitch])
        return
    begun, ended = _there(reader, at, event, place), _there(reader, at, event, end_of(reader, event))
    both = {note.pitch for note in begun} & {note.pitch for note in ended}
    for note in begun:
        note.tie_start |= note.pitch in both
    for note in ended:
        note.tie_stop |= note.pitch in both


def _hold(reader: MeiReader, at: Index, first: WrittenNote, last: WrittenNote) -> None:
    """Hold a note of an arpeggio written out until the note that it is tied to, which begins after it has ended.

    Where the notes' own attributes tie it to one that follows at once, the sign names a wrong note.
    """
    bars = reader.written.bars
    bar, end = first.bar, first.offset + first.length
    if end > bars[bar].length - PLACE:
        bar, end = bar + 1, end - bars[bar].length
    follows = at.get((bar, first.part, first.staff, round(end, STAMP)), ())
    if any(note is not last and note.tie_stop and note.pitch == first.pitch for note in follows):
        return
    if last.bar - first.bar not in (0, 1) or (last.bar > first.bar and bars[first.bar].jumps.repeat_end):
        return
    until = last.offset + (bars[first.bar].length if last.bar > first.bar else 0.0)
    first.length = max(first.length, until - first.offset)


def _say(reader: MeiReader, says: dict[int, Reader], event: Event, place: Place) -> None:
    element, text = event.element, text_of(event.element)
    if element.tag == "tempo":
        _say_tempo(reader, says[min(says)], place, element, text)
    elif element.tag == "scoreDef":
        _set_tempo(reader, place, element)
    elif element.tag == "pedal":
        kind = PEDALS.get(element.get("dir", ""))
        if kind and element.get("func", "sustain") in ("sustain", "damper"):
            say_pedal(says[min(says)], *place, kind)
    elif text:
        mark = text.strip(" .[]()")
        level = EXTREMES.get(mark, mark) in LEVELS or mark in ATTACKS
        staves = [reader.staves[staff] for staff in _staves(reader, element, event)]
        for part in _parts(reader, event):
            inside = {staff.number for staff in staves if staff.part == part}
            number = inside.pop() if len(inside) == 1 else 0
            if element.tag == "dynam" and level:
                say_dynamics(says[part], *place, number, mark)
            else:
                say_words(says[part], *place, number, text)


def _mm(reader: MeiReader, element: Element) -> tuple[float, float, float]:
    """`mm` units a minute, quarters of that unit, quarters a minute as programs play; 0 for what is not said."""
    beats = real(reader, element, "mm", 0, 1e6) or 0.0
    quarters = real(reader, element, "midi.bpm", 0, 1e6) or 0.0
    if not quarters and (micros := real(reader, element, "midi.mspb", 0, 1e9)):
        quarters = 6e7 / micros
    unit = 4 / (real(reader, element, "mm.unit", 0.25, 256) or reader.unit)
    return beats, unit * (2 - 0.5 ** clamped_whole(reader, element.get("mm.dots"), 0, 4, 0, "mm.dots")), quarters


def _say_tempo(reader: MeiReader, say: Reader, place: Place, element: Element, words: str) -> None:
    beats, unit, quarters = _mm(reader, element)
    say_tempo(say, *place, beats, unit, quarters, words)


def _set_tempo(reader: MeiReader, place: Place, element: Element) -> None:
    """The tempo of a scoreDef, which programs see alone."""
    beats, unit, quarters = _mm(reader, element)
    rate = quarters or beats * unit
    if SLOWEST <= rate <= FASTEST:
        reader.written.tempos.append(Sign(*place, (rate, 0.0, 0.0)))


def _shift_octaves(reader: MeiReader, octaves: Octaves) -> None:
    """Notes under an octave line sound higher or lower than written, unless they say themselves where (oct.ges).

    The events that its end names (endid, tstamp2) are the last ones under it (MEI 5, att.startEndId).
    """
    by_staff: defaultdict[tuple[int, int], list[WrittenNote]] = defaultdict(list)
    for note in reader.written.notes if octaves else ():
        if note.id not in reader.octave_given:
            by_staff[note.part, note.staff].append(note)
    for (staff, semitones, side), spans in octaves.items():
        known = reader.staves[staff]
        begins, ends = sorted(span[0] for span in spans), sorted(span[1] for span in spans)
        under = []
        for note in by_staff[known.part, known.number]:
            bar, offset = note.bar, note.offset
            if bisect_right(begins, (bar, offset + PLACE)) > bisect_left(ends, (bar, offset - PLACE)):
                under.append(note)
        if isinstance(side, str):
            side = -1 if sum(note.pitch - LOW for note in under) < 0 else 1
        for note in under:
            note.pitch += side * semitones
