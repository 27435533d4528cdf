"""Walk the README and the guides line by line and run their commands: `make readme-check`.

Indented lines that begin with `pianist` or `python` are run in the order in which they stand, each file's in a folder
of its own in which `prelude.musicxml` lies, and `mine.mid`, which plays it. Lines that need corpora, hours or another
machine are named in `LEFT_OUT`; the Python that a text shows is run as one program. Exit code 1 where a line refuses.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXTS = ("README.md", "docs/musicians.md", "docs/json.md")
PRELUDE = ROOT / "examples" / "bach-prelude-bwv846.musicxml"
LEFT_OUT = ("pianist studio", "pianist evaluate --dataset", "python -m experiments")


def lines_of(text: str) -> list[str]:
    """The indented command lines of a text, without their comments."""
    found = re.findall(r"^    ((?:pianist|python) .*)$", text, re.M)
    return [re.split(r"\s+#\s", line)[0].strip() for line in found]


def program_of(text: str) -> str:
    """The indented lines of Python of a text."""
    block = re.search(r"^    import pianist_jax\n(?:    .*\n)*", text, re.M)
    return re.sub(r"^    ", "", block[0], flags=re.M) if block else ""


def run(command: list[str], folder: Path, line: str) -> None:
    """Run one line. Ends the walk where it refuses."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    print(f"{'ok' if done.returncode == 0 else 'refused'}: {line}", flush=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-1000:]}{done.stderr[-1000:]}")


def main() -> None:
    """Walk all texts, or those named."""
    for name in sys.argv[1:] or TEXTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        print(f"{name}:")
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(PRELUDE, Path(folder) / "prelude.musicxml")
            shutil.copy(PRELUDE.with_suffix(".mid"), Path(folder) / "mine.mid")
            for line in lines_of(text):
                if line.startswith(LEFT_OUT):
                    print(f"left out: {line}")
                    continue
                command = line.partition(" > ")[0]
                words = [sys.executable, "-m", *shlex.split(command.replace("pianist ", "pianist_jax ", 1))]
                run(words, Path(folder), line)
            if program := program_of(text):
                run([sys.executable, "-c", program], Path(folder), "the Python")


if __name__ == "__main__":
    main()
