"""The notebooks: they run from their first cell to the last, and hold what they gave."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
LARGEST = 400_000  # bytes, their pictures included


def test_there_are_two():
    assert [path.stem for path in NOTEBOOKS] == ["evaluate", "listen"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed_was_run_in_order_and_is_small(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert outputs
    assert path.stat().st_size < LARGEST


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run(path, tmp_path):
    for score in EXAMPLES.glob("*-*.m*"):
        shutil.copy(score, tmp_path)
    notebook = tmp_path / path.name
    shutil.copy(path, notebook)
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "XLA_FLAGS": ""}
    command = [sys.executable, "-m", "jupyter", "execute", "--inplace", "--timeout=1500", notebook.name]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    before, after = (nbformat.read(file, as_version=4).cells for file in (path, notebook))
    assert [bool(cell.get("outputs")) for cell in after] == [bool(cell.get("outputs")) for cell in before]
