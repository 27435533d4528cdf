"""Who is at a score: one process of several, and another where that one is gone."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pianist_jax.errors import PianistError
from pianist_jax.rendering import claims
from pianist_jax.rendering.claims import Claims, claim_path, clear_stale
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.takes import keep_take, switch_to
from tests.rendering.renderings import made_up_rendering


def of_another(stem, pid, host=None, age=0.0):
    path = claim_path(stem)
    path.write_text(json.dumps({"host": host or socket.gethostname(), "pid": pid, "token": "x"}))
    os.utime(path, (time.time() - age, time.time() - age))


@pytest.fixture
def gone():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def test_a_score_is_claimed_once(tmp_path):
    stem, mine = tmp_path / "deep" / "a", Claims()
    assert mine.take(stem)
    assert mine.take(stem)
    assert claim_path(stem).exists()
    mine.release(stem)
    mine.release(stem)
    assert not claim_path(stem).exists()


def test_what_somebody_alive_is_at_is_left_alone(tmp_path):
    stem, mine = tmp_path / "a", Claims()
    of_another(stem, os.getppid())
    assert not mine.take(stem)
    clear_stale(stem)
    mine.release_all()
    assert claim_path(stem).exists()
    of_another(stem, 1, host="elsewhere", age=claims.STALE / 2)
    assert not mine.take(stem)


def test_a_process_killed_before_it_wrote_its_claim_keeps_nobody_out(tmp_path):
    """The claim is empty then: others wait for a moment whether something will be in it."""
    stem = tmp_path / "a"
    claim_path(stem).touch()
    assert Claims().take(stem)
    assert json.loads(claim_path(stem).read_text())["pid"] == os.getpid()


def test_stale_claims_are_taken_over(tmp_path, gone):
    stem = tmp_path / "a"
    for pid, host, age in ((gone, None, 0), (os.getpid(), None, 0), (1, "elsewhere", 2 * claims.STALE)):
        of_another(stem, pid, host, age)
        mine = Claims()
        assert mine.take(stem)
        assert json.loads(claim_path(stem).read_text())["pid"] == os.getpid()
        mine.release_all()
        assert list(tmp_path.iterdir()) == []
    of_another(stem, gone)
    clear_stale(stem)
    assert list(tmp_path.iterdir()) == []


def test_half_a_claim_may_be_being_written(tmp_path):
    stem, mine = tmp_path / "a", Claims()
    claim_path(stem).write_text("{")
    assert not mine.take(stem)
    os.utime(claim_path(stem), (0, 0))
    assert mine.take(stem)


def test_signs_of_life(tmp_path, monkeypatch):
    stem, mine = tmp_path / "a", Claims()
    mine.take(stem)
    os.utime(claim_path(stem), (0, 0))
    mine.touch()
    assert claim_path(stem).stat().st_mtime == 0
    now = time.monotonic()
    monkeypatch.setattr(claims.time, "monotonic", lambda: now + 100)
    mine.touch()
    assert claim_path(stem).stat().st_mtime > 0


def test_of_many_at_once_one_wins(tmp_path, gone):
    """Three processes reach for a stale claim at one moment."""
    of_another(tmp_path / "a", gone)
    code = (
        "import sys, time; from pathlib import Path; from pianist_jax.rendering.claims import Claims\n"
        "c = Claims(); stem = Path(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "print(c.take(stem), flush=True); sys.stdin.readline()"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    pipe = subprocess.PIPE
    all_of = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) for _ in range(3)]
    for process in all_of:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
    for process in all_of:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    won = [process.stdout.readline().strip() for process in all_of if process.stdout is not None]
    for process in all_of:
        process.communicate("\n")
    assert won.count("True") == 1


def test_where_nothing_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PianistError, match="no folder can be made there"):
        Claims().take(tmp_path / "file" / "a")


@pytest.mark.parametrize("again", [False, True])
def test_a_run_keeps_its_claim_while_a_take_is_written(tmp_path, again):
    """Until it gives it up itself: what is claimed in between would be another's."""
    stem, run = tmp_path / "x", Claims()
    if again:
        keep_take(made_up_rendering(), stem, Extras())
        keep_take(made_up_rendering(seed=1), stem, Extras())
    assert run.take(stem)
    mine = claim_path(stem).read_bytes()
    if again:
        assert switch_to(stem, 1, claims=run).take == 1
    else:
        assert keep_take(made_up_rendering(), stem, Extras(), claims=run).files
    assert claim_path(stem).read_bytes() == mine
    run.release(stem)
    assert not claim_path(stem).exists()
