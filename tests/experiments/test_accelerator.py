"""What an accelerator does: measured once each, within the time there is, and told in a table from the file alone."""

import json
from pathlib import Path

import pytest

from experiments import accelerator
from pianist_jax.config import preset
from pianist_jax.model.pianist import abstract_params
from pianist_jax.model.sizes import num_params

LACKING = ("grain", "typer", "mido", "soundfile", "platformdirs", "partitura", "array_record", "tensorboardX")


def trained(what: str, speed: float, **more: object) -> dict:
    figures = {"device": "1 × H100", "mfu": 0.25, "ms_per_step": 50.0, "peak_gib": 12.0, "took_s": 30.0}
    return {"what": what, "speed": speed, **figures, **more}


def test_what_does_not_fit_is_measured_by_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file, asked = tmp_path / "fast.jsonl", []

    def measured(spec: str, seconds: float, steps: int) -> dict:
        asked.append((spec, steps))
        return trained(spec, 1000.0, took_s=70.0)

    monkeypatch.setattr(accelerator, "measured", measured)
    clock = iter(range(0, 10_000, 50))
    monkeypatch.setattr(accelerator.time, "monotonic", lambda: float(next(clock)))
    plan = [f"train:tiny:{batch}" for batch in (1, 2, 3)]
    accelerator.measure_missing(plan, file, 130.0, 7)
    assert asked == [("train:tiny:1", 7)]  # of 80 s that are left, then 30
    accelerator.measure_missing(plan, file, 1000.0, 7)
    assert [spec for spec, _ in asked] == plan
    assert [line["what"] for line in accelerator.read(file)] == plan


def test_a_line_that_a_call_was_cut_off_in_is_measured_again(tmp_path: Path):
    file = tmp_path / "fast.jsonl"
    file.write_text(json.dumps(trained("train:tiny:1", 1.0)) + '\n{"what": "train:ti')
    assert [line["what"] for line in accelerator.read(file)] == ["train:tiny:1"]
    assert file.read_text().endswith("}\n")


def test_the_table_comes_from_the_file_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "fast.jsonl"
    played = {
        "what": "render:135m:4:bfloat16",
        "device": "1 × H100",
        "speed": 2000.0,
        "speeds": [1900.0, 2000.0, 2100.0],
    }
    lines = [
        trained("train:135m:32", 1_000_000 / 8),
        trained("train:note-small:128", 7_300_000 / 8, mfu=None, peak_gib=None),
        trained("torch:135m:32:compiled", 500_000 / 8, mfu=0.125),
        {**played, "first_notes_s": 0.5, "compile_s": 40.4, "took_s": 60.0},
        {"what": "train:135m:64", "took_s": 20.0, "error": "RuntimeError: out of memory"},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    accelerator.main([str(file), "--table"])
    rows = (tmp_path / "fast.md").read_text().splitlines()
    assert rows == capsys.readouterr().out.splitlines()
    assert rows[2:5] == [
        "| `135m`, 32 windows, JAX | 1 × H100 | 1 M | 25.0% | 50.0 | 12.0 GiB |",
        "| `135m`, 32 windows, PyTorch, compiled | 1 × H100 | 0.5 M | 12.5% | 50.0 | 12.0 GiB |",
        "| `note-small`, 128 windows, JAX | 1 × H100 | 7.3 M | – | 50.0 | – |",
    ]
    drawn = "`135m`, 4 × 512 notes, drawn once, bfloat16"
    assert rows[-3:] == [
        f"| {drawn} | 1 × H100 | 2,000 (1,900–2,100) | 0.50 s | 40 s |",
        "",
        "`train:135m:64` failed: RuntimeError: out of memory",
    ]


@pytest.mark.slow
def test_a_rehearsal_on_a_machine_without_the_command_line_s_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Each measurement is a process; none may import what such a machine lacks."""
    (tmp_path / "lacking").mkdir()
    for name in LACKING:
        (tmp_path / "lacking" / f"{name}.py").write_text(f"raise ImportError('{name} is not there')\n")
    root = Path(accelerator.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'lacking'}:{root}")
    monkeypatch.setenv("XLA_FLAGS", "")
    file = tmp_path / "tiny.jsonl"
    specs = ["train:note-tiny:1:xla:dtype=float32", "render:note-tiny:2:float32:64", "train:no-such:1"]
    accelerator.main([str(file), *specs, "--steps", "1", "--seconds", "3600"])
    train, render, wrong = accelerator.read(file)
    assert train["speed"] > 0
    assert render["speeds"]
    assert "no-such" in wrong["error"]
    assert (tmp_path / "tiny.md").read_text().count("`note-tiny`") == 2
    before = file.read_bytes()
    monkeypatch.setattr(accelerator, "measured", None)
    accelerator.main([str(file), *specs])
    assert file.read_bytes() == before
    assert capsys.readouterr().out.count(f"is in {file}") == 3


@pytest.mark.parametrize("name", ["tiny", "note-tiny", "135m", "note-135m", "note-small"])
def test_pytorch_s_step_has_the_same_sizes(name: str):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from experiments.torch_step import Twin

    with torch.device("meta"):
        twin = Twin(preset(name))
    assert sum(parameter.numel() for parameter in twin.parameters()) == num_params(abstract_params(preset(name)))
