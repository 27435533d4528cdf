"""What a compiled program asks of one chip, read from its text: memory traffic, collectives, the compiler's own cycles.

XLA's cost analysis counts the body of a loop once and cannot tell the chip's fast memory (VMEM) from its main memory
(HBM); the text of the scheduled program tells both, and which chips exchange how much.
"""

import dataclasses
import math
import re
from collections.abc import Iterator

import numpy as np

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# Instructions that only name, move a view or wait.
_FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "opt-barrier",
    "optimization-barrier", "partition-id", "copy-done", "slice-done", "async-done", "async-update",
    "dynamic-slice-done", "all-reduce-done", "all-gather-done", "collective-permute-done", "iota",
}  # fmt: skip
_SLICES = {"slice", "dynamic-slice", "gather"}  # these read no more than they give
_BITS = {"pred": 8, "s4": 4, "u4": 4, "s8": 8, "u8": 8, "s16": 16, "u16": 16, "bf16": 16, "f16": 16, "s32": 32,
         "u32": 32, "f32": 32, "s64": 64, "u64": 64, "f64": 64, "token": 0}  # fmt: skip
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\](?:\{([^}]*)\})?")
_IOTA = r"\[([\d,]+)\](?:T\(([\d,]+)\))?"
_LINE = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (.*)$")


