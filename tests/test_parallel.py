"""Meshes: what fits on which devices, where weights lie, and that a step is the same on all of them."""

import dataclasses
import math
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from pianist_jax.config import MESHES, MeshConfig, mesh_preset, preset
from pianist_jax.config.changes import override
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import initialise
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.parallel import (
    axes_of,
    check_batch,
    device_grid,
    global_batch,
    initialise_distributed,
    make_mesh,
    one_device,
    shard_state,
    state_shardings,
)
from pianist_jax.training.losses import Sums
from pianist_jax.training.steps import State, abstract_batch, abstract_state, make_step, new_state
from tests.training.job import tiny


@dataclasses.dataclass(frozen=True)
class Chip:
    """What a mesh asks of a device."""

    id: int
    slice_index: int
    process_index: int
    platform: str = "cpu"
    device_kind: str = "chip"


def chips(count: int, slices: int = 1) -> list[Chip]:
    return [Chip(n, n * slices // count, n // 4) for n in range(count)]


@pytest.mark.parametrize(
    ("mesh", "problem"),
    [
        (MeshConfig(fsdp=3), r"data 2 × fsdp 3 × tensor 1\) takes 6 devices, but there are 8; set mesh.data=-1"),
        (MeshConfig(data=16), "takes 16 devices, but there are 8"),
        (MeshConfig(data=4), "takes 4 devices, but there are 8"),
        (MeshConfig(slices=2), "lie on 1 slices in 1 processes; set mesh.slices=1"),
    ],
)
def test_a_mesh_that_does_not_fit_is_named(mesh: MeshConfig, problem: str) -> None:
    with pytest.raises(PianistError, match=problem):
        make_mesh(mesh)


def test_settings_of_a_mesh_are_checked() -> None:
    with pytest.raises(PianistError, match=r"mesh.tensor is 0"):
        MeshConfig(tensor=0)
    with pytest.raises(PianistError, match='did you mean "v5e-256"'):
        mesh_preset("v5e-255")
    assert override(tiny(), {"mesh.fsdp": "4"}).mesh == MeshConfig(fsdp=4)


@pytest.mark.parametrize("count", [1, 8, 256])
def test_all_devices_are_taken_whatever_their_number(count: int) -> None:
    assert device_grid(MeshConfig(), chips(count)).shape == (count, 1, 1)


def test_slices_are_apart_along_data_only() -> None:
    grid = device_grid(MESHES["v5e-256x4"], chips(64, slices=4))
    assert grid.shape == (16, 4, 1)
    rows = [{chip.slice_index for chip in row.flat} for row in grid]
    assert rows == [{n // 4} for n in range(16)]


def test_rows_that_cannot_be_shared_are_named() -> None:
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    check_batch(8, mesh)
    with pytest.raises(PianistError, match=r"batch is 6, which 4 parts of the mesh cannot share; set batch=4"):
        check_batch(6, mesh)
    with pytest.raises(PianistError, match="batch / accumulate is 2"):
        make_step(tiny(batch=8, accumulate=4), mesh)


def test_what_divides_a_parameter_follows_from_its_path() -> None:
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    for path, shape, axes in (
        ("params/encoder/blocks/mlp/down/kernel", (10, 64, 32), (None, "tensor", "fsdp")),
        ("optimizer/1/0/mu/decoder/stack/blocks_0/self_attention/q/kernel", (32, 4, 8), ("fsdp", "tensor", None)),
        ("params/decoder/embed/embedding", (5389, 32), (None, "fsdp")),
        ("params/decoder/stack/blocks_0/self_attention/k/kernel", (32, 3, 8), ("fsdp", None, None)),
        ("params/decoder/stack/norm/weight", (32,), (None,)),
        ("step", (), ()),
    ):
        assert axes_of(path, shape, mesh) == PartitionSpec(*axes), path


@pytest.mark.parametrize("name", ["tiny", "135m-6-6", "note-tiny", "note-135m"])
def test_weights_are_divided_among_the_devices(name: str) -> None:
    """Nothing large stays whole, not even where the model has parts that no rule was written for."""
    shapes = jax.eval_shape(lambda: initialise(preset(name), jax.random.key(0)))
    shardings = state_shardings(shapes, make_mesh(MeshConfig(data=1, fsdp=4, tensor=2)))
    parts = jax.tree.map(lambda x, sharding: math.prod(sharding.shard_shape(x.shape)), shapes, shardings)
    share = sum(jax.tree.leaves(parts)) / sum(x.size for x in jax.tree.leaves(shapes))
    assert share < (0.27 if "tiny" in name else 0.17)


def test_a_process_alone_joins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert not initialise_distributed()
    monkeypatch.setenv("JAX_NUM_PROCESSES", "two")
    monkeypatch.setenv("JAX_PROCESS_ID", "0")
    with pytest.raises(PianistError, match="cannot join its job"):
        initialise_distributed()


def batch_of(rows: int, notes: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    score, performance = (rng.integers(1, 100, (rows, notes, 8)).astype(np.int32) for _ in range(2))
    values = {"score": ScoreTokens(score), "performance": performance}
    flags = dict.fromkeys(("has_pedal", "expressive", "coarse"), np.ones(rows, bool))
    mask = np.arange(notes)[None] < rng.integers(notes // 2, notes + 1, rows)[:, None]
    return {**values, **flags, "note_mask": mask, "played": mask}


def two_steps(config: Any, mesh: Any) -> tuple[str, State, Sums]:
    """The compiled program's text, and what two steps make of a state."""
    wanted = abstract_batch(config, mesh)
    program = make_step(config, mesh).lower(abstract_state(config, mesh), wanted).compile()
    rows = {name: part for name, part in batch_of(config.batch, config.window).items() if name in wanted}
    state = shard_state(new_state(config), mesh)
    for _ in range(2):
        state, sums = program(state, global_batch(rows, mesh))
    return str(program.as_text()), jax.device_get(state), jax.device_get(sums)


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["note", "token"])
def test_steps_are_the_same_on_every_mesh_and_in_parts(decoder: str) -> None:
    sizes = preset("tiny") if decoder == "token" else tiny().model
    config = tiny(model=dataclasses.replace(sizes, encoder_layers=2, decoder_layers=1))
    _, state, sums = two_steps(config, one_device())
    for shape, parts in (((8, 1, 1), 1), ((2, 2, 2), 1), ((1, 4, 1), 2), ((1, 1, 1), 4)):
        devices = jax.devices()[: math.prod(shape)]
        mesh = make_mesh(MeshConfig(*shape), devices)
        text, other, totals = two_steps(dataclasses.replace(config, accumulate=parts), mesh)
        np.testing.assert_allclose(totals["loss"], sums["loss"], rtol=1e-5)
        np.testing.assert_allclose(totals["gradient"], sums["gradient"], rtol=1e-4)
        # Adam divides by the gradient's own size, which is what rounding makes it where it should be zero.
        for one, two in zip(jax.tree.leaves(state["params"]), jax.tree.leaves(other["params"]), strict=True):
            np.testing.assert_allclose(one, two, atol=2e-4)
        assert ("all-gather" in text) == (shape[1] > 1), shape
        assert ("all-reduce" in text) == (mesh.size > 1), shape
