"""The TPU's attention kernel, interpreted on the CPU, is XLA's attention: values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import MeshConfig
from pianist_jax.errors import PianistError
from pianist_jax.model.attention import Extent, attend
from pianist_jax.model.flash import flash
from pianist_jax.parallel import make_mesh, replicated, rows_divided

ROWS, HEADS, SIZE = 2, 2, 8


def arrays(queries: int, keys: int) -> tuple[jax.Array, ...]:
    """Queries, half as many key and value heads, and a direction to take gradients in."""
    key = jax.random.split(jax.random.key(0), 4)
    shapes = ((queries, HEADS), (keys, HEADS // 2), (keys, HEADS // 2), (queries, HEADS))
    return tuple(jax.random.normal(k, (ROWS, *shape, SIZE)) for k, shape in zip(key, shapes, strict=True))


@pytest.mark.parametrize(
    ("queries", "keys", "lengths"),
    [(256, 256, None), (256, 128, (128, 40))],
    ids=["causal", "across, with padding"],
)
def test_the_kernel_is_attention(queries, keys, lengths) -> None:
    q, k, v, direction = arrays(queries, keys)
    length_B = None if lengths is None else jnp.asarray(lengths)
    real = None if length_B is None else Extent(length_B)
    causal = lengths is None

    def ours(q, k, v):
        y = flash(q, k, v, length_B, scale=0.3, causal=causal, interpret=True)
        return jnp.sum(y * direction), y

    def theirs(q, k, v):
        y = attend(q, k, v, scale=0.3, implementation="xla", causal=causal, real=real)
        return jnp.sum(y * direction), y

    found, wanted = (jax.jit(jax.grad(f, argnums=(0, 1, 2), has_aux=True))(q, k, v) for f in (ours, theirs))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_each_device_runs_it_on_its_own_rows_and_heads() -> None:
    mesh = make_mesh(MeshConfig(data=2), jax.devices()[:2])
    q, k, v = arrays(128, 128)[:3]

    def divided(q, k, v):
        with rows_divided(mesh):
            return flash(q, k, v, scale=0.3, causal=True, interpret=True)

    y = jax.jit(divided)(*jax.device_put((q, k, v), replicated(mesh)))
    assert y.sharding.shard_shape(y.shape) == (ROWS // 2, 128, HEADS, SIZE)
    np.testing.assert_allclose(y, attend(q, k, v, scale=0.3, implementation="xla", causal=True), atol=1e-5)


def test_other_lengths_are_refused() -> None:
    q, k, v, _ = arrays(100, 128)
    with pytest.raises(PianistError, match="a multiple of 128 positions, not 100 and 128"):
        attend(q, k, v, scale=0.3, implementation="flash")
