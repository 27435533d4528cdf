"""What the validation loss means: nats a slot of predictors that know no music, beside the bundled model's.

    python -m experiments.baselines --data DIR [--model default] [--windows 256]

unigram: each field by its frequency in the training performances. copy: each field by how training performances deviate
from their scores (velocity: difference; times: difference in cells, about 2% each; pedal: as it was a slot before).
All in nats for exact values, a cell's probability spread evenly over the values it holds; add-one smoothing.
"""

import argparse
from pathlib import Path

import jax
import numpy as np

from pianist_jax.config import TrainConfig
from pianist_jax.data.parts import PairCorpus, load_pairs
from pianist_jax.data.windows import pair_windows
from pianist_jax.model.cells import CELLS, TIME_CELL, TIME_CELLS, cell_table
from pianist_jax.music.tokens import NOTE_TOKENS
from pianist_jax.training.losses import FIELDS, per_field
from pianist_jax.training.steps import make_validate
from pianist_jax.weights import load_weights, weights_path


def cells_of(values: np.ndarray) -> np.ndarray:
    """Values [N, 8] from 0 to the cells of each slot."""
    cells = values.astype(np.int64)
    for slot in range(NOTE_TOKENS):
        if CELLS[slot] == TIME_CELLS:
            cells[:, slot] = TIME_CELL[cells[:, slot]]
    return cells


def notes_of(pairs: PairCorpus, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the scores and of the performances of a split, [N, 8] each."""
    chosen = np.repeat(pairs.split == split, np.diff(pairs.offsets))
    return cells_of(pairs.score.notes[chosen]), cells_of(pairs.performance[chosen])


def nats(train: np.ndarray, validation: np.ndarray, size: int, width: np.ndarray) -> float:
    """Cross-entropy of integers from 0 by their frequency in `train`, plus the log width of what was to be found."""
    counts = np.bincount(train, minlength=size) + 1.0
    return float(np.mean(-np.log(counts / counts.sum())[validation] + np.log(width)))


def baseline(pairs: PairCorpus, kind: str) -> dict[str, float]:
    """Nats a slot for each field but pitch, and `note`, nats a note."""
    (score, played), (score_v, played_v) = notes_of(pairs, 0), notes_of(pairs, 1)
    slots = {}
    for slot in range(1, NOTE_TOKENS):
        width = cell_table(slot)[1][played_v[:, slot]]
        if kind == "unigram":
            slots[slot] = nats(played[:, slot], played_v[:, slot], CELLS[slot], width)
            continue
        given, given_v = score, score_v
        if slot in FIELDS["pedal"]:
            given, given_v = _before(played, slot), _before(played_v, slot)
        shift = CELLS[slot]
        change, change_v = (p[:, slot] - g[:, slot] + shift for p, g in ((played, given), (played_v, given_v)))
        slots[slot] = nats(change, change_v, 2 * shift + 1, width)
    means = {field: float(np.mean([slots[slot] for slot in own])) for field, own in FIELDS.items() if field != "pitch"}
    return {**means, "note": sum(slots.values())}


def _before(played: np.ndarray, slot: int) -> np.ndarray:
    """The pedal a slot before, put into place `slot`; that of the first sample is the last one of the note before."""
    given = np.zeros_like(played)
    first = slot == FIELDS["pedal"][0]
    given[:, slot] = np.concatenate([[0], played[:-1, FIELDS["pedal"][-1]]]) if first else played[:, slot - 1]
    return given


def model_nats(pairs: PairCorpus, name: str, windows: int) -> dict[str, float]:
    """The same of a model, teacher-forced over evenly spaced validation windows."""
    path = Path(name) if Path(name).is_file() else weights_path(name)
    model, params = load_weights(path)
    config = TrainConfig(model=model, task="finetune", batch=4, window=model.window)
    validation = pair_windows(pairs, config.window, "validation", stride=config.window)
    validate = make_validate(config, max(windows // config.batch, 1))
    return per_field(validate(jax.device_put(params), jax.device_put(validation)))


def main() -> None:
    """Print a line for each predictor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of pairs-*.part")
    parser.add_argument("--model", nargs="*", default=["default"])
    parser.add_argument("--windows", type=int, default=256)
    options = parser.parse_args()
    pairs = load_pairs(sorted(options.data.glob("pairs-*.part")))
    rows = {kind: baseline(pairs, kind) for kind in ("unigram", "copy")}
    rows |= {name: model_nats(pairs, name, options.windows) for name in options.model}
    fields = ("ioi", "velocity", "duration", "pedal", "note")
    print(f"{'':24}" + "".join(f"{field:>10}" for field in fields))
    for name, row in rows.items():
        print(f"{Path(name).stem:24}" + "".join(f"{row[field]:10.3f}" for field in fields))


if __name__ == "__main__":
    main()
