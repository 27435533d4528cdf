"""The tokens of **kern: a note, rest or chord of one line and spine, in letters and signs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from pianist_jax.score.written import Mark

STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
BREVES = {"0": 8, "00": 16, "000": 32}
LENGTH = re.compile(r"(\d{1,6})(?:%(\d{1,6}))?(\.{0,4})")
PITCH = re.compile(r"([a-gA-G])\1*")
TREMOLO = re.compile(r"@+(\d{1,4})@+")
SIGNS = {
    "'": Mark.STACCATO,
    "`": Mark.STACCATISSIMO,
    "~": Mark.TENUTO,
    "^": Mark.ACCENT,
    "z": Mark.SFORZANDO,
    ";": Mark.FERMATA,
    "T": Mark.TRILL,
    "t": Mark.TRILL,
    "M": Mark.MORDENT,
    "m": Mark.MORDENT,
    "W": Mark.MORDENT,
    "w": Mark.MORDENT,
    "S": Mark.TURN,
    "$": Mark.TURN,
    ":": Mark.ARPEGGIO,
    ",": Mark.BREATH,
}


@dataclass(frozen=True)
class Token:
    """One note of a token: `pitch` None for a rest, `length` in quarters (None: it says none), slurs by number."""

    pitch: int | None
    length: Fraction | None
    grace: bool
    marks: Mark
    tie_start: bool
    tie_stop: bool
    slur_starts: int
    slur_stops: int
    parted: bool  # whether its tie leads over a gap: to a note that begins after this one has ended
    stroke: Fraction  # quarters of one stroke of a measured tremolo; 0 for none


def read_token(text: str) -> Token:
    """What one note of a token says; letters that name no sign are an editor's own and say nothing."""
    tremolo = TREMOLO.search(text)
    text = TREMOLO.sub("", text)
    pitch = None if "r" in text else midi_pitch(text)
    marks = Mark(0)
    if pitch is not None:
        for sign, mark in SIGNS.items():
            if sign in text:
                marks |= mark
        if "^^" in text:
            marks = (marks | Mark.MARCATO) & ~Mark.ACCENT
    return Token(
        pitch,
        length_of(text),
        "q" in text,
        marks,
        "[" in text or "_" in text,
        "]" in text or "_" in text,
        text.count("("),
        text.count(")"),
        any(sign in text for sign in ("[[", "]]", "__")),
        Fraction(4, int(tremolo[1])) if tremolo and int(tremolo[1]) else Fraction(0),
    )


def midi_pitch(text: str) -> int | None:
    """The pitch that the letters and accidentals of a note name; None without any. It may lie beyond MIDI."""
    found = PITCH.search(text)
    if found is None:
        return None
    letter, count = found[1], len(found[0])
    octave = 3 + count if letter.islower() else 4 - count
    return 12 * (octave + 1) + STEPS[letter.lower()] + text.count("#") - text.count("-")


def length_of(text: str) -> Fraction | None:
    """Quarters of a note's reciprocal value: "4." is a dotted quarter, "3%2" two thirds of a whole, "0" a breve."""
    found = LENGTH.search(text)
    if found is None:
        return None
    value, times, dots = found.groups()
    if int(value) == 0:
        length = Fraction(BREVES.get(value, 8))
    else:
        length = Fraction(4 * int(times or 1), int(value))
    return length * (2 - Fraction(1, 1 << len(dots)))
