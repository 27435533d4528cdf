"""Which settings of fine-tuning pay? One changed at a time, from the same pre-trained weights.

python -m experiments.pretraining --data parts --workdir RUNS --only pretrained
python -m experiments.recipe --data parts --workdir RUNS --asap ASAP --cache CACHE
"""

import sys
from pathlib import Path
from typing import Any

from experiments import study
from experiments.pretraining import PRETRAINED
from experiments.study import Run, finetuning, small
from pianist_jax.config import Augmentation

FINE = 250


def changed(name: str, model: dict[str, Any] | None = None, **changes: Any) -> Run:
    """The usual fine-tuning but for what is named."""
    return Run(name, finetuning(FINE, small(**(model or {})), **changes), source=PRETRAINED)


RUNS = [
    changed("as usual"),
    changed("another seed", seed=1),
    changed("no augmentation", augmentation=Augmentation(0, 0, 0)),
    changed("metre", {"metre": True}),
    changed("dropout 0.1", {"dropout": 0.1}),
    changed("twice the rate", learning_rate=3e-3),
    changed("running mean", ema_decay=0.98),
]


def tell(results: dict[str, study.Result], picture: Path) -> None:
    """Print the table and draw the losses."""
    print(study.table(results))
    study.curves(results, picture, "Fine-tuning with one setting changed")


if __name__ == "__main__":
    sys.exit(study.main("recipe", RUNS, __doc__, tell))
