"""MEI's signs of ornaments, glissandi, broken chords and grace notes, as facts of their notes (MEI 5)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from pianist_jax.score import chords, graces
from pianist_jax.score.mei_pitch import alteration
from pianist_jax.score.written import Mark, Ornament, WrittenNote

INVERTED = {"turn": ("lower", "inv"), "mordent": ("upper", "inv")}
# Letters of @ornam (MEI 5, data.ORNAM.cmn): the sign and the mark.
LETTERS = {
    "T": ("trill", Mark.TRILL), "t": ("trill", Mark.TRILL), "M": ("short trill", Mark.MORDENT),
    "m": ("mordent", Mark.MORDENT), "S": ("turn", Mark.TURN), "s": ("inverted turn", Mark.TURN),
    "k": ("delayed turn", Mark.TURN),
}  # fmt: skip
TRUE = "true"


def add_sign(element: Element, notes: Sequence[WrittenNote]) -> None:
    """Add a <trill>, <mordent>, <turn> or <arpeg> to its notes: of a chord to the highest, an arpeggio to all."""
    if not notes:
        return
    if element.tag == "arpeg":
        kinds = {"down": chords.DOWN, "nonarp": ""}
        kind = kinds.get(element.get("order", ""), chords.UP)
        for note in notes if kind else ():
            # One sign is one chord, whatever staves it goes through.
            note.ornaments = (*note.ornaments, Ornament(kind, number="all"))
        return
    highest = max(notes, key=lambda note: note.pitch)
    inverted = element.get("form") in INVERTED.get(element.tag, ())
    above, below = (alteration(element.get(f"accid{side}")) for side in ("upper", "lower"))
    if element.tag == "trill":
        kind = "trill"
    elif element.tag == "mordent":
        kind = "long " * (element.get("long") == TRUE) + ("short trill" if inverted else "mordent")
    else:
        kind = "delayed " * (element.get("delayed") == TRUE) + ("inverted turn" if inverted else "turn")
    highest.ornaments = (*highest.ornaments, Ornament(kind, above, below))


def add_letters(element: Element, note: WrittenNote) -> None:
    """Add the ornaments that a note's own attribute names by letters."""
    for letter in element.get("ornam", "").split()[:4]:
        if letter in LETTERS:
            kind, mark = LETTERS[letter]
            note.marks |= mark
            note.ornaments = (*note.ornaments, Ornament(kind))


def add_glissando(first: WrittenNote | None, last: WrittenNote | None, number: int) -> None:
    """A <gliss> from one note to another."""
    for end, note in (("start", first), ("stop", last)):
        if first is not None and last is not None and note is not None:
            note.ornaments = (*note.ornaments, Ornament(f"glissando {end}", number=str(number)))


def add_grace(element: Element, notes: Sequence[WrittenNote], length: float) -> None:
    """How the grace notes of a <note> or <chord> are played: "acc" takes time of the note that follows, on the beat;
    "unacc", of the note before; of others a slash through the stem tells."""
    within = next((child.get("grace") for child in element if child.get("grace")), None)
    kind = {"acc": graces.ON_BEAT, "unacc": graces.BEFORE}.get(element.get("grace") or within or "", graces.PLAIN)
    if kind == graces.PLAIN and element.get("stem.mod", "").endswith("slash"):
        kind = graces.SLASHED
    share = element.get("grace.time", "").removesuffix("%")
    part = min(float(share), 100) / 100 if share.replace(".", "", 1).isdecimal() else 0.0
    for note in notes:
        note.ornaments = (*note.ornaments, Ornament(kind, length=length, share=part))


def add_tremolo(groups: Sequence[Sequence[WrittenNote]]) -> None:
    """A tremolo that is not measured: on one note or chord, or between two."""
    for index, group in enumerate(groups):
        kind = "tremolo" if len(groups) == 1 else ("tremolo start", "tremolo stop")[index]
        for note in group:
            note.ornaments = (*note.ornaments, Ornament(kind, number=str(note.voice)))
