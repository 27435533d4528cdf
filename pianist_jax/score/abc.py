"""ABC (abcnotation.com, standard 2.1) -> the score as written, by way of MusicXML, whose reader knows what it means.

Read are the first tune of a file and its fields M, L, K, Q, V, C and T; notes, chords, rests, tuplets, broken rhythms,
ties, slurs, grace notes, repeats and endings, voices and overlays, decorations, dynamics, annotations. The voices that
%%score or %%staves braces together are the staves of one player. Ids name line and column: "L12C3".
Chord symbols, words of songs, parts (P:) and macros are not played.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement

from pianist_jax.score.abc_signs import read_tempo, say_sign, say_words
from pianist_jax.score.abc_voice import DIVISIONS, Voice, pitch_of, set_clef, set_key, tie, write_key, write_metre
from pianist_jax.score.files import ScoreError
from pianist_jax.score.musicxml import read_musicxml
from pianist_jax.score.repeats import MAX_BARS
from pianist_jax.score.titles import title_of
from pianist_jax.score.written import MAX_NOTES, Written

LENGTH = r"\d{0,4}/{0,8}\d{0,4}"
TOKEN = re.compile(
    rf"""\[(?P<field>[KLMQV]):(?P<value>[^\]]*)\]|\[[A-Za-z]:[^\]]*\]
    |"(?P<text>[^"]*)"|!(?P<sign>[^!\s|]{{1,40}})!
    |(?P<bar>\[\|[:|]{{0,4}}|\.?[:|]{{0,4}}\|[:|]{{0,4}}\]?|:{{2,4}})
    |\[(?P<ending>\d[\d,-]{{0,20}})|(?<=[|:\]])(?P<again>\d[\d,-]{{0,20}})
    |\((?P<tuplet>[2-9])(?::(?P<time>\d?))?(?::(?P<count>\d{{0,2}}))?
    |\{{(?P<slash>/?)|(?P<close>\}})
    |(?P<alter>\^{{1,2}}|_{{1,2}}|=)?/?(?P<letter>[A-Ga-g])(?P<octave>[,']{{0,9}})(?P<length>{LENGTH})(?P<tie>-?)
    |(?P<rest>[xzXZ])(?P<rests>{LENGTH})
    |(?P<chord>\[)|\](?P<chords>{LENGTH})(?P<ties>-?)
    |(?P<broken>>{{1,3}}|<{{1,3}})|(?P<one>[-().~HLMOPSTuv&])""",
    re.VERBOSE,
)
FIELD = re.compile(r"([A-Za-z+]):(?![|:])(.*)")
IN_TIME = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # so many notes in the time of; of others that of the beat
VOICE = re.compile(r"\s*([^\s\]]{1,60})")
NAME = re.compile(r'\b(?:name|nm)\s*=\s*(?:"([^"]{0,80})"|(\S{1,80}))')
DRUMS = re.compile(r"\bclef\s*=\s*perc|\bMIDI\s+channel\s+10\b")
ALONE = "1"
MOST_VOICES = 100


@dataclass
class _Tune:
    """A tune as it is read: `head` what holds for every voice, `chord` and `graces` what is being collected."""

    name: str
    head: Voice = field(default_factory=Voice)
    voices: dict[str, Voice] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    clefs: dict[str, str] = field(default_factory=dict)  # what the fields of voices say
    staves: str = ""
    tempo: str = ""
    said: dict[str, str] = field(default_factory=dict)  # of the whole tune: C, its composer, and T, its title
    told_unit: bool = False
    now: Voice | None = None
    chord: list[tuple[Element, Fraction, bool]] | None = None  # its notes, and whether each is tied by itself
    grace: str | None = None
    line: int = 0
    notes: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def voice(self) -> Voice:
        """The voice that is being written; the first, where none has been named."""
        return self.now or self.switch(ALONE)

    def switch(self, key: str) -> Voice:
        """Go on with the voice of this name."""
        if key not in self.voices:
            self.voices[key] = self.head.fork(key)
            set_clef(self.voices[key], self.clefs.get(key, ""))
            self.voices[key].begin()
            if len(self.voices) == 1 and self.tempo:
                read_tempo(self.voices[key], self.tempo)
        self.now = self.voices[key]
        return self.now


def read_abc(data: bytes, name: str) -> Written:
    """The bytes of an ABC file as written. Raises ScoreError where there is no tune in them."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = text.splitlines()
    begins = [index for index, line in enumerate(lines) if line.startswith("X:")] or [0]
    tune = _Tune(name)
    body = False
    for index in range(begins[0], begins[1] if len(begins) > 1 else len(lines)):
        line = lines[index]
        tune.line = index + 1
        if body and not line.strip():
            break
        body = _read_line(tune, line, body)
    if not tune.voices:
        raise ScoreError(f"{name}: no tune in it (a field K: and notes); give an ABC file")
    written = read_musicxml(_document(tune), name)
    written.composer, written.title = tune.said.get("C", "")[:200], title_of(tune.said.get("T"))
    written.left_out.update(tune.left_out)
    if len(begins) > 1:
        written.readings.append(f"the first of {len(begins)} tunes")
    return written


def _read_line(tune: _Tune, line: str, body: bool) -> bool:
    """Read one line, of the head of a tune or of its `body`; whether what follows is its body."""
    if line.startswith("%%"):
        words = line[2:].split(None, 1)
        if words and words[0] in ("score", "staves"):
            tune.staves = tune.staves or "".join(words[1:])[:2000]
        elif len(words) == 2 and words[0] == "propagate-accidentals" and not tune.voices:
            tune.head.spread = words[1].strip()
        elif words and words[0] == "MIDI" and tune.now:
            tune.clefs[tune.now.name] = f"{tune.clefs.get(tune.now.name, '')} {line}"[-500:]
        return body
    line = re.sub(r"(?<!\\)%.*", "", line)
    found = FIELD.match(line)
    if found:
        _read_field(tune, found[1], found[2].strip()[:500], body)
        return body or found[1] == "K"
    if body:
        _read_music(tune, line)
    return body


def _read_field(tune: _Tune, key: str, value: str, body: bool) -> None:
    voice = tune.voice if body and key in "KLMQ" else tune.head
    if key == "K":
        changed = set_key(voice, value)
        set_clef(voice, value)
        if body and changed:
            write_key(voice, voice.attributes())
    elif key == "M":
        _set_metre(tune, voice, value)
        if body:
            write_metre(voice, voice.attributes())
    elif key == "L":
        found = re.match(r"(\d{1,4})(?:/(\d{1,4}))?", value)
        if found and int(found[1]) and int(found[2] or 1):
            voice.unit, tune.told_unit = Fraction(4 * int(found[1]), int(found[2] or 1)), True
    elif key == "Q" and body:
        read_tempo(voice, value)
    elif key == "Q":
        tune.tempo = value
    elif key == "V" and (found := VOICE.match(value)) and len(tune.clefs) < MOST_VOICES:
        named = NAME.search(value)
        if named:
            tune.names[found[1]] = named[1] or named[2] or ""
        tune.clefs[found[1]] = f"{tune.clefs.get(found[1], '')} {value}"[-500:]
        if body:
            tune.switch(found[1])
    elif key in ("C", "T"):
        tune.said.setdefault(key, value)


def _set_metre(tune: _Tune, voice: Voice, text: str) -> None:
    text = {"C": "4/4", "C|": "2/2"}.get(text, text)
    found = re.match(r"\(?(\d{1,3}(?:\+\d{1,3}){0,9})\)?/(\d{1,3})", text)
    beats = sum(map(int, found[1].split("+"))) if found else 0
    voice.metre = (beats, int(found[2])) if found and beats and int(found[2]) else None
    if not tune.told_unit and voice is tune.head:
        voice.unit = Fraction(1, 4 if voice.metre and 4 * beats < 3 * voice.metre[1] else 2)


def _read_music(tune: _Tune, line: str) -> None:
    for match in TOKEN.finditer(line):
        found = {key: value for key, value in match.groupdict().items() if value is not None}
        voice = tune.voice
        if "letter" in found:
            _note(tune, found, match.start() + 1)
        elif "rest" in found:
            _rest(voice, found["rest"], found["rests"])
        elif "bar" in found:
            _bar(voice, found["bar"])
        elif "ending" in found or "again" in found:
            _ending(voice, found.get("ending") or found["again"])
        elif "chord" in found:
            tune.chord = []
        elif "chords" in found:
            _end_chord(tune, found)
        elif "slash" in found or "close" in found:
            tune.grace = found.get("slash")
        elif "tuplet" in found:
            _tuplet(voice, found)
        elif "broken" in found:
            less = Fraction(1, 1 << len(found["broken"]))
            first, second = (2 - less, less) if found["broken"][0] == ">" else (less, 2 - less)
            voice.stretch(first)
            voice.factor = second
        elif "field" in found:
            _read_field(tune, found["field"], found["value"].strip()[:500], True)
        else:
            _sign(tune, voice, found)


def _sign(tune: _Tune, voice: Voice, found: dict[str, str]) -> None:
    text, sign = found.get("text"), found.get("sign", found.get("one", ""))
    if text is not None and text[:1] in ("^", "_", "<", ">", "@"):
        say_words(voice, re.sub(r"^@[-\d.,]*\s*", "", text).lstrip("^_<>"))
    elif text:
        _leave_out(tune, "chord symbols")
    elif sign == "-" and voice.last is not None:
        tie(voice, voice.last[0])
    elif sign == "(" and len(voice.opened) < 20:
        voice.drawn += 1
        voice.opened.append(voice.drawn)
    elif sign == ")" and voice.slurs and voice.last is not None:
        for note in voice.last[0][:1]:
            SubElement(SubElement(note, "notations"), "slur", type="stop", number=str(voice.slurs.pop()))
    elif sign == "&":
        step = SubElement(voice.bar, "backup")
        SubElement(step, "duration").text = repr(float(voice.place * DIVISIONS))
        voice.place, voice.overlay = Fraction(0), voice.overlay + 1
        voice.accidentals.clear()
    elif sign and sign not in "-()uv" and not say_sign(voice, sign):
        _leave_out(tune, "decorations")


def _leave_out(tune: _Tune, what: str) -> None:
    tune.left_out[what] = tune.left_out.get(what, 0) + 1


def _length(voice: Voice, text: str) -> Fraction:
    """Quarters of a length such as "3", "/", "3/2" or "//"."""
    over, slashes, under = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    divisor = max(int(under), 1) if under else 1 << len(slashes)
    return voice.unit * int(over or 1) / divisor


def _note(tune: _Tune, found: dict[str, str], column: int) -> None:
    voice = tune.voice
    tune.notes += 1
    if tune.notes > MAX_NOTES:
        raise ScoreError(f"{tune.name}: more than {MAX_NOTES} notes; split it")
    note = Element("note", id=f"L{tune.line}C{column}")
    if tune.grace is not None:
        SubElement(note, "grace", slash="yes" if tune.grace else "no")
    pitch_of(voice, found.get("alter"), found["letter"], found["octave"], note)
    length = _length(voice, found["length"])
    if tune.chord is not None:
        tune.chord.append((note, length, bool(found["tie"])))
        return
    _place(tune, [note], length)
    if found["tie"]:
        tie(voice, [note])


def _place(tune: _Tune, notes: list[Element], length: Fraction) -> None:
    """Write notes of one place with the signs that wait for them."""
    voice = tune.voice
    if tune.grace is not None:
        for number, note in enumerate(notes):
            note.set("overlay", str(voice.overlay))
            if number:
                SubElement(note, "chord")
            voice.bar.append(note)
        return
    notations = SubElement(notes[0], "notations")
    for sign in voice.signs[:20]:
        outer, _, inner = sign.partition("/")
        for note in notes if outer == "arpeggiate" else notes[:1]:
            made = SubElement(notations if note is notes[0] else SubElement(note, "notations"), outer)
            if inner:
                SubElement(made, inner)
    for number in voice.opened:
        SubElement(notations, "slur", type="start", number=str(number))
    voice.slurs += voice.opened
    voice.opened.clear()
    voice.signs.clear()
    voice.add(notes, length)


def _end_chord(tune: _Tune, found: dict[str, str]) -> None:
    """The end of a chord: it lasts as long as its first note, times what stands behind it."""
    chord, tune.chord = tune.chord, None
    if not chord:
        return
    times = _length(tune.voice, found["chords"]) / tune.voice.unit
    _place(tune, [note for note, _, _ in chord], chord[0][1] * times)
    tie(tune.voice, [note for note, _, tied in chord if tied or found["ties"]])


def _rest(voice: Voice, sign: str, text: str) -> None:
    length = _length(voice, text)
    count = 1
    if sign in "ZX":
        count = min(int(length / voice.unit), MAX_BARS)
        length = Fraction(4 * voice.metre[0], voice.metre[1]) if voice.metre else Fraction(4)
    for number in range(count):
        if number:
            voice.close()
        rest = Element("note")
        SubElement(rest, "rest")
        voice.add([rest], length)
        if len(voice.bars) > MAX_BARS:
            return


def _tuplet(voice: Voice, found: dict[str, str]) -> None:
    number = int(found["tuplet"])
    beats = voice.metre[0] if voice.metre else 4
    compound = beats % 3 == 0 and beats > 3
    time = int(found.get("time") or 0) or IN_TIME.get(number, 3 if compound else 2)
    voice.tuplet = (Fraction(time, number), int(found.get("count") or 0) or number)


def _bar(voice: Voice, sign: str) -> None:
    """A bar line, with the repeats that begin or end at it."""
    before = len(sign) - len(sign.lstrip(".:"))
    back = before > 0 and ":" in sign[:before]
    ends = back or "]" in sign or "||" in sign
    voice.close()
    if back and voice.bars:
        line = SubElement(voice.bars[-1][0], "barline", location="right")
        SubElement(line, "repeat", direction="backward", times=str(1 + sign[:before].count(":")))
        if "|" not in sign:  # "::" is one sign for both
            line[0].set("times", "2")
    if ends:
        _end_ending(voice)
    if sign.endswith(":") and (not back or "|" in sign or len(sign) > 1):
        SubElement(SubElement(voice.bar, "barline", location="left"), "repeat", direction="forward")


def _ending(voice: Voice, text: str) -> None:
    voice.close()
    _end_ending(voice)
    turns: set[int] = set()
    for low, high in re.findall(r"(\d{1,2})(?:-(\d{1,2}))?", text):
        turns |= set(range(int(low), int(high or low) + 1))
    voice.ending = ",".join(map(str, sorted(turns)))
    line = SubElement(voice.bar, "barline", location="left")
    SubElement(line, "ending", type="start", number=voice.ending)


def _end_ending(voice: Voice) -> None:
    if voice.ending and voice.bars:
        line = SubElement(voice.bars[-1][0], "barline", location="right")
        SubElement(line, "ending", type="stop", number=voice.ending)
        voice.ending = ""


def _parts_of(tune: _Tune) -> list[list[list[str]]]:
    """The voices by part and staff: those that are braced together are one player's."""
    left = list(tune.voices)
    parts = []
    for group in re.findall(r"\{([^}]*)\}", tune.staves):
        staves = []
        for together, single in re.findall(r"\(([^)]*)\)|([^\s|()\[\]]+)", group):
            keys = [key for key in (together or single).split() if key in left]
            left = [key for key in left if key not in keys]
            staves += [keys] if keys else []
        parts += [staves] if staves else []
    return parts + [[[key]] for key in left]


def _document(tune: _Tune) -> Element:
    """The tune as a MusicXML document."""
    root = Element("score-partwise")
    listed = SubElement(root, "part-list")
    for voice in tune.voices.values():
        voice.close()
        _end_ending(voice)
    for number, staves in enumerate(_parts_of(tune), 1):
        told = SubElement(listed, "score-part", id=f"P{number}")
        names = [tune.names[key] for staff in staves for key in staff if key in tune.names]
        SubElement(told, "part-name").text = names[0] if names else ""
        if all(DRUMS.search(tune.clefs.get(key, "")) for staff in staves for key in staff):
            SubElement(SubElement(told, "midi-instrument"), "midi-channel").text = "10"
        part = SubElement(root, "part", id=f"P{number}")
        voices = [(tune.voices[key], staff) for staff, keys in enumerate(staves, 1) for key in keys]
        for bar in range(max(len(voice.bars) for voice, _ in voices)):
            measure = SubElement(part, "measure", number=str(bar + 1))
            _fill(measure, voices, bar, len(staves))
    return root


def _fill(measure: Element, voices: list[tuple[Voice, int]], bar: int, staves: int) -> None:
    """Write a bar of all voices of a part into a measure, one after the other."""
    back: Fraction | None = None
    for index, (voice, staff) in enumerate(voices):
        if bar >= len(voice.bars):
            continue
        content, end = voice.bars[bar]
        if back:
            SubElement(SubElement(measure, "backup"), "duration").text = repr(float(back * DIVISIONS))
        back = end
        for element in content:
            if element.tag == "note":
                SubElement(element, "voice").text = str(index + 1 + 100 * int(element.get("overlay", "0")) % 9000)
                SubElement(element, "staff").text = str(staff)
            if element.tag == "attributes" and staves > 1:
                SubElement(element, "staves").text = str(staves)
            if element.tag != "barline" or index == 0:
                measure.append(element)
