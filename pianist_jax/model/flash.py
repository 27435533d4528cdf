"""Attention on TPUs that never keeps the scores of all pairs: JAX's Splash kernel (Pallas), forwards and backwards.

XLA does not divide such a kernel over devices by itself. Where a mesh is in scope (`jax.sharding.use_abstract_mesh`),
each device therefore runs it on its own rows and heads: data and fsdp divide rows, tensor divides heads.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu import splash_attention as splash
from jax.sharding import PartitionSpec

from pianist_jax.errors import PianistError

LANES = 128  # what a TPU reads at once: blocks of positions are multiples of it
BLOCK = 512


def flash(
    q_BTHC: jax.Array,
    k_BUKC: jax.Array,
    v_BUKC: jax.Array,
    length_B: jax.Array | None = None,
    *,
    scale: float,
    causal: bool,
    interpret: bool = False,
) -> jax.Array:
    """As `attention.attend`, [B, T, H, C]; T and U must be multiples of 128. `interpret` runs it anywhere, slowly.

    Raises PianistError for other lengths.
    """
    T, U = q_BTHC.shape[1], k_BUKC.shape[1]
    if T % LANES or U % LANES:
        raise PianistError(
            f'attention="flash" takes windows of a multiple of {LANES} positions, not {T} and {U}; '
            'change the window or set model.attention="xla"'
        )
    if length_B is None:
        length_B = jnp.full(q_BTHC.shape[:1], U, jnp.int32)
    run = partial(_on_one_device, scale=scale, causal=causal, interpret=interpret)
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.size == 1:
        return run(q_BTHC, k_BUKC, v_BUKC, length_B)
    rows = tuple(name for name in ("data", "fsdp") if name in mesh.axis_names)
    heads = PartitionSpec(rows, None, "tensor" if "tensor" in mesh.axis_names else None)
    divided = jax.shard_map(
        run, mesh=mesh, in_specs=(heads, heads, heads, PartitionSpec(rows)), out_specs=heads, check_vma=False
    )
    return divided(q_BTHC, k_BUKC, v_BUKC, length_B)


def _on_one_device(
    q_BTHC: jax.Array,
    k_BUKC: jax.Array,
    v_BUKC: jax.Array,
    length_B: jax.Array,
    *,
    scale: float,
    causal: bool,
    interpret: bool,
) -> jax.Array:
    B, T, H, _ = q_BTHC.shape
    U = k_BUKC.shape[1]
    shape = splash.CausalMask((T, U)) if causal else splash.FullMask((T, U))
    block_T, block_U = (next(b for b in range(min(BLOCK, size), 0, -LANES) if size % b == 0) for size in (T, U))
    sizes = splash.BlockSizes(
        block_q=block_T,
        block_kv=block_U,
        block_q_dkv=block_T,
        block_kv_dkv=block_U,
        block_q_dq=block_T,
        block_kv_dq=block_U,
    )
    kernel = splash.make_splash_mha(
        splash.MultiHeadMask([shape] * H), block_sizes=sizes, head_shards=1, q_seq_shards=1, interpret=interpret
    )
    seen_BU = (jnp.arange(U)[None] < length_B[:, None]).astype(jnp.int32)
    segments = splash.SegmentIds(jnp.ones((B, T), jnp.int32), seen_BU)
    q, k, v = (x.transpose(0, 2, 1, 3) for x in (q_BTHC * jnp.asarray(scale, q_BTHC.dtype), k_BUKC, v_BUKC))
    return jax.vmap(kernel)(q, k, v, segments).transpose(0, 2, 1, 3)
