"""How well a model plays the validation pieces, against the humans who played them.

    python -m experiments.validation --asap DIR --cache DIR [--model default] [--samples 4] [--sampling T:P …]

Renders every validation score `samples` times for each sampling (temperature:top-p:pedal-top-p) and prints
one table with the aligned metrics and the paper's (`pianist_jax.evaluation`); --out gets them at full
precision as JSON.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from pianist_jax.evaluation.dataset import load_pieces, load_training_tokens
from pianist_jax.evaluation.suite import evaluate_controls, evaluate_pieces, format_table
from pianist_jax.rendering.programs import load_model
from pianist_jax.rendering.renderer import read_piece, render_all
from pianist_jax.rendering.sampling import Sampling


def main() -> None:
    """Render, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--model", nargs="+", default=["default"])
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sampling", nargs="+", default=["1:0.95:1"])
    parser.add_argument("--controls", action="store_true", help="also judge humans, the flat score and controls")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pieces = load_pieces(options.asap, options.cache)
    scores = [read_piece(piece.score) for piece in pieces]
    reports = {}
    for name in options.model:
        model = load_model(name)
        for text in options.sampling:
            temperature, top_p, pedal_top_p = (float(part) for part in text.split(":"))
            sampling = Sampling(temperature, top_p, 0, pedal_top_p)
            began = time.monotonic()
            rendered = render_all(
                scores,
                model,
                seed=options.seed,
                samples=options.samples,
                sampling=sampling,
                batch=options.batch,
            )
            played = dict(rendered)
            seconds = time.monotonic() - began
            notes = sum(len(score.tokens) for score in scores) * options.samples
            print(f"{model.name} {text}: {notes} notes in {seconds:.0f} s", flush=True)
            candidates = [list(played[index].performances) for index in range(len(pieces))]
            joins = [played[index].joins for index in range(len(pieces))]
            reports[f"{model.name} {text}"] = evaluate_pieces(pieces, candidates, boundaries=joins)
    if options.controls:
        rng = np.random.default_rng(options.seed)
        pool = load_training_tokens(options.asap, 100, rng)
        reports |= evaluate_controls(pieces, pool, rng)
    print(format_table(reports))
    if options.out:
        options.out.write_text(json.dumps(reports, indent=1))


if __name__ == "__main__":
    main()
