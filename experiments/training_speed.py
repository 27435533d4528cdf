"""How fast training steps run here, and what the compiler says they need: one line of JSON for each kind of model.

    python -m experiments.training_speed note-small:128:cudnn 135m:32:cudnn          # a GPU: tokens/s and MFU
    python -m experiments.training_speed 135m:32:cudnn:remat=true 135m:32:cudnn:remat=true:remat_keeps=dots
    python -m experiments.training_speed --steps 1 15m:1:xla:dtype=float32           # two CPU cores
    python -m experiments.training_speed --compiled 135m:1:xla 135m-6-6:1:xla:compressed=false   # the compiler alone
    python -m experiments.training_speed --saving note-small:64:cudnn                # while a checkpoint is written

Each argument is PRESET:BATCH:ATTENTION[:SETTING=VALUE…] with settings of the model. Windows of 512 notes of invented
data (the arithmetic does not depend on what is played), bfloat16 unless set, the whole training step with corruption,
loss, gradients and AdamW. Tokens are 8 a note. `xla_tflop`, `xla_gb` (bytes read and written) and `temporary_gib` are
the compiler's own account of one step; `processor_ms` is the processors' time of a step, which a busy machine changes
less than the clock's.

One window a step, float32, two cores of an AMD EPYC (Zen 5) that other work shared, hence no times by the clock; with
`--steps 1 15m:1:xla:dtype=float32` and, compiled only, the other settings named. jax 0.10.2.

    15m (one window, 4096 tokens)                       processor s  read and written  temporary
    attention at once, gradients of rows one by one             8.4           41.6 GB   4.47 GiB
    attention in blocks of 512 queries, logits in chunks        5.5           24.7 GB   3.11 GiB
    the same, remat=true                                                      29.1 GB   2.71 GiB
    the same, remat=true, remat_keeps=dots                                    25.3 GB   2.79 GiB
    6-6 layers, compressed=false, in blocks                                  139.4 GB  17.02 GiB

The decoder's self-attention over 4096 tokens took most of the first line: tables of 4096 x 4096 weights that were
turned for each product.

Compression and asymmetry, the same window on one core, the other busy (--steps 1, jax 0.11.2): 10-2 compressed,
the paper's choice, is 7.8 times as fast as 6-6 uncompressed and needs 0.40 of its memory; the paper has 3.13 and 0.38.

    15m                        s a step   TFLOP of the compiler   read and written   temporary
    10-2 layers, compressed         5.6                    0.42            28.2 GB    1.63 GiB
    6-6 layers, compressed         13.6                    1.23            78.2 GB    2.38 GiB
    6-6 layers, compressed=false   43.6                    2.79           160.1 GB    4.05 GiB

An asynchronous checkpoint of note-small (--saving note-small:1:xla:dtype=float32) holds a step of 1.0 s up for 0.25 s;
while it is written steps take 2.2 s, where writer and step share one core.

Compiling takes 17-20 processor seconds. The operations a model cannot do without
(`flops_per_note`) are 100 MFLOP a token for 15m and 852 for its uncompressed 6-6 twin, 290 and 1526 at the sizes of
135m: the paper's 3.13 times is within the 5.3 times that this allows.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from typing import Any

import jax
import numpy as np

from pianist_jax.benchmark import invented_windows
from pianist_jax.config import TrainConfig, preset
from pianist_jax.config.changes import override
from pianist_jax.data.windows import Windows
from pianist_jax.music.tokens import NOTE_TOKENS
from pianist_jax.parallel import one_device
from pianist_jax.training import checkpoints
from pianist_jax.training.flops import flops_per_note, peak_flops
from pianist_jax.training.steps import abstract_state, make_train, new_state


def measure(spec: str, windows: Windows, steps: int, *, compiled_only: bool, saving: bool) -> dict[str, Any]:
    """Median time of a step over three runs of `steps`, after one that warms up, beside the compiler's account."""
    name, batch, attention, *settings = spec.split(":")
    model = override(
        dataclasses.replace(preset(name), dtype="bfloat16", attention=attention),
        dict(setting.split("=", 1) for setting in settings),
    )
    config = TrainConfig(model=model, batch=int(batch), log_every=steps, evaluate_every=steps)
    began = time.monotonic()
    run = make_train(config, steps).lower(abstract_state(config, one_device()), windows).compile()
    line = {"model": spec, "compile_s": round(time.monotonic() - began, 1), **account(run)}
    if compiled_only:
        return line
    state, times, processor = new_state(config), [], []
    for _ in range(4):
        began, worked = time.monotonic(), time.process_time()
        state, sums = run(state, windows)
        jax.block_until_ready(sums)
        times.append((time.monotonic() - began) / steps)
        processor.append((time.process_time() - worked) / steps)
    seconds = sorted(times[1:])[1]
    notes = config.batch * config.window / seconds
    peak = peak_flops()
    memory = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    line |= {
        "ms_per_step": round(1000 * seconds, 2),
        "processor_ms": round(1000 * sorted(processor[1:])[1], 2),
        "tokens_per_second": round(notes * NOTE_TOKENS),
        "model_tflops": round(notes * flops_per_note(model, config.window) / 1e12, 3),
        "mfu": round(notes * flops_per_note(model, config.window) / peak, 3) if peak else None,
        "peak_gib": round(memory / 2**30, 2) if memory else None,
        "loss_is_finite": bool(np.isfinite(float(sums["loss"]))),
    }
    return line | (while_saving(run, state, windows, steps) if saving else {})


