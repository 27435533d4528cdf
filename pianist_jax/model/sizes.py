"""Parameters by name and number, whatever model they belong to."""

from typing import Any

import jax


def named_shapes(params: Any) -> set[tuple[tuple[str, ...], tuple[int, ...]]]:
    """The names that lead to each parameter, and its shape."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {(tuple(key.key for key in path), value.shape) for path, value in leaves}


def num_params(params: Any) -> int:
    """How many numbers `params` holds."""
    return sum(x.size for x in jax.tree.leaves(params))
