"""Da capo, dal segno, fine and coda as pages say them: in words of several languages, and by bare signs.

Programs write what they mean into <sound>; pages that were scanned, typed or converted have the words alone. What is
said there in any way is not said twice. Words are compared without their accents: the patterns have none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pianist_jax.score.repeats import Jumps
from pianist_jax.score.written import Written, WrittenNote

# Sentences begin with the way back: "un peu plus lent qu'au début" is none.
_BACK = (
    r"^\W*(?:(?:repeat|go(?:\s+back)?|back|play|reprendre|reprise|retour(?:ner)?|revenir|wiederholen|wiederholung"
    r"|wieder|noch\s+einmal|zurück|volta|volver|repetir|voltar|повторить)\s+)*"
)
# Signs of Unicode, of fonts for music (SMuFL), and as they are typed.
_SIGN = r"[𝄋%§\ue047]"
_CODA = r"[𝄌⊕\ue048]"
_CODA_WORD = r"(?:coda|kod[aeuy]|koda(?:ra|hoz))"
_END = r"(?:fine|finis|fin|fim|ende|schlu(?:ss|ß)|the\s+end|einde|slut|koni?ec|konc[ae]|vege|veg(?:eig|ig)|конец|конца)"
DA_CAPO = re.compile(
    r"\ue046|\bd\.?\s?c\.?(?![\w.])|\bd\.\s?c\.|\bd(?:a|\.)\s?capo\b|\bda\s+c\."
    rf"|{_BACK}(?:(?:from|to)\s+(?:the\s+)?(?:beginning|top|start)|(?:von|vom)\s+(?:vorne?|anfang)|zum\s+anfang"
    r"|(?:au|du|depuis\s+le)\s+(?:debut|commencement)|d[ae]l\s+(?:principio|inizio|comienzo)|desde\s+el\s+"
    r"(?:principio|comienzo|inicio)|al\s+(?:principio|comienzo)|(?:do|ao)\s+(?:inicio|principio|comeco)"
    r"|van\s+(?:het\s+)?begin|od\s+(?:samego\s+)?(?:poczatku|zacatku)|(?:az\s+)?elejetol|elolrol|с\s+начала)\b(?!\s+of\b)",
    re.IGNORECASE,
)
# From the sign: of a piece that goes to a coda from there this says the way back only where nothing else does.
_FROM_SIGN = (
    rf"(?:^\W*(?:ao|vom|von|zum|au|du|to|from)\s+{_SIGN}"
    rf"|{_BACK}(?:(?:from|to)\s+(?:the\s+)?sign|vom\s+zeichen|(?:au|du|depuis\s+le)\s+signe"
    r"|(?:volta|torna(?:re)?)\s+al\s+segno|desde\s+(?:el\s+)?s[ie]gno|do\s+s(?:egno|inal)|ao\s+s(?:egno|inal)"
    r"|od\s+(?:znaku|znamen[ia]|znacky)|(?:a\s+)?jeltol|от\s+знака)\b)"
)
FROM_SIGN = re.compile(_FROM_SIGN, re.IGNORECASE)
DAL_SEGNO = re.compile(
    r"\ue045|\bd\.?\s?s\.?(?:\s?s\.?)?(?![\w.])|\bd\.\s?s\.|\bd[ae]l?\s+(?:segno|signo)\b|\bd[ae]l\s+s(?:\.|\b(?=\s+al\b))"
    rf"|\bd(?:[ae]l?|\.)?\s?{_SIGN}|^\s*{_SIGN}\s*(?:al|bis|au|to)\s"
    rf"|{_FROM_SIGN}(?!.*\b{_CODA_WORD}\b)",
    re.IGNORECASE,
)
TO_FINE = re.compile(rf"\b{_END}\b", re.IGNORECASE)
TO_CODA = re.compile(rf"\b{_CODA_WORD}\b|{_CODA}", re.IGNORECASE)
THEN_CODA = re.compile(
    rf"\b{_END}\b.*(?:\b(?:poi|ed?|then|and|dann|und|puis|et|luego|y|depois|potem|pak|a)\b|[&+])(?!.*\b{_END}\b)",
    re.IGNORECASE,
)
FINE = re.compile(
    rf"\W*{_END}\W*(?:\d\W*)?(?:(?:d[aei]|del(?:la)?|du|des|of|on|the|last|final|[12](?:nd|st|da|[.ªa°])|ultima)\b.*)?",
    re.IGNORECASE,
)
GOES_TO_CODA = re.compile(
    rf"\W*(?:\S+\s+){{0,3}}?(?:al|alla|to(?:\s+the)?|zur|a(?:\s+la)?|ala|da|vers\s+la|para\s+[ao]|naar(?:\s+de)?"
    rf"|do|na|ke?|then|dann|puis|poi(?:\s+la)?)\s+(?:{_CODA_WORD}\b|{_CODA}).*"
    rf"|\s*[→⇒➔]\s*(?:{_CODA_WORD}\b|{_CODA}).*",
    re.IGNORECASE,
)
CODA = re.compile(rf"\W*{_CODA_WORD}\W*[\dIVx]*\W*", re.IGNORECASE)
CODA_SIGN = re.compile(rf"\s*{_CODA}\s*")
SEGNO = re.compile(rf"\W*(?:segno|{_SIGN})[\W\d]*", re.IGNORECASE)
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
    decomposed = unicodedata.normalize("NFD", said.words[:LONGEST])
    words = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    capo, sign = bool(DA_CAPO.search(words)), bool(DAL_SEGNO.search(words))
    number = _number(words)
    if capo or sign:
        fine, coda = bool(TO_FINE.search(words)), bool(TO_CODA.search(words)) or said.coda
        jumps.until = "fine" if fine and not coda else "coda" if coda and not fine else ""
        if fine and coda and THEN_CODA.search(words):
            jumps.until = "fine, coda"
        jumps.again |= bool(AGAIN.search(words))
        if not said.sound:
            jumps.da_capo |= capo and not sign
            jumps.dal_segno |= sign
            jumps.leap_name = jumps.leap_name or ("2" if TWICE.search(words) else number if "segno" in words else "")
        return
    if said.sound:
        return
    jumps.from_sign |= bool(FROM_SIGN.search(words))
    if FINE.fullmatch(words):
        jumps.fine, jumps.fine_at = True, max(jumps.fine_at, place)
    elif GOES_TO_CODA.fullmatch(words):
        jumps.to_coda, jumps.to_coda_name = True, jumps.to_coda_name or number
    elif CODA.fullmatch(words):
        jumps.coda, jumps.coda_name = True, jumps.coda_name or number
    elif said.coda or CODA_SIGN.fullmatch(words):
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
    _settle_ends(jumps)
    for index, what in _astray(jumps):
        written.problem(what, index)


def _settle_codas(jumps: Sequence[Jumps]) -> None:
    """Up to the jump that leads back, a bare sign leads to the coda; after it, it begins one."""
    if not any(here.da_capo or here.dal_segno for here in jumps):
        leads = False
        for here in jumps:
            if here.from_sign and leads:
                here.dal_segno, here.until, here.to_coda = True, "coda", False
            leads = leads or here.to_coda or here.coda_sign or here.coda
    leaps = [index for index, here in enumerate(jumps) if here.da_capo or here.dal_segno]
    if not leaps:
        return
    if not any(here.to_coda for here in jumps):  # the word alone, at both ends of the leap
        again = any(other.coda or other.coda_sign for other in jumps[leaps[0] :])
        for here in jumps[: leaps[0]]:
            if here.coda and again:
                here.coda, here.to_coda = False, True
    waiting = open_coda = False  # since the leap before: a sign that leads to a coda, a coda
    for index, here in enumerate(jumps):
        if here.da_capo or here.dal_segno:
            waiting = open_coda = False
            continue
        if here.coda_sign and not (here.coda or here.to_coda):
            here.to_coda = index < leaps[0] or (index < leaps[-1] and open_coda and not waiting)
            here.coda = not here.to_coda
        waiting, open_coda = waiting or here.to_coda, open_coda or here.coda


def _settle_ends(jumps: Sequence[Jumps]) -> None:
    """The coda that no sign leads to follows the fine; where there is no fine, it is reached by its sign."""
    fine, leads = any(here.fine for here in jumps), any(here.to_coda for here in jumps)
    last_coda = _last_coda(jumps)
    for index, here in enumerate(jumps):
        if here.until == "coda" and not leads and fine and index < last_coda:
            here.until = "fine, coda"
        elif here.until == "fine, coda" and not fine and leads:
            here.until = "coda"


def _last_coda(jumps: Sequence[Jumps]) -> int:
    """The last bar in which a coda begins; -1 where none does."""
    return max((index for index, here in enumerate(jumps) if here.coda), default=-1)


def _settle_fines(written: Written) -> None:
    """A fine in mid-bar breaks the bar off where nothing sounds over it, and the upbeat of what comes next follows."""
    upbeat = written.bars[0].length if written.bars and written.bars[0].pickup else 0.0
    inside = {
        index: list[WrittenNote]()
        for index, bar in enumerate(written.bars)
        if SAME < bar.jumps.fine_at < bar.length - SAME
    }
    for note in written.notes if inside else ():
        if note.bar in inside and not note.grace:
            inside[note.bar].append(note)
    for index, bar in enumerate(written.bars):
        at, notes = bar.jumps.fine_at, inside.get(index, [])
        over = any(note.offset < at - SAME and note.offset + note.length > at + SAME for note in notes)
        follows = any(note.offset > at - SAME for note in notes)
        rest = bar.length - at
        upbeats = bar.jumps.fine_sure or abs(rest - upbeat) < SAME
        bar.jumps.fine_at = at if follows and not over and upbeats else 0.0


def _astray(jumps: Sequence[Jumps]) -> list[tuple[int, str]]:
    """Jumps that lead nowhere, by the bar they stand in."""
    found = []
    leads, leaps = any(here.to_coda for here in jumps), any(here.da_capo or here.dal_segno for here in jumps)
    fine, fine_in_bar = any(here.fine for here in jumps), any(here.fine_at for here in jumps)
    last_coda, segno = _last_coda(jumps), False
    for index, here in enumerate(jumps):
        segno = segno or here.segno
        if here.dal_segno and not segno:
            found.append((index, "D.S. without a segno before it: played from the beginning"))
        if (here.da_capo or here.dal_segno) and here.until[:4] == "fine" and not fine:
            found.append((index, "goes on to a Fine that stands nowhere: played to the end"))
        if (here.da_capo or here.dal_segno) and here.until == "coda" and not leads:
            found.append((index, "goes on to a coda to which no sign leads: played to the end"))
        if here.until == "fine, coda" and fine:
            if index >= last_coda:
                found.append((index, "goes on to a coda that stands nowhere: ends at the Fine"))
            elif fine_in_bar:
                found.append((index, "goes on to a coda from a Fine in mid-bar: that bar is played whole"))
        if here.to_coda and index >= last_coda:
            found.append((index, "leads to a coda that stands nowhere: not taken"))
        if here.to_coda and not leaps:
            found.append((index, "leads to a coda, but no D.C. or D.S. leads there: not taken"))
    return found
