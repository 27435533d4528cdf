"""What goes wrong on the way: each ends in one clear line or in a defined reaction, and nothing saved is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import MeshConfig
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.parallel import batch_sharding, make_mesh, one_device, replicated
from pianist_jax.training import checkpoints
from pianist_jax.training.feeds import DataError, next_batch
from pianist_jax.training.logs import figures, open_logs, read_log, sentence
from pianist_jax.training.loop import Observers, train
from pianist_jax.training.optimizer import running_mean, usual_length
from pianist_jax.training.steps import abstract_batch, make_step, new_state
from pianist_jax.training.stopping import watch
from tests.training.job import made_up, tiny
from tests.training.jobs import ROOT


def state_of(step: int) -> dict[str, Any]:
    rng = np.random.default_rng(step)
    arrays = {name: jnp.asarray(rng.normal(size=(64, 64)), jnp.float32) for name in "abc"}
    return {"step": jnp.asarray(step, jnp.int32), "params": arrays, "norm": jnp.float32(step)}


def like(sharding: Any = None) -> dict[str, Any]:
    sharding = sharding or replicated(one_device())
    whole = replicated(sharding.mesh)
    return {
        "step": jax.ShapeDtypeStruct((), jnp.int32, sharding=whole),
        "norm": jax.ShapeDtypeStruct((), jnp.float32, sharding=whole),
        "params": {n: jax.ShapeDtypeStruct((64, 64), jnp.float32, sharding=sharding) for n in "abc"},
    }


def saved(folder: Path, losses: list[float], **options: Any) -> Path:
    """Steps 1, 2, … saved with these losses."""
    with checkpoints.open_checkpoints(folder, **options) as manager:
        for step, loss in enumerate(losses, 1):
            checkpoints.save(manager, state_of(step), data={"next": step}, loss=loss)
    return folder


def largest_file(folder: Path) -> Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def test_the_last_the_best_and_every_so_many_are_kept(tmp_path: Path) -> None:
    folder = saved(tmp_path, [9, 9, 1, 9, 9, 9, 9], keep=2, keep_every=5)
    with checkpoints.open_checkpoints(folder, keep=2, keep_every=5) as manager:
        assert manager.all_steps() == [3, 5, 6, 7]  # and a manager opened later knows the best
        checkpoints.save(manager, state_of(8), loss=5.0)
    with checkpoints.open_checkpoints(folder, read_only=True) as manager:
        assert manager.all_steps() == [3, 5, 7, 8]


def test_what_is_saved_comes_back_on_any_mesh(tmp_path: Path) -> None:
    for step, shape in ((1, (1, 8, 1)), (2, (8, 1, 1)), (3, (2, 2, 2))):
        mesh = make_mesh(MeshConfig(*shape))
        rows = batch_sharding(mesh)
        with checkpoints.open_checkpoints(tmp_path) as manager:
            if step > 1:
                back = checkpoints.restore(manager, like(rows))
                assert back is not None
                assert (back.step, back.data) == (step - 1, {"next": step - 1})
                assert all(part.sharding == rows for part in back.state["params"].values())
                for name, part in state_of(step - 1)["params"].items():
                    np.testing.assert_array_equal(back.state["params"][name], part)
            state = state_of(step)
            state["params"] = jax.device_put(state["params"], rows)
            checkpoints.save(manager, state, data={"next": step})


def harm(folder: Path, kind: str) -> None:
    file = largest_file(folder / "default")
    content = bytearray(file.read_bytes())
    if kind == "cut":
        file.write_bytes(content[:100])
    elif kind == "changed":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif kind == "missing":
        file.unlink()
    else:  # a copy that was broken off, with no seal to tell
        (folder.parent / f"files-{folder.name}.json").unlink()
        shutil.rmtree(folder / "default")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("cut", "has 100 bytes instead of"),
        ("changed", "has other contents"),
        ("missing", "is missing"),
        ("broken off", "it does not say what it holds"),
    ],
)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, kind: str, told: str) -> None:
    folder = saved(tmp_path, [3.0, 2.0, 1.0], keep=3)
    harm(folder / "3", kind)
    said: list[str] = []
    with checkpoints.open_checkpoints(folder, keep=3, read_only=True) as manager:
        back = checkpoints.restore(manager, like(), report=said.append)
        assert back is not None
        assert back.step == 2
    assert (folder / "3").exists()  # looking at a run changes nothing
    with checkpoints.open_checkpoints(folder, keep=3) as manager:
        back = checkpoints.restore(manager, like(), put_aside=True, report=said.append)
        assert back is not None
        np.testing.assert_array_equal(back.state["params"]["a"], state_of(2)["params"]["a"])
        checkpoints.save(manager, state_of(3))
    assert len(said) == 2
    assert all("the checkpoint of step 3 is damaged" in line and told in line for line in said)
    assert (folder / "damaged-3").exists()


def test_no_readable_checkpoint_is_an_error_and_no_checkpoint_is_none(tmp_path: Path) -> None:
    with checkpoints.open_checkpoints(tmp_path / "none") as manager:
        assert checkpoints.restore(manager, like()) is None
    folder = saved(tmp_path / "one", [1.0])
    harm(folder / "1", "cut")
    with (
        checkpoints.open_checkpoints(folder, read_only=True) as manager,
        pytest.raises(PianistError, match="no checkpoint can be read"),
    ):
        checkpoints.restore(manager, like(), report=lambda _: None)


def test_optional_parts_of_a_state_come_and_go(tmp_path: Path) -> None:
    folder = saved(tmp_path, [1.0])
    wanted = {name: part for name, part in like().items() if name != "norm"} | {"average": like()["params"]}
    with checkpoints.open_checkpoints(folder, read_only=True) as manager:
        back = checkpoints.restore(manager, wanted, optional=("norm", "average"))
        assert back is not None
        assert back.state.keys() == {"step", "params"}
        with pytest.raises(PianistError, match="norm is"):
            checkpoints.restore(manager, wanted, optional=("average",))


FULL = """
import resource, sys
from pianist_jax.errors import PianistError
from pianist_jax.training import checkpoints
from pianist_jax.music.tokens import ScoreTokens
from tests.training.test_faults import state_of
folder = sys.argv[1]
try:
    with checkpoints.open_checkpoints(folder) as manager:
        checkpoints.save(manager, state_of(1), loss=1.0)
        manager.wait_until_finished()
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        checkpoints.save(manager, state_of(2), loss=1.0)
except PianistError as error:
    print(f"error: {error}")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with checkpoints.open_checkpoints(folder) as manager:
    print(manager.all_steps())
