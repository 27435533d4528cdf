"""Signs of other formats, said in MusicXML's words: what they mean is decided in one place, `score_directions`."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from pianist_jax.score.directions import read_direction
from pianist_jax.score.reader import BEAT_UNITS, Reader

UNIT_NAMES = {value: name for name, value in BEAT_UNITS.items()}
MAX_WORDS = 200  # characters of a text that can be a sign


def say_dynamics(reader: Reader, bar: int, place: float, staff: int, text: str) -> None:
    """A dynamic mark such as "mf" or "sfz", at a place (quarters from the bar line) of the reader's part.

    `staff` counts from 1 inside the part; 0 means all. Words such as "cresc." are no such mark: `say_words`.
    """
    direction, kind = _direction(staff)
    SubElement(SubElement(kind, "dynamics"), text)
    _say(reader, bar, place, direction)


def say_words(reader: Reader, bar: int, place: float, staff: int, text: str) -> None:
    """Words above or below the notes: "cresc.", "Andante"."""
    direction, kind = _direction(staff)
    SubElement(kind, "words").text = text[:MAX_WORDS]
    _say(reader, bar, place, direction)


def say_tempo(
    reader: Reader, bar: int, place: float, beats: float, unit: float, quarters: float = 0.0, words: str = ""
) -> None:
    """A metronome mark of `beats` a minute of a note value of `unit` quarters, with words beside it.

    `quarters` a minute are what programs play where that is said apart (0: it is not). A unit that is no note
    value, dotted or not, leaves what is played alone.
    """
    direction, kind = _direction(0)
    if words:
        SubElement(kind, "words").text = words[:MAX_WORDS]
    plain, dots = note_value(unit)
    if beats > 0 and plain:
        metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
        SubElement(metronome, "beat-unit").text = plain
        for _ in range(dots):
            SubElement(metronome, "beat-unit-dot")
        SubElement(metronome, "per-minute").text = f"{beats:.3f}"
    elif beats > 0 and not quarters:
        quarters = beats * unit
    if quarters > 0:
        SubElement(direction, "sound", tempo=repr(quarters))
    _say(reader, bar, place, direction)


def say_pedal(reader: Reader, bar: int, place: float, kind: str) -> None:
    """The damper pedal: "start", "stop" or "change"."""
    direction, inside = _direction(0)
    SubElement(inside, "pedal", type=kind)
    _say(reader, bar, place, direction)


def note_value(unit: float) -> tuple[str, int]:
    """MusicXML's name for a length in quarters, and its dots; "" where no note value is so long."""
    for dots in range(3):
        name = UNIT_NAMES.get(unit / (2 - 0.5**dots))
        if name:
            return name, dots
    return "", 0


def _direction(staff: int) -> tuple[Element, Element]:
    direction = Element("direction")
    if staff:
        SubElement(direction, "staff").text = str(staff)
    return direction, SubElement(direction, "direction-type")


def _say(reader: Reader, bar: int, place: float, direction: Element) -> None:
    reader.bar, reader.place = bar, place
    read_direction(reader, direction)
