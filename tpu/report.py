"""Which slices a training step fits, and how fast it should be there: a table, from the compiler, without a TPU.

    make tpu-check                                              # every case that the results do not hold yet, the table
    python -m tpu.report --topology v5e-16 --preset 135m --task pretrain --set accumulate=8
    python -m tpu.report --table --tokens 10e9 --price v5e=DOLLARS

A case is compiled once and kept as a line of JSON in --results; cases changed by --set are kept in a file of their own
or not at all. --price is what an hour of one chip costs; there is no default, because prices change.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from pianist_jax.config.changes import override
from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from tpu import compile as compiler
from tpu.compile import Estimate
from tpu.topologies import TOPOLOGIES, topology

RESULTS = Path(__file__).parent / "results.jsonl"
PRESETS = ("135m", "note-135m", "note-small")
TASKS = ("pretrain", "finetune")


def load(path: Path) -> list[Estimate]:
    """The estimates kept in a file; none where there is no file. Raises PianistError for a line of another kind."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            values = json.loads(line)
            exchanges = {kind: (times, size) for kind, (times, size) in values.pop("exchanges").items()}
            found.append(Estimate(**values, exchanges=exchanges))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise PianistError(f"{path}: line {number} is no estimate; remove it, it is made again") from error
    return found


def save(path: Path, estimates: Iterable[Estimate]) -> None:
    """Keep the estimates in a file, one a line."""
    lines = [json.dumps(dataclasses.asdict(estimate)) + "\n" for estimate in estimates]
    replace_file(path, "".join(lines))


def table(estimates: Iterable[Estimate]) -> Iterator[str]:
    """Lines of Markdown, one case a line."""
    yield (
        "| slice | model, stage | windows a step | HBM used, GiB | model TFLOP | HBM GB | exchanged MB "
        "| ms at the chip's rates: compute / HBM / ICI | ms estimated | M tokens/s | MFU |"
    )
    yield "|---" * 11 + "|"
    for e in estimates:
        parts = f" in {e.accumulate} parts" if e.accumulate > 1 else ""
        moved = ", ".join(f"{kind} {size:,.0f} ({times})" for kind, (times, size) in e.exchanges.items())
        rates = " / ".join(f"{1e3 * seconds:.1f}" for seconds in (e.compute, e.hbm, e.ici))
        yield (
            f"| {e.topology} ({e.chips} chips) | `{e.preset}`, {e.task} | {e.windows}{parts} "
            f"| {e.used_gib:.1f} of {e.hbm_gib:.2f} | {e.model_tflop:.2f} | {e.hbm_gb:.1f} | {moved} "
            f"| {rates} | {1e3 * e.step:.0f} (≥ {1e3 * e.bound:.0f}) "
            f"| {e.tokens_per_second(e.step) / 1e6:.1f} (≤ {e.tokens_per_second(e.bound) / 1e6:.1f}) "
            f"| {e.mfu(e.step):.0%} (≤ {e.mfu(e.bound):.0%}) |"
        )


def run_lines(estimates: Iterable[Estimate], tokens: float, prices: dict[str, float]) -> Iterator[str]:
    """What a run of so many tokens takes on each slice: lines of Markdown. Prices are those of an hour of one chip."""
    yield f"| {tokens / 1e9:g} B tokens | steps | hours | chip-hours |" + (" cost |" if prices else "")
    yield "|---" * (5 if prices else 4) + "|"
    for e in estimates:
        hours = tokens / e.tokens_per_second(e.step) / 3600
        cells = [f"{e.topology}, `{e.preset}`, {e.task}", f"{tokens / e.tokens:,.0f}", f"{hours:.2f}"]
        cells.append(f"{hours * e.chips:.0f}")
        if prices:
            price = prices.get(e.topology.split("-")[0])
            cells.append("–" if price is None else f"{hours * e.chips * price:,.0f}")
        yield f"| {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> int:
    """Compile what is asked for and print the table. Exit code 1 when a case does not fit, 2 for a wrong argument."""
    options = _parser().parse_args(arguments)
    try:
        prices = {name: float(price) for name, price in (pair.split("=", 1) for pair in options.price)}
        changes = dict(pair.split("=", 1) for pair in options.set)
        kept = [] if changes and options.results == RESULTS else load(options.results)
        wanted = [(t, p, k) for k in options.task for p in options.preset for t in options.topology]
        failed = 0 if options.table else _compile(wanted, changes, kept, options.results)
    except (PianistError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    order = {case: number for number, case in enumerate(wanted)}
    shown = sorted((e for e in kept if _case(e) in order), key=lambda e: order[_case(e)])
    print("\n".join(table(shown)))
    print()
    print("\n".join(run_lines((e for e in shown if e.task == "pretrain"), options.tokens, prices)))
    return 1 if failed else 0


def _compile(wanted: list[tuple[str, str, str]], changes: dict[str, str], kept: list[Estimate], results: Path) -> int:
    """Compile each case of which the same program is not kept yet, and keep it; returns how many do not fit."""
    compiler.prepare()
    failed = 0
    for name, model, task in wanted:
        slice_ = topology(name)
        step = compiler.lower_step(slice_, override(compiler.step_config(slice_, model, task), changes), model)
        if any((e.fingerprint, e.versions) == (step.fingerprint, step.versions) for e in kept):
            continue
        try:
            estimate = compiler.compile_step(step)
        except PianistError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        print(f"{name} {model} {task}: compiled in {estimate.compile_seconds:.0f} s", file=sys.stderr, flush=True)
        kept[:] = [e for e in kept if _case(e) != _case(estimate)] + [estimate]
        if not changes or results != RESULTS:
            save(results, kept)
    return failed


def _case(estimate: Estimate) -> tuple[str, str, str]:
    return estimate.topology, estimate.preset, estimate.task


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topology", nargs="+", choices=list(TOPOLOGIES), default=list(TOPOLOGIES))
    parser.add_argument("--preset", nargs="+", default=list(PRESETS))
    parser.add_argument("--task", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="change settings of the training")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where compiled cases are kept")
    parser.add_argument("--table", action="store_true", help="compile nothing: print what is kept")
    parser.add_argument("--tokens", type=float, default=10e9, help="of a whole run")
    parser.add_argument("--price", nargs="*", default=[], metavar="CHIP=DOLLARS", help="an hour of one chip")
    return parser


if __name__ == "__main__":
    sys.exit(main())
