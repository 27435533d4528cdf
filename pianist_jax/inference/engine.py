"""A model ready to play: weights on its devices, and the programs compiled for them."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pianist_jax.config import MeshConfig, ModelConfig
from pianist_jax.convert import is_ours, load_published
from pianist_jax.errors import PianistError
from pianist_jax.inference.programs import Programs
from pianist_jax.model.sizes import named_shapes
from pianist_jax.music.tokens import SCORE_COLUMNS, ScoreTokens
from pianist_jax.parallel import make_mesh, replicated
from pianist_jax.weights import load_weights, weights_path
from pianist_jax.weights.hub import PREFIX, fetch


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """Weights to play with, on every device of `mesh`. `hash` tells one set of weights from another."""

    config: ModelConfig
    params: Any = dataclasses.field(repr=False)
    name: str
    hash: str
    programs: Programs = dataclasses.field(repr=False)

    @property
    def mesh(self) -> Mesh:
        """The devices that it plays on."""
        return self.programs.mesh

    def read(self, score: ScoreTokens) -> ScoreTokens:
        """What the model reads of a score, NumPy arrays: the page where it can, as unknown (0) where none is told."""
        if not self.config.page:
            return score._replace(page=None)
        unknown = np.zeros((score.size, SCORE_COLUMNS["page"]), np.int32)
        return score if score.page is not None else score._replace(page=unknown)


def load_model(path_or_name: str | Path = "default", *, dtype: str | None = None) -> Model:
    """The model of a weights file, of the bundled weights of that name, or of `hub:OWNER/NAME` (`weights.hub`).

    `dtype` ("float32", "bfloat16") is that of the arithmetic; by default float32 on a CPU, where bfloat16 is slow,
    and elsewhere what the weights ask for. Raises PianistError for an unknown name or a file that is missing,
    damaged, holds something not finite, or weights of other shapes than its settings tell.

    >>> load_model().config.decoder
    'note'
    >>> load_model("missing.safetensors")
    Traceback (most recent call last):
    pianist_jax.errors.PianistError: missing.safetensors: no such file; give a weights file or a bundled name
    """
    given, fetched = Path(path_or_name), str(path_or_name).startswith(PREFIX)
    named = not fetched and not given.is_file() and len(given.parts) == 1 and not given.suffix
    path = weights_path(str(path_or_name)) if named else fetch(str(path_or_name)) if fetched else given
    if fetched and not is_ours(path):
        config, params = load_published(path)
    else:
        config, params = load_weights(path)
    if not named:  # the bundled ones fit
        _require_fit(path, config, params)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PianistError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    name = str(path_or_name).rpartition("/")[2] if fetched else path.stem
    return make_model(config, params, name=name, fingerprint=hashlib.sha256(content).hexdigest(), dtype=dtype)


def _require_fit(path: Path, config: ModelConfig, params: Any) -> None:
    """Raise PianistError unless the parameters have the names and shapes of a model of these settings."""
    from pianist_jax.model.pianist import abstract_params  # of Flax, which kept programs do without

    try:
        wanted = named_shapes(abstract_params(config))
    except Exception as error:  # Flax and JAX raise what they like
        raise PianistError(f"{path}: its settings make no model; fetch or export it again") from error
    if odd := sorted(wanted ^ named_shapes(params)):
        name = ".".join(odd[0][0])
        raise PianistError(f"{path}: weight {name} is not as its settings tell; fetch or export it again")


def make_model(
    config: ModelConfig,
    params: Any,
    *,
    name: str = "unnamed",
    fingerprint: str | None = None,
    dtype: str | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Model:
    """A model of parameters in memory; without a `fingerprint` their own hash takes its place.

    It plays on all `devices`, which share the rows of a batch: those of this process, or the CPU as one.
    """
    on_cpu = jax.default_backend() == "cpu"
    devices = devices or jax.local_devices()[: 1 if on_cpu else None]
    dtype = dtype or ("float32" if on_cpu else config.dtype)
    if dtype not in ("float32", "bfloat16"):
        raise PianistError(f'dtype is "{dtype}", but it must be "float32" or "bfloat16"')
    attention = "xla" if on_cpu or dtype == "float32" else config.attention
    config = dataclasses.replace(config, dtype=dtype, attention=attention, remat=False)
    mesh = make_mesh(MeshConfig(), devices)
    params = jax.device_put(_arithmetic(params, dtype), replicated(mesh))
    return Model(config, params, name, fingerprint or _fingerprint(config, params), Programs(config, params, mesh))


def _arithmetic(params: Any, dtype: str) -> Any:
    """What is multiplied by is cast once and not at every step, norms stay float32."""

    def cast(path: tuple[Any, ...], x: Any) -> Any:
        norm = jax.tree_util.keystr(path[-1:], simple=True) == "weight"
        wanted = jnp.dtype(jnp.float32 if norm else dtype)
        return x if x.dtype == wanted else x.astype(wanted)

    return jax.tree_util.tree_map_with_path(cast, params)


def _fingerprint(config: ModelConfig, params: Any) -> str:
    content = hashlib.sha256(repr(config).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        content.update(jax.tree_util.keystr(path).encode())
        content.update(np.asarray(leaf).tobytes())
    return content.hexdigest()
