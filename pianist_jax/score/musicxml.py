"""MusicXML -> the score as written.

Read directly and not through partitura, which loses arpeggio signs, metronome marks without a sound element,
pedal changes, cue notes and the numbers of repeats, and whose playing out of repeats copies the whole score
recursively: it ends in a RecursionError on scores of a few hundred notes with slurs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from pianist_jax.score.directions import end_word, read_barline, read_direction, read_sound
from pianist_jax.score.files import ScoreError
from pianist_jax.score.ornament_signs import (
    SIGNS,
    end_wavy_line,
    give_to_outer_note,
    read_grace,
    read_sign,
    under_wavy_line,
)
from pianist_jax.score.players import player_of, small_notes_sound
from pianist_jax.score.reader import (
    EVEN,
    Reader,
    bar_length,
    clamped,
    clamped_whole,
    move,
    number,
    quarters,
    velocity_of,
    whole,
    written_value,
)
from pianist_jax.score.repeats import MAX_BARS
from pianist_jax.score.titles import title_of
from pianist_jax.score.written import MAX_NOTES, Mark, Sign, Spanner, Written, WrittenBar, WrittenNote

MAX_PARTS = 100
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
LETTERS = {semitones: letter for letter, semitones in enumerate(STEPS.values())}
NOTATIONS = {
    "staccato": Mark.STACCATO,
    "detached-legato": Mark.STACCATO | Mark.TENUTO,
    "spiccato": Mark.STACCATISSIMO,
    "staccatissimo": Mark.STACCATISSIMO,
    "tenuto": Mark.TENUTO,
    "accent": Mark.ACCENT,
    "stress": Mark.ACCENT,
    "strong-accent": Mark.MARCATO,
    "breath-mark": Mark.BREATH,
    "caesura": Mark.BREATH,
    "fermata": Mark.FERMATA,
    "trill-mark": Mark.TRILL,
    "wavy-line": Mark.TRILL,
    "mordent": Mark.MORDENT,
    "inverted-mordent": Mark.MORDENT,
    "shake": Mark.MORDENT,
    "turn": Mark.TURN,
    "inverted-turn": Mark.TURN,
    "delayed-turn": Mark.TURN,
    "delayed-inverted-turn": Mark.TURN,
    "vertical-turn": Mark.TURN,
    "inverted-vertical-turn": Mark.TURN,
    "haydn": Mark.TURN,
    "tremolo": Mark.TREMOLO,
    "arpeggiate": Mark.ARPEGGIO,
}


def read_musicxml(root: Element, name: str) -> Written:
    """A MusicXML document (partwise or timewise) as written. Raises ScoreError where it is no score.

    All parts are there; transposing instruments sound; percussion without pitch is left out and counted.
    """
    parts = _parts(root, name)
    players = {part.get("id", ""): part for part in root.iterfind("part-list/score-part")}
    count = max((len(measures) for _, measures in parts), default=0)
    if not count:
        raise ScoreError(f"{name}: a score without bars; export it again")
    if len(parts) > MAX_PARTS:
        raise ScoreError(f"{name}: more than {MAX_PARTS} parts; give the piano part alone")
    if count > MAX_BARS:
        raise ScoreError(f"{name}: more than {MAX_BARS} bars; split it")
    written = Written(bars=[WrittenBar(0.0, 0) for _ in range(count)])
    written.title = title_of(root.findtext("work/work-title"), root.findtext("movement-title"))
    written.composer = (root.findtext("identification/creator[@type='composer']") or "")[:200]
    nominals: dict[int, float] = {}  # lengths of bars by their time signature
    silent_cues = not small_notes_sound(root)
    for part, (identity, measures) in enumerate(parts):
        reader = Reader(name, written, part, silent_cues=silent_cues)
        written.parts.append(player_of(players.get(identity), measures, alone=len(parts) == 1))
        for bar, measure in enumerate(measures):
            reader.bar = bar
            _read_measure(reader, measure)
        _close_graces(reader)
        for line in list(reader.wavy_lines):
            end_wavy_line(reader, line)
        end_word(reader, reader.length)
        for bar, nominal in reader.nominals.items():
            nominals.setdefault(bar, nominal)
    for bar, nominal in nominals.items():
        if not written.bars[bar].length:  # nothing is written in it, which is a bar of rest
            written.bars[bar].length = nominal
    _number_bars(written, [measures for _, measures in parts])
    return written


def _parts(root: Element, name: str) -> list[tuple[str, list[Element]]]:
    if root.tag == "score-partwise":
        return [(part.get("id", ""), part.findall("measure")) for part in root.findall("part")]
    if root.tag != "score-timewise":
        raise ScoreError(f"{name}: not a MusicXML score (<{root.tag[:40]}>); give a MusicXML, MEI, kern or MIDI file")
    parts: dict[str, list[Element]] = {}
    for measure in root.findall("measure"):
        for part in measure.findall("part"):
            part.attrib.update(measure.attrib)
            parts.setdefault(part.get("id", ""), []).append(part)
    return list(parts.items())


def _number_bars(written: Written, parts: list[list[Element]]) -> None:
    """Printed numbers and pick-ups, by the first part that has the bar; `X1` and the like repeat the number before."""
    printed = 0
    nominal = {sign.bar: sign.value[0] * 4 / sign.value[1] for sign in written.times if sign.offset == 0}
    full = nominal.get(0, math.inf)
    for index, bar in enumerate(written.bars):
        measure = next(measures[index] for measures in parts if index < len(measures))
        text = measure.get("number", "")
        printed = int(text) if re.fullmatch(r"\d{1,6}", text) else printed
        bar.number = printed
        bar.divided = measure.get("implicit") == "yes"
        full = nominal.get(index, full)
        bar.pickup = index == 0 and bar.length < full - 1e-6 and not math.isinf(full)


def _read_measure(reader: Reader, measure: Element) -> None:
    reader.place = reader.length = reader.chord = reader.sounding = 0.0
    reader.run_ends.clear()
    bar = reader.written.bars[reader.bar]
    for element in measure:
        match element.tag:
            case "note":
                _read_note(reader, element)
            case "backup" | "forward":
                step = quarters(reader, element)
                move(reader, step if element.tag == "forward" else -step)
            case "attributes":
                _read_attributes(reader, element)
            case "direction":
                read_direction(reader, element)
            case "harmony":
                reader.written.left_out["chord symbols"] += 1
            case "sound":
                read_sound(reader, element, reader.place)
            case "barline":
                read_barline(reader, element)
    bar.length = max(bar.length, bar_length(reader))
    if measure.get("implicit") != "yes":
        reader.nominals.setdefault(reader.bar, reader.nominal)
    if reader.brackets:
        bar.jumps.endings |= reader.brackets
    if any(ending.get("type") in ("stop", "discontinue") for ending in measure.findall("barline/ending")):
        reader.brackets = frozenset()


def _read_attributes(reader: Reader, element: Element) -> None:
    name, written, here = reader.name, reader.written, (reader.bar, max(reader.place, 0.0))
    if (divisions := element.findtext("divisions")) is not None:
        reader.divisions = number(divisions, name, 1e-3, 1e7)
    if (transpose := element.find("transpose")) is not None:
        octaves = whole(transpose.findtext("octave-change"), name, -9, 9, 0)
        reader.transpose = whole(transpose.findtext("chromatic"), name, -99, 99, 0) + 12 * octaves
    for time in element.findall("time"):
        if (metre := _metre(reader, time)) is not None:
            beats, beat_type = metre
            reader.nominal = 4 * beats / beat_type
            if reader.part == 0:
                _set_once(written.times, Sign(*here, (beats, beat_type)))
    for key in element.findall("key"):
        if reader.part == 0 and key.findtext("fifths") is not None:
            fifths = clamped_whole(reader, key.findtext("fifths"), -14, 14, 0, "fifths")
            _set_once(written.keys, Sign(*here, (fifths, float(key.findtext("mode") == "minor"))))


def _metre(reader: Reader, time: Element) -> tuple[float, float] | None:
    """Beats and beat type of a <time>; of several together (3/8 + 2/4) the sum, in the shortest of their beats.

    One of 0 or of no numbers changes no note: it is passed over, and a problem.
    """
    pairs = list(zip(time.findall("beats"), time.findall("beat-type"), strict=False))
    if not pairs or not all(over.text and under.text for over, under in pairs):
        return None
    try:
        overs = [sum(number(text, "", 1, 999) for text in (over.text or "").split("+")) for over, _ in pairs]
        unders = [number(under.text, "", 1, 128) for _, under in pairs]
    except ScoreError:
        shown = " + ".join(f"{over.text}/{under.text}" for over, under in pairs)
        reader.written.problem(f"a time signature of {ascii(shown[:20])[1:-1]}: passed over", reader.bar)
        return None
    shortest = max(unders)
    return sum(over * shortest / under for over, under in zip(overs, unders, strict=True)), shortest


def _set_once(signs: list[Sign], sign: Sign) -> None:
    """The first of several at one place holds (one for each staff, mostly)."""
    if not signs or (signs[-1].bar, signs[-1].offset) != (sign.bar, sign.offset):
        signs.append(sign)


def _read_note(reader: Reader, element: Element) -> None:
    written = reader.written
    tags = {child.tag: child for child in element}
    grace, chord = "grace" in tags, "chord" in tags
    length = 0.0 if grace else quarters(reader, element)
    start = reader.chord if chord else reader.place
    reader.chord = start
    if "cue" in tags and reader.silent_cues and element.get("print-object") != "no":
        written.left_out["cue notes"] += "pitch" in tags
    elif "pitch" in tags:
        # Some programs write broken tuplets with durations below 0; what the notehead shows is right then.
        lasts = length if length > 0 or grace else written_value(element, reader.name)
        if start < -EVEN:
            written.problem("a note before the bar line: played at it", reader.bar)
        note = _note(reader, element, tags, max(start, 0.0), lasts)
        reader.sounding = max(reader.sounding, start + lasts)
        if note is not None:
            if len(written.notes) >= MAX_NOTES:
                raise ScoreError(f"{reader.name}: more than {MAX_NOTES} notes; split it")
            if not chord:
                reader.head = note
            elif reader.head is not None and reader.head.ornaments:
                give_to_outer_note(reader.head, note)
                reader.head = max(reader.head, note, key=lambda each: each.pitch)
            written.notes.append(note)
            _order_grace(reader, note, grace, chord)
    elif "unpitched" in tags:
        written.left_out["percussion notes"] += 1
    elif "rest" in tags and not grace and not chord:
        _close_graces(reader)
    if not chord:
        move(reader, length)


def _note(
    reader: Reader, element: Element, tags: dict[str, Element], start: float, length: float
) -> WrittenNote | None:
    name, pitch = reader.name, tags["pitch"]
    step = STEPS.get((pitch.findtext("step") or "").strip().upper())
    if step is None:
        raise ScoreError(f"{name}: a note without a step (C to B); export it again")
    alter = round(number(pitch.findtext("alter") or "0", name, -4, 4))
    octave = round(number(pitch.findtext("octave"), name, -2, 12))
    key = 12 * (octave + 1) + step + alter + reader.transpose
    if not 0 <= key <= 127:
        reader.written.left_out["notes beyond MIDI's range"] += 1
        return None
    # What sounds (tie) and what is drawn (tied); some files write one of them alone.
    ties = {tie.get("type") for path in ("tie", "notations/tied") for tie in element.iterfind(path)}
    note = WrittenNote(
        bar=reader.bar,
        offset=start,
        length=length,
        pitch=key,
        part=reader.part,
        staff=clamped_whole(reader, element.findtext("staff"), 1, 99, 1, "staff"),
        voice=_voice(element.findtext("voice")),
        id=(element.get("id") or f"n{len(reader.written.notes) + 1}")[:100],
        tie_start="start" in ties,
        tie_stop="stop" in ties,
    )
    if (dynamics := element.get("dynamics")) is not None:
        note.velocity = velocity_of(clamped(reader, dynamics, 0, 1000, "dynamics"))
    if "cue" in tags:
        note.marks |= Mark.SMALL
    note.step, note.alter = 7 * (octave + 1) + LETTERS[step], alter
    for child in element:
        if child.tag == "notations":
            _read_notations(reader, child, note, element)
    if reader.wavy_lines:
        under_wavy_line(reader, note)
    if "grace" in tags:
        read_grace(reader, tags["grace"], note, element)
    return note


def _voice(text: str | None) -> int:
    """Voices are numbers in every file that programs write; others share one."""
    return int(text) if text is not None and re.fullmatch(r"\s*\d{1,4}\s*", text) else 1


def _read_notations(reader: Reader, notations: Element, note: WrittenNote, element: Element) -> None:
    for sign in _flat(notations):
        tag = sign.tag
        if tag == "slur":
            _read_slur(reader, sign, note)
        else:
            note.marks |= NOTATIONS.get(tag, 0)
            if tag in SIGNS:
                read_sign(reader, sign, note, element)


def _flat(notations: Element) -> Iterator[Element]:
    for element in notations:
        if element.tag in ("articulations", "ornaments"):
            yield from element
        else:
            yield element


def _read_slur(reader: Reader, element: Element, note: WrittenNote) -> None:
    """A slur's two ends may come in either order: a slur between staves ends before it starts in the file."""
    slur, kind = element.get("number", "1")[:10], element.get("type")
    if kind not in ("start", "stop"):
        return
    note.marks |= Mark.SLUR | (Mark.SLUR_START if kind == "start" else Mark.SLUR_STOP)
    here = (note.bar, note.offset, note.voice)
    waiting = "stop" if kind == "start" else "start"
    other = reader.slurs.pop(f"{waiting} {slur}", None)
    begin, end = (here, other) if kind == "start" else (other, here)
    if begin is None or end is None or begin[:2] > end[:2]:
        if len(reader.slurs) < 100:
            reader.slurs[f"{kind} {slur}"] = here
        return
    voices = frozenset({begin[2], end[2]})
    reader.written.slurs.append(Spanner(begin[:2], end[:2], reader.part, voices))


def _order_grace(reader: Reader, note: WrittenNote, grace: bool, chord: bool) -> None:
    """Collect a run of grace notes; what comes after it says how many steps before the beat each one is."""
    if not grace:
        if not chord:
            _close_graces(reader)
        return
    note.grace = 1
    before = reader.graces[-1][0] if reader.graces else None
    if chord and before is not None:
        reader.graces[-1].append(note)
        return
    if before is not None and (before.bar, before.offset, before.voice) != (
        note.bar,
        note.offset,
        note.voice,
    ):
        _close_graces(reader)
    reader.graces.append([note])


def _close_graces(reader: Reader) -> None:
    for step, chord in enumerate(reversed(reader.graces), 1):
        for note in chord:
            note.grace = step
    reader.graces.clear()
