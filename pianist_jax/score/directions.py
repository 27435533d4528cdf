"""What MusicXML writes between the notes: dynamics, hairpins, tempo, pedal, bar lines, jumps."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from pianist_jax.score.form import Said, read_form
from pianist_jax.score.reader import BEAT_UNITS, Reader, clamped, clamped_whole, velocity_of
from pianist_jax.score.tempi import FASTEST, SLOWEST, hints_of, middle, way_of
from pianist_jax.score.written import ACCENT_VELOCITY, LEVEL_VELOCITY, LEVELS, Sign, Spanner, TempoHint

ATTACKS = {"sf", "sfz", "sffz", "fz", "rf", "rfz", "sfp", "sfpp", "sfzp", "fp", "pf"}
AFTER_ATTACK = {"fp": "p", "pf": "f", "sfp": "p", "sfpp": "pp", "sfzp": "p"}
EXTREMES = {"ppppp": "pppp", "pppppp": "pppp", "fffff": "ffff", "ffffff": "ffff"}
LONGEST_WORD = 8  # bars that "cresc." and "dim." last at most
GROWING = re.compile(r"\s*(?:(poco|molto|sempre|e|più|a|un|-)\s+)*(?:(cresc)|(dim|decresc))", re.IGNORECASE)
MAX_PASSES = 16
JUMPS = ("dacapo", "fine", "dalsegno", "tocoda", "segno", "coda")


def read_direction(reader: Reader, element: Element) -> None:
    """One <direction>: signs at the reader's place, moved by its offset; sound only where that says so."""
    staff = clamped_whole(reader, element.findtext("staff"), 0, 99, 0, "staff")
    place = sounding = max(reader.place, 0.0)
    offset = element.find("offset")
    if offset is not None and offset.text:
        moved = reader.place + clamped(reader, offset.text, -1e9, 1e9, "offset") / reader.divisions
        place = max(moved, 0.0)
        sounding = place if offset.get("sound") == "yes" else sounding
    sounds = element.findall("sound")
    loud = next((text for sound in sounds if (text := sound.get("dynamics")) is not None), None)
    tags = set()
    for child in element.iterfind("direction-type/*"):
        tags.add(child.tag)
        match child.tag:
            case "dynamics":
                for sign in child:
                    _read_dynamics(reader, sign.tag, place, staff, loud)
            case "wedge":
                _read_wedge(reader, child, place)
            case "words":
                _read_words(reader, child.text or "", place)
            case "metronome":
                _read_metronome(reader, child, sounding)
            case "pedal":
                _read_pedal(reader, child.get("type"), place)
    for sound in sounds:
        read_sound(reader, sound, sounding, tags)
    lines = (child for child in element.iterfind("direction-type/*") if child.tag in ("words", "rehearsal"))
    words = " ".join(child.text or "" for child in lines)
    jumps = any(sound.get(name) is not None for sound in sounds for name in JUMPS)
    if words and (way := way_of(words)):
        reader.written.graduals.append(Sign(reader.bar, place, (float(way),)))
    if words:
        reader.written.tempo_hints += hints_of(words, reader.bar, sounding)
    if words or tags & {"segno", "coda"}:
        said = Said(" ".join(words.split()), "segno" in tags, "coda" in tags, jumps)
        read_form(reader.written.bars[reader.bar].jumps, said, place)


def read_sound(reader: Reader, element: Element, place: float, signs: set[str] | None = None) -> None:
    """One <sound>: tempo, jumps, and whatever the `signs` of its direction do not say already."""
    signs = signs or set()
    if (tempo := element.get("tempo")) is not None:
        unit = _unit_at(reader, place) if "metronome" in signs else 0.0
        seen = bool({"metronome", "words"} & signs)
        _set_tempo(reader, clamped(reader, tempo, 0, 1e9, "tempo"), place, unit, seen=seen)
    if (loud := element.get("dynamics")) is not None and not signs & {"dynamics", "wedge"}:
        velocity = velocity_of(clamped(reader, loud, 0, 1e4, "dynamics"))
        level = min(range(len(LEVELS)), key=lambda index: abs(LEVEL_VELOCITY[index] - velocity))
        reader.written.levels.append(Sign(reader.bar, place, (level, velocity), reader.part))
    if (damper := element.get("damper-pedal")) is not None and "pedal" not in signs:
        _read_pedal(reader, {"yes": "start", "no": "stop"}.get(damper), place)
    _read_jumps(reader, element, place)


def _read_jumps(reader: Reader, element: Element, place: float) -> None:
    jumps = reader.written.bars[reader.bar].jumps
    jumps.da_capo |= element.get("dacapo") == "yes"
    if element.get("fine") is not None:
        jumps.fine, jumps.fine_at, jumps.fine_sure = True, max(jumps.fine_at, place), True
    for name, flag, label in (
        ("segno", "segno", "segno_name"),
        ("dalsegno", "dal_segno", "leap_name"),
        ("coda", "coda", "coda_name"),
        ("tocoda", "to_coda", "to_coda_name"),
    ):
        if (value := element.get(name)) is not None:
            setattr(jumps, flag, True)
            setattr(jumps, label, value[:20])


