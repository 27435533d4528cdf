"""The examples of docstrings: they run, and give what they say."""

import doctest
import functools
import importlib
from pathlib import Path

import pytest

from pianist_jax.inference import engine
from pianist_jax.music.midi import write_midi
from tests.rendering.models import made_up_score

ROOT = Path(__file__).parent.parent
FILES = sorted(path for path in (ROOT / "pianist_jax").rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES]
SHOWN = {"pianist_jax", "pianist_jax.inference.engine", "pianist_jax.rendering.renderer"}  # these want a model


@pytest.fixture(scope="module")
def load_once():
    """The bundled model, compiled once for all examples."""
    return functools.cache(engine.load_model)


@pytest.mark.parametrize("name", MODULES)
def test_they_give_what_they_say(name, tmp_path, monkeypatch, load_once):
    module = importlib.import_module(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine, "load_model", load_once)
    write_midi("prelude.mid", made_up_score(12))
    done = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert done.attempted > 0
    assert not done.failed


def test_the_public_surface_has_examples():
    assert {*MODULES} > SHOWN
