"""The wheel: what `pip install` of this project would put on somebody's machine."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from pianist_jax.errors import EXTRAS

ROOT = Path(__file__).parent.parent
# Libraries that are imported under another name than they are installed by.
IMPORTED_AS = {"scikit-learn": "sklearn", "absl-py": "absl", "orbax-checkpoint": "orbax", "apache-beam": "apache_beam"}


@pytest.fixture(scope="module")
def asked_for() -> dict[str, set[str]]:
    """What is always installed ("") and what each extra brings, by the names that are imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {"": project["dependencies"], **project["optional-dependencies"]}
    names = {extra: [re.split(r"[>=\[ ]", one)[0] for one in those] for extra, those in wanted.items()}
    return {extra: {IMPORTED_AS.get(name, name) for name in those} for extra, those in names.items()}


def test_extras_bring_what_errors_say_they_do(asked_for):
    for extra, libraries in EXTRAS.items():
        assert set(libraries) <= asked_for[extra]
        assert not set(libraries) & asked_for[""]


def test_every_library_that_is_imported_is_asked_for(asked_for):
    imported = set()
    for path in (ROOT / "pianist_jax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.split(".")[0])
    others = imported - sys.stdlib_module_names - {"pianist_jax", "experiments"}
    assert others == asked_for[""] | {library for libraries in EXTRAS.values() for library in libraries}


def test_licences_are_those_that_the_notices_name():
    notices = tomllib.loads((ROOT / "REUSE.toml").read_text())["annotations"]
    named = {licence for one in notices for licence in one["SPDX-License-Identifier"].split(" AND ")}
    expression = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert named == set(expression.split(" AND ")) == {path.stem for path in (ROOT / "LICENSES").iterdir()}
    covered = {str(path) for one in notices[1:] for path in ROOT.glob(one["path"].replace("**.", "**/*."))}
    weights = {str(path) for path in (ROOT / "pianist_jax").rglob("*.safetensors")}
    assert weights <= covered


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tracked files, unpacked."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what belongs in the wheel is unknown")
    folder = tmp_path_factory.mktemp("wheel")
    for path in tracked():
        (folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / "source" / path)
    build = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(folder), str(folder / "source")], check=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).exists()]


@pytest.mark.slow
def test_wheel_holds_the_package_and_its_weights(wheel):
    expected = {path for path in tracked() if path.startswith("pianist_jax/")}
    found = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    assert {path for path in found if ".dist-info/" not in path} == expected
    licences = {path.split("licenses/")[1] for path in found if "licenses/" in path}
    assert {"LICENSE", "pianist_jax/weights/LICENSE.md", "pianist_jax/audio/grand/LICENSE-CC-BY-3.0.txt"} <= licences


@pytest.mark.slow
def test_wheel_runs_outside_the_repository(wheel, tmp_path):
    (entry_points,) = wheel.glob("*.dist-info/entry_points.txt")
    commands = ConfigParser()
    commands.read(entry_points)
    module, function = commands["console_scripts"]["pianist"].split(":")
    code = f"import sys, {module} as m; print(m.__file__); sys.argv = ['pianist', '--help']; m.{function}()"
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(wheel))
    assert "render" in done.stdout
