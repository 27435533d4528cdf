"""A score file as it is performed: its notes and where they stand."""

from __future__ import annotations

import os
from pathlib import Path

from pianist_jax.files import printable
from pianist_jax.music.notes import Notes
from pianist_jax.score.grid import NOTATION, ScoreGrid, grid_of_score, grid_of_tracks
from pianist_jax.score.load import read_score
from pianist_jax.score.midi_parts import read_midi_parts


def read_input(path: str | os.PathLike[str], part: str | None = None) -> tuple[Notes, ScoreGrid]:
    """Notes and grid of a score file: notation by its suffix, anything else as MIDI.

    `part`: who is played, by name or number; else who plays a keyboard. Raises PianistError.
    """
    if Path(os.fsdecode(path)).suffix.lower() in NOTATION:
        score = read_score(path, part=part)
        return score.notes, grid_of_score(score)
    read = read_midi_parts(path, part)
    left_out = (f"left out: {what}" for what in read.left_out)
    remarks = (*read.readings, *read.problems, *left_out)
    return read.notes, grid_of_tracks(printable(path), read.file, read.notes, remarks)
