"""What MEI writes once and is played several times: measured tremolos, repeated beats and bars."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from xml.etree.ElementTree import Element

from pianist_jax.score.files import ScoreError
from pianist_jax.score.mei_notes import event_length, make_notes
from pianist_jax.score.mei_ornaments import add_tremolo
from pianist_jax.score.mei_pitch import Spelled
from pianist_jax.score.mei_reader import Layer
from pianist_jax.score.mei_tree import LENGTHS
from pianist_jax.score.reader import clamped_whole
from pianist_jax.score.written import MAX_NOTES, Mark

MEASURED = Fraction(1, 8)  # quarters; faster tremolos are measured where the document says so alone
MAX_STROKES = 1024  # of one tremolo
MAX_BARS_AGAIN = 16  # that one sign repeats


def stroke_length(layer: Layer, element: Element, mod: str | None) -> Fraction:
    """Quarters of a stroke of the tremolo that slashes at a stem ask for; 0 without, or where it is not measured."""
    found = re.fullmatch(r"([1-6])slash", mod or "")
    if not found:
        return Fraction(0)
    value = LENGTHS.get(layer.reader.tree.attribute(element, "dur") or "4", Fraction(1))
    return min(value, Fraction(1)) / (1 << int(found[1]))


def read_tremolo(layer: Layer, element: Element, scale: Fraction) -> Fraction:
    """A <bTrem> or <fTrem>, written out where it is measured; its length in quarters."""
    heads = [child for child in layer.reader.tree.children(element) if child.tag in ("note", "chord")]
    heads = heads[: 2 if element.tag == "fTrem" else 1]
    if not heads:
        return Fraction(0)
    length = (event_length(layer, heads[0]) or Fraction(0)) * scale
    share = length / len(heads)  # what the engraver gives to each of two notes
    notes = [make_notes(layer, head, layer.place + index * share, share, False) for index, head in enumerate(heads)]
    unit = LENGTHS.get(element.get("unitdur", ""), Fraction(0))
    if not unit and element.tag == "bTrem":
        unit = stroke_length(layer, heads[0], heads[0].get("stem.mod"))
    elif not unit:
        unit = Fraction(1, 1 << clamped_whole(layer.reader, element.get("beams"), 1, 6, 3, "beams"))
    if element.get("form") == "unmeas":
        unit = Fraction(0)
    write_out(layer, notes, length, unit * scale if "unitdur" in element.attrib or unit > MEASURED else Fraction(0))
    return length


def write_out(layer: Layer, groups: list[list[Spelled]], length: Fraction, stroke: Fraction) -> None:
    """Write a tremolo out, one group of notes after the other; a mark where it is not measured."""
    count = int(length / stroke) if stroke else 0
    if not 1 < count <= MAX_STROKES or count * stroke != length or stroke <= 0:
        for one in (one for group in groups for one in group):
            one.note.marks |= Mark.TREMOLO
        add_tremolo([[one.note for one in group] for group in groups])
        return
    start = groups[0][0].place if groups[0] else layer.place
    originals = [list(group) for group in groups]
    for index in range(count):
        for one in originals[index % len(originals)]:
            at = start + index * stroke
            if index < len(originals):
                one.place, one.note.offset, one.note.length = at, float(at), float(stroke)
                one.note.tie_start &= count <= len(originals)
            else:
                _again(layer, one, at, f"{one.note.id}~{index // len(originals) + 1}")


def _again(layer: Layer, model: Spelled, place: Fraction, key: str) -> None:
    note = replace(model.note, bar=layer.reader.bar, offset=float(place), id=key[:110], tie_start=False, tie_stop=False)
    layer.spelled.append(replace(model, note=note, place=place))
    layer.reader.written.notes.append(note)
    if len(layer.reader.written.notes) > MAX_NOTES:
        raise ScoreError(f"{layer.reader.name}: more than {MAX_NOTES} notes; split it")


def repeat_before(layer: Layer, element: Element) -> None:
    """A sign that repeats the bar before, several bars before, or the beat before, of this layer."""
    reader = layer.reader
    if element.tag in ("beatRpt", "halfmRpt"):
        length = reader.nominal / 2 if element.tag == "halfmRpt" else Fraction(4 / reader.unit).limit_denominator(64)
        begin = layer.place - length
        _repeat(layer, [one for one in layer.spelled if begin <= one.place < layer.place], length, length)
        return
    count = 1
    if element.tag != "mRpt":
        count = 2 if element.tag == "mRpt2" else clamped_whole(reader, element.get("num"), 1, MAX_BARS_AGAIN, 1, "num")
        reader.again[layer.key] = (reader.bar + count, count)
    _repeat_bar(layer, count)


def go_on_repeating(layer: Layer) -> None:
    """Fill an empty layer of a bar that a sign before it (mRpt2, multiRpt) repeats as well."""
    until, count = layer.reader.again.get(layer.key, (0, 0))
    if layer.reader.bar < until and not layer.spelled:
        layer.place = Fraction(0)
        _repeat_bar(layer, count)


def _repeat_bar(layer: Layer, back: int) -> None:
    """Play what the layer had so many bars ago."""
    bars = layer.reader.last.get(layer.key, {})
    before = layer.reader.bar - back
    if before not in bars:
        layer.reader.written.problem("a sign repeats a bar that is not there", layer.reader.bar)
    length, models = bars.get(before, (layer.reader.nominal, []))
    _repeat(layer, models, length, layer.place)


def _repeat(layer: Layer, models: list[Spelled], length: Fraction, shift: Fraction) -> None:
    """Play notes again, so much later in their bar; `length` is what the sign lasts."""
    names = layer.reader.names
    for one in models:
        plain = re.sub(r"(\.\d+)+$", "", one.note.id)
        key = plain if plain in names else one.note.id
        names[key] = names.get(key, 1) + 1
        _again(layer, one, one.place + shift, f"{key}.{names[key]}")
    layer.place += length
