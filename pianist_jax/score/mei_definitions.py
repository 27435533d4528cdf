"""MEI's scoreDef, staffGrp and staffDef: what staves there are, and metre and key from a bar on."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from pianist_jax.score.files import ScoreError
from pianist_jax.score.mei_pitch import signature
from pianist_jax.score.mei_reader import MeiReader, Staff
from pianist_jax.score.mei_tree import real, text_of
from pianist_jax.score.reader import clamped_whole, number
from pianist_jax.score.written import Sign

MAX_STAVES = 200
MAX_NAME, MAX_SOUNDS = 80, 200  # characters
COMMON = {"common": ("4", "4"), "cut": ("2", "2")}
DRUMS = "10"  # the MIDI channel


def define(reader: MeiReader, element: Element) -> None:
    """A scoreDef, staffGrp or staffDef: metre and key from the reader's bar on, staves that are new.

    The staves of a brace are one part (a pianist's two), and so are two staves alone that have no names.
    """
    if element.tag == "scoreDef":
        _define_metre(reader, element)
        reader.ppq = real(reader, element, "ppq", 0, 1e6) or reader.ppq
        key, minor = signature(element)
        if key is not None:
            reader.key = key
            reader.speller.keys = dict.fromkeys(reader.staves, key)
            _set_key(reader, key, minor)
    elif element.tag == "staffDef":
        _name(reader, _define_staff(reader, element).part, element)
    around, before = reader.braced, len(reader.staves)
    if around is None and element.tag == "staffGrp" and _is_braced(element):
        reader.braced = _next_part(reader)
    if reader.braced is not None and element.tag == "staffGrp":
        _name(reader, reader.braced, element)
    for child in reader.tree.children(element):
        if child.tag in ("staffGrp", "staffDef"):
            define(reader, child)
    reader.braced = around
    if element.tag == "scoreDef" and before == 0 and len(reader.staves) == 2 and not _is_named(element):
        for index, staff in enumerate(reader.staves.values(), 1):
            staff.part, staff.number = 0, index


def known_staff(reader: MeiReader, element: Element) -> str:
    """The name of the staff that a <staff> or <staffDef> is of, made known if it is new."""
    name = (element.get("n") or "1").strip()[:20]
    if name not in reader.staves:
        if len(reader.staves) >= MAX_STAVES:
            raise ScoreError(f"{reader.name}: more than {MAX_STAVES} staves; give the piano part alone")
        part = _next_part(reader) if reader.braced is None else reader.braced
        inside = sum(staff.part == part for staff in reader.staves.values())
        reader.staves[name] = Staff(part, inside + 1)
        reader.speller.keys.setdefault(name, reader.key)
    return name


def _next_part(reader: MeiReader) -> int:
    return max((staff.part for staff in reader.staves.values()), default=-1) + 1


def _is_braced(element: Element) -> bool:
    signs = [element, *(child for child in element if child.tag == "grpSym")]
    return any(sign.get("symbol") == "brace" for sign in signs)


def _is_named(element: Element) -> bool:
    """Whether staves say who plays them: by a name, or as they sound differently."""
    programs = {child.get("midi.instrnum") for child in element.iter() if child.tag == "instrDef"}
    return len(programs) > 1 or any(_label(child) for child in element.iter() if child.tag == "staffDef")


def _label(element: Element) -> str:
    """What a staff or group of staves is called; "" where that is not said."""
    inside = next((child for child in element if child.tag == "label"), None)
    return text_of(inside) if inside is not None else " ".join(element.get("label", "").split())


def _name(reader: MeiReader, part: int, element: Element) -> None:
    """Note who plays a part by what its staffDef or brace says; of several names each is kept."""
    player, label = reader.players[part], _label(element)[:MAX_NAME]
    if label and label not in player.name.split(", "):
        player.name = f"{player.name}, {label}".removeprefix(", ")[:MAX_NAME]
    for child in element:
        if child.tag == "instrDef":
            sound = child.get("midi.instrname") or child.get("label") or ""
            player.sounds = f"{player.sounds} {sound.replace('_', ' ')}".strip()[:MAX_SOUNDS]
            if child.get("midi.instrnum"):
                player.program = clamped_whole(reader, child.get("midi.instrnum"), 0, 127, 0, "midi.instrnum") + 1


def settle_parts(reader: MeiReader) -> None:
    """Say at the end of the document who plays the parts that its staves are of."""
    for part in range(_next_part(reader)):
        staves = [staff for staff in reader.staves.values() if staff.part == part]
        player = reader.players[part]
        player.staves, player.percussion = max(len(staves), 1), bool(staves) and all(s.percussion for s in staves)
        reader.written.parts.append(player)


def _define_staff(reader: MeiReader, element: Element) -> Staff:
    name = known_staff(reader, element)
    staff, first = reader.staves[name], next(iter(reader.staves)) == name
    staff.transpose = clamped_whole(reader, element.get("trans.semi"), -60, 60, staff.transpose, "trans.semi")
    staff.ppq = real(reader, element, "ppq", 0, 1e6) or staff.ppq
    staff.duration = element.get("dur.default", staff.duration)
    staff.octave = element.get("oct.default", staff.octave)
    clef = element.get("clef.shape") or next((c.get("shape") for c in element if c.tag == "clef"), None)
    channels = [child.get("midi.channel") for child in element if child.tag == "instrDef"]
    staff.percussion = clef == "perc" or DRUMS in channels or (staff.percussion and clef is None)
    if first or not any(sign.bar == reader.bar for sign in reader.written.times):
        _define_metre(reader, element)
    key, minor = signature(element)
    if key is not None:
        reader.speller.keys[name] = key
        if first or not any(sign.bar == reader.bar for sign in reader.written.keys):
            _set_key(reader, key, minor)
    return staff


def _define_metre(reader: MeiReader, element: Element) -> None:
    own = next((child for child in element.iter() if child.tag == "meterSig" and _direct(element, child)), None)
    if own is None:
        count, unit, symbol = (element.get(f"meter.{key}") for key in ("count", "unit", "sym"))
    else:
        count, unit, symbol = (own.get(key) for key in ("count", "unit", "sym"))
    if symbol in COMMON and not count:
        count, unit = COMMON[symbol]
    if not count or not unit:
        return
    try:
        beats = sum(number(text, "", 1, 999) for text in re.split(r"\s*\+\s*", count.strip())[:20])
        reader.count, reader.unit = min(beats, 999.0), number(unit, "", 1, 128)
    except ScoreError:  # it changes no note
        reader.written.problem(f"a metre of {ascii(f'{count}/{unit}'[:20])[1:-1]}: passed over", reader.bar)
        return
    sign = Sign(reader.bar, 0.0, (reader.count, reader.unit))
    times = reader.written.times
    if not times or times[-1].value != sign.value:
        times.append(sign)


def _direct(element: Element, inner: Element) -> bool:
    """Whether a meterSig is the element's own or of a group of its own, not that of a staff inside."""
    groups = [element, *(child for child in element if child.tag == "meterSigGrp")]
    return any(child is inner for group in groups for child in group)


def _set_key(reader: MeiReader, key: dict[str, int], minor: bool) -> None:
    fifths = min(max(sum(key.values()), -14), 14)
    sign = Sign(reader.bar, 0.0, (fifths, float(minor)))
    keys = reader.written.keys
    if not keys or keys[-1].value != sign.value:
        keys.append(sign)
