"""Compiles a training step for a slice of TPUs with `libtpu` on a machine that has none, and estimates its speed."""

import contextlib
import dataclasses
import hashlib
import importlib
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pianist_jax.config import MESHES, TrainConfig, preset
from pianist_jax.errors import PianistError
from tpu.hlo import Collective, demands
from tpu.topologies import RESERVED_GIB, Topology, exchange_seconds

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What the compiler says of one step on one slice, per chip unless said otherwise; times in seconds.

    `compute`, `hbm` and `ici` are what the model's operations, the program's memory traffic and its exchanges take at
    the data sheet's rates: no run is faster than the longest (`bound`). `step` is the compiler's own estimate of its
    instructions, plus attention kernels at the matrix units' rate, plus exchanges that hide behind nothing.
    """

    topology: str
    chips: int
    preset: str
    task: str
    windows: int  # of the whole slice
    accumulate: int
    attention: str
    arguments_gib: float
    temporary_gib: float
    program_gib: float
    hbm_gib: float  # to be had
    model_tflop: float
    hbm_gb: float
    exchanges: dict[str, tuple[int, float]]  # kind: how many, MB of the arrays exchanged
    compute: float
    hbm: float
    ici: float
    step: float
    tokens: int  # of a step, on the whole slice
    compile_seconds: float
    versions: str
    fingerprint: str  # of the program before compiling

    @property
    def used_gib(self) -> float:
        """Of HBM."""
        return self.arguments_gib + self.temporary_gib + self.program_gib

    @property
    def bound(self) -> float:
        """The time no step on these chips can go below."""
        return max(self.compute, self.hbm, self.ici)

    def tokens_per_second(self, seconds: float) -> float:
        """Of the whole slice, when a step takes so long."""
        return self.tokens / seconds

    def mfu(self, seconds: float) -> float:
        """Model FLOP utilisation when a step takes so long."""
        return self.compute / seconds


@dataclasses.dataclass(frozen=True)
class Lowered:
    """A step that is ready to be compiled."""

    slice_: Topology
    config: TrainConfig
    name: str  # of the model's preset
    devices: tuple[Any, ...]  # in the order of partitions
    program: Any  # jax.stages.Lowered

    @property
    def fingerprint(self) -> str:
        """Other programs have another; the same program keeps it."""
        return hashlib.sha256(self.program.as_text().encode()).hexdigest()[:16]

    @property
    def versions(self) -> str:
        """Of JAX and of the compiler."""
        import jax

        return f"jax {jax.__version__}, {' '.join(str(self.devices[0].client.platform_version).split())}"


def prepare() -> None:
    """Let libtpu compile without looking for chips. To be called before JAX is imported.

    Raises PianistError where libtpu is not installed.
    """
    beside = Path(sys.prefix) / "libtpu" / "libtpu" / "libtpu.so"
    if beside.exists():
        os.environ.setdefault("TPU_LIBRARY_PATH", str(beside))
    if "TPU_LIBRARY_PATH" not in os.environ:
        with contextlib.suppress(ImportError):
            os.environ["TPU_LIBRARY_PATH"] = importlib.import_module("libtpu").get_library_path()
    if "TPU_LIBRARY_PATH" not in os.environ:
        raise PianistError("libtpu is not installed: use `make tpu-check`, or pip install -r tpu/requirements.txt")
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "TPU_SKIP_MDS_QUERY": "1",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "true",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "TPU_ACCELERATOR_TYPE": "v5litepod-16",  # any will do: what is compiled for is named in the call
        "TPU_MIN_LOG_LEVEL": "3",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def step_config(slice_: Topology, model: str, task: str, **changes: Any) -> TrainConfig:
    """The recipe of a stage on a slice: bfloat16, the TPU's attention kernel, the slice's mesh and batch."""
    sizes = dataclasses.replace(preset(model), dtype="bfloat16", attention=changes.pop("attention", "flash"))
    sizes = dataclasses.replace(sizes, remat=changes.pop("remat", False))
    pretrain = task == "pretrain"
    settings: dict[str, Any] = {
        "batch": slice_.pretrain if pretrain else slice_.finetune,
        "accumulate": slice_.accumulate if pretrain else 1,
        "mesh": MESHES[slice_.name],
    }
    return TrainConfig(model=sizes, task=task, **(settings | changes))


def lower_step(slice_: Topology, config: TrainConfig, name: str) -> Lowered:
    """`training.steps.make_step` of a config, traced for a slice but not compiled yet: this takes seconds."""
    from jax.experimental import topologies

    from pianist_jax.parallel import make_mesh
    from pianist_jax.training.steps import abstract_batch, abstract_state, make_step

    described = topologies.get_topology_desc(platform="tpu", topology_name=slice_.layout)
    mesh = make_mesh(config.mesh, described.devices)
    program = make_step(config, mesh).lower(abstract_state(config, mesh), abstract_batch(config, mesh))
    return Lowered(slice_, config, name, tuple(mesh.devices.flat), program)


def compile_step(step: Lowered) -> Estimate:
    """Compile it. Raises PianistError, which says what to change, where a chip's memory is too small."""
    import jax

    from pianist_jax.training.flops import flops_per_note

    slice_, config, chip = step.slice_, step.config, step.slice_.chip
    began = time.monotonic()
    try:
        compiled = step.program.compile()
    except jax.errors.JaxRuntimeError as error:
        raise _too_large(error, step) from error
    seconds = time.monotonic() - began
    memory = compiled.memory_analysis()
    asked = demands(compiled.as_text(), slice_.chips)
    flop = flops_per_note(config.model, config.window) * config.window * config.batch / slice_.chips
    places = [tuple(device.coords) for device in step.devices]
    ici = sum(c.times * exchange_seconds(c.kind, c.bytes, c.groups, places, slice_) for c in asked.collectives)
    kernels = kernel_flop(config) / slice_.chips * max(1.0, chip.side / config.model.head_size) / chip.peak
    return Estimate(
        topology=slice_.name, chips=slice_.chips, preset=step.name, task=config.task, windows=config.batch,
        accumulate=config.accumulate, attention=config.model.attention,
        arguments_gib=memory.argument_size_in_bytes / GIB,
        temporary_gib=memory.temp_size_in_bytes / GIB,
        program_gib=memory.generated_code_size_in_bytes / GIB,
        hbm_gib=chip.hbm_gib - RESERVED_GIB,
        model_tflop=flop / 1e12, hbm_gb=asked.hbm_bytes / 1e9, exchanges=_by_kind(asked.collectives),
        compute=flop / chip.peak, hbm=asked.hbm_bytes / chip.hbm_bandwidth, ici=ici,
        step=asked.cycles / chip.clock + (kernels if asked.kernels else 0.0) + ici,
        tokens=config.batch * config.window * 8, compile_seconds=seconds, versions=step.versions,
        fingerprint=step.fingerprint,
    )  # fmt: skip


