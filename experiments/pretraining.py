"""What is pre-training worth? The same model with and without, and after more and less of it.

python -m experiments.pretraining --data parts --workdir RUNS --asap ASAP --cache CACHE
"""

import sys
from pathlib import Path

from experiments import study
from experiments.study import Run, finetuning, pretraining

STEPS, FINE = 2400, 500
PRETRAINED = "pretrained"
RUNS = [
    Run(PRETRAINED, pretraining(STEPS, sample_every=STEPS // 4), judged=False),
    Run("none", finetuning(FINE)),
    *(Run(f"after {part}%", finetuning(FINE), source=f"{PRETRAINED}@{part}%") for part in (25, 50, 100)),
    Run("none, as long", finetuning(STEPS + FINE)),
]


def tell(results: dict[str, study.Result], picture: Path) -> None:
    """Print the table and draw the fine-tuning curves."""
    print(study.table(results))
    study.curves(results, picture, "Fine-tuning with and without pre-training")


if __name__ == "__main__":
    sys.exit(study.main("pretraining", RUNS, __doc__, tell))
