"""How fast pre-training steps run here: tokens/s, utilisation and memory by model, batch and attention.

    python -m experiments.training_speed note-small:128:cudnn 135m:32:cudnn …

Each argument is PRESET:BATCH:ATTENTION[:remat]. Windows of 512 notes of invented data (the arithmetic does
not depend on what is played), bfloat16, the whole training step with corruption, loss, gradients and AdamW.
Tokens are 8 a note.
"""

import dataclasses
import json
import sys
import time

import jax
import numpy as np

from pianist_jax.config import TrainConfig, preset
from pianist_jax.data.windows import Windows
from pianist_jax.music.tokens import NOTE_TOKENS
from pianist_jax.training.flops import flops_per_note, peak_flops
from pianist_jax.training.steps import make_train, new_state

STEPS = 10


def invented(notes: int = 200_000, window: int = 512) -> Windows:
    """A corpus of random values in the ranges of piano music."""
    rng = np.random.default_rng(0)
    highest = (108, 400, 127, 1500, 127, 127, 127, 127)
    lowest = (21, 0, 1, 1, 0, 0, 0, 0)
    columns = rng.integers(lowest, highest, (notes, NOTE_TOKENS)).astype(np.uint16)
    start = np.arange(0, notes - window, 64, dtype=np.int32)
    return {
        "performance": columns,
        "start": start,
        "length": np.full(len(start), window, np.int32),
        "chance": np.linspace(0, 1, len(start) + 1, dtype=np.float32)[1:],
        "has_pedal": np.ones(len(start), bool),
        "expressive": np.ones(len(start), bool),
    }


def measure(spec: str, windows: Windows) -> dict:
    """Median time of a step over three runs of ten, after one that warms up."""
    name, batch, attention, *remat = spec.split(":")
    model = dataclasses.replace(preset(name), dtype="bfloat16", attention=attention, remat=bool(remat))
    config = TrainConfig(model=model, batch=int(batch), every=STEPS)
    state = new_state(config)
    began = time.monotonic()
    run = make_train(config, STEPS).lower(state, windows).compile()
    compiled = time.monotonic() - began
    times = []
    for _ in range(4):
        began = time.monotonic()
        state, sums = run(state, windows)
        jax.block_until_ready(sums)
        times.append((time.monotonic() - began) / STEPS)
    seconds = sorted(times[1:])[1]
    notes = config.batch * config.window / seconds
    peak = peak_flops()
    memory = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return {
        "model": spec,
        "ms_per_step": round(1000 * seconds, 2),
        "tokens_per_second": round(notes * NOTE_TOKENS),
        "model_tflops": round(notes * flops_per_note(model, config.window) / 1e12, 1),
        "mfu": round(notes * flops_per_note(model, config.window) / peak, 3) if peak else None,
        "peak_gib": round(memory / 2**30, 2) if memory else None,
        "compile_s": round(compiled, 1),
        "loss_is_finite": bool(np.isfinite(float(sums["loss"]))),
    }


def main() -> None:
    """Print one line of JSON for each model asked for."""
    windows = jax.device_put(invented())
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}", flush=True)
    for spec in sys.argv[1:] or ["note-small:64:xla"]:
        try:
            print(json.dumps(measure(spec, windows)), flush=True)
        except Exception as error:  # one that does not fit must not hide the others
            print(
                json.dumps({"model": spec, "error": f"{type(error).__name__}: {str(error)[:300]}"}),
                flush=True,
            )


if __name__ == "__main__":
    main()
