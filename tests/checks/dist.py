"""Build wheel and sdist and try them in clean environments: `make dist-check`.

For each of Python 3.11, 3.12 and 3.13 that is found (on the PATH or with pyenv; --python PATH for others) an
environment is made, the wheel installed without any extra, a score described and performed with sound, and an extra
that is missing asked for. Two are tried at a time.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
SCORE = ROOT / "examples" / "petzold-minuet-bwvanh114.musicxml"
# Of all that is installed, and with the byte code that pip makes of it. jaxlib, scipy and numpy, which jax needs, take
# 550; tensorstore, orbax, optax and uvloop, which only training needs but flax asks for, 95.
LARGEST_MB, LARGEST_COMPILED_MB = 750, 830
INSTALLERS = ("pip", "setuptools", "_distutils_hack", "pkg_resources")


def main() -> None:
    """Build, try, and say how each went; exit code 1 where one went wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--python", action="append", help="an interpreter to try it with, instead of those found")
    chosen = options.parse_args().python
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, built from the sdist")
        interpreters = {one: one for one in chosen} if chosen else {version: find(version) for version in VERSIONS}
        with ThreadPoolExecutor(2) as pool:
            tried = {
                version: pool.submit(attempt, interpreter, wheel, Path(folder) / version.replace("/", "-"))
                for version, interpreter in interpreters.items()
                if interpreter is not None
            }
            for version in interpreters:
                told = tried[version].result() if version in tried else "is not here: skipped"
                print(f"Python {version}: {told}", flush=True)


def find(version: str) -> str | None:
    """The interpreter of a version such as 3.12, or None."""
    managed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    candidates = [*map(str, managed), shutil.which(f"python{version}")]
    return next((one for one in candidates if one and runs(one, version)), None)


def runs(interpreter: str, version: str) -> bool:
    """Whether it starts and is of that version (a shim of pyenv may be neither)."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == version


def copy_tracked(folder: Path) -> None:
    """The tracked files as they stand, and nothing else, into a folder."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for path in filter(None, listed.stdout.split("\0")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)


def build(folder: Path) -> Path:
    """The sdist of the tracked files, and the wheel that comes of the sdist; gives the wheel."""
    copy_tracked(folder / "source")
    make = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
    subprocess.run(
        [sys.executable, "-c", make, "build_sdist", str(folder)],
        cwd=folder / "source", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    subprocess.run(
        [sys.executable, "-c", make, "build_wheel", str(folder)],
        cwd=unpacked, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def attempt(interpreter: str, wheel: Path, folder: Path) -> str:
    """Install the wheel in a new environment and use it; how that went, in words. Raises CalledProcessError."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIANIST"))}
    clean["PIANIST_CACHE"] = str(folder / "cache")
    subprocess.run([interpreter, "-m", "venv", str(folder)], check=True, env=clean)
    python, work = folder / "bin" / "python", folder / "work"
    work.mkdir()

    def run(*command: str, code: int = 0) -> str:
        done = subprocess.run(command, cwd=work, env=clean, capture_output=True, text=True)
        if done.returncode != code:
            sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    run(str(python), "-m", "pip", "--quiet", "install", str(wheel))
    pianist = str(folder / "bin" / "pianist")
    files, byte_code = installed_mb(python)
    size, compiled = sum(files.values()), sum(files.values()) + sum(byte_code.values())
    largest = sorted(files, key=lambda name: -files[name])[:8]
    heaviest = ", ".join(f"{name} {files[name] + byte_code[name]:.0f}" for name in largest)
    if size > LARGEST_MB or compiled > LARGEST_COMPILED_MB:
        sys.exit(f"{size:.0f} MB are installed, {compiled:.0f} with byte code: {heaviest}")
    assert "render" in run(pianist, "--help")
    assert "CC-BY-NC-SA-4.0" in run(pianist, "models")
    assert "3/4" in run(pianist, "inspect", str(SCORE))
    run(pianist, "render", str(SCORE), "-o", "out", "--draws", "1", "--audio")
    made = sorted(path.name.removeprefix(SCORE.stem) for path in (work / "out").iterdir())
    assert made == [".daw.mid", ".json", ".performance.mid", ".wav"], made
    told = run(pianist, "render", str(SCORE), "-o", "plotted", "--plot", code=2)
    assert told.count("\n") == 1, told
    assert "pip install 'pianist_jax[plot]'" in told
    told = "described and performed a score, with sound; names the extra that is missing"
    return f"{size:.0f} MB installed, {compiled:.0f} with byte code ({heaviest}); {told}"


def installed_mb(python: Path) -> tuple[dict[str, float], dict[str, float]]:
    """What is installed besides the installers, in MB of each package's files, and of the byte code made of them."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(
        subprocess.run([str(python), "-c", code], capture_output=True, check=True, text=True).stdout.strip()
    )
    files: dict[str, float] = defaultdict(float)
    byte_code: dict[str, float] = defaultdict(float)
    for path in packages.iterdir():
        name = path.name.split("-")[0].split(".")[0]
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and name not in INSTALLERS:
                (byte_code if file.suffix == ".pyc" else files)[name] += file.stat().st_size / 1e6
    return files, byte_code


if __name__ == "__main__":
    main()
