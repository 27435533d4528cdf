"""The figures of `pianist bench`: what can be asked for, what is measured, and what counts as a change."""

import json
import sys

import pytest

from pianist_jax import benchmark, cli
from pianist_jax.benchmark import compare, complete, invented, measure_here
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import normalise


def test_specifications():
    assert complete("render") == "render:default:1:float32:512"
    assert complete("render:135m:16:bfloat16") == "render:135m:16:bfloat16:512"
    assert complete("averaged:135m") == "averaged:135m:1:float32:512"
    assert complete("train:15m:8") == "train:15m:8:float32:xla"
    for wrong in ("", "play:default", "render:default:1:float32:512:6", "render:a:x", "render:a:0", "train:no"):
        with pytest.raises(PianistError):
            complete(wrong)


def test_invented_scores_are_as_long_as_asked_for():
    for seed in range(3):
        score = normalise(invented(200, seed))[0]
        assert len(score) == 200
        assert 2 * 12 < score.pitch.max() - score.pitch.min() < 88


def result(what, speeds):
    return {"what": what, "speed": sorted(speeds)[len(speeds) // 2], "speeds": speeds, "unit": "notes/s"}


def test_changes_count_where_no_run_overlaps():
    old = [result("a", [10.0, 11.0, 12.0]), result("b", [10.0, 11.0, 12.0])]
    new = [result("a", [20.0, 22.0, 24.0]), result("b", [9.0, 11.0, 11.5]), result("c", [1.0])]
    assert compare(new, old) == [
        "a: 11.0 -> 22.0 notes/s, 2.00×",
        "b: 11.0 -> 11.0 notes/s, 1.00× (the runs of both overlap)",
    ]


@pytest.mark.slow
def test_a_measurement():
    told = measure_here("render:note-tiny:2:float32:64")
    assert told["what"] == "render:note-tiny:2:float32:64"
    assert len(told["speeds"]) == benchmark.RUNS
    assert min(told["speeds"]) <= told["speed"] <= max(told["speeds"])
    assert told["first_notes_s"] > 0
    assert told["compile_s"] > 0
    assert told["parameters"] > 100_000
    assert told["peak_memory_mib"] > 100
    json.dumps(told)


def bench(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["pianist", "bench", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as stopped:
        return stopped.code or 0
    return 0


def test_the_command_compares_with_a_file(monkeypatch, tmp_path, capsys):
    asked = []

    def measured(what, rounds):
        asked.append((list(what), rounds))
        return [result(one, [10.0 * len(asked)]) for one in what]

    monkeypatch.setattr(benchmark, "measure", measured)
    assert bench(monkeypatch, "render:a", "-o", tmp_path / "old.json", "--rounds", 3) == 0
    assert bench(monkeypatch, "--compare", tmp_path / "old.json") == 0
    assert asked == [(["render:a"], 3), (["render:a"], 1)]
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "render:a: 10.0 -> 20.0 notes/s, 2.00×"
    assert json.loads((tmp_path / "old.json").read_text())["results"][0]["speed"] == 10.0


@pytest.mark.parametrize("content", ["", "{}", '{"results": [{}]}', '{"results": 3}'])
def test_what_cannot_be_compared(monkeypatch, tmp_path, capsys, content):
    (tmp_path / "old.json").write_text(content)
    assert bench(monkeypatch, "--compare", tmp_path / "old.json") == 2
    assert "old.json" in capsys.readouterr().err


@pytest.mark.slow
def test_measuring_in_processes_of_their_own():
    (told, trained) = benchmark.measure(["render:note-tiny:1:float32:64", "train:note-tiny:2"], 2)
    assert len(told["speeds"]) == len(trained["speeds"]) == 2 * benchmark.RUNS
    assert trained["ms_per_step"] > 0
    with pytest.raises(PianistError, match="cannot be measured"):
        benchmark.measure(["render:no-such-model"])
