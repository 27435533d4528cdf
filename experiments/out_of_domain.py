"""Does pre-training help where fine-tuning never goes? Pop and jazz, a melody alone, no pedal.

    python -m experiments.pretraining --data parts --workdir RUNS
    python -m experiments.out_of_domain --data parts --workdir RUNS

The runs of `experiments/pretraining.py` have neither pre-trained nor fine-tuned on the pop and jazz pieces of POP909,
Pop1K7 and Pianist8 that `study.unseen` names. From each comes an invented deadpan score (`data.corruption.deadpan`:
chords squared, tempo bent, dynamics flattened, no pedal), of all its notes or of its melody alone (the highest of
each chord); how many nats a note does it cost each model to play as the pianist did? Human performances of ASAP's
validation pieces go the same way, as the domain that fine-tuning knows. The pedal is not judged: two of the corpora
have none worth the name.
"""

import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from experiments import study
from experiments.pretraining import PRETRAINED
from experiments.study import POP, Material, finetuning, small
from pianist_jax.data.corruption import CHORD, deadpan
from pianist_jax.data.parts import load_parts
from pianist_jax.data.windows import Windows
from pianist_jax.music.tokens import (
    IOI,
    MAX_IOI,
    PITCH,
    ScoreTokens,
)
from pianist_jax.weights import load_weights

FIELDS = ("ioi", "velocity", "duration")
PIECES = 40  # of each domain
WINDOW = 256
MODELS = ("none", "none, as long", "after 25%", "after 100%", PRETRAINED)


def melody(values_N8: np.ndarray) -> np.ndarray:
    """The highest note of each chord, with the gaps between them."""
    onset = np.cumsum(values_N8[:, IOI].astype(np.int64))
    chord = np.concatenate([[0], np.cumsum(np.diff(onset) >= CHORD)])
    highest = np.lexsort((-values_N8[:, PITCH].astype(int), chord))
    kept = np.sort(highest[np.unique(chord[highest], return_index=True)[1]])
    line = values_N8[kept].copy()
    line[:, IOI] = np.minimum(np.diff(onset[kept], prepend=onset[kept[0]]), MAX_IOI)
    return line


def windows(pieces: list[np.ndarray]) -> Windows:
    """Whole windows of the pieces, each with its invented score: the same ones every time."""
    cut = [piece[start : start + WINDOW] for piece in pieces for start in range(0, len(piece) - WINDOW + 1, WINDOW)]
    performed = np.stack(cut).astype(np.int32)
    scores = jax.vmap(deadpan)(jnp.asarray(performed), jax.random.split(jax.random.key(0), len(cut)))
    count = len(cut)
    return {
        "score": ScoreTokens(np.asarray(scores).reshape(-1, 8).astype(np.uint16)),
        "performance": performed.reshape(-1, 8).astype(np.uint16),
        "played": np.ones(count * WINDOW, bool),
        "start": np.arange(count, dtype=np.int32) * WINDOW,
        "length": np.full(count, WINDOW, np.int32),
        "chance": np.linspace(0, 1, count + 1, dtype=np.float32)[1:],
        "has_pedal": np.ones(count, bool),
        "expressive": np.ones(count, bool),
    }


def domains(material: Material) -> dict[str, list[np.ndarray]]:
    """Performances of pieces that nothing was trained on, by where they come from."""
    corpus = load_parts(sorted(material.data.glob("pretrain-*.part")))
    found: dict[str, list[np.ndarray]] = {}
    kept = study.pop_pieces(corpus) & study.unseen(corpus.files)
    for name in POP:
        of_it = np.array([source.name == name for source in corpus.sources])[corpus.source]
        found[name] = [
            corpus.columns[corpus.offsets[i] : corpus.offsets[i + 1]] for i in np.flatnonzero(kept & of_it)[:PIECES]
        ]
    pairs = material.pairs
    validation = np.flatnonzero(pairs.split == 1)
    one_each = validation[np.unique(pairs.composition[validation], return_index=True)[1]]
    found["asap"] = [pairs.performance[pairs.offsets[i] : pairs.offsets[i + 1]] for i in one_each]
    return found


def measured(material: Material, workdir: Path) -> dict[str, Any]:
    """For each domain and texture: how many windows, and each model's nats a note without the pedal."""
    config = finetuning(1, small())
    models = {name: load_weights(workdir / f"{name}.safetensors")[1] for name in MODELS}
    found = {}
    for domain, pieces in domains(material).items():
        for texture in ("all notes", "melody"):
            own = windows([melody(piece) if texture == "melody" else piece for piece in pieces])
            losses = {name: study.nats(config, params, own) for name, params in models.items()}
            found[f"{domain}, {texture}"] = {
                "windows": len(own["start"]),
                "nats": {name: round(sum(loss[field] for field in FIELDS), 4) for name, loss in losses.items()},
            }
    return found


def tell(found: dict[str, Any], picture: Path) -> None:
    """Print the table and draw what pre-training gains."""
    from matplotlib.figure import Figure

    print("| | windows | " + " | ".join(MODELS) + " |\n" + "|---" * (len(MODELS) + 2) + "|")
    for name, one in found.items():
        print(f"| {name} | {one['windows']} | " + " | ".join(f"{one['nats'][model]:.3f}" for model in MODELS) + " |")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(found))
    for shift, model in ((-0.2, "after 25%"), (0.2, "after 100%")):
        gain = [one["nats"]["none, as long"] - one["nats"][model] for one in found.values()]
        axes.barh(place + shift, gain, 0.38, label=f"pre-trained, {model}")
    axes.set_yticks(place, list(found))
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="nats a note better than none, trained as long", title="What pre-training gains, by domain")
    axes.legend(frameon=False)
    figure.savefig(picture, dpi=110)


def main() -> int:
    """Measure, keep, tell."""
    chosen = study.options(__doc__).parse_args()
    path = chosen.results / "out_of_domain.json"
    study.add_results(path, measured(Material(chosen.data), chosen.workdir))
    tell(study.read_results(path), path.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
