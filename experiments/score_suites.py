"""Are kern, MEI and MusicXML scores read right? Notes against libraries that read them with code of their own.

    pip install "pianist_jax[referee]"
    python -m experiments.score_suites FOLDER [--referee verovio|music21] [--explicit] [--keep FOLDER] [--all]

Reads every score below a folder, each bar of the page once, and compares the pitch and place of every notehead with
Verovio's (6.4.1) or music21's (10.5.1, MEI and kern by converter21 4.0.1), in a process of its own, note by note by
their ids, and the pitches struck, ties joined, ornaments as signs, with Verovio's MIDI. Its notes behind grace notes
and of arpeggios, which it moves, may lie elsewhere within `SPREAD`. A third referee needs no library: bars as long as
their metre.

Result, MusicXML (166 files of LilyPond's test suite): no crash; 20 have no pitch in them and are refused in a line. Of
the 146 read 140 are equal to music21's in every head, 122 to Verovio's in heads and MIDI; of those 24 that differ from
the latter music21 has the heads of 20. One was ours: ties that are only drawn (33k), read as ties since. Left are, for
music21:

    01d, 01f  quarter tones, for which a piano has no key: each goes to the neighbour that is even
    02e       a note of a bar that is counted twice there; Verovio has it once, as here
    03f       a <forward> at the end of a bar, which fills it, as the file says of itself; there the bar is shorter
    11h       a rest of a whole bar without a metre: by its duration, as the file says; there 4 quarters, for Verovio 0
    21f       directions between the notes of a chord: one chord, as for Verovio; there three notes in turn

Result, kern (77 scores: Joplin, Mozart, Beethoven, first editions of Chopin):

    77 read; 76 equal to Verovio's in every head, the last (sonata07-3) to music21's: one of its notes lies, for Verovio
    alone, later than the other hand's of its line; 670 small notes of other players (013-1a, "Clar.") are left out
    67 equal in every note struck; in none do more than 0.5% differ
    36 of 11701 bars are not as long as their metre: pick-ups, last bars, cadenzas

Of what is struck 1 to 7 notes differ: ties from voice to voice that the referee loses (sonata10-1, 11-2, 21-1, 001-1),
octave signs that its MIDI applies elsewhere than its own pitches (046-1), ties with one end (054-1, 065-1), one that
leads into a second ending (elite); in 013-1a the ties of the notes left out. music21 has every head of ten of these.

Result, MEI (62 complete examples of the sample encodings, MEI 5.1). Both referees take no key signature into account
where `accid.ges` is not written, spaces without `dur` for quarters, no tuplets that attributes or tupletSpans show, and
no movement in parts; as the files are, 42 have every head as one of the two has it. With these written out for them
(`--explicit`, mei_explicit.py), and without what is silent here (drums, cues) and notes that say no octave:

    62 read; 58 equal to Verovio's in every head, two more (Chopin's study: octave lines, and his mazurka: a grace note
       without a pitch) to music21's: 60
    1  a flat that holds on in its bar and staff, for the referees not: Brahms's song (1 head of 226)
    1  an octave line that says no side, for the referees nowhere: Ravel (8 of 4365; for Verovio another line, too)

    51 equal in every note struck; in Rimsky-Korsakov's quartet 24 of 664 differ (ties that name places and no notes,
    which the referee does not join), in none of the others more than 3, but for Ravel's octave line

Of the two that are like neither referee's, the guidelines and the music side with what is read here:

    Brahms, bar 4: `accid.ges` "records the performed pitch inflection" and may be absent. This document writes it for
        the signature; the one note that only an accidental before it in the bar alters has none. B3 is flat by a
        written sign on the fourth quaver, and on the eighth, in the same staff, has no sign: flat still.
    Ravel, bar 217: an <octave> says "that a passage should be performed one or more octaves above or below its written
        pitch", `dis.place` on which side. It is missing: the line may lead up or down, but not nowhere, as for both
        referees. Down: bar 218 repeats the left hand's notes without the line, and the right hand is there an octave
        higher. The reader takes the side that leads away from the middle C.

In Chopin's mazurka bars lack half a beat, which spaces without `dur` must fill ("so that the combined duration of the
events equals the number of beats in the measure"); how long each is, nothing says. Equal shares are a choice, for the
referees' copies as here; what is sure is that the bar is full, and the note behind both spaces on its second beat.

An octave line from a note to itself is that note's alone: `endid` is "the final element in a sequence of events to
which the feature applies", and `oct.ges`, "performed octave information that differs from the written value", is its
own note's. C5 with `oct.ges="6"` under such a line and D5 behind it are C6 and D5, not D6, for both referees, too.

In Hummel's prelude No. 11, bar 6, two are wrong here: sharps hold on in a glissando of small notes where the document's
own `accid.ges` speak for naturals. In Krebs's trio in E flat the referee strikes a tied note behind a small one.

A third check is in the reader itself: voices of unequal length are named among a score's problems. It fires in none of
the 165 files of LilyPond's MusicXML suite, in 1 of 77 in kern, and in MEI in 16 of 62, where files lack notes or tuplet
signs (Chopin's mazurka, bar 2: a triplet of 16ths and 2.5 of 3 quarters; Haydn's quartet, bar 6: 2.5 of 3).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

from experiments.mei_explicit import explicit
from pianist_jax.errors import PianistError
from pianist_jax.score.files import KERN, parse_xml, unpack_mxl
from pianist_jax.score.load import read_written
from pianist_jax.score.marks import deal_out
from pianist_jax.score.mei_tree import Tree
from pianist_jax.score.musicxml import read_musicxml
from pianist_jax.score.ornaments import OrnamentStyle
from pianist_jax.score.played import play
from pianist_jax.score.reading import Reading
from pianist_jax.score.repeats import Jumps
from pianist_jax.score.written import Mark, Written, WrittenNote, bar_starts

SECONDS = 900  # for the referee and one file
EXACT = 0.002  # quarters
SPREAD = 2.1  # quarters by which the referee moves notes behind grace notes and of arpeggios
SEVERE = 0.01  # share of notes

VEROVIO = """
import base64, io, json, sys, mido, verovio
verovio.enableLog(verovio.LOG_OFF)
toolkit = verovio.toolkit()
toolkit.setOptions({"expandNever": True, "transposeToSoundingPitch": True})
notes, struck = [], []
if toolkit.loadFile(sys.argv[1]):
    for event in toolkit.renderToTimemap({}):
        for key in event.get("on", []):
            notes.append((key, toolkit.getMIDIValuesForElement(key)["pitch"], event["qstamp"]))
    midi = mido.MidiFile(file=io.BytesIO(base64.b64decode(toolkit.renderToMIDI())))
    struck = [m.note for track in midi.tracks for m in track if m.type == "note_on" and m.velocity]
