"""The stage that teaches a model what pianists agree on: it learns, and leaves all else as it was."""

import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import Augmentation, TrainConfig
from pianist_jax.data.windows import take
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import completed
from pianist_jax.music.tokens import FIRST_TIME, IOI
from pianist_jax.performance.parameters import TEMPO_UNIT
from pianist_jax.training.loop import train
from pianist_jax.training.losses import CURVES, example, per_field, summed_loss
from pianist_jax.training.stages import export_run, run_stage
from pianist_jax.training.steps import new_state
from pianist_jax.weights import load_weights
from tests.training.job import made_up, tiny


def pairs() -> dict[str, Any]:
    """A melody whose pianists play louder and slower on its peak, each with chance of his own."""
    windows = made_up()
    n = np.arange(windows["score"].size)
    rng = np.random.default_rng(0)
    shape = np.stack([np.where(n % 7 == 6, 2.0, -0.3), n % 7 / 2.0 - 1.5, np.where(n % 3 == 0, 1.0, -0.5)], axis=1)
    curves = (shape + rng.normal(0, 0.3, shape.shape)).astype(np.float16)
    curves[::5] = np.nan
    return windows | {"curves": curves}


def consensus(**changes: Any) -> TrainConfig:
    base = tiny(ema_decay=0.0, learning_rate=1e-2, steps=60, evaluate_every=20)
    sizes = dataclasses.replace(base.model, consensus=64)
    return dataclasses.replace(base, task="consensus", model=sizes, **changes)


@pytest.mark.slow
def test_the_head_learns_and_nothing_else_moves(tmp_path: Path) -> None:
    said: list[str] = []
    fine, config, data = tiny(), consensus(), pairs()
    before = jax.device_get(new_state(fine)["params"])
    initial, run = jax.device_get(completed(config.model, before)), tmp_path / "run"

    def stop(line: str) -> None:
        if line.startswith("step 20 "):
            os.kill(os.getpid(), signal.SIGTERM)

    assert int(train(config, data, data, run, initial=initial, report=stop)["step"]) == 20
    after = jax.device_get(train(config, data, data, run, report=said.append)["params"])
    found = [line.split("validation: ")[1] for line in said if "validation" in line]
    errors = dict(zip(found[-1].split()[::2], map(float, found[-1].split()[1::2]), strict=True))
    assert set(errors) == {*CURVES, "note"}
    assert all(errors[name] < 0.25 for name in CURVES), errors  # chance alone is 0.09
    for name, part in before.items():
        jax.tree.map(np.testing.assert_array_equal, part, after[name])
    head = initial["consensus"], after["consensus"]
    moved = jax.tree.leaves(jax.tree.map(lambda a, b: float(np.abs(a - b).max()), *head))
    assert sum(change > 0 for change in moved) > 0.8 * len(moved)  # what would read the metre is told nothing

    (run / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    export_run(run, tmp_path / "out.safetensors", dtype="float32")
    model, params = load_weights(tmp_path / "out.safetensors")
    assert model == config.model
    jax.tree.map(np.testing.assert_array_equal, params, after)


def test_it_is_told_how_much_slower_than_written_each_window_is() -> None:
    config = consensus(augmentation=Augmentation(0, 0.0, 0.0, anchored=True, drift=0.3))
    windows = jax.tree.map(jnp.asarray, pairs())
    batch = take(windows, jnp.arange(16), config.window)
    shown = example(batch, config, jax.random.key(0), augmented=True)
    passed = [
        np.asarray(ids[:, 1:, IOI] - FIRST_TIME).sum(axis=1) for ids in (shown["performance"], shown["seen"].notes)
    ]
    told = np.asarray(shown["curves"][..., 3])
    np.testing.assert_allclose(told, np.broadcast_to(told[:, :1], told.shape))
    np.testing.assert_allclose(TEMPO_UNIT * told[:, 0], np.log(passed[0] / passed[1]), atol=0.02)
    assert told.std() > 0.8
    plain = example(batch, consensus(), jax.random.key(0), augmented=True)
    assert np.isnan(plain["curves"][..., 3]).all()  # where scores are at any tempo, nothing is to be learnt


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
def test_other_stages_refuse_the_head(task: str, tmp_path: Path) -> None:
    with pytest.raises(PianistError, match=r"leave model\.consensus out"):
        run_stage(dataclasses.replace(consensus(), task=task), tmp_path, tmp_path / "run")
    with pytest.raises(PianistError, match=r"set model\.consensus=64"):
        dataclasses.replace(tiny(), task="consensus")


def test_it_begins_with_a_model_and_pairs(tmp_path: Path) -> None:
    with pytest.raises(PianistError, match="give --data and --from"):
        run_stage(consensus(), tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_fine_tuning_can_learn_the_consensus_besides() -> None:
    alone = tiny(model=consensus().model)
    config, key = dataclasses.replace(alone, consensus_weight=3.0), jax.random.key(0)
    params = new_state(config)["params"]
    shown = example(take(jax.tree.map(jnp.asarray, pairs()), jnp.arange(4), config.window), config, key, augmented=True)

    def loss(config: TrainConfig) -> Any:
        return lambda params: summed_loss(params, shown, config, key, train=True)

    (nll, plain), unmoved = jax.value_and_grad(loss(alone), has_aux=True)(params)
    (both, sums), moved = jax.value_and_grad(loss(config), has_aux=True)(params)
    error, errors = loss(consensus())(params)
    assert float(both) == pytest.approx(float(nll) + 3.0 * float(error), rel=1e-5)
    told, besides = per_field(sums), per_field(errors)
    assert {f"agreed_{name}": told[f"agreed_{name}"] for name in CURVES} == pytest.approx(
        {f"agreed_{name}": besides[name] for name in CURVES}
    )
    assert {name: told[name] for name in per_field(plain)} == pytest.approx(per_field(plain))
    assert not any(np.abs(x).max() for x in jax.tree.leaves(unmoved["consensus"]))
    assert all(np.abs(x).max() > 0 for x in jax.tree.leaves(moved["consensus"]["curves"]))
    changed = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), moved["encoder"], unmoved["encoder"])
    assert min(jax.tree.leaves(changed)) > 0  # the encoder learns from it, which it does not in the consensus stage


def test_what_the_consensus_weighs_belongs_to_fine_tuning() -> None:
    sizes = consensus().model
    with pytest.raises(PianistError, match="consensus_weight belongs to fine-tuning"):
        tiny(model=sizes, task="pretrain", consensus_weight=1.0)
    with pytest.raises(PianistError, match="consensus_weight belongs to fine-tuning"):
        tiny(consensus_weight=1.0)
