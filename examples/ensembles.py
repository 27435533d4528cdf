"""Ten small scores of several players, public-domain tunes arranged by rule: `python -m examples.ensembles FOLDER`.

A tune is a bar to a line in the notation of `pieces.py`, with a chord or two for each bar. What each part plays follows
from these: the tune, an octave off or some bars later (a canon), a tone of the chord, its root, or a pianist's chords.
"""

import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from examples.notation import UNITS_PER_CROTCHET, Event, midi_pitch, parse_voice

TYPES = {1: "16th", 2: "eighth", 3: "eighth", 4: "quarter", 6: "quarter", 8: "half", 12: "half", 16: "whole"}
DOTTED = (3, 6, 12)
SHARP = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLAT = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
KINDS = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10)}
KIND_NAMES = {"": "major", "m": "minor", "7": "dominant"}

Bar = list[tuple[int, int, tuple[int, ...]]]  # (start, length in semiquavers, pitches; none: a rest) in order


@dataclass(frozen=True)
class Tune:
    """A melody with its chords, a bar a line; `fifths` sharps (below 0: flats), `tempo` in crotchets a minute."""

    title: str
    composer: str
    fifths: int
    time: tuple[int, int]
    tempo: int
    melody: str
    chords: str

    @property
    def units(self) -> int:
        """Semiquavers of a bar."""
        return self.time[0] * UNITS_PER_CROTCHET * 4 // self.time[1]

    @property
    def bars(self) -> list[tuple[str, tuple[str, ...]]]:
        """The tune and the chords of each bar."""
        lines = zip(self.melody.strip().splitlines(), self.chords.strip().splitlines(), strict=True)
        return [(tune, tuple(chords.split())) for tune, chords in lines]


@dataclass(frozen=True)
class Player:
    """A part: what it is called, what it sounds as (MusicXML) and which MIDI program (from 1), and what it plays.

    `plays` is tune, tone (the `degree`-th of the chord), root or piano; `shift` in octaves, `late` in bars.
    """

    name: str
    sound: str
    program: int
    plays: str = "tune"
    shift: int = 0
    late: int = 0
    degree: int = 1


@dataclass(frozen=True)
class Score:
    """A tune and who plays it; `symbols`: the chords stand above the first part and are played by nobody."""

    name: str
    tune: Tune
    players: tuple[Player, ...]
    symbols: bool = False


