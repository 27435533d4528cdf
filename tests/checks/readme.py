"""Walk the README and the guides line by line and run their commands: `make readme-check`.

Indented lines that begin with `pianist`, `python` or `make` are run as they stand and in their order, each text's in a
folder of its own beside a copy of the tracked files, in which `prelude.musicxml` lies, `mine.mid`, which plays it, and
made-up scores of several players, `song.musicxml` and `duet.musicxml`.

The Python that a text shows is run as one program, afterwards. What serves until it is stopped (`STAYS`) is stopped
once its page was fetched. Lines that need what is not here are left out, each with its reason (`LEFT_OUT`). Exit code 1
where a line refuses.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.checks.dist import ROOT, copy_tracked
from tests.rendering.songs import duet, song

TEXTS = (
    *("README.md", "CONTRIBUTING.md", "docs/musicians.md", "docs/batch.md", "docs/json.md", "docs/api.md"),
    *("docs/measured.md", "docs/research.md"),
)
PRELUDE = "examples/bach-prelude-bwv846.musicxml"
STAYS = "pianist studio"
CORPORA, ACCELERATOR = "needs corpora", "needs an accelerator"
LEFT_OUT = {
    "make": "makes environments and runs every check; .ci/run does",
    "pianist bench": "takes several minutes, or hours where the paper's model is measured",
    "pianist evaluate": CORPORA,
    "pianist prepare": CORPORA,
    "pianist pairs": CORPORA,
    "pianist data": CORPORA,
    "pianist pretrain": ACCELERATOR,
    "pianist finetune": ACCELERATOR,
    "pianist consensus": CORPORA,
    "pianist export": "needs a run",
    "python -m experiments.found_pairs": CORPORA,
    "python -m experiments.training_speed": ACCELERATOR,
}
LONGEST = 900  # s for a line, on a busy machine


def lines_of(text: str) -> list[str]:
    """The indented command lines of a text, without their comments, those that go on joined."""
    joined = re.sub(r"\\\n\s+", "", text)
    found = re.findall(r"^    ((?:pianist|python|make) .*)$", joined, re.M)
    return [re.split(r"\s+#\s", line)[0].strip() for line in found]


def program_of(text: str) -> str:
    """The Python of a text: indented lines from `import pianist_jax` on, or a fenced block that begins so."""
    block = re.search(r"^(    |```python\n)import pianist_jax\n(?:(?!```)(?:    .*|.+)?\n)*", text, re.M)
    if block is None:
        return ""
    lines = block[0].removeprefix("```python\n").splitlines(keepends=True)
    if block[1] == "    ":
        lines = [line[4:] for line in lines if line.startswith("    ")]
    return "".join(lines)


def reason_to_leave(line: str) -> str | None:
    """Why a line is not run, or None."""
    return next((why for begin, why in LEFT_OUT.items() if line.startswith(f"{begin} ")), None)


def run(line: str, folder: Path, environment: dict[str, str]) -> None:
    """Run one line in a shell. Ends the walk where it refuses."""
    done = subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST
    )
    print(f"{'ok' if done.returncode == 0 else 'refused'}: {line}", flush=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-1000:]}{done.stderr[-1000:]}")


def serve(line: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a line that serves a page: fetch it, stop it, and see that it ends well."""
    with subprocess.Popen(
        f"exec {line}", shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        told = re.search(r"(http://127\.0\.0\.1:\d+/[\w-]+/)", served.stdout.readline())
        page = b""
        if told is not None:
            with urllib.request.urlopen(told[1], timeout=LONGEST) as answer:
                page = answer.read()
        served.send_signal(signal.SIGINT)
        ended = served.wait(LONGEST)
    if ended or b"studio" not in page:
        sys.exit(f"refused: {line}: exit code {ended}")
    print(f"ok: {line} (page fetched, then stopped)", flush=True)


def main() -> None:
    """Walk all texts, or those named."""
    with tempfile.TemporaryDirectory() as temporary:
        copy, commands = Path(temporary) / "source", Path(temporary) / "bin"
        copy_tracked(copy)
        commands.mkdir()
        for name, module in (("pianist", "-m pianist_jax "), ("python", "")):
            (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
            (commands / name).chmod(0o755)
        environment = {**os.environ, "PYTHONPATH": str(copy), "BROWSER": "true"}
        environment["PATH"] = f"{commands}{os.pathsep}{environment['PATH']}"
        for name in sys.argv[1:] or TEXTS:
            print(f"{name}:", flush=True)
            folder = Path(temporary) / name.replace("/", "-")
            folder.mkdir()
            shutil.copy(ROOT / PRELUDE, folder / "prelude.musicxml")
            shutil.copy((ROOT / PRELUDE).with_suffix(".mid"), folder / "mine.mid")
            song(folder / "song.musicxml")
            duet(folder / "duet.musicxml")
            walk((copy / name).read_text(encoding="utf-8"), folder, environment)


def walk(text: str, folder: Path, environment: dict[str, str]) -> None:
    """Run the lines of one text, then its Python."""
    for line in lines_of(text):
        if why := reason_to_leave(line):
            print(f"left out: {line} ({why})", flush=True)
        elif line.startswith(STAYS):
            serve(line, folder, environment)
        else:
            run(line, folder, environment)
    if program := program_of(text):
        (folder / "program.py").write_text(program, encoding="utf-8")
        run("python program.py", folder, environment)


if __name__ == "__main__":
    main()
