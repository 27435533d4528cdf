"""A process that does what it is asked to in processes of its own, which are killed; what is needed is imported.

    python -m tests.rendering.operating WEIGHTS

JAX does not outlive a fork once it has begun, so it begins in each of those processes: with the weights, which are read
before, and with the programs that the first one to perform has kept (PIANIST_CACHE), which takes a part of a second.

Reads [operation, score, stem, step] from its input, a line each: the process kills itself with SIGKILL before it
touches a file of the stem's folder for the how-manieth time `step` says (null: it does not), so that no moment is left
out. Answers with its number at once and, when it is gone, with how it ended.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import pianist_jax.plotting  # noqa: F401  # what draws takes long to import
from pianist_jax.inference.engine import make_model
from pianist_jax.weights import load_weights
from tests.rendering.operations import command

TOUCHING = ("open", "os.mkdir", "os.rmdir", "os.rename", "os.remove", "os.link", "os.utime", "os.truncate")


def kill_before(step: int, folder: str) -> None:
    """End this process, as `kill -9` does, before it touches a file of this folder once more than `step` times."""
    left = step

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in TOUCHING and arguments and folder in str(arguments[0]):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main() -> None:
    """Until the input ends."""
    performer = partial(make_model, *load_weights(sys.argv[1]), name="lively")
    for line in sys.stdin:
        operation, score, stem, step = json.loads(line)
        process = os.fork()
        if process == 0:
            if step is not None:
                kill_before(step, str(Path(stem).parent))
            command(tuple(operation), Path(score), Path(stem), performer)
            os._exit(0)
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)


if __name__ == "__main__":
    main()
