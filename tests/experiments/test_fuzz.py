"""A few wrong files of each kind, and those that once ended in a traceback."""

import time
from pathlib import Path

import pytest

from experiments import fuzz

KEPT = sorted(path for path in (Path(__file__).parents[1] / "data" / "fuzz").iterdir() if path.is_file())


@pytest.fixture(scope="module", params=["midi", "musicxml", "mei", "kern", "mxl", "json", "parts", "abc"])
def kind(request):
    return request.param, fuzz.seeds_of(request.param)


def test_wrong_files_end_in_a_result_or_in_a_line(kind, tmp_path: Path) -> None:
    name, seeds = kind
    assert all(fuzz.check(name, seed, tmp_path) == "" for seed in seeds)
    wrong = {number: fuzz.check(name, fuzz.make_input(name, seeds, 1, number), tmp_path) for number in range(25)}
    assert {number: problem for number, problem in wrong.items() if problem} == {}


def test_an_input_follows_from_its_number_and_not_from_the_clock(kind, monkeypatch: pytest.MonkeyPatch) -> None:
    name, seeds = kind
    made = [fuzz.make_input(name, seeds, 1, number) for number in (3, 4)]
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert fuzz.make_input(name, seeds, 1, 3) == made[0]
    assert made[0] != made[1]


@pytest.mark.parametrize("path", KEPT, ids=[path.name for path in KEPT])
def test_what_once_was_a_traceback(path: Path, tmp_path: Path) -> None:
    (name,) = (name for name, kind in fuzz.KINDS.items() if kind.suffix == path.suffix)
    assert fuzz.check(name, path.read_bytes(), tmp_path) == ""


def test_what_nobody_foresaw_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(path: Path) -> None:
        raise KeyError(path.name)

    monkeypatch.setitem(fuzz.KINDS, "kern", fuzz.Kind(".krn", fuzz.KINDS["kern"].mutate, stumble))
    assert fuzz.check("kern", b"", tmp_path).startswith("KeyError: 'input.krn' (test_fuzz.py")
