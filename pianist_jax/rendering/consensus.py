"""What pianists agree on, foretold for a whole score, in windows that overlap by half and fade into each other."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pianist_jax.model.pianist import Pianist
from pianist_jax.music.tokens import PAD
from pianist_jax.parallel import batch_sharding, replicated
from pianist_jax.rendering.programs import GROUP, Model, Stopwatch, length_bucket

CURVES = 3


def consensus_of(model: Model, tokens: np.ndarray, stopwatch: Stopwatch) -> np.ndarray | None:
    """Curves float32 [N, 3] for a score's tokens int32 [N, columns] (`model.consensus`), None without that head."""
    if not model.config.consensus:
        return None
    notes, window = len(tokens), model.config.window
    firsts = np.arange(0, max(notes - window // 2, 1), window // 2)
    firsts[-1] = max(notes - window, 0)
    rows = model.mesh.size * min(GROUP, len(firsts))
    length = window if notes > window else min(length_bucket(notes), window)
    program = _program(model, (rows, length, tokens.shape[1]), stopwatch)
    began = time.perf_counter()
    total, weight = np.zeros((notes, CURVES), np.float32), np.zeros((notes, 1), np.float32)
    for group in np.split(firsts, range(rows, len(firsts), rows)):
        score = np.full((rows, length, tokens.shape[1]), PAD, np.int32)
        mask = np.zeros((rows, length), bool)
        parts = [tokens[first : first + length] for first in group]
        for row, part in enumerate(parts):
            score[row, : len(part)], mask[row, : len(part)] = part, True
        for first, part, curves in zip(group, parts, np.asarray(program(model.params, score, mask)), strict=False):
            n = len(part)
            near_an_end = np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1))[:, None].astype(np.float32)
            total[first : first + n] += near_an_end * curves[:n]
            weight[first : first + n] += near_an_end
    stopwatch.perform_seconds += time.perf_counter() - began
    return total / weight


def _program(model: Model, shape: tuple[int, int, int], stopwatch: Stopwatch) -> Callable[..., Any]:
    """The head compiled for so many rows of so many notes."""
    if ("agree", *shape) not in model.programs:
        began = time.perf_counter()
        pianist, (rows, length, columns) = Pianist(model.config), shape

        def agree(params: Any, score_BNS: jax.Array, mask_BN: jax.Array) -> jax.Array:
            return pianist.apply({"params": params}, score_BNS, mask_BN, method="agree")  # type: ignore[return-value]

        divided, params = (
            batch_sharding(model.mesh),
            jax.tree.map(
                lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated(model.mesh)), model.params
            ),
        )
        given = (
            jax.ShapeDtypeStruct((rows, length, columns), np.int32, sharding=divided),
            jax.ShapeDtypeStruct((rows, length), np.bool_, sharding=divided),
        )
        model.programs["agree", *shape] = jax.jit(agree).lower(params, *given).compile()
        stopwatch.compile_seconds += time.perf_counter() - began
    return model.programs["agree", *shape]
