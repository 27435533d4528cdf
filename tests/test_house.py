"""The house rules, held over the source text: who imports whom, how long things get, what is not committed.

Each rule is a function from sources to problems, so that made-up sources can show it to bite.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "pianist_jax"

# Which rooms a room may use, beside itself, `errors` and `files`. `cli`, `commands` and
# the package's front door may use all.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "config": set(),
    "terminal": set(),
    "files": set(),
    "runners": set(),
    "music": {"config"},
    "score": {"music"},
    "performance": {"music", "score"},
    "audio": {"music"},
    "plotting": {"music", "score", "performance"},
    "player": {"music", "score", "performance", "audio"},
    "data": {"config", "music", "score", "performance", "runners"},
    "model": {"config", "music.tokens"},  # of music the vocabulary alone
    "parallel": {"config"},
    "weights": {"config"},
    "convert": {"config", "music", "model", "weights"},
    "inference": {"config", "music", "performance", "model", "parallel", "convert", "weights"},
    "training": {"config", "music", "performance", "data", "model", "parallel", "convert", "weights"},
    "rendering": {
        *{"config", "music", "score", "performance", "model", "inference", "parallel", "weights"},
        *{"audio", "player", "plotting", "runners"},
    },
    "evaluation": {
        *{"config", "music", "score", "performance", "data", "inference", "rendering", "audio", "player", "plotting"},
    },
    "studio": {"config", "music", "score", "performance", "inference", "rendering", "audio", "player"},
    "benchmark": {"config", "music", "model", "parallel", "inference", "rendering", "training"},
}
FREE = {"cli", "commands", "__init__", "__main__"}

# Libraries that one place alone imports.
SOLE_IMPORTERS = {
    "partitura": ("performance/alignment.py",),
    "parangonar": ("performance/alignment.py",),
    "grain": ("data/",),
    "array_record": ("data/",),
    "orbax": ("training/checkpoints.py",),
    "soundfile": ("audio/",),
    "starlette": ("studio/",),
    "uvicorn": ("studio/",),
    "verovio": ("studio/",),
}
JAX = {"jax", "jaxlib", "flax", "optax", "orbax", "chex"}
JAX_ROOMS = {"model", "parallel", "training", "inference", "rendering", "convert", "studio"}
PLAIN = {"music", "score", "performance"}  # no JAX, however it might come
# What reads or writes files: the model is pure.
FILES = {"os", "io", "pathlib", "shutil", "tempfile", "json", "pickle", "safetensors"}

MAX_BYTES = 24 * 1024 * 1024
MAX_FUNCTION = 60
# No path of somebody's own machine, where this checkout lies least of all, and no package index: pip's own settings
# decide where packages come from.
HERE = re.escape(str(ROOT.parent).strip("/") or ROOT.name)
OWN_PATHS = re.compile(rf"(?<![\w.:/~-])/(?:{HERE}|root|home|tmp|mnt|Users)/[\w.-]+")
REGISTRIES = re.compile(r"py[p]i\.org|python[h]osted|--(?:extra-)?index[-]url|--find[-]links|--trusted[-]host")


@dataclass(frozen=True)
class Import:
    """One imported name, in full (`pianist_jax.music.tokens.PAD`), whether it happens on import, or for types only."""

    target: str
    line: int
    on_import: bool
    for_types: bool = False

    @property
    def library(self) -> str:
        return self.target.split(".")[0]

    @property
    def room(self) -> str:
        return (self.target.split(".") + [""])[1]


def imports(path: str, source: str) -> Iterator[Import]:
    """All imports of a file, relative ones resolved from its path."""
    package = path.removesuffix(".py").split("/")[:-1]

    def walk(node: ast.AST, on_import: bool, for_types: bool = False) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, on_import, for_types) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base += node.module.split(".") if node.module else []
            yield from (Import(".".join([*base, a.name]), node.lineno, on_import, for_types) for a in node.names)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            on_import = False
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            on_import, for_types = False, True
        for child in ast.iter_child_nodes(node):
            yield from walk(child, on_import, for_types)

    yield from walk(ast.parse(source), True)


def room_of(path: str) -> str:
    """pianist_jax/music/midi.py -> music, pianist_jax/cli.py -> cli."""
    return path.split("/")[1].removesuffix(".py")


def direction_problems(sources: Mapping[str, str]) -> Iterator[str]:
    """Imports between rooms against the directions."""
    for path, source in sources.items():
        room = room_of(path)
        if room not in ROOMS.keys() | FREE:
            yield f"{path}: the room {room} is not on the map: say in ROOMS what it may use"
            continue
        for use in imports(path, source):
            if use.library != PACKAGE or room in FREE:
                continue
            allowed = {f"{PACKAGE}.{name}." for name in ROOMS[room] | {room, "errors", "files"}}
            if not any(f"{use.target}.".startswith(start) for start in allowed):
                yield f"{path}:{use.line}: {room} must not use {use.target}"


def circles(sources: Mapping[str, str]) -> Iterator[str]:
    """Modules of the package that import each other in a circle, within functions too; what only types need is free."""
    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources}
    uses: dict[str, set[str]] = {}
    for name, path in names.items():
        targets = {use.target for use in imports(path, sources[path]) if not use.for_types}
        parents = {target.rpartition(".")[0] for target in targets - names.keys()}
        uses[name] = (targets | parents) & names.keys() - {name}
    # Take away, again and again, what imports nothing that is left, and what nothing that is left imports.
    left = dict(uses)
    while True:
        used = {target for name in left for target in left[name]}
        kept = {name: targets & left.keys() for name, targets in left.items() if name in used and targets & left.keys()}
        if kept == left:
            break
        left = kept
    for name, targets in sorted(left.items()):
        yield f"{names[name]}: is in a circle with {', '.join(sorted(targets))}"


def library_problems(sources: Mapping[str, str]) -> Iterator[str]:
    """Libraries outside their one place, JAX where there must be none, files in the model."""
    for path, source in sources.items():
        room, inside = room_of(path), path.removeprefix(f"{PACKAGE}/")
        for use in imports(path, source):
            place = f"{path}:{use.line}"
            owners = SOLE_IMPORTERS.get(use.library)
            if owners and not inside.startswith(owners):
                yield f"{place}: {use.library} belongs to {' and '.join(owners)}"
            brings_jax = use.library in JAX or (use.library == PACKAGE and use.room in JAX_ROOMS)
            if room in PLAIN and brings_jax:
                yield f"{place}: {room} knows no JAX ({use.target})"
            if room in {"evaluation", "__init__"} and brings_jax and use.on_import:
                yield f"{place}: {room} imports no JAX when it is imported ({use.target})"
            if room == "model" and use.library in FILES:
                yield f"{place}: the model sees no files ({use.target})"


def length_problems(sources: Mapping[str, str]) -> Iterator[str]:
    """Files above 400 lines (tests 500) and functions above 60."""
    for path, source in sources.items():
        lines, limit = source.count("\n"), 500 if path.startswith("tests/") else 400
        if lines > limit:
            yield f"{path}: {lines} lines, more than {limit}"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION:
                    yield f"{path}:{node.lineno}: {node.name} has {length} lines, more than {MAX_FUNCTION}"


def text_problems(texts: Mapping[str, str]) -> Iterator[str]:
    """Paths of somebody's own machine, and package indexes."""
    for path, text in texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            for match in (*OWN_PATHS.finditer(line), *REGISTRIES.finditer(line)):
                yield f"{path}:{number}: {match[0]} means nothing on another machine"


