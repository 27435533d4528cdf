"""The decorations, words and tempi of ABC, said as MusicXML's notations and directions."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement

from pianist_jax.score.abc_voice import Voice
from pianist_jax.score.directions import ATTACKS, EXTREMES
from pianist_jax.score.signs import note_value
from pianist_jax.score.written import LEVELS

NOTATIONS = {
    "T": "ornaments/trill-mark", "trill": "ornaments/trill-mark",
    "M": "ornaments/mordent", "mordent": "ornaments/mordent", "lowermordent": "ornaments/mordent",
    "P": "ornaments/inverted-mordent", "uppermordent": "ornaments/inverted-mordent",
    "pralltriller": "ornaments/inverted-mordent", "turn": "ornaments/turn", "trill(": "ornaments/trill-mark",
    "~": "ornaments/turn", "roll": "ornaments/turn",
    "invertedturn": "ornaments/inverted-turn", "arpeggio": "arpeggiate",
    "H": "fermata", "fermata": "fermata", "invertedfermata": "fermata",
    ".": "articulations/staccato", "staccato": "articulations/staccato", "wedge": "articulations/staccatissimo",
    "L": "articulations/accent", "accent": "articulations/accent", "emphasis": "articulations/accent",
    ">": "articulations/accent", "tenuto": "articulations/tenuto", "marcato": "articulations/strong-accent",
    "breath": "articulations/breath-mark",
}  # fmt: skip
PLACES = {"S": "segno", "segno": "segno", "O": "coda", "coda": "coda"}
WORDS = {
    "D.C.": "D.C.", "dacapo": "D.C.", "D.S.": "D.S.", "fine": "Fine", "dacoda": "To Coda",
    "D.C.alfine": "D.C. al Fine", "D.C.alcoda": "D.C. al Coda",
    "D.S.alfine": "D.S. al Fine", "D.S.alcoda": "D.S. al Coda",
}  # fmt: skip
WEDGES = {
    "crescendo(": "crescendo", "<(": "crescendo", "diminuendo(": "diminuendo", ">(": "diminuendo",
    "crescendo)": "stop", "<)": "stop", "diminuendo)": "stop", ">)": "stop",
}  # fmt: skip
TEMPO = re.compile(r"(\d{1,3})/(\d{1,3})\s*=\s*(\d{1,4}(?:\.\d{1,4})?)")
BARE = re.compile(r"\s*(?:C\d?\s*=\s*)?(\d{1,4})\s*$")


def say_sign(voice: Voice, sign: str) -> bool:
    """Take a decoration by its name or letter; whether it means something here."""
    if sign in NOTATIONS:
        voice.signs.append(NOTATIONS[sign])
    elif sign in PLACES:
        SubElement(_direction(voice), PLACES[sign])
    elif sign in WORDS:
        SubElement(_direction(voice), "words").text = WORDS[sign]
    elif sign in WEDGES:
        SubElement(_direction(voice), "wedge", type=WEDGES[sign])
    elif EXTREMES.get(sign, sign) in LEVELS or sign in ATTACKS:
        SubElement(SubElement(_direction(voice), "dynamics"), sign)
    else:
        return False
    return True


def say_words(voice: Voice, text: str) -> None:
    """Words on the page at this place."""
    SubElement(_direction(voice), "words").text = text[:200]


def read_tempo(voice: Voice, text: str) -> None:
    """The tempo of a Q: field: words, beats a minute of a note value, or of the unit length where none is named."""
    words = re.search(r'"([^"]{1,200})"', text)
    found = TEMPO.search(text)
    bare = BARE.match(text)
    if not words and not found and not bare:
        return
    kind = _direction(voice)
    if words:
        SubElement(kind, "words").text = words[1]
    beats, unit = (found[3], 4 * int(found[1]) / max(int(found[2]), 1)) if found else ("", 0.0)
    if bare and not found:
        beats, unit = bare[1], float(voice.unit)
    name, dots = note_value(unit)
    direction = voice.bar[-1]
    if beats and name and float(beats) > 0:
        metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
        SubElement(metronome, "beat-unit").text = name
        for _ in range(dots):
            SubElement(metronome, "beat-unit-dot")
        SubElement(metronome, "per-minute").text = beats
    elif beats and unit:
        SubElement(direction, "sound", tempo=repr(float(beats) * unit))


def _direction(voice: Voice) -> Element:
    return SubElement(SubElement(voice.bar, "direction"), "direction-type")
