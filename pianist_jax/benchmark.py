"""How fast performances are made and models learn here, by model, batch and dtype; one process for each measurement.

A specification is `render:MODEL:BATCH:DTYPE:NOTES` or `train:PRESET:BATCH:DTYPE:ATTENTION`; what is left out at the end
has a default. `averaged` is of performances as `pianist render` makes them, `render` of such as are drawn once
(`--draws 1`). A model is a preset, with random weights (which changes nothing of the arithmetic), or the name or
file of weights. Scores and corpora are invented.
"""

import dataclasses
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.config import PRESETS, TrainConfig, preset
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes

_RENDER = ("default", "1", "float32", "512")
DEFAULTS = {"render": _RENDER, "averaged": _RENDER, "train": ("note-small", "4", "float32", "xla")}
STEPS = 2  # of training in one measurement
RUNS = 3  # in each process, after one that compiles
Result = dict[str, Any]


def invented(notes: int, seed: int) -> Notes:
    """A score of chords and runs."""
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.choice([0, 125, 250, 500], notes))
    pitch = 40 + 7 * np.arange(notes) % 41
    none = np.zeros(0, int)
    return Notes(pitch, onset, rng.choice([125, 250, 1500], notes), np.full(notes, 64), none, none)


def invented_windows(notes: int = 100_000, window: int = 512) -> dict[str, np.ndarray]:
    """A corpus of random values in the ranges of piano music, as training reads it (`data.windows.Windows`)."""
    rng = np.random.default_rng(0)
    lowest, highest = (21, 0, 1, 1, 0, 0, 0, 0), (108, 400, 127, 1500, 127, 127, 127, 127)
    start = np.arange(0, notes - window, 64, dtype=np.int32)
    return {
        "performance": rng.integers(lowest, highest, (notes, len(lowest))).astype(np.uint16),
        "start": start,
        "length": np.full(len(start), window, np.int32),
        "chance": np.linspace(0, 1, len(start) + 1, dtype=np.float32)[1:],
        "has_pedal": np.ones(len(start), bool),
        "expressive": np.ones(len(start), bool),
    }


def complete(specification: str) -> str:
    """The specification with its defaults put in. Raises PianistError for one that makes no sense."""
    kind, *given = specification.split(":")
    if kind not in DEFAULTS or len(given) > len(DEFAULTS[kind]):
        raise PianistError(f'"{specification}" is no measurement; write render:MODEL:BATCH:DTYPE:NOTES or train:…')
    whole = [*given, *DEFAULTS[kind][len(given) :]]
    numbers = (whole[1],) if kind == "train" else (whole[1], whole[3])
    if not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise PianistError(f'"{specification}": batch and notes must be numbers above 0')
    if kind == "train":
        preset(whole[0])
    return ":".join([kind, *whole])


def measure_here(specification: str) -> Result:
    """Measure in this process: JAX compiles, warms up, and is timed `RUNS` times."""
    kind, *given = complete(specification).split(":")
    result = _train(*given) if kind == "train" else _render(*given, averaged=kind == "averaged")
    return {"what": complete(specification), **result, "peak_memory_mib": _peak_memory()}


def measure(specifications: Sequence[str], rounds: int = 1) -> list[Result]:
    """Measure each in a process of its own, all in turn, `rounds` times. Raises PianistError where one fails.

    Of every figure the median counts; of the times of single runs all are kept, so that their spread can be seen.
    """
    whole = [complete(specification) for specification in specifications]
    results: dict[str, list[Result]] = {specification: [] for specification in whole}
    for _ in range(rounds):
        for specification in results:
            command = [sys.executable, "-m", "pianist_jax.benchmark", specification]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
                raise PianistError(f"{specification}: cannot be measured ({reason}); leave it out")
            results[specification].append(json.loads(done.stdout.splitlines()[-1]))
    return [_joined(each) for each in results.values()]


