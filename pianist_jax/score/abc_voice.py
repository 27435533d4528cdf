"""One voice of an ABC tune on its way into MusicXML: its bars, and what is in force where it has got to."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement

DIVISIONS = 20160  # of a quarter
FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
MODES = {"mix": -1, "dor": -2, "min": -3, "aeo": -3, "m": -3, "phr": -4, "loc": -5, "lyd": 1, "maj": 0, "ion": 0, "": 0}
KEY = re.compile(r"\s*([A-G])((?-i:[#b]?))\s*(maj|min|mix|dor|phr|lyd|loc|aeo|ion|m(?![a-z]))?[a-z]*", re.IGNORECASE)
ALTERED = re.compile(r"(?<![\w'])(\^{1,2}|_{1,2}|=)([a-gA-G])")
ALTERS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
SHARPS = "FCGDAEB"
OCTAVE = re.compile(r"(?:clef=|\s|^)(?:treble|bass|alto|tenor|[GFC])\d?([+-])8|octave=([+-]?\d)\b")
Pitch = tuple[str, int]  # letter, octave


@dataclass
class Voice:
    """Where a voice has got to in its bar, `place` in quarters; lengths are quarters, accidentals semitones."""

    name: str = ""
    unit: Fraction = Fraction(1, 2)
    metre: tuple[int, int] | None = None
    key: dict[str, int] = field(default_factory=dict)
    fifths: int = 0
    minor: bool = False
    shift: int = 0  # octaves
    spread: str = "pitch"  # how far an accidental holds: "pitch" (all octaves), "octave", "not"
    bar: Element = field(default_factory=lambda: Element("measure"))
    bars: list[tuple[Element, Fraction]] = field(default_factory=list)  # and where each voice has got to at its end
    place: Fraction = Fraction(0)
    overlay: int = 0
    sounds: bool = False  # whether the bar holds something
    accidentals: dict[tuple[str, int | None], int] = field(default_factory=dict)
    tied: dict[Pitch, int] = field(default_factory=dict)
    last: tuple[list[Element], Fraction] | None = None  # the notes that came last, and how long they are
    factor: Fraction = Fraction(1)  # of the next note's length, by a broken rhythm
    tuplet: tuple[Fraction, int] = (Fraction(1), 0)  # how much shorter, for how many notes
    signs: list[str] = field(default_factory=list)  # of the next note
    slurs: list[int] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)  # slurs that begin at the next note
    drawn: int = 0  # slurs so far
    ending: str = ""

    def fork(self, name: str) -> Voice:
        """Another voice that begins with what is in force in this one."""
        other = copy.deepcopy(self)
        other.name = name
        return other

    def attributes(self) -> Element:
        """A new <attributes> at this place."""
        return SubElement(self.bar, "attributes")

    def begin(self) -> None:
        """Write the signatures that hold from the beginning."""
        attributes = self.attributes()
        SubElement(attributes, "divisions").text = str(DIVISIONS)
        write_key(self, attributes)
        write_metre(self, attributes)

    def close(self) -> None:
        """End the bar, if it holds anything, and begin another."""
        self.accidentals.clear()
        if self.sounds:
            self.bars.append((self.bar, self.place))
            self.bar, self.place, self.overlay, self.sounds = Element("measure"), Fraction(0), 0, False

    def add(self, notes: list[Element], length: Fraction) -> None:
        """Add notes of one place, or a rest, which last so long but for tuplets and broken rhythms."""
        length *= self.factor
        self.factor = Fraction(1)
        scale, count = self.tuplet
        if count:
            length *= scale
            self.tuplet = (scale, count - 1)
        for number, note in enumerate(notes):
            if number:
                SubElement(note, "chord")
            note.set("overlay", str(self.overlay))
            SubElement(note, "duration").text = duration(length)
            self.bar.append(note)
        self.place += length
        self.sounds = True
        self.last = (notes, length)

    def stretch(self, factor: Fraction) -> None:
        """Change the length of the notes that came last."""
        if self.last is None:
            return
        notes, length = self.last
        for note in notes:
            found = note.find("duration")
            if found is not None:
                found.text = duration(length * factor)
        self.place += length * (factor - 1)
        self.last = None


def duration(length: Fraction) -> str:
    """A length in MusicXML's divisions."""
    return repr(float(length * DIVISIONS))


