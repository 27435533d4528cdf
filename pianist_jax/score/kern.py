"""Humdrum **kern -> the score as written, line by line.

Read directly: the libraries that read it lose notes of chords that share one length, ties of chords, spines that
split, or the names of sections; and so every note keeps a name of its own place, line and spine of the file.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from pianist_jax.score.directions import end_word
from pianist_jax.score.files import ScoreError
from pianist_jax.score.kern_notes import Token, read_token
from pianist_jax.score.kern_parts import deal_parts
from pianist_jax.score.kern_reader import KernReader, Spine
from pianist_jax.score.kern_signs import interpret, read_dynam, say_omd, say_texts, say_title, silence_cues
from pianist_jax.score.repeats import MAX_BARS
from pianist_jax.score.written import MAX_NOTES, MAX_QUARTERS, Mark, Ornament, Spanner, Written, WrittenBar, WrittenNote

MAX_LINE = 10_000  # characters
MAX_LINES = 400_000
MAX_SPINES = 200
MAX_DENOMINATOR = 10**9  # of a place; note values that no score mixes
MAX_STROKES = 1024
MAX_HELD_SLURS = 100
LINKED = re.compile(r"!!!RDF\*\*kern:\s*(\S)\s*=\s*linked\s*$")  # a sign at ties over gaps and from voice to voice


def read_kern(data: bytes, name: str) -> Written:
    """A Humdrum file with **kern spines as written. Raises ScoreError where it is none, or its spines do not add up.

    Ids are the place in the file: "L12F2" is line 12, field 2, "L12F2S3" the third note of a chord there.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # as Humdrum files were written before
    lines = [line.rstrip(" \v\f") for line in re.split(r"\r\n|\r|\n", text)]
    if max(map(len, lines), default=0) > MAX_LINE or len(lines) > MAX_LINES:
        raise ScoreError(f"{name}: more kern than a score needs; split it or export it as MusicXML")
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"!", b"**")):
        raise ScoreError(f"{name}: not a Humdrum file (no **kern spine); give a MusicXML, MEI, kern or MIDI file")
    reader = KernReader(name, Written(bars=[WrittenBar(0.0, 0)]), lines=lines)
    if sign := next(filter(None, map(LINKED.match, lines)), None):
        reader.linked = re.compile(re.escape(sign[1]) + r"([\[\]_])")
    reader.numbered = any(re.match(r"=+\d", line) for line in lines)
    for number, line in enumerate(lines, 1):
        reader.line = number
        _read_line(reader, line)
    if not reader.started:
        raise ScoreError(f"{name}: cannot be read (no **kern spine in it); give a MusicXML, MEI, kern or MIDI file")
    _end(reader)
    return reader.written


def _read_line(reader: KernReader, line: str) -> None:
    if not line.strip():
        return
    if line.startswith("!!"):
        say_title(reader, line)
        say_omd(reader, line)
        say_texts(reader, line)
        return
    tokens = line.split("\t")
    if not reader.spines:
        if line.startswith("**"):
            _begin(reader, tokens)
        return
    if len(tokens) != len(reader.spines):
        tokens = [token for token in tokens if token]
    if len(tokens) != len(reader.spines):
        wrong = f"line {reader.line} has {len(tokens)} fields for {len(reader.spines)} spines"
        raise ScoreError(f"{reader.name}: cannot be read ({wrong}); check it or export it as MusicXML")
    if line.startswith("!"):
        say_texts(reader, line)
        silence_cues(reader, tokens)
        return
    if line.startswith("*"):
        _interpretations(reader, tokens)
    elif line.startswith("="):
        token = next((t for t, spine in zip(tokens, reader.spines, strict=True) if spine.kern), tokens[0])
        _bar_line(reader, token)
    else:
        _data(reader, tokens)


def _begin(reader: KernReader, tokens: list[str]) -> None:
    """The exclusive interpretations that begin the spines. A file may hold one piece after another."""
    if len(tokens) > MAX_SPINES:
        raise ScoreError(f"{reader.name}: more than {MAX_SPINES} spines; give the piano part alone")
    staves = [column for column, token in enumerate(tokens) if token == "**kern"]
    reader.started |= bool(staves)
    parts, players = deal_parts(reader.lines[reader.line - 1 :])
    if len(players) > len(reader.written.parts):
        reader.written.parts = players
    for column, token in enumerate(tokens):
        kern = token == "**kern"
        before = [staff for staff in staves if staff <= column]
        staff = len(staves) - len(before) + 1 if before else len(staves) or 1
        part = parts[len(parts) - staff] if staves else 0
        reader.spines.append(Spine(token, kern, staff, part, reader.now))


