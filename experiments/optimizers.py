"""AdamW, Muon or schedule-free AdamW, along a cosine or warm-up-stable-decay? Pre-training, three seeds a cell.

    python -m experiments.optimizers --data parts --workdir RUNS

Every optimizer is first tried at several peak rates with seed 0; the best of each, along a cosine, is then run with
seeds 1 and 2 and with the other schedule (README.md tells which were run). The seed decides weights, windows and masks,
so that cells of one seed are paired. `--only` takes cells by name; all of the grid would be more than a day of a core.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from experiments import study
from experiments.study import Run, pretraining

STEPS = 300
RATES = (0.001, 0.002, 0.004, 0.008, 0.016)
SEEDS = (0, 1, 2)
CELLS = (("adamw", "cosine"), ("adamw", "stable"), ("muon", "cosine"), ("muon", "stable"), ("schedule-free", "stable"))


def named(optimizer: str, schedule: str, rate: float, seed: int) -> Run:
    """One run of the grid."""
    changes = {"optimizer": optimizer, "schedule": schedule, "learning_rate": rate, "seed": seed}
    return Run(f"{optimizer} {schedule} {rate} seed {seed}", pretraining(STEPS, evaluate_every=50, **changes))


RUNS = [named(*cell, rate, seed) for cell in CELLS for rate in RATES for seed in SEEDS]


def tell(results: dict[str, study.Result], picture: Path) -> None:
    """Print the final loss of every cell, its seeds side by side, and draw the course of seed 0."""
    cells: dict[str, dict[int, float]] = defaultdict(dict)
    for name, one in results.items():
        cell, seed = name.split(" seed ")
        cells[cell][int(seed)] = one["nats"]["note"]
    print(f"| cell | {' | '.join(f'seed {seed}' for seed in SEEDS)} | mean |\n|{'---|' * (len(SEEDS) + 2)}")
    for cell, found in cells.items():
        each = [f"{found[seed]:.3f}" if seed in found else "" for seed in SEEDS]
        print(f"| {cell} | {' | '.join(each)} | {np.mean(list(found.values())):.3f} |")
    shown = {name: one for name, one in results.items() if name.endswith("seed 0")}
    study.curves(shown, picture, "Pre-training with several optimizers, seed 0")


if __name__ == "__main__":
    sys.exit(study.main("optimizers", RUNS, __doc__, tell))