LULLABY = Tune(
    "Wiegenlied",
    "Johannes Brahms",
    -1,
    (3, 4),
    76,
    """
r:2 A4:8 A4
C5:4. A4:8 A4:4
C5:2 A4:8 C5
F5:4 E5 D5
D5:4 C5 G4:8 A4
Bb4:4 G4 G4:8 A4
Bb4:2 G4:8 Bb4
E5:8 D5 C5:4 E5
F5:2.
""",
    "F\nF\nF\nF\nC7\nC7\nC7\nC7\nF",
)
ODE = Tune(
    "An die Freude",
    "Ludwig van Beethoven",
    2,
    (4, 4),
    112,
    """
F#5:4 F#5 G5 A5
A5:4 G5 F#5 E5
D5:4 D5 E5 F#5
F#5:4. E5:8 E5:2
F#5:4 F#5 G5 A5
A5:4 G5 F#5 E5
D5:4 D5 E5 F#5
E5:4. D5:8 D5:2
""",
    "D\nA7\nD\nA\nD\nA7\nD\nA7 D",
)
GRACE = Tune(
    "New Britain",
    "traditional",
    1,
    (3, 4),
    80,
    """
r:2 D4:4
G4:2 B4:8 G4
B4:2 A4:4
G4:2 E4:4
D4:2 D4:4
G4:2 B4:8 G4
B4:2 A4:4
D5:2.
G4:2.
""",
    "G\nG\nG\nC\nG\nG\nD7\nD7\nG",
)
MOON = Tune(
    "Au clair de la lune",
    "traditional",
    0,
    (4, 4),
    96,
    """
C5:4 C5 C5 D5
E5:2 D5
C5:4 E5 D5 D5
C5:1
D5:4 D5 D5 D5
A4:2 A4
D5:4 C5 B4 A4
G4:1
""",
    "C\nC G\nC G7\nC\nG\nF\nD7\nG",
)
BROTHER = Tune(
    "Frère Jacques",
    "traditional",
    0,
    (4, 4),
    104,
    """
C5:4 D5 E5 C5
C5:4 D5 E5 C5
E5:4 F5 G5:2
E5:4 F5 G5:2
G5:8 A5 G5 F5 E5:4 C5
G5:8 A5 G5 F5 E5:4 C5
C5:4 G4 C5:2
C5:4 G4 C5:2
""",
    "C\nC\nC\nC\nC\nC\nC\nC",
)
HYMN = Tune(
    "Gott erhalte",
    "Joseph Haydn",
    1,
    (4, 4),
    88,
    """
G4:4. A4:8 B4:4 A4
C5:4 B4 A4:8 F#4 G4:4
E5:4 D5 C5 B4
A4:4 B4:8 G4 D5:2
G4:4. A4:8 B4:4 A4
C5:4 B4 A4:8 F#4 G4:4
E5:4 D5 C5 B4
A4:4 B4:8 G4 D5:2
""",
    "G D\nC D7\nC G\nD7 G\nG D\nC D7\nC G\nD7 G",
)
SLEEVES = Tune(
    "Greensleeves",
    "traditional",
    0,
    (3, 4),
    100,
    """
r:2 A4:4
C5:2 D5:4
E5:4. F5:8 E5:4
D5:2 B4:4
G4:4. A4:8 B4:4
C5:2 A4:4
A4:4. G#4:8 A4:4
B4:2 G#4:4
E4:2.
""",
    "Am\nAm\nAm\nG\nG\nAm\nAm\nE\nE",
)
HUNDREDTH = Tune(
    "Old Hundredth",
    "Loys Bourgeois",
    1,
    (4, 4),
    72,
    """
G4:4 G4 F#4 E4
D4:4 G4 A4 B4
B4:4 B4 B4 A4
G4:4 C5 B4 A4
G4:4 A4 B4 A4
G4:4 E4 F#4 G4
D5:4 B4 G4 A4
C5:4 B4 A4 G4
""",
    "G D\nG D\nG D\nG D\nG D\nC D\nG D\nC G",
)
MINUET = Tune(
    "Menuett",
    "Christian Petzold",
    1,
    (3, 4),
    116,
    """
D5:4 G4:8 A4 B4 C5
D5:4 G4 G4
E5:4 C5:8 D5 E5 F#5
G5:4 G4 G4
C5:4 D5:8 C5 B4 A4
B4:4 C5:8 B4 A4 G4
F#4:4 G4:8 A4 B4 G4
A4:2.
""",
    "G\nG\nC\nG\nD7\nG\nD7\nD",
)
SAINTS = Tune(
    "When the Saints",
    "traditional",
    -1,
    (4, 4),
    168,
    """
r:4 F4 A4 Bb4
C5:1
r:4 F4 A4 Bb4
C5:1
r:4 F4 A4 Bb4
C5:2 A4
F4:2 A4
G4:1
""",
    "F\nF\nF\nF\nF\nF\nF\nC7",
)

PIANO = Player("Piano", "keyboard.piano.grand", 1, "piano")
VIOLIN = Player("Violin", "strings.violin", 41)
CELLO = Player("Violoncello", "strings.cello", 43, "tune", -1)
SCORES = (
    Score("song", LULLABY, (Player("Voice", "voice.soprano", 53), PIANO)),
    Score("violin-piano", ODE, (VIOLIN, PIANO)),
    Score("cello-piano", GRACE, (CELLO, PIANO)),
    Score("four-hands", MOON, (
        Player("Primo", "keyboard.piano.grand", 1, "tune", 1), Player("Secondo", "keyboard.piano.grand", 1, "piano"),
    )),
    Score("two-pianos", BROTHER, (
        Player("Piano I", "keyboard.piano.grand", 1, "duet"),
        Player("Piano II", "keyboard.piano.grand", 1, "duet", -1, 2),
    )),
    Score("quartet", HYMN, (
        Player("Violin I", "strings.violin", 41), Player("Violin II", "strings.violin", 41, "tone", 0, 0, 2),
        Player("Viola", "strings.viola", 42, "tone", -1, 0, 1),
        Player("Violoncello", "strings.cello", 43, "root", -1),
    )),
    Score("trio", SLEEVES, (VIOLIN, Player("Violoncello", "strings.cello", 43, "tone", -1, 0, 2), PIANO)),
    Score("choir", HUNDREDTH, (
        Player("Soprano", "voice.soprano", 53), Player("Alto", "voice.alto", 53, "tone", 0, 0, 2),
        Player("Tenor", "voice.tenor", 53, "tone", -1, 0, 1), Player("Bass", "voice.bass", 53, "root", -1), PIANO,
    )),
    Score("orchestra", MINUET, (
        Player("Flute", "wind.flutes.flute", 74, "tune", 1), Player("Oboe", "wind.reed.oboe", 69),
        Player("Clarinet", "wind.reed.clarinet", 72, "tone", 0, 0, 1),
        Player("Bassoon", "wind.reed.bassoon", 71, "root", -1),
        Player("Horn", "brass.french-horn", 61, "tone", -1, 0, 2), Player("Violin I", "strings.violin", 41),
        Player("Violin II", "strings.violin", 41, "tone", 0, 0, 2), Player("Viola", "strings.viola", 42, "tone", -1),
        Player("Violoncello", "strings.cello", 43, "root", -1),
        Player("Double Bass", "strings.contrabass", 44, "root", -2),
    )),
    Score("lead-sheet", SAINTS, (Player("Lead", "wind.reed.saxophone.tenor", 67),), symbols=True),
)  # fmt: skip


