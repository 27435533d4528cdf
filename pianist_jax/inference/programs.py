"""The compiled programs of a model: each does one thing for batches of one size."""

import dataclasses
import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pianist_jax.config import ModelConfig, Sampling
from pianist_jax.inference.compilation import kept_or_compiled
from pianist_jax.inference.decode import CHUNK, Carry, open_carry, perform
from pianist_jax.inference.sampling import knobs_of
from pianist_jax.inference.steady import Clock
from pianist_jax.music.tokens import NOTE_TOKENS, ScoreTokens, score_shapes
from pianist_jax.parallel import batch_sharding, replicated
from pianist_jax.performance.parameters import PREDICTED

GROUP = 2  # rows that a CPU encodes at a time: a third faster than sixteen


@dataclasses.dataclass(frozen=True)
class ProgramKey:
    """Which program, by what it does and the sizes that it was compiled for.

    `start` encodes `scores` scores for `rows` rows of `notes` notes, whose scores have these `groups` of
    columns, and opens caches with room for `reach` notes; `follow` takes in notes that are known besides. `perform`
    performs the next notes, `grow` gives the caches room for `grown` notes. `consensus` predicts the curves of scores,
    `nll` tells how likely performances are.
    """

    kind: str
    rows: int
    notes: int
    groups: tuple[str, ...]
    reach: int = 0
    scores: int = 0
    grown: int = 0


@dataclasses.dataclass(eq=False)
class Programs:
    """The programs compiled so far for a model with these parameters (their shapes suffice), on every device of `mesh`.

    Arrays whose first axis counts the rows of a batch are shared among the devices. `carries`: shapes of what goes
    from one program to the next, by their keys without kind and scores.
    """

    config: ModelConfig
    params: Any = dataclasses.field(repr=False)
    mesh: Mesh = dataclasses.field(repr=False)
    compiled: dict[ProgramKey, Callable[..., Any]] = dataclasses.field(default_factory=dict, repr=False)
    carries: dict[ProgramKey, Carry] = dataclasses.field(default_factory=dict, repr=False)

    def __getitem__(self, key: ProgramKey) -> Callable[..., Any]:
        """The program of that key, read from disk or compiled where it is not there yet."""
        if key not in self.compiled:
            devices, mesh = list(self.mesh.devices.flat), (self.mesh.shape, self.mesh.devices.shape)
            compile_it = partial(_COMPILE[key.kind], self, key)
            if self.config.head != "cascade":  # an experiment's: its code is not in the name
                self.compiled[key] = compile_it()
            else:
                self.compiled[key] = kept_or_compiled(compile_it, devices, self.config, self._shapes, mesh, key)
        return self.compiled[key]

    @functools.cached_property
    def _shapes(self) -> list[Any]:
        return [
            (jax.tree_util.keystr(path), x.shape, x.dtype.name) for path, x in jax.tree.leaves_with_path(self.params)
        ]

    @property
    def on_cpu(self) -> bool:
        """Whether they run on a CPU."""
        return self.mesh.devices.flat[0].platform == "cpu"