def size_problems(sizes: Mapping[str, int]) -> Iterator[str]:
    """Files too large to commit."""
    for path, size in sizes.items():
        if size > MAX_BYTES:
            yield f"{path}: {size / 2**20:.1f} MiB, more than {MAX_BYTES >> 20}"


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Every file under version control that is there."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is tracked is unknown")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).exists()]


@pytest.fixture(scope="module")
def sources(tracked: list[str]) -> dict[str, str]:
    return {path: (ROOT / path).read_text() for path in tracked if path.endswith(".py")}


@pytest.fixture(scope="module")
def package_sources(sources: dict[str, str]) -> dict[str, str]:
    found = {path: source for path, source in sources.items() if path.startswith(f"{PACKAGE}/")}
    assert found
    return found


def test_imports_point_one_way(package_sources):
    assert list(direction_problems(package_sources)) == []


def test_no_module_imports_itself_by_way_of_others(package_sources):
    assert list(circles(package_sources)) == []


def test_libraries_stay_in_their_place(package_sources):
    assert list(library_problems(package_sources)) == []


def test_files_and_functions_stay_short(sources):
    assert list(length_problems(sources)) == []


def test_texts_name_no_machine(tracked):
    texts = {}
    for path in tracked:
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            texts[path] = content.decode(errors="replace")
    assert list(text_problems(texts)) == []


