"""How much should be masked? 10 to 90% of the tokens in pre-training, then the same fine-tuning.

    python -m experiments.masking --data parts --workdir RUNS --asap ASAP --cache CACHE

The paper's masking: every token but pitch by itself, the ratio the same for all windows, no whole fields, no invented
scores. Losses in pre-training are of other tasks at other ratios and cannot be compared; how fast fine-tuning gets on
can, and where it ends.
"""

import sys
from pathlib import Path

from experiments import study
from experiments.study import Run, finetuning, pretraining
from pianist_jax.config import Masking

STEPS, FINE = 600, 300
RATIOS = (10, 30, 50, 70, 90)
RUNS: list[Run] = []
for ratio in RATIOS:
    masking = Masking(low=ratio / 100, high=ratio / 100, fields=0, deadpan=0)
    RUNS += [
        Run(f"masked {ratio}%", pretraining(STEPS, masking=masking), judged=False),
        Run(f"{ratio}%", finetuning(FINE, evaluate_every=50), source=f"masked {ratio}%"),
    ]
RUNS += [
    Run("masked as here", pretraining(STEPS), judged=False),
    Run("15-60%, fields, invented scores", finetuning(FINE, evaluate_every=50), source="masked as here"),
]


def tell(results: dict[str, study.Result], picture: Path) -> None:
    """Print the table and draw the fine-tuning curves."""
    print(study.table(results))
    study.curves(results, picture, "Fine-tuning after pre-training at several masking ratios")


if __name__ == "__main__":
    sys.exit(study.main("masking", RUNS, __doc__, tell))
