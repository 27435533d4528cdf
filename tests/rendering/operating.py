"""A process that does what it is asked to in processes of its own, which are killed; what is needed is imported.

    python -m tests.rendering.operating

Reads [operation, score, stem, step] from its input, a line each: the process kills itself with SIGKILL before it
touches a file of the stem's folder for the how-manieth time `step` says (null: it does not), so that no moment is left
out. Answers with its number at once and, when it is gone, with how it ended.
"""

import json
import os
import signal
import sys
from pathlib import Path

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
    for line in sys.stdin:
        operation, score, stem, step = json.loads(line)
        process = os.fork()
        if process == 0:
            if step is not None:
                kill_before(step, str(Path(stem).parent))
            command(tuple(operation), Path(score), Path(stem))
            os._exit(0)
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)


if __name__ == "__main__":
    main()
