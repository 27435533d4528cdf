"""What long windows take instead of the plain way gives the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.model.attention import Extent, attend, attend_in_blocks
from pianist_jax.model.embedding import TokenTable, products
from pianist_jax.model.token_decoder import CHUNK, chunk_nll, slot_nll
from pianist_jax.music.tokens import BOS, MASK, SLOT_SIZE, SLOT_START, VOCABULARY


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [None, [700, 3]])
def test_attention_in_blocks_is_attention(causal: bool, lengths: list[int] | None) -> None:
    keys = jax.random.split(jax.random.key(0), 4)
    q, g = (jax.random.normal(key, (2, 700, 4, 8)) for key in keys[:2])
    k, v = (jax.random.normal(key, (2, 700, 2, 8)) for key in keys[2:])
    seen = None if lengths is None else jnp.asarray(lengths, jnp.int32)
    real = None if seen is None else Extent(seen)
    mask = jnp.ones((2, 1, 700, 700), bool)
    if causal:
        mask &= jnp.tril(jnp.ones((700, 700), bool))[None, None]
    if seen is not None:
        mask &= (jnp.arange(700)[None] < seen[:, None])[:, None, None]

    def plain(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return jax.nn.dot_product_attention(q, k, v, mask=mask, scale=0.3)

    def blocks(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return attend_in_blocks(q, k, v, real, scale=0.3, causal=causal)

    for one, other in zip(pulled(plain, g, q, k, v), pulled(blocks, g, q, k, v), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    chosen = attend(q, k, v, scale=0.3, implementation="xla", causal=causal, real=real)
    np.testing.assert_array_equal(chosen, blocks(q, k, v))


def pulled(function, g, *arguments):
    """The value, and the gradients of its product with `g`."""
    value, pull = jax.vjp(function, *arguments)
    return [np.asarray(x) for x in (value, *pull(g))]


@pytest.mark.parametrize("shift", [0, 1])
def test_the_gradient_of_looked_up_rows_is_a_product(shift: int) -> None:
    rng = np.random.default_rng(shift)
    notes = rng.integers(0, SLOT_SIZE, (3, 20, 8)) + SLOT_START
    notes[rng.random(notes.shape) < 0.2] = MASK
    ids = np.roll(notes.reshape(3, -1), shift, axis=1).astype(np.int32)
    ids[:, 0] = BOS
    gradient = rng.normal(size=(3, 160, 16)).astype(np.float32)
    expected = np.zeros((VOCABULARY, 16), np.float32)
    np.add.at(expected, ids, gradient)
    by_note, pulled = jnp.asarray(ids.reshape(3, 20, 8)), jnp.asarray(gradient.reshape(3, 20, 8, 16))
    made = products(by_note, pulled, (VOCABULARY, 16), shift)
    np.testing.assert_allclose(made, expected, atol=1e-5)
    table = TokenTable(VOCABULARY, 16)
    params = table.init(jax.random.key(0), ids)
    rows, pull = jax.vjp(lambda params: table.apply(params, ids, shift), params)
    np.testing.assert_array_equal(rows, table.apply(params, ids))
    np.testing.assert_allclose(pull(jnp.asarray(gradient))[0]["params"]["embedding"], expected, atol=1e-5)


def test_chunks_of_a_wide_range_are_scored_as_the_whole() -> None:
    rng = np.random.default_rng(0)
    hidden = jnp.asarray(rng.normal(size=(2, 2 * CHUNK, 8)), jnp.float32)
    table = jnp.asarray(rng.normal(size=(5000, 8)), jnp.float32)
    value = jnp.asarray(rng.integers(0, 5000, (2, 2 * CHUNK)), jnp.int32)
    weight = jnp.asarray(rng.normal(size=value.shape), jnp.float32)
    one = pulled(lambda h, t: slot_nll(h, t, value), weight, hidden, table)
    whole = pulled(lambda h, t: chunk_nll(h, t, value), weight, hidden, table)
    for part, expected in zip(one, whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-4)
    logits = 30 * np.tanh(np.asarray(hidden @ table.T) / 30)
    picked = np.take_along_axis(logits, np.asarray(value)[..., None], -1)[..., 0]
    np.testing.assert_allclose(one[0], np.log(np.exp(logits).sum(-1)) - picked, rtol=1e-4, atol=1e-4)
    program = jax.jit(jax.grad(lambda h: slot_nll(h, table, value).sum())).lower(hidden).as_text()
    assert f"{2 * CHUNK}x5000" not in program  # no array of all logits
    assert f"{CHUNK}x5000" in program
