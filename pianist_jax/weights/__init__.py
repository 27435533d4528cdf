"""Single-file weights: safetensors with the model's settings inside, stored as int8, bfloat16 or float32."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from pianist_jax.config import ModelConfig
from pianist_jax.config.changes import from_saved
from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file

# What safetensors and what stands in a file of it may raise.
DAMAGED = (
    OSError, safetensors.SafetensorError, TypeError, KeyError, ValueError, AttributeError, OverflowError,
    RecursionError,
)  # fmt: skip
GROUP = 64  # values that share a scale
_SCALE = "::scale"
_LICENCE = "SPDX-License-Identifier:"
_FORMAT = "pianist_jax 1"
_STORED = ("int8", "float16", "bfloat16", "float32")


def weights_path(name: str) -> Path:
    """The file of bundled weights called `name`. Raises PianistError, naming those that are there."""
    folder = Path(__file__).parent
    path = folder / f"{name}.safetensors"
    if not path.exists():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.safetensors"))) or "none"
        raise PianistError(f'no bundled weights are called "{name}" (there: {there}); give one of these or a file')
    return path


@dataclasses.dataclass(frozen=True)
class Bundled:
    """Weights that come with the program: how many `parameters`, under which licence, the SHA-256 of their file."""

    name: str
    path: Path
    parameters: int
    licence: str
    hash: str


def bundled() -> list[Bundled]:
    """All weights that come with the program, by name."""
    folder = Path(__file__).parent
    licence = (folder / "LICENSE.md").read_text(encoding="utf-8").split(_LICENCE)[1].split()[0]
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        with _opened(path) as file:
            names = [name for name in file.keys() if not name.endswith(_SCALE)]  # noqa: SIM118
            parameters = sum(math.prod(file.get_slice(name).get_shape()) for name in names)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(Bundled(path.stem, path, parameters, licence, content))
    return found


def save_weights(
    path: Path | str, config: ModelConfig, params: Any, *, dtype: str = "int8", metadata: dict | None = None
) -> None:
    """Write `params` to one file, atomically.

    int8: groups of 64 values share a float16 scale, 8.25 bits a weight; what is small or odd stays float32.
    Raises PianistError when a weight is not a finite number or the file cannot be written.
    """
    tensors: dict[str, np.ndarray] = {}
    for name, value in _flatten(params).items():
        if not np.isfinite(value).all():
            raise PianistError(f"{path}: weight {name} is not a finite number; nothing was written")
        if dtype == "int8" and value.size % GROUP == 0 and value.size >= 4096:
            tensors[name], tensors[name + _SCALE] = _quantise(value)
        else:
            tensors[name] = np.ascontiguousarray(value, ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float32)
    settings = {
        "format": _FORMAT,
        "model": json.dumps(dataclasses.asdict(config)),
        "about": json.dumps(metadata or {}),
    }
    # Its own `save_file` would make a file that nobody else may read.
    replace_file(path, safetensors.numpy.save(tensors, metadata=settings), make_folder=True)


def load_weights(path: Path | str) -> tuple[ModelConfig, Any]:
    """The settings and float32 parameters of a weights file.

    Raises PianistError when the file is missing, damaged, of another format, or holds something not finite.
    """
    with _opened(path) as file:
        about = file.metadata() or {}
        if about.get("format") != _FORMAT:
            raise PianistError(f"{path}: not weights of this program; convert published ones with `pianist convert`")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = _settings(path, json.loads(about["model"]))
    flat: dict[str, np.ndarray] = {}
    for name, value in tensors.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in tensors:
            continue
        flat[name] = _restore(value, tensors.get(name + _SCALE), f"{path}: weight {name}")
    try:
        return config, _unflatten(flat)
    except (TypeError, AttributeError, IndexError) as error:
        raise PianistError(f"{path}: one weight's name is the beginning of another's; export it again") from error


def _settings(path: Path | str, saved: dict[str, Any]) -> ModelConfig:
    try:
        config = from_saved(ModelConfig, saved)
    except PianistError as error:
        raise PianistError(f"{path}: its settings make no model ({error}); fetch or export it again") from error
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if type(value) is not type(field.default) and (type(value), field.type) != (int, float):
            raise TypeError(f"{field.name} is {value!r}")
    return config


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    """A file of tensors; whatever is wrong with it or its metadata is told in one line."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            yield file
    except FileNotFoundError:
        raise PianistError(f"{path}: no such file; give a weights file or a bundled name") from None
    except DAMAGED as error:
        raise PianistError(f"{path}: damaged or not a weights file; fetch or export it again") from error


def _quantise(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    groups = value.astype(np.float32).reshape(-1, GROUP)
    scale = (np.abs(groups).max(axis=1, keepdims=True) / 127).astype(np.float16)
    scale = np.maximum(scale, np.float16(6e-8))
    whole = np.clip(np.round(groups / scale.astype(np.float32)), -127, 127).astype(np.int8)
    return whole.reshape(value.shape), scale[:, 0]


def _restore(value: np.ndarray, scale: np.ndarray | None, what: str) -> np.ndarray:
    if str(value.dtype) not in _STORED:
        raise PianistError(f"{what} is {value.dtype}, which is not read; give {', '.join(_STORED)}")
    if scale is None:
        whole = value.astype(np.float32)
        if not np.isfinite(whole).all():
            raise PianistError(f"{what} is not a finite number; fetch or export the file again")
        return whole
    fits = scale.shape == (value.size // GROUP,) and not value.size % GROUP
    if not (fits and value.dtype == np.int8 and scale.dtype == np.float16 and np.isfinite(scale).all()):
        raise PianistError(f"{what} has a scale that does not fit; fetch or export the file again")
    grouped = value.reshape(-1, GROUP), scale.astype(np.float32)[:, None]
    return np.multiply(*grouped, dtype=np.float32).reshape(value.shape)


def _flatten(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    flat: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        flat |= _flatten(value, f"{path}.") if isinstance(value, dict) else {path: np.asarray(value)}
    return flat


def _unflatten(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, leaf = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        if leaf in place:
            raise TypeError(name)
        place[leaf] = value
    return tree
