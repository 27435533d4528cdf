"""Published weights <-> this model (arXiv 2512.02652, the 135M model).

The published file is a safetensors file of PyTorch tensors, with a JSON of its sizes beside it. Its linear
maps are [out, in], ours [in, out]; its layers are numbered, our encoder's are stacked along a leading axis.
Some of its tensors are never read by the published implementation: `NEVER_READ` names them.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401  (safetensors finds NumPy's bfloat16 here)
import numpy as np
import safetensors
import safetensors.numpy

from pianist_jax.config import ModelConfig
from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from pianist_jax.model.sizes import named_shapes
from pianist_jax.weights import DAMAGED, load_weights, save_weights

NEVER_READ = re.compile(
    r"embeddings\.(word_embeddings\.weight|projection_layers\.[0-7]\.(weight|bias))|model\.encoder\.embed_tokens\.weight"
)
HEAD = "lm_head.out_proj.weight"  # the output head: the decoder's embedding under another name
_ENCODER_TABLE = "model.encoder.embeddings.word_embeddings.weight"
_DECODER_TABLE = "model.decoder.embed_tokens.weight"
_HEAD_SIZE = 128  # of every published preset; shapes alone tell only heads times head size

_MODULES = {"self_attention": "self_attn", "cross_attention": "cross_attn", "mlp": "mlp"}
_NORMS = {"self": "self_attn", "cross": "cross_attn", "mlp": "feedforward"}
_SIZES = {  # name in the JSON -> field of ModelConfig
    "hidden_size": "width",
    "intermediate_size": "feed_forward",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "head_dim": "head_size",
    "encoder_layers_num": "encoder_layers",
    "decoder_layers_num": "decoder_layers",
}


class Place(NamedTuple):
    """Where a published tensor lies in our parameters: a leaf, and which layer of a stacked one."""

    leaf: tuple[str, ...]
    layer: int | None
    shape: tuple[int, ...]  # ours, of one layer

    @property
    def published_shape(self) -> tuple[int, ...]:
        """The shape of the tensor in the published file."""
        if self.leaf[-1] != "kernel":
            return self.shape
        inputs = 2 if self.leaf[-2] == "o" else 1  # attention's output reads heads × head size
        return int(np.prod(self.shape[inputs:])), int(np.prod(self.shape[:inputs]))


def convert(source: Path | str, target: Path | str) -> None:
    """Published weights to ours, in float32, or ours to the published layout, by what `source` holds.

    Raises PianistError where either file is unusable, or the model has no published layout.
    """
    source, target = Path(source), Path(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise PianistError(f"{source}: would be overwritten by its own conversion; give another target")
    if is_ours(source):
        save_published(target, *load_weights(source))
    else:
        config, params = load_published(source)
        metadata = {"source": source.name, "conversion": "from the published layout"}
        save_weights(target, config, params, dtype="float32", metadata=metadata)


def load_published(path: Path | str) -> tuple[ModelConfig, Any]:
    """The sizes and float32 parameters of a published safetensors file.

    Sizes come from the tensors' shapes; a JSON beside the file (NAME_config.json, else config.json) tells the
    head size and must agree with the shapes. Raises PianistError, naming the tensors, where one is missing,
    unknown, of another shape or not finite, and where the output head is not the decoder's embedding.
    """
    path = Path(path)
    tensors = _read(path)
    config = published_config(path, {name: tensor.shape for name, tensor in tensors.items()})
    places = published_places(config)
    _account(path, tensors, places)
    params: dict[str, Any] = {}
    for name, place in places.items():
        value = tensors[name].astype(np.float32)
        if not np.isfinite(value).all():
            raise PianistError(f"{path}: tensor {name} is not all finite numbers; fetch the file again")
        if place.leaf[-1] == "kernel":
            # Contiguous: safetensors would write a transposed view's memory as it lies.
            value = np.ascontiguousarray(value.T).reshape(place.shape)
        _put(params, place, value, config.encoder_layers)
    return config, params


def save_published(path: Path | str, config: ModelConfig, params: Any) -> None:
    """Write `params` in the published layout, float32, and their sizes as JSON beside it, each atomically.

    The tensors that are never read are filled from the encoder's own, so that a strict loader finds every
    name; the tied output head is not stored again. Raises PianistError for a model without a published layout
    (note decoder, uncompressed encoder, another query scale), for weights that are not finite or do not fit
    `config`, and where a file cannot be written.
    """
    from pianist_jax.model.pianist import abstract_params  # of Flax, which kept programs do without

    path = Path(path)
    if config.decoder != "token" or not config.compressed or config.query_scale != ModelConfig().query_scale:
        needs = "a token decoder, a compressed encoder and the published query scale"
        raise PianistError(f"{path}: no published layout for this model; it needs {needs}")
    wanted, given = (named_shapes(tree) for tree in (abstract_params(config), params))
    if odd := sorted(".".join(leaf) for leaf, _ in wanted ^ given):
        raise PianistError(f"{path}: {_list(odd, 'weight')} not as the sizes tell; nothing was written")
    tensors = {}
    for name, place in published_places(config).items():
        value = np.asarray(_get(params, place), np.float32)
        if place.leaf[-1] == "kernel":
            value = value.reshape(place.published_shape[::-1]).T
        tensors[name] = np.ascontiguousarray(value)
        if not np.isfinite(tensors[name]).all():
            raise PianistError(f"{path}: weight {'.'.join(place.leaf)} is not finite; nothing was written")
    used = [name for name in tensors if name.startswith("model.encoder.embeddings.")]
    unread = {name.removeprefix("model.encoder."): tensors[name] for name in used}
    unread["model.encoder.embed_tokens.weight"] = tensors[_ENCODER_TABLE]
    sizes = {name: getattr(config, field) for name, field in _SIZES.items()}
    replace_file(path, safetensors.numpy.save(tensors | unread, metadata={"format": "pt"}), make_folder=True)
    replace_file(_sizes_file(path), json.dumps(sizes, indent=1).encode(), make_folder=True)


def published_places(config: ModelConfig) -> dict[str, Place]:
    """Every tensor that the published implementation reads, by name, and where it lies in our parameters."""
    from pianist_jax.model.pianist import abstract_params  # of Flax, which kept programs do without

    places = {}
    for leaf, shape in named_shapes(abstract_params(config)):
        if leaf[:2] == ("encoder", "blocks"):
            for layer in range(config.encoder_layers):
                name = f"model.encoder.layers.{layer}.{_in_block(leaf[2:])}"
                places[name] = Place(leaf, layer, shape[1:])
        else:
            places[_outside_blocks(leaf)] = Place(leaf, None, shape)
    return places


def _in_block(leaf: tuple[str, ...]) -> str:
    """("self_attention", "q", "kernel") -> "self_attn.q_proj.weight", ("pre_mlp", "weight") -> …"""
    if leaf[0] in _MODULES:
        return f"{_MODULES[leaf[0]]}.{leaf[1]}_proj.weight"
    side, norm = leaf[0].split("_")
    return f"{side}_{_NORMS[norm]}_layernorm.weight"


def _outside_blocks(leaf: tuple[str, ...]) -> str:
    match leaf:
        case ("embedder", "tokens", "embedding"):
            return _ENCODER_TABLE
        case ("embedder", "compressor", slot, kind):
            part = "weight" if kind == "kernel" else "bias"
            return f"model.encoder.embeddings.projection_layers.{slot.removeprefix('slot_')}.{part}"
        case ("encoder", "norm", "weight"):
            return "model.encoder.norm.weight"
        case ("decoder", "embed", "embedding"):
            return _DECODER_TABLE
        case ("decoder", "stack", "norm", "weight"):
            return "model.decoder.norm.weight"
        case ("decoder", "stack", block, *rest):
            return f"model.decoder.layers.{block.removeprefix('blocks_')}.{_in_block(tuple(rest))}"
    raise ValueError(f"{'.'.join(leaf)} has no published name")


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        return safetensors.numpy.load_file(path)
    except FileNotFoundError:
        raise PianistError(f"{path}: no such file; give a safetensors file") from None
    except DAMAGED as error:
        raise PianistError(f"{path}: damaged or not a safetensors file; fetch it again") from error


def is_ours(path: Path) -> bool:
    """Whether a file says that `save_weights` wrote it; what is unreadable is left to the reader."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return str((file.metadata() or {}).get("format", "")).startswith("pianist_jax")
    except (OSError, safetensors.SafetensorError):
        return False