"""


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line_and_keeps_what_was_saved(tmp_path: Path) -> None:
    """In a process of its own: a limit on file sizes, which nothing else should meet."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FULL, str(tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    told = [line for line in done.stdout.splitlines() if line]
    assert done.returncode == 0, done.stderr
    assert "a checkpoint cannot be written" in told[0]
    assert "that of step 1 is the last complete one; make room and run again" in told[0]
    assert told[-1] == "[1]"


def test_a_sigterm_is_taken_note_of() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with watch(1e9) as reason:
        assert reason(0, 1.0) == ""
        os.kill(os.getpid(), signal.SIGTERM)
        assert "SIGTERM" in reason(1, 1.0)
    assert signal.getsignal(signal.SIGTERM) is before
    with watch(10.0) as reason:
        assert reason(0, 0.0) == ""
        assert reason(0, 11.0) == "its time is over"


class Gone:
    """A loader whose shard is there for so many batches."""

    def __init__(self, batches: int, error: Exception) -> None:
        self.batches, self.error, self.taken = batches, error, 0

    def __next__(self) -> dict[str, Any]:
        if self.taken == self.batches:
            raise self.error
        self.taken += 1
        windows = made_up()
        sides = {"score": windows["score"].notes, "performance": windows["performance"]}
        rows: dict[str, Any] = {n: side[:128].reshape(8, 16, 8).astype(np.int32) for n, side in sides.items()}
        rows["score"] = ScoreTokens(rows["score"])
        flags = dict.fromkeys(("has_pedal", "expressive", "coarse"), np.ones(8, bool))
        return {**rows, **flags, "note_mask": np.ones((8, 16), bool), "played": np.ones((8, 16), bool)}

    def get_state(self) -> Any:
        return {"taken": self.taken}

    def set_state(self, state: Any) -> None:
        self.taken = state["taken"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(2, "No such file or directory", "a-0.array_record"), "the data cannot be read .*a-0.array_record"),
        (StopIteration(), "come to an end"),
        (PianistError("shard 3 is damaged"), "shard 3 is damaged"),
    ],
)
def test_data_that_vanish_are_named(error: Exception, told: str) -> None:
    with pytest.raises(DataError, match=told):
        next_batch(Gone(0, error), abstract_batch(tiny(), one_device()))


def test_batches_of_another_shape_are_named() -> None:
    wanted = abstract_batch(tiny(window=32), one_device())
    with pytest.raises(DataError, match=r"\(8, 16.* instead of \(8, 32.*; set batch and window"):
        next_batch(Gone(1, OSError()), wanted)


@pytest.mark.slow
def test_a_run_whose_shard_vanishes_names_its_checkpoint_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(PianistError, match=r"after step 10: the data cannot be read .*checkpoint of step 10 is kept"):
        train(tiny(), Gone(12, OSError("gone")), made_up(), tmp_path, report=lambda _: None, mesh=one_device())
    said: list[str] = []
    seen: list[int] = []
    observers = Observers(report=said.append, show=lambda line: seen.append(line["step"]), profile=True)
    loader = Gone(20, OSError("gone"))  # the shard is back
    train(tiny(steps=20), loader, made_up(), tmp_path, observers=observers, mesh=one_device())
    assert "resumed at step 10 of 20" in said[0]
    assert seen == [15, 20]
    assert loader.taken == 20
    assert (tmp_path / "profile").is_dir()


