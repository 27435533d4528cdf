"""The jitted programs of training: many steps in one call, without a word to the host between them.

A step is the same wherever its batch comes from: drawn inside the program from a corpus in the device's memory
(`make_train`), or handed in by a loader (`make_step`). Weights, their moments and all sums are float32; the
arithmetic of the model is in its own dtype. Under a mesh every array lies as `parallel` says.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from pianist_jax.config import TrainConfig
from pianist_jax.data.windows import Windows, draw, take
from pianist_jax.model.pianist import initialise
from pianist_jax.music.tokens import NOTE_TOKENS, score_shapes
from pianist_jax.parallel import (
    batch_sharding,
    check_batch,
    divide_rows,
    one_device,
    replicated,
    rows_divided,
    state_shardings,
    whole_tables,
)
from pianist_jax.training.losses import Batch, Sums, example, summed_loss
from pianist_jax.training.optimizer import judged_weights, make_optimizer, running_mean, usual_length

State = dict[str, Any]  # step int32 [], params, optimizer; average (of params) and norm float32 [] where asked for
OPTIONAL = ("average", "norm")  # parts of a state that can be begun anew at any step


def new_state(config: TrainConfig, params: Any = None) -> State:
    """The state before the first step, with fresh parameters unless given."""
    if params is None:
        params = initialise(config.model, jax.random.key(config.seed))
    state = {"step": jnp.zeros((), jnp.int32), "params": params, "optimizer": make_optimizer(config).init(params)}
    return state | new_parts(config, params)


def new_parts(config: TrainConfig, params: Any) -> State:
    """The optional parts of a state, as they begin with `params`."""
    parts: State = {}
    if config.ema_decay:
        parts["average"] = jax.tree.map(jnp.copy, params)
    if config.skip_grad_ratio:
        parts["norm"] = jnp.zeros((), jnp.float32)
    return parts


def abstract_state(config: TrainConfig, mesh: Mesh) -> State:
    """Shapes, dtypes and shardings of a state on the mesh, without any numbers."""
    shapes = jax.eval_shape(lambda: new_state(config))
    put = lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)  # noqa: E731
    return jax.tree.map(put, shapes, state_shardings(shapes, mesh))


def abstract_batch(config: TrainConfig, mesh: Mesh) -> dict[str, Any]:
    """Shapes, dtypes and shardings of one batch as a loader hands it in; its scores have a metre if the model has."""
    rows, notes = config.batch, config.window

    def shaped(shape: tuple[int, ...], dtype: Any = jnp.int32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=batch_sharding(mesh))

    batch: dict[str, Any] = {"performance": shaped((rows, notes, NOTE_TOKENS))}
    batch["note_mask"] = shaped((rows, notes), jnp.bool_)
    batch |= {name: shaped((rows,), jnp.bool_) for name in ("has_pedal", "expressive", "coarse")}
    if config.task == "finetune":
        groups = ["notes"] + ["metre"] * config.model.metre
        batch |= {"score": score_shapes(groups, rows, notes).map(shaped), "played": shaped((rows, notes), jnp.bool_)}
    if config.packed:
        batch["segment_ids"] = shaped((rows, notes))
    return batch


def weights(state: State) -> Any:
    """The parameters that a run would be judged and used by: their mean where one is kept."""
    return state.get("average", judged_weights(state["optimizer"], state["params"]))


def update(state: State, batch: Batch, config: TrainConfig, key: jax.Array, mesh: Mesh) -> tuple[State, Sums]:
    """One step of the optimizer on one batch. Sums: `summed_loss`'s, and the step's loss, gradient length and skips."""
    gradients, loss, sums = _gradients(state["params"], batch, config, key, mesh)
    length = optax.tree.norm(gradients)
    rooms = {name: optax.tree.norm(part) for name, part in gradients.items()}
    changes, optimizer = make_optimizer(config).update(gradients, state["optimizer"], state["params"])
    new: State = {"params": optax.apply_updates(state["params"], changes), "optimizer": optimizer}
    if config.ema_decay:
        new["average"] = running_mean(config, state["average"], new["params"], state["step"])
    skipped = jnp.zeros((), bool)
    if config.skip_grad_ratio:
        new["norm"], skipped = usual_length(config, state["norm"], length, state["step"])
        kept = {name: state[name] for name in new if name != "norm"}
        new |= jax.tree.map(lambda old, changed: jnp.where(skipped, old, changed), kept, {n: new[n] for n in kept})
    told: Sums = {**sums, "loss": loss, "gradient": length, "gradients": rooms, "skipped": skipped.astype(jnp.float32)}
    return {"step": state["step"] + 1, **new}, told


def train_step(state: State, windows: Windows, config: TrainConfig, mesh: Mesh) -> tuple[State, Sums]:
    """One step on a batch that follows from the seed and the number of the step alone."""
    k_draw, k_update = jax.random.split(_step_key(state, config))
    batch = divide_rows(take(windows, draw(windows, k_draw, config.batch), config.window), mesh)
    return update(state, batch, config, k_update, mesh)


def make_train(config: TrainConfig, steps: int, mesh: Mesh | None = None) -> jax.stages.Wrapped:
    """A program of `steps` steps on a corpus (whole on every device); the old state's buffers are reused.

    (state, windows) -> (state, sums over the steps). Raises PianistError where the mesh cannot share a batch.
    """
    mesh = _checked(config, mesh)

    def run(state: State, windows: Windows) -> tuple[State, Sums]:
        state, sums = jax.lax.scan(lambda s, _: train_step(s, windows, config, mesh), state, length=steps)
        return state, jax.tree.map(lambda x: jnp.sum(x, axis=0), sums)

    placed = state_shardings(jax.eval_shape(lambda: new_state(config)), mesh)
    return _jit(run, (placed, replicated(mesh)), (placed, replicated(mesh)))


def make_step(config: TrainConfig, mesh: Mesh | None = None) -> jax.stages.Wrapped:
    """A program of one step on a batch that a loader hands in; the old state's buffers are reused.

    (state, batch) -> (state, sums). Raises PianistError where the mesh cannot share a batch.
    """
    mesh = _checked(config, mesh)

    def run(state: State, batch: Batch) -> tuple[State, Sums]:
        _, key = jax.random.split(_step_key(state, config))
        return update(state, batch, config, key, mesh)

    placed = state_shardings(jax.eval_shape(lambda: new_state(config)), mesh)
    return _jit(run, (placed, batch_sharding(mesh)), (placed, replicated(mesh)))


def make_validate(config: TrainConfig, batches: int, mesh: Mesh | None = None) -> jax.stages.Wrapped:
    """A program that scores `batches` evenly spaced batches without augmentation: the same ones each time.

    (params, windows) -> sums.
    """
    mesh = _checked(config, mesh)

    def run(params: Any, windows: Windows) -> Sums:
        total = windows["start"].shape[0]
        chosen = jnp.linspace(0, total - 1, batches * config.batch).astype(jnp.int32)

        def one(_: None, number: jax.Array) -> tuple[None, Sums]:
            batch = take(windows, chosen.reshape(batches, config.batch)[number], config.window)
            k_example, k_dropout = jax.random.split(jax.random.fold_in(jax.random.key(0), number))
            shown = example(divide_rows(batch, mesh), config, k_example, augmented=False)
            with rows_divided(mesh):
                return None, summed_loss(whole_tables(params, mesh), shown, config, k_dropout, train=False)[1]

        _, sums = jax.lax.scan(one, None, jnp.arange(batches))
        return jax.tree.map(lambda x: jnp.sum(x, axis=0), sums)

    placed = state_shardings(jax.eval_shape(lambda: new_state(config)["params"]), mesh)
    return jax.jit(run, in_shardings=(placed, replicated(mesh)), out_shardings=replicated(mesh))


def _gradients(
    params: Any, batch: Batch, config: TrainConfig, key: jax.Array, mesh: Mesh
) -> tuple[Any, jax.Array, Sums]:
    """Float32 gradients of the mean loss of a batch, taken in `config.accumulate` parts, the mean loss, and sums."""
    k_example, k_dropout = jax.random.split(key)
    shown = divide_rows(example(batch, config, k_example, augmented=True), mesh)

    def part(shown: Batch, key: jax.Array) -> tuple[Any, Sums]:
        with rows_divided(mesh):
            scored = lambda p: summed_loss(whole_tables(p, mesh), shown, config, key, train=True)  # noqa: E731
            (total, sums), gradients = jax.value_and_grad(scored, has_aux=True)(params)
        return gradients, {**sums, "total": total}

    if config.accumulate == 1:
        gradients, sums = part(shown, k_dropout)
    else:  # every n-th row to the same part: each device has rows of every part
        n = config.accumulate
        parts = jax.tree.map(lambda x: jnp.swapaxes(x.reshape(-1, n, *x.shape[1:]), 0, 1), shown)
        empty = jax.tree.map(jnp.zeros_like, jax.eval_shape(part, jax.tree.map(lambda x: x[0], parts), k_dropout))

        def add(so_far: Any, number: jax.Array) -> tuple[Any, None]:
            rows = divide_rows(jax.tree.map(lambda x: x[number], parts), mesh)
            return jax.tree.map(jnp.add, so_far, part(rows, jax.random.fold_in(k_dropout, number))), None

        (gradients, sums), _ = jax.lax.scan(add, empty, jnp.arange(n))
    weight = jnp.maximum(sums["weight"], 1.0)
    return jax.tree.map(lambda g: g / weight, gradients), sums.pop("total") / weight, sums


def _step_key(state: State, config: TrainConfig) -> jax.Array:
    return jax.random.fold_in(jax.random.key(config.seed + 1), state["step"])


def _checked(config: TrainConfig, mesh: Mesh | None) -> Mesh:
    mesh = one_device() if mesh is None else mesh
    check_batch(config.batch // config.accumulate, mesh, "batch" if config.accumulate == 1 else "batch / accumulate")
    return mesh


def _jit(run: Callable, takes: Any, gives: Any) -> jax.stages.Wrapped:
    return jax.jit(run, donate_argnums=0, in_shardings=takes, out_shardings=gives)