print(json.dumps((notes, struck)))
"""
MUSIC21 = """
import json, sys, warnings
warnings.simplefilter("ignore")
import converter21, music21
# converter21 4.0.1 calls by its old name what music21 10.5 has made public.
music21.metadata.Metadata._convertValue = lambda self, *what: music21.metadata.Metadata.convertValue(*what)
converter21.register()
score = music21.converter.parse(sys.argv[1], forceSource=True)
notes = []
for work in score.scores if isinstance(score, music21.stream.Opus) else [score]:
    work.toSoundingPitch(inPlace=True)
    for one in work.recurse().getElementsByClass(music21.note.NotRest):
        if not one.duration.isGrace and not isinstance(one, music21.harmony.Harmony):
            place = float(one.getOffsetInHierarchy(work))
            heads = one.notes if isinstance(one, music21.chord.Chord) else [one]
            notes += [(str(head.id), head.pitch.midi, place) for head in heads if hasattr(head, "pitch")]
print(json.dumps((notes, None)))
"""
REFEREES = {"verovio": VEROVIO, "music21": MUSIC21}
SILENT = ("cue notes", "percussion notes", "notes without a pitch")
MUSICXML = (".xml", ".musicxml", ".mxl")
SUFFIXES = (".mei", *KERN, *MUSICXML)

Head = tuple[int, float]  # pitch, place in quarters


@dataclass(frozen=True)
class Verdict:
    """One file: its error, or notes that are not the referee's: of the heads on the page, and of those struck."""

    file: str
    error: str = ""
    heads: int = 0
    referee: int = 0
    differ: int = 0
    struck: int = 0
    odd_bars: int = 0
    what: str = ""

    @property
    def wrong(self) -> float:
        """Share of heads that are not the referee's, or of notes struck."""
        return max(self.differ, self.struck) / max(self.heads, self.referee, 1)


