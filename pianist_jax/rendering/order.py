"""What is to be made of scores, and how: one value for all that a command hands on."""

import dataclasses
from pathlib import Path
from typing import Any

from pianist_jax.config import DEFAULT_SAMPLING, Sampling
from pianist_jax.inference.engine import Model
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.pace import AS_WRITTEN, Pace
from pianist_jax.rendering.extras import Extras, plot_options
from pianist_jax.rendering.hashes import json_hash
from pianist_jax.rendering.outputs import DEFAULT_EXTRAS, FORMAT
from pianist_jax.rendering.renderer import model_identity
from pianist_jax.rendering.touch import head_hashes
from pianist_jax.score.reading import AS_IT_STANDS, Reading


@dataclasses.dataclass(frozen=True, eq=False)
class Order:
    """What is to be made of scores, in which folder; `takes`: what was made before is kept (`takes`)."""

    folder: Path
    model: Model
    seed: int = 0
    samples: int = 1
    sampling: Sampling = DEFAULT_SAMPLING
    pace: Pace = AS_WRITTEN
    expression: Expression = NEUTRAL
    extras: Extras = DEFAULT_EXTRAS
    force: bool = False
    log: Path | None = None
    takes: bool = False
    reading: Reading = AS_IT_STANDS

    def digest(self) -> str:
        """A hash of all but the folder, the log and whether takes are kept."""
        options = {
            "format": FORMAT,
            "model": model_identity(self.model),
            "window": self.model.config.window,
            "seed": self.seed,
            "samples": self.samples,
            "sampling": {**dataclasses.asdict(self.sampling), "heads": head_hashes(self.model, self.sampling)},
            "pace": self.pace.metadata(),
            "expression": self.expression.metadata(),
            **self.reading.metadata(),
            "extras": {**self.extras.settings, **plot_options(self.extras)},
        }
        return json_hash(options)

    @property
    def settings(self) -> dict[str, Any]:
        """What performances follow from beside the piece: as `render_all` and `identity_of` take it."""
        names = ("model", "seed", "samples", "sampling", "pace", "expression")
        return {name: getattr(self, name) for name in names}
