"""A page to send: performances to be heard and seen in one file, which opens from disk anywhere and loads nothing.

`player.js` and `player.css` are what every page of this package plays sound with.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.audio import AudioFormat, Piano, audio_bytes, plainly
from pianist_jax.music.notes import Notes
from pianist_jax.music.part import Part
from pianist_jax.performance.parameters import TimeMap, chords_of, time_map
from pianist_jax.score.grid import ScoreGrid

FOLDER = Path(__file__).parent
NOBODY = Notes(*[np.zeros(0, np.int64)] * 6)
TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}


@dataclass(frozen=True, eq=False)
class Track:
    """A performance and what it is called; its notes correspond to those of the score.

    `company` are parts that are heard with it; where it is not `alone` heard too, they alone are.
    """

    name: str
    notes: Notes
    company: Sequence[Part] = ()
    alone: bool = True


def player_page(title: str, takes: Sequence[Track], score: Notes, grid: ScoreGrid | None, piano: Piano) -> str:
    """The page: sound, piano roll, velocities, pedal, and with a `grid` bars and tempo; the same for the same takes."""
    content = {"title": title, "takes": [_take(take, score, grid, piano) for take in takes]}
    if grid is not None:
        content["hands"] = grid.part.tolist()
    plain = dict.fromkeys(part.name for take in takes for part in plainly(take.company))
    others = f" From a plain synthesiser: {html.escape(', '.join(plain))}." if plain else ""
    return fill("page.html", TITLE=html.escape(title), PIANO=credit(piano) + others, DATA=script_json(content))


def credit(piano: Piano) -> str:
    """Whose piano is heard: its licence wants it to be said."""
    return "Piano: synthetic." if piano.remark else "Piano: Salamander Grand by Alexander Holm, CC BY 3.0."


def fill(name: str, folder: Path = FOLDER, **values: str) -> str:
    """A page with the player in it: `__PLAYER__`, `__STYLE__` and what is given take the places of their names."""
    page = (folder / name).read_text(encoding="utf-8")
    values |= {
        key: (FOLDER / file).read_text("utf-8") for key, file in (("PLAYER", "player.js"), ("STYLE", "player.css"))
    }
    return re.sub("__([A-Z]+)__", lambda found: values[found[1]], page)


def script_json(content: Any) -> str:
    """JSON that may stand in a `script` element."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def sound(notes: Notes, piano: Piano, company: Sequence[Part] = ()) -> dict[str, str]:
    """A performance for the player: MP3, or WAV where that cannot be written."""
    kind = "mp3" if find_spec("soundfile") else "wav"
    made = audio_bytes(notes, AudioFormat(kind, 44_100), piano, company)
    return {"type": TYPES[kind], "data": base64.b64encode(made).decode("ascii")}


def _take(take: Track, score: Notes, grid: ScoreGrid | None, piano: Piano) -> dict[str, Any]:
    """What the page shows of a performance, times in ms."""
    notes, chords = take.notes, chords_of(score)
    mapped = time_map(chords, notes.onset)
    rows = np.stack([notes.onset, notes.duration, notes.pitch, notes.velocity])
    return {
        "name": take.name,
        "sound": sound(notes if take.alone else NOBODY, piano, take.company),
        "notes": rows.tolist(),
        "pedal": [notes.pedal_time.tolist(), notes.pedal_value.tolist()],
        "places": np.rint(np.maximum.accumulate(mapped.to_performed(chords.onset))).astype(int).tolist(),
        **({} if grid is None else _metre(mapped, score, grid)),
    }


def _metre(mapped: TimeMap, score: Notes, grid: ScoreGrid) -> dict[str, Any]:
    """When each bar begins, and the tempo of every beat: its middle, and quarters a minute."""
    order = np.argsort(grid.onset, kind="stable")
    ticks, first = np.unique(grid.onset[order], return_index=True)

    def performed(wanted: np.ndarray) -> np.ndarray:
        within = wanted[(wanted >= ticks[0]) & (wanted <= ticks[-1])]
        return mapped.to_performed(np.interp(within, ticks, score.onset[order][first]))

    beats = grid.beats()
    inside = beats[(beats >= ticks[0]) & (beats <= ticks[-1])]
    time = performed(beats)
    length = np.maximum(np.diff(time), 1.0)
    tempo = 60_000 * np.diff(inside) / grid.ticks_per_quarter / length
    bars = grid.bars()[:-1]
    numbers = np.flatnonzero((bars >= ticks[0]) & (bars <= ticks[-1])) + 1
    return {
        "bars": [numbers.tolist(), np.rint(performed(bars)).astype(int).tolist()],
        "tempo": [np.rint((time[1:] + time[:-1]) / 2).astype(int).tolist(), np.round(tempo, 1).tolist()],
    }