def notes_of_chord(name: str) -> tuple[int, tuple[int, ...]]:
    """The root of a chord (semitones above C) and its tones above that."""
    size = 2 if len(name) > 1 and name[1] in "#b" else 1
    return midi_pitch(f"{name[:size]}4") - 60, KINDS[name[size:]]


def part_bars(tune: Tune, player: Player) -> list[list[Bar]]:
    """What each staff of a part plays in each bar, the upper one first."""
    bars = tune.bars
    if player.plays == "piano":
        return [[_chords(tune, chords, right=right) for _, chords in bars] for right in (True, False)]
    own = [_own(tune, player, number) for number in range(len(bars))]
    if player.plays == "duet":
        return [own, [_chords(tune, chords, right=False) for _, chords in bars]]
    return [own]


def _own(tune: Tune, player: Player, number: int) -> Bar:
    if player.plays in ("tune", "duet"):
        if number < player.late:
            return [(0, tune.units, ())]
        return [_sounding(event, player.shift) for event in parse_voice(tune.bars[number - player.late][0])]
    chords = tune.bars[number][1]
    found: Bar = []
    for at, name in enumerate(chords):
        root, tones = notes_of_chord(name)
        tone = 0 if player.plays == "root" else tones[player.degree % len(tones)]
        length = tune.units // len(chords)
        found.append((at * length, length, (60 + (root + tone) % 12 + 12 * player.shift,)))
    return found


def _sounding(event: Event, shift: int) -> tuple[int, int, tuple[int, ...]]:
    pitches = tuple(midi_pitch(name) + 12 * shift for name in event.pitches) if event.kind == "notes" else ()
    return event.start, event.length, pitches


def _chords(tune: Tune, chords: tuple[str, ...], *, right: bool) -> Bar:
    """A pianist's bar: the root below, the chord above on every beat but the first."""
    found: Bar = []
    length = tune.units // len(chords)
    for at, name in enumerate(chords):
        root, tones = notes_of_chord(name)
        if not right:
            found.append((at * length, length, (36 + root,)))
            continue
        found.append((at * length, UNITS_PER_CROTCHET, ()))
        above = tuple(sorted(55 + (root + tone - 7) % 12 for tone in tones))
        found += [(at * length + step, UNITS_PER_CROTCHET, above) for step in range(UNITS_PER_CROTCHET, length, 4)]
    return found


