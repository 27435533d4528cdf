"""Weights by name, from a stand-in for the hub."""

import shutil
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from pianist_jax.convert import load_published
from pianist_jax.errors import PianistError
from pianist_jax.inference.engine import load_model
from pianist_jax.model.sizes import num_params
from pianist_jax.weights import save_weights
from pianist_jax.weights.hub import fetch
from tests.model.helpers import lively_params
from tests.rendering.models import NOTE

PUBLISHED = Path(__file__).parent.parent / "data"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of OWNER/NAME folders; others cannot be reached."""

    def snapshot_download(repository: str, *, allow_patterns: list[str]) -> str:
        found, fetched = tmp_path / "hub" / repository, tmp_path / "fetched" / repository
        if not found.exists():
            raise ConnectionError("no route to the hub\nand more of it")
        shutil.rmtree(fetched, ignore_errors=True)
        fetched.mkdir(parents=True)
        for file in {file for pattern in allow_patterns for file in found.glob(pattern)}:
            shutil.copy(file, fetched)
        return str(fetched)

    stand_in = ModuleType("huggingface_hub")
    stand_in.__spec__ = ModuleSpec("huggingface_hub", None)
    stand_in.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", stand_in)
    return tmp_path / "hub"


def test_own_weights_are_loaded_by_name(hub: Path) -> None:
    save_weights(hub / "someone" / "small" / "any.safetensors", NOTE, lively_params(NOTE), dtype="float32")
    (hub / "someone" / "small" / "README.md").write_text("a card")
    assert not (fetch("hub:someone/small").parent / "README.md").exists()
    model = load_model("hub:someone/small")
    assert model.name == "small"
    assert model.config.decoder == "note"


def test_published_weights_are_converted_on_the_way(hub: Path) -> None:
    (hub / "paper" / "model").mkdir(parents=True)
    for name in ("tiny.safetensors", "tiny_config.json"):
        shutil.copy(PUBLISHED / name, hub / "paper" / "model")
    model = load_model("hub:paper/model")
    config, params = load_published(PUBLISHED / "tiny.safetensors")
    assert model.config.width == config.width
    assert num_params(model.params) == num_params(params)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("hub:someone", "give hub:OWNER/NAME"),
        ("hub:a/b/c", "give hub:OWNER/NAME"),
        ("hub:some/where", r"cannot be fetched \(no route to the hub\); check the name and the network"),
        ("hub:is/empty", r"which weights is not clear \(no .safetensors file\)"),
        ("hub:has/two", r"which weights is not clear \(a.safetensors, b.safetensors\)"),
    ],
)
def test_what_cannot_be_had_is_one_line(hub: Path, name: str, problem: str) -> None:
    for path in ("is/empty/x.json", "has/two/a.safetensors", "has/two/b.safetensors"):
        (hub / path).parent.mkdir(parents=True, exist_ok=True)
        (hub / path).touch()
    with pytest.raises(PianistError, match=problem) as raised:
        load_model(name)
    assert "\n" not in str(raised.value)


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PianistError, match=r"pip install 'pianist_jax\[hub\]'"):
        load_model("hub:someone/small")
