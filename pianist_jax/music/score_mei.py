"""What MEI says about its notes beside pitch and length, read from its elements by their ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from pianist_jax.music.score_written import LEVEL_VELOCITY, LEVELS, Mark, Sign, Span, Written, WrittenNote

ID = "xml:id"
ARTICULATIONS = {
    "stacc": Mark.STACCATO,
    "spicc": Mark.STACCATISSIMO,
    "stacciss": Mark.STACCATISSIMO,
    "ten": Mark.TENUTO,
    "acc": Mark.ACCENT,
    "marc": Mark.MARCATO,
}
AT_NOTES = {  # control events that name their notes with startid or plist
    "fermata": Mark.FERMATA,
    "trill": Mark.TRILL,
    "mordent": Mark.MORDENT,
    "turn": Mark.TURN,
    "arpeg": Mark.ARPEGGIO,
    "breath": Mark.BREATH,
    "caesura": Mark.BREATH,
}


def name_everything(root: Element) -> None:
    """Give every element an id, in place: partitura takes notes without one for an error."""
    given = {element.get(ID) for element in root.iter()}
    for number, element in enumerate(root.iter()):
        if element.get(ID) is None:
            element.set(ID, f"e{number}" if f"e{number}" not in given else f"e{number}-own")


def add_mei_facts(written: Written, root: Element) -> None:
    """Add marks, ties, slurs, dynamics, pedal, tempo and repeats of an MEI document to its score, in place."""
    by_id = {note.id: note for note in written.notes}
    for element in root.iter():
        tag = element.tag.rpartition(":")[2]
        if tag in ("note", "chord"):
            notes = [by_id[key] for each in element.iter() if (key := each.get(ID, "")) in by_id]
            _mark_notes(element, notes)
        elif tag in AT_NOTES:
            for note in _named(element, by_id):
                note.marks |= AT_NOTES[tag]
        elif tag == "slur":
            _add_slur(written, element, by_id)
    _add_measures(written, root, by_id)


def _mark_notes(element: Element, notes: list[WrittenNote]) -> None:
    signs = element.get("artic", "").split()
    for child in element:
        if child.tag.rpartition(":")[2] == "artic":
            signs += child.get("artic", "").split()
    marks = Mark(0)
    for sign in signs:
        marks |= ARTICULATIONS.get(sign, Mark(0))
    if element.get("fermata"):
        marks |= Mark.FERMATA
    tie = element.get("tie", "")
    for note in notes:
        note.marks |= int(marks)
        note.tie_start |= "i" in tie or "m" in tie
        note.tie_stop |= "t" in tie or "m" in tie


def _references(element: Element) -> list[str]:
    text = f"{element.get('startid', '')} {element.get('plist', '')}"
    return [reference.removeprefix("#") for reference in text.split()[:200]]


def _named(element: Element, by_id: dict[str, WrittenNote]) -> Iterator[WrittenNote]:
    return (by_id[key] for key in _references(element) if key in by_id)


def _add_slur(written: Written, element: Element, by_id: dict[str, WrittenNote]) -> None:
    first = by_id.get(element.get("startid", "").removeprefix("#"))
    last = by_id.get(element.get("endid", "").removeprefix("#"))
    if first is None or last is None:
        return
    first.marks |= Mark.SLUR | Mark.SLUR_START
    last.marks |= Mark.SLUR | Mark.SLUR_STOP
    begin, end = (first.bar, first.offset), (last.bar, last.offset)
    if begin <= end:
        written.slurs.append(Span(begin, end, first.part, frozenset({first.voice, last.voice})))


def _add_measures(written: Written, root: Element, by_id: dict[str, WrittenNote]) -> None:
    """What stands in <measure> elements, whose order is that of the bars; repeats, endings and signs by time."""
    parts = sorted({note.part for note in written.notes})
    parents = {child: parent for parent in root.iter() for child in parent}
    measures = [element for element in root.iter() if element.tag.rpartition(":")[2] == "measure"]
    for bar, measure in zip(range(len(written.bars)), measures, strict=False):
        jumps = written.bars[bar].jumps
        left, right = measure.get("left", ""), measure.get("right", "")
        jumps.repeat_start |= left in ("rptstart", "rptboth")
        if right in ("rptend", "rptboth"):
            jumps.repeat_end = 2
        if right == "rptboth" and bar + 1 < len(written.bars):
            written.bars[bar + 1].jumps.repeat_start = True
        ending = parents.get(measure)
        if ending is not None and ending.tag.rpartition(":")[2] == "ending":
            passes = (int(text) for text in re.findall(r"\d{1,2}", ending.get("n", "")))
            jumps.endings = frozenset(turn for turn in passes if 1 <= turn <= 16)
        for element in measure.iter():
            _add_sign(written, element, bar, by_id, parts)
    for element in root.iter():
        if element.tag.rpartition(":")[2] == "scoreDef" and (bpm := _float(element.get("midi.bpm"))) > 0:
            written.tempos.append(Sign(0, 0.0, (bpm, 0.0, 0.0)))
            break


def _add_sign(
    written: Written, element: Element, bar: int, by_id: dict[str, WrittenNote], parts: list[int]
) -> None:
    tag = element.tag.rpartition(":")[2]
    if tag not in ("dynam", "tempo", "pedal"):
        return
    note = by_id.get(element.get("startid", "").removeprefix("#"))
    if note is not None:
        place = (note.bar, note.offset)
    else:
        beat = [sign.value[1] for sign in written.times if sign.bar <= bar][-1:] or [4.0]
        offset = (_float(element.get("tstamp"), 1.0) - 1) * 4 / beat[0]
        place = (bar, min(max(offset, 0.0), written.bars[bar].length))
    if tag == "tempo" and 4 <= (bpm := _float(element.get("midi.bpm"))) <= 3000:
        written.tempos.append(Sign(*place, (bpm, 0.0, 1.0)))
    text = "".join(element.itertext()).strip()
    if tag == "dynam" and text in LEVELS:
        level = LEVELS.index(text)
        written.levels += [Sign(*place, (level, LEVEL_VELOCITY[level]), part) for part in parts]
    if tag == "pedal":
        values = {"down": (127,), "up": (0,), "bounce": (0, 127)}.get(element.get("dir", ""), ())
        written.pedal += [Sign(*place, (value,)) for value in values]


def _float(text: str | None, default: float = 0.0) -> float:
    try:
        value = float(text or "")
    except ValueError:
        return default
    return value if abs(value) < 1e6 else default
