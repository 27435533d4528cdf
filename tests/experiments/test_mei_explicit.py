"""What is written out for referees of MEI: bars that spaces fill, and a movement that is a part."""

from fractions import Fraction
from xml.etree import ElementTree

from experiments.mei_explicit import NOTES, explicit

BAR = """<mei><music><body><mdiv>{}</mdiv></body></music></mei>"""
STAFF = '<staffDef n="1" meter.count="2" meter.unit="4"/>'
SECTION = """<section><measure><staff n="1"><layer><beam><note pname="c" oct="4" dur="16" tuplet="i1"/>
<note pname="d" oct="4" dur="16" tuplet="m1"/><space/><note pname="e" oct="4" dur="16" tuplet="t1"/></beam><space/>
<note pname="f" oct="4" dur="4"/></layer></staff></measure></section>"""


def quarters(element: ElementTree.Element) -> Fraction:
    """What an element's notes and spaces take, which all say their note values."""
    if "dur" in element.attrib:
        return NOTES[element.attrib["dur"]]
    scale = Fraction(int(element.get("numbase", 1)), int(element.get("num", 1)))
    return scale * sum(map(quarters, element), Fraction(0))


def test_spaces_fill_the_bar_inside_a_tuplet_too() -> None:
    root = ElementTree.fromstring(
        BAR.format(f"<score><scoreDef><staffGrp>{STAFF}</staffGrp></scoreDef>{SECTION}</score>")
    )
    explicit(root)
    (layer,) = root.iter("layer")
    assert layer.find(".//tuplet") is not None
    assert quarters(layer) == 2


def test_a_movements_only_part_is_its_score() -> None:
    root = ElementTree.fromstring(BAR.format(f"<parts><part>{STAFF}{SECTION}</part></parts>"))
    explicit(root)
    assert root.find(".//parts") is None
    assert root.find(".//mdiv/score/scoreDef/staffGrp/staffDef") is not None
    assert len(root.findall(".//mdiv/score/section/measure")) == 1
