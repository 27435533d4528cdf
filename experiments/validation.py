"""How well a model plays the validation pieces, against the humans who played them.

    python -m experiments.validation --asap DIR --cache DIR [--model default] [--samples 4] [--sampling T:P …]

Renders every validation score `samples` times for each sampling (temperature:top-p:pedal-top-p) and prints
one table with the aligned metrics and the paper's (`pianist_jax.evaluation`); --out gets them at full
precision as JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from pianist_jax.evaluation.candidates import render_candidates
from pianist_jax.evaluation.dataset import load_pieces, load_training_tokens
from pianist_jax.evaluation.evaluate import evaluate
from pianist_jax.evaluation.folders import Aligner
from pianist_jax.evaluation.table import long_table, short_table
from pianist_jax.rendering.programs import load_model
from pianist_jax.rendering.sampling import Sampling


def main() -> None:
    """Render, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--model", nargs="+", default=["default"])
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampling", nargs="+", default=["1:0.95:1"])
    parser.add_argument("--controls", action="store_true", help="kept for old commands: controls are always judged")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pieces = load_pieces(options.asap, Aligner(options.cache))
    entries = []
    for name in options.model:
        model = load_model(name)
        for text in options.sampling:
            temperature, top_p, pedal_top_p = (float(part) for part in text.split(":"))
            sampling = Sampling(temperature, top_p, 0, pedal_top_p)
            label = f"{model.name} {text}"
            entries.append(
                render_candidates(
                    label, pieces, model, seed=options.seed, samples=options.samples, sampling=sampling
                )
            )
    pool = load_training_tokens(options.asap, np.random.default_rng(options.seed))
    report = evaluate(pieces, entries, seed=options.seed, pool=pool)
    print(long_table(report), short_table(report), sep="\n\n")
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
