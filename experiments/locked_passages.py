"""Do bars that are performed anew join what is around them?

    python -m experiments.locked_passages --asap DIR --cache DIR [--takes 8] [--bars 4 8 16] [--passages 3]

Renders every validation score once and performs passages of so many bars anew, each in the rendering as it was first.
Outside the bars nothing may change: the script stops if an onset, a duration, a velocity or a pedal event does. At
both joins it compares the distance to the mean human (velocity, log-IOI, log-articulation, centred):

  jump     mean of 16 notes behind the join less that of the 16 before, over what such jumps are elsewhere in the
           rendering: 1 is no seam. `before` is the same place in the rendering as it was, where there is no join.
  near     mean distance within 16 notes of the join, over that in the rest of the passage.

What came out (weights f5cd4204, 28 passages of 8 bars in 14 pieces, --bars 8 --passages 2 --takes 1 8): nothing changed
outside the bars, and no join is rougher than the places themselves are by more than their number lets one tell.

                              jump before   anew, 1 take   anew, 8 takes   near before   anew, 8 takes
    velocity          begin          0.94           1.09            1.19          1.00            1.14
    velocity          end            1.20           1.20            1.17          0.95            0.98
    log_ioi           begin          0.85           1.03            1.20          1.19            1.17
    log_ioi           end            0.70           0.89            0.85          0.93            0.90
    log_articulation  begin          1.45           1.33            1.40          1.05            1.03
    log_articulation  end            0.80           0.95            0.77          0.89            0.90

With earlier weights and performances drawn once, the velocity's jump at a passage's end was 1.99 (1 take) and 1.64 (8
takes) where its loudness was not led back to the old one's.
"""

import argparse
from pathlib import Path

import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.aligned import Reference, reference_of
from pianist_jax.evaluation.dataset import load_pieces
from pianist_jax.evaluation.folders import Aligner
from pianist_jax.evaluation.pieces import curves_of
from pianist_jax.inference.engine import load_model
from pianist_jax.music.notes import Notes
from pianist_jax.performance.fitting import ends
from pianist_jax.performance.parameters import CURVES, deal, time_map
from pianist_jax.performance.passage import Passage
from pianist_jax.rendering.passages import TAKES, perform_passage
from pianist_jax.rendering.renderer import read_piece, render_all
from pianist_jax.score.bars import notes_in

NEAR = 16  # notes


def main() -> None:
    """Render, perform passages anew, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--model", default="default")
    parser.add_argument("--takes", type=int, nargs="+", default=[TAKES])
    parser.add_argument("--bars", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--passages", type=int, default=3, help="of each length in each piece")
    parser.add_argument("--pieces", type=int, help="only so many")
    parser.add_argument(
        "--residual-scale", type=float, default=Sampling.residual_scale, help="of rendering and passages"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = load_model(options.model)
    pieces = load_pieces(options.asap, Aligner(options.cache))[: options.pieces]
    scores = [read_piece(piece.source or piece.score) for piece in pieces]
    sampling = Sampling(residual_scale=options.residual_scale)
    renderings = dict(render_all(scores, model, seed=options.seed, sampling=sampling))
    for takes in options.takes:
        rows: list[dict[str, float]] = []
        for number, (piece, score) in enumerate(zip(pieces, scores, strict=True)):
            reference = reference_of(piece)
            rng = np.random.default_rng([options.seed, number])
            old = renderings[number]
            for length in options.bars:
                for _ in range(options.passages):
                    bars = _choose(score.grid, length, rng)
                    free = notes_in(score.grid, bars)
                    if free.sum() < 2 * NEAR:
                        continue
                    seed = options.seed + 1
                    new = perform_passage(
                        score, old, model, Passage((bars,)), seed=seed, sampling=sampling, takes=takes
                    )
                    _require_locked(old.notes, new.notes, free)
                    rows.append(_measure(reference, old.notes, new.notes, free))
            print(f"{piece.name}: {len(rows)} passages so far", flush=True)
        _print(takes, rows)


def _choose(grid, length: int, rng: np.random.Generator) -> tuple[int, int]:
    """Some bars in the piece, with music before and behind."""
    count = len(grid.bars()) - 1
    length = min(length, max(count // 3, 1))
    first = int(rng.integers(3, max(count - length - 2, 4)))
    return first, first + length - 1


def _require_locked(old: Notes, new: Notes, free: np.ndarray) -> None:
    """Stops if anything outside the passage has changed."""
    for name in ("pitch", "onset", "duration", "velocity"):
        if not np.array_equal(getattr(old, name)[~free], getattr(new, name)[~free]):
            raise SystemExit(f"{name} changed outside the passage")
    _, last = ends(free)
    begin, stop = old.onset[free].min(), old.onset[last] if last < len(free) else np.inf
    for notes in (old, new):
        outside = (notes.pedal_time < begin) | (notes.pedal_time >= stop)
        events = np.stack([notes.pedal_time[outside], notes.pedal_value[outside]])
        if notes is old:
            kept = events
        elif not np.array_equal(kept, events):
            raise SystemExit("the pedal changed outside the passage")


def _measure(reference: Reference, old: Notes, new: Notes, free: np.ndarray) -> dict[str, float]:
    first, last = ends(free)
    found: dict[str, float] = {}
    for which, notes in (("before", old), ("anew", new)):
        dealt = deal(notes, np.arange(len(notes)))
        curves = curves_of(reference.chords, dealt, time_map(reference.chords, dealt.onset), False)
        for name in CURVES:
            error = stats.centre(curves[name][None])[0] - reference.mean[name]
            place = reference.chords.first[1:] if name == "log_ioi" else np.arange(len(notes))
            jump = np.abs(stats.jumps(error, NEAR))
            usual = np.nanmean(jump)
            inside = (place >= first) & (place < last)
            for join, at in (("begin", first), ("end", last)):
                here = min(int(np.searchsorted(place, at)), len(place) - 1)
                near = np.abs(place - at + 0.5) < NEAR
                found[f"{name} {join} jump {which}"] = jump[here] / usual
                found[f"{name} {join} near {which}"] = _mean_size(error[near]) / _mean_size(error[inside & ~near])
    return found


def _mean_size(values: np.ndarray) -> float:
    valid = np.abs(values[np.isfinite(values)])
    return float(valid.mean()) if len(valid) else np.nan


def _print(takes: int, rows: list[dict[str, float]]) -> None:
    print(f"\n{len(rows)} passages, {takes} takes: locked notes and pedal unchanged in all")
    print(f"{'':18} {'join':6} {'jump before':>12} {'jump anew':>10} {'near before':>12} {'near anew':>10}")
    for name in CURVES:
        for join in ("begin", "end"):
            values = [
                np.nanmean([row[f"{name} {join} {what} {which}"] for row in rows])
                for what in ("jump", "near")
                for which in ("before", "anew")
            ]
            print(f"{name:18} {join:6} {values[0]:12.2f} {values[1]:10.2f} {values[2]:12.2f} {values[3]:10.2f}")


if __name__ == "__main__":
    main()
