"""Jobs of several processes: the same as one process, and nothing lost when one is killed or asked to stop."""

import signal
from pathlib import Path

import numpy as np
import pytest

from tests.data_room.made_shards import make_pairs_folder
from tests.training.jobs import losses, run, start

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]


def assert_close(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for step, line in one.items():
        np.testing.assert_allclose(line["loss"], other[step]["loss"], rtol=1e-4, err_msg=f"step {step}")
        np.testing.assert_allclose(line["gradient"], other[step]["gradient"], rtol=1e-3, err_msg=f"step {step}")


def test_four_processes_learn_what_one_learns_and_one_goes_on_from_their_checkpoint(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    run(tmp_path, 1, 1, workdir=str(alone), steps=30, mesh=[1, 1, 1])
    said = run(tmp_path, 4, 2, workdir=str(together), steps=30, mesh=[2, 2, 2], leave_at=20)
    assert "beginning with step 0 of 30, mesh data 2 × fsdp 2 × tensor 2" in said
    assert "stopped at step 20 of 30" in said
    said = run(tmp_path, 1, 2, workdir=str(together), steps=30, mesh=[1, 1, 2])
    assert "resumed at step 20 of 30, mesh data 1 × fsdp 1 × tensor 2" in said
    assert_close(losses(alone), losses(together))


def test_killed_and_asked_to_stop_a_job_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    wish = {"steps": 80, "mesh": [2, 2, 1], "stream": str(make_pairs_folder(tmp_path))}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(tmp_path, 2, 2, workdir=str(whole), **wish)

    job = start(tmp_path, 2, 2, workdir=str(broken), pause=0.5, **wish)
    job.wait_for("\nstep 15 ")
    job.processes[1].send_signal(signal.SIGTERM)
    assert job.ends() == [0, 0], job.said()
    assert "the machine asked it to (SIGTERM); the same command goes on from here" in job.said()
    stopped = max(losses(broken))
    assert 15 <= stopped <= 60

    job = start(tmp_path, 2, 2, workdir=str(broken), pause=0.5, **wish)
    job.wait_for(f"\nstep {stopped + 10} ")
    job.processes[1].kill()  # SIGKILL, while a checkpoint may still be on its way
    job.kill()
    assert f"resumed at step {stopped} of 80" in job.said()

    said = run(tmp_path, 2, 2, workdir=str(broken), **wish)
    assert any(f"resumed at step {step} of 80" in said for step in range(stopped, stopped + 15, 5))
    assert losses(broken) == losses(whole)  # bit for bit, whichever steps ran twice
