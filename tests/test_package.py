"""The wheel: what `pip install` of this project would put on somebody's machine."""

import os
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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
    assert any(path.endswith("licenses/LICENSE") for path in found)


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
