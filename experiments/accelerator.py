"""What an accelerator does here, in calls of at most nine minutes: training, the same in PyTorch, rendering by batch.

    python -m experiments.accelerator h100.jsonl                  # measures what the file lacks, then writes h100.md
    python -m experiments.accelerator h100.jsonl --seconds 300    # begins nothing that would not fit
    python -m experiments.accelerator h100.jsonl --table          # h100.md from what is in the file, measuring nothing
    python -m experiments.accelerator tiny.jsonl --rehearse       # every kind of line in a few minutes of a CPU
    python -m experiments.accelerator some.jsonl train:135m:64 torch:135m:64 render:135m:16:bfloat16

The same command goes on where a call was cut off: each measurement is a process of its own, whose line is in the file
once it is made. One that fails (too large a batch, say) has a line with its error, and is tried again when that line is
gone. JAX, Flax, Optax, Orbax and safetensors are enough; PyTorch is measured where it is installed.

    train:PRESET:BATCH[:ATTENTION[:SETTING=VALUE…]]      a training step, as `experiments.training_speed` times it
    torch:PRESET:BATCH[:compiled[:SETTING=VALUE…]]       a plain PyTorch step of these sizes (`experiments.torch_step`)
    render:MODEL:BATCH:DTYPE:NOTES, averaged:…           performances, as `pianist bench` times them

Attention left out is what the machine is best at: cuDNN's on a GPU, Splash on a TPU. Windows of 512 notes, 8 tokens a
note; utilisation: the operations that a model cannot do without (`flops_per_note`), by the maker's bfloat16 figure.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pianist_jax import benchmark
from pianist_jax.config import preset
from pianist_jax.config.changes import override

MODELS = (("135m", 32), ("note-135m", 32), ("note-small", 128))
PLAN = (
    *(f"train:{model}:{batch}" for model, batch in MODELS),
    *(f"torch:{model}:{batch}" for model, batch in MODELS),
    *(f"render:note-small:{batch}:bfloat16" for batch in (1, 16, 64, 256)),
    *(f"render:135m:{batch}:bfloat16" for batch in (1, 16, 64)),
    *(f"averaged:default:{batch}:bfloat16" for batch in (1, 16)),
    *(f"torch:{model}:{batch}:compiled" for model, batch in MODELS),
    *(f"render:note-135m:{batch}:bfloat16" for batch in (1, 16, 64, 256)),
    *(f"train:{model}:{2 * batch}" for model, batch in MODELS),
    *(f"train:{model}:{batch}:xla" for model, batch in MODELS),
)
REHEARSAL = (
    *(f"train:{model}:1:xla:dtype=float32" for model in ("tiny", "note-tiny")),
    *(f"torch:{model}:1::dtype=float32" for model in ("tiny", "note-tiny")),
    *(f"render:note-tiny:{batch}:float32:64" for batch in (1, 4)),
)
EXPECTED = {"train": 60.0, "torch": 40.0, "render": 45.0, "averaged": 60.0}  # seconds of one, before one is known
WINDOW = 512
Line = dict[str, Any]


def measure_missing(plan: Sequence[str], file: Path, seconds: float, steps: int) -> None:
    """Measure what the file lacks of the plan, in its order; nothing is begun that would not fit in the seconds."""
    began, lines = time.monotonic(), read(file)
    torch = importlib.util.find_spec("torch") is not None
    for spec in plan:
        kind, left = spec.split(":")[0], seconds - (time.monotonic() - began)
        took = [line["took_s"] for line in lines if line["what"].split(":")[0] == kind and "error" not in line]
        if spec in {line["what"] for line in lines}:
            say(f"{spec}: is in {file}")
        elif kind == "torch" and not torch:
            say(f"{spec}: PyTorch is not installed")
        elif (took or [EXPECTED[kind]])[-1] > left:
            say(f"{spec}: would not fit in the {left:.0f} s that are left; the same command goes on")
        elif line := measured(spec, left, steps):
            lines.append(line)
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
            say(json.dumps(line))
        else:
            say(f"{spec}: took longer than the {left:.0f} s that were left; the same command tries again")


def measured(spec: str, seconds: float, steps: int) -> Line | None:
    """The line of one measurement, made by a process of its own; None where the seconds were not enough."""
    command = [sys.executable, "-m", "experiments.accelerator", "--one", spec, "--steps", str(steps)]
    # Programs kept from another run would hide what compiling takes; PyTorch wants the device for itself.
    environment = {**os.environ, "PIANIST_CACHE": ""} | ({"JAX_PLATFORMS": "cpu"} if spec.startswith("torch") else {})
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment)
    except subprocess.TimeoutExpired:
        return None
    line: Line = {"what": spec, **benchmark.about_machine(), "took_s": round(time.monotonic() - began, 1)}
    if done.returncode:
        words = [f"ended with {done.returncode} and no word", *done.stderr.strip().splitlines()]
        named = [word for word in words if "Error" in word]
        return line | {"error": (named or words)[-1][:300]}
    return json.loads(done.stdout.splitlines()[-1]) | line


def measure_here(spec: str, steps: int) -> Line:
    """Measure in this process. A line has `speed` in notes/s, `device`, and what else its kind tells."""
    kind, *given = spec.split(":")
    if kind in ("render", "averaged"):
        return benchmark.measure_here(spec)
    name, batch, way, *settings = [*given, ""] if len(given) == 2 else given
    if kind == "torch":
        return _torch(name, int(batch), steps, settings, compiled=way == "compiled")
    return _train(name, batch, steps, settings, way)


def _train(name: str, batch: str, steps: int, settings: list[str], attention: str) -> Line:
    import jax

    from experiments.training_speed import measure
    from pianist_jax.music.tokens import NOTE_TOKENS

    best = {"gpu": "cudnn", "tpu": "flash"}.get(jax.default_backend(), "xla")
    spec = ":".join([name, batch, attention or best, *settings])
    windows = jax.device_put(benchmark.invented_windows())
    line = measure(spec, windows, steps, compiled_only=False, saving=False)
    device = {"device": f"1 × {jax.devices()[0].device_kind}, jax {jax.__version__}"}
    return device | line | {"speed": line["tokens_per_second"] / NOTE_TOKENS}


def _torch(name: str, batch: int, steps: int, settings: list[str], *, compiled: bool) -> Line:
    from experiments.torch_step import measure
    from pianist_jax.training.flops import flops_per_note, peak_flops

    model = override(preset(name), {"dtype": "bfloat16", **dict(setting.split("=", 1) for setting in settings)})
    line = measure(model, batch, WINDOW, steps, compiled=compiled)
    peak = peak_flops(line["device"])
    mfu = round(line["speed"] * flops_per_note(model, WINDOW) / peak, 3) if peak else None
    return line | {"mfu": mfu, "device": f"1 × {line['device']}, {line.pop('library')}"}


def read(file: Path) -> list[Line]:
    """The lines of a file; one that a call was cut off in is left out, and the file ends with a whole one."""
    whole = []
    if file.exists():
        text = file.read_text(encoding="utf-8")
        whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        if text != "".join(whole):
            file.write_text("".join(whole), encoding="utf-8")
    return [json.loads(line) for line in whole]


def table(lines: Sequence[Line]) -> list[str]:
    """Rows of Markdown for all that was measured: training, with PyTorch's step of the same sizes, and rendering."""
    made = [line for line in lines if "error" not in line]
    trained = [line for line in made if line["what"].startswith(("train:", "torch:"))]
    trained.sort(key=lambda line: line["what"].split(":")[1:3])  # steps of the same sizes one below the other
    rendered = [line for line in made if line["what"].startswith(("render:", "averaged:"))]
    rows = []
    if trained:
        rows += ["| training, windows of 512 notes | on | tokens/s | model FLOP utilisation | ms a step | memory |"]
        rows += ["|---|---|---|---|---|---|", *map(_training_row, trained), ""]
    if rendered:
        rows += ["| performing | on | notes/s | first notes after | compiled in |", "|---|---|---|---|---|"]
        rows += [*map(_rendering_row, rendered), ""]
    failed = [line for line in lines if "error" in line]
    return rows + [f"`{line['what']}` failed: {line['error']}" for line in failed]


