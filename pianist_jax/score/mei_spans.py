"""What an MEI document says of its notes before or after them and must be known when they are read."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from xml.etree.ElementTree import Element

from pianist_jax.score.mei_reader import MeiReader, TupletSpan
from pianist_jax.score.mei_tree import LENGTHS, note_length, ratio, real
from pianist_jax.score.reader import whole

EVENTS = {"note", "chord", "rest", "space"}
MAX_TUPLET = 64
IN_BAR = re.compile(r"\s*(?:0m\s*\+\s*)?(\d{1,4}(?:\.\d{1,9})?)\s*")


def collect_spans(reader: MeiReader, root: Element) -> None:
    """Ties and tupletSpans by the ids of their notes, tuplets written as attributes, and ticks a quarter."""
    told: set[str] = set()
    for element in root.iter():
        first, last = (element.get(key, "").strip().removeprefix("#") for key in ("startid", "endid"))
        if element.tag == "tie":
            reader.tie_starts |= {first} - {""}
            reader.tie_ends |= {last} - {""}
        elif element.tag == "tupletSpan" and first and last:
            reader.tuplets[first] = (ratio(element.get("num"), element.get("numbase"), reader.name), last)
            told |= {first, last}
    ticks: Counter[float] = Counter()
    for layer in root.iter("layer"):
        _attributes(reader, layer, told)
        for element in layer.iter():
            length = LENGTHS.get(element.get("dur", ""))
            if length and "dur.ppq" in element.attrib and "dots" not in element.attrib:
                ticks[(real(reader, element, "dur.ppq", 0, 1e6) or 0.0) / float(length)] += 1
    if ticks:
        reader.ppq = ticks.most_common(1)[0][0]


def placed_tuplets(reader: MeiReader, measure: Element) -> list[tuple[tuple[str, str], TupletSpan]]:
    """The tuplets of a measure that a tupletSpan shows by places alone, each with its staff and layer ("": all).

    A tstamp2 is the place of the last event, or that of the end, where it makes the tuplet as long as a note value.
    """
    found = []
    for element in measure:
        begin = real(reader, element, "tstamp", 0, 1e4) if element.tag == "tupletSpan" else None
        last = IN_BAR.fullmatch(element.get("tstamp2", ""))
        if begin is None or "startid" in element.attrib:
            continue
        scale = ratio(element.get("num"), element.get("numbase"), reader.name)
        if "dur" in element.attrib:
            length = note_length(element.get("dur"), whole(element.get("dots"), reader.name, 0, 4, 0), reader.name)
        elif last is not None:
            length = Fraction((float(last[1]) - begin) * 4 / reader.unit).limit_denominator(MAX_TUPLET)
        else:
            continue
        inside = length.denominator.bit_count() > 1 or length.numerator.bit_count() > 1
        start = (begin - 1) * 4 / reader.unit
        for staff in element.get("staff", "1").split()[:10]:
            where = (staff, element.get("layer", ""))
            found.append((where, TupletSpan(start, start + float(length), inside, scale)))
    return found


def _attributes(reader: MeiReader, layer: Element, told: set[str]) -> None:
    """Tuplets that only the events' own attributes show, "i1" at the first to "t1" at the last."""
    inside = {id(child) for outer in ("tuplet", "chord") for each in layer.iter(outer) for child in each.iter()}
    inside -= {id(chord) for chord in layer.iter("chord")}
    group: list[Element] = []
    for element in layer.iter():
        sign = element.get("tuplet", "")[:1]
        if element.tag not in EVENTS or not sign or id(element) in inside:
            continue
        if sign == "i":
            group = []
        group.append(element)
        if sign != "t" or len(group) > MAX_TUPLET:
            continue
        ids = {each.get("xml:id", "") for member in group for each in member.iter()}
        scale = _scale(group)
        if not ids & told and scale:
            reader.tuplets[group[0]] = (scale, group[-1])
        group = []


def _scale(group: list[Element]) -> Fraction | None:
    """How much a tuplet of these events is shortened: so many of its shortest value in the time of a power of two."""
    lengths = [LENGTHS.get(element.get("dur", "4"), Fraction(1)) for element in group]
    dotted = [2 - Fraction(1, 1 << whole(element.get("dots"), "tuplet", 0, 4, 0)) for element in group]
    total = sum((length * more for length, more in zip(lengths, dotted, strict=True)), Fraction(0))
    count = total / min(lengths)
    if count.denominator != 1 or count < 3:
        return None
    base = 1 << (count.numerator.bit_length() - 1)
    return Fraction(base, count.numerator) if base < count else None
