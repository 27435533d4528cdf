"""Which body for the same work? Compressed or not, a deep or a shallow decoder, tokens or notes.

    python -m experiments.decoders --data parts --workdir RUNS

Six layers of width 128, fine-tuned from nothing on windows of 128 notes (1 024 tokens), every body for the same
number of floating-point operations (`training/flops.py`): what sees a note for fewer of them sees more notes. 5-1
layers stand for the paper's 10-2, 3-3 for its 6-6. What a step costs by the clock and in memory:
`experiments/training_speed.py`.
"""

import sys
from pathlib import Path
from typing import Any

from experiments import study
from experiments.study import Run, finetuning, small
from pianist_jax.config import TrainConfig
from pianist_jax.training.flops import flops_per_note

TFLOP = 12.0
TOKENS = {"decoder": "token", "cross_attention": True, "window": 128, "encoder_layers": 5, "decoder_layers": 1}


def body(**changes: Any) -> TrainConfig:
    """A run of `TFLOP` of a body, 512 notes a step."""
    model = small(**{**TOKENS, **changes})
    notes = TFLOP * 1e12 / flops_per_note(model, model.window)
    looks = round(notes / (4 * model.window) / 20)
    return finetuning(20 * looks, model, batch=4, warmup=2 * looks, log_every=looks, evaluate_every=looks)


RUNS = [
    Run("tokens, 5-1", body()),
    Run("tokens, 3-3", body(encoder_layers=3, decoder_layers=3)),
    Run("tokens, 5-1, uncompressed", body(compressed=False)),
    Run("tokens, 3-3, uncompressed", body(compressed=False, encoder_layers=3, decoder_layers=3)),
    Run("notes, 4-2", body(decoder="note", cross_attention=False, encoder_layers=4, decoder_layers=2)),
]


def tell(results: dict[str, study.Result], picture: Path) -> None:
    """Print the table and draw the losses over the work done."""
    print(study.table(results))
    study.curves(results, picture, "Bodies of six layers, fine-tuned from nothing", "tflop")


if __name__ == "__main__":
    sys.exit(study.main("decoders", RUNS, __doc__, tell))