def _interpretations(reader: KernReader, tokens: list[str]) -> None:
    """Spines that split, join, end and begin; then signs of one spine each."""
    old, new = reader.spines, []
    index = 0
    while index < len(old):
        spine, token = old[index], tokens[index]
        if token == "*^":
            new += [spine, replace(spine, graces=[])]
        elif token == "*+":
            new += [spine, Spine("", False, spine.staff, spine.part, reader.now)]
        elif token == "*v":
            last = index
            while last + 1 < len(old) and tokens[last + 1] == "*v":
                last += 1
            spine.end = max(one.end for one in old[index : last + 1])
            new.append(spine)
            index = last
        elif token == "*x" and index + 1 < len(old) and tokens[index + 1] == "*x":
            new += [old[index + 1], spine]
            index += 1
        elif token == "*-":
            pass
        else:
            if token.startswith("**"):
                spine.kind, spine.kern = token, token == "**kern"
                reader.started |= spine.kern
            new.append(spine)
            if token != "*":
                interpret(reader, spine, token)
        index += 1
    if len(new) > MAX_SPINES:
        raise ScoreError(f"{reader.name}: more than {MAX_SPINES} spines; give the piano part alone")
    reader.spines = new
    if reader.label:
        _label(reader)


def _label(reader: KernReader) -> None:
    """A section's name (*>A): a bar of its own begins here, also where no bar line stands."""
    if reader.now > reader.bar_start:
        _new_bar(reader, reader.written.bars[-1].number)
    reader.labels.setdefault(reader.label, len(reader.written.bars) - 1)
    reader.label = ""


def _data(reader: KernReader, tokens: list[str]) -> None:
    now = reader.now
    if now.denominator > MAX_DENOMINATOR or now > MAX_QUARTERS:
        raise ScoreError(f"{reader.name}: note values that no score has (line {reader.line}); export it again")
    advanced = False
    layers: dict[int, int] = {}
    for field, (spine, token) in enumerate(zip(reader.spines, tokens, strict=True), 1):
        if not spine.kern:
            if spine.kind == "**dynam" and token != ".":
                read_dynam(reader, spine, token)
            continue
        layers[spine.staff] = layer = layers.get(spine.staff, 0) + 1
        if token != "." and token:
            advanced |= _sound(reader, spine, token, field, layer)
    if advanced:
        later = [spine.end for spine in reader.spines if spine.kern and spine.end > now]
        reader.now = min(later, default=now)


def _sound(reader: KernReader, spine: Spine, text: str, field: int, layer: int) -> bool:
    """The notes of one token; whether it takes time."""
    heads = [read_token(reader.linked.sub(r"\1\1", head)) for head in text.split(" ") if head]
    known = next((head.length for head in heads if head.length is not None), None)
    grace = any(head.grace for head in heads)
    notes: list[WrittenNote] = []
    for place, head in enumerate(heads, 1):
        key = f"L{reader.line}F{field}" + (f"S{place}" if len(heads) > 1 else "")
        note = _note(reader, spine, head, known, key, layer)
        if note is not None:
            notes.append(note)
    if grace:
        if notes:
            spine.graces.append(notes)
        return False
    for step, chord in enumerate(reversed(spine.graces), 1):
        for note in chord:
            note.grace = step
    spine.graces.clear()
    if known is None:
        reader.written.left_out["notes without a length"] += len(notes)
        return False
    stroke = max((head.stroke for head in heads), default=Fraction(0))
    if stroke:
        _strokes(reader, notes, known, stroke)
    spine.end = reader.now + known
    return True


def _note(
    reader: KernReader, spine: Spine, head: Token, known: Fraction | None, key: str, layer: int
) -> WrittenNote | None:
    if head.pitch is None:
        return None
    if spine.others:
        reader.written.left_out["cue notes"] += 1
        return None
    if not 0 <= head.pitch <= 127:
        reader.written.left_out["notes beyond MIDI's range"] += 1
        return None
    length = Fraction(0) if head.grace else head.length if head.length is not None else known
    note = WrittenNote(
        bar=len(reader.written.bars) - 1,
        offset=float(reader.now - reader.bar_start),
        length=float(length or 0),
        pitch=head.pitch,
        part=spine.part,
        staff=spine.staff,
        voice=spine.staff * 100 + layer,
        id=key,
        marks=int(head.marks | (Mark.SMALL if spine.cue else Mark(0))),
        grace=int(head.grace),
        tie_start=head.tie_start,
        tie_stop=head.tie_stop,
        step=head.step,
        alter=head.alter,
        ornaments=head.ornaments,
    )
    reader.written.notes.append(note)
    if len(reader.written.notes) > MAX_NOTES:
        raise ScoreError(f"{reader.name}: more than {MAX_NOTES} notes; split it")
    _slurs(reader, spine, head, note)
    _hold(reader, note, head.parted)
    return note


def _hold(reader: KernReader, note: WrittenNote, parted: bool) -> None:
    """A tie over a gap ([[ or ]], one of them is enough): the note before is held until this one, which goes on."""
    key = (note.part, note.pitch)
    if note.tie_stop and not note.grace:
        begun, before = reader.tied.pop(key, (reader.now, None))
        reaches = before is not None and reader.now - begun <= before.length + 1e-6
        if not reaches and (parted or key in reader.parted):
            begun, before = reader.parted.pop(key, (begun, before))
            if before is not None:
                before.length = max(before.length, float(reader.now - begun))
    if note.tie_start and not note.grace:
        (reader.parted if parted else reader.tied)[key] = (reader.now, note)


