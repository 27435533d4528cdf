"""A model ready to play, and its compiled programs for buckets of batch sizes and lengths."""

import dataclasses
import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.config import ModelConfig
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import Pianist, count
from pianist_jax.music.tokens import NOTE_TOKENS, PAD
from pianist_jax.rendering.decode import CHUNK, Carry, open_carry, perform, value_bounds
from pianist_jax.rendering.sampling import Sampling
from pianist_jax.rendering.windows import Span
from pianist_jax.weights import load_weights, weights_path

LENGTHS = (64, 128, 256, 384, 512)  # notes that the caches of a program have room for
# What decides whether another program is worth its compilation; only the time depends on them.
COMPILE_SECONDS, CPU_FLOPS = 5.0, 4e10


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """Weights to play with, and the programs compiled for them so far. `hash` tells one set of weights from another."""

    config: ModelConfig
    params: Any = dataclasses.field(repr=False)
    name: str
    hash: str
    programs: dict[tuple[int, int], "Program"] = dataclasses.field(default_factory=dict, repr=False)


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """Compiled for one batch size and length: encode the score, then perform `CHUNK` notes again and again."""

    start: Callable[..., Carry]
    perform: Callable[..., tuple[Carry, jax.Array]]


@dataclasses.dataclass
class Stopwatch:
    """Seconds spent on compiling and on performing, and notes performed for good."""

    compile_seconds: float = 0.0
    perform_seconds: float = 0.0
    notes: int = 0


