"""What Humdrum files write between the notes: metre, key, tempo, pedal, sections, dynamics."""

from __future__ import annotations

import re

from pianist_jax.score.directions import ATTACKS, EXTREMES, FASTEST, SLOWEST
from pianist_jax.score.kern_reader import KernReader, Spine
from pianist_jax.score.reader import number
from pianist_jax.score.signs import say_dynamics, say_pedal, say_words
from pianist_jax.score.tempi import middle
from pianist_jax.score.titles import title_of
from pianist_jax.score.written import LEVELS, Sign, Spanner

METRE = re.compile(r"\*M(\d{1,3}(?:\+\d{1,3})*)/(\d{1,4})(?:%(\d{1,4}))?$")
KEY = re.compile(r"\*k\[((?:[a-g][#n-]{0,3})*)\]")
MODE = re.compile(r"\*([A-Ga-g])[#-]?:")
TEMPO_WORD = re.compile(r"\*MM\[(.{1,80})\]$")
TEXT = re.compile(r"!LO:TX(?::[^:\t]*)*?:t=([^:\t]{1,200})")
TEMPO = re.compile(r"\*MM(\d{1,5}(?:\.\d{1,5})?(?:-\d{1,5}(?:\.\d{1,5})?)?)$")
LIST = re.compile(r"\*>\s*(norep)?\s*\[([^\]]*)\]")
LABEL = re.compile(r"\*>([^\[\]]+)$")
MAX_LIST = 1000
HAIRPINS = {"<": 1, ">": -1}
# Instruments as editions name them at cues: "Clar.", "Viol.", "Corni".
OTHERS = re.compile(
    r"\s*(?:[iv1-4]+\.?\s+)?(?:viol|v(?:l|ln|la|c)\.|cell|bass[io]\b|contrab|c\.?b\.|arch|flau|fl(?:\.|ute|öte)|pic+\.|ob(?:\.|oe)|clar"
    r"|cl\.|klar|fag|bassoon|cor(?:\.|n[io]|s\b)|horn|tromb|trb\.|trp\.|tpt\.|trump|trombe|timp|tymp|pauk|orch|quart|tutti)",
    re.IGNORECASE,
)
GLYPHS = {"whole": "𝅝", "half": "𝅗𝅥", "quarter": "♩", "eighth": "♪", "16th": "𝅘𝅥𝅯", "sixteenth": "𝅘𝅥𝅯"}
GLYPH = re.compile(rf"\[({'|'.join(GLYPHS)})((?:-dot){{0,2}})\]")


def interpret(reader: KernReader, spine: Spine, token: str) -> None:
    """One tandem interpretation of one spine."""
    if token.startswith("*>"):
        _sections(reader, token)
    elif not spine.kern:
        return
    elif token.startswith("*M") and (metre := METRE.match(token)):
        name = f"{reader.name}, line {reader.line}"
        beats = sum(number(text, name, 1, 999) for text in metre[1].split("+")[:20])
        beat_type = number(metre[2], name, 1, 128) / number(metre[3] or "1", name, 1, 128)
        reader.nominal = 4 * beats / beat_type
        reader.metre.append(reader.nominal)
        if beat_type >= 1:
            _set_last(reader.written.times, reader, (beats, float(int(beat_type))))
    elif found := TEMPO.match(token):
        rate = middle(found[1]) or 0.0
        if SLOWEST <= rate <= FASTEST:
            _set_last(reader.written.tempos, reader, (rate, 0.0, 0.0))
    elif found := TEMPO_WORD.match(token):
        say_words(reader.say(spine.part), reader.bar, reader.place, 0, _plain(found[1]))
    elif found := KEY.match(token):
        signs = found[1]
        reader.key = (min(max(signs.count("#") - signs.count("-"), -14), 14), False)
        _set_last(reader.written.keys, reader, (reader.key[0], 0.0))
    elif found := MODE.match(token):
        reader.key = (reader.key[0], found[1].islower())
        if reader.written.keys:
            _set_last(reader.written.keys, reader, (reader.key[0], float(reader.key[1])))
    elif token in ("*ped", "*Xped"):
        say_pedal(reader.say(spine.part), reader.bar, reader.place, "start" if token == "*ped" else "stop")
    elif token in ("*cue", "*Xcue"):
        spine.cue = token == "*cue"
        spine.others &= spine.cue
        spine.cue_begins = reader.now
    elif found := re.match(r"\*staff(\d{1,2})$", token):
        spine.staff = int(found[1])


