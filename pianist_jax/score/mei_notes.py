"""The notes of one <note> or <chord> of MEI: length, letter, accidentals, ties, articulation."""

from __future__ import annotations

from fractions import Fraction
from xml.etree.ElementTree import Element

from pianist_jax.score.files import ScoreError
from pianist_jax.score.mei_ornaments import add_letters
from pianist_jax.score.mei_pitch import STEPS, Spelled, alteration
from pianist_jax.score.mei_reader import Layer, MeiReader
from pianist_jax.score.mei_tree import ID, note_length, real
from pianist_jax.score.reader import number, whole
from pianist_jax.score.written import MAX_NOTES, Mark, Spanner, Written, WrittenNote

MAX_SHARED = 64  # notes of one id: a chord's, or those of copies
ARTICULATIONS = {
    "stacc": Mark.STACCATO,
    "spicc": Mark.STACCATISSIMO,
    "stacciss": Mark.STACCATISSIMO,
    "ten": Mark.TENUTO,
    "acc": Mark.ACCENT,
    "stress": Mark.ACCENT,
    "marc": Mark.MARCATO,
    "ten-stacc": Mark.TENUTO | Mark.STACCATO,
}


def event_length(layer: Layer, element: Element) -> Fraction | None:
    """Quarters of a note, chord, rest or space by its note value; a tuplet's scale is not in it.

    None where a space holds a place for the engraver and does not say how long it is.
    """
    reader, attribute = layer.reader, layer.reader.tree.attribute
    staff = reader.staves[layer.staff]
    text = attribute(element, "dur")
    if text is None and element.tag == "chord":
        first = next((child for child in reader.tree.children(element) if child.tag == "note"), None)
        text = None if first is None else attribute(first, "dur")
        if first is not None and attribute(element, "dots") is None:
            element = first  # whose dots they are, too
    ticks = real(reader, element, "dur.ppq", 0, 1e6)
    ppq = staff.ppq or reader.ppq
    if text is None and ticks is not None and ppq:
        return Fraction(ticks / ppq).limit_denominator(4096) / (layer.scale or 1)
    if text is None and element.tag == "space":
        return None
    dots = whole(attribute(element, "dots"), reader.name, 0, 4, sum(child.tag == "dot" for child in element))
    return note_length(text or staff.duration, min(dots, 4), reader.name)


def make_notes(layer: Layer, element: Element, place: Fraction, length: Fraction, grace: bool) -> list[Spelled]:
    """The notes of a note or chord element, at a place and of a length; what cannot sound is counted."""
    reader = layer.reader
    heads = [element]
    if element.tag == "chord":
        heads = [child for child in reader.tree.children(element) if child.tag == "note"]
    made = []
    for head in heads:
        one = _note(layer, head, None if head is element else element, place, length)
        if one is None:
            continue
        one.note.grace = int(grace)
        made.append(one)
        add_letters(head, one.note)
        layer.spelled.append(one)
        reader.written.notes.append(one.note)
        for each in (head,) if head is element else (head, element):
            if ID in each.attrib and len(sounded := reader.sounded.setdefault(each.attrib[ID], [])) < MAX_SHARED:
                sounded.append(one.note)
        _slur(reader, head, one.note)
    if element.tag == "chord" and made:
        _slur(reader, element, made[0].note)
    if len(reader.written.notes) > MAX_NOTES:
        raise ScoreError(f"{reader.name}: more than {MAX_NOTES} notes; split it")
    return made


def _note(layer: Layer, head: Element, chord: Element | None, place: Fraction, length: Fraction) -> Spelled | None:
    reader, name = layer.reader, layer.reader.name
    said = f"{head.get('staff', '')} {chord.get('staff', '') if chord is not None else ''} {layer.staff}".split()
    shown = said[0] if said else layer.staff
    staff, own = reader.staves.get(shown), reader.staves[layer.staff]
    if staff is None or staff.part != own.part:
        staff, shown = own, layer.staff
    letter = (reader.tree.attribute(head, "pname") or "").strip().lower()
    if "sameas" in head.attrib:  # two stems at one head: the other layer has it
        return None
    cue = layer.cue or any(each is not None and each.get("cue") == "true" for each in (head, chord))
    if letter not in STEPS or own.percussion or cue:
        kind = "percussion notes" if own.percussion else "cue notes" if cue else "notes without a pitch"
        reader.written.left_out[kind] += 1
        return None
    texts = (reader.tree.attribute(head, "oct"), head.get("oct.ges"), own.octave)
    octave = round(number(next((text for text in texts if text is not None), "4"), name, -2, 12))
    own.octave = str(octave)
    sounding = whole(head.get("oct.ges"), name, -2, 12, octave)
    key = _name(reader, head)
    if "oct.ges" in head.attrib:
        reader.octave_given.add(key)
    both = head.get("tie", "") + (chord.get("tie", "") if chord is not None else "")
    ids = [each.get(ID) for each in (head, chord) if each is not None and each.get(ID)]
    accid = next((child for child in reader.tree.children(head) if child.tag == "accid"), head)
    note = WrittenNote(
        bar=reader.bar,
        offset=float(place),
        length=float(length),
        pitch=0,
        part=own.part,
        staff=staff.number,
        voice=layer.voice,
        step=7 * (octave + 1) + "cdefgab".index(letter),
        id=key,
        marks=int(_marks(reader, head) | (_marks(reader, chord) if chord is not None else 0)),
        tie_start=bool({"i", "m"} & set(both)) or any(key in reader.tie_starts for key in ids),
        tie_stop=bool({"t", "m"} & set(both)) or any(key in reader.tie_ends for key in ids),
    )
    return Spelled(
        note,
        shown,
        place,
        letter,
        octave,
        alteration(reader.tree.attribute(head, "accid") or accid.get("accid")),
        alteration(reader.tree.attribute(head, "accid.ges") or accid.get("accid.ges")),
        note.tie_stop,
        12 * (sounding + 1) + STEPS[letter] + own.transpose,
    )


def _name(reader: MeiReader, head: Element) -> str:
    """The id of the document, with a number behind it where a copy has it already."""
    key = head.get(ID, "")[:100]
    times = reader.names[key] = reader.names.get(key, 0) + 1
    return key if times == 1 else f"{key}.{times}"


def _marks(reader: MeiReader, element: Element) -> Mark:
    signs = element.get("artic", "").split()
    for child in reader.tree.children(element):
        if child.tag == "artic":
            signs += child.get("artic", "").split()
    marks = Mark(0)
    for sign in signs:
        marks |= ARTICULATIONS.get(sign, Mark(0))
    if element.get("fermata"):
        marks |= Mark.FERMATA
    if element.get("size") == "cue":
        marks |= Mark.SMALL
    return marks


def _slur(reader: MeiReader, element: Element, note: WrittenNote) -> None:
    """Slurs written as attributes: "i1" begins, "t1" ends."""
    for text in element.get("slur", "").split()[:10]:
        key = (note.part, text[1:])
        if text[0] == "t" and key in reader.slurs:
            add_slur(reader.written, reader.slurs.pop(key), note)
        elif text[0] == "i" and len(reader.slurs) < 100:
            reader.slurs[key] = note


def add_slur(written: Written, first: WrittenNote, last: WrittenNote) -> None:
    """A slur from one note to another."""
    first.marks |= Mark.SLUR | Mark.SLUR_START
    last.marks |= Mark.SLUR | Mark.SLUR_STOP
    begin, end = (first.bar, first.offset), (last.bar, last.offset)
    if begin <= end:
        written.slurs.append(Spanner(begin, end, first.part, frozenset({first.voice, last.voice})))
