"""Expressive piano performance rendering: a score goes in, a performance comes out.

>>> import pianist_jax
>>> model = pianist_jax.load_model()
>>> rendering = pianist_jax.render("prelude.mid", model, seed=1)
>>> [path.name for path in rendering.save("out")]
['prelude.performance.mid', 'prelude.daw.mid', 'prelude.json']
"""

import importlib
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError

if TYPE_CHECKING:
    from pianist_jax.inference.engine import load_model
    from pianist_jax.performance.expression import Expression
    from pianist_jax.performance.style import Style
    from pianist_jax.rendering.passages import render_bars
    from pianist_jax.rendering.recordings import render_recording
    from pianist_jax.rendering.renderer import render
    from pianist_jax.rendering.result import Rendering

__all__ = [
    "Expression",
    "PianistError",
    "Rendering",
    "Style",
    "load_model",
    "render",
    "render_bars",
    "render_recording",
]

# Where each name lives. They bring JAX, which takes a second or two, so that they are imported when first used.
_HOMES = {
    "Expression": "pianist_jax.performance.expression",
    "Rendering": "pianist_jax.rendering.result",
    "Style": "pianist_jax.performance.style",
    "load_model": "pianist_jax.inference.engine",
    "render": "pianist_jax.rendering.renderer",
    "render_bars": "pianist_jax.rendering.passages",
    "render_recording": "pianist_jax.rendering.recordings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