def in_groups(function: Callable[..., Any], group: int | None, *rows: Any) -> Any:
    """`function` of trees of rows, for `group` of them at a time where that divides them (a CPU's caches are small)."""
    batch = jax.tree.leaves(rows)[0].shape[0]
    if group is None or batch <= group or batch % group:
        return function(*rows)
    grouped = jax.tree.map(lambda x: x.reshape(batch // group, group, *x.shape[1:]), rows)
    made = jax.lax.map(lambda x: function(*x), grouped)
    return jax.tree.map(lambda x: x.reshape(batch, *x.shape[2:]), made)


def _compile_start(programs: Programs, key: ProgramKey) -> Callable[..., Any]:
    """Encode the scores, predict their consensus and, where the rows `follow` others, take in what is known.

    Gives the carry and what is `told` of the scores.
    """
    start, follow, *_ = _functions(programs)
    rows = partial(_shaped, programs)

    def begin(params: Any, score: ScoreTokens, mask_SN: jax.Array, score_of_row_B: jax.Array, *known: Any) -> Any:
        of_row_B = score_of_row_B if key.scores < key.rows else None
        state, told_SNC = start(params, score, mask_SN, of_row_B, key.reach)
        given = (partial(follow, params), *known) if key.kind == "follow" else None
        return open_carry(state, key.rows, given), told_SNC  # type: ignore[arg-type]

    given: list[Any] = [*_scores(programs, key, key.scores), rows((key.rows,))]
    if key.kind == "follow":
        given += [rows((key.rows, key.notes, NOTE_TOKENS)), jax.ShapeDtypeStruct((), np.int32)]
    if programs.mesh.size > 1:
        shardings = _shardings(_carry(programs, key)), batch_sharding(programs.mesh)
        return jax.jit(begin, out_shardings=shardings).lower(_params(programs), *given).compile()
    lowered = jax.jit(begin).lower(_params(programs), *given)  # one device: tracing tells the carry besides
    programs.carries.setdefault(_carry_key(key), _placed(programs, lowered.out_info[0]))
    return lowered.compile()


def _compile_perform(programs: Programs, key: ProgramKey) -> Callable[..., Any]:
    """Perform the next `CHUNK` notes; the carry is given up to the program, whose caches are written in place."""
    step, rows = _functions(programs)[2], partial(_shaped, programs)

    def play(params: Any, carry: Carry, low: Any, high: Any, key_data: Any, *rest: Any) -> Any:
        return perform(step, params, carry, low, high, jax.random.wrap_key_data(key_data), *rest)

    carry, bounds = _carry(programs, key), rows((key.rows, CHUNK, NOTE_TOKENS))
    clock = Clock(rows((key.rows, CHUNK)), rows((key.rows, 2), np.float32))  # type: ignore[arg-type]
    knobs = jax.eval_shape(partial(knobs_of, Sampling()))
    drawing = rows((key.rows, 2), np.uint32), rows((key.rows,)), knobs, clock
    shardings = _shardings(carry), batch_sharding(programs.mesh)
    jitted = jax.jit(play, donate_argnums=1, out_shardings=shardings)
    return jitted.lower(_params(programs), carry, bounds, bounds, *drawing).compile()


def _compile_grow(programs: Programs, key: ProgramKey) -> Callable[..., Any]:
    """Give the caches room for more notes."""
    grow = _functions(programs)[3]
    before, after = (_carry(programs, dataclasses.replace(key, reach=reach)) for reach in (key.reach, key.grown))

    def begin(carry: Carry) -> Carry:
        return {**carry, "state": grow({}, carry["state"], key.grown)}

    return jax.jit(begin, out_shardings=_shardings(after)).lower(before).compile()


def _compile_consensus(programs: Programs, key: ProgramKey) -> Callable[..., Any]:
    """What is `told` of scores."""
    read = _function(programs, "read")

    def predict(params: Any, score: ScoreTokens, mask_BN: jax.Array) -> jax.Array:
        memory, _, curves_BNC = read(params, score, mask_BN)
        return told(curves_BNC, memory)

    return jax.jit(predict).lower(_params(programs), *_scores(programs, key, key.rows)).compile()


def told(curves_BNC: jax.Array, memory_BTD: jax.Array) -> jax.Array:
    """float32 [B, N, C + D]: the curves of scores and behind them the encoder's states of the notes.

    Without these where the encoder has none for each note.
    """
    if memory_BTD.shape[1] != curves_BNC.shape[1]:
        return curves_BNC
    return jnp.concatenate([curves_BNC, memory_BTD.astype(jnp.float32)], axis=-1)


def divided(config: ModelConfig, told_NC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curves and the encoder's states of what is `told` of a score's notes."""
    curves = len(PREDICTED) * (1 + config.page) if config.consensus else 0
    return told_NC[:, :curves], told_NC[:, curves:]


def _compile_nll(programs: Programs, key: ProgramKey) -> Callable[..., Any]:
    """Nats of every slot of performances, float32 [B, N, 8], of scores, performances and masks (`Pianist.nll`)."""
    score, mask = _scores(programs, key, key.rows)
    performed = _shaped(programs, (key.rows, key.notes, NOTE_TOKENS))
    return jax.jit(_function(programs, "nll")).lower(_params(programs), score, performed, mask).compile()


_COMPILE: dict[str, Callable[[Programs, ProgramKey], Callable[..., Any]]] = {
    "start": _compile_start,
    "follow": _compile_start,
    "grow": _compile_grow,
    "perform": _compile_perform,
    "consensus": _compile_consensus,
    "nll": _compile_nll,
}


def _function(programs: Programs, method: Any) -> Callable[..., Any]:
    """A method of the model as a function of its parameters."""
    from pianist_jax.model.pianist import Pianist  # of Flax, which kept programs do without

    pianist = Pianist(programs.config)
    return lambda params, *given, **named: pianist.apply({"params": params}, *given, **named, method=method)


def _functions(programs: Programs) -> tuple[Callable[..., Any], ...]:
    """`start`, `follow`, `step` and `grow` of the model as functions of its parameters."""
    function = partial(_function, programs)
    read, begin = function("read"), function(lambda pianist, *given: pianist.decoder.start(*given))
    group = GROUP if programs.on_cpu and programs.mesh.size == 1 else None

    def start(params: Any, score: ScoreTokens, mask_SN: jax.Array, score_of_row_B: jax.Array | None, notes: int) -> Any:
        memory, length, curves_SNC = in_groups(partial(read, params), group, score, mask_SN)
        told_SNC = told(curves_SNC, memory)
        rows = memory, length, score.notes
        memory, length, notes_BNS = rows if score_of_row_B is None else (x[score_of_row_B] for x in rows)
        return begin(params, memory, length, notes_BNS, notes), told_SNC

    return start, function("follow"), function("step"), function("grow")


def _shaped(programs: Programs, shape: tuple[int, ...], dtype: Any = np.int32) -> jax.ShapeDtypeStruct:
    """An array whose first axis counts rows, which the devices share where they can."""
    mesh = programs.mesh
    sharding = replicated(mesh) if shape[0] % mesh.size else batch_sharding(mesh)
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)


def _scores(programs: Programs, key: ProgramKey, scores: int) -> tuple[ScoreTokens, jax.ShapeDtypeStruct]:
    """The shapes of so many scores and of their masks."""
    shaped = partial(_shaped, programs)
    return score_shapes(key.groups, scores, key.notes).map(shaped), shaped((scores, key.notes), np.bool_)


def _params(programs: Programs) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), programs.params)


def _carry(programs: Programs, key: ProgramKey) -> Carry:
    """Shapes of the carry of a batch, traced where no program has told them yet."""
    if (wanted := _carry_key(key)) in programs.carries:
        return programs.carries[wanted]
    start = _functions(programs)[0]

    def begin(params: Any, score: ScoreTokens, mask_BN: jax.Array) -> Carry:
        return open_carry(start(params, score, mask_BN, None, key.reach)[0], key.rows)

    shapes = jax.eval_shape(begin, _params(programs), *_scores(programs, key, key.rows))
    return programs.carries.setdefault(wanted, _placed(programs, shapes))


def _carry_key(key: ProgramKey) -> ProgramKey:
    return ProgramKey("", key.rows, key.notes, key.groups, key.reach)


def _placed(programs: Programs, carry: Carry) -> Carry:
    """The shapes of a carry on the devices: what belongs to rows is divided, heads and counters are not."""

    def place(path: Any, x: Any) -> jax.ShapeDtypeStruct:
        whole = x.ndim == 0 or "'heads'" in jax.tree_util.keystr(path)
        sharding = replicated(programs.mesh) if whole else batch_sharding(programs.mesh)
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

    return jax.tree_util.tree_map_with_path(place, carry)


def _shardings(shapes: Any) -> Any:
    return jax.tree.map(lambda x: x.sharding, shapes)
