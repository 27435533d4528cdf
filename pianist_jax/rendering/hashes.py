"""What tells notes, grids and files of a rendering from others."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes

if TYPE_CHECKING:
    from pianist_jax.score.grid import ScoreGrid


def content_hash(notes: Notes) -> str:
    """A hash of all that `notes` hold."""
    content = hashlib.sha256()
    for field in dataclasses.fields(notes):
        column = np.ascontiguousarray(getattr(notes, field.name), "<i8")
        content.update(f"{field.name} {len(column)} ".encode() + column.tobytes())
    return content.hexdigest()


def grid_hash(grid: "ScoreGrid") -> str:
    """A hash of all that a score's grid says."""
    columns = [column.tolist() for column in (grid.onset, grid.duration, grid.part)]
    signs = [*grid.time_signatures, *grid.key_signatures, *map(tuple, grid.tempi)]
    return hashlib.sha256(repr((grid.ticks_per_quarter, columns, grid.part_names, signs)).encode()).hexdigest()


def file_hash(path: Path, hint: str = "check that it is there and may be read") -> str:
    """SHA-256 of a file. Raises PianistError, with a hint at what to do, where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PianistError(f"{path}: cannot be read ({error.strerror}); {hint}") from error


def json_hash(value: Any) -> str:
    """A hash of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sample_key(seed: int, content: str, sample: int) -> np.ndarray:
    """Key data uint32 [2] of one performance: it follows from seed, score and sample number alone."""
    digest = hashlib.sha256(f"{seed} {content} {sample}".encode()).digest()
    return np.frombuffer(digest[:8], ">u4").astype(np.uint32)
