"""MusicXML written in a line or two, for the tests of score input. Divisions: 24 a quarter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pianist_jax.score.load import Score, load
from pianist_jax.score.ornaments import PLAIN, OrnamentStyle
from pianist_jax.score.reading import Reading

TYPES = {96: "whole", 48: "half", 24: "quarter", 12: "eighth", 6: "16th"}


def note(
    pitch: str | None,
    length: int,
    *,
    staff: int = 1,
    voice: int = 1,
    inside: str = "",
    notations: str = "",
    attributes: str = "",
    grace: bool = False,
    chord: bool = False,
) -> str:
    """A note like C4, F#5 or Bb3, or a rest (None); `inside` goes before the voice (ties, cue)."""
    if pitch is None:
        what = "<rest/>"
    else:
        alter = {"#": "<alter>1</alter>", "b": "<alter>-1</alter>"}.get(pitch[1:-1], "")
        what = f"<pitch><step>{pitch[0]}</step>{alter}<octave>{pitch[-1]}</octave></pitch>"
    return (
        f"<note {attributes}>{'<grace/>' if grace else ''}{'<chord/>' if chord else ''}{what}"
        f"{'' if grace else f'<duration>{length}</duration>'}{inside}<voice>{voice}</voice>"
        f"<type>{TYPES.get(length, 'eighth')}</type><staff>{staff}</staff>"
        f"{f'<notations>{notations}</notations>' if notations else ''}</note>"
    )


def backup(length: int) -> str:
    return f"<backup><duration>{length}</duration></backup>"


def direction(kind: str, *, sound: str = "", staff: int = 1, offset: str = "") -> str:
    return (
        f"<direction><direction-type>{kind}</direction-type>{offset}<staff>{staff}</staff>"
        f"{f'<sound {sound}/>' if sound else ''}</direction>"
    )


def attributes(beats: int = 4, beat_type: int = 4, fifths: int = 0, mode: str = "major", more: str = "") -> str:
    return (
        f"<attributes><divisions>24</divisions><key><fifths>{fifths}</fifths><mode>{mode}</mode></key>"
        f"<time><beats>{beats}</beats><beat-type>{beat_type}</beat-type></time><staves>2</staves>{more}</attributes>"
    )


def barline(repeat: str = "", ending: str = "", kind: str = "start", times: int = 0) -> str:
    more = f' times="{times}"' if times else ""
    return (
        f'<barline location="{"left" if kind == "start" else "right"}">'
        f"{f'<ending number={ending!r} type={kind!r}/>' if ending else ''}"
        f"{f'<repeat direction={repeat!r}{more}/>' if repeat else ''}</barline>"
    )


def score_xml(*measures: str, first: int = 1, head: str = "") -> str:
    """One part of these measures, numbered from `first`."""
    bars = "".join(f'<measure number="{number}">{content}</measure>' for number, content in enumerate(measures, first))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<score-partwise version="4.0"><part-list>'
        f'<score-part id="P1"><part-name>Piano</part-name></score-part></part-list>'
        f'<part id="P1">{bars}</part></score-partwise>'
    )


def read(
    tmp_path: Path,
    text: str | bytes,
    name: str = "score.musicxml",
    *,
    repeats: bool = True,
    style: OrnamentStyle = PLAIN,
) -> Score:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path, Reading(repeats=repeats, style=style))


def rows(score: Score) -> list[tuple[int, float, float]]:
    """(pitch, onset, duration) in quarters."""
    columns = (score.notes.pitch, np.round(score.onset, 6), np.round(score.duration, 6))
    return list(zip(*(column.tolist() for column in columns), strict=True))
