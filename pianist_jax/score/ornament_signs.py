"""MusicXML's signs of ornaments, tremolos, glissandi, broken chords and grace notes, as facts of their notes."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element

from pianist_jax.score import chords, graces
from pianist_jax.score.ornaments import NEIGHBOURS
from pianist_jax.score.reader import BEAT_UNITS, Reader, clamped, written_value
from pianist_jax.score.written import Ornament, WrittenNote

KINDS = {
    "trill-mark": "trill",
    "inverted-mordent": "short trill",
    "mordent": "mordent",
    "shake": "long short trill",
    "turn": "turn",
    "inverted-turn": "inverted turn",
    "vertical-turn": "turn",
    "inverted-vertical-turn": "inverted turn",
    "haydn": "turn",
    "delayed-turn": "delayed turn",
    "delayed-inverted-turn": "delayed inverted turn",
    "schleifer": "slide",
}
SIGNS = {*KINDS, "accidental-mark", "tremolo", "glissando", "slide", "arpeggiate", "wavy-line"}
ALTERS = {
    "sharp": 1,
    "flat": -1,
    "natural": 0,
    "double-sharp": 2,
    "sharp-sharp": 2,
    "flat-flat": -2,
    "double-flat": -2,
    "natural-sharp": 1,
    "natural-flat": -1,
}
LONGEST_LINE = 16  # bars that a wavy line goes on without an end
TRILL = Ornament("trill")


def read_sign(reader: Reader, sign: Element, note: WrittenNote, element: Element) -> None:
    """Add one sign (of `SIGNS`) of a <note> element to what is known of the note."""
    found: Ornament | None = None
    match sign.tag:
        case "accidental-mark":
            _read_accidental(sign, note)
        case "wavy-line":
            _read_wavy_line(reader, sign, note)
        case "tremolo":
            found = _tremolo(reader, sign, element)
        case "glissando" | "slide":
            if sign.get("type") in ("start", "stop"):
                found = Ornament(f"glissando {sign.get('type')}", number=f"{sign.tag} {sign.get('number', '1')[:10]}")
        case "arpeggiate":
            kind = chords.DOWN if sign.get("direction") == "down" else chords.UP
            found = Ornament(kind, number=sign.get("number", "")[:10])
        case _:
            kind = KINDS[sign.tag]
            found = Ornament(f"long {kind}" if sign.get("long") == "yes" and "mordent" in sign.tag else kind)
    if found is not None:
        note.ornaments = (*note.ornaments, found)


def _read_accidental(sign: Element, note: WrittenNote) -> None:
    """An accidental above or below the sign before it: for the neighbour on that side, if the sign has it."""
    alter = ALTERS.get((sign.text or "").strip())
    if alter is None or not note.ornaments:
        return
    last = note.ornaments[-1]
    below = sign.get("placement") == "below" or last.kind.endswith("mordent")
    below &= last.kind not in ("trill", "short trill", "long short trill")
    changed = replace(last, below=alter) if below else replace(last, above=alter)
    note.ornaments = (*note.ornaments[:-1], changed)


def _read_wavy_line(reader: Reader, sign: Element, note: WrittenNote) -> None:
    """All notes of its voice from a line's beginning to its end are trilled: `under_wavy_line`.

    A line may end at a note of another voice, as where small notes there spell the trill out.
    """
    number = sign.get("number", "1")[:10]
    if sign.get("type") == "start" and len(reader.wavy_lines) < 100:
        end_wavy_line(reader, (number, note.voice))
        reader.wavy_lines[number, note.voice] = [note]
    elif sign.get("type") == "stop":
        keys = [key for key in reader.wavy_lines if key[0] == number]
        own = next((key for key in keys if key[1] == note.voice), None)
        for key in keys if own is None else (own,):
            end_wavy_line(reader, key, (note.bar, note.offset))
        if own is not None or not keys:
            _trill(note)


def under_wavy_line(reader: Reader, note: WrittenNote) -> None:
    """Trill a note that a wavy line covers. A line that has no end does not go on for ever."""
    for key, covered in list(reader.wavy_lines.items()):
        if note.bar - covered[0].bar > LONGEST_LINE:
            end_wavy_line(reader, key)
        elif key[1] == note.voice and not note.grace and _trill(note):
            covered.append(note)


def end_wavy_line(reader: Reader, key: tuple[str, int], end: tuple[int, float] | None = None) -> None:
    """Take the trills behind a line's end back; of a line without one (None) all behind its first note."""
    covered = reader.wavy_lines.pop(key, [])
    for note in covered:
        if (note.bar, note.offset) > (end or (covered[0].bar, covered[0].offset)):
            note.ornaments = tuple(sign for sign in note.ornaments if sign is not TRILL)


def _trill(note: WrittenNote) -> bool:
    """Trill a note, unless it is trilled; whether it was not."""
    if any(sign.kind == "trill" for sign in note.ornaments):
        return False
    note.ornaments = (*note.ornaments, TRILL)
    return True


def _tremolo(reader: Reader, sign: Element, element: Element) -> Ornament | None:
    kind, strokes = sign.get("type", "single"), clamped(reader, sign.text or "3", 0, 8, "tremolo")
    value = min(BEAT_UNITS.get(element.findtext("type") or "", 1.0), 1.0)
    length = 0.0 if kind == "unmeasured" or not strokes else value / 2 ** round(strokes)
    ends = {"start": "tremolo start", "stop": "tremolo stop"}
    return Ornament(ends.get(kind, "tremolo"), length=length, number=(element.findtext("voice") or "1").strip()[:10])


def read_grace(reader: Reader, grace: Element, note: WrittenNote, element: Element) -> None:
    """How a grace note is played, by the attributes of its <grace> and its note value."""
    kind, share = graces.SLASHED if grace.get("slash") == "yes" else graces.PLAIN, 0.0
    for attribute, means in (("steal-time-previous", graces.BEFORE), ("steal-time-following", graces.ON_BEAT)):
        if (text := grace.get(attribute)) is not None:
            kind, share = means, clamped(reader, text, 0, 100, attribute) / 100
    if "make-time" in grace.attrib:
        kind = graces.ON_BEAT
    note.ornaments = (*note.ornaments, Ornament(kind, length=written_value(element, reader.name), share=share))


def give_to_outer_note(first: WrittenNote, note: WrittenNote) -> None:
    """Give a chord's sign, which stands at its first note in the file, to a higher note of it, in place."""
    signs = [sign for sign in first.ornaments if sign.kind in NEIGHBOURS]
    if signs and note.pitch > first.pitch and not any(sign.kind in NEIGHBOURS for sign in note.ornaments):
        note.ornaments = (*note.ornaments, *signs)
        first.ornaments = tuple(sign for sign in first.ornaments if sign not in signs)