def test_no_large_files(tracked):
    assert list(size_problems({path: (ROOT / path).stat().st_size for path in tracked})) == []


def test_plain_rooms_and_evaluation_load_no_jax(package_sources):
    """What the syntax cannot show: no import by way of another module or library brings JAX in either."""
    names = [path.removesuffix(".py").replace("/", ".") for path in package_sources]
    light = [name for name in names if room_of(name.replace(".", "/")) in {*PLAIN, "evaluation"}]
    assert light
    code = "import importlib, sys\n" + "\n".join(
        f"importlib.import_module({name!r}); assert 'jax' not in sys.modules, {name!r}" for name in light
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


GOOD = {
    f"{PACKAGE}/music/midi.py": "import mido\nfrom pianist_jax.music.notes import Notes\n",
    f"{PACKAGE}/performance/alignment.py": "def f():\n    import parangonar, partitura\n",
    f"{PACKAGE}/data/pipeline.py": "import grain.python\nfrom pianist_jax.music import notes\n",
    f"{PACKAGE}/model/pianist.py": "import jax\nfrom ..music.tokens import PAD\nfrom . import layers\n",
    f"{PACKAGE}/training/checkpoints.py": "import orbax.checkpoint\nfrom ..model.pianist import P\n",
    f"{PACKAGE}/evaluation/report.py": "def f():\n    from pianist_jax.inference import decode\n",
    f"{PACKAGE}/__init__.py": "def render():\n    from pianist_jax.rendering import renderer\n",
    f"{PACKAGE}/cli.py": "from pianist_jax import load_model\nfrom pianist_jax.training import loop\n",
}


def test_good_manners_pass():
    assert list(direction_problems(GOOD)) == []
    assert list(library_problems(GOOD)) == []


@pytest.mark.parametrize(
    ("path", "source", "problem"),
    [
        ("music/notes.py", "from pianist_jax.data import records", "music must not use pianist_jax.data"),
        ("music/notes.py", "from ..model.layers import x", "music must not use pianist_jax.model"),
        ("data/pairs.py", "def f():\n    import pianist_jax.model", "data must not use"),
        ("model/layers.py", "from pianist_jax.music.midi import read_midi", "model must not use"),
        ("model/layers.py", "from pianist_jax.music import PAD", "model must not use"),
        ("model/layers.py", "from ..music import midi", "model must not use pianist_jax.music.midi"),
        ("training/loop.py", "import pianist_jax.inference.decode", "training must not use"),
        ("inference/decode.py", "from pianist_jax.training.loop import train", "inference must not use"),
        ("inference/decode.py", "from pianist_jax import load_model", "inference must not use"),
        ("evaluation/report.py", "if TYPE_CHECKING:\n    import pianist_jax.training", "evaluation must not"),
        ("config.py", "from pianist_jax.music.tokens import PAD", "config must not use"),
        ("errors.py", "from . import cli", "errors must not use pianist_jax.cli"),
        ("kitchen/soup.py", "", "kitchen is not on the map"),
    ],
)
def test_directions_bite(path, source, problem):
    problems = list(direction_problems({f"{PACKAGE}/{path}": source}))
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("path", "source", "problem"),
    [
        ("data/pairs.py", "def f():\n    import parangonar.match", "parangonar belongs to"),
        ("music/midi.py", "from partitura import load_score", "partitura belongs to"),
        ("music/midi.py", "import grain", "grain belongs to data/"),
        ("training/loop.py", "from array_record.python import x", "array_record belongs to data/"),
        ("training/loop.py", "import orbax.checkpoint as ocp", "orbax belongs to"),
        ("music/tokens.py", "def f():\n    import jax.numpy as jnp", "music knows no JAX"),
        ("music/tokens.py", "if TYPE_CHECKING:\n    import flax", "music knows no JAX"),
        ("evaluation/report.py", "try:\n    import jax\nexcept ImportError:\n    pass", "no JAX when it is"),
        ("evaluation/report.py", "from pianist_jax.inference import decode", "no JAX when it is"),
        ("evaluation/report.py", "class A:\n    import optax", "no JAX when it is"),
        ("__init__.py", "from pianist_jax.model import pianist", "no JAX when it is"),
        ("model/pianist.py", "from pathlib import Path", "the model sees no files"),
    ],
)
def test_places_of_libraries_bite(path, source, problem):
    problems = list(library_problems({f"{PACKAGE}/{path}": source}))
    assert len(problems) == 1
    assert problem in problems[0]