def published_config(path: Path, shapes: dict[str, tuple[int, ...]]) -> ModelConfig:
    """The sizes of a published model, from the shapes of its tensors by name.

    The head size is that of the JSON beside `path`, or the published presets' where there is none. Raises PianistError
    where shapes or JSON do not agree.
    """
    told, teller = _stated_sizes(path)

    def rows(name: str) -> int:
        if len(shapes.get(name, ())) != 2:
            raise PianistError(f"{path}: without a matrix {name}; these are not published weights")
        return shapes[name][0]

    block = "model.encoder.layers.0."
    queries, keys = rows(f"{block}self_attn.q_proj.weight"), rows(f"{block}self_attn.k_proj.weight")
    head_size = told.get("head_dim", _HEAD_SIZE)
    if not isinstance(head_size, int) or head_size < 1 or queries % head_size or keys % head_size:
        why = f"as {teller} says" if "head_dim" in told else "as published; put its JSON beside it"
        raise PianistError(f"{path}: {queries} query and {keys} key rows are no heads of {head_size}, {why}")
    rows(_ENCODER_TABLE)
    sizes: dict[str, Any] = {
        "width": shapes[_ENCODER_TABLE][1],
        "feed_forward": rows(f"{block}mlp.gate_proj.weight"),
        "heads": queries // head_size,
        "kv_heads": keys // head_size,
        "head_size": head_size,
        "encoder_layers": _layers(shapes, "encoder"),
        "decoder_layers": _layers(shapes, "decoder"),
    }
    for name, field in _SIZES.items():
        if told.get(name, sizes[field]) != sizes[field]:
            wrong = f"{name} is {sizes[field]}, but {teller} says {told[name]}"
            raise PianistError(f"{path}: {wrong}; put the right JSON beside it")
    return ModelConfig(**sizes)


