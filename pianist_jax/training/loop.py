"""The training loop: restore, run, look at the clock, validate, save."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from pianist_jax.config import TrainConfig
from pianist_jax.data.windows import Windows
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import NOTE_TOKENS
from pianist_jax.training import checkpoints
from pianist_jax.training.flops import flops_per_note, peak_flops
from pianist_jax.training.losses import per_field
from pianist_jax.training.optimizer import learning_rate
from pianist_jax.training.steps import State, make_train, make_validate, new_state


def train(
    config: TrainConfig,
    windows: Windows,
    validation: Windows,
    workdir: Path | str,
    *,
    initial: Any = None,
    seconds: float = math.inf,
    report: Callable[[str], None] = print,
) -> State:
    """Train to `config.steps`, or until `seconds` of wall-clock are over; resumes from what `workdir` holds.

    `initial` are the parameters to begin with when nothing is saved yet. Leaves a checkpoint and `log.jsonl`, one
    line a look at the clock. Raises PianistError when the loss is no longer a number; the last checkpoint stays.
    """
    deadline = time.monotonic() + seconds
    workdir = Path(workdir)
    with checkpoints.open_checkpoints(
        workdir / "checkpoints"
    ) as manager:  # leaves when all is written, whatever happens
        state = checkpoints.restore(manager, jax.eval_shape(lambda: new_state(config)))
        begun = "resumed at" if state is not None else "beginning with"
        state = new_state(config, initial) if state is None else state
        report(f"{config.task}: {begun} step {int(state['step'])} of {config.steps}")
        state = _run(
            config,
            state,
            jax.device_put(windows),
            jax.device_put(validation),
            manager,
            workdir,
            deadline,
            report,
        )
        if manager.latest_step() != int(state["step"]):
            checkpoints.save(manager, state)
    return state


def _run(
    config: TrainConfig,
    state: State,
    windows: Windows,
    validation: Windows,
    manager: Any,
    workdir: Path,
    deadline: float,
    report: Callable[[str], None],
) -> State:
    """Compile, then train until the last step or the deadline."""
    began = time.monotonic()
    run = make_train(config, config.every).lower(state, windows).compile()
    validate = make_validate(config, config.validation_batches).lower(state["params"], validation).compile()
    report(f"compiled in {time.monotonic() - began:.0f} s")
    step, slowest, looked = int(state["step"]), 0.0, time.monotonic()
    with (workdir / "log.jsonl").open("a") as log:
        while step < config.steps and time.monotonic() + 1.5 * slowest < deadline:
            state, sums = run(state, windows)
            step += config.every
            line = {"step": step, **_means(sums, config)}
            now = time.monotonic()
            line |= _speed(config, now - looked, step)
            slowest, looked = max(slowest, now - looked), now
            if not math.isfinite(line["loss"]):
                kept = (
                    f"the checkpoint of step {manager.latest_step()} is kept"
                    if manager.all_steps()
                    else "none is saved yet"
                )
                raise PianistError(
                    f"{workdir}: the loss is {line['loss']} at step {step}; {kept}; lower learning_rate"
                )
            if step % config.evaluate_every == 0 or step >= config.steps:
                line["validation"] = per_field(validate(state["params"], validation))
                checkpoints.save(manager, state)
                looked = time.monotonic()
            log.write(json.dumps(line) + "\n")
            log.flush()
            report(_sentence(line))
    return state


def _means(sums: dict[str, jax.Array], config: TrainConfig) -> dict[str, Any]:
    host = jax.device_get(sums)
    return {
        "loss": float(host.pop("loss")) / config.every,
        "gradient": float(host.pop("gradient")) / config.every,
        "train": per_field(host),
    }


def _speed(config: TrainConfig, seconds: float, step: int) -> dict[str, float]:
    notes = config.every * config.batch * config.window / seconds
    speed = {
        "tokens_per_second": notes * NOTE_TOKENS,
        "seconds_left": (config.steps - step) / config.every * seconds,
        "learning_rate": float(learning_rate(config)(step)),
    }
    if peak := peak_flops():
        speed["mfu"] = notes * flops_per_note(config.model, config.window) / peak
    return speed


def _sentence(line: dict[str, Any]) -> str:
    def fields(means: dict[str, float]) -> str:
        return " ".join(f"{name} {value:.3f}" for name, value in means.items() if name != "pitch" or value)

    mfu = f" MFU {line['mfu']:.1%}" if "mfu" in line else ""
    text = (
        f"step {line['step']} loss {line['loss']:.4f} | {fields(line['train'])} | "
        f"{line['tokens_per_second']:,.0f} tokens/s{mfu} | {line['seconds_left']:.0f} s left"
    )
    return text + (f"\n  validation: {fields(line['validation'])}" if "validation" in line else "")
