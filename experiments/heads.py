"""What should choose a note's slots? A cascade of small networks, a GRU, a small transformer, each slot by itself.

    python -m experiments.heads --data parts --workdir RUNS

The note decoder of the studies, fine-tuned from nothing with each head in the cascade's place. The others are written
here for teacher forcing alone, which is all that a loss needs. Result, nats a note of the validation pairs after 1.2 M
notes (two seeds of the cascade differ by 0.03), and with --longer 4 after 4.9 M:

    independent slots 19.41    cascade 18.12, 16.73    GRU 17.87, 16.68    transformer 17.82, not run
"""

import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments import study
from experiments.study import Run, finetuning, small
from pianist_jax.model.cells import CELLS, TIME_CELL, TIME_CELLS, cell_table
from pianist_jax.model.layers import RMSNorm, dense
from pianist_jax.model.note_decoder import SlotCascade
from pianist_jax.music.tokens import NOTE_TOKENS, SLOT_SIZE, SLOT_START

FINE = 600
SLOTS = range(1, NOTE_TOKENS)


class Independent(SlotCascade):
    """The cascade without what was chosen: every slot by itself, given the note's state."""

    def setup(self) -> None:  # noqa: D102
        super().setup()
        self.chosen = jnp.zeros_like(self.chosen)


class Head(SlotCascade):
    """A head that makes a state for each slot of all that was chosen before it."""

    def states(self, context_BND: jax.Array, chosen: list[jax.Array]) -> list[jax.Array]:
        """Of each slot, [B, N, D]; `chosen` are the rows of the first six slots."""
        raise NotImplementedError

    def nll(self, context_BND: jax.Array, performance_BNS: jax.Array) -> jax.Array:
        """As the cascade's."""
        cells, widths, rows = [], [], []
        for slot in SLOTS:
            value_BN = jnp.clip(performance_BNS[:, :, slot] - SLOT_START[slot], 0, SLOT_SIZE[slot] - 1)
            cells.append(jnp.asarray(TIME_CELL)[value_BN] if CELLS[slot] == TIME_CELLS else value_BN)
            widths.append(jnp.asarray(np.log(cell_table(slot)[1]), jnp.float32)[cells[-1]])
            rows.append(self.chosen[self.row(slot)[0] + cells[-1]].astype(context_BND.dtype))
        losses = [jnp.zeros(context_BND.shape[:2], jnp.float32)]
        for slot, state_BND, cell_BN, width_BN in zip(
            SLOTS, self.states(context_BND, rows[:-1]), cells, widths, strict=True
        ):
            logits = self.out[slot - 1](state_BND).astype(jnp.float32)
            picked = jnp.take_along_axis(logits, cell_BN[..., None], axis=-1)[..., 0]
            losses.append(jax.nn.logsumexp(logits, axis=-1) - picked + width_BN)
        return jnp.stack(losses, axis=-1)


class Gru(Head):
    """One GRU cell that goes from slot to slot."""

    def setup(self) -> None:  # noqa: D102
        super().setup()
        self.cell = nn.GRUCell(self.config.width)
        self.before, self.after = RMSNorm(), RMSNorm()
        self.begin = self.param("begin", nn.initializers.normal(0.3), (self.config.width,), jnp.float32)

    def states(self, context_BND: jax.Array, chosen: list[jax.Array]) -> list[jax.Array]:
        """Its state after each slot, and what the note brings."""
        state, states = self.before(context_BND), []
        for row in [jnp.broadcast_to(self.begin[None, None], context_BND.shape), *chosen]:
            state, _ = self.cell(state, row)
            states.append(self.after(state + context_BND))
        return states


class Transformer(Head):
    """One causal layer of self-attention and feed-forward over the slots of a note."""

    def setup(self) -> None:  # noqa: D102
        super().setup()
        c = self.config
        self.place = self.param("place", nn.initializers.normal(0.3), (len(SLOTS), c.width), jnp.float32)
        self.first, self.second, self.last = RMSNorm(), RMSNorm(), RMSNorm()
        self.attention = nn.MultiHeadDotProductAttention(num_heads=4, use_bias=False)
        self.up, self.down = dense(4 * c.width, c, bias=True), dense(c.width, c, bias=True)

    def states(self, context_BND: jax.Array, chosen: list[jax.Array]) -> list[jax.Array]:
        """Positions after one layer."""
        x = jnp.stack([jnp.zeros_like(context_BND), *chosen], axis=2) + context_BND[:, :, None]
        x = x + self.place[None, None]
        causal = jnp.tril(jnp.ones((len(SLOTS), len(SLOTS)), bool))[None, None, None]
        y = self.first(x)
        x = x + self.attention(y, y, mask=causal)
        x = x + self.down(nn.gelu(self.up(self.second(x)), approximate=True))
        return list(jnp.moveaxis(self.last(x), 2, 0))


HEADS = {"independent slots": Independent, "GRU": Gru, "transformer": Transformer}
RUNS = [
    Run("cascade", finetuning(FINE)),
    *(Run(name, finetuning(FINE, small(head=f"experiments.heads:{head.__name__}"))) for name, head in HEADS.items()),
    Run("cascade, another seed", finetuning(FINE, seed=1)),
]


def tell(results: dict[str, study.Result], picture: Path) -> None:
    """Print the table and draw the losses."""
    print(study.table(results))
    study.curves(results, picture, "Heads of the note decoder, fine-tuned from nothing")


if __name__ == "__main__":
    sys.exit(study.main("heads", RUNS, __doc__, tell))
