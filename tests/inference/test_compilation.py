"""Programs that are kept whole: found again, made anew where they are damaged, not kept where there is no folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from pianist_jax.inference.compilation import kept_program

SHAPE = jax.ShapeDtypeStruct((3,), np.float32)
GIVEN = np.arange(3, dtype=np.float32)


@pytest.fixture
def made() -> list[float]:
    """By how much the programs add that were made."""
    return []


@pytest.fixture
def program(made: list[float]) -> Callable[[Path | None, str, float], Any]:
    """What the program of a folder and an identity, which adds a number, gives back."""

    def call(folder: Path | None, identity: str, more: float) -> Any:
        def make() -> Callable[..., Any]:
            made.append(more)
            return jax.jit(lambda tree: {"sum": tree["x"] + np.float32(more)}).lower({"x": SHAPE}).compile()

        return kept_program(folder, identity, make)({"x": GIVEN})["sum"]

    return call


def test_a_program_is_made_once(tmp_path: Path, program: Callable, made: list[float]) -> None:
    for more in (1.0, 2.0):  # the second is not asked for
        np.testing.assert_array_equal(program(tmp_path, "one", more), GIVEN + 1)
    np.testing.assert_array_equal(program(tmp_path, "other", 2.0), GIVEN + 2)
    assert made == [1.0, 2.0]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_program_is_made_anew(tmp_path: Path, program: Callable, made: list[float]) -> None:
    program(tmp_path, "one", 1.0)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(program(tmp_path, "one", 2.0), GIVEN + 2)
    np.testing.assert_array_equal(program(tmp_path, "one", 3.0), GIVEN + 2)
    assert made == [1.0, 2.0]


def test_nothing_is_kept_without_a_folder(program: Callable, made: list[float]) -> None:
    for more in (1.0, 2.0):
        np.testing.assert_array_equal(program(None, "one", more), GIVEN + more)
    assert made == [1.0, 2.0]
