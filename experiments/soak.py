"""Scores of every kind, mixed with hostile ones, through batch, studio and Python: is anything lost, does memory stay?

    python -m experiments.soak SUITE … --scores 1000 --hostile 50 --minutes 60

Scores of the suites (files, folders, tar archives) are taken in turn until there are enough, under names of their own;
hostile ones are mutations of `experiments.fuzz`, or files that claim to be what they are not. All go through `pianist
render` first, then through a studio over HTTP and through `pianist_jax.render`, drawn once where that can be told, each
for a third of the time (what was begun is finished). Each must end in music or in a refusal of one line, and what
was made must be whole; memory is read after every fiftieth score and should stay where it is from the fourth tenth on.
Exit code 1 where something is lost.
"""

import argparse
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from experiments import fuzz
from experiments.flat_memory import resident
from pianist_jax.errors import PianistError
from pianist_jax.score.files import FORMATS

CLAIMS = {
    "empty.mid": b"",
    "picture.musicxml": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "bomb.musicxml": b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><score-partwise>&c;</score-partwise>',
    "deep.mei": b"<mei>" * 100_000,
    "words.krn": b"la la la\n" * 1000,
}
EVERY = 50  # scores between two looks at memory
PATIENCE = 600  # s, of one answer


@dataclasses.dataclass
class Tally:
    """What became of the scores of one way, and MiB of memory (scores so far, MiB)."""

    way: str
    made: int = 0
    refused: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)
    memory: list[tuple[int, float]] = dataclasses.field(default_factory=list)

    def refuse(self, name: str, line: str) -> None:
        """Count a refusal; one of several lines, or of none, is wrong."""
        self.refused += 1
        if len(line.strip().splitlines()) != 1:
            self.wrong.append(f"{name}: refused in {line[:200]!r}")

    def look(self, process: int) -> None:
        """Read the memory of a process after every so many scores."""
        done = self.made + self.refused
        if done >= EVERY * (len(self.memory) + 1):
            self.memory.append((done, resident(process)))

    def told(self, seconds: float) -> str:
        """In words."""
        settled = np.array(self.memory[3 * len(self.memory) // 10 :])
        text = f"{self.way}: {self.made} made, {self.refused} refused, {len(self.wrong)} wrong in {seconds:.0f} s"
        if len(settled) > 2:
            slope = np.polyfit(settled[:, 0], settled[:, 1], 1)[0] * 1000
            text += f"; {settled[0, 1]:.0f} to {settled[-1, 1]:.0f} MiB, {slope:+.1f} for each 1000 scores"
        return text


def members(suites: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the scores of files, folders and archives, in a fixed order."""
    for suite in suites:
        if suite.is_file() and tarfile.is_tarfile(suite):
            with tarfile.open(suite) as archive:
                for member in archive:
                    file = archive.extractfile(member) if member.isfile() else None
                    if file is not None and Path(member.name).suffix.lower() in FORMATS:
                        yield Path(member.name).name, file.read()
        else:
            for path in sorted(suite.rglob("*")) if suite.is_dir() else [suite]:
                if path.is_file() and path.suffix.lower() in FORMATS:
                    yield path.name, path.read_bytes()


def hostile(count: int) -> Iterator[tuple[str, bytes]]:
    """As many files that mean no good."""
    yield from list(CLAIMS.items())[:count]
    kinds = list(fuzz.SCORES)
    seeds = {kind: fuzz.seeds_of(kind) for kind in kinds}
    for number in range(count - len(CLAIMS)):
        kind = kinds[number % len(kinds)]
        yield f"mutant{fuzz.SCORES[kind].suffix}", fuzz.make_input(kind, seeds[kind], 0, number)


def lay_out(folder: Path, suites: list[Path], scores: int, ill: int) -> list[Path]:
    """The files, the hostile ones spread evenly among the others, numbered; a suite too small is taken again."""
    good = list(members(suites))
    if not good:
        sys.exit("no scores in what was given; name files, folders or tar archives of scores")
    mixed = [(number / scores, *good[number % len(good)]) for number in range(scores)]
    mixed += [((number + 0.5) / ill, *given) for number, given in enumerate(hostile(ill))]
    folder.mkdir()
    paths = []
    for number, (_, name, content) in enumerate(sorted(mixed, key=lambda one: one[0])):
        paths.append(folder / f"{number:04}-{name}")
        paths[-1].write_bytes(content)
    return paths


def by_batch(paths: list[Path], folder: Path, until: float) -> Tally:
    """`pianist render` of the whole folder."""
    tally, out = Tally("batch"), folder / "batch"
    command = [sys.executable, "-m", "pianist_jax", "render", *map(str, paths), "-o", str(out), "--draws", "1"]
    with (folder / "batch.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        while process.poll() is None and time.monotonic() < until:
            lines = (out / "manifest.jsonl").read_text().splitlines() if (out / "manifest.jsonl").exists() else []
            tally.made, tally.refused = len(lines), 0
            tally.look(process.pid)
            time.sleep(0.2)
        cut_off = process.poll() is None
        if cut_off:
            process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    tally.made = 0
    states = {line["stem"]: line for line in map(json.loads, (out / "manifest.jsonl").read_text().splitlines())}
    for stem, line in states.items():
        if line["state"] == "failed":
            tally.refuse(stem, line["error"])
        else:
            tally.made += 1
            lost = [end for end in (".json", ".performance.mid", ".daw.mid") if not (out / f"{stem}{end}").exists()]
            tally.wrong += [f"{stem}: {end} is missing" for end in lost]
    if not cut_off and len(states) != len(paths):
        tally.wrong.append(f"{len(paths) - len(states)} scores of {len(paths)} are not told of")
    if "Traceback" in (folder / "batch.log").read_text():
        tally.wrong.append("a traceback")
    return tally


def by_python(paths: list[Path], folder: Path, until: float) -> Tally:
    """`pianist_jax.render`, a score at a time, in this process."""
    import pianist_jax

    tally, model = Tally("python"), pianist_jax.load_model()
    for path in paths:
        if time.monotonic() > until:
            break
        try:
            pianist_jax.render(path, model, draws=1).save(folder / "python", force=True)
            tally.made += 1
        except PianistError as error:
            tally.refuse(path.name, str(error))
        except Exception as error:
            tally.wrong.append(f"{path.name}: {error!r}")
        tally.look(os.getpid())
    return tally


def by_studio(paths: list[Path], folder: Path, until: float) -> Tally:
    """A studio over HTTP: each score sent, performed, and its files fetched."""
    tally = Tally("studio")
    command = [sys.executable, "-m", "pianist_jax", "studio", "--no-browser", "-o", str(folder / "studio")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as studio:
        assert studio.stdout is not None
        told = re.search(r"(http://127\.0\.0\.1:\d+/[\w-]+/)", studio.stdout.readline())
        assert told is not None
        for path in paths:
            if time.monotonic() > until:
                break
            try:
                tally.wrong += through(told[1] + "api/", path)
                tally.made += 1
            except urllib.error.HTTPError as refusal:
                answer = json.loads(refusal.read())
                tally.refuse(path.name, answer["error"])
                if refusal.code >= 500:
                    tally.wrong.append(f"{path.name}: {refusal.code} {answer['error']}")
            except PianistError as error:  # what its job ended with
                tally.refuse(path.name, str(error))
            tally.look(studio.pid)
        studio.send_signal(signal.SIGINT)
        if code := studio.wait(PATIENCE):
            tally.wrong.append(f"exit code {code}")
    return tally


def through(api: str, path: Path) -> list[str]:
    """One score through the studio at this address; gives what is wrong. Raises HTTPError, PianistError."""

    def ask(what: str, content: bytes | None = None) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(api + what, data=content), timeout=PATIENCE) as answer:
            found: bytes = answer.read()
        return found

    sent = ask(f"scores?name={urllib.parse.quote(path.name)}", path.read_bytes())
    name = urllib.parse.quote(json.loads(sent)["name"])
    job = json.loads(ask(f"scores/{name}/perform", b"{}"))
    while job["state"] in ("waiting", "running"):
        job = json.loads(ask(f"jobs/{job['number']}?wait=true"))
    if job["state"] != "done":
        raise PianistError(job.get("error") or f"ended {job['state']}")
    view = json.loads(ask(f"scores/{name}"))
    return [] if view["takes"] else [f"{path.name}: no take of it is there"]


def main() -> None:
    """Run all three ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="+", type=Path, help="files, folders or tar archives of scores")
    parser.add_argument("--scores", type=int, default=1000)
    parser.add_argument("--hostile", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would theirs
    ways: list[Callable[[list[Path], Path, float], Tally]] = [by_batch, by_studio, by_python]
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = lay_out(folder / "scores", given.suites, given.scores, given.hostile)
        for way in ways:
            began = time.monotonic()
            tally = way(paths, folder, began + 60 * given.minutes / len(ways))
            print(tally.told(time.monotonic() - began), *tally.wrong, sep="\n  ", flush=True)
            wrong += len(tally.wrong)
            for made in ("batch", "studio", "python"):
                shutil.rmtree(folder / made, ignore_errors=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