def about_machine() -> Result:
    """What was measured on, as far as it tells without JAX."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return {"date": time.strftime("%Y-%m-%d"), "machine": platform.machine(), "commit": commit.stdout.strip() or None}


def compare(new: Sequence[Result], old: Sequence[Result]) -> list[str]:
    """A line for each figure that both have: before, now, how many times as fast, and whether the spreads overlap."""
    before = {result["what"]: result for result in old}
    lines = []
    for result in new:
        other = before.get(result["what"])
        if other is None:
            continue
        low, high = (min(result["speeds"]), max(result["speeds"]))
        apart = low > max(other["speeds"]) or high < min(other["speeds"])
        ratio = result["speed"] / other["speed"]
        speeds = f"{other['speed']:.1f} -> {result['speed']:.1f} {result['unit']}"
        lines.append(f"{result['what']}: {speeds}, {ratio:.2f}×{'' if apart else ' (the runs of both overlap)'}")
    return lines


def _joined(results: list[Result]) -> Result:
    joined = dict(results[0])
    joined["speeds"] = [speed for result in results for speed in result["speeds"]]
    joined["speed"] = statistics.median(joined["speeds"])
    for name, value in results[0].items():
        if isinstance(value, float) and name != "speed":
            joined[name] = round(statistics.median(result[name] for result in results), 3)
    return joined


def _render(name: str, batch: str, dtype: str, notes: str, *, averaged: bool) -> Result:
    import jax

    from pianist_jax.config import Sampling
    from pianist_jax.inference.engine import load_model, make_model
    from pianist_jax.model.pianist import initialise
    from pianist_jax.model.sizes import num_params
    from pianist_jax.rendering.renderer import needed_draws, read_piece, render_all

    if name in PRESETS:
        params = jax.jit(partial(initialise, preset(name)))(jax.random.key(0))
        model = make_model(preset(name), params, name=name, fingerprint="random", dtype=dtype)
    else:
        model = load_model(name, dtype=dtype)
    pieces = [read_piece(invented(int(notes), seed)) for seed in range(int(batch))]
    sampling = Sampling(draws=Sampling.draws if averaged else 1)
    together = len(pieces) * needed_draws(1, sampling)
    speeds, first, seconds, compiled = [], [], 0.0, 0.0
    for run in range(RUNS + 1):
        told: list[float] = []
        began = time.perf_counter()
        tell = lambda _: told.append(time.perf_counter())  # noqa: B023, E731
        made = list(render_all(pieces, model, sampling=sampling, batch=together, advance=tell))
        seconds = time.perf_counter() - began
        compiled += made[-1][1].report["compile_seconds"]
        if run:
            speeds.append(round(int(notes) * len(pieces) / seconds, 2))
            first.append(told[0] - began)
    sounding = sum(int(rendering.notes.end.max()) for _, rendering in made) / 1000
    return {
        "speed": statistics.median(speeds),
        "unit": "notes/s",
        "speeds": speeds,
        "times_real_time": round(sounding / (int(notes) * len(pieces) / statistics.median(speeds)), 1),
        "first_notes_s": round(statistics.median(first), 3),
        "compile_s": round(compiled, 2),
        "parameters": num_params(model.params),
        "device": f"{len(model.mesh.devices.flat)} × {jax.devices()[0].device_kind}, jax {jax.__version__}",
    }


def _train(name: str, batch: str, dtype: str, attention: str) -> Result:
    import jax

    from pianist_jax.model.sizes import num_params
    from pianist_jax.parallel import one_device
    from pianist_jax.training.flops import flops_per_note, peak_flops
    from pianist_jax.training.steps import make_train, new_state

    model = dataclasses.replace(preset(name), dtype=dtype, attention=attention)
    config = TrainConfig(model=model, batch=int(batch), log_every=STEPS)
    windows, state = jax.device_put(invented_windows()), new_state(config)
    size, began = num_params(state["params"]), time.perf_counter()
    run = make_train(config, STEPS, one_device()).lower(state, windows).compile()
    compiled = time.perf_counter() - began
    speeds = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        state, sums = run(state, windows)
        jax.block_until_ready(sums)
        speeds.append(round(config.batch * config.window * STEPS / (time.perf_counter() - began), 2))
    speed, peak = statistics.median(speeds[1:]), peak_flops()
    return {
        "speed": speed,
        "unit": "notes/s",
        "speeds": speeds[1:],
        "ms_per_step": round(1000 * config.batch * config.window / speed, 1),
        "flop_utilisation": round(speed * flops_per_note(model, config.window) / peak, 4) if peak else None,
        "compile_s": round(compiled, 2),
        "parameters": size,
        "device": f"1 × {jax.devices()[0].device_kind}, jax {jax.__version__}",
    }


def _peak_memory() -> float:
    """MiB: of the accelerator where it tells, else of this process."""
    import resource

    import jax

    told = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return round(told / 2**20 if told else kib / 2**10, 1)


if __name__ == "__main__":
    try:
        print(json.dumps(measure_here(sys.argv[1])))
    except PianistError as error:
        sys.exit(str(error))