def set_key(voice: Voice, text: str) -> bool:
    """Take a K: field's tonic, mode and accidentals; whether it names any (a clef may stand alone)."""
    found = KEY.match(text)
    head = text.strip()
    if head[:2] in ("HP", "Hp"):
        voice.fifths, voice.minor, found = 2, False, None
    elif head[:4].lower() == "none" or not head:
        voice.fifths, voice.minor, found = 0, False, None
    elif found is None or re.match(r"\s*(?:clef|bass|treble|alto|tenor|octave|transpose|stafflines)\b", text):
        return False
    if found is not None:
        mode = "" if found[3] in (None, "M") else found[3].lower()
        voice.fifths = FIFTHS[found[1].upper()] + 7 * {"#": 1, "b": -1, "": 0}[found[2]] + MODES.get(mode, 0)
        voice.fifths = min(max(voice.fifths, -14), 14)
        voice.minor = mode in ("m", "min", "aeo")
    plain = re.search(r"\bexp\b", text) is not None
    voice.key = {} if plain else signature(voice.fifths)
    for sign, letter in ALTERED.findall(text)[:14]:
        voice.key[letter.upper()] = ALTERS[sign]
    return True


def signature(fifths: int) -> dict[str, int]:
    """Semitones by letter of so many sharps, or flats below 0."""
    key: dict[str, int] = {}
    for index in range(abs(fifths)):
        letter = SHARPS[index % 7] if fifths > 0 else SHARPS[6 - index % 7]
        key[letter] = key.get(letter, 0) + (1 if fifths > 0 else -1)
    return key


def set_clef(voice: Voice, text: str) -> None:
    """Take the octave of a clef such as treble-8, or of octave=-1, where one is said."""
    found = OCTAVE.search(text)
    if found:
        voice.shift = int(f"{found[1]}1") if found[1] else int(found[2])


def write_key(voice: Voice, attributes: Element) -> None:
    """Write the key signature as its sharps or flats."""
    key = SubElement(attributes, "key")
    SubElement(key, "fifths").text = str(voice.fifths)
    SubElement(key, "mode").text = "minor" if voice.minor else "major"


def write_metre(voice: Voice, attributes: Element) -> None:
    """Write the time signature, where there is one."""
    if voice.metre is not None:
        time = SubElement(attributes, "time")
        SubElement(time, "beats").text, SubElement(time, "beat-type").text = map(str, voice.metre)


def pitch_of(voice: Voice, sign: str | None, letter: str, marks: str, note: Element) -> Pitch:
    """Write what a note sounds as into it, by its accidental, those before it in the bar, ties and the key."""
    octave = (4 if letter.isupper() else 5) + marks.count("'") - marks.count(",") + voice.shift
    name = letter.upper()
    at = (name, octave if voice.spread == "octave" else None)
    if sign:
        alter = ALTERS[sign]
        if voice.spread != "not":
            voice.accidentals[at] = alter
    elif (name, octave) in voice.tied:
        alter = voice.tied[name, octave]
    else:
        alter = voice.accidentals.get(at, voice.key.get(name, 0))
    if voice.tied.pop((name, octave), None) is not None:
        SubElement(note, "tie", type="stop")
    pitch = SubElement(note, "pitch")
    SubElement(pitch, "step").text, SubElement(pitch, "alter").text = name, str(alter)
    SubElement(pitch, "octave").text = str(octave)
    return name, octave


def tie(voice: Voice, notes: list[Element]) -> None:
    """Begin ties at these notes."""
    for note in notes:
        pitch = note.find("pitch")
        if pitch is not None and note.find("tie[@type='start']") is None:
            SubElement(note, "tie", type="start")
            key = (pitch.findtext("step") or "", int(pitch.findtext("octave") or 0))
            voice.tied[key] = int(pitch.findtext("alter") or 0)
