"""Made-up scores of several players, in MusicXML: a song, and what else comes to a pianist who is not alone."""

from __future__ import annotations

from pathlib import Path

from tests.score.xml_text import attributes, backup, barline, direction, note

HEAD = attributes().replace("<staves>2</staves>", "")
TRILL = "<ornaments><trill-mark/></ornaments>"
SOFT = direction("<dynamics><p/></dynamics>")
REST = note(None, 96)


def score_of(path: Path, **parts: tuple[str, list[str]]) -> Path:
    """A score of parts: what each <score-part> says beside its name, and its bars; `_` in a name is a space."""
    told, bars = "", ""
    for number, (name, (more, own)) in enumerate(parts.items(), 1):
        told += f'<score-part id="P{number}"><part-name>{name.replace("_", " ")}</part-name>{more}</score-part>'
        inside = "".join(f'<measure number="{bar}">{text}</measure>' for bar, text in enumerate(own, 1))
        bars += f'<part id="P{number}">{inside}</part>'
    path.write_text(f"<score-partwise><part-list>{told}</part-list>{bars}</score-partwise>")
    return path


def instrument(sound: str = "", program: int = 0, channel: int = 1) -> str:
    told = f"<score-instrument><instrument-name/><instrument-sound>{sound}</instrument-sound></score-instrument>"
    number = f"<midi-program>{program}</midi-program>" if program else ""
    return f"{told}<midi-instrument><midi-channel>{channel}</midi-channel>{number}</midi-instrument>"


def melody(*pitches: str) -> str:
    return "".join(note(pitch, 24) for pitch in pitches)


def piano_bars() -> list[str]:
    """Bars 2 and 3 are repeated; nothing in 1, 5, 6 and 8."""
    chords = note("C4", 48) + note("E4", 48, chord=True) + note("F4", 48)
    bass = backup(96) + note("C3", 96, staff=2, voice=2)
    end = note("C4", 96) + note("G4", 96, chord=True) + backup(96) + note("C2", 96, staff=2, voice=2)
    head = attributes()
    repeated = [barline("forward") + chords + bass, chords + bass + barline("backward", kind="stop")]
    return [head + REST, *repeated, chords + bass, REST, REST, end, REST]


def voice_bars() -> list[str]:
    """An upbeat, the piano's own C4 at its time, a trill, a melody over its rests, and a bar after its end."""
    scale = melody("C4", "D4", "E4", "F4")
    return [
        HEAD + SOFT + note(None, 72) + note("G4", 24),
        barline("forward") + note("C4", 48) + note("A4", 48, notations=TRILL),
        scale + barline("backward", kind="stop"),
        *[scale] * 5,
    ]


def song(path: Path) -> Path:
    """Voice, piano and a drum."""
    drum = [HEAD + note("C4", 96), *[note("C4", 96)] * 7]
    parts = {"Soprano": ("", voice_bars()), "Piano": ("", piano_bars()), "Drumset": (instrument(channel=10), drum)}
    return score_of(path, **parts)


def duet(path: Path) -> Path:
    """Two pianists at one piano."""
    return score_of(path, Primo_Piano=("", piano_bars()), Secondo_Piano=("", piano_bars()))