def named(path: Path, explicitly: bool = False) -> bytes:
    """The file's content with ids at notes of MEI and MusicXML, so that both sides name each note alike.

    `explicitly`: of MEI, what it leaves to its reader written out (`mei_explicit`).

    Of kern without what the referee gives time that it does not have: rests among grace notes, lines that hold
    nothing. The lines stay, as they name the notes.
    """
    data = path.read_bytes()
    if path.suffix.lower() in KERN:
        lines = data.decode("utf-8", errors="replace").split("\n")
        lines = [re.sub(r"(?<=\t)[^\t*!]*q[^\t]*r[^\t]*|^[^\t*!=]*q[^\t]*r[^\t]*", ".", line) for line in lines]
        lines = [line.replace(".", "!") if re.fullmatch(r"\.(\t\.)*\r?", line) else line for line in lines]
        return "\n".join(lines).encode()
    root = parse_xml(unpack_mxl(data, path.name) if data.startswith(b"PK") else data, path.name)
    if path.suffix.lower() == ".mei":
        Tree(root, path.name)
        if explicitly:
            explicit(root)
    else:
        for count, note in enumerate(root.iter("note")):
            note.set("id", note.get("id", f"head{count}"))
    return ElementTree.tostring(root, encoding="utf-8")


def referee(
    name: str, content: bytes, kept: Path | None = None, who: str = "verovio"
) -> tuple[list[tuple[str, int, float]], list[int] | None]:
    """(id, pitch, place) of all heads, and the pitches struck, ties joined (None: it does not say); in its own process.

    What it answered before is taken from the folder `kept`, where one is given.
    """
    answer = None if kept is None else kept / who / f"{name}.json"
    if answer is not None and answer.exists():
        return json.loads(answer.read_text())
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, name).with_suffix(".musicxml" if name.endswith((".xml", ".mxl")) else Path(name).suffix)
        copy.write_bytes(content)
        command = [sys.executable, "-c", REFEREES[who], str(copy)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    lines = done.stdout.strip().splitlines()
    found = json.loads(lines[-1]) if done.returncode == 0 and lines else ([], [])
    if answer is not None:
        answer.parent.mkdir(parents=True, exist_ok=True)
        answer.write_text(json.dumps(found))
    return found


def heads_of(written: Written, copies: bool = False) -> tuple[dict[str, Head], set[str], set[str]]:
    """Heads on the page by id (no repeats of tremolos, no copies unless `copies`), ids of grace notes, ids that the
    referee may move."""
    starts = bar_starts(bar.length for bar in written.bars)
    names = {note.id for note in written.notes}
    places: defaultdict[tuple[int, float], list[WrittenNote]] = defaultdict(list)
    heads: dict[str, Head] = {}
    for note in written.notes:
        again = re.fullmatch(r"(.+)~\d+" if copies else r"(.+)[.~]\d+", note.id)
        places[note.bar, round(note.offset, 3)].append(note)
        if not note.grace and not (again and again[1] in names):
            heads[note.id] = (note.pitch, starts[note.bar] + note.offset)
    loose = {
        note.id
        for group in places.values()
        if any(note.grace or note.marks & Mark.ARPEGGIO for note in group)
        for note in group
    }
    return heads, {note.id for note in written.notes if note.grace}, loose


def differing(ours: dict[str, Head], theirs: dict[str, Head], loose: set[str]) -> list[str]:
    """Heads that differ, in words: by id where both have it, the rest by pitch and place."""
    found = []
    for key in ours.keys() & theirs.keys():
        (pitch, at), (other, there) = ours[key], theirs[key]
        if pitch != other or abs(at - there) > (SPREAD if key in loose else EXACT):
            found.append((there, f"{key}: {pitch} at {at:.3f}, referee {other} at {there:.3f}"))
    left = Counter((pitch, round(at, 2)) for key, (pitch, at) in ours.items() if key not in theirs)
    right = Counter((pitch, round(at, 2)) for key, (pitch, at) in theirs.items() if key not in ours)
    found += [(at, f"{pitch} at {at:.3f}, not the referee's") for pitch, at in (left - right).elements()]
    found += [(at, f"{pitch} at {at:.3f}, the referee's alone") for pitch, at in (right - left).elements()]
    return [text for _, text in sorted(found)]


def odd_bars(written: Written) -> int:
    """Bars that are not as long as their metre says: a referee that needs no library.

    Pick-ups count, and cadenzas; two bars that are one together, around a repeat sign, do not.
    """
    metre = {sign.bar: 4 * sign.value[0] / sign.value[1] for sign in written.times}
    nominal, odd = 0.0, 0
    lacking = 0.0  # what the last odd bar lacks
    for index, bar in enumerate(written.bars):
        nominal = metre.get(index, nominal)
        short = nominal - bar.length
        if not nominal or abs(short) < EXACT:
            continue
        if lacking and abs(bar.length - lacking) < EXACT:
            odd, lacking = odd - 1, 0.0
        else:
            odd, lacking = odd + 1, max(short, 0.0)
    return odd


def judge(path: Path, kept: Path | None = None, who: str = "verovio", explicitly: bool = False) -> Verdict:
    """Read one file and compare it, every bar of the page once, ornaments as the signs that they are."""
    try:
        content = named(path)
        musicxml = path.suffix.lower() in MUSICXML
        written = read_musicxml(parse_xml(content, path.name), path.name) if musicxml else read_written(path)
        ours, graces, loose = heads_of(written, explicitly)
        odd = odd_bars(written)
        written.orders.clear()
        for bar in written.bars:
            bar.jumps = Jumps()
        deal_out(written)
        score = play(written, Reading(style=OrnamentStyle(played=False)))
    except (PianistError, ValueError) as error:
        return Verdict(path.name, str(error) or type(error).__name__)
    notes, struck = referee(path.name, named(path, True) if explicitly else content, kept, who)
    theirs = {key.removeprefix("note-"): (pitch, at) for key, pitch, at in notes}
    theirs = {key: head for key, head in theirs.items() if key not in graces}
    silent = [key for key in theirs if key not in ours] if path.suffix.lower() not in MUSICXML else []
    silent = silent if len(silent) == sum(written.left_out[kind] for kind in SILENT) else []  # the referee plays them
    silent_pitches = Counter(theirs.pop(key)[0] for key in silent)
    unknown = {key for key, (pitch, _) in theirs.items() if pitch < 0}  # without an octave, for the referee no pitch
    ours, theirs = ({key: head for key, head in each.items() if key not in unknown} for each in (ours, theirs))
    found = differing(ours, theirs, loose)
    mine = Counter(score.notes.pitch.tolist())
    other = mine if struck is None else Counter(struck) - silent_pitches
    ties = max((mine - other).total(), (other - mine).total())
    return Verdict(path.name, "", len(ours), len(theirs), len(found), ties, odd, "; ".join(found[:2]))


def main() -> None:
    """Judge every score below a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--referee", choices=list(REFEREES), default="verovio")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="the referee answers once, and is kept there")
    parser.add_argument(
        "--explicit", action="store_true", help="of MEI, write out for the referee what it cannot derive"
    )
    parser.add_argument("--all", action="store_true", help="show also what is right")
    options = parser.parse_args()
    verdicts = []
    for path in sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        verdict = judge(path, options.keep, options.referee, options.explicit)
        verdicts.append(verdict)
        if options.all or verdict.error or verdict.wrong:
            counts = f"{verdict.heads}/{verdict.referee} heads, {verdict.differ} differ, {verdict.struck} struck"
            counts += f", {verdict.odd_bars} odd bars"
            print(f"{verdict.wrong:6.1%} {path.name}: {verdict.error or counts}  {verdict.what}", flush=True)
    read = [verdict for verdict in verdicts if not verdict.error]
    right = sum(not verdict.wrong for verdict in read)
    severe = sum(verdict.wrong > SEVERE for verdict in read)
    print(f"{sum(verdict.odd_bars for verdict in read)} bars of another length than their metre's")
    print(f"{len(read)} of {len(verdicts)} read, {right} right, {severe} wrong by more than {SEVERE:.0%} of the notes")
    if options.out:
        options.out.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")


if __name__ == "__main__":
    main()
