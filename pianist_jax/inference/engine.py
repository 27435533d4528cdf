"""A model ready to play, and its compiled programs for buckets of batch sizes and lengths."""

import dataclasses
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pianist_jax.config import MeshConfig, ModelConfig
from pianist_jax.errors import PianistError
from pianist_jax.inference.decode import BLOCK, CHUNK, Carry, open_carry, perform
from pianist_jax.inference.padding import pad_batch, told_once
from pianist_jax.inference.sampling import Sampling
from pianist_jax.inference.windows import Span
from pianist_jax.model.pianist import Pianist, count
from pianist_jax.music.tokens import NOTE_TOKENS, ScoreTokens, score_shapes
from pianist_jax.parallel import batch_sharding, make_mesh, replicated
from pianist_jax.weights import load_weights, weights_path

LENGTHS = (64, 128, 256, 384, 512)  # notes that the caches of a program have room for
# What decides whether another program is worth its compilation; only the time depends on them.
COMPILE_SECONDS, CPU_FLOPS, ACCELERATOR_FLOPS = 4.0, 4e10, 4e13
STEP_SECONDS = 3e-3  # of a note on an accelerator at least, however few rows
CACHE_SLOWNESS = 5  # reading a cache takes so much longer than its operations
GROUP = 2  # rows that a CPU encodes at a time: a third faster than sixteen
REACH = 128  # caches have room for a multiple of so many notes
Told = tuple[str, ...]  # `ScoreTokens.told`
Shape = tuple[Any, ...]  # rows, notes, what is told of the score, …


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """Weights to play with, on every device of `mesh`, and the programs compiled for them so far.

    `hash` tells one set of weights from another.
    """

    config: ModelConfig
    params: Any = dataclasses.field(repr=False)
    name: str
    hash: str
    mesh: Mesh = dataclasses.field(repr=False)
    programs: dict[tuple[Any, ...], Callable[..., Any]] = dataclasses.field(default_factory=dict, repr=False)


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
    return Model(config, params, name, fingerprint or _fingerprint(config, params), mesh)


