"""Many devices: the mesh, where the weights and batches lie on it, and how the processes of a job find each other.

The model says nothing of devices. What each axis of a parameter means follows from the parameter's path (`RULES`),
which mesh axis divides it from what it means (`MESH_AXES`); XLA derives the rest and puts in the collectives.
"""

import glob
import importlib.util
import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pianist_jax.config import MeshConfig
from pianist_jax.errors import PianistError

AXES = ("data", "fsdp", "tensor")
BATCH_AXES = ("data", "fsdp")  # what divides the rows of a batch

TABLES = r"(embedding|table|chosen)$"

# What the last axes of a parameter mean, by the end of its path; the first pattern that is found counts. Axes before
# them are layers of a scan. Optimizer moments and averages end in the path of their parameter, so they follow it.
RULES: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    (r"attention/q/kernel$", ("embed", "heads", None)),
    (r"attention/[kv]/kernel$", ("embed", "heads", None)),
    (r"attention/o/kernel$", ("heads", None, "embed")),
    (r"mlp/(gate|up)/kernel$", ("embed", "mlp")),
    (r"mlp/down/kernel$", ("mlp", "embed")),
    (TABLES, ("vocabulary", "embed")),
    (r"cascade/out_\d+/kernel$", ("embed", None)),
    (r"kernel$", (None, "embed")),
)
MESH_AXES = {"embed": "fsdp", "heads": "tensor", "mlp": "tensor", "vocabulary": None}


def make_mesh(config: MeshConfig, devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh of all devices of the job (or of `devices`, for which may stand those of a topology).

    Raises PianistError where the devices cannot be laid out so.
    """
    devices = jax.devices() if devices is None else devices
    return Mesh(device_grid(config, devices), AXES, axis_types=(AxisType.Auto,) * len(AXES))


def one_device() -> Mesh:
    """The mesh of this process's first device alone."""
    return make_mesh(MeshConfig(data=1), jax.local_devices()[:1])


def device_grid(config: MeshConfig, devices: Sequence[Any]) -> np.ndarray:
    """The devices as an array [data, fsdp, tensor]; with several slices neighbours along data are far apart."""
    each = config.slices * config.fsdp * config.tensor
    data = config.data if config.data > 0 else max(len(devices) // each, 1)
    wanted = data * each
    if wanted != len(devices):
        layout = f"{config.slices} slices × " if config.slices > 1 else ""
        layout += f"data {data} × fsdp {config.fsdp} × tensor {config.tensor}"
        raise PianistError(
            f"the mesh ({layout}) takes {wanted} devices, but there are {len(devices)}; "
            "set mesh.data=-1 and numbers that divide them"
        )
    shape = (data, config.fsdp, config.tensor)
    if config.slices == 1:
        return mesh_utils.create_device_mesh(shape, devices, allow_split_physical_axes=True)
    slices = {getattr(device, "slice_index", None) for device in devices}
    processes = {device.process_index for device in devices}
    if config.slices not in (len(slices), len(processes)):
        raise PianistError(
            f"mesh.slices is {config.slices}, but these devices lie on {len(slices)} slices "
            f"in {len(processes)} processes; set mesh.slices={len(slices)}"
        )
    return mesh_utils.create_hybrid_device_mesh(
        shape,
        (config.slices, 1, 1),
        devices,
        process_is_granule=len(slices) != config.slices,
        allow_split_physical_axes=True,
    )


def axes_of(path: str, shape: Sequence[int], mesh: Mesh) -> PartitionSpec:
    """Which mesh axis divides each axis of a parameter, or of what an optimizer keeps for it.

    An axis that cannot be divided evenly stays whole, and so do norms, biases and what no rule names.
    """
    meaning: tuple[str | None, ...] = next((names for rule, names in RULES if re.search(rule, path)), ())
    if len(meaning) > len(shape):
        meaning = ()
    meaning = (None,) * (len(shape) - len(meaning)) + meaning
    chosen = [MESH_AXES.get(name) if name else None for name in meaning]
    return PartitionSpec(
        *(axis if axis and size % mesh.shape[axis] == 0 else None for axis, size in zip(chosen, shape, strict=True))
    )


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """A sharding for each array (or shape) of a training state, parameters, or an optimizer's state."""

    def place(path: Any, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return NamedSharding(mesh, axes_of(name, leaf.shape, mesh))

    return jax.tree_util.tree_map_with_path(place, state)


def replicated(mesh: Mesh) -> NamedSharding:
    """Whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Rows of a batch divided over the data and fsdp axes."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def batch_ways(mesh: Mesh) -> int:
    """In how many parts a batch is divided."""
    return math.prod(mesh.shape[axis] for axis in BATCH_AXES)


def check_batch(batch: int, mesh: Mesh, what: str = "batch") -> None:
    """Raise PianistError where so many rows cannot be divided evenly."""
    ways = batch_ways(mesh)
    if batch % ways:
        near = max(batch // ways, 1) * ways
        raise PianistError(f"{what} is {batch}, which {ways} parts of the mesh cannot share; set {what}={near}")


def shard_state(state: Any, mesh: Mesh) -> Any:
    """The state laid out on the mesh. Every process holds the same whole values before."""
    return place(state, state_shardings(state, mesh))


def place(tree: Any, shardings: Any) -> Any:
    """Host values, the same in every process, as arrays of these shardings (a tree like `tree`, or one for all)."""
    if isinstance(shardings, NamedSharding):
        shardings = jax.tree.map(lambda _: shardings, tree)

    def put(value: Any, sharding: NamedSharding) -> jax.Array:
        if sharding.is_fully_addressable:
            return jax.device_put(value, sharding)
        host = np.asarray(value)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(put, tree, shardings)


def global_batch(rows: Any, mesh: Mesh) -> Any:
    """One batch of the whole job from the rows that each process has read, an equal number in each."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(lambda part: jax.make_array_from_process_local_data(sharding, part), rows)


def divide_rows(tree: Any, mesh: Mesh) -> Any:
    """Inside a jitted program: arrays whose first axis counts the rows of a batch are divided by rows."""
    return jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, batch_sharding(mesh)), tree)


def whole_tables(params: Any, mesh: Mesh) -> Any:
    """Inside a jitted program: tables that rows are looked up in are brought together before they are used.

    XLA would look up in every part of a row and exchange the results, which are larger.
    """

    def bring(path: Any, leaf: jax.Array) -> jax.Array:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return jax.lax.with_sharding_constraint(leaf, replicated(mesh)) if re.search(TABLES, name) else leaf

    return params if mesh.size == 1 else jax.tree_util.tree_map_with_path(bring, params)


@contextmanager
def rows_divided(mesh: Mesh) -> Iterator[None]:
    """Inside a jitted program: whatever a module returns stays divided by rows.

    Without this XLA may prefer to divide activations as the weights are, and exchange the far larger ones.
    """
    if mesh.size == 1:
        yield
        return
    import flax.linen as nn  # not needed to render by kept programs

    def hold(x: Any) -> Any:
        if getattr(x, "ndim", 0) < 3:
            return x
        rest = (PartitionSpec.UNCONSTRAINED,) * (x.ndim - 1)
        return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(BATCH_AXES, *rest)))

    def intercept(method: Any, args: Any, kwargs: Any, context: Any) -> Any:
        out = method(*args, **kwargs)
        return jax.tree.map(hold, out) if context.method_name == "__call__" else out

    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh), nn.intercept_methods(intercept):
        yield