def test_a_spike_is_left_out_and_a_new_usual_is_learnt() -> None:
    config = tiny(skip_grad_ratio=10.0, warmup=5)
    usual, spike = usual_length(config, jnp.float32(0), jnp.float32(2), jnp.int32(0))
    assert (float(usual), bool(spike)) == (2.0, False)
    assert not usual_length(config, usual, jnp.float32(50), jnp.int32(4))[1]  # still warming up
    assert not usual_length(config, usual, jnp.float32(19), jnp.int32(9))[1]
    assert not usual_length(config, usual, jnp.float32(np.nan), jnp.int32(9))[1]  # stops the run instead
    skipped = 0
    while usual_length(config, usual, jnp.float32(50), jnp.int32(9))[1]:
        usual, skipped = usual_length(config, usual, jnp.float32(50), jnp.int32(9))[0], skipped + 1
    assert 3 < skipped < 20


@pytest.mark.slow
def test_a_step_that_would_throw_the_weights_off_changes_nothing_but_the_count() -> None:
    config = tiny(skip_grad_ratio=1e-3, warmup=2)  # after the warm-up every step is a spike
    step, rows = make_step(config), Gone(1, OSError()).__next__()
    batch = {name: rows[name] for name in abstract_batch(config, one_device())}
    state = new_state(config)
    for number in range(4):
        before = jax.device_get(state)
        state, sums = step(state, batch)
        assert float(sums["skipped"]) == (number >= 2)
        same = jax.tree.map(np.array_equal, before["params"], jax.device_get(state["params"]))
        assert all(jax.tree.leaves(same)) == (number >= 2 or number == 0)  # the first step's rate is zero
        assert int(state["step"]) == number + 1


def test_the_running_mean_follows_the_weights() -> None:
    config, mean = tiny(ema_decay=0.9), {"w": jnp.zeros(())}
    for step in range(100):
        mean = running_mean(config, mean, {"w": jnp.ones(())}, jnp.asarray(step))
        if step == 3:
            assert 0.95 < float(mean["w"]) < 1  # it begins with fewer: 0.9^4 would leave 0.66
    np.testing.assert_allclose(mean["w"], 1.0, atol=1e-4)


def test_a_run_writes_lines_and_tensorboard_files(tmp_path: Path) -> None:
    line = {"step": 5, "loss": 1.5, "skipped": 2.0, "tokens_per_second": 1e6, "seconds_left": 3.0, "mfu": 0.25,
            "train": {"ioi": 2.0, "note": 3.0}}  # fmt: skip
    with open_logs(tmp_path) as log:
        log(line)
        log({**line, "validation": {"ioi": 4.0}})
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    assert largest_file(tmp_path / "tensorboard").name.startswith("events.out")
    assert figures(line)["train/ioi"] == 2.0
    assert "MFU 25.0%" in sentence(line)
    assert "2 spikes left out" in sentence(line)
    (tmp_path / "log.jsonl").unlink()
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(PianistError, match=r"cannot be written .*make room"), open_logs(tmp_path) as log:
        log(line)


def test_settings_of_a_run_are_checked() -> None:
    for change, problem in (
        ({"steps": 0}, "steps is 0"),
        ({"keep_every": 7}, r"keep_every \(7\) must be a multiple of evaluate_every \(10\)"),
        ({"accumulate": 3}, r"batch \(8\) must be a multiple of accumulate"),
        ({"ema_decay": 1.0}, "ema_decay is 1.0"),
    ):
        with pytest.raises(PianistError, match=problem):
            tiny(**change)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"loss": "x"}'])
def test_damaged_metrics_of_one_checkpoint_hide_no_other(tmp_path: Path, damage: str) -> None:
    folder = saved(tmp_path / "checkpoints", [3, 2, 1], keep=3)
    (folder / "2" / "metrics" / "metrics").write_text(damage)
    for read_only in (True, False):
        with checkpoints.open_checkpoints(folder, read_only=read_only) as manager:
            restored = checkpoints.restore(manager, like())
            assert restored is not None
            assert restored.step == 3
    assert (folder / "damaged-2").exists()


def test_a_log_that_was_cut_short_is_read_and_goes_on(tmp_path: Path) -> None:
    first, last = '{"step": 5, "validation": {"note": 2.0}}', '{"step": 15, "loss": 1.0}'
    (tmp_path / "log.jsonl").write_text(
        f'{first}\n{{"step": 10, "gradient": 0te": 37}}\n7\n{{"step": ""}}\n{{"step": 1'
    )
    with open_logs(tmp_path) as log:
        log({"step": 15, "loss": 1.0})
    assert [line["step"] for line in read_log(tmp_path)] == [5, 15]
    assert (tmp_path / "log.jsonl").read_text().endswith(f'{{"step": 1\n{last}\n')
    assert read_log(tmp_path / "nowhere") == []
    with open_logs(tmp_path, after=10) as log:  # steps behind it are made again
        log({"step": 12, "loss": 2.0})
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [5, 12]


def test_a_run_that_cannot_begin_to_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("")
    with pytest.raises(PianistError, match="cannot be written"), open_logs(tmp_path / "run"):
        pass