def musicxml(score: Score) -> str:
    """The score as MusicXML."""
    root = ET.Element("score-partwise", version="4.0")
    ET.SubElement(ET.SubElement(root, "work"), "work-title").text = score.tune.title
    ET.SubElement(ET.SubElement(root, "identification"), "creator", type="composer").text = score.tune.composer
    listed = ET.SubElement(root, "part-list")
    for number, player in enumerate(score.players, 1):
        told = ET.SubElement(listed, "score-part", id=f"P{number}")
        ET.SubElement(told, "part-name").text = player.name
        instrument = ET.SubElement(told, "score-instrument", id=f"P{number}-I1")
        ET.SubElement(instrument, "instrument-name").text = player.name
        ET.SubElement(instrument, "instrument-sound").text = player.sound
        midi = ET.SubElement(told, "midi-instrument", id=f"P{number}-I1")
        ET.SubElement(midi, "midi-program").text = str(player.program)
    for number, player in enumerate(score.players, 1):
        staves = part_bars(score.tune, player)
        part = ET.SubElement(root, "part", id=f"P{number}")
        for bar in range(len(score.tune.bars)):
            measure = ET.SubElement(part, "measure", number=str(bar + 1))
            _write_bar(measure, score, number == 1, [staff[bar] for staff in staves], bar)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _write_bar(measure: ET.Element, score: Score, first: bool, staves: list[Bar], bar: int) -> None:
    tune, last = score.tune, len(score.tune.bars) - 1
    if bar == 0:
        _write_head(measure, tune, len(staves))
        _direction(measure, "dynamics", "mp")
        if first:
            ET.SubElement(measure, "sound", tempo=str(tune.tempo))
    if bar == last // 2:
        _direction(measure, "wedge", "crescendo")
    if bar == last // 2 + 2:
        _direction(measure, "wedge", "stop")
        _direction(measure, "dynamics", "f")
    if score.symbols and first:
        for name in tune.bars[bar][1]:
            _harmony(measure, name)
    for staff, events in enumerate(staves, 1):
        if staff > 1:
            ET.SubElement(ET.SubElement(measure, "backup"), "duration").text = str(tune.units)
        for _, length, pitches in events:
            _write_chord(measure, length, pitches, staff if len(staves) > 1 else 0, tune.fifths)


def _write_head(measure: ET.Element, tune: Tune, staves: int) -> None:
    head = ET.SubElement(measure, "attributes")
    ET.SubElement(head, "divisions").text = str(UNITS_PER_CROTCHET)
    ET.SubElement(ET.SubElement(head, "key"), "fifths").text = str(tune.fifths)
    time = ET.SubElement(head, "time")
    ET.SubElement(time, "beats").text, ET.SubElement(time, "beat-type").text = map(str, tune.time)
    if staves > 1:
        ET.SubElement(head, "staves").text = str(staves)


def _direction(measure: ET.Element, kind: str, what: str) -> None:
    place = ET.SubElement(ET.SubElement(measure, "direction"), "direction-type")
    if kind == "wedge":
        ET.SubElement(place, "wedge", type=what)
    else:
        ET.SubElement(ET.SubElement(place, "dynamics"), what)


def _harmony(measure: ET.Element, name: str) -> None:
    harmony, size = ET.SubElement(measure, "harmony"), 2 if len(name) > 1 and name[1] in "#b" else 1
    root = ET.SubElement(harmony, "root")
    ET.SubElement(root, "root-step").text = name[0]
    if size == 2:
        ET.SubElement(root, "root-alter").text = str({"#": 1, "b": -1}[name[1]])
    ET.SubElement(harmony, "kind").text = KIND_NAMES[name[size:]]


def _write_chord(measure: ET.Element, length: int, pitches: tuple[int, ...], staff: int, fifths: int) -> None:
    names = FLAT if fifths < 0 else SHARP
    for number, pitch in enumerate(pitches or (None,)):
        note = ET.SubElement(measure, "note")
        if number:
            ET.SubElement(note, "chord")
        if pitch is None:
            ET.SubElement(note, "rest")
        else:
            place, name = ET.SubElement(note, "pitch"), names[pitch % 12]
            ET.SubElement(place, "step").text = name[0]
            if len(name) > 1:
                ET.SubElement(place, "alter").text = str({"#": 1, "b": -1}[name[1]])
            ET.SubElement(place, "octave").text = str(pitch // 12 - 1)
        ET.SubElement(note, "duration").text = str(length)
        ET.SubElement(note, "voice").text = str(max(staff, 1))
        ET.SubElement(note, "type").text = TYPES[length]
        if length in DOTTED:
            ET.SubElement(note, "dot")
        if staff:
            ET.SubElement(note, "staff").text = str(staff)


def write_all(folder: Path) -> list[Path]:
    """Write all ten as NAME.musicxml; the folder is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{score.name}.musicxml" for score in SCORES]
    for path, score in zip(paths, SCORES, strict=True):
        path.write_text(musicxml(score), encoding="utf-8")
    return paths


if __name__ == "__main__":
    for path in write_all(Path(sys.argv[1])):
        print(path)
