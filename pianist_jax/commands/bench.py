"""`pianist bench`: how fast it is here, and whether that is faster than it was."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.errors import PianistError
from pianist_jax.terminal import say

commands = typer.Typer(rich_markup_mode=None)

USUAL = ["averaged:default:1", "render:default:1", "render:default:16", "render:135m:1", "train:note-small:4"]


@commands.command()
def bench(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WHAT", help="render|averaged:MODEL:BATCH:DTYPE:NOTES or train:PRESET:BATCH:DTYPE:ATTENTION."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often all are measured in turn, each in a new process.")] = 1,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the figures.")] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measure the same and tell what changed since that file.")
    ] = None,
) -> None:
    """Measure the speed of rendering and of training.

    Each measurement compiles, then runs three times; medians count. To compare two commits, measure at one with -o,
    at the other with --compare. Nothing else should run on the machine.
    """
    from pianist_jax import benchmark
    from pianist_jax.files import replace_file

    if rounds < 1:
        raise PianistError(f"rounds is {rounds}, but it must be 1 or more")
    old = _figures(compare) if compare else []
    results = benchmark.measure(what or [result["what"] for result in old] or USUAL, rounds)
    for result in results:
        say(_line(result))
    if compare:
        for line in benchmark.compare(results, old) or ["nothing that was measured before"]:
            say(line)
    if output:
        replace_file(output, json.dumps({**benchmark.about_machine(), "results": results}, indent=1) + "\n")


def _figures(path: Path) -> list[dict]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        if all({"what", "speed", "speeds", "unit"} <= result.keys() for result in results):
            return results
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PianistError(f"{path}: cannot be read as figures of `pianist bench`; give another file") from error
    raise PianistError(f"{path}: holds no figures of `pianist bench`; give another file")


def _line(result: dict) -> str:
    spread = f"{min(result['speeds']):.1f}-{max(result['speeds']):.1f}"
    figures = {
        "times_real_time": "{} × real time",
        "first_notes_s": "first notes after {} s",
        "ms_per_step": "{} ms a step",
        "flop_utilisation": "utilisation {}",
        "compile_s": "compiled in {} s",
        "peak_memory_mib": "{} MiB",
    }
    more = [text.format(result[name]) for name, text in figures.items() if result.get(name) is not None]
    return f"{result['what']}: {result['speed']:.1f} {result['unit']} ({spread}), {', '.join(more)}"
