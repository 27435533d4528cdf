"""How much of the model's distance to humans in timing is the tempo of whole pieces?

    python -m experiments.tempo_level --asap DIR --cache DIR [--model default] [--samples 2]

Plays the validation pieces and tells for each how far its mean log-IOI is from the humans' mean, and how far humans are
from it. Then every performance is brought to the humans' mean tempo, and judged again: what is left is the shape.

Result (weights f5cd4204, 14 pieces, two samples each): the model is 18% off in the median (0.52 to 1.28 times as slow),
humans differ by 2 to 12%; root mean square of the logs 0.250 and 0.066. W1 of log-IOI 1.510 as played, 1.153 at the
humans' tempo.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from experiments.study import Judge
from pianist_jax.evaluation.candidates import render_candidates
from pianist_jax.evaluation.curves import Piece, Played, curves_of, deal, frame_of, time_map
from pianist_jax.evaluation.suite import evaluate_pieces
from pianist_jax.evaluation.table import figure
from pianist_jax.music.notes import Notes
from pianist_jax.rendering.compilation import keep_programs
from pianist_jax.rendering.programs import load_model
from pianist_jax.rendering.sampling import DEFAULT


def level(piece: Piece, playing: Played) -> float:
    """Mean log-IOI of a performance."""
    frame, dealt = frame_of(piece.score), deal(playing.notes, playing.match)
    return float(np.nanmean(curves_of(frame, dealt, time_map(frame, dealt), playing.aligned)["log_ioi"]))


def slower(playing: Played, times: float) -> Played:
    """The performance, so many times as slow."""
    scaled = lambda ms: np.rint(ms * times).astype(np.int64)  # noqa: E731
    notes: Notes = playing.notes
    time = {name: scaled(getattr(notes, name)) for name in ("onset", "pedal_time")}
    length = np.maximum(scaled(notes.duration), 1)
    return dataclasses.replace(playing, notes=dataclasses.replace(notes, **time, duration=length))


def main() -> None:
    """Play, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--model", default="default")
    parser.add_argument("--samples", type=int, default=2)
    options = parser.parse_args()
    keep_programs()
    pieces = Judge(options.asap, options.cache).pieces
    made = render_candidates(
        "model", pieces, load_model(options.model), seed=0, samples=options.samples, sampling=DEFAULT
    ).performances
    played, level_with, off, apart = [], [], [], []
    for piece in pieces:
        humans = np.array([level(piece, human) for human in piece.humans])
        own = np.array([level(piece, one) for one in made[piece.name]])
        off.append(own.mean() - humans.mean())
        apart.append(humans.std(ddof=1) if len(humans) > 1 else np.nan)
        print(f"{piece.name}: model {np.exp(off[-1]):.2f} times as slow as humans, who differ by {apart[-1]:.1%}")
        played.append(made[piece.name])
        level_with.append([slower(one, np.exp(humans.mean() - k)) for one, k in zip(played[-1], own, strict=True)])
    model, human = (np.sqrt(np.nanmean(np.square(values))) for values in (off, apart))
    print(f"root mean square of the logs: model {model:.3f}, humans {human:.3f}")
    for name, performances in (("as played", played), ("at the humans' tempo", level_with)):
        report = evaluate_pieces(pieces, performances, np.random.default_rng(0))
        print(f"{name}: W1 of log-IOI {figure(report, 'log_ioi_wasserstein'):.3f}")


if __name__ == "__main__":
    main()
