"""What an MEI document leaves to its reader, written out: for referees that do not derive it.

Verovio 6.4.1 and converter21 4.0.1 take what sounds from `accid.ges` alone, a space without `dur` for a quarter,
tuplets from <tuplet> alone, and a chord without `dur` for a quarter; a movement in parts they do not read. `explicit`
writes into a copy what the document says by other means: its key signatures and the accidentals before in the bar;
tupletSpans and `tuplet` attributes; `dur.ppq`, or the length that a layer lacks of its bar; the notes' `dur`; a
movement's only part as its score. It has no line in common with the reader that is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement

NOTES = {"breve": Fraction(8), **{str(1 << power): Fraction(4, 1 << power) for power in range(9)}}
EVENTS = ("note", "rest", "chord", "space", "bTrem", "fTrem", "mRest", "mSpace", "mRpt", "beatRpt", "halfmRpt")
SHARPS = "fcgdaeb"
SIGNS = {"s": 1, "f": -1, "n": 0, "x": 2, "ss": 2, "ff": -2}
NAMES = {1: "s", -1: "f", 0: "n", 2: "ss", -2: "ff"}
ID = "xml:id"


def explicit(root: Element) -> None:
    """Write out, in place, what `root` (without namespaces) leaves to its reader."""
    _write_copies(root)
    _write_scores(root)
    parents = {child: parent for parent in root.iter() for child in parent}
    for tuplet in root.iter("tuplet"):
        tuplet.attrib.setdefault("num", "3")
        tuplet.attrib.setdefault("numbase", str(1 << (int(tuplet.get("num", 3)).bit_length() - 1)))
    for chord in root.iter("chord"):
        first = chord.find("note")
        if "dur" not in chord.attrib and first is not None and "dur" in first.attrib:
            chord.attrib |= {key: first.attrib[key] for key in ("dur", "dots") if key in first.attrib}
    for layer in root.iter("layer"):
        for first, last, ratio in list(_tuplets(root, layer)):
            _wrap(parents, first, last, ratio)
    for element in list(root.iter()):
        element.attrib.pop("tuplet", None)
        for span in element.findall("tupletSpan"):
            element.remove(span)
    _fill_spaces(root, parents)
    _write_accidentals(root)


def _write_copies(root: Element) -> None:
    """What `copyof` names, in the place of each empty element that copies it, without its ids."""
    by_id = {element.get(ID): element for element in root.iter() if ID in element.attrib}
    for element in root.iter():
        model = by_id.get(element.get("copyof", "").removeprefix("#"))
        if model is not None and not len(element):
            for child in deepcopy(model):
                for each in child.iter():
                    each.attrib.pop(ID, None)
                element.append(child)
            element.attrib |= {key: value for key, value in model.attrib.items() if key not in (ID, "n")}
            del element.attrib["copyof"]


def _write_scores(root: Element) -> None:
    """A movement's only part as its score."""
    for movement in list(root.iter("mdiv")):
        parts = movement.find("parts")
        if parts is not None and len(parts) == 1 and movement.find("score") is None:
            score = SubElement(movement, "score")
            staves = SubElement(SubElement(score, "scoreDef"), "staffGrp")
            for child in parts[0]:
                (staves if child.tag == "staffDef" else score).append(child)
            movement.remove(parts)


def _tuplets(root: Element, layer: Element) -> Iterator[tuple[Element, Element, tuple[int, int]]]:
    """First and last event of the tuplets that no element holds, and their ratio."""
    events = {event.get(ID, ""): event for event in layer.iter() if event.tag in EVENTS}
    spans = {}
    for span in root.iter("tupletSpan"):
        first, last = (span.get(key, "").removeprefix("#") for key in ("startid", "endid"))
        ratio = (int(span.get("num", 3)), int(span.get("numbase", 2)))
        if first in events and last in events and 1 < ratio[1] < 2 * ratio[0]:
            spans[first] = ratio
            if "tuplet" not in events[first].attrib:
                yield events[first], events[last], ratio
    inside = {id(event) for tuplet in layer.iter("tuplet") for event in tuplet.iter()}
    group: list[Element] = []
    for event in layer.iter():
        sign = event.get("tuplet", "")[:1]
        if event.tag not in EVENTS or not sign or id(event) in inside:
            continue
        group = [event] if sign == "i" else [*group, event]
        if sign == "t":
            lengths = [_written(each) for each in group]
            count = int(sum(lengths) / min(lengths))
            yield group[0], event, spans.get(group[0].get(ID, "-"), (count, 1 << (count.bit_length() - 1)))


