"""Expressive piano performance rendering: a score goes in, a performance comes out.

>>> import pianist_jax
>>> model = pianist_jax.load_model()
>>> pianist_jax.render("prelude.mid", model, seed=1).save("out")
"""

import importlib
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError

if TYPE_CHECKING:
    from pianist_jax.rendering.programs import load_model
    from pianist_jax.rendering.renderer import Rendering, render

__all__ = ["PianistError", "Rendering", "load_model", "render"]

# Where each name lives. They bring JAX, which takes a second or two, so that they are imported when first used.
_HOMES = {
    "Rendering": "pianist_jax.rendering.renderer",
    "load_model": "pianist_jax.rendering.programs",
    "render": "pianist_jax.rendering.renderer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
