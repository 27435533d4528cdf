"""The parts beside the pianist's in NAME.json: as written, since they follow the pianist's time wherever that goes."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.rendering.hashes import json_hash
from pianist_jax.score.ensemble import OtherPart
from pianist_jax.score.grid import ScoreGrid

MAX_TICK = 1 << 40


def others_told(others: Sequence[OtherPart], grid: ScoreGrid | None) -> list[dict[str, Any]]:
    """What is told of each part: name, program, and of each note what is told of the pianist's, as written."""
    return [
        {"name": other.name, "program": other.program, "notes": _lines(other, grid)}
        for other in others
        if grid is not None
    ]


def _lines(other: OtherPart, grid: ScoreGrid) -> list[dict[str, Any]]:
    bars, lines = grid.bar_of(other.onset).round(3).tolist(), []
    columns = (other.notes.onset, other.notes.duration, other.notes.velocity, other.onset, other.duration)
    told = ("onset", "duration", "velocity", "tick", "ticks")
    for n, values in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        named = {"id": other.ids[n]} if other.ids else {}
        line = {"bar": bars[n], "pitch": int(other.notes.pitch[n]), "score": dict(zip(told, values, strict=True))}
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
    """What tells these parts from others."""
    columns = [
        [o.name, o.program, *(getattr(o.notes, key).tolist() for key in ("pitch", "onset", "duration", "velocity")),
         o.onset.tolist(), o.duration.tolist(), list(o.ids)] for o in others
    ]  # fmt: skip
    return json_hash(columns)


def others_of(told: list[Any]) -> tuple[OtherPart, ...]:
    """The parts that a JSON file tells of. Raises TypeError, KeyError, ValueError and the like for what are none."""
    return tuple(_other(part) for part in told)


def _other(part: dict[str, Any]) -> OtherPart:
    keys = ("onset", "duration", "velocity", "tick", "ticks")
    table = np.array([[line["pitch"], *(line["score"][key] for key in keys)] for line in part["notes"]])
    pitch, onset, duration, velocity, tick, ticks = table.T
    if not (isinstance(part["name"], str) and type(part["program"]) is int and 0 <= part["program"] < 128):
        raise TypeError("a part of odd name or program")
    if table.dtype != np.int64 or table.min() < 0 or table[:, 4:].max() > MAX_TICK:
        raise ValueError("a part of odd notes")
    ids = tuple(str(line["id"]) for line in part["notes"] if "id" in line)
    notes = Notes(pitch, onset, duration, velocity, np.zeros(0, np.int64), np.zeros(0, np.int64))
    return OtherPart(part["name"], part["program"], notes, tick, ticks, ids)
