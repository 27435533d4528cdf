"""Can the learnt hand be told from pianists'? The same performances with and without it.

    python -m experiments.touch_judge --asap ASAP --cache pairs/cache

ASAP's validation pieces are rendered once, by the rule for chords and with the pedal as drawn, at the tempo of the
humans; then their chords are struck anew (`performance.chord_touch`) and their pedal is eased (`performance.foot`).
Told are the AUCs of the classifier of `pianist evaluate` by group, and the F1 of pedal transitions.
"""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.evaluation.aligned import candidate_metrics, prepare, reference_of
from pianist_jax.evaluation.candidates import HUMANS, render_candidates
from pianist_jax.evaluation.classifier import candidate_windows, classify, human_windows
from pianist_jax.evaluation.dataset import load_pieces
from pianist_jax.evaluation.folders import Aligner
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.inference.engine import load_model
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.performance.parameters import Chords, chords_of
from pianist_jax.rendering.renderer import read_piece
from pianist_jax.rendering.touch import touch

Change = Callable[[Chords, ScoreTokens, Notes, np.ndarray], Notes]


def changed(pieces: Sequence[PlayedPiece], played: Sequence[Sequence[Played]], change: Change) -> list[list[Played]]:
    """The performances of each piece after a `change` of (its chords, tokens, performance, key of a chance)."""
    made = []
    for piece, own in zip(pieces, played, strict=True):
        chords, tokens = chords_of(piece.score), read_piece(piece.source or piece.score).tokens
        keys = [np.array([number, 17], np.uint32) for number in range(len(own))]
        made.append(
            [
                dataclasses.replace(one, notes=change(chords, tokens, one.notes, key))
                for one, key in zip(own, keys, strict=True)
            ]
        )
    return made


def judge(name: str, pieces: Sequence[PlayedPiece], humans: list[list[np.ndarray]], played: list[list[Played]]) -> None:
    """Print what tells these performances from the humans' (`human_windows`)."""
    found = classify(pieces, humans, [candidate_windows(*own) for own in zip(pieces, played, strict=True)], 0)
    f1 = []
    for piece, own in zip(pieces, played, strict=True):
        reference = reference_of(piece)
        f1.append(candidate_metrics(reference, [prepare(reference.chords, one) for one in own])["pedal_f1"])
    auc = found["auc"].items()
    told = ", ".join(f"{kind} {one['value']:.3f} [{one['low']:.2f}, {one['high']:.2f}]" for kind, one in auc)
    print(f"{name}: {told}; transition F1 {np.nanmean(f1):.3f}")
    for tell in found["tells"]:
        print("   ", f"{tell['auc']:.2f}", tell["words"], flush=True)


def main() -> None:
    """Render, change, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--draws", type=int, default=Sampling.draws)
    parser.add_argument("--residual-scale", type=float, default=Sampling.residual_scale)
    options = parser.parse_args()
    pieces = load_pieces(options.asap, Aligner(options.cache), "validation")
    plain = Sampling(draws=options.draws, residual_scale=options.residual_scale, hand=False, foot=False)
    made = render_candidates("plain", pieces, load_model(), seed=0, samples=4, sampling=plain, tempo=HUMANS)
    played = [list(made.performances[piece.name]) for piece in pieces]
    humans = human_windows(pieces)
    judge("rule for chords, the model's pedal", pieces, humans, played)
    learnt = changed(pieces, played, lambda *given: touch(*given, Sampling()))
    judge("learnt hand, pianists' pace of the pedal", pieces, humans, learnt)


if __name__ == "__main__":
    main()
