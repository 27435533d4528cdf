"""Small networks beside the model, bundled, that play by NumPy alone: who strikes chords."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from pianist_jax.errors import PianistError
from pianist_jax.weights import DAMAGED

FOLDER = Path(__file__).parent / "touch"


@functools.cache
def load_head(name: str) -> tuple[Mapping[str, np.ndarray], str]:
    """The weights of the head of that name, float32, and what names its file's content.

    Raises PianistError where the file is missing or damaged.
    """
    path = FOLDER / f"{name}.safetensors"
    try:
        content = path.read_bytes()
        return safetensors.numpy.load(content), hashlib.sha256(content).hexdigest()[:16]
    except DAMAGED as error:
        raise PianistError(f"{path}: missing or damaged; install the program again") from error