def _wrap(parents: dict[Element, Element], first: Element, last: Element, ratio: tuple[int, int]) -> None:
    """A <tuplet> around all from one event to another, in the element that holds both."""
    above = [first]
    while above[-1] in parents:
        above.append(parents[above[-1]])
    end = last
    while parents[end] not in above:
        end = parents[end]
    common = parents[end]
    begin = above[above.index(common) - 1]
    low, high = list(common).index(begin), list(common).index(end)
    tuplet = Element("tuplet", {"num": str(ratio[0]), "numbase": str(ratio[1])})
    for child in list(common)[low : high + 1]:
        common.remove(child)
        tuplet.append(child)
        parents[child] = tuplet
    common.insert(low, tuplet)
    parents[tuplet] = common


def _written(event: Element) -> Fraction:
    """Quarters of a note value with its dots; of a tremolo, its first note's."""
    if event.tag in ("bTrem", "fTrem"):
        return _written(next(each for each in event if each.tag in ("note", "chord")))
    length = NOTES.get(event.get("dur", ""), Fraction(1))
    return length * (2 - Fraction(1, 1 << int(event.get("dots", "0"))))


def _length(element: Element, full: Fraction) -> Fraction:
    """Quarters of all that a layer, a beam or a tuplet holds; spaces without a length are 0."""
    total = Fraction(0)
    for child in element:
        if child.tag == "graceGrp" or any("grace" in each.attrib for each in (child, *child)):
            continue
        if child.tag in ("mRest", "mSpace", "mRpt"):
            total += full
        elif child.tag == "space" and "dur" not in child.attrib:
            continue
        elif child.tag in EVENTS:
            total += _written(child)
        elif child.tag in ("beam", "tuplet"):
            inside = _length(child, full)
            total += inside * Fraction(int(child.get("numbase", 1)), int(child.get("num", 1)))
    return total


def _fill_spaces(root: Element, parents: dict[Element, Element]) -> None:
    """Give spaces without a length that of their ticks, or what their layer lacks of the longest full layer."""
    ticks = [(float(each.get("dur.ppq", 0)), _written(each)) for each in root.iter("note") if "dur" in each.attrib]
    quarter = Counter(Fraction(tick) / length for tick, length in ticks if tick).most_common(1)
    for space in list(root.iter("space")) if quarter else ():
        if "dur" not in space.attrib and "dur.ppq" in space.attrib:
            _set_length(parents, space, Fraction(space.get("dur.ppq", 0)) / quarter[0][0])
    full = Fraction(4)
    for element in root.iter():
        count, unit = element.get("meter.count", element.get("count")), element.get("meter.unit", element.get("unit"))
        if element.tag in ("scoreDef", "staffDef", "meterSig") and count and unit:
            full = Fraction(sum(map(int, count.split("+"))) * 4, int(unit))
        if element.tag != "measure":
            continue
        layers = list(element.iter("layer"))
        bare = {id(layer): [each for each in layer.iter("space") if "dur" not in each.attrib] for layer in layers}
        length = max((_length(layer, full) for layer in layers if not bare[id(layer)]), default=full)
        for layer in layers:
            lacking = length - _length(layer, full)
            for space in bare[id(layer)]:
                _set_length(parents, space, lacking / len(bare[id(layer)]))


