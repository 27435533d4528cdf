"""Which parts of a score a pianist plays: those that are told, else those of keyboards by name, sound and staves."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from pianist_jax.errors import PianistError
from pianist_jax.music.part import PIANOS
from pianist_jax.score.written import Written, WrittenPart

KEYBOARD = re.compile(
    r"piano|\bpno\b|\bpfte?\b|klavier|clavier|fl[üu]gel|hammerfl|keyboard|harpsichord|cembalo|clavecin|clave\b|clavichord|clavicord"
    r"|\borgan|\borgel|\borgue|organo|celesta|virginal|spinett?|harmonium|tastiera|teclado|피아노|ピアノ|钢琴|鋼琴"
    r"|\b(?:right|left)\s*hand|\b[rl]\.?\s?h\b|rechte|linke|main\s+(?:droite|gauche)|mano\s+(?:destra|sinistra)",
    re.IGNORECASE,
)
OTHER = re.compile(
    r"viol|\bv(?:ln?|la|c)\b|fiddle|cello|contrabass|double\s*bass|kontrabass|string|streicher|harp(?!s)|harfe|guitar"
    r"|gitarre|chitarra|\blute|laute|mandolin|banjo|ukulele|flute|flöte|flauto|piccolo|recorder|oboe|clarinet|klarinette"
    r"|clarinetto|bassoon|fagott|sax|horn\b|\bcorno|trumpet|trompete|tromba|trombone|posaune|tuba|brass|bläser|cornet"
    r"|soprano?|sopran|\balto?s?\b|tenore?|bar[iy]ton|\bbass(?:o|e)?s?\b|mezzo|voice|vocal|voix|voce|\bcanto\b|singstimme"
    r"|stimme|choir|chor\b|chorus|solo|lead|melod|synth|\bpad\b|accordion|akkordeon|harmonica|marimba|xylophon|vibraphon"
    r"|glockenspiel|\bbells?\b|timpani|pauken|drum|percussion|schlagzeug|batterie|cymbal|snare",
    re.IGNORECASE,
)
NAMELESS = re.compile(r"\s*(?:(?:music\s*xml\s*)?(?:part|staff|track|voice|p|spur)?[\s_#.-]*\d*)\s*", re.IGNORECASE)
KEYBOARD_PROGRAMS = {*range(2, 10), *range(17, 22)}  # General MIDI, from 1; 1 is what many programs write for anything
DUET = re.compile(r"\bprim[oa]\b|\bsecond[oa]\b", re.IGNORECASE)
NAMED = 6  # parts that are named in a line


def _kind(part: WrittenPart) -> str:
    """Whether a part is of "percussion", a "keyboard", another instrument ("other"), or nothing says so ("")."""
    if part.percussion:
        return "percussion"
    for text in (part.name, part.sounds):
        if KEYBOARD.search(text):
            return "keyboard"
        if OTHER.search(text):
            return "other"
    if part.program in KEYBOARD_PROGRAMS:
        return "keyboard"
    return "other" if part.program > 1 else ""


def part_names(parts: Sequence[WrittenPart]) -> list[str]:
    """What the parts are called; those without a name by their number."""
    return [" ".join(part.name.split()) or f"part {number}" for number, part in enumerate(parts, 1)]


def is_pianist(part: WrittenPart, program: int | None) -> bool:
    """Whether a part of this program is for a pianist, and not merely sounds as a piano for want of another."""
    return program in PIANOS and _kind(part) == "keyboard"


def is_conducted(parts: Sequence[WrittenPart], wanted: str | None, *, accompany: bool) -> bool:
    """Whether several parts play together of which none is for a keyboard: none is then the pianist's."""
    pitched = [kind for kind in map(_kind, parts) if kind != "percussion"]
    return accompany and wanted is None and len(pitched) > 1 and set(pitched) == {"other"}