def _slurs(reader: KernReader, spine: Spine, head: Token, note: WrittenNote) -> None:
    """Slurs end with the note of the same spine that closes them, the one opened last first."""
    held = reader.slurs.setdefault((spine.part, spine.staff), [])
    for _ in range(head.slur_stops):
        if held:
            first = held.pop()
            note.marks |= Mark.SLUR | Mark.SLUR_STOP
            begin, end = (first.bar, first.offset), (note.bar, note.offset)
            reader.written.slurs.append(Spanner(begin, end, spine.part, frozenset({first.voice, note.voice})))
    for _ in range(head.slur_starts):
        note.marks |= Mark.SLUR | Mark.SLUR_START
        if len(held) < MAX_HELD_SLURS:
            held.append(note)


def _strokes(reader: KernReader, notes: list[WrittenNote], length: Fraction, stroke: Fraction) -> None:
    """Write a measured tremolo out."""
    count = int(length / stroke)
    if not 1 < count <= MAX_STROKES or count * stroke != length:
        for note in notes:
            note.marks |= Mark.TREMOLO
            note.ornaments = (*note.ornaments, Ornament("tremolo", length=float(stroke)))
        return
    for note in notes:
        begin = Fraction(reader.now - reader.bar_start)
        tied, note.tie_start, note.length = note.tie_start, False, float(stroke)
        for index in range(1, count):
            last = index == count - 1
            again = replace(note, offset=float(begin + index * stroke), id=f"{note.id}~{index + 1}", tie_stop=False)
            again.tie_start = tied and last
            reader.written.notes.append(again)
    if len(reader.written.notes) > MAX_NOTES:
        raise ScoreError(f"{reader.name}: more than {MAX_NOTES} notes; split it")


def _bar_line(reader: KernReader, token: str) -> None:
    bars = reader.written.bars
    ends = [spine.end for spine in reader.spines if spine.kern]
    filled_to = (float(end - reader.bar_start) for end in ends if end > reader.bar_start)
    reader.written.compare_ends(reader.bar, filled_to)
    reader.now = max([reader.now, *ends])
    for spine in reader.spines:
        spine.end = reader.now
    found = re.match(r"=+(\d{1,6})", token)
    closes, opens = re.search(r":[|!]", token) is not None, re.search(r"[|!]:", token) is not None
    filled = reader.now - reader.bar_start
    inside = reader.numbered and not found and filled < reader.nominal and not token.startswith("==")
    if filled > 0 and (not inside or closes or opens):
        if closes:
            bars[-1].jumps.repeat_end = 2
        _new_bar(reader, bars[-1].number + (0 if reader.numbered else 1))
    elif filled == 0 and closes and len(bars) > 1:
        bars[-2].jumps.repeat_end = 2
    if found:
        bars[-1].number = int(found[1])
    elif len(bars) == 1 and not filled and not reader.numbered:
        bars[-1].number = 1
    bars[-1].jumps.repeat_start |= opens


def _new_bar(reader: KernReader, number: int) -> None:
    bars = reader.written.bars
    if len(bars) >= MAX_BARS:
        raise ScoreError(f"{reader.name}: more than {MAX_BARS} bars; split it")
    bars[-1].length = float(reader.now - reader.bar_start)
    if bars[-1].length > MAX_QUARTERS:
        raise ScoreError(f"{reader.name}: a bar without end (line {reader.line}); export it again")
    bars.append(WrittenBar(0.0, number))
    reader.bar_start = reader.now


def _end(reader: KernReader) -> None:
    """Close the last bar, drop it if it is empty, and say the order of sections that the file names."""
    bars = reader.written.bars
    reader.now = max([reader.now, *(spine.end for spine in reader.spines if spine.kern)])
    if reader.now > reader.bar_start:
        bars[-1].length = float(reader.now - reader.bar_start)
    elif len(bars) > 1 and not any(note.bar == len(bars) - 1 for note in reader.written.notes[-MAX_SPINES:]):
        bars.pop()
    for say in reader.says.values():
        say.bar = len(bars) - 1
        end_word(say, bars[-1].length)
    if reader.metre and bars[0].length < reader.metre[0] - 1e-6:
        bars[0].pickup = len(bars) > 1
    for repeats, sections in reader.lists.items():
        order = _order(reader.labels, sections, len(bars))
        if order:
            reader.written.orders[repeats] = order


def _order(labels: dict[str, int], sections: list[str], bars: int) -> tuple[int, ...]:
    """The bars of these sections, one after the other; () where a section is not in the file, or they are too many."""
    starts = sorted(set(labels.values()))
    order = list(range(starts[0])) if starts else []
    for label in sections:
        if label not in labels or len(order) > MAX_BARS:
            return ()
        begin = labels[label]
        end = next((start for start in starts if start > begin), bars)
        order += range(begin, min(end, bars))
    return tuple(order)