@dataclasses.dataclass(frozen=True)
class Array:
    """One array of a shape: its bytes, and whether it lies in HBM."""

    bytes: int
    in_hbm: bool


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation."""

    name: str
    arrays: tuple[Array, ...]  # of its result
    opcode: str
    operands: tuple[str, ...]
    rest: str  # attributes
    is_root: bool

    @property
    def bytes(self) -> int:
        """Of the result, wherever it lies."""
        return sum(array.bytes for array in self.arrays)

    @property
    def hbm_bytes(self) -> int:
        """Of the result, in HBM."""
        return sum(array.bytes for array in self.arrays if array.in_hbm)

    def called(self, attribute: str) -> str | None:
        """The computation named by an attribute such as `body` or `calls`."""
        found = re.search(rf"\b{attribute}=%([\w.\-]+)", self.rest)
        return found[1] if found else None


@dataclasses.dataclass(frozen=True)
class Collective:
    """One exchange in the program: `bytes` is the whole array that a group of chips shares, `times` its executions."""

    kind: str
    bytes: int
    groups: tuple[tuple[int, ...], ...]  # numbers of partitions
    times: int
    where: str = ""


@dataclasses.dataclass(frozen=True)
class Demands:
    """What one execution asks of each chip; loops count as often as they run."""

    hbm_bytes: int
    cycles: int  # the compiler's estimates for its fusions, summed; its kernels' and exchanges' times are not in it
    kernels: int  # calls of Pallas kernels
    collectives: tuple[Collective, ...]


Computation = dict[str, Instruction]


def demands(text: str, partitions: int) -> Demands:
    """Read a compiled program (`compiled.as_text()`) for so many chips. Raises ValueError where it cannot be."""
    computations, entry = _parse(text)
    hbm = cycles = kernels = 0
    exchanges: dict[tuple[int, str], Collective] = {}
    for instruction, scope, times in _executed(computations, entry, 1):
        hbm += times * _traffic(instruction, scope, computations)
        cycles += times * sum(map(int, re.findall(r'"estimated_cycles":"(\d+)"', instruction.rest)))
        kernels += times * ('custom_call_target="tpu_custom_call"' in instruction.rest)
        for kind, exchange, inside in _exchanges(instruction, scope, computations):
            channel = re.search(r"channel_id=(\d+)", exchange.rest)  # the start and the end of one share it
            key = (id(scope), channel[1] if channel else exchange.name)
            found = _collective(kind, exchange, inside, times, partitions)
            exchanges[key] = max(found, exchanges.get(key, found), key=lambda each: each.bytes)
    return Demands(hbm, cycles, kernels, tuple(exchanges.values()))


def _parse(text: str) -> tuple[dict[str, Computation], str]:
    computations: dict[str, Computation] = {}
    entry, current = "", {}
    for line in text.splitlines():
        if line and not line[0].isspace() and line.endswith("{") and ("%" in line):
            found = re.search(r"%([\w.\-]+)", line)
            assert found is not None
            current = computations.setdefault(found[1], {})
            entry = found[1] if line.startswith("ENTRY") else entry
        elif match := _LINE.match(line):
            instruction = _instruction(match[1], match[2], line.lstrip().startswith("ROOT"))
            current[instruction.name] = instruction
    if not entry:
        raise ValueError("the text of the compiled program has no entry computation")
    return computations, entry


def _instruction(name: str, text: str, is_root: bool) -> Instruction:
    shape = text[: _closing(text, 0) + 1] if text.startswith("(") else text.split(" ", 1)[0]
    call = text[len(shape) :].lstrip()
    opcode, _ = call.split("(", 1)
    end = _closing(call, len(opcode))
    operands = tuple(re.findall(r"%([\w.\-]+)", call[len(opcode) : end]))
    return Instruction(name, _arrays(shape), opcode, operands, call[len(opcode) :], is_root)


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that opens at `start` closes."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    raise ValueError(f"unbalanced parentheses in the compiled program: {text[:80]}")


def _arrays(shape: str) -> tuple[Array, ...]:
    arrays = []
    for kind, sizes, layout in _SHAPE.findall(shape):
        bits = _BITS.get(kind, 8)  # the 8-bit floating-point kinds have many names
        number = math.prod(int(size) for size in sizes.split(",") if size)
        arrays.append(Array(number * bits // 8, "S(" not in layout))
    return tuple(arrays)


def _executed(
    computations: dict[str, Computation], name: str, times: int
) -> Iterator[tuple[Instruction, Computation, int]]:
    """Every scheduled instruction, with the scope of its operands and how often it runs."""
    scope = computations[name]
    for instruction in scope.values():
        body, condition = instruction.called("body"), instruction.called("condition")
        if instruction.opcode == "while" and body and condition:
            turns = _turns(computations[condition])
            yield from _executed(computations, body, times * turns)
        elif instruction.opcode in ("call", "async-start"):
            called = instruction.called("to_apply") or instruction.called("calls")
            assert called is not None
            yield from _executed(computations, called, times)
        elif instruction.opcode == "conditional":
            raise ValueError("the compiled program branches: how often each side runs is not known")
        elif instruction.opcode not in _FREE:
            yield instruction, scope, times


def _turns(condition: Computation) -> int:
    """How often a loop over layers runs: its counter begins at 0 and stays below the constant it is compared with."""
    root = next(instruction for instruction in condition.values() if instruction.is_root)
    for name in root.operands:
        operand = condition[name]
        found = re.match(r"\((\d+)\)", operand.rest)
        if root.opcode == "compare" and "direction=LT" in root.rest and operand.opcode == "constant" and found:
            return int(found[1])
    raise ValueError(f"how often a loop runs is not known: {root.opcode}{root.rest[:80]}")


def _traffic(instruction: Instruction, scope: Computation, computations: dict[str, Computation]) -> int:
    """Bytes read from and written to HBM."""
    opcode = instruction.opcode
    if opcode in ("copy-start", "slice-start", "dynamic-slice-start"):
        # The result's shape holds source and target; what is moved is the smaller of them.
        moved = min(array.bytes for array in instruction.arrays[:2])
        return moved * sum(array.in_hbm for array in instruction.arrays[:2])
    if opcode == "custom-call" and "tpu_custom_call" not in instruction.rest:
        return 0  # these join buffers that lie side by side
    operands = [scope[name] for name in instruction.operands if name in scope]
    if opcode in _SLICES:
        return 2 * instruction.hbm_bytes
    if opcode == "dynamic-update-slice":
        return 2 * operands[1].hbm_bytes
    called = instruction.called("calls")
    if opcode == "fusion" and called:
        inside = computations[called]
        read = sum(
            min(operand.hbm_bytes, _read(inside, place, computations)) if operand.hbm_bytes else 0
            for place, operand in enumerate(operands)
        )
        return read + (_written(inside) if instruction.hbm_bytes else 0)
    return instruction.hbm_bytes + sum(operand.hbm_bytes for operand in operands)


def _read(inside: Computation, place: int, computations: dict[str, Computation]) -> int:
    """How much of its parameter number `place` a fusion reads: all of it, unless it only takes slices."""
    parameter = next((i for i in inside.values() if i.opcode == "parameter" and i.rest.startswith(f"({place})")), None)
    if parameter is None:
        return 0
    total = 0
    for user in inside.values():
        if parameter.name not in user.operands:
            continue
        if user.opcode in _SLICES and user.operands[0] == parameter.name:
            total += user.bytes
        elif user.opcode == "dynamic-update-slice" and user.operands[0] == parameter.name:
            total += 0  # updated in place
        elif user.opcode == "fusion" and (called := user.called("calls")):
            places = [n for n, name in enumerate(user.operands) if name == parameter.name]
            total += sum(_read(computations[called], n, computations) for n in places)
        else:
            return parameter.bytes
    return min(total, parameter.bytes)


def _written(inside: Computation) -> int:
    """How much of its result a fusion writes: an updated slice where it updates in place."""
    root = next(instruction for instruction in inside.values() if instruction.is_root)
    parts = [inside[name] for name in root.operands] if root.opcode == "tuple" else [root]
    total = 0
    for part in parts:
        while part.opcode == "bitcast":
            part = inside[part.operands[0]]
        total += inside[part.operands[1]].bytes if part.opcode == "dynamic-update-slice" else part.bytes
    return total


def _exchanges(
    instruction: Instruction, scope: Computation, computations: dict[str, Computation]
) -> Iterator[tuple[str, Instruction, Computation]]:
    """Collectives that an instruction is, or that are fused with other work: kind, the collective, its scope."""
    kind = instruction.opcode.removesuffix("-start")
    if kind in COLLECTIVES:
        yield kind, instruction, scope
    called = instruction.called("calls") if instruction.opcode == "fusion" else None
    for inner in computations[called].values() if called else ():
        for found in _exchanges(inner, computations[called], computations):  # type: ignore[index]
            scattered = found[0] == "all-reduce" and called.startswith("all-reduce-scatter")  # type: ignore[union-attr]
            yield ("reduce-scatter", *found[1:]) if scattered else found


def _collective(kind: str, instruction: Instruction, scope: Computation, times: int, partitions: int) -> Collective:
    sent = sum(scope[name].bytes for name in instruction.operands if name in scope)
    given = instruction.bytes - sent if instruction.opcode == "all-gather-start" else instruction.bytes
    whole = sent if kind in ("all-reduce", "reduce-scatter", "all-to-all", "collective-permute") else given
    where = re.search(r'op_name="([^"]*)"', instruction.rest)
    return Collective(kind, whole, _groups(instruction.rest, partitions), times, where[1] if where else "")


def _groups(rest: str, partitions: int) -> tuple[tuple[int, ...], ...]:
    """Which partitions exchange with each other, from any of the notations of `replica_groups`."""
    if pairs := re.search(r"source_target_pairs=\{(.*?)\}\}", rest):
        return tuple(tuple(map(int, pair.split(","))) for pair in re.findall(r"(\d+,\d+)", pairs[1]))
    if mesh := re.search(rf"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\({_IOTA}\))? \{{([^}}]*)\}}", rest):
        sizes = {name: int(size) for name, size in re.findall(r"'([^']+)'=(\d+)", mesh[1])}
        chosen = re.findall(r"'([^']+)'", mesh[4])
        order = (_iota(mesh[2], mesh[3]) if mesh[2] else np.arange(partitions)).reshape(tuple(sizes.values()))
        kept = [axis for axis, name in enumerate(sizes) if name not in chosen]
        moved = [axis for axis, name in enumerate(sizes) if name in chosen]
        return _rows(order.transpose(kept + moved).reshape(-1, math.prod(sizes[name] for name in chosen)))
    if iota := re.search(rf"replica_groups=\[(\d+),(\d+)\]<={_IOTA}", rest):
        return _rows(_iota(iota[3], iota[4]).reshape(int(iota[1]), int(iota[2])))
    if listed := re.search(r"replica_groups=\{(\{[\d,{} ]*\})\}", rest):
        return tuple(tuple(map(int, group.split(","))) for group in re.findall(r"\{([\d, ]+)\}", listed[1]))
    if "replica_groups={}" in rest:
        return (tuple(range(partitions)),)
    raise ValueError(f"the groups of a collective are written in a way that is not known: {rest[:200]}")


def _iota(sizes: str, turned: str | None) -> np.ndarray:
    """The numbers from 0, laid out and then transposed: "4,4" and "1,0"."""
    order = np.arange(math.prod(map(int, sizes.split(",")))).reshape([int(size) for size in sizes.split(",")])
    return order.transpose([int(axis) for axis in turned.split(",")]) if turned else order


def _rows(groups: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(x) for x in row) for row in groups)
