"""The tokens of **kern: a note, rest or chord of one line and spine, in letters and signs.

The letters are those of the reference (humdrum.org, "Everything you need to know about the Humdrum **kern
representation", table of signifiers): T trill, M mordent, W inverted mordent with a neighbour a whole tone away, t, m,
w half a tone. Turns are as the Verovio Humdrum Viewer writes them: S late, sS on the beat, two letters behind for the
sizes of the upper and the lower step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from pianist_jax.score import chords, graces
from pianist_jax.score.written import Mark, Ornament

STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
BREVES = {"0": 8, "00": 16, "000": 32}
LENGTH = re.compile(r"(\d{1,6})(?:%(\d{1,6}))?(\.{0,4})")
LETTERS = re.compile(r"[a-gA-G]")
TURN = re.compile(r"(s?)([S$])([sS]{2})?")
SECONDS = {"s": 1, "S": 2}  # semitones
NEIGHBOURS = {"trill": "Tt", "mordent": "Mm", "short trill": "Ww"}
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
    ornaments: tuple[Ornament, ...]
    step: int  # as `WrittenNote` has them
    alter: int


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
        () if pitch is None else _ornaments(text),
        *spelling(text),
    )


def _ornaments(text: str) -> tuple[Ornament, ...]:
    """Signs of one note; a capital letter says that the neighbour is a whole tone away, a small one half a tone."""
    found = [
        Ornament(kind, interval=2 if sign.isupper() else 1)
        for kind, signs in NEIGHBOURS.items()
        for sign in signs
        if sign in text
    ][:1]
    if turn := TURN.search(text):
        kind = ("" if turn[1] else "delayed ") + ("inverted turn" if turn[2] == "$" else "turn")
        sizes = turn[3] if turn[2] == "S" else None
        above, below = (_alter_at(text, 1, sizes[0]), _alter_at(text, -1, sizes[1])) if sizes else (None, None)
        found.append(Ornament(kind, above, below))
    if ":" in text:
        found.append(Ornament(chords.UP, number="system" if "::" in text else ""))
    if "q" in text:
        length = float(length_of(text) or 0)
        found.append(Ornament(graces.PLAIN if "qq" in text else graces.SLASHED, length=length))
    return tuple(found)


def _alter_at(text: str, way: int, size: str) -> int:
    """The accidental of the letter above (1) or below (-1) a note that is a second of this size away."""
    step, alter = spelling(text)
    letters = list(STEPS.values())
    between = abs(12 * ((step + way) // 7 - step // 7) + letters[(step + way) % 7] - letters[step % 7])
    return alter + way * (SECONDS[size] - between)


def spelling(text: str) -> tuple[int, int]:
    """The letter (7 an octave from C0, counted as `WrittenNote.step` is) and its accidental, of a note with a pitch."""
    letter, octave = _letter(text)
    if not letter:
        return -1, 0
    return 7 * (octave + 1) + "cdefgab".index(letter), text.count("#") - text.count("-")


def midi_pitch(text: str) -> int | None:
    """The pitch that the letters and accidentals of a note name; None without any. It may lie beyond MIDI."""
    letter, octave = _letter(text)
    if not letter:
        return None
    return 12 * (octave + 1) + STEPS[letter] + text.count("#") - text.count("-")


def _letter(text: str) -> tuple[str, int]:
    """The letter of a note and its octave, which letters of its case tell together; "" without any.

    Of a slip of the pen ("8ddc", "16cacc#", "1e6e") the first letter is the note's, and all count, as for humlib
    (`Convert::kernToOctaveNumber`).
    """
    letters = LETTERS.findall(text)
    if not letters:
        return "", 0
    first = letters[0]
    count = sum(letter.islower() == first.islower() for letter in letters)
    return first.lower(), 3 + count if first.islower() else 4 - count


def length_of(text: str) -> Fraction | None:
    """Quarters of a note's reciprocal value: "4." is a dotted quarter, "3%2" two thirds of a whole, "0" a breve."""
    found = LENGTH.search(LETTERS.sub("", text))
    if found is None:
        return None
    value, times, dots = found.groups()
    if int(value) == 0:
        length = Fraction(BREVES.get(value, 8))
    else:
        length = Fraction(4 * int(times or 1), int(value))
    return length * (2 - Fraction(1, 1 << len(dots)))
