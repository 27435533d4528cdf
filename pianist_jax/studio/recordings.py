"""Recordings that somebody has played of a score: MIDI files in NAME.recordings/, heard and seen beside the takes."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from pianist_jax.music.notes import Notes
from pianist_jax.rendering.extras import read_recording
from pianist_jax.rendering.hashes import content_hash
from pianist_jax.score.files import MIDI
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.studio.view import take_view
from pianist_jax.studio.workspace import safe_name

KEY = "recording "  # begins the keys of recordings among the takes
COLUMNS = ("onset", "duration", "velocity")


def recordings_of(stem: Path) -> dict[str, Path]:
    """The recordings of the score at `stem` by their keys."""
    folder = _folder(stem)
    if folder.is_symlink() or not folder.is_dir():
        return {}
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in MIDI and not path.is_symlink()]
    return {f"{KEY}{path.name}": path for path in found}


def recordings_told(stem: Path) -> list[dict[str, Any]]:
    """What the page is told of each."""
    return [
        {"key": key, "label": path.stem, "told": "your recording", "current": False, "version": path.stat().st_mtime_ns}
        for key, path in recordings_of(stem).items()
    ]


def add_recording(stem: Path, score: Notes, file_name: str, trial: Path, content: bytes) -> str:
    """Keep a recording of a score, looked at first in the folder `trial`; gives its key.

    Raises PianistError, and keeps nothing, where it is none of the score.
    """
    name, suffix = safe_name(file_name)
    if suffix not in MIDI:
        raise PianistError(f"{name}{suffix}: a recording is a MIDI file; give one of {', '.join(MIDI)}")
    path = trial / f"{name}{suffix}"
    path.write_bytes(content)
    read_recording(path, score)
    replace_file(_folder(stem) / path.name, content, make_folder=True)
    return f"{KEY}{path.name}"


def recording_view(grid: ScoreGrid, score: Notes, path: Path) -> tuple[dict[str, Any], Notes]:
    """What `take_view` tells, null for notes of the score that were not played; and all notes that were."""
    played, match = read_recording(path, score)
    kept = np.flatnonzero(match >= 0)
    own, part = _some(score, kept), _some(played, match[kept])
    places = dataclasses.replace(
        grid, onset=grid.onset[kept], duration=grid.duration[kept], part=grid.part[kept], ids=()
    )
    view = take_view(places, own, part)
    for name in COLUMNS:
        whole: list[int | None] = [None] * len(score)
        for number, value in zip(kept.tolist(), view[name], strict=True):
            whole[number] = value
        view[name] = whole
    return {**view, "end": int(played.end.max()), "sound": content_hash(played)}, played


def _some(notes: Notes, numbers: np.ndarray) -> Notes:
    columns = {name: getattr(notes, name)[numbers] for name in ("pitch", *COLUMNS)}
    return dataclasses.replace(notes, **columns)


def _folder(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.recordings")