@dataclasses.dataclass
class Player:
    """Plays spans side by side. `advance` is told of every so many notes that are now final.

    `hear` is told what the model foretells of a span: curves float32 [N, 4], or [N, 0] where it has no consensus.

    Every shape of a batch needs programs of its own. Where one that is compiled already serves, if more slowly, the
    time lost is added up, and the right one is compiled when it would have paid.
    """

    model: Model
    sampling: Sampling
    stopwatch: Stopwatch
    advance: Callable[[int], None] | None = None
    hear: Callable[[Span, np.ndarray], None] | None = None
    lost: dict[tuple[Any, ...], float] = dataclasses.field(default_factory=lambda: defaultdict(float))

    def play(self, spans: list[Span]) -> list[np.ndarray]:
        """Performed tokens int32 [N, 8] of each span, prompt included. All prompts are equally long."""
        notes, prompt = max(span.score.size for span in spans), len(spans[0].prompt)
        if any(len(span.prompt) != prompt for span in spans):
            raise ValueError("spans side by side need prompts of one length")
        shape = self._shape(len(spans), notes, spans[0].score.groups)
        began, compiled = time.perf_counter(), self.stopwatch.compile_seconds
        batch = pad_batch(spans, shape[0], shape[1], anchored=self.model.config.anchored)
        knobs, params = self.sampling.knobs(), self.model.params
        behind = prompt if self._takes_in(shape, prompt) else 0
        reach = self._choose_reach(shape, behind + CHUNK, _reach(shape[1], -(-behind // BLOCK) * BLOCK))
        kind = "follow" if behind else "start"
        scores = self._choose_scores(kind, (*shape, reach), int(batch["own"].max()) + 1)
        known = (batch["prompt"], np.int32(behind)) if behind else ()
        told = told_once(batch, scores)
        carry, curves_SN3 = self._program(kind, *shape, reach, scores)(params, *told, *known)
        played = [batch["prompt"][:, :behind]]
        for n in range(behind, notes, CHUNK):
            wanted = self._choose_reach(shape, n + CHUNK, reach) if n > behind else reach
            if wanted != reach:
                carry, reach = self._program("grow", *shape, reach, wanted)(carry), wanted
            low, high = (batch[name][:, n : n + CHUNK] for name in ("low", "high"))
            first = batch["first"] + np.int32(n)
            play = self._program("perform", *shape, reach)
            carry, ids_BNS = play(params, carry, low, high, batch["key"], first, knobs)
            played.append(np.asarray(ids_BNS))
            fresh = sum(_fresh_between(span, n, n + CHUNK) for span in spans)
            self.stopwatch.notes += fresh
            if self.advance is not None:
                self.advance(fresh)
        if self.hear is not None:  # now that nothing waits for it
            foretold_SN3 = np.asarray(curves_SN3)
            for span, number in zip(spans, told[2], strict=False):  # the batch may be padded
                self.hear(span, foretold_SN3[number, : span.score.size])
        compiling = self.stopwatch.compile_seconds - compiled
        self.stopwatch.perform_seconds += time.perf_counter() - began - compiling
        whole_BNS = np.concatenate(played, axis=1)
        return [whole_BNS[row, : span.score.size] for row, span in enumerate(spans)]

    def _shape(self, rows: int, notes: int, told: tuple[str, ...]) -> Shape:
        """Rows and notes that the batch is padded to, and what is told of its scores."""
        ideal = (_batch_bucket(rows, self.model.mesh.size), _length_bucket(notes), told)
        shapes = {key[1:4] for key in self.model.programs}
        fitting = [x for x in shapes if x[0] >= rows and x[1] >= notes and x[2] == told]
        return self._worthwhile(ideal, fitting, lambda x: _seconds(self.model, x[0], x[1], notes))

    def _choose_reach(self, shape: Shape, needed: int, reach: int) -> int:
        """For how many notes the caches should have room now: what is attended to is read as a whole."""
        ideal = (*shape, max(_reach(shape[1], needed), reach))
        ready = [key[1:5] for key in self.model.programs if key[0] == "perform" and key[1:4] == shape]
        fitting = [x for x in {*ready, (*shape, shape[1])} if x[3] >= ideal[3]]
        return self._worthwhile(ideal, fitting, lambda x: _attention_seconds(self.model, x[0], x[3]))[3]

    def _choose_scores(self, kind: str, sizes: Shape, distinct: int) -> int:
        """How many scores are encoded: performances of one score share what the encoder says of it."""
        if self.model.mesh.size > 1:
            return sizes[0]
        ideal = (*sizes, min(1 << (distinct - 1).bit_length(), sizes[0]))
        ready = [key[1:6] for key in self.model.programs if key[0] == kind and key[1:5] == sizes]
        fitting = [x for x in ready if x[4] >= distinct]
        return self._worthwhile(ideal, fitting, lambda x: _seconds(self.model, x[4], x[1], 0))[4]

    def _takes_in(self, shape: Shape, prompt: int) -> bool:
        """Whether a prompt is taken in at once; else it is performed again note by note, bound to what it was."""
        if not prompt or any(key[0] == "follow" and key[1:4] == shape for key in self.model.programs):
            return prompt > 0
        self.lost["follow", *shape] += _seconds(self.model, shape[0], 0, prompt)
        return self.lost["follow", *shape] > COMPILE_SECONDS

    def _worthwhile(self, ideal: Shape, fitting: list[Shape], seconds: Callable[[Shape], float]) -> Shape:
        if ideal in fitting or not fitting:
            return ideal
        best = min(fitting, key=seconds)
        self.lost[ideal] += seconds(best) - seconds(ideal)
        return ideal if self.lost[ideal] > COMPILE_SECONDS else best

    def _program(self, kind: str, *sizes: Any) -> Callable[..., Any]:
        if (kind, *sizes) not in self.model.programs:
            began = time.perf_counter()
            self.model.programs[kind, *sizes] = _COMPILE[kind](self.model, *sizes)
            self.stopwatch.compile_seconds += time.perf_counter() - began
        return self.model.programs[kind, *sizes]


def side_by_side(model: Model) -> int:
    """How many performances to make together: on a CPU more are no faster."""
    return (16 if _on_cpu(model) else 256) * model.mesh.size


def _on_cpu(model: Model) -> bool:
    return model.mesh.devices.flat[0].platform == "cpu"


def _fresh_between(span: Span, first: int, last: int) -> int:
    begin = len(span.prompt)
    return max(0, min(last, begin + span.fresh) - max(first, begin))


def _flops(model: Model) -> float:
    return CPU_FLOPS if _on_cpu(model) else ACCELERATOR_FLOPS * model.mesh.size


def _seconds(model: Model, rows: int, length: int, notes: int) -> float:
    """About what a batch of this shape costs, of which `notes` notes are performed."""
    encoding = 2 * count(model.params["encoder"]) * length
    performing = 2 * count(model.params["decoder"]) * notes * _passes(model)
    seconds = rows * (encoding + performing) / _flops(model)
    return seconds if _on_cpu(model) else max(seconds, notes * STEP_SECONDS)


def _attention_seconds(model: Model, rows: int, reach: int) -> float:
    """About what reading the caches costs while a chunk is performed."""
    c = model.config
    positions = reach * (NOTE_TOKENS if c.decoder == "token" else 1)
    operations = 4 * c.decoder_layers * c.heads * c.head_size * positions
    return CHUNK * _passes(model) * rows * operations / _flops(model) * CACHE_SLOWNESS


def _passes(model: Model) -> int:
    return NOTE_TOKENS - 1 if model.config.decoder == "token" else 1


def _batch_bucket(rows: int, devices: int) -> int:
    each = -(-rows // devices)
    return devices << (each - 1).bit_length()


def _length_bucket(notes: int) -> int:
    fitting = [length for length in LENGTHS if length >= notes]
    return fitting[0] if fitting else -(-notes // CHUNK) * CHUNK


def _reach(length: int, notes: int) -> int:
    return min(-(-max(notes, 1) // REACH) * REACH, length)


def _compile_start(
    model: Model, batch: int, length: int, told: Told, reach: int, scores: int, *, follows: bool = False
) -> Callable[..., Any]:
    """Encode the scores, foretell their consensus and, if the rows `follow` others, take in what is known."""
    start, follow, *_ = _functions(model)
    rows = partial(_shaped, model)

    def begin(params: Any, score: ScoreTokens, mask_SN: jax.Array, own_B: jax.Array, *known: jax.Array) -> Any:
        state, curves_SN3 = start(params, score, mask_SN, own_B if scores < batch else None, reach)
        given = (partial(follow, params), *known) if follows else None
        return open_carry(state, batch, given), curves_SN3  # type: ignore[arg-type]

    given: list[Any] = [score_shapes(told, scores, length).map(rows), rows((scores, length), np.bool_), rows((batch,))]
    if follows:
        given += [rows((batch, length, NOTE_TOKENS)), jax.ShapeDtypeStruct((), np.int32)]
    shardings = _shardings(_carry(model, batch, length, told, reach)), batch_sharding(model.mesh)
    return jax.jit(begin, out_shardings=shardings).lower(_params(model), *given).compile()


def _compile_perform(model: Model, batch: int, length: int, told: Told, reach: int) -> Any:
    """Perform the next `CHUNK` notes; the carry is given up to the program, whose caches are written in place."""
    step, rows = _functions(model)[2], partial(_shaped, model)

    def play(params: Any, carry: Carry, low: Any, high: Any, key_data: Any, *rest: Any) -> Any:
        return perform(step, params, carry, low, high, jax.random.wrap_key_data(key_data), *rest)

    carry, bounds = _carry(model, batch, length, told, reach), rows((batch, CHUNK, NOTE_TOKENS))
    drawing = rows((batch, 2), np.uint32), rows((batch,)), jax.eval_shape(Sampling().knobs)
    jitted = jax.jit(play, donate_argnums=1, out_shardings=(_shardings(carry), batch_sharding(model.mesh)))
    return jitted.lower(_params(model), carry, bounds, bounds, *drawing).compile()


def _compile_grow(model: Model, batch: int, length: int, told: Told, reach: int, wanted: int) -> Any:
    """Give the caches room for more notes."""
    grow = _functions(model)[3]
    before, after = (_carry(model, batch, length, told, notes) for notes in (reach, wanted))

    def begin(carry: Carry) -> Carry:
        return {**carry, "state": grow({}, carry["state"], wanted)}

    return jax.jit(begin, out_shardings=_shardings(after)).lower(before).compile()


_COMPILE: dict[str, Callable[..., Callable[..., Any]]] = {
    "start": _compile_start,
    "follow": partial(_compile_start, follows=True),
    "grow": _compile_grow,
    "perform": _compile_perform,
}


def _functions(model: Model) -> tuple[Callable[..., Any], ...]:
    """`start`, `follow`, `step` and `grow` of the model as functions of its parameters."""
    pianist = Pianist(model.config)

    def function(method: Any) -> Callable[..., Any]:
        return lambda params, *given, **named: pianist.apply({"params": params}, *given, **named, method=method)

    read, begin = function("read"), function(lambda pianist, *given: pianist.decoder.start(*given))
    group = GROUP if _on_cpu(model) and model.mesh.size == 1 else None

    def start(params: Any, score: ScoreTokens, mask_SN: jax.Array, own_B: jax.Array | None, notes: int) -> Any:
        memory, length, curves_SN3 = in_groups(partial(read, params), group, score, mask_SN)
        rows = memory, length, score.notes
        memory, length, notes_BNS = rows if own_B is None else (x[own_B] for x in rows)
        return begin(params, memory, length, notes_BNS, notes), curves_SN3

    return start, function("follow"), function("step"), function("grow")


def in_groups(function: Callable[..., Any], group: int | None, *rows: Any) -> Any:
    """`function` of trees of rows, for `group` of them at a time where that divides them (a CPU's caches are small)."""
    batch = jax.tree.leaves(rows)[0].shape[0]
    if group is None or batch <= group or batch % group:
        return function(*rows)
    grouped = jax.tree.map(lambda x: x.reshape(batch // group, group, *x.shape[1:]), rows)
    made = jax.lax.map(lambda x: function(*x), grouped)
    return jax.tree.map(lambda x: x.reshape(batch, *x.shape[2:]), made)


def _shaped(model: Model, shape: tuple[int, ...], dtype: Any = np.int32) -> jax.ShapeDtypeStruct:
    """An array whose first axis counts the rows of a batch, which the devices share."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=batch_sharding(model.mesh))


def _params(model: Model) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), model.params)


def _divided(model: Model, carry: Carry) -> Carry:
    """Shapes of a carry with their shardings: what belongs to rows is divided, heads and counters are not."""

    def place(path: Any, x: Any) -> jax.ShapeDtypeStruct:
        whole = x.ndim == 0 or "'heads'" in jax.tree_util.keystr(path)
        sharding = replicated(model.mesh) if whole else batch_sharding(model.mesh)
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

    return jax.tree_util.tree_map_with_path(place, carry)


def _carry(model: Model, batch: int, length: int, told: Told, reach: int) -> Carry:
    """Shapes of the carry of a batch."""
    start = _functions(model)[0]

    def begin(params: Any, score: ScoreTokens, mask_BN: jax.Array) -> Carry:
        return open_carry(start(params, score, mask_BN, None, reach)[0], batch)

    shaped = partial(_shaped, model)
    given = score_shapes(told, batch, length).map(shaped), shaped((batch, length), np.bool_)
    return _divided(model, jax.eval_shape(begin, _params(model), *given))


def _shardings(shapes: Any) -> Any:
    return jax.tree.map(lambda x: x.sharding, shapes)


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
