"""What the decoders call a probability is one: over all values of a slot it sums to 1."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.model.cells import CELLS, ROW_OF_ID, ROW_START, ROWS, TIME_CELL, cell_table
from pianist_jax.model.pianist import Pianist
from pianist_jax.music.tokens import BOS, EOS, MASK, PAD, PLAY, SLOT_SIZE, SLOT_START, SLOTS, VOCABULARY, ScoreTokens
from tests.model.helpers import CONFIGS, example, lively_params, quick_jit

CHUNK = 128


@quick_jit
def nll_of_chunks(config, params, score, performances):
    """NLL of the last note of many performances [K, CHUNK, N, 8] of one score [1, N, 8]: [K, CHUNK, 8]."""
    model, variables = Pianist(config), {"params": params}
    memory, real = model.apply(variables, ScoreTokens(score), jnp.ones(score.shape[:2], bool), method="encode")

    def chunk(performance):
        def same(x):
            return jnp.broadcast_to(x, (CHUNK, *x.shape[1:]))

        def decode(model):
            return model.decoder.nll(same(memory), jax.tree.map(same, real), same(score), performance, True)

        losses: Any = model.apply(variables, method=decode)
        return losses[:, -1]

    return jax.lax.map(chunk, performances)


@pytest.mark.parametrize("name", ["token", "note"])
def test_values_of_every_slot_sum_to_one(name):
    config = CONFIGS[name]
    score, performance = example(1, 2)
    slots = range(8) if name == "token" else range(1, 8)
    variants = []
    for slot in slots:
        size = SLOT_SIZE[slot]
        many = np.tile(performance, (-(-size // CHUNK) * CHUNK, 1, 1))
        many[:size, -1, slot] = SLOT_START[slot] + np.arange(size)
        variants.append(many)
    chunks = np.concatenate(variants).reshape(-1, CHUNK, 2, 8)
    losses = np.asarray(nll_of_chunks(config, lively_params(config), score, chunks), np.float64).reshape(-1, 8)
    start = 0
    for slot, many in zip(slots, variants, strict=True):
        probability = np.exp(-losses[start : start + SLOT_SIZE[slot], slot])
        start += len(many)
        np.testing.assert_allclose(probability.sum(), 1.0, atol=1e-4, err_msg=SLOTS[slot])
        assert probability.max() > 2 * probability.min()
    if name == "note":
        np.testing.assert_array_equal(losses[:, 0], 0.0)  # pitch is given


@pytest.mark.parametrize("slot", range(8))
def test_cells_cover_every_value_once(slot):
    low, width = cell_table(slot)
    values = np.concatenate([np.arange(a, a + b) for a, b in zip(low, width, strict=True)])
    np.testing.assert_array_equal(values, np.arange(SLOT_SIZE[slot]))
    assert len(low) == CELLS[slot]
    if SLOTS[slot] in ("ioi", "duration"):
        np.testing.assert_array_equal(TIME_CELL, np.repeat(np.arange(len(low)), width))
        wide = low >= 64
        np.testing.assert_array_equal(width[~wide], 1)
        assert (width[wide] / low[wide]).max() < 0.035  # never coarser than hearing
    else:
        np.testing.assert_array_equal(width, 1)


def test_rows_of_ids_tell_slots_masks_and_nothing_apart():
    assert ROW_OF_ID.shape == (8, VOCABULARY)
    for slot in range(8):
        first, cells = int(ROW_START[slot]), CELLS[slot]
        assert ROW_START[slot] == sum(ROWS[:slot])
        own = ROW_OF_ID[slot, SLOT_START[slot] : SLOT_START[slot] + SLOT_SIZE[slot]]
        np.testing.assert_array_equal(np.unique(own), first + np.arange(cells))
        assert ROW_OF_ID[slot, MASK] == first + cells
        others = np.ones(VOCABULARY, bool)
        others[MASK] = False
        others[SLOT_START[slot] : SLOT_START[slot] + SLOT_SIZE[slot]] = False
        assert others[[PAD, BOS, EOS, PLAY]].all()
        np.testing.assert_array_equal(ROW_OF_ID[slot, others], first + cells + 1)