def chosen_parts(
    parts: Sequence[WrittenPart], wanted: str | None, name: str, *, accompany: bool = False
) -> tuple[set[int], list[str]]:
    """Indices of the parts that are played, and in words how that was decided where it is not plain.

    `wanted`: a part's number from 1 on or its name, or part of one; else keyboards are looked for by name, sound and
    program (parts without any name go with them), then parts that are not named as something else, of these such with
    several staves; where there are none, all that is no percussion plays. `accompany`: the others sound with them, and
    of several pianists the first is meant.
    Raises PianistError for a name that no part has.
    """
    names = part_names(parts)
    kinds = [_kind(part) for part in parts]
    pitched = {index for index, kind in enumerate(kinds) if kind != "percussion"}
    how = "with it" if accompany else "left out"
    if wanted is not None:
        chosen = _wanted(names, wanted, name)
        silent = pitched - chosen if accompany else set()
        return chosen, [f"played: {_listed(names, chosen)}; {how}: {_listed(names, silent)}"] if silent else []
    keyboards = {index for index in pitched if kinds[index] == "keyboard"}
    unnamed = {index for index in pitched if not kinds[index]}
    if keyboards:  # and the other hand, where it has no name of its own
        chosen = keyboards | {index for index in unnamed if NAMELESS.fullmatch(parts[index].name)}
    elif unnamed and len(unnamed) < len(pitched):
        chosen = {index for index in unnamed if parts[index].staves > 1} or unnamed
    else:
        wide = {index for index in pitched if parts[index].staves > 1 and kinds[index] != "other"}
        chosen = wide if wide and len(unnamed) == len(pitched) else pitched
    pianists = sorted(index for index in chosen if _is_duettist(parts[index]) and kinds[index] != "other")
    if accompany and len(pianists) > 1:
        chosen = chosen - set(pianists[1:])
    readings = []
    if is_conducted(parts, wanted, accompany=accompany):
        readings.append(f"no keyboard among {_listed(names, pitched)}: they play together (--part chooses a pianist's)")
    elif chosen != pitched:
        rest, other = _listed(names, pitched - chosen), "" if accompany else ", --accompany lets all sound"
        readings.append(f"played: {_listed(names, chosen)}; {how}: {rest} (--part chooses{other})")
    elif len(pitched) > 1 and not keyboards and not unnamed:
        readings.append(f"no keyboard among {_listed(names, pitched)}: all are played (--part chooses)")
    if len(pianists) > 1 and not accompany:
        told = _listed(names, set(pianists))
        readings.append(f"{len(pianists)} pianists, played as one: {told} (--part chooses)")
    return chosen, readings


def _is_duettist(part: WrittenPart) -> bool:
    return part.staves > 1 or DUET.search(part.name) is not None


def _wanted(names: Sequence[str], wanted: str, name: str) -> set[int]:
    text = wanted.strip().casefold()
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return {int(text) - 1}
    exact = {index for index, each in enumerate(names) if each.casefold() == text}
    found = exact or {index for index, each in enumerate(names) if text and text in each.casefold()}
    if not found:
        listed = ", ".join(f"{number} {each}" for number, each in enumerate(names, 1)) or "none that have names"
        raise PianistError(f"{name}: no part {wanted!r}; its parts are: {listed}")
    return found


def _listed(names: Sequence[str], chosen: set[int]) -> str:
    some = [names[index] for index in sorted(chosen)]
    return ", ".join(some[:NAMED]) + (f" and {len(some) - NAMED} more" if len(some) > NAMED else "")


def keep_parts(written: Written, wanted: str | None, name: str, *, accompany: bool = False) -> None:
    """Leave the parts of a score that are not played silent, in place. Raises PianistError (`chosen_parts`).

    Their bars, tempi and jumps hold for all. A score whose reader knows no parts stays as it is. What `accompany` lets
    sound otherwise (`other_parts`) does not count as left out.
    """
    if not written.parts:
        if wanted is not None:
            raise PianistError(f"{name}: no part {wanted!r}; this kind of file names none")
        return
    chosen, readings = chosen_parts(written.parts, wanted, name, accompany=accompany)
    written.readings += readings
    if len(chosen) == len(written.parts):
        return
    names = part_names(written.parts)
    for note in written.notes:
        if note.part not in chosen:
            if written.parts[note.part].percussion:
                written.left_out["percussion notes"] += 1
            elif not accompany:
                written.left_out[f"notes of {names[note.part]}"] += 1
    _keep_own(written, written, chosen)


def other_parts(
    everything: Written, settled: Written, *, conducted: bool = False
) -> list[tuple[str, WrittenPart, Written]]:
    """The name of each pitched part that is silent in a settled score, who plays it, and a score of it alone.

    `everything` is the score before its parts were left silent. All parts where they are `conducted`.
    """
    played = set[int]() if conducted else {note.part for note in settled.notes}
    found, names = [], part_names(everything.parts)
    for index, player in enumerate(everything.parts):
        if index not in played and not player.percussion and any(note.part == index for note in everything.notes):
            alone = replace(settled)
            _keep_own(alone, everything, {index})
            found.append((names[index], player, alone))
    return found


def _keep_own(written: Written, source: Written, own: Collection[int]) -> None:
    """Give a score, in place, the notes and signs of these parts that another has."""
    for kind in ("notes", "levels", "sforzandi", "slurs", "hairpins", "pedal"):
        setattr(written, kind, [each for each in getattr(source, kind) if each.part in own])