def account(run: jax.stages.Compiled) -> dict[str, float]:
    """What the compiler says of one step (it counts the body of a loop over steps once)."""
    cost, memory = run.cost_analysis() or {}, run.memory_analysis()
    return {
        "xla_tflop": round(cost.get("flops", 0.0) / 1e12, 3),
        "xla_gb": round(cost.get("bytes accessed", 0.0) / 1e9, 2),
        "temporary_gib": round(getattr(memory, "temp_size_in_bytes", 0) / 2**30, 3),
    }


def while_saving(run: jax.stages.Compiled, state: Any, windows: Windows, steps: int) -> dict[str, float]:
    """How long beginning to save holds a step up, and the time of steps while the writing goes on."""
    with tempfile.TemporaryDirectory() as folder, checkpoints.open_checkpoints(folder) as manager:
        blocked, times = [], []
        for _ in range(3):
            began = time.monotonic()
            checkpoints.save(manager, state)
            blocked.append(time.monotonic() - began)
            while manager.is_saving_in_progress():
                began = time.monotonic()
                state, sums = run(state, windows)
                jax.block_until_ready(sums)
                times.append((time.monotonic() - began) / steps)
    return {
        "save_blocks_ms": round(1000 * float(np.median(blocked)), 1),
        "ms_per_step_while_saving": round(1000 * float(np.median(times)), 2) if times else 0.0,
    }


def main() -> None:
    """Print one line of JSON for each model asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=["note-small:64:xla"])
    parser.add_argument("--steps", type=int, default=10, help="steps in one call")
    parser.add_argument("--compiled", action="store_true", help="compile and run nothing")
    parser.add_argument("--saving", action="store_true", help="also while checkpoints are written")
    options = parser.parse_args()
    windows = jax.device_put(invented_windows())
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}", flush=True)
    for spec in options.specs:
        try:
            line = measure(spec, windows, options.steps, compiled_only=options.compiled, saving=options.saving)
            print(json.dumps(line), flush=True)
        except Exception as error:  # one that does not fit must not hide the others
            print(
                json.dumps({"model": spec, "error": f"{type(error).__name__}: {str(error)[:300]}"}),
                flush=True,
            )


if __name__ == "__main__":
    main()
