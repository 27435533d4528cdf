"""A corpus small enough to train on in a test."""

from pathlib import Path

import pytest

from pianist_jax.data.export import export_pairs
from tests.data_room.made_shards import make_pairs_folder


@pytest.fixture
def made_parts(tmp_path: Path) -> Path:
    """A folder of exported pairs of both splits."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    make_pairs_folder(folder)
    export_pairs([folder / "train.array_record", folder / "validation.array_record"], tmp_path / "parts")
    return tmp_path / "parts"