def test_circles_bite():
    ring = {
        f"{PACKAGE}/data/a.py": "from pianist_jax.data import b\n",
        f"{PACKAGE}/data/b.py": "def f():\n    from pianist_jax.data.c import x\n",
        f"{PACKAGE}/data/c.py": "from .a import y\n",
        f"{PACKAGE}/data/d.py": "from pianist_jax.data.a import y\n",
        f"{PACKAGE}/data/e.py": "",
    }
    assert [problem.split(":")[0] for problem in circles(ring)] == [f"{PACKAGE}/data/{name}.py" for name in "abc"]
    ring[f"{PACKAGE}/data/c.py"] = "if TYPE_CHECKING:\n    from .a import y\n"
    assert list(circles(ring)) == []


def test_lengths_bite():
    body = "def long():\n" + "    x = 1\n" * MAX_FUNCTION
    assert len(list(length_problems({"a.py": body}))) == 1
    assert list(length_problems({"a.py": body.replace("    x = 1\n", "", 1)})) == []
    assert len(list(length_problems({"a.py": body.replace("()", "(\n    a,\n)").replace("    x = 1\n", "", 2)}))) == 1
    assert len(list(length_problems({"a.py": "class A:\n" + re.sub("^", "    ", body, flags=re.M)}))) == 1
    assert len(list(length_problems({"a.py": "\n" * 401}))) == 1
    assert list(length_problems({"a.py": "\n" * 400, "tests/a.py": "\n" * 500})) == []
    assert len(list(length_problems({"tests/a.py": "\n" * 501}))) == 1


@pytest.mark.parametrize(
    "parts",
    [
        ("see ", f"{ROOT}/notes"),
        ('open("/', 'tmp/data/x")'),
        ("cd /", "root/.cache"),
        ("=/", "home/someone/x"),
        ("https://py", "pi.org/simple"),
        ("pip install --index", "-url https://example.org"),
    ],
)
def test_own_paths_bite(parts):
    assert len(list(text_problems({"README.md": "first line\n" + "".join(parts)}))) == 1


def test_harmless_paths_pass():
    own = f"{ROOT}/x"
    assert list(text_problems({"README.md": f"https://example.org{own} ~{own} a/tmp/b /usr/bin"})) == []


def test_sizes_bite():
    assert list(size_problems({"a": MAX_BYTES})) == []
    assert len(list(size_problems({"a": MAX_BYTES + 1}))) == 1