def load_model(path_or_name: str | Path = "default", *, dtype: str | None = None) -> Model:
    """The model of a weights file, or of the bundled weights of that name.

    `dtype` ("float32", "bfloat16") is that of the arithmetic; by default float32 on a CPU, where bfloat16 is slow,
    and elsewhere what the weights ask for. Raises PianistError for an unknown name or a file that is missing,
    damaged or holds something not finite.
    """
    given = Path(path_or_name)
    named = not given.is_file() and len(given.parts) == 1 and not given.suffix
    path = weights_path(str(path_or_name)) if named else given
    config, params = load_weights(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PianistError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return make_model(config, params, name=path.stem, fingerprint=hashlib.sha256(content).hexdigest(), dtype=dtype)


def make_model(
    config: ModelConfig,
    params: Any,
    *,
    name: str = "unnamed",
    fingerprint: str | None = None,
    dtype: str | None = None,
) -> Model:
    """A model of parameters in memory; without a `fingerprint` their own hash takes its place."""
    on_cpu = jax.default_backend() == "cpu"
    dtype = dtype or ("float32" if on_cpu else config.dtype)
    if dtype not in ("float32", "bfloat16"):
        raise PianistError(f'dtype is "{dtype}", but it must be "float32" or "bfloat16"')
    attention = "xla" if on_cpu or dtype == "float32" else config.attention
    config = dataclasses.replace(config, dtype=dtype, attention=attention, remat=False)
    return Model(config, _arithmetic(params, dtype), name, fingerprint or _fingerprint(config, params))


@dataclasses.dataclass
class Player:
    """Plays spans side by side, always in batches of `width` rows and with room for `room` notes.

    The width is narrowed when few pieces are left and that pays. `advance` is told of every so many notes that are
    now final.
    """

    model: Model
    sampling: Sampling
    width: int
    room: int
    stopwatch: Stopwatch
    advance: Callable[[int], None] | None = None

    def __post_init__(self) -> None:
        self.width = _batch_bucket(self.width)
        self.room = _length_bucket(self.room)

    def play(self, spans: list[Span], left: int) -> list[np.ndarray]:
        """Performed tokens int32 [N, 8] of each span, prompt included; the longest piece has `left` notes to go."""
        narrow = _batch_bucket(len(spans))
        if (self.width - narrow) * left * _seconds_per_note(self.model) > COMPILE_SECONDS:
            self.width = narrow
        program = _program(self.model, self.width, self.room, self.stopwatch)
        began = time.perf_counter()
        batch = _pad_batch(spans, self.width, self.room)
        knobs = self.sampling.knobs()
        carry = program.start(self.model.params, batch["score"], batch["mask"])
        played = []
        for n in range(0, max(len(span.score) for span in spans), CHUNK):
            low, high = (batch[name][:, n : n + CHUNK] for name in ("low", "high"))
            first = batch["first"] + np.int32(n)
            carry, ids_BNS = program.perform(self.model.params, carry, low, high, batch["key"], first, knobs)
            played.append(np.asarray(ids_BNS))
            fresh = sum(_fresh_between(span, n, n + CHUNK) for span in spans)
            self.stopwatch.notes += fresh
            if self.advance is not None:
                self.advance(fresh)
        self.stopwatch.perform_seconds += time.perf_counter() - began
        whole_BNS = np.concatenate(played, axis=1)
        return [whole_BNS[row, : len(span.score)] for row, span in enumerate(spans)]


def _fresh_between(span: Span, first: int, last: int) -> int:
    begin = len(span.prompt)
    return max(0, min(last, begin + span.fresh) - max(first, begin))


def _pad_batch(spans: list[Span], batch: int, length: int) -> dict[str, np.ndarray]:
    """Arrays of the spans, rows padded with PAD to `length` notes and the batch with copies of its first row."""
    score = np.full((batch, length, NOTE_TOKENS), PAD, np.int32)
    mask = np.zeros((batch, length), bool)
    low = np.zeros((batch, length, NOTE_TOKENS), np.int32)
    high = np.zeros_like(low)
    filled = [*spans, *[spans[0]] * (batch - len(spans))]
    for row, span in enumerate(filled):
        n = len(span.score)
        score[row, :n], mask[row, :n] = span.score, True
        low[row, :n], high[row, :n] = value_bounds(span.score, span.prompt, opening=span.first == 0)
    key = np.stack([span.key for span in filled]).astype(np.uint32)
    first = np.array([span.first for span in filled], np.int32)
    return {"score": score, "mask": mask, "low": low, "high": high, "key": key, "first": first}


def _seconds_per_note(model: Model) -> float:
    """About what a row of a batch costs on a CPU; nothing elsewhere, where rows are played side by side."""
    if jax.default_backend() != "cpu":
        return 0.0
    passes = NOTE_TOKENS if model.config.decoder == "token" else 1
    return 2 * count(model.params["decoder"]) * passes / CPU_FLOPS


def _batch_bucket(rows: int) -> int:
    return 1 << (rows - 1).bit_length()


def _length_bucket(notes: int) -> int:
    fitting = [length for length in LENGTHS if length >= notes]
    return fitting[0] if fitting else -(-notes // CHUNK) * CHUNK


def _program(model: Model, batch: int, length: int, stopwatch: Stopwatch) -> Program:
    if (batch, length) not in model.programs:
        began = time.perf_counter()
        model.programs[batch, length] = _compile(model, batch, length)
        stopwatch.compile_seconds += time.perf_counter() - began
    return model.programs[batch, length]


def _compile(model: Model, batch: int, length: int) -> Program:
    pianist = Pianist(model.config)

    def start(params: Any, score_BNS: jax.Array, note_mask_BN: jax.Array) -> Any:
        return pianist.apply({"params": params}, score_BNS, note_mask_BN, method="start")

    def step(params: Any, *given: Any) -> Any:
        return pianist.apply({"params": params}, *given, method="step")

    def play(params: Any, carry: Carry, low: Any, high: Any, key_data: Any, *rest: Any) -> Any:
        return perform(step, params, carry, low, high, jax.random.wrap_key_data(key_data), *rest)

    shape = jax.ShapeDtypeStruct
    params = jax.tree.map(lambda x: shape(x.shape, x.dtype), model.params)
    opening = (params, shape((batch, length, NOTE_TOKENS), jnp.int32), shape((batch, length), jnp.bool_))
    begin = partial(open_carry, start)
    bounds = shape((batch, CHUNK, NOTE_TOKENS), jnp.int32)
    drawing = (shape((batch, 2), jnp.uint32), shape((batch,), jnp.int32), jax.eval_shape(Sampling().knobs))
    # The carry is given up to the program: its caches are written in place.
    played = jax.jit(play, donate_argnums=1).lower(params, jax.eval_shape(begin, *opening), bounds, bounds, *drawing)
    return Program(jax.jit(begin).lower(*opening).compile(), played.compile())


def _arithmetic(params: Any, dtype: str) -> Any:
    """Parameters on the device; what is multiplied by is cast once and not at every step, norms stay float32."""

    def cast(path: tuple[Any, ...], x: Any) -> jax.Array:
        norm = jax.tree_util.keystr(path[-1:], simple=True) == "weight"
        return jnp.asarray(x, jnp.float32 if norm else jnp.dtype(dtype))

    return jax.tree_util.tree_map_with_path(cast, params)


def _fingerprint(config: ModelConfig, params: Any) -> str:
    content = hashlib.sha256(repr(config).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        content.update(jax.tree_util.keystr(path).encode())
        content.update(np.asarray(leaf).tobytes())
    return content.hexdigest()
