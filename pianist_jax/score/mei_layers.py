"""The layers of MEI's staves: what follows what, in tuplets, grace notes, tremolos and repeated bars."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from xml.etree.ElementTree import Element

from pianist_jax.score.files import MAX_DEPTH, ScoreError
from pianist_jax.score.mei_notes import event_length, make_notes
from pianist_jax.score.mei_ornaments import add_grace
from pianist_jax.score.mei_pitch import signature
from pianist_jax.score.mei_reader import Layer, MeiReader, TupletSpan
from pianist_jax.score.mei_tree import ID, ratio
from pianist_jax.score.mei_tremolos import (
    MAX_BARS_AGAIN,
    MEASURED,
    go_on_repeating,
    read_tremolo,
    repeat_before,
    stroke_length,
    write_out,
)
from pianist_jax.score.reader import whole
from pianist_jax.score.written import MAX_QUARTERS

NO_NOTES = {"clef", "barLine", "artic", "dot", "verse", "syl", "accid", "pad", "custos", "ligature", "lv"}
MAX_SPANS = 4  # tuplets inside one another
MAX_SCALE = 10_000  # a note of a tuplet in tuplets, longer or shorter than written


def read_layer(
    reader: MeiReader, element: Element, staff: str, order: int, spans: Sequence[tuple[tuple[str, str], TupletSpan]]
) -> Layer:
    """Read one <layer> of a bar; its notes wait in `reader.spelled` for their pitch.

    `spans` are the tuplets of the bar that places show, with staff and layer ("": all).
    """
    known = reader.staves[staff]
    label = (element.get("n") or str(order + 1))[:10]
    inside = int(label) if re.fullmatch(r"\d{1,2}", label) else order + 1
    layer = Layer(reader, staff, (staff, label), min(known.number, 99) * 100 + inside)
    layer.cue = element.get("cue") == "true"
    layer.spans = [span for where, span in spans if where in ((staff, ""), (staff, label))]
    _walk(layer, element, 0)
    _close_graces(layer)
    go_on_repeating(layer)
    reader.open_tuplets.pop(layer.key, None)  # one whose end is missing ends with its bar
    bars = reader.last.setdefault(layer.key, {})
    bars.pop(reader.bar - MAX_BARS_AGAIN, None)
    bars[reader.bar] = (layer.place, layer.spelled)
    reader.spelled += layer.spelled
    return layer


def fill_gaps(layer: Layer, length: Fraction) -> None:
    """Give the spaces that say no length what the layer lacks of the bar's, in equal shares."""
    share = (length - layer.place) / len(layer.gaps) if layer.gaps else Fraction(0)
    if share <= 0:
        return
    for index, one in enumerate(layer.spelled):
        one.place += share * bisect_right(layer.gaps, index)
        one.note.offset = float(one.place)
    for count, key in layer.placed:
        bar, offset, staff = layer.reader.places[key]
        layer.reader.places[key] = (bar, offset + float(share * count), staff)
    layer.place = length


def _walk(layer: Layer, element: Element, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ScoreError(f"{layer.reader.name}: layers that contain themselves; export it again")
    for child in layer.reader.tree.children(element):
        tag = child.tag
        if tag in ("note", "chord", "rest", "space", "mRest", "mSpace", "bTrem", "fTrem"):
            _event(layer, child)
        elif tag == "tuplet":
            _tuplet(layer, child, depth)
        elif tag == "graceGrp":
            before, layer.grace = layer.grace, True
            _walk(layer, child, depth + 1)
            layer.grace = before
        elif tag == "multiRest":
            layer.place += layer.reader.nominal * whole(child.get("num"), layer.reader.name, 1, 1000, 1)
        elif tag in ("mRpt", "beatRpt", "halfmRpt", "mRpt2", "multiRpt"):
            repeat_before(layer, child)
        elif tag == "keySig":
            key, _ = signature(child)
            if key is not None:
                layer.reader.changes.append((layer.place, layer.staff, key))
        elif tag not in NO_NOTES:
            _walk(layer, child, depth + 1)
        if layer.place > MAX_QUARTERS:
            raise ScoreError(f"{layer.reader.name}: a bar without end; export it again")


def _tuplet(layer: Layer, element: Element, depth: int) -> None:
    before = layer.scale
    attribute = layer.reader.tree.attribute
    layer.scale *= ratio(attribute(element, "num"), attribute(element, "numbase"), layer.reader.name)
    if not 1 <= MAX_SCALE * layer.scale <= MAX_SCALE**2:
        raise ScoreError(f"{layer.reader.name}: tuplets in tuplets without end; export it again")
    _walk(layer, element, depth + 1)
    layer.scale = before


def _event(layer: Layer, element: Element) -> None:
    """One note, chord, rest or tremolo, and the tupletSpans that begin and end with it."""
    reader = layer.reader
    tag = element.tag
    inside = [child for child in element.iter() if child.tag in ("note", "chord", "rest", "space")]
    ids = {key for each in (element, *inside) if (key := each.get(ID)) is not None}
    heads = {element, *inside, *ids}
    spans = reader.open_tuplets[layer.key]
    if layer.scale == 1 and reader.tuplets:  # a <tuplet> around says it already
        spans += [reader.tuplets[head] for head in heads if head in reader.tuplets][: MAX_SPANS - len(spans)]
    scale = layer.scale
    for span, _ in spans:
        scale *= span
    for each in layer.spans if scale == 1 else ():
        scale *= each.scale if each.holds(float(layer.place)) else 1
    here = (reader.bar, float(layer.place), layer.staff)
    for key in ids:
        reader.places.setdefault(key, here)
        layer.placed.append((len(layer.gaps), key))
    if tag in ("mRest", "mSpace"):
        layer.filled = True
    elif tag in ("bTrem", "fTrem"):
        _close_graces(layer)
        layer.place += read_tremolo(layer, element, scale)
    elif tag in ("rest", "space"):
        _close_graces(layer)
        length = Fraction(0) if layer.grace or "grace" in element.attrib else event_length(layer, element)
        if length is None:
            layer.gaps.append(len(layer.spelled))
        layer.place += (length or 0) * scale
    else:
        _sound(layer, element, scale)
    if spans:
        reader.open_tuplets[layer.key] = [span for span in spans if span[1] not in heads]


def _sound(layer: Layer, element: Element, scale: Fraction) -> None:
    grace = layer.grace or element.get("grace") is not None
    if element.tag == "chord":
        grace = grace or any(child.get("grace") for child in element if child.tag == "note")
    length = Fraction(0) if grace else (event_length(layer, element) or 0) * scale
    notes = make_notes(layer, element, layer.place, length, grace)
    if grace:
        if notes:
            layer.graces.append([one.note for one in notes])
            add_grace(element, layer.graces[-1], float(event_length(layer, element) or 0))
        return
    _close_graces(layer)
    stroke = stroke_length(layer, element, element.get("stem.mod"))
    if stroke:
        write_out(layer, [notes], length, stroke * scale if stroke > MEASURED else Fraction(0))
    layer.place += length


def _close_graces(layer: Layer) -> None:
    """Say of a run of grace notes how many steps before the beat each one is."""
    for step, chord in enumerate(reversed(layer.graces), 1):
        for note in chord:
            note.grace = step
    layer.graces.clear()