def _training_row(line: Line) -> str:
    kind, name, batch, *rest = line["what"].split(":")
    how = ", ".join(["PyTorch" if kind == "torch" else "JAX", *filter(None, rest)])
    mfu = f"{line['mfu']:.1%}" if line["mfu"] is not None else "–"
    memory = f"{line['peak_gib']:.1f} GiB" if line["peak_gib"] else "–"
    tokens = f"{line['speed'] * 8 / 1e6:.3g} M"
    figures = f"{tokens} | {mfu} | {line['ms_per_step']:.1f} | {memory}"
    return f"| `{name}`, {batch} windows, {how} | {line['device']} | {figures} |"


def _rendering_row(line: Line) -> str:
    kind, name, batch, dtype, notes = benchmark.complete(line["what"]).split(":")
    drawn = "as `pianist render` does" if kind == "averaged" else "drawn once"
    spread = f"{line['speed']:,.0f} ({min(line['speeds']):,.0f}–{max(line['speeds']):,.0f})"
    what = f"`{name}`, {batch} × {notes} notes, {drawn}, {dtype}"
    return f"| {what} | {line['device']} | {spread} | {line['first_notes_s']:.2f} s | {line['compile_s']:.0f} s |"


def say(line: str) -> None:
    """Print at once: whoever reads may see a call that is cut off."""
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Measure what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=Path("accelerator.jsonl"), help="what was measured")
    parser.add_argument("specs", nargs="*", help="measure these instead of the whole plan")
    parser.add_argument("--seconds", type=float, default=540.0, help="end within these")
    parser.add_argument("--steps", type=int, default=10, help="of training in one of the runs that are timed")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes, one step")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--one", metavar="SPEC", help="measure it in this process and print its line")
    options = parser.parse_args(arguments)
    if options.one:
        say(json.dumps(measure_here(options.one, options.steps)))
        return
    if not options.table:
        plan = options.specs or (REHEARSAL if options.rehearse else PLAN)
        measure_missing(plan, options.file, options.seconds, 1 if options.rehearse else options.steps)
    rows = "\n".join(table(read(options.file)))
    options.file.with_suffix(".md").write_text(rows + "\n", encoding="utf-8")
    say(rows)


if __name__ == "__main__":
    main()