def _set_last(signs: list[Sign], reader: KernReader, value: tuple[float, ...]) -> None:
    """Add a sign that changes something; one at the same place takes the place of the one before."""
    if signs and (signs[-1].bar, signs[-1].offset) == (reader.bar, reader.place):
        signs.pop()
    if not signs or signs[-1].value != value:
        signs.append(Sign(reader.bar, reader.place, value))


def _sections(reader: KernReader, token: str) -> None:
    """The order in which sections are played (with repeats, or without: "norep"), or the name of one that begins."""
    if found := LIST.match(token):
        names = [name.strip() for name in found[2].split(",") if name.strip()]
        if names and len(names) <= MAX_LIST:
            reader.lists.setdefault(found[1] is None, names)
    elif found := LABEL.match(token):
        reader.label = found[1].strip()[:100]


def say_title(reader: KernReader, line: str) -> None:
    """The title of a reference record (!!!OTL: Prelude), the first one."""
    found = re.match(r"!!!OTL\d*(?:@@?\w+)?:\s*(.{1,500})", line)
    if found and not reader.written.title:
        reader.written.title = title_of(found[1])


def say_omd(reader: KernReader, line: str) -> None:
    """The tempo words of a reference record (!!!OMD: Allegro)."""
    found = re.match(r"!!!OMD\d*(?:@@?\w+)?:\s*(.{1,200})", line)
    if found:
        say_words(reader.say(0), reader.bar, reader.place, 0, _plain(found[1]))


def say_texts(reader: KernReader, line: str) -> None:
    """Words that the layout puts on the page (!LO:TX:a:t=D.C. al Fine), once each: tempo, form, "cresc."."""
    for text in dict.fromkeys(TEXT.findall(line)):
        say_words(reader.say(0), reader.bar, reader.place, 0, _plain(text.replace("&colon;", ":")))


def silence_cues(reader: KernReader, comments: list[str]) -> None:
    """Cues at whose beginning words name an instrument of others are theirs, and silent; small cadenzas are played."""
    for named, comment in zip(reader.spines, comments, strict=True):
        if any(OTHERS.match(_plain(text)) for text in TEXT.findall(comment)):
            for spine in reader.spines:
                begins = spine is named or spine.cue_begins == reader.now
                spine.others |= spine.cue and spine.part == named.part and begins


def _plain(text: str) -> str:
    """Words without what lays them out, names of note values ("[quarter-dot]") as their signs."""
    signs = GLYPH.sub(lambda found: GLYPHS[found[1]] + "." * len(re.findall("dot", found[2])), text)
    return re.sub(r"\[.*?\]|<.*?>", "", signs).strip()


def read_dynam(reader: KernReader, spine: Spine, token: str) -> None:
    """A token of a **dynam spine: dynamic marks, and hairpins from "<" to "[" or ">" to "]"."""
    say, here = reader.say(spine.part), (reader.bar, reader.place)
    for text in token.split():
        mark = re.sub(r"[^a-z]", "", text)
        if EXTREMES.get(mark, mark) in LEVELS or mark in ATTACKS:
            say_dynamics(say, *here, 0, mark)
        if re.search(r"[\[\]]", text) and spine.part in reader.hairpins:
            bar, offset, kind = reader.hairpins.pop(spine.part)
            if (bar, offset) < here:
                reader.written.hairpins.append(Spanner((bar, offset), here, spine.part, kind=kind))
        for sign, kind in HAIRPINS.items():
            if sign in text:
                reader.hairpins[spine.part] = (*here, kind)
