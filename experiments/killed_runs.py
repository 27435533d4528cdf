"""Does a run of `pianist render` that is killed again and again lose anything, or make anything twice?

    python -m experiments.killed_runs --scores 500 --kills 20

Invented scores are rendered into a new folder by a process that is killed (SIGKILL) `--kills` times, at even shares of
the work and a random moment after each, and begun again with the same command; the last one may end. Then every score
must have its files, as its JSON file tells them, nothing may be left over, and the manifest must not tell of a score
that was made twice. What came out is compared with a run that nobody disturbed.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from pianist_jax.benchmark import invented
from pianist_jax.music.midi import write_midi


def command(scores: Path, out: Path, model: str) -> list[str]:
    """What is run, and run again."""
    return [sys.executable, "-m", "pianist_jax.cli", "render", str(scores), "-o", str(out), "--model", model]


def disturbed(run: list[str], out: Path, scores: int, kills: int) -> list[int]:
    """Run and kill; gives how many renderings were whole at each kill."""
    rng, whole = np.random.default_rng(0), []
    for kill in range(1, kills + 1):
        process = subprocess.Popen(run, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.glob("*.json"))) < scores * kill // (kills + 1):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        whole.append(len(list(out.glob("*.json"))))
        print(f"killed with {whole[-1]} of {scores} there", flush=True)
    subprocess.run(run, stdout=subprocess.DEVNULL, check=True)
    return whole


def problems(out: Path, scores: int) -> list[str]:
    """What is wrong with the folder."""
    found = []
    for number in range(scores):
        told = json.loads((out / f"{number:04}.json").read_text())
        for file in (told["performances"][0], told["performances"][0]["editable"]):
            if hashlib.sha256((out / file["file"]).read_bytes()).hexdigest() != file["sha256"]:
                found.append(f"{file['file']} is not what its JSON file tells")
    if left := [path.name for path in out.iterdir() if path.name.startswith(".")]:
        found.append(f"left over: {left}")
    lines = []
    for line in (out / "manifest.jsonl").read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            print("one line of the manifest was broken off")
    made = Counter(line["stem"] for line in lines if line["state"] == "made")
    found += [f"{stem} was made {times} times" for stem, times in made.items() if times > 1]
    return found + [f"{line['stem']}: {line['error']}" for line in lines if line["state"] == "failed"]


def main() -> None:
    """Run the experiment; exit code 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--model", default="default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scores, out, quiet = (Path(folder) / name for name in ("scores", "out", "quiet"))
        scores.mkdir()
        os.environ.setdefault("PIANIST_CACHE", str(Path(folder) / "cache"))
        for number in range(given.scores):
            write_midi(scores / f"{number:04}.mid", invented(8 + 7 * number % 60, number))
        whole = disturbed(command(scores, out, given.model), out, given.scores, given.kills)
        found = problems(out, given.scores)
        subprocess.run(command(scores, quiet, given.model), stdout=subprocess.DEVNULL, check=True)
        names = [path.name for path in quiet.glob("*.mid")]
        same = sum((quiet / name).read_bytes() == (out / name).read_bytes() for name in names)
        print(f"{given.kills} kills, {whole[0]} to {whole[-1]} of {given.scores} scores there; {len(found)} problems")
        print(f"{same} of {len(names)} MIDI files are the same as those of an undisturbed run")
        for problem in found:
            print(problem)
        sys.exit(bool(found))


if __name__ == "__main__":
    main()
