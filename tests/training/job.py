"""One process of a training job, run as a script by the tests: `python -m tests.training.job '{"steps": 20, …}'`.

Tiny model, made-up music; prints what the run reports. JAX is told of the other processes by the environment.
"""

import dataclasses
import json
import os
import signal
import sys
import time
from typing import Any

import numpy as np

from pianist_jax.config import Augmentation, MeshConfig, TrainConfig, preset
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import ScoreTokens


def made_up(window: int = 16, notes: int = 400) -> dict[str, Any]:
    """A melody that repeats every 7 notes, played a little later, shorter and louder than written."""
    n = np.arange(notes)
    score = np.stack([60 + n % 7, 100 + 20 * (n % 3), 64 + 0 * n, 90 + 0 * n, *[0 * n] * 4], axis=1)
    played = np.stack([60 + n % 7, 110 + 22 * (n % 3), 50 + 5 * (n % 7), 70 + 0 * n, *[127 * (n % 2)] * 4], axis=1)
    start = np.arange(0, notes - window, 16, dtype=np.int32)
    return {
        "score": ScoreTokens(score.astype(np.uint16)),
        "performance": played.astype(np.uint16),
        "start": start,
        "length": np.full(len(start), window, np.int32),
        "chance": np.linspace(0, 1, len(start) + 1, dtype=np.float32)[1:],
        "has_pedal": np.ones(len(start), bool),
        "expressive": np.ones(len(start), bool),
    }


def tiny(**changes: Any) -> TrainConfig:
    """A run of 40 steps of the smallest model, without augmentation, saved every 10 steps."""
    sizes = dataclasses.replace(
        preset("note-tiny"), width=16, feed_forward=16, encoder_layers=1, decoder_layers=1, head_size=8
    )
    base = TrainConfig(
        model=sizes, task="finetune", batch=8, window=16, steps=40, warmup=5, learning_rate=5e-3, log_every=5,
        evaluate_every=10, validation_batches=1, augmentation=Augmentation(0, 0.0, 0.0), ema_decay=0.9, keep=3,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def mean_loss(params: Any, batch: Any, config: TrainConfig, key: Any, *, train: bool) -> tuple[Any, dict[str, Any]]:
    """The loss of a whole batch as a step has it, and its sums."""
    import jax

    from pianist_jax.training.losses import example, summed_loss

    k_example, k_dropout = jax.random.split(key)
    shown = example(batch, config, k_example, augmented=train)
    total, sums = summed_loss(params, shown, config, k_dropout, train=train)
    return total / sums["weight"], sums


def main() -> int:
    """Train as the one argument says; exit code 2 and one line on what a user could have caused."""
    from pianist_jax.parallel import initialise_distributed
    from pianist_jax.training.loop import train

    wish = json.loads(sys.argv[1])

    def report(line: str) -> None:
        print(line, flush=True)
        if line.startswith(f"step {wish.get('leave_at')} "):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(wish.get("pause", 0) if line.startswith("step") else 0)

    try:
        initialise_distributed()
        config = tiny(steps=wish["steps"], mesh=MeshConfig(*wish["mesh"]))
        if wish.get("stream"):
            import jax

            from pianist_jax.data.pipeline import make_loader

            place = {"process_index": jax.process_index(), "process_count": jax.process_count()}
            with make_loader([wish["stream"]], batch=8, window=16, **place) as loader:
                train(config, loader, made_up(), wish["workdir"], report=report)
        else:
            train(config, made_up(), made_up(), wish["workdir"], report=report)
    except PianistError as error:
        print(f"error: {error}", flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
