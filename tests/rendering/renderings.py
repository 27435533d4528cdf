"""Renderings that no model has performed: what tests of files and takes need, in no time."""

import dataclasses
from pathlib import Path

import numpy as np

from pianist_jax.music.notes import normalise
from pianist_jax.performance.expression import NEUTRAL, Expression, express
from pianist_jax.performance.playable import make_playable
from pianist_jax.rendering.hashes import content_hash
from pianist_jax.rendering.others import others_hash
from pianist_jax.rendering.result import Rendering
from pianist_jax.score.load import load
from pianist_jax.score.reading import Reading
from pianist_jax.score.together import Ensemble

CHORALE = Path(__file__).parents[2] / "examples" / "chopin-prelude-op28-20.mid"


def made_up_rendering(
    path: Path = CHORALE,
    seed: int = 0,
    expression: Expression = NEUTRAL,
    samples: int = 1,
    part: str | None = None,
    *,
    accompany: bool = False,
    ensemble: Ensemble | None = None,
) -> Rendering:
    """A score file as somebody plays it who throws dice: onsets within 20 ms, any velocity, some pedal."""
    read = load(path, Reading(part=part, accompany=accompany))
    score, note_of_raw = normalise(read.notes)
    rng = np.random.default_rng(seed)
    performances = []
    for _ in range(samples):
        size = len(score)
        notes = dataclasses.replace(
            score,
            onset=score.onset + rng.integers(0, 20, size),
            duration=np.maximum(score.duration + rng.integers(-50, 50, size), 1),
            velocity=rng.integers(20, 110, size).astype(np.int16),
            pedal_time=np.sort(rng.integers(0, score.end.max(), 8)),
            pedal_value=np.array([70, 127, 0, 50, 0, 90, 30, 0], np.int16),
        )
        performances.append(express(score, make_playable(notes), expression))
    settings = {"samples": samples, "expression": expression.metadata()}
    settings |= {"others": others_hash(read.others)} if read.others else {}
    settings |= {"conducted": True} if read.conducted else {}
    settings |= {} if ensemble is None else {"ensemble": ensemble.metadata()}
    identity = {
        "score": {"name": path.stem, "content": content_hash(read.notes)},
        "model": {"name": "dice", "hash": "0" * 64, "dtype": "float32"},
        "seed": seed,
        "settings": settings,
        "edits": [],
    }
    report = {
        "notes_per_second": 1.0,
        "compile_seconds": 0.0,
        "counts": {
            "input_notes": len(read.notes),
            "performed_notes": len(score),
            "merged_notes": len(read.notes) - len(score),
        },
        "tempo": {"factor": 1.0, "guess": None},
    }
    told = (path.stem, identity, report, read.grid, read.others)
    return Rendering(read.notes, score, note_of_raw, tuple(performances), *told)
