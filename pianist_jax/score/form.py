"""Da capo, dal segno, fine and coda as pages say them: in words of several languages, and by bare signs.

Programs write what they mean into <sound>; pages that were scanned, typed or converted have the words alone. What is
said there in any way is not said twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pianist_jax.score.repeats import Jumps
from pianist_jax.score.written import Written

# Sentences begin with the way back: "un peu plus lent qu'au début" is none.
_BACK = (
    r"^\W*(?:(?:repeat|go(?:\s+back)?|play|reprendre|reprise|retour(?:ner)?|revenir|wiederholen|wieder|noch\s+einmal"
    r"|zurück)\s+)*"
)
DA_CAPO = re.compile(
    r"\bd\.?\s?c\.?(?![\w.])|\bd\.\s?c\.|\bda\s+capo\b"
    rf"|{_BACK}(?:(?:from|to)\s+the\s+(?:beginning|top|start)|von\s+(?:vorne?|anfang)|zum\s+anfang"
    r"|(?:au|du|depuis\s+le)\s+(?:début|commencement))\b",
    re.IGNORECASE,
)
DAL_SEGNO = re.compile(
    r"\bd\.?\s?s\.?(?:\s?s\.?)?(?![\w.])|\bd\.\s?s\.|\bd[ae]l\s+segno\b"
    rf"|{_BACK}(?:(?:from|to)\s+the\s+sign|vom\s+zeichen|(?:au|du|depuis\s+le)\s+signe)\b",
    re.IGNORECASE,
)
TO_FINE = re.compile(r"\b(?:fine|fin|ende|schlu(?:ss|ß)|the\s+end)\b", re.IGNORECASE)
TO_CODA = re.compile(r"\bcoda\b|[𝄌⊕]", re.IGNORECASE)
FINE = re.compile(r"\W*(?:fine|fin|ende|schlu(?:ss|ß)|the\s+end)\W*", re.IGNORECASE)
GOES_TO_CODA = re.compile(r"\W*(?:al|alla|to(?:\s+the)?|zur|à\s+la|a\s+la|da)\s+(?:coda\b|[𝄌⊕]).*", re.IGNORECASE)
CODA = re.compile(r"\W*coda\W*[\dIVx]*\W*|\s*[𝄌⊕]\s*", re.IGNORECASE)
SEGNO = re.compile(r"\W*(?:segno|𝄋)[\W\d]*", re.IGNORECASE)
AGAIN = re.compile(
    r"\b(?:con|with|mit|avec)\s+(?:la\s+|le\s+|all\s+)?(?:rep|wiederh|reprise)|\brepeats?\s+again\b", re.IGNORECASE
)
TWICE = re.compile(r"\bd\.?\s?s\.?\s?s\b|𝄋\s*𝄋", re.IGNORECASE)
LONGEST = 80  # characters of words that are looked at
SAME = 1e-3  # quarters


@dataclass(frozen=True)
class Said:
    """What one direction says of the form: its words, its bare signs, and whether <sound> says a jump there."""

    words: str
    segno: bool = False
    coda: bool = False
    sound: bool = False


def read_form(jumps: Jumps, said: Said, place: float) -> None:
    """Take what a direction says at a place (quarters) of a bar into its jumps."""
    words = said.words[:LONGEST]
    capo, sign = bool(DA_CAPO.search(words)), bool(DAL_SEGNO.search(words))
    number = _number(words)
    if capo or sign:
        fine, coda = bool(TO_FINE.search(words)), bool(TO_CODA.search(words)) or said.coda
        jumps.until = "fine" if fine and not coda else "coda" if coda and not fine else ""
        jumps.again |= bool(AGAIN.search(words))
        if not said.sound:
            jumps.da_capo |= capo and not sign
            jumps.dal_segno |= sign
            jumps.leap_name = jumps.leap_name or ("2" if TWICE.search(words) else number if "segno" in words else "")
        return
    if said.sound:
        return
    if FINE.fullmatch(words):
        jumps.fine, jumps.fine_at = True, max(jumps.fine_at, place)
    elif GOES_TO_CODA.fullmatch(words):
        jumps.to_coda, jumps.to_coda_name = True, jumps.to_coda_name or number
    elif CODA.fullmatch(words):
        jumps.coda, jumps.coda_name = True, jumps.coda_name or number
    elif said.coda:
        jumps.coda_sign = True
    if said.segno or SEGNO.fullmatch(words):
        jumps.segno = True
        jumps.segno_name = jumps.segno_name or ("2" if TWICE.search(words) else number)


def _number(words: str) -> str:
    """The number that tells one segno or coda from another: the first needs none."""
    found = re.search(r"[2-9]", words)
    return found[0] if found else ""


def settle_form(written: Written) -> None:
    """Decide what bare coda signs mean and where a fine breaks its bar off, and name what leads nowhere; in place."""
    jumps = [bar.jumps for bar in written.bars]
    _settle_codas(jumps)
    _settle_fines(written)
    for index, what in _astray(jumps):
        written.problem(what, index)


def _settle_codas(jumps: Sequence[Jumps]) -> None:
    """Up to the jump that leads back, a bare sign leads to the coda; after it, it begins one."""
    leaps = [index for index, here in enumerate(jumps) if here.da_capo or here.dal_segno]
    if not leaps:
        return
    for index, here in enumerate(jumps):
        if here.coda_sign and not (here.coda or here.to_coda) and index not in leaps:
            before = [leap for leap in leaps if leap < index]
            waiting = any(other.to_coda for other in jumps[before[-1] + 1 : index]) if before else False
            more = any(leap > index for leap in leaps)
            open_coda = any(other.coda for other in jumps[before[-1] + 1 : index]) if before else False
            here.to_coda = not before or (more and open_coda and not waiting)
            here.coda = not here.to_coda


def _settle_fines(written: Written) -> None:
    """A fine in mid-bar breaks the bar off where nothing sounds over it, and the upbeat of what comes next follows."""
    upbeat = written.bars[0].length if written.bars and written.bars[0].pickup else 0.0
    for index, bar in enumerate(written.bars):
        at = bar.jumps.fine_at
        if not at:
            continue
        inside = SAME < at < bar.length - SAME
        notes = [note for note in written.notes if note.bar == index and not note.grace] if inside else []
        over = any(note.offset < at - SAME and note.offset + note.length > at + SAME for note in notes)
        follows = any(note.offset > at - SAME for note in notes)
        rest = bar.length - at
        upbeats = bar.jumps.fine_sure or abs(rest - upbeat) < SAME
        bar.jumps.fine_at = at if inside and follows and not over and upbeats else 0.0


def _astray(jumps: Sequence[Jumps]) -> list[tuple[int, str]]:
    """Jumps that lead nowhere, by the bar they stand in."""
    found = []
    for index, here in enumerate(jumps):
        if here.dal_segno and not any(other.segno for other in jumps[: index + 1]):
            found.append((index, "D.S. without a segno before it: played from the beginning"))
        if (here.da_capo or here.dal_segno) and here.until == "fine" and not any(other.fine for other in jumps):
            found.append((index, "goes on to a Fine that stands nowhere: played to the end"))
        leads = any(other.to_coda for other in jumps)
        if (here.da_capo or here.dal_segno) and here.until == "coda" and not leads:
            found.append((index, "goes on to a coda to which no sign leads: played to the end"))
        if here.to_coda and not any(other.coda for other in jumps[index + 1 :]):
            found.append((index, "leads to a coda that stands nowhere: not taken"))
        if here.to_coda and not any(other.da_capo or other.dal_segno for other in jumps):
            found.append((index, "leads to a coda, but no D.C. or D.S. leads there: not taken"))
    return found
