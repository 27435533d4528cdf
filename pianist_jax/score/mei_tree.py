"""The tree of an MEI document as it is read: one editorial alternative, copies resolved, names without prefix."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from xml.etree.ElementTree import Element

from pianist_jax.score.files import MAX_DEPTH, MAX_ELEMENTS, ScoreError
from pianist_jax.score.reader import Place, clamped, number

ID = "xml:id"
# What an editor did to the text: whose content is read in its place, and what is not read.
TRANSPARENT = {"add", "corr", "damage", "expan", "orig", "reg", "restore", "sic", "supplied", "unclear", "lem", "rdg"}
ALTERNATIVES = {
    "choice": ("corr", "reg", "expan", "unclear", "sic", "orig", "abbr"),
    "app": ("lem", "rdg"),
    "subst": ("add",),
}
UNREAD = {"del", "gap", "abbr", "ossia"}
LENGTHS = {"breve": Fraction(8), "long": Fraction(16), "maxima": Fraction(32)} | {
    str(1 << power): Fraction(4, 1 << power) for power in range(12)
}


class Tree:
    """An MEI document: children as they are read, elements by id, every note with one.

    Raises ScoreError where copies grow without end.
    """

    def __init__(self, root: Element, name: str) -> None:
        self.name = name
        self.by_id: dict[str, Element] = {}
        self.visited = 0
        for element in root.iter():
            element.tag = element.tag.rpartition(":")[2]
            if (key := element.get(ID)) is not None:
                self.by_id.setdefault(key, element)
        for count, note in enumerate(root.iter("note"), 1):
            if ID not in note.attrib:
                note.set(ID, f"n{count}" if f"n{count}" not in self.by_id else f"n{count}.own")

    def children(self, element: Element, depth: int = 0) -> Iterator[Element]:
        """The children that are read: of alternatives one, of editors' marks the content, of a copy its model's."""
        if depth > MAX_DEPTH:
            raise ScoreError(f"{self.name}: elements that copy one another without end; export it again")
        model = self.referred(element, "copyof")
        for child in element if model is None or len(element) else model:
            self.visited += 1
            if self.visited > 2 * MAX_ELEMENTS:
                raise ScoreError(f"{self.name}: more elements than a score needs, copies resolved; export it again")
            if child.tag in ALTERNATIVES:
                chosen = alternative(child)
                if chosen is not None:
                    yield from self.children(chosen, depth + 1)
            elif child.tag in TRANSPARENT:
                yield from self.children(child, depth + 1)
            elif child.tag not in UNREAD:
                yield child

    def referred(self, element: Element, attribute: str) -> Element | None:
        """The element that an attribute names, followed through copies of copies."""
        found: Element | None = None
        for _ in range(10):
            text = (element if found is None else found).get(attribute)
            model = None if text is None else self.by_id.get(text.strip().removeprefix("#"))
            if model is None or model is element:
                return found
            found = model
            if len(found):
                return found
        return found

    def attribute(self, element: Element, key: str) -> str | None:
        """An attribute of the element, or of the one that it copies."""
        value = element.get(key)
        if value is None and ("copyof" in element.attrib or "sameas" in element.attrib):
            model = self.referred(element, "copyof" if "copyof" in element.attrib else "sameas")
            value = None if model is None else model.get(key)
        return value


def alternative(element: Element) -> Element | None:
    """The one child of <choice>, <app> or <subst> that is read: the editor's reading before the source's."""
    for tag in ALTERNATIVES[element.tag]:
        for child in element:
            if child.tag == tag:
                return child
    return None


def text_of(element: Element) -> str:
    """The words inside an element, with single spaces."""
    return " ".join("".join(element.itertext()).split())


def references(element: Element, *attributes: str) -> list[str]:
    """The ids that these attributes name, `startid` and `plist` unless told."""
    text = " ".join(element.get(key, "") for key in attributes or ("startid", "plist"))
    return [reference.removeprefix("#") for reference in text.split()[:200]]


def real(reader: Place, element: Element, key: str, low: float, high: float) -> float | None:
    """A number of an attribute, the nearest within limits where it lies outside; None where it is not there."""
    text = element.get(key)
    return None if text is None else clamped(reader, text, low, high, key)


def note_length(text: str | None, dots: int, name: str) -> Fraction:
    """Quarters of a @dur with so many dots. Raises ScoreError where it is no note value."""
    length = LENGTHS.get((text or "4").strip())
    if length is None:
        shown = ascii((text or "").strip()[:20])
        raise ScoreError(f"{name}: {shown} stands where a note value (dur) belongs; export it again")
    return length * (2 - Fraction(1, 1 << dots))


def ratio(num: str | None, numbase: str | None, name: str) -> Fraction:
    """How long a note of a tuplet is, of what it is written. Three for two unless told.

    Some encoders write in `numbase` of what value the notes are ("3" of "8"), or 1: no tuplet makes notes so long or
    so short.
    """
    actual, base = (round(number(text, name, 1, 999)) for text in (num or "3", numbase or "2"))
    if actual > 2 and (base == 1 or (base >= 2 * actual and base.bit_count() == 1)):
        base = 1 << (actual.bit_length() - 1)
    return Fraction(base, actual)