def _stated_sizes(path: Path) -> tuple[dict[str, Any], str]:
    """What the JSON beside the file says of sizes, and the name of that JSON ("" where there is none)."""
    for beside in (_sizes_file(path), path.with_name("config.json")):
        if not beside.exists():
            continue
        try:
            told = json.loads(beside.read_text())
            stack = told.get("encoder")  # where a full T5Gemma configuration keeps a stack's sizes
            told = (stack if isinstance(stack, dict) else {}) | told
        except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
            raise PianistError(f"{beside}: no JSON of sizes; fetch it again or take it away") from error
        return {name: told[name] for name in _SIZES if name in told}, beside.name
    return {}, ""


def _sizes_file(path: Path) -> Path:
    return path.with_name("config.json" if path.name == "model.safetensors" else f"{path.stem}_config.json")


def _layers(shapes: dict[str, tuple[int, ...]], stack: str) -> int:
    found = (re.match(rf"model\.{stack}\.layers\.(\d+)\.", name) for name in shapes)
    layers = (int(match[1]) for match in found if match)
    return 1 + max(layers, default=0)


def _account(path: Path, tensors: dict[str, np.ndarray], places: dict[str, Place]) -> None:
    """Raise PianistError unless every tensor is one that is read, or one known never to be."""
    missing = [name for name in places if name not in tensors]
    if missing:
        raise PianistError(f"{path}: without {_list(missing)}; these are not whole published weights")
    strange = [name for name in tensors if name not in places]
    unknown = [name for name in strange if name != HEAD and not NEVER_READ.fullmatch(name)]
    if unknown:
        raise PianistError(f"{path}: unknown {_list(unknown)}; these are weights of another model")
    shapes = {name: (tensors[name].shape, place.published_shape) for name, place in places.items()}
    odd = [f"{name} {shape} for {wanted}" for name, (shape, wanted) in shapes.items() if shape != wanted]
    if odd:
        raise PianistError(f"{path}: of another shape than the rest: {_list(odd)}; fetch the file again")
    if HEAD in tensors and not np.array_equal(tensors[HEAD], tensors[_DECODER_TABLE]):
        raise PianistError(f"{path}: {HEAD} is not {_DECODER_TABLE}, but must be; these are of another model")


def _list(names: list[str], kind: str = "tensor") -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{kind}{'' if len(names) == 1 else 's'} {', '.join(names[:4])}{more}"


def _put(params: dict[str, Any], place: Place, value: np.ndarray, layers: int) -> None:
    *parents, leaf = place.leaf
    for parent in parents:
        params = params.setdefault(parent, {})
    if place.layer is None:
        params[leaf] = value
    else:
        params.setdefault(leaf, np.empty((layers, *place.shape), np.float32))[place.layer] = value


def _get(params: Any, place: Place) -> Any:
    for name in place.leaf:
        params = params[name]
    return params if place.layer is None else params[place.layer]
