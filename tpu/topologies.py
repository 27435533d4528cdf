"""The TPU slices that are compiled for, and their chips as the makers' data sheets describe them."""

import dataclasses
import difflib
import math
from collections.abc import Sequence

from pianist_jax.errors import PianistError


@dataclasses.dataclass(frozen=True)
class Chip:
    """One chip by its data sheet.

    `ici` is what all links of a chip send, in one direction: half of the sheet's bidirectional figure. `side` is that
    of the matrix unit. `clock` follows from the sheet: peak = 2 · cores · units · side² · clock.
    """

    sheet: str
    peak: float  # bfloat16 operations a second
    hbm_gib: float
    hbm_bandwidth: float  # bytes a second
    ici: float  # bytes a second
    cores: int
    units: int  # matrix units in each core
    side: int
    dimensions: int  # of the torus

    @property
    def clock(self) -> float:
        """Cycles a second of a core."""
        return self.peak / (2 * self.cores * self.units * self.side**2)


CHIPS = {
    "v5e": Chip("https://docs.cloud.google.com/tpu/docs/v5e", 197e12, 16, 819e9, 200e9, 1, 4, 128, 2),
    "v5p": Chip("https://docs.cloud.google.com/tpu/docs/v5p-training", 459e12, 95, 2765e9, 600e9, 2, 4, 128, 3),
    # The sheet counts two units of 256 × 256, which would have to run at 3.5 GHz. The compiler plans for 369 000
    # operations a cycle in a plain product of 8192² matrices, more than two can do: four at 1.75 GHz give the peak.
    "v6e": Chip("https://docs.cloud.google.com/tpu/docs/v6e", 918e12, 32, 1638e9, 400e9, 1, 4, 256, 2),
}
RESERVED_GIB = 0.25  # what the runtime keeps of a chip's HBM: the compiler's own figure (15.75 of 16 GiB to be had)


@dataclasses.dataclass(frozen=True)
class Topology:
    """A slice: `name` as in `config.MESHES`, the compiler's name for its shape, and batches that suit its size.

    `windows` of pre-training and fine-tuning are those of one step on the whole slice; `accumulate` is
    `TrainConfig.accumulate` in pre-training.
    """

    name: str
    layout: str
    wraps: tuple[bool, ...]  # which dimensions of the torus close into a ring
    pretrain: int
    finetune: int
    accumulate: int = 1

    @property
    def chip(self) -> Chip:
        """Its chips."""
        return CHIPS[self.layout.split(":")[0]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Chips along each dimension."""
        return tuple(int(size) for size in self.layout.split(":")[1].split("x"))

    @property
    def chips(self) -> int:
        """How many chips it has."""
        return math.prod(self.shape)


# v5e and v6e close rings of 16 chips only; v5p closes them in slices of whole cubes of 4 × 4 × 4
# (https://jax-ml.github.io/scaling-book/tpus). "v5p-128" counts cores, two to a chip.
TOPOLOGIES = {
    topology.name: topology
    for topology in (
        Topology("v5e-16", "v5e:4x4", (False, False), pretrain=256, finetune=64, accumulate=4),
        Topology("v5e-256", "v5e:16x16", (True, True), pretrain=1024, finetune=256),
        Topology("v5p-128", "v5p:4x4x4", (True, True, True), pretrain=512, finetune=64),
        Topology("v6e-64", "v6e:8x8", (False, False), pretrain=512, finetune=64),
    )
}


def topology(name: str) -> Topology:
    """The slice of this name. Raises PianistError that names the nearest one."""
    if name not in TOPOLOGIES:
        near = difflib.get_close_matches(name, TOPOLOGIES, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(TOPOLOGIES)}"
        raise PianistError(f'no topology is called "{name}"{hint}')
    return TOPOLOGIES[name]


def exchange_seconds(
    kind: str, size: int, groups: Sequence[Sequence[int]], places: Sequence[tuple[int, ...]], slice_: Topology
) -> float:
    """How long one collective of `size` bytes takes at least, in rings along every dimension that its groups span.

    `places` are the coordinates of each partition's chip. A dimension that does not close into a ring sends half.
    """
    group = groups[0]
    spanned = [len({places[member][axis] for member in group}) for axis in range(slice_.chip.dimensions)]
    per_dimension = slice_.chip.ici / slice_.chip.dimensions
    bandwidth = sum(
        per_dimension * (1.0 if wraps and span == whole else 0.5)
        for span, whole, wraps in zip(spanned, slice_.shape, slice_.wraps, strict=True)
        if span > 1
    )
    if not bandwidth:
        return 0.0
    if kind == "collective-permute":
        return size / bandwidth
    return (2.0 if kind == "all-reduce" else 1.0) * size * (len(group) - 1) / len(group) / bandwidth
