"""Ten small scores of several players, public-domain tunes arranged by rule: `python -m examples.ensembles FOLDER`.

What each part plays follows from a tune and its chords (`tunes.py`): the tune, an octave off or some bars later (a
canon), a tone of the chord, its root, or a pianist's chords.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from examples.notation import UNITS_PER_CROTCHET, Event, midi_pitch, parse_voice
from examples.tunes import SCORES, Player, Score, Tune

TYPES = {1: "16th", 2: "eighth", 3: "eighth", 4: "quarter", 6: "quarter", 8: "half", 12: "half", 16: "whole"}
DOTTED = (3, 6, 12)
SHARP = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLAT = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
KINDS = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10)}
KIND_NAMES = {"": "major", "m": "minor", "7": "dominant"}

Bar = list[tuple[int, int, tuple[int, ...]]]  # (start, length in semiquavers, pitches; none: a rest) in order


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
