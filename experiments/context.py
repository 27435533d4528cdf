"""How much context does it take? Windows of 128 to 1 024 notes.

    python -m experiments.pretraining --data parts --workdir RUNS --only pretrained
    python -m experiments.context --data parts --workdir RUNS --asap ASAP --cache CACHE

Fine-tuning the same pre-trained model (windows of 256 notes) with other windows, 2 048 notes a step for all, each
judged with its own. Beside it the bundled weights, which know 512 notes, shown shorter windows than they learnt with.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from experiments import study
from experiments.pretraining import PRETRAINED
from experiments.study import Run, finetuning, small
from pianist_jax.config import TrainConfig
from pianist_jax.weights import load_weights, weights_path

FINE = 300
WINDOWS = (128, 256, 512, 1024)
CUT = (16, 64, 128, 256, 512)
BUNDLED = "bundled"
RUNS = [Run(f"{window} notes", finetuning(FINE, small(window=window)), source=PRETRAINED) for window in WINDOWS]


def bundled(material: study.Material) -> dict[str, dict[str, float]]:
    """Losses of the bundled weights by the window they are shown."""
    model, params = load_weights(weights_path("default"))
    params, found = jax.device_put(params), {}
    for window in CUT:
        config = TrainConfig(
            model=dataclasses.replace(model, window=window), task="finetune", batch=4096 // window, window=window
        )
        found[str(window)] = study.nats(config, params, material.validation(window))
    return found


def tell(results: dict[str, study.Result], picture: Path) -> None:
    """Print the tables and draw the losses over the window."""
    from matplotlib.figure import Figure

    print(study.table(results))
    cut = study.read_results(picture.with_suffix(".json"))[BUNDLED]
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    rows = {"bundled weights, cut": {int(window): loss["note"] for window, loss in cut.items()}}
    rows["small models, fine-tuned so"] = {int(name.split()[0]): one["nats"]["note"] for name, one in results.items()}
    for label, row in rows.items():
        axes.plot(list(row), list(row.values()), "o-", label=label)
        print(label, " ".join(f"{window}: {loss:.3f}" for window, loss in row.items()))
    axes.set_xscale("log", base=2)
    axes.set(xlabel="notes of context", ylabel="validation, nats a note", title="Context")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(picture, dpi=110)


def perform(path: Path, runs: Sequence[Run], chosen: argparse.Namespace) -> None:
    """The bundled weights, unless that is done, then the runs."""
    if BUNDLED not in study.read_results(path):
        study.add_results(path, {BUNDLED: bundled(study.Material(chosen.data))})
    study.perform(path, runs, chosen)


if __name__ == "__main__":
    sys.exit(study.main("context", RUNS, __doc__, tell, perform))