def kernel_flop(config: TrainConfig) -> float:
    """Operations of a step's attention kernels on the whole slice: two products forwards, seven for the gradients.

    Where attention is causal the kernel leaves out the blocks above the diagonal.
    """
    from pianist_jax.model.flash import BLOCK

    model = config.model
    heads = 2.0 * config.batch * model.heads * model.head_size
    score = config.window * (1 if model.compressed else 8)
    played = config.window * (1 if model.decoder == "note" else 8)
    blocks = max(played // BLOCK, 1)
    pairs = model.encoder_layers * float(score**2)
    pairs += model.decoder_layers * played**2 * (blocks + 1) / (2 * blocks)
    if model.cross_attention:
        pairs += model.decoder_layers * float(score * played)
    return heads * pairs * (11 if model.remat else 9)


def _by_kind(collectives: tuple[Collective, ...]) -> dict[str, tuple[int, float]]:
    kinds: dict[str, tuple[int, float]] = {}
    for each in collectives:
        times, megabytes = kinds.get(each.kind, (0, 0.0))
        kinds[each.kind] = (times + each.times, megabytes + each.times * each.bytes / 1e6)
    return dict(sorted(kinds.items()))


def _too_large(error: Exception, step: Lowered) -> Exception:
    """An error that says what to change, where HBM is too small; any other as it is."""
    text, config = str(error), step.config
    if "RESOURCE_EXHAUSTED" not in text:
        return error
    figures = re.search(r"Used (\S+) of (\S+) hbm", text) or re.search(
        r"HLO temporaries \((\S+?)\) exceeds available HBM \((\S+?)\)", text
    )
    needs = f"{figures[1]} of {figures[2]}" if figures else "more HBM than there is"
    return PianistError(
        f"{step.name} {config.task} with {config.batch} windows on {step.slice_.name} does not fit: it needs {needs} "
        f"on each chip; {'; or '.join(_advice(config))}"
    )


def _advice(config: TrainConfig) -> Iterator[str]:
    if config.model.attention != "flash":
        yield "set model.attention=flash"
    yield f"set accumulate={2 * config.accumulate}"
    if not config.model.remat:
        yield "set model.remat=true"
    yield f"set mesh.fsdp={2 * config.mesh.fsdp}"
