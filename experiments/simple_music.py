"""Does simple music keep its tempo? Small pieces such as people try first (`examples/simple.py`).

    python -m experiments.simple_music [--model default] [--seeds 3] [--out DIR]

Each piece is performed with the default settings and several seeds. Told is the performed over the written time from
the first to the last onset: as it is played by default; before the whole is brought to its tempo (what the decoder
itself does with the tempo that it reads); the tempo that the model would guess. Then the ratio of the durations of one
ballad at 66 and at 132. With --out the scores are written there, and a performance of each.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from examples.musicxml import musicxml_bytes
from examples.simple import SIMPLE
from pianist_jax.config import DEFAULT_SAMPLING, Sampling
from pianist_jax.inference.decoder import Timer
from pianist_jax.inference.engine import Model, load_model
from pianist_jax.music.notes import Notes
from pianist_jax.performance.pace import AS_WRITTEN
from pianist_jax.rendering.renderer import interpretations, read_piece, render_all, to_pace

Ratios = dict[str, list[tuple[float, float, float]]]


def write_scores(folder: Path) -> list[Path]:
    """The pieces as MusicXML files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for piece in SIMPLE:
        paths.append(folder / f"{piece.name}.musicxml")
        paths[-1].write_bytes(musicxml_bytes(piece))
    return paths


def span(notes: Notes) -> int:
    """ms from the first to the last onset."""
    return int(notes.onset.max() - notes.onset.min())


def measure(paths: list[Path], model: Model, seeds: int, sampling: Sampling = DEFAULT_SAMPLING) -> Ratios:
    """Of each piece and seed: played over written time by default, before it is brought to its tempo, as guessed."""
    found: Ratios = {}
    for seed in range(seeds):
        pieces = [read_piece(path) for path in paths]
        for _, piece, (played, *_) in interpretations(pieces, model, seed, 1, sampling, Timer()):
            ratios = [span(notes) / span(piece.score) for notes in (to_pace(piece, played, AS_WRITTEN), played)]
            found.setdefault(piece.name, []).append((ratios[0], ratios[1], piece.guess or np.nan))
    return found


def main() -> None:
    """Perform, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    model = load_model(options.model)
    with tempfile.TemporaryDirectory() as scratch:
        paths = write_scores(options.out or Path(scratch))
        found = measure(paths, model, options.seeds)
        if options.out:
            for number, rendering in render_all([read_piece(path) for path in paths], model):
                rendering.save(options.out, name=paths[number].stem, force=True, plot=True)
    print("| played / written | by default | before it is brought to its tempo | guessed |\n|---|---|---|---|")
    for piece in SIMPLE:
        default, before, guess = zip(*found[piece.name], strict=True)
        cells = [f"{min(own):.2f}–{max(own):.2f}" for own in (default, before)]
        print(f"| {piece.title}, {piece.tempo} | {cells[0]} | {cells[1]} | {np.mean(guess):.2f} |")
    everything = np.array([one for own in found.values() for one in own])
    low, high = everything.min(axis=0), everything.max(axis=0)
    print(f"| **all** | {low[0]:.3f}–{high[0]:.3f} | {low[1]:.2f}–{high[1]:.2f} | {low[2]:.2f}–{high[2]:.2f} |")
    slow, fast = (np.array(found[name])[:, 0] / tempo for name, tempo in (("ballad-66", 66), ("ballad-132", 132)))
    print(f"one ballad at 66 and at 132: {np.mean(slow) / np.mean(fast):.3f} times as long")


if __name__ == "__main__":
    main()
