"""The training loop: restore, run, look at the clock, validate, save."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
from etils import epath
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from pianist_jax.config import TrainConfig
from pianist_jax.data.windows import Windows
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import NOTE_TOKENS
from pianist_jax.parallel import make_mesh, place, replicated, shard_state, state_shardings
from pianist_jax.training import checkpoints
from pianist_jax.training.account import Account, account_in_words
from pianist_jax.training.feeds import DataError, Feed, Loader, open_feed
from pianist_jax.training.flops import flops_per_note, peak_flops
from pianist_jax.training.logs import Line, open_logs, sentence
from pianist_jax.training.losses import per_field
from pianist_jax.training.optimizer import learning_rate
from pianist_jax.training.steps import (
    OPTIONAL,
    State,
    abstract_state,
    make_validate,
    new_parts,
    new_state,
    weights,
)
from pianist_jax.training.stopping import watch

Sample = Callable[[Any, int], str]  # (parameters on the host, step) -> what was made of them, for people


@dataclasses.dataclass(frozen=True)
class Observers:
    """What a run tells: `report` a line, `show` the figures of each look, `sample` performs with the weights.

    `profile` traces the second stretch of steps into `profile/`, for TensorBoard or Perfetto.
    """

    report: Callable[[str], None] = print
    show: Callable[[Line], None] = lambda line: None
    sample: Sample | None = None
    profile: bool = False


def train(
    config: TrainConfig,
    data: Windows | Loader,
    validation: Windows,
    workdir: epath.PathLike,
    *,
    initial: Any = None,
    seconds: float = math.inf,
    report: Callable[[str], None] = print,
    observers: Observers | None = None,
    mesh: Mesh | None = None,
) -> State:
    """Train to `config.steps`, or until `seconds` of wall-clock are over or a SIGTERM comes; resumes what is there.

    `initial` are the parameters to begin with when nothing is saved yet. Leaves a checkpoint, `log.jsonl` with one
    line every `log_every` steps and at each validation, and the same for TensorBoard; a run that has made all of its
    steps is told of as finished, and nothing is compiled. Raises PianistError when the loss is no longer a number, the
    data cannot be read or a checkpoint cannot be written; what is saved stays.
    """
    mesh = make_mesh(config.mesh) if mesh is None else mesh
    observers = _first_alone(observers or Observers(report=report))
    workdir = epath.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    folder = workdir / "checkpoints"
    account = Account()
    with (
        watch(seconds) as reason_to_stop,
        checkpoints.open_checkpoints(folder, keep=config.keep, keep_every=config.keep_every) as manager,
    ):
        with account.spent_on("restore"):
            state, position = _begin(config, manager, initial, mesh, observers)
        step = int(state["step"])
        if step >= config.steps:
            observers.report(finished(config))
            return state
        with account.spent_on("compile"):
            feed, validate = _compile(config, data, validation, mesh, observers, account)
        feed.seek(position)
        run = _Run(config, mesh, workdir, manager, observers, account, feed, validate)
        with open_logs(workdir, after=step) as log:
            state, stopped = run.go_on(state, position, reason_to_stop, log)
        observers.report(account_in_words(account.figures()))
        if stopped:
            step, end = int(state["step"]), "the same command goes on from here"
            observers.report(f"stopped at step {step} of {config.steps}: {stopped}; {end}")
    return state


@dataclasses.dataclass(frozen=True, eq=False)
class _Run:
    """A run that is compiled: it makes its steps a stretch at a time, and looks, judges and saves when that is due."""

    config: TrainConfig
    mesh: Mesh
    workdir: epath.Path
    manager: Any
    observers: Observers
    account: Account
    feed: Feed
    validate: Callable[[Any], dict[str, float]]

    def go_on(
        self,
        state: State,
        position: Any,
        reason_to_stop: Callable[[int, float], str],
        log: Callable[[Line], None],
    ) -> tuple[State, str]:
        """Train to the last step, or until there is a reason to stop, which is told; the last state is saved."""
        config, since, slowest, stopped = self.config, _Since(self.config, self.mesh), 0.0, ""
        step, saved = int(state["step"]), self.manager.latest_step()
        traced = step + config.stretch  # the second stretch: the first one warms up
        while step < config.steps and not (stopped := reason_to_stop(step, 1.5 * slowest)):
            state = self._stretch(state, since, step, traced=step == traced)
            step, position, slowest = step + config.stretch, self.feed.position(), max(slowest, since.last)
            checkpoints.check(self.manager)
            judged = step % config.evaluate_every == 0 or step >= config.steps
            sampled = config.sample_every > 0 and step % config.sample_every == 0
            if judged or sampled or step % config.log_every == 0:
                line = since.line(step)
                _stop_unless_finite(line, self.manager, self.workdir)
                if judged:
                    line["validation"] = self._judge_and_save(state, position)
                    saved = step
                if sampled:
                    with self.account.spent_on("sample"):
                        _perform(state, step, self.observers)
                log({**line, "seconds": self.account.figures()})
                self.observers.show(line)
                self.observers.report(sentence(line))
        if saved != step:
            with self.account.spent_on("checkpoint"):
                _save(config, self.manager, state, position)
        return state, stopped

    def _stretch(self, state: State, since: "_Since", step: int, *, traced: bool) -> State:
        try:
            profiled = _profiled(self.observers, self.workdir, traced)
            with self.account.spent_on("steps"), profiled, since.adding() as add:
                state, sums = self.feed.advance(state)
                add(jax.device_get(sums))
        except DataError as error:
            raise PianistError(f"after step {step}: {error}; {_kept(self.manager)}") from error
        return state

    def _judge_and_save(self, state: State, position: Any) -> dict[str, float]:
        with self.account.spent_on("validation"):
            found = self.validate(weights(state))
        with self.account.spent_on("checkpoint"):
            _save(self.config, self.manager, state, position, found["note"])
        return found


def finished(config: TrainConfig) -> str:
    """What a run says that has nothing left to do."""
    return f"finished: all {config.steps} steps are done; `pianist export` writes the weights"


def _begin(config: TrainConfig, manager: Any, initial: Any, mesh: Mesh, observers: Observers) -> tuple[State, Any]:
    """The state to begin with, laid out on the mesh, and where the data had got to."""
    layout = " × ".join(f"{axis} {size}" for axis, size in mesh.shape.items())
    saved = checkpoints.restore(
        manager, abstract_state(config, mesh), optional=OPTIONAL, put_aside=True, report=observers.report
    )
    if saved is not None:
        new = {n: part for n, part in new_parts(config, saved.state["params"]).items() if n not in saved.state}
        state, begun = saved.state | shard_state(new, mesh), "resumed at"
    elif initial is not None:
        state, begun = shard_state(new_state(config, initial), mesh), "beginning with"
    else:
        make = jax.jit(lambda: new_state(config), out_shardings=state_shardings(abstract_state(config, mesh), mesh))
        state, begun = make(), "beginning with"
    observers.report(f"{config.task}: {begun} step {int(state['step'])} of {config.steps}, mesh {layout}")
    return state, saved.data if saved is not None else None


def _compile(
    config: TrainConfig,
    data: Windows | Loader,
    validation: Windows,
    mesh: Mesh,
    observers: Observers,
    account: Account,
) -> tuple[Feed, Callable[[Any], dict[str, float]]]:
    """What runs steps, and what scores parameters on the validation windows."""
    began = time.monotonic()
    feed = open_feed(config, data, mesh, account)
    windows = place(validation, replicated(mesh))
    judge = make_validate(config, config.validation_batches, mesh)
    program = judge.lower(abstract_state(config, mesh)["params"], windows).compile()
    observers.report(f"compiled in {time.monotonic() - began:.0f} s")
    return feed, lambda params: per_field(program(params, windows))


def _kept(manager: Any) -> str:
    manager.wait_until_finished()
    step = manager.latest_step()
    return "no checkpoint is saved yet" if step is None else f"the checkpoint of step {step} is kept"


def _stop_unless_finite(line: Line, manager: Any, workdir: epath.Path) -> None:
    if not math.isfinite(line["loss"]):
        raise PianistError(
            f"{workdir}: the loss is {line['loss']} at step {line['step']}; {_kept(manager)}; lower learning_rate"
        )


def _save(config: TrainConfig, manager: Any, state: State, position: Any, loss: float | None = None) -> None:
    checkpoints.save(manager, state, data=position, config=dataclasses.asdict(config), loss=loss)


def _perform(state: State, step: int, observers: Observers) -> None:
    """Let the observer perform with the weights, brought together on the host of the first process."""
    if observers.sample is None:
        return
    params = weights(state)
    if jax.process_count() > 1:
        params = multihost_utils.process_allgather(params, tiled=True)
    if jax.process_index() == 0:
        observers.report(f"step {step}: {observers.sample(jax.device_get(params), step)}")


@contextmanager
def _profiled(observers: Observers, workdir: epath.Path, now: bool) -> Iterator[None]:
    """Trace what happens inside, once, where that was asked for."""
    if not (observers.profile and now):
        yield
        return
    with jax.profiler.trace(str(workdir / "profile")):
        yield
    observers.report(f"profile: {workdir / 'profile'}; open it with TensorBoard or Perfetto")


def _first_alone(observers: Observers) -> Observers:
    """In a job of many processes the first one speaks."""
    if jax.process_index() == 0:
        return observers
    return dataclasses.replace(observers, report=lambda line: None, show=lambda line: None)


class _Since:
    """What the steps since the last line came to: their sums, number and seconds; `last`, those of the last stretch."""

    def __init__(self, config: TrainConfig, mesh: Mesh) -> None:
        self._config, self._mesh = config, mesh
        self._sums: dict[str, Any] = {}
        self._steps, self._seconds, self.last = 0, 0.0, 0.0

    @contextmanager
    def adding(self) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Times a stretch of steps, whose sums the function that it gives is to be told."""
        began = time.monotonic()
        yield self._add
        self.last = time.monotonic() - began
        self._seconds, self._steps = self._seconds + self.last, self._steps + self._config.stretch

    def _add(self, sums: dict[str, Any]) -> None:
        self._sums = jax.tree.map(lambda a, b: a + b, self._sums, sums) if self._sums else sums

    def line(self, step: int) -> Line:
        """The line of a log at this step; what comes is counted anew."""
        means = _means(self._sums, self._steps)
        line = {"step": step, **means, **_speed(self._config, self._seconds / self._steps, step, self._mesh)}
        self._sums, self._steps, self._seconds = {}, 0, 0.0
        return line


def _means(sums: dict[str, Any], steps: int) -> Line:
    host = dict(sums)
    means = {name: float(host.pop(name)) / steps for name in ("loss", "gradient")}
    rooms = {name: float(value) / steps for name, value in host.pop("gradients").items()}
    return {**means, "gradients": rooms, "skipped": float(host.pop("skipped")), "train": per_field(host)}


def _speed(config: TrainConfig, seconds_a_step: float, step: int, mesh: Mesh) -> Line:
    notes = config.batch * config.window / seconds_a_step
    speed = {
        "tokens_per_second": notes * NOTE_TOKENS,
        "seconds_left": (config.steps - step) * seconds_a_step,
        "learning_rate": float(learning_rate(config)(step)),
    }
    if peak := peak_flops():
        speed["mfu"] = notes * flops_per_note(config.model, config.window) / (peak * mesh.size)
    return speed
