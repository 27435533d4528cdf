"""Training: what a step learns from, that it learns, and that stopping and resuming changes nothing."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import ModelConfig, TrainConfig, preset
from pianist_jax.config.changes import override
from pianist_jax.data.windows import Windows
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.parallel import one_device
from pianist_jax.training import checkpoints
from pianist_jax.training.logs import read_log
from pianist_jax.training.loop import train
from pianist_jax.training.losses import per_field
from pianist_jax.training.optimizer import learning_rate
from pianist_jax.training.steps import abstract_state, make_train, make_validate, new_state
from tests.training.job import mean_loss

SMALL = dataclasses.replace(preset("note-tiny"), encoder_layers=1, decoder_layers=1)
NOTES = 400


@pytest.fixture(scope="module")
def windows() -> Windows:
    """A melody that repeats every 7 notes, played a little later, shorter and louder than written."""
    n = np.arange(NOTES)
    score = np.stack([60 + n % 7, 100 + 20 * (n % 3), 64 + 0 * n, 90 + 0 * n, *[0 * n] * 4], axis=1)
    performance = np.stack([60 + n % 7, 110 + 22 * (n % 3), 50 + 5 * (n % 7), 70 + 0 * n, *[127 * (n % 2)] * 4], axis=1)
    start = np.arange(0, NOTES - 32, 16, dtype=np.int32)
    return jax.device_put(
        {
            "score": ScoreTokens(score.astype(np.uint16)),
            "performance": performance.astype(np.uint16),
            "start": start,
            "length": np.full(len(start), 32, np.int32),
            "chance": np.linspace(0, 1, len(start) + 1, dtype=np.float32)[1:],
            "has_pedal": np.ones(len(start), bool),
            "expressive": np.ones(len(start), bool),
        }
    )


def config(**changes: Any) -> TrainConfig:
    small = TrainConfig(
        model=SMALL, task="finetune", batch=8, window=32, steps=200, warmup=10, learning_rate=5e-3, log_every=10,
        evaluate_every=20, validation_batches=1, weight_decay=0.0,
    )  # fmt: skip
    plain = dataclasses.replace(small.augmentation, transpose=0, tempo=0.0, velocity=0.0)
    return dataclasses.replace(small, augmentation=plain, **changes)


@pytest.mark.slow
def test_a_small_model_learns_a_small_piece_by_heart(windows: Windows) -> None:
    settings = config()
    state = new_state(settings)
    run = make_train(settings, 100)
    state, first = run(state, windows)
    state, last = run(state, windows)
    fields = per_field({name: value for name, value in last.items() if not name.startswith(("loss", "gradient"))})
    assert float(first["loss"]) / 100 > 3 * float(last["loss"]) / 100
    assert fields["velocity"] < 0.3, fields
    assert fields["ioi"] < np.log(3) + 0.1, fields  # cells at 110, 132 and 154 ms hold 2 or 3 ms, evenly
    assert fields["duration"] < np.log(2) + 0.1, fields
    assert fields["pedal"] < 0.1, fields
    assert int(state["step"]) == 200


@pytest.mark.slow
def test_stopping_and_resuming_is_the_same_bit_for_bit(windows: Windows, tmp_path) -> None:
    settings = config(steps=40)
    (tmp_path / "once").mkdir()
    (tmp_path / "twice").mkdir()
    run = partial(train, settings, windows, windows, mesh=one_device())
    once = run(tmp_path / "once", report=lambda _: None)
    stopped = run(tmp_path / "twice", seconds=0.0, report=lambda _: None)
    assert int(stopped["step"]) == 0

    class Killed(Exception):
        pass

    def kill_at_20(line: str) -> None:
        if line.startswith("step 30"):
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path / "twice", report=kill_at_20)
    said: list[str] = []
    twice = run(tmp_path / "twice", report=said.append)
    assert "resumed at step 20 of 40" in said[0]
    for a, b in zip(jax.tree.leaves(once), jax.tree.leaves(twice), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    for name in ("once", "twice"):
        lines = read_log(tmp_path / name)
        assert [line["step"] for line in lines] == [10, 20, 30, 40]
        assert "validation" in lines[1]
        assert lines[1]["tokens_per_second"] > 0
        rooms = np.array(list(lines[1]["gradients"].values()))
        assert set(lines[1]["gradients"]) == {"embedder", "encoder", "decoder"}
        assert np.sqrt((rooms**2).sum()) == pytest.approx(lines[1]["gradient"], rel=0.1)  # a mean of roots, nearly
        assert 0 < lines[-1]["seconds"]["goodput"] < 1
        assert lines[-1]["seconds"]["checkpoint"] > 0
    said.clear()
    run(tmp_path / "twice", report=said.append)
    assert said[1:] == ["finished: all 40 steps are done; `pianist export` writes the weights"]  # nothing compiled


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_the_run(windows: Windows, tmp_path) -> None:
    settings = config(steps=20, learning_rate=1e30, grad_clip_norm=1e30, warmup=1)
    with pytest.raises(PianistError, match="the loss is nan"):
        train(settings, windows, windows, tmp_path, report=lambda _: None, mesh=one_device())


def test_a_checkpoint_of_another_model_is_refused(windows: Windows, tmp_path) -> None:
    with checkpoints.open_checkpoints(tmp_path) as manager:
        checkpoints.save(manager, new_state(config()))
        manager.wait_until_finished()
        other = config(model=dataclasses.replace(SMALL, width=64))
        with pytest.raises(PianistError, match="of another model"):
            checkpoints.restore(manager, abstract_state(other, one_device()))


@pytest.fixture(scope="module")
def params() -> Any:
    """Of a model that is to be pre-trained."""
    return new_state(config(task="pretrain"))["params"]


def test_only_what_is_scored_counts(params: Any) -> None:
    """Padding, and the pedal of pieces without one, change neither loss nor counts."""
    settings = config(task="pretrain")
    rng = np.random.default_rng(0)
    values = rng.integers(1, 100, (4, 32, 8)).astype(np.int32)
    mask = np.arange(32)[None] < np.array([32, 20, 32, 9])[:, None]
    batch = {
        "performance": values,
        "note_mask": mask,
        "has_pedal": np.array([True, False, True, False]),
        "expressive": np.ones(4, bool),
    }
    changed = values.copy()
    changed[~mask] = 7
    changed[1, :, 4:] = 99
    changed[3, :, 4:] = 3
    key = jax.random.key(3)
    loss = jax.jit(lambda params, batch: mean_loss(params, batch, settings, key, train=False))
    one, sums = loss(params, batch)
    other, _ = loss(params, {**batch, "performance": changed})
    np.testing.assert_allclose(one, other, rtol=1e-6)
    assert float(sums["pedal_count"]) <= 2 * 32 * 4
    assert float(sums["pitch_count"]) == 0


def test_validation_does_not_depend_on_the_step(windows: Windows, params: Any) -> None:
    validate = make_validate(config(task="pretrain"), 1)
    assert per_field(validate(params, windows)) == per_field(validate(params, windows))


def test_the_learning_rate_warms_up_and_falls() -> None:
    rate = learning_rate(config(steps=100, warmup=10, final_lr_ratio=0.1))
    np.testing.assert_allclose(
        [float(rate(step)) for step in (0, 5, 10, 100)], [0, 2.5e-3, 5e-3, 5e-4], rtol=1e-5, atol=1e-9
    )


def test_settings_are_typed_and_named() -> None:
    changed = override(TrainConfig(), {"model.heads": "4", "model.kv_heads": 4, "batch": "16", "masking.low": 0})
    assert (changed.model.heads, changed.model.kv_heads, changed.batch, changed.masking.low) == (4, 4, 16, 0.0)
    for key, value, message in (
        ("model.wdith", 3, 'did you mean "model.width"'),
        ("every", 3, 'no setting is called "every"; did you mean "log_every"'),
        ("final", 0.1, 'did you mean "final_lr_ratio"'),
        ("batch", "many", "takes a int"),
        ("model", 3, "is a group"),
        ("batch.size", 3, "no settings of its own"),
    ):
        with pytest.raises(PianistError, match=message):
            override(TrainConfig(), {key: value})
    for both in ({"model": "1", "model.width": "3"}, {"model.width": "3", "model": "1"}):
        with pytest.raises(PianistError, match="cannot both be set"):
            override(TrainConfig(), both)
    with pytest.raises(PianistError, match='did you mean "note-small"'):
        preset("note-smal")
    with pytest.raises(PianistError, match="multiple"):
        ModelConfig(heads=6, kv_heads=4)


@pytest.mark.slow
def test_flops_are_those_that_xla_counts() -> None:
    """The matrix products of a model of one layer each, forward and backward, are what the formula says."""
    from pianist_jax.training.flops import flops_per_note

    sizes = dataclasses.replace(preset("note-tiny"), width=128, feed_forward=512, encoder_layers=1, decoder_layers=1)
    settings = config(model=sizes, window=64)
    rng = np.random.default_rng(0)
    batch = {
        "score": ScoreTokens(jnp.asarray(rng.integers(1, 100, (2, 64, 8)), jnp.int32)),
        "performance": jnp.asarray(rng.integers(1, 100, (2, 64, 8)), jnp.int32),
        "note_mask": jnp.ones((2, 64), bool),
        "has_pedal": jnp.ones(2, bool),
    }
    params = new_state(settings)["params"]
    gradient = jax.jit(jax.grad(lambda p: mean_loss(p, batch, settings, jax.random.key(0), train=True)[0]))
    counted = (gradient.lower(params).compile().cost_analysis() or {})["flops"]
    # Two tables are looked up by a product with ones and zeros, forward and for the table's gradient.
    embeddings = 2 * 4 * params["embedder"]["table"].size * 2 * 64
    ours = flops_per_note(sizes, 64) * 2 * 64
    assert 0.95 < (counted - embeddings) / ours < 1.25  # XLA counts what is not a matrix product too
