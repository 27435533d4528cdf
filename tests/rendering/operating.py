"""A process that does what it is asked to in processes of its own, which can be killed; what is needed is imported.

    python -m tests.rendering.operating

Reads [operation, score, stem] from its input, a line each; answers with the number of the process that is at it and,
when that is gone, with how it ended.
"""

import json
import os
import sys
from pathlib import Path

from tests.rendering.operations import command


def main() -> None:
    """Until the input ends."""
    for line in sys.stdin:
        operation, score, stem = json.loads(line)
        process = os.fork()
        if process == 0:
            command(tuple(operation), Path(score), Path(stem))
            os._exit(0)
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)


if __name__ == "__main__":
    main()
