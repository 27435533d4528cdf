"""The parts that sound beside the pianist's: who plays them, and where their notes stand in the score."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes, normalise, survivors
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.together import Playing

PIANO = "Piano"  # what the pianist's track is called
MOST_CHANNELS = 15  # of a MIDI file, without that of drums
MOST_PARTS = 200  # beside the pianist's


@dataclasses.dataclass(frozen=True, eq=False)
class OtherPart:
    """A part beside the pianist's: what it is called, its General MIDI program (0-127), its N notes.

    `notes` are normalised; ms, on the score's time line where they are as written, and then without pedal. `onset` and
    `duration` int64[N] are in ticks of the score's grid. `ids` name each note where the file does. `marks` uint32[N]
    are `Mark` flags (none where the file has none), `loudness` what the page says between notes (`score.loudness`).
    `pianist`: it is for a pianist; `playing` is how somebody plays it in each performance, where that does not follow
    from the first pianist's.
    `curve` int64[P, 2] are ms and values of the `controller` with which a part that sounds swells within its notes.
    """

    name: str
    program: int
    notes: Notes
    onset: np.ndarray
    duration: np.ndarray
    ids: tuple[str, ...] = ()
    marks: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.uint32))
    loudness: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 3)))
    pianist: bool = False
    playing: tuple[Playing, ...] = ()
    curve: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 2), np.int64))
    controller: int = 0


def other_part(
    name: str,
    program: int | None,
    raw: Notes,
    ticks: tuple[np.ndarray, np.ndarray],
    ids: Sequence[str] = (),
    marks: np.ndarray | None = None,
) -> OtherPart:
    """A part of raw notes [M] that begin at, and last, so many `ticks` int64[M] (a piano's, where `program` is None).

    What its own pedal does is left out.
    """
    kept, (notes, _) = survivors(raw), normalise(raw)
    bare = Notes(notes.pitch, notes.onset, notes.duration, notes.velocity, [], [])  # type: ignore[arg-type]
    onset, duration = (column[kept].astype(np.int64) for column in ticks)
    named = tuple(ids[index] for index in kept.tolist()) if ids else ()
    part = OtherPart(name, program or 0, bare, np.maximum(onset, 0), np.maximum(duration, 1), named)
    return part if marks is None else dataclasses.replace(part, marks=marks[kept].astype(np.uint32))


def named_apart(others: Sequence[OtherPart], pianist: Sequence[str], score: str) -> tuple[OtherPart, ...]:
    """The parts under names that neither another one nor a track of the `pianist` has.

    Raises PianistError, which names the `score`, for more parts than can sound together.
    """
    if len(others) > MOST_PARTS:
        raise PianistError(
            f"{score}: more than {MOST_PARTS} parts beside the pianist's; leave the accompanied ones out"
        )
    taken = {name.casefold() for name in (PIANO, *pianist)}
    found = []
    for other in others:
        name, number = other.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{other.name} {number}"
        taken.add(name.casefold())
        found.append(dataclasses.replace(other, name=name))
    return tuple(found)


def remarks_on(others: Sequence[OtherPart], unknown: Sequence[str], pianist: Sequence[str]) -> tuple[str, ...]:
    """What is to be told of other parts: of which names (`unknown`) no instrument is known, shared channels."""
    lines = [f"{', '.join(unknown)}: no such instrument is known; sounds as a piano"] if unknown else []
    if others and len(pianist) + len(others) > MOST_CHANNELS:
        lines.append(f"more parts than MIDI has channels ({MOST_CHANNELS}): parts of one instrument share one")
    return tuple(lines)


def with_others(grid: ScoreGrid, others: Sequence[OtherPart]) -> ScoreGrid:
    """The grid of all notes, the pianist's first."""
    if not others:
        return grid
    first = len(grid.part_names)
    return dataclasses.replace(
        grid,
        onset=np.concatenate([grid.onset, *(other.onset for other in others)]),
        duration=np.concatenate([grid.duration, *(other.duration for other in others)]),
        part=np.concatenate([grid.part, *(np.full(len(o.notes), first + k) for k, o in enumerate(others))]),
        part_names=(*grid.part_names, *(other.name for other in others)),
        programs=(*[0] * first, *(other.program for other in others)),
        ids=(),
    )
