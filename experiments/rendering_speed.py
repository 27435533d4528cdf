"""How fast performances are made here: notes/s by model, batch and dtype.

    python -m experiments.rendering_speed                         # the table below
    python -m experiments.rendering_speed 135m:16:float32 default:1:float32:2000 …

Each argument is PRESET:BATCH:DTYPE[:NOTES], or the name or file of weights in place of a preset. Weights of presets are
random, which changes nothing of the arithmetic. Invented scores of NOTES notes (512) are performed from end to end:
encoder, windows, sampling with top-p 0.95. The best of three runs counts, compilation does not.
"""

import sys
import time
from functools import partial

import jax
import numpy as np

from pianist_jax.config import PRESETS, preset
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import count, initialise
from pianist_jax.music.notes import Notes
from pianist_jax.rendering.programs import Model, load_model, make_model
from pianist_jax.rendering.renderer import read_piece, render_all

RUNS = 3
TABLE = [
    *(f"{name}:{batch}:float32" for name in ("note-small", "15m", "135m") for batch in (1, 16)),
    *("note-small:1:bfloat16", "15m:1:bfloat16:128", "135m:1:bfloat16:64"),
]


def invented(notes: int, seed: int) -> Notes:
    """A score of chords and runs."""
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.choice([0, 125, 250, 500], notes))
    pitch = 40 + 7 * np.arange(notes) % 41
    return Notes(
        pitch, onset, rng.choice([125, 250, 1500], notes), np.full(notes, 64), np.zeros(0, int), np.zeros(0, int)
    )


def model_of(name: str, dtype: str) -> Model:
    """Random weights of a preset, or those of a file."""
    if name not in PRESETS:
        return load_model(name, dtype=dtype)
    config = preset(name)
    params = jax.jit(partial(initialise, config))(jax.random.key(0))
    return make_model(config, params, name=name, fingerprint="random", dtype=dtype)


def measure(spec: str) -> str:
    """A row of the table."""
    name, batch, dtype, *rest = spec.split(":")
    rows, notes = int(batch), int(rest[0]) if rest else 512
    model = model_of(name, dtype)
    pieces = [read_piece(invented(notes, seed)) for seed in range(rows)]
    speeds, compiled = [], 0.0
    for _ in range(RUNS):
        *_, (_, last) = render_all(pieces, model, batch=rows)
        speeds.append(last.report["notes_per_second"])
        compiled += last.report["compile_seconds"]
    size = count(model.params) / 1e6
    return f"{name:>12} {size:8.1f} M {rows:6} {dtype:>9} {notes:6} {max(speeds):9.1f} {compiled:10.1f}"


def main() -> None:
    """Print a row for each model asked for."""
    print(f"{jax.devices()[0].device_kind}, {jax.__version__}, {time.strftime('%Y-%m-%d')}")
    print(f"{'model':>12} {'size':>10} {'batch':>6} {'dtype':>9} {'notes':>6} {'notes/s':>9} {'compile s':>10}")
    for spec in sys.argv[1:] or TABLE:
        try:
            print(measure(spec), flush=True)
        except (PianistError, ValueError) as error:
            print(f"{spec}: {error}", flush=True)


if __name__ == "__main__":
    main()
