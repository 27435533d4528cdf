"""Rows of a table by token ids, with a gradient that accelerators are quick at.

The gradient of a lookup adds each position's gradient to its row. Half of all tokens are pedal values, most of them one
of two: an accelerator would add hundreds of thousands of vectors to the same rows, one after the other. A product with
ones and zeros does the same in float32 and at full speed; a CPU, which adds one by one anyway, is quicker without it.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.music.tokens import FIRST_PITCH, NOTE_TOKENS, SLOT_SIZE, SLOT_START


class TokenTable(nn.Embed):
    """A table of rows for token ids, in the dtype of the arithmetic."""

    def __call__(self, ids: jax.Array, shift: int | None = None) -> jax.Array:
        """The rows of the ids, [..., D].

        Given `shift`, the ids are whole notes, [B, N, 8] or [B, 8N]: column s of a note holds an id of slot s − `shift`
        (modulo 8) or a special one (below `FIRST_PITCH`). The gradient needs to know that.
        """
        if shift is None:
            return super().__call__(ids)
        dtype = jnp.dtype(self.dtype or self.param_dtype)
        rows = _lookup(self.embedding, ids.reshape(ids.shape[0], -1, NOTE_TOKENS), dtype, shift)
        return rows.reshape(*ids.shape, self.features)


def _rows(table_VD: jax.Array, ids_BNS: jax.Array, dtype: jnp.dtype, shift: int) -> jax.Array:
    return table_VD.astype(dtype)[ids_BNS]


_lookup = jax.custom_vjp(_rows, nondiff_argnums=(2, 3))


def _forward(
    table_VD: jax.Array, ids_BNS: jax.Array, dtype: jnp.dtype, shift: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _rows(table_VD, ids_BNS, dtype, shift), (ids_BNS, jnp.zeros_like(table_VD, shape=(0, *table_VD.shape)))


def _backward(
    dtype: jnp.dtype, shift: int, kept: tuple[jax.Array, jax.Array], gradient_BNSD: jax.Array
) -> tuple[jax.Array, None]:
    ids_BNS, empty = kept
    shape = empty.shape[1:]

    def added(ids_BNS: jax.Array, gradient_BNSD: jax.Array) -> jax.Array:
        return jnp.zeros(shape, jnp.float32).at[ids_BNS].add(gradient_BNSD.astype(jnp.float32))

    def multiplied(ids_BNS: jax.Array, gradient_BNSD: jax.Array) -> jax.Array:
        return products(ids_BNS, gradient_BNSD, shape, shift)

    table_VD = jax.lax.platform_dependent(ids_BNS, gradient_BNSD, cpu=added, default=multiplied)
    return table_VD.astype(empty.dtype), None


def products(ids_BNS: jax.Array, gradient_BNSD: jax.Array, shape: tuple[int, ...], shift: int) -> jax.Array:
    """The sum of the gradients of each row of the table, float32 [V, D], each slot over its own range of ids."""
    table_VD = jnp.zeros(shape, jnp.float32)
    for column in range(NOTE_TOKENS):
        slot = (column - shift) % NOTE_TOKENS
        for start, size in ((0, FIRST_PITCH), (int(SLOT_START[slot]), int(SLOT_SIZE[slot]))):
            hot = (ids_BNS[:, :, column, None] - start) == jnp.arange(size)[None, None]
            sums = jnp.einsum(
                "bnr,bnd->rd",
                hot.astype(gradient_BNSD.dtype),
                gradient_BNSD[:, :, column],
                precision="highest" if gradient_BNSD.dtype == jnp.float32 else None,
                preferred_element_type=jnp.float32,
            )
            table_VD = table_VD.at[start : start + size].add(sums)
    return table_VD


_lookup.defvjp(_forward, _backward)
