"""The parts beside the pianist's in NAME.json: as written, since they follow the pianist's time wherever that goes.

What they then play is told, too, and not read back; how somebody of his own plays a part is (`score.together.Playing`).
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.music.part import Part
from pianist_jax.performance.ensemble import together
from pianist_jax.rendering.hashes import json_hash
from pianist_jax.score.ensemble import OtherPart, with_others
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.together import Playing

if TYPE_CHECKING:
    from pianist_jax.rendering.result import Rendering

MAX_TICK = 1 << 40
MOST_MS = 24 * 3600 * 1000
PLAYED = ("shift", "length", "velocity")


def as_track(other: OtherPart) -> Part:
    """A part that sounds as a track of a MIDI file."""
    return Part(other.name, other.notes, other.program, other.curve, other.controller)


def tracks_with(rendering: "Rendering", sample: int) -> list[Part]:
    """The parts that sound with a performance."""
    return [as_track(other) for other in rendering.others_with(rendering.performances[sample], sample)]


def pictured_with(rendering: "Rendering", sample: int) -> tuple[ScoreGrid, Notes]:
    """What a picture shows of a performance: all that sounds, where it is written, and as loud as it is.

    Other parts have keys of their own (`performance.ensemble.together`). Raises ValueError for notes without bars.
    """
    grid, notes = rendering.grid, rendering.performances[sample]
    if grid is None:
        raise ValueError("a picture needs bars")
    others = [_as_loud(other) for other in rendering.others_with(notes, sample)]
    whole, sounding = with_others(grid, others), together(notes, others)
    if not rendering.conducted:
        return whole, sounding
    kept, first = np.flatnonzero(whole.part >= len(grid.part_names)), len(grid.part_names)
    shown = dataclasses.replace(
        whole,
        onset=whole.onset[kept],
        duration=whole.duration[kept],
        part=whole.part[kept] - first,
        part_names=whole.part_names[first:],
        programs=whole.programs[first:],
    )
    pitch, onset, duration, velocity = (
        column[kept] for column in (sounding.pitch, sounding.onset, sounding.duration, sounding.velocity)
    )
    empty = np.zeros(0, np.int64)
    return shown, Notes(pitch, onset, duration, velocity, empty, empty)


def _as_loud(other: OtherPart) -> OtherPart:
    """A part whose velocities are how loud its notes begin, with what its curve makes of them."""
    if not len(other.curve):
        return other
    place = np.maximum(np.searchsorted(other.curve[:, 0], other.notes.onset, side="right") - 1, 0)
    loud = np.rint(other.notes.velocity * other.curve[place, 1] / 127)
    return dataclasses.replace(other, notes=dataclasses.replace(other.notes, velocity=np.maximum(loud, 1).astype(int)))


def others_told(rendering: "Rendering") -> list[dict[str, Any]]:
    """What is told of each part: name, program, and of each note what is told of the pianist's, as written.

    Of an ensemble also what it plays in each performance.
    """
    if rendering.grid is None or not rendering.others:
        return []
    told = [_told(other, rendering.grid) for other in rendering.others]
    if not rendering.ensemble.shaped:
        return told
    for sample, notes in enumerate(rendering.performances):
        for part, sounds in zip(told, rendering.others_with(notes, sample), strict=True):
            columns = (sounds.notes.onset, sounds.notes.duration, sounds.notes.velocity)
            for line, values in zip(part["notes"], zip(*map(np.ndarray.tolist, columns), strict=True), strict=True):
                line.setdefault("performed", []).append(
                    dict(zip(("onset", "duration", "velocity"), values, strict=True))
                )
    return [{"body": _body(part["notes"]), **part} for part in told]


def _body(lines: Sequence[dict[str, Any]]) -> str:
    return json_hash([line["performed"] for line in lines])


def _told(other: OtherPart, grid: ScoreGrid) -> dict[str, Any]:
    told: dict[str, Any] = {"name": other.name, "program": other.program}
    if len(other.loudness):
        told["loudness"] = other.loudness.tolist()
    if other.playing:
        told["exact"] = other.playing[0].exact
        told["pedal"] = [[own.pedal_time.tolist(), own.pedal_value.tolist()] for own in other.playing]
    return {**told, "notes": _lines(other, grid)}


def _lines(other: OtherPart, grid: ScoreGrid) -> list[dict[str, Any]]:
    bars, lines = grid.bar_of(other.onset).round(3).tolist(), []
    columns = (other.notes.onset, other.notes.duration, other.notes.velocity, other.onset, other.duration)
    told = ("onset", "duration", "velocity", "tick", "ticks")
    for n, values in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        named = {"id": other.ids[n]} if other.ids else {}
        score = dict(zip(told, values, strict=True)) | ({"marks": int(other.marks[n])} if len(other.marks) else {})
        own = [[getattr(one, name)[n].item() for name in PLAYED] for one in other.playing]
        line = {"bar": bars[n], "pitch": int(other.notes.pitch[n]), "score": score, **({"played": own} if own else {})}
        lines.append({**named, **line})
    return lines


def others_text(told: Sequence[dict[str, Any]]) -> str:
    """JSON of that, a line for each note, as the end of an object: nothing where there is no part."""
    parts = []
    for part in told:
        head = json.dumps({key: value for key, value in part.items() if key != "notes"})[:-1]
        notes = ",\n".join(f"   {json.dumps(line)}" for line in part["notes"])
        parts.append(f'  {head}, "notes": [\n{notes}\n  ]}}')
    return ',\n "others": [\n' + ",\n".join(parts) + "\n ]" if parts else ""


def others_hash(others: Sequence[OtherPart]) -> str:
    """What tells these parts, as written, from others."""
    columns = [
        [o.name, o.program, *(getattr(o.notes, key).tolist() for key in ("pitch", "onset", "duration", "velocity")),
         o.onset.tolist(), o.duration.tolist(), list(o.ids),
         *([o.marks.tolist()] if len(o.marks) else []), *([o.loudness.tolist()] if len(o.loudness) else [])]
        for o in others
    ]  # fmt: skip
    return json_hash(columns)


def others_of(told: list[Any]) -> tuple[OtherPart, ...]:
    """The parts that a JSON file tells of. Raises TypeError, KeyError, ValueError and the like for what are none."""
    return tuple(_other(part) for part in told)


def _other(part: dict[str, Any]) -> OtherPart:
    keys, lines = ("onset", "duration", "velocity", "tick", "ticks"), part["notes"]
    table = np.array([[line["pitch"], *(line["score"][key] for key in keys)] for line in lines])
    pitch, onset, duration, velocity, tick, ticks = table.T
    if not (isinstance(part["name"], str) and type(part["program"]) is int and 0 <= part["program"] < 128):
        raise TypeError("a part of odd name or program")
    if table.dtype != np.int64 or table.min() < 0 or table[:, 4:].max() > MAX_TICK:
        raise ValueError("a part of odd notes")
    if "body" in part and part["body"] != _body(lines):
        raise ValueError("what other parts play was edited")
    ids = tuple(str(line["id"]) for line in lines if "id" in line)
    marks = np.array([line["score"]["marks"] for line in lines if "marks" in line["score"]], np.uint32)
    loudness = np.array(part.get("loudness", []), np.float64).reshape(-1, 3)
    if len(marks) not in (0, len(lines)) or not np.isfinite(loudness).all() or (np.diff(loudness[:, 0]) <= 0).any():
        raise ValueError("a part of odd marks")
    notes = Notes(pitch, onset, duration, velocity, np.zeros(0, np.int64), np.zeros(0, np.int64))
    playing = tuple(_playing(part, sample) for sample in range(len(part.get("pedal", ()))))
    return OtherPart(part["name"], part["program"], notes, tick, ticks, ids, marks, loudness, playing=playing)


def _playing(part: dict[str, Any], sample: int) -> Playing:
    """How somebody plays a part in a performance. Raises ValueError and the like for what nobody can play."""
    table = np.array([line["played"][sample] for line in part["notes"]], np.float64)
    time, value = (np.array(each, dtype) for each, dtype in zip(part["pedal"][sample], (float, np.int64), strict=True))
    shift, length, velocity = table.T
    sane = np.isfinite(table).all() and np.isfinite(time).all() and (np.abs(shift) <= MOST_MS).all()
    sane = sane and (length > 0).all() and (length <= MOST_MS).all() and ((velocity >= 1) & (velocity <= 127)).all()
    if not sane or len(time) != len(value) or ((value < 0) | (value > 127)).any() or (np.diff(time) < 0).any():
        raise ValueError("a part that is played oddly")
    return Playing(shift, length, velocity.astype(np.int64), time, value, bool(part["exact"]))