def initialise_distributed() -> bool:
    """Join the other processes of this job; False where this is the only one. To be called before anything of JAX.

    Told by JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID; by SLURM (`srun`, more than one
    task); by the TPU runtime (GKE's variables, or the metadata of a Cloud TPU VM). Raises PianistError where a job is
    described but cannot be joined.
    """
    if jax.distributed.is_initialized():
        return True
    told = {name: os.environ.get(f"JAX_{name}") for name in ("COORDINATOR_ADDRESS", "NUM_PROCESSES", "PROCESS_ID")}
    try:
        if told["NUM_PROCESSES"] is not None and told["PROCESS_ID"] is not None:
            jax.distributed.initialize(
                told["COORDINATOR_ADDRESS"],
                int(told["NUM_PROCESSES"]),
                int(told["PROCESS_ID"]),
                cluster_detection_method="deactivate",
            )
        elif _slurm_job() or _tpu_job():
            jax.distributed.initialize()
        else:
            return False
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PianistError(
            f"this process cannot join its job ({reason}); check JAX_COORDINATOR_ADDRESS (host:port), "
            "JAX_NUM_PROCESSES and JAX_PROCESS_ID, or the launcher"
        ) from error
    return True


def _slurm_job() -> bool:
    return int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_STEP_NODELIST" in os.environ


def _tpu_job() -> bool:
    """A TPU host whose runtime knows the others. JAX_PLATFORMS=cpu means that it is not to be used."""
    if os.environ.get("JAX_PLATFORMS", "tpu").split(",")[0] != "tpu" or importlib.util.find_spec("libtpu") is None:
        return False
    named = "TPU_WORKER_HOSTNAMES" in os.environ or "TPU_PROCESS_ADDRESSES" in os.environ
    chips = glob.glob("/dev/accel[0-9]*") or glob.glob("/dev/vfio/[0-9]*")  # noqa: PTH207
    return named or (bool(chips) and "TPU_SKIP_MDS_QUERY" not in os.environ)
