"""Scores as other systems write them: with the line ends of Windows, and in folders with long paths."""

from pathlib import Path

import numpy as np
import pytest

from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.score.load import load
from tests.rendering.models import made_up_score

DATA = Path(__file__).parents[1] / "data"
SCORES = [*sorted((DATA / "scores").iterdir()), *sorted((DATA / "fuzz" / "seeds").glob("signs.*"))]


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.name)
def test_line_ends_of_windows_change_nothing(tmp_path, path):
    content = path.read_bytes()
    assert b"\r" not in content
    other = tmp_path / path.name
    other.write_bytes(content.replace(b"\n", b"\r\n"))
    plain, read = load(path), load(other)
    assert read.notes.pitch.size > 4
    for column in ("pitch", "onset", "duration", "velocity"):
        np.testing.assert_array_equal(getattr(plain.notes, column), getattr(read.notes, column))
    assert read.remarks == plain.remarks
    assert read.bars == plain.bars


def test_files_far_down_are_read_and_written(tmp_path):
    """Paths of more than the 260 characters that Windows once allowed."""
    path = tmp_path / "/".join(["a folder of a collection"] * 20) / "score.mid"
    assert len(str(path)) > 400
    path.parent.mkdir(parents=True)
    write_midi(path, made_up_score(12))
    np.testing.assert_array_equal(read_midi(path).pitch, made_up_score(12).pitch)