def _set_length(parents: dict[Element, Element], space: Element, length: Fraction) -> None:
    """Spaces of plain note values in the place of one, in a tuplet where thirds or fifths are needed.

    `length` is what sounds: in a tuplet more is written.
    """
    parent = parents[space]
    above: Element | None = parent
    while above is not None:
        if above.tag == "tuplet":
            length *= Fraction(int(above.get("num", 1)), int(above.get("numbase", 1)))
        above = parents.get(above)
    at = list(parent).index(space)
    parent.remove(space)
    into, scale = parent, Fraction(1)
    odd = next((number for number in (15, 5, 3, 7) if length.denominator % number == 0), 1)
    if odd > 1:
        base = 1 << (odd.bit_length() - 1)
        into, scale = Element("tuplet", {"num": str(odd), "numbase": str(base)}), Fraction(base, odd)
        parent.insert(at, into)
        at = 0
    rest = length / scale
    for name, value in NOTES.items():
        while rest >= value > 0:
            into.insert(at, Element("space", {"dur": name}))
            at, rest = at + 1, rest - value


def _write_accidentals(root: Element) -> None:
    """`accid.ges` at every note, by signature and bar, unless most notes that these alter have one."""
    missing: list[tuple[Element, int]] = []
    said = 0
    keys: dict[str, dict[str, int]] = {}
    tied: dict[str, dict[tuple[str, str], int]] = {}
    for element in root.iter():
        if element.tag in ("scoreDef", "staffDef"):
            signature = element.get("keysig", element.get("key.sig"))
            for inner in element.findall("keySig"):
                signature = inner.get("sig", signature)
            if signature is not None and element.tag == "scoreDef":
                keys = {"": _key(signature)}
            elif signature is not None:
                keys[element.get("n", "")] = _key(signature)
        elif element.tag == "measure":
            for staff in element.findall("staff"):
                number = staff.get("n", "")
                for note, alter in _spelled(staff, keys.get(number, keys.get("", {})), tied.setdefault(number, {})):
                    if any("accid.ges" in each.attrib for each in note.iter()):
                        said += 1
                    else:
                        missing.append((note, alter))
    for note, alter in missing:
        if len(missing) > said or note.get("tie") in ("t", "m"):
            SubElement(note, "accid", {"accid.ges": NAMES[alter]})


def _key(signature: str) -> dict[str, int]:
    if signature[-1:] not in ("s", "f"):
        return {}
    letters = SHARPS if signature[-1] == "s" else SHARPS[::-1]
    return dict.fromkeys(letters[: int(signature[:-1])], SIGNS[signature[-1]])


def _placed(element: Element, place: Fraction, scale: Fraction) -> Iterator[tuple[Fraction, Element]]:
    """The notes of a layer, a beam or a tuplet, with their places in the bar."""
    for child in element:
        if child.tag in ("note", "chord", "bTrem", "fTrem", "graceGrp"):
            yield from ((place, note) for note in child.iter("note"))
        elif child.tag in ("beam", "tuplet"):
            yield from _placed(child, place, scale * Fraction(int(child.get("numbase", 1)), int(child.get("num", 1))))
        holder = Element("layer")
        holder.append(child)
        place += _length(holder, Fraction(0)) * scale


def _spelled(staff: Element, key: dict[str, int], tied: dict[tuple[str, str], int]) -> Iterator[tuple[Element, int]]:
    """Notes without an accidental of their own that a tie, the bar or the signature alters, in the order of time."""
    written: dict[tuple[str, str], int] = {}
    placed = [each for layer in staff.findall("layer") for each in _placed(layer, Fraction(0), Fraction(1))]
    for _, note in sorted(placed, key=lambda each: each[0]):
        at = (note.get("pname", ""), note.get("oct", ""))
        own = next((each.get("accid") for each in note.iter() if each.get("accid")), None)
        said = next((each.get("accid.ges") for each in note.iter() if each.get("accid.ges")), None)
        if own is not None:
            written[at] = SIGNS.get(own, 0)
        alter = written.get(at, key.get(at[0], 0))
        if own is None and note.get("tie") in ("t", "m") and at not in written:
            alter = tied.get(at, alter)
        tied.pop(at, None)
        if note.get("tie") in ("i", "m"):
            tied[at] = alter if said is None else SIGNS.get(said, 0)
        if own is None and alter:
            yield note, alter
