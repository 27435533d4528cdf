"""MEI -> the score as written: sections, endings, expansions, definitions of staves, bars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from pianist_jax.score.directions import MAX_PASSES
from pianist_jax.score.files import ScoreError
from pianist_jax.score.mei_definitions import define, known_staff, settle_parts
from pianist_jax.score.mei_events import EVENTS, Event, add_events
from pianist_jax.score.mei_layers import fill_gaps, read_layer
from pianist_jax.score.mei_reader import Layer, MeiReader, TupletSpan
from pianist_jax.score.mei_spans import collect_spans, placed_tuplets
from pianist_jax.score.mei_tree import ID, Tree, references
from pianist_jax.score.repeats import MAX_BARS
from pianist_jax.score.titles import mei_title
from pianist_jax.score.written import Written, WrittenBar

MAX_NESTED = 20  # expansions that name expansions
REPEAT_MARKS = {"daCapo": "da_capo", "dalSegno": "dal_segno", "segno": "segno", "coda": "coda", "fine": "fine"}
TEMPO = {"midi.bpm", "midi.mspb", "mm"}


@dataclass
class _Form:
    """Where the document has got to: signs to be added at the end, bars of its sections, orders that it names."""

    printed: int = 0
    endings: frozenset[int] = field(default_factory=frozenset)
    events: list[Event] = field(default_factory=list)
    ranges: dict[str, range] = field(default_factory=dict)
    spans: dict[Element, range] = field(default_factory=dict)
    follows: str = ""  # the bar line before
    expansions: list[tuple[Element, Element]] = field(default_factory=list)  # and what each stands in


def read_mei(root: Element, name: str) -> Written:
    """An MEI document (parsed by `parse_xml`) as written. Raises ScoreError where it is no score in common notation.

    All staves are read, transposing instruments sound, percussion is left out and counted. Of alternative
    readings the editor's is taken. Movements follow one another. What names its order of sections (an expansion)
    is played in that order. Ids are those of the document.
    """
    tree = Tree(root, name)
    reader = MeiReader(name, Written(), tree)
    collect_spans(reader, root)
    form = _Form()
    if root.tag != "mei":
        raise ScoreError(f"{name}: not an MEI score (<{root.tag[:40]}>); give a MusicXML, MEI, kern or MIDI file")
    for mdiv in [element for element in root.iter("mdiv") if element.find("mdiv") is None]:
        for score in [child for child in tree.children(mdiv) if child.tag in ("score", "parts")]:
            _read_score(reader, form, score)
            break  # a movement's other form holds the same music
    if not reader.written.bars:
        raise ScoreError(f"{name}: cannot be read (no bars in it); export it again")
    reader.speller.settle()
    add_events(reader, form.events)
    reader.speller.within_midi(reader.written)
    settle_parts(reader)
    reader.written.title = mei_title(root)
    first, nominal = reader.written.bars[0], _first_metre(reader.written)
    first.pickup = first.length < nominal - 1e-6
    _set_order(reader.written, form)
    return reader.written


def _first_metre(written: Written) -> float:
    return next((4 * sign.value[0] / sign.value[1] for sign in written.times if sign.bar == 0), 0.0)


def _read_score(reader: MeiReader, form: _Form, score: Element) -> None:
    sources = [score]
    if score.tag == "parts":
        sources = [child for child in reader.tree.children(score) if child.tag == "part"]
    begin = end = len(reader.written.bars)
    for index, source in enumerate(sources):
        reader.bar, form.printed = begin, 0
        if index:
            _rename_staves(source, index)
        _walk(reader, form, source, 0)
        end = max(end, reader.bar)
    if begin and begin < end:
        reader.written.bars[begin].jumps.repeat_start = True


def _walk(reader: MeiReader, form: _Form, element: Element, depth: int) -> None:
    """A score, section or ending: what stands in it, in order."""
    begin = reader.bar
    for child in reader.tree.children(element, depth):
        match child.tag:
            case "measure":
                _read_measure(reader, form, child)
            case "scoreDef" | "staffDef" | "staffGrp":
                define(reader, child)
                if TEMPO & child.attrib.keys():
                    form.events.append(Event(reader.bar, reader.unit, child))
            case "expansion":
                form.expansions.append((child, element))
            case "ending":
                before = form.endings
                form.endings = _passes(child.get("n", "")) or before
                _walk(reader, form, child, depth + 1)
                form.endings = before
            case "section" | "score" | "part":
                _walk(reader, form, child, depth + 1)
    form.spans[element] = range(begin, reader.bar)
    for key in (element.get(ID), *(child.get(ID) for child in element if child.tag in ("lem", "rdg"))):
        if key is not None:
            form.ranges[key] = range(begin, reader.bar)


def _passes(text: str) -> frozenset[int]:
    """Passes of an ending's label: "1.", "1, 2", "1-3"."""
    found: set[int] = set()
    for low, high in re.findall(r"(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?", text):
        found |= set(range(int(low), min(int(high or low), MAX_PASSES) + 1))
    return frozenset(turn for turn in found if 1 <= turn <= MAX_PASSES)


