"""What pitch a note of MEI has: its accidental, those before it in the bar, the key signature."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from pianist_jax.score.written import Written, WrittenNote

STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
SHARPS, FLATS = "fcgdaeb", "beadgcf"
ALTERS = {"s": 1, "f": -1, "ss": 2, "x": 2, "ff": -2, "xs": 3, "sx": 3, "ts": 3, "tf": -3, "n": 0, "nf": -1, "ns": 1}


def alteration(text: str | None) -> int | None:
    """Semitones of an accidental's name; None where there is none. Quarter tones go to the nearest named sign."""
    if not text:
        return None
    text = text.strip()
    return ALTERS.get(text, ALTERS.get(text[:1], 0))


def key_alterations(text: str | None) -> dict[str, int] | None:
    """Semitones by letter of a signature like "3f", "0" or "mixed" (None: not said)."""
    found = re.fullmatch(r"\s*(\d{1,2})\s*([sf]?)\s*", text or "")
    if found is None:
        return None
    count = min(int(found[1]), 14)
    letters = SHARPS if found[2] == "s" else FLATS
    key = dict.fromkeys("cdefgab", 0)
    for index in range(count if found[2] else 0):
        key[letters[index % 7]] += 1 if found[2] == "s" else -1
    return {letter: step for letter, step in key.items() if step}


def signature(element: Element) -> tuple[dict[str, int] | None, bool]:
    """Semitones by letter of a scoreDef, staffDef or keySig element (None: it says nothing), and whether minor."""
    text = next((element.get(key) for key in ("keysig", "key.sig", "sig") if element.get(key) is not None), None)
    mode = element.get("key.mode", element.get("mode"))
    minor = mode == "minor"
    key = key_alterations(text)
    if text is None and mode is not None:  # some programs leave a signature without signs out
        key = key_alterations(_of_tonic(element, minor))
    accidentals = [child for child in element if child.tag == "keyAccid"]
    if accidentals and element.tag == "keySig":
        key = {child.get("pname", ""): alteration(child.get("accid")) or 0 for child in accidentals}
    inner = next((child for child in element if child.tag == "keySig"), None)
    if key is None and inner is not None and element.tag != "keySig":
        return signature(inner)
    return key, minor


def _of_tonic(element: Element, minor: bool) -> str:
    """The signature that a named key has: C major's where none is named."""
    letter = element.get("key.pname", element.get("pname", "a" if minor else "c"))
    fifths = SHARPS.find(letter) - 1 - 3 * minor
    fifths += 7 * (alteration(element.get("key.accid", element.get("accid"))) or 0)
    return f"{abs(fifths)}{'s' if fifths > 0 else 'f'}" if fifths else "0"


@dataclass
class Spelled:
    """A note as it is spelled; `staff` is the one that shows it, `tied_from` whether a tie leads to it."""

    note: WrittenNote
    staff: str
    place: Fraction
    letter: str
    octave: int
    accidental: int | None
    sounding: int | None
    tied_from: bool
    base: int  # the pitch of the letter alone, transposed


@dataclass
class Speller:
    """Accidentals in force, and the notes whose pitch waits for how the document says what sounds.

    Most documents write `accid.ges` wherever a sign that is not at the note alters it; then its absence means a
    natural. Others never do, and the reader must know the bar and the key. Which kind a document is, its own notes
    say: those under the signature and those behind an accidental each for themselves.
    """

    keys: dict[str, dict[str, int]] = field(default_factory=dict)
    carried: dict[tuple[str, str, int], int] = field(default_factory=dict)  # over the bar line, by ties
    votes: Counter[tuple[str, bool]] = field(default_factory=Counter)
    open: list[tuple[WrittenNote, int, int, str]] = field(default_factory=list)

    def spell_bar(self, spelled: list[Spelled], changes: list[tuple[Fraction, str, dict[str, int]]]) -> None:
        """Set the pitches of one bar's notes, whatever order their layers came in; key changes by place and staff."""
        here: dict[tuple[str, str, int], int] = {}
        carried: dict[tuple[str, str, int], int] = {}
        changes = sorted(changes, key=lambda change: change[0])
        for one in sorted(spelled, key=lambda one: (one.place, not one.note.grace)):
            while changes and changes[0][0] <= one.place:
                _, staff, key = changes.pop(0)
                self.keys[staff] = key
            at = (one.staff, one.letter, one.octave)
            kind, derived = "key", self.keys.get(one.staff, {}).get(one.letter, 0)
            if at in here:
                kind, derived = "bar", here[at]
            elif one.tied_from and at in self.carried:
                kind, derived = "tie", self.carried[at]
            alter = one.sounding if one.sounding is not None else one.accidental
            if one.accidental is not None:
                here[at] = one.accidental
            elif derived:
                self.votes[kind, one.sounding is not None] += 1
            if alter is None:
                alter = derived
                if derived:
                    self.open.append((one.note, one.base, derived, kind))
            one.note.pitch, one.note.alter = one.base + alter, alter
            if one.note.tie_start:
                carried[at] = alter
        for _, staff, key in changes:
            self.keys[staff] = key
        self.carried = carried

    def settle(self) -> None:
        """At the end of the document: whether notes without a sign of what sounds are altered or natural."""
        for note, base, derived, kind in self.open:
            told = self.votes[kind, True] > self.votes[kind, False]
            note.alter = 0 if told else derived
            note.pitch = base + note.alter

    def within_midi(self, written: Written) -> None:
        """Leave out the notes beyond MIDI's range, counted."""
        kept = [note for note in written.notes if 0 <= note.pitch <= 127]
        if len(kept) < len(written.notes):
            written.left_out["notes beyond MIDI's range"] += len(written.notes) - len(kept)
            written.notes[:] = kept