def read_barline(reader: Reader, element: Element) -> None:
    """Repeat signs, volta brackets, and the segno or coda that stands at a bar line."""
    jumps = reader.written.bars[reader.bar].jumps
    signs = {child.tag for child in element} & {"segno", "coda"}
    if signs:
        read_form(jumps, Said("", "segno" in signs, "coda" in signs), reader.place)
    repeat, ending = element.find("repeat"), element.find("ending")
    if ending is not None and ending.get("type") == "start":
        reader.brackets = _passes(reader, ending.get("number", "") or ending.text or "")
    if repeat is not None and repeat.get("direction") == "forward":
        jumps.repeat_start = True
    if repeat is not None and repeat.get("direction") == "backward":
        if element.get("location") == "left" and reader.bar:  # it ends what comes before
            jumps = reader.written.bars[reader.bar - 1].jumps
        jumps.repeat_end = clamped_whole(reader, repeat.get("times"), 1, MAX_PASSES, 2, "times")
        jumps.repeat_again |= repeat.get("after-jump") == "yes"


def _passes(reader: Reader, text: str) -> frozenset[int]:
    """The passes of `1`, `1, 2` or `1-3`; of a bracket without a number those that follow the bracket before it."""
    ranges = re.findall(r"(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?", text)
    wanted = {turn for first, last in ranges for turn in range(int(first), int(last or first) + 1)}
    found = {turn for turn in wanted if 1 <= turn <= MAX_PASSES}
    if not found:
        before = reader.written.bars[reader.bar - 1].jumps.endings if reader.bar else frozenset()
        found = {max(before, default=0) % MAX_PASSES + 1}
    return frozenset(found)


def end_word(reader: Reader, place: float) -> None:
    """End a "cresc." or "dim." here: at a dynamic mark, at the next such word, or where the piece ends."""
    if "word" in reader.hairpins:
        bar, offset, grows = reader.hairpins.pop("word")
        near = reader.bar - bar <= LONGEST_WORD
        end = (reader.bar, place) if near else (bar + 1, 0.0)
        reader.written.hairpins.append(Spanner((bar, offset), end, reader.part, kind=grows))


def _read_dynamics(reader: Reader, tag: str, place: float, staff: int, loud: str | None) -> None:
    written, here = reader.written, (reader.bar, place)
    if tag in ATTACKS:
        written.sforzandi.append(Sign(*here, (ACCENT_VELOCITY,), reader.part, staff))
        tag = AFTER_ATTACK.get(tag, "")
        if tag:  # from the next note on; a millionth of a quarter is enough
            here, loud = (reader.bar, place + 2e-6), None
    tag = EXTREMES.get(tag, tag)
    if tag in LEVELS:
        level = LEVELS.index(tag)
        given = None if loud is None else velocity_of(clamped(reader, loud, 0, 1e4, "dynamics"))
        written.levels.append(Sign(*here, (level, given or LEVEL_VELOCITY[level]), reader.part, staff))
        end_word(reader, place)


def _read_wedge(reader: Reader, element: Element, place: float) -> None:
    key, kind = element.get("number", "1")[:10], element.get("type")
    here = (reader.bar, place)
    if kind in ("crescendo", "diminuendo"):
        if len(reader.hairpins) < 100:
            reader.hairpins[key] = (*here, 1 if kind == "crescendo" else -1)
    elif kind == "stop" and key in reader.hairpins:
        bar, offset, grows = reader.hairpins.pop(key)
        if (bar, offset) < here:
            reader.written.hairpins.append(Spanner((bar, offset), here, reader.part, kind=grows))


def _read_words(reader: Reader, words: str, place: float) -> None:
    """Words like "cresc." hold to the next dynamic mark, or the piece's end, where near; else for their bar."""
    found = GROWING.match(words[:60])
    if found:
        end_word(reader, place)
        reader.hairpins["word"] = (reader.bar, place, 1 if found[2] else -1)


def _read_metronome(reader: Reader, element: Element, place: float) -> None:
    """A metronome mark, or two note values of which the first, as it was, lasts as long as the second."""
    values = _note_values(element)
    number_of_beats = middle(element.findtext("per-minute") or "")
    if len(values) == 2 and number_of_beats is None:
        reader.written.tempo_hints.append(TempoHint(reader.bar, place, becomes=(values[0], values[1])))
    elif len(values) == 1 and number_of_beats is not None:
        _set_tempo(reader, number_of_beats * values[0], place, values[0], seen=True)


def _note_values(element: Element) -> list[float]:
    """The note values of a metronome mark in quarters, their dots counted; none where one is unknown."""
    values: list[tuple[float, int]] = []
    for child in element.iter():
        if child.tag in ("beat-unit", "metronome-type"):
            values.append((BEAT_UNITS.get((child.text or "").strip(), 0.0), 0))
        elif child.tag in ("beat-unit-dot", "metronome-dot") and values:
            values[-1] = (values[-1][0], values[-1][1] + 1)
    return [value * (2 - 0.5**dots) for value, dots in values] if all(value for value, _ in values) else []


def _unit_at(reader: Reader, place: float) -> float:
    """The note value, in quarters, of the metronome mark read last if it stands here; else 0."""
    last = reader.written.tempos[-1:]
    return last[0].value[1] if last and (last[0].bar, last[0].offset) == (reader.bar, place) else 0.0


def _set_tempo(reader: Reader, quarters_per_minute: float, place: float, unit: float = 0.0, *, seen: bool) -> None:
    if SLOWEST <= quarters_per_minute <= FASTEST:
        reader.written.tempos.append(Sign(reader.bar, place, (quarters_per_minute, unit, float(seen))))
    else:
        reader.written.left_out["impossible tempo marks"] += 1


def _read_pedal(reader: Reader, kind: str | None, place: float) -> None:
    values = {"start": (127,), "stop": (0,), "change": (0, 127)}.get(kind or "", ())
    reader.written.pedal += [Sign(reader.bar, place, (value,), reader.part) for value in values]