def _rename_staves(part: Element, index: int) -> None:
    """Give the staves of a separate part names of their own, in place: each part counts from 1."""
    for element in part.iter():
        key = "n" if element.tag in ("staff", "staffDef") else "staff"
        if key in element.attrib:
            element.set(key, " ".join(f"{index}:{staff}" for staff in element.attrib[key].split()[:100]))


def _read_measure(reader: MeiReader, form: _Form, measure: Element) -> None:
    bars = reader.written.bars
    if reader.bar >= MAX_BARS:
        raise ScoreError(f"{reader.name}: more than {MAX_BARS} bars; split it")
    if reader.bar == len(bars):
        bars.append(WrittenBar(0.0, 0))
    found = re.match(r"\D?(\d{1,6})", measure.get("n", ""))
    form.printed = int(found[1]) if found else form.printed
    bar = bars[reader.bar]
    bar.number = form.printed
    layers: list[Layer] = []
    spans = placed_tuplets(reader, measure)
    for child in reader.tree.children(measure):
        if child.tag == "staff":
            layers += _read_staff(reader, child, spans)
        elif child.tag in ("staffDef", "scoreDef"):
            define(reader, child)
        elif child.tag == "repeatMark" and child.get("func") in REPEAT_MARKS:
            setattr(bar.jumps, REPEAT_MARKS[child.get("func", "")], True)
        elif child.tag in EVENTS:
            form.events.append(Event(reader.bar, reader.unit, child))
    known = [layer.place for layer in layers if not layer.gaps and layer.place]
    for layer in layers:
        fill_gaps(layer, max(known, default=reader.nominal))
    ends: dict[str, float] = {}  # by staff: a second layer may end early
    for layer in layers:
        if layer.spelled or layer.filled:
            full = reader.nominal if layer.filled else layer.place
            ends[layer.staff] = max(ends.get(layer.staff, 0.0), float(full))
    reader.written.compare_ends(reader.bar, ends.values())
    reader.speller.spell_bar(reader.spelled, reader.changes)
    reader.spelled, reader.changes = [], []
    bar.length = max(bar.length, float(_length(reader, measure, layers)))
    left, right = measure.get("left", ""), measure.get("right", "")
    bar.jumps.repeat_start |= left in ("rptstart", "rptboth")
    if left in ("rptend", "rptboth") and reader.bar:
        bars[reader.bar - 1].jumps.repeat_end = 2
    if right in ("rptend", "rptboth"):
        bar.jumps.repeat_end = max(2, *form.endings) if form.endings else 2
    bar.jumps.endings |= form.endings
    if form.follows == "rptboth":
        bar.jumps.repeat_start = True
    form.follows = right
    reader.bar += 1


def _read_staff(
    reader: MeiReader, element: Element, spans: Sequence[tuple[tuple[str, str], TupletSpan]]
) -> list[Layer]:
    staff = known_staff(reader, element)
    layers: list[Layer] = []
    for child in reader.tree.children(element):
        if child.tag == "layer":
            layers.append(read_layer(reader, child, staff, len(layers), spans))
        elif child.tag == "staffDef":
            define(reader, child)
    return layers


def _length(reader: MeiReader, measure: Element, layers: list[Layer]) -> Fraction:
    """How long a bar is: as its longest layer; as the metre says where only rests of the whole bar tell."""
    longest = max((layer.place for layer in layers), default=Fraction(0))
    full = any(layer.filled for layer in layers) and reader.bar > 0 and measure.get("metcon") != "false"
    return max(longest, reader.nominal) if full or not longest else longest


def _set_order(written: Written, form: _Form) -> None:
    """The order of bars that an expansion names, where it is one of the whole score."""
    plans = {key: element for element, _ in form.expansions if (key := element.get(ID)) is not None}
    for element, around in form.expansions:
        covered = form.spans.get(around)
        if covered != range(len(written.bars)):
            continue
        order = _expanded(references(element, "plist"), form.ranges, plans, 0)
        once = "norep" in (element.get("type", ""), element.get(ID, "")[-5:])
        if order:
            written.orders.setdefault(not once, tuple(order))


def _expanded(keys: list[str], ranges: dict[str, range], plans: dict[str, Element], depth: int) -> list[int] | None:
    """Bars of the sections that are named, one after the other; None where a name is not known."""
    order: list[int] = []
    for key in keys:
        if key in plans and depth < MAX_NESTED:
            more = _expanded(references(plans[key], "plist"), ranges, plans, depth + 1)
        else:
            more = list(ranges[key]) if key in ranges else None
        if more is None or len(order) > MAX_BARS:
            return None
        order += more
    return order
