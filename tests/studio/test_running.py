"""`pianist studio` from its start to Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.studio.desks import EXAMPLES

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "pianist_jax.cli", "studio", "--no-browser"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
PATIENCE = 300  # s, on a busy machine


@pytest.mark.slow
def test_a_studio_opens_on_a_score_and_ends_at_ctrl_c(tmp_path):
    score = EXAMPLES / "chopin-prelude-op28-20.musicxml"
    arguments = [str(score), "-o", str(tmp_path / "work")]
    with subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as studio:
        assert studio.stdout is not None
        told = re.search(r"(http://127\.0\.0\.1:\d+/[\w-]{20,}/)#(\S+)", studio.stdout.readline())
        assert told is not None
        assert told[2] == score.stem
        with urllib.request.urlopen(told[1]) as answer:
            assert b"Pianist studio" in answer.read()
        studio.send_signal(signal.SIGINT)  # in the midst of loading the model
        assert studio.wait(PATIENCE) == 0
    assert [path.name for path in (tmp_path / "work").iterdir()] == [score.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["missing.mid"], "missing.mid: cannot be read"),
        (["notes.txt"], "notes.txt: not a score format"),
        (["broken.mid"], "broken.mid: "),
    ],
)
def test_what_is_no_score_is_told_of_in_a_line(tmp_path, arguments, problem):
    (tmp_path / "notes.txt").write_text("la la")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    done = subprocess.run(
        [*COMMAND, *arguments], env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"pianist: {problem}")
    assert done.stderr.count("\n") == 1
