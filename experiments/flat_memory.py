"""Does `pianist render` need more memory the more it has rendered?

    python -m experiments.flat_memory --scores 1000

Invented scores of mixed lengths are rendered (drawn once each) by one process, whose resident memory is read after
every tenth of them. From the fourth tenth on, when every program is compiled, it should stay where it is.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pianist_jax.benchmark import invented
from pianist_jax.music.midi import write_midi


def resident(process: int) -> float:
    """MiB of a process that are in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main() -> None:
    """Print the memory after every tenth, and what it grew by for each thousand scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", type=int, default=1000)
    parser.add_argument("--model", default="default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scores, out = Path(folder) / "scores", Path(folder) / "out"
        scores.mkdir()
        os.environ.setdefault("PIANIST_CACHE", str(Path(folder) / "cache"))
        for number in range(given.scores):
            write_midi(scores / f"{number:05}.mid", invented(8 + 7 * number % 120, number))
        command = [sys.executable, "-m", "pianist_jax.cli", "render", str(scores), "-o", str(out), "--draws", "1"]
        process = subprocess.Popen([*command, "--model", given.model], stdout=subprocess.DEVNULL)
        seen: list[tuple[int, float]] = []
        while process.poll() is None:
            there = len(list(out.glob("*.json")))
            if there >= given.scores * (len(seen) + 1) // 10:
                seen.append((there, resident(process.pid)))
                print(f"{there:6} of {given.scores}: {seen[-1][1]:.0f} MiB", flush=True)
            time.sleep(0.1)
        settled = np.array(seen[3:])
        slope = np.polyfit(settled[:, 0], settled[:, 1], 1)[0]
        print(f"{slope * 1000:+.1f} MiB for each 1000 scores, exit code {process.returncode}")


if __name__ == "__main__":
    main()
