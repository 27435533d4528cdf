"""How does the loss fall with the size of the model and of the data?

    python -m experiments.scaling --data parts --workdir RUNS            # small, on two cores
    python -m experiments.scaling --pod gs://BUCKET                      # the commands of the grid on TPU slices
    python -m experiments.scaling --fit runs/note-small runs/note-65m …  # the law of finished `pianist pretrain` runs

Masked denoising with a constant learning rate, so that each run gives the loss after any number of notes; sizes get
the same number of operations. L(N, D) = E + A / N^a + B / D^b is fitted to all of it (Hoffmann et al. 2022, approach
3, squared differences of log L), with N the weights that are multiplied with (tables are not) and D the notes seen.
From it the best N for C = 6·N·D operations grows as C^(b / (a + b)). What repeated data cost is measured at one size.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from experiments import study
from experiments.study import Run, pretraining, small
from pianist_jax.config import TrainConfig
from pianist_jax.training.flops import flops_per_note
from pianist_jax.training.stages import read_config

TFLOP = 10.0
WIDTHS = (32, 64, 96, 128, 192)
SHARES = (1 / 256, 1 / 32)
POD = {"note-small": 2_000, "note-65m": 2_000, "note-135m": 2_000}  # steps of 1 024 windows: 8.4 B tokens
BEGUN = 0.15  # of a run: before it, the warm-up is still felt
GRID = 120  # of multiples of the smallest size and data in the picture


def sized(width: int, tflop: float = TFLOP) -> TrainConfig:
    """A run of so many operations at a width."""
    heads = max(width // 64, 1)
    model = small(width=width, feed_forward=4 * width, heads=heads, kv_heads=max(heads // 2, 1))
    notes = tflop * 1e12 / flops_per_note(model, model.window)
    steps = round(notes / 2048 / 100) * 100
    return pretraining(steps, model, final_lr_ratio=1.0, log_every=steps // 20, evaluate_every=steps // 20)


RUNS = [Run(f"width {width}", sized(width)) for width in WIDTHS]
RUNS += [Run(f"1/{round(1 / share)} of the data", sized(64), share=share) for share in SHARES]


def weights_used(config: TrainConfig) -> float:
    """N: the weights that a note is multiplied with."""
    return flops_per_note(config.model, 0) / 6


def points(config: TrainConfig, curve: Sequence[Sequence[float]]) -> list[tuple[float, float, float]]:
    """(N, D, loss) of a run at each look at the validation pieces, [[step, loss], …]."""
    begun = max(BEGUN * config.steps, 2 * config.warmup)
    each = config.batch * config.window
    return [(weights_used(config), step * each, loss) for step, loss in curve if step >= begun]


def fit(found: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """E, A, a, B, b of the law, and the root mean square of what it leaves, relative.

    Raises ValueError for fewer than three sizes.
    """
    n, d, loss = np.array(found).T
    if len(np.unique(n)) < 3:
        raise ValueError("a law needs runs of at least three sizes")
    n_0, d_0 = n.min(), d.min()

    def predicted(theta: np.ndarray) -> np.ndarray:
        e, a, b = np.exp(theta[[0, 1, 3]])
        return e + a * (n / n_0) ** -theta[2] + b * (d / d_0) ** -theta[4]

    best: Any = None
    for share in (0.3, 0.6, 0.9):
        for exponent in (0.1, 0.3, 0.6):
            rest = np.log((1 - share) * loss.max() / 2)
            start = np.array([np.log(share * loss.min()), rest, exponent, rest, exponent])
            bounds = ([-5, -12, 0.01, -12, 0.01], [5, 5, 3, 5, 3])
            tried = least_squares(lambda theta: np.log(predicted(theta) / loss), start, bounds=bounds)
            best = tried if best is None or tried.cost < best.cost else best
    e, a, alpha, b, beta = best.x
    return {
        "E": float(np.exp(e)),
        "A": float(np.exp(a) * n_0**alpha),
        "a": float(alpha),
        "B": float(np.exp(b) * d_0**beta),
        "b": float(beta),
        "rms": float(np.sqrt(np.mean(best.fun**2))),
    }


def best_size(law: dict[str, float], operations: float) -> tuple[float, float]:
    """The N and D of least loss for so many operations, C = 6·N·D."""
    a, b = law["a"], law["b"]
    n = (a * law["A"] / (b * law["B"])) ** (1 / (a + b)) * (operations / 6) ** (b / (a + b))
    return n, operations / (6 * n)


def law_of(found: Sequence[tuple[float, float, float]], path: Path) -> None:
    """Print the law of the points and the sizes it recommends; draw both."""
    from matplotlib.figure import Figure

    law = fit(found)
    print("L = {E:.3f} + {A:.3g} / N^{a:.3f} + {B:.3g} / D^{b:.3f}; relative residual {rms:.2%}".format(**law))
    a, b = law["a"], law["b"]
    print(f"compute-optimal: N ~ C^{b / (a + b):.2f}, D ~ C^{a / (a + b):.2f}")
    for operations in (1e13, 1e15, 1e17, 1e19):
        n, d = best_size(law, operations)
        print(f"  C = {operations:.0e}: N = {n / 1e6:.2f} M, D = {d / 1e6:.2f} M notes")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    sizes = sorted({n for n, _, _ in found})
    for n in sizes:
        own = np.array([(6 * n * d, loss) for size, d, loss in found if size == n])
        axes.plot(*own.T, "o", markersize=3, label=f"{n / 1e6:.2f} M weights")
        seen = np.geomspace(own[:, 0].min(), own[:, 0].max(), GRID) / (6 * n)
        axes.plot(6 * n * seen, law["E"] + law["A"] * n**-a + law["B"] * seen**-b, color="grey", linewidth=0.8)
    work = np.geomspace(min(6 * n * d for n, d, _ in found), max(6 * n * d for n, d, _ in found), GRID)
    front = [best_size(law, c) for c in work]
    axes.plot(work, [law["E"] + law["A"] * n**-a + law["B"] * d**-b for n, d in front], "k--", label="compute-optimal")
    axes.set_xscale("log")
    axes.set(xlabel="operations, 6·N·D", ylabel="validation, nats a note", title="Masked denoising, and the fitted law")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def tell(results: dict[str, study.Result], picture: Path) -> None:
    """Print the table and the law of the runs that saw all data."""
    print(study.table(results))
    whole = [run for run in RUNS if run.share == 1 and run.name in results]
    law_of([point for run in whole for point in points(run.config, results[run.name]["curve"])], picture)


def commands(root: str) -> list[str]:
    """The grid for slices of TPUs: one line a run, for `tpu/tpu_vm.sh`."""
    changes = ("final_lr_ratio=1.0", "batch=1024", "log_every=20", "evaluate_every=100", "model.attention=flash")
    settings = " ".join(f"--set {change}" for change in changes)
    return [
        f"tpu/tpu_vm.sh SLICE ZONE {root}/{name} v5e-256 pretrain --model {name} {settings} --set steps={steps}"
        for name, steps in POD.items()
    ]


def finished(folder: Path) -> list[tuple[float, float, float]]:
    """Points of a run's folder."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return points(read_config(folder), [(x["step"], x["validation"]["note"]) for x in lines if "validation" in x])


def main() -> int:
    """The small grid, the commands of the large one, or the law of finished runs."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--pod", metavar="ROOT")
    parser.add_argument("--fit", nargs="+", type=Path, metavar="RUN")
    chosen, _ = parser.parse_known_args()
    if chosen.pod:
        print("\n".join(commands(chosen.pod)))
        return 0
    if chosen.fit:
        law_of([point for folder in chosen.fit for point in finished(folder)], Path("scaling.png"))
        return 0
    return study.main("scaling", RUNS, __doc__, tell)


if __name__ == "__main__":
    sys.exit(main())
