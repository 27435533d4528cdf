"""From files to files: the commands' bad input, and a run on streamed shards up to the weights that rendering takes."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from typer.testing import CliRunner

from pianist_jax.cli import app
from pianist_jax.config import Augmentation, Mixture
from pianist_jax.data.export import export, export_pairs
from pianist_jax.data.records import pack_pair
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.training.logs import read_log
from pianist_jax.training.loop import Observers
from pianist_jax.training.stages import export_run, load_run, read_config, run_stage
from pianist_jax.weights import load_weights
from tests.data_room.made_shards import make_folders, make_pairs_folder, numbered_tokens
from tests.training.job import tiny

RECIPE = str(Path(__file__).parents[2] / "experiments" / "default.py")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--config", "no.py"], "no.py: no such recipe"),
        (["--config", RECIPE, "--set", "model.wdith=3"], 'did you mean "model.width"'),
        (["--config", RECIPE, "--set", "batch"], 'takes KEY=VALUE, not "batch"'),
        (["--config", RECIPE, "--set", "batch=many"], "takes a int"),
        (["--config", RECIPE, "--mesh", "gpu-9"], 'did you mean "gpu-8"'),
        (["--config", RECIPE, "--model", "note-smal"], 'did you mean "note-small"'),
        (["--config", RECIPE, "--sample", "no.mid"], "no.mid: no such score"),
        (["--config", RECIPE, "--data", "nowhere"], "nowhere: holds no pairs-*.part"),
        (["--config", RECIPE], "there is nothing to validate on; give --validation"),
    ],
)
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_what_cannot_be_trained_is_told_in_a_line(
    stage: str, arguments: list[str], problem: str, tmp_path: Path
) -> None:
    workdir = tmp_path / "run"
    result = CliRunner().invoke(app, [stage, "--workdir", str(workdir), *arguments])
    assert isinstance(result.exception, PianistError), result.output
    assert problem in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not workdir.exists()


OLDER = """{
 "model": {"width": 32, "heads": 4, "kv_heads": 2, "decoder": "note", "window": 64},
 "task": "finetune", "batch": 4, "window": 64, "steps": 90, "warmup": 9, "learning_rate": 0.002,
 "final": 0.5, "clip": 2.0, "every": 30, "evaluate_every": 90, "average": 0.75, "spike": 3.0, "keep": 1,
 "augmentation": {"transpose": 6}, "masking": {"unit": "span"}, "mixture": {"pop": 0.25}, "mesh": {"fsdp": 2}
}"""


def test_runs_of_older_versions_are_understood(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(OLDER)
    config = read_config(tmp_path)
    told = (config.log_every, config.final_lr_ratio, config.ema_decay, config.skip_grad_ratio, config.grad_clip_norm)
    assert told == (30, 0.5, 0.75, 3.0, 2.0)
    assert (config.model.width, config.model.decoder, config.window, config.steps) == (32, "note", 64, 90)
    groups = (config.augmentation.transpose, config.masking.unit, config.mixture.pop, config.mesh.fsdp)
    assert groups == (6, "span", 0.25, 2)
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    assert read_config(tmp_path) == config
    (tmp_path / "config.json").write_text('{"tempo": 3}')
    with pytest.raises(PianistError, match=r"config\.json holds no settings .*tempo"):
        read_config(tmp_path)


@pytest.mark.slow
def test_a_run_on_streamed_shards_ends_in_weights(tmp_path: Path) -> None:
    pairs = make_pairs_folder(tmp_path)
    config = tiny(steps=10, evaluate_every=5, sample_every=5, ema_decay=0.9)
    performed: list[int] = []

    def perform(params: dict, step: int) -> str:
        performed.append(step)
        return f"{len(params)} parts"

    said: list[str] = []
    observers = Observers(report=said.append, sample=perform)
    run_stage(config, None, tmp_path / "run", shards=[pairs], observers=observers)
    assert performed == [5, 10]
    assert "step 5: 3 parts" in said
    with (tmp_path / "run" / "log.jsonl").open("a") as log:
        log.write('{"step": 15, "validation": {"note": 9.0}}\n')  # of a step whose checkpoint was lost
    export_run(tmp_path / "run", tmp_path / "tiny.safetensors", dtype="float32")
    model, weights = load_weights(tmp_path / "tiny.safetensors")
    assert model == dataclasses.replace(config.model, dtype="float32")
    card = export_run(tmp_path / "run", tmp_path / "own", dtype="float32").with_name("README.md").read_text()
    assert "After step 10:" in card
    assert "| `steps` | 10 |" in card
    published = load_weights(tmp_path / "own" / "model.safetensors")[1]
    np.testing.assert_array_equal(published["encoder"]["norm"]["weight"], weights["encoder"]["norm"]["weight"])
    _, params = load_run(tmp_path / "run")
    np.testing.assert_array_equal(weights["encoder"]["norm"]["weight"], params["encoder"]["norm"]["weight"])
    said.clear()
    changed = dataclasses.replace(config, learning_rate=1e-4, log_every=1)  # what is logged when may change
    with pytest.raises(PianistError, match=r"other settings \(learning_rate 0\.005 -> 0\.0001\); .*--set-anyway"):
        run_stage(changed, None, tmp_path / "run", shards=[pairs], observers=observers)
    assert read_config(tmp_path / "run") == config
    run_stage(changed, None, tmp_path / "run", shards=[pairs], observers=observers, set_anyway=True)
    assert said == ["finished: all 10 steps are done; `pianist export` writes the weights"]
    other = dataclasses.replace(config, model=dataclasses.replace(config.model, width=32))
    with pytest.raises(PianistError, match="holds a model of other sizes"):
        run_stage(other, None, tmp_path / "other", shards=[pairs], source=tmp_path / "run")


def a_corpus(folder: Path, pop: bool = True) -> Path:
    """Exported parts: pairs of ASAP and POP909, and pieces, every one with values of its own."""
    rng = np.random.default_rng(3)
    writer = ArrayRecordWriter(str(folder / "train.array_record"), "group_size:1")
    for number, (corpus, split) in enumerate([("asap", "train"), ("pop909", "train"), ("asap", "validation")]):
        score, played = (numbered_tokens(rng, 150, number).astype(np.int32) for _ in range(2))
        metadata = {"composition": str(number), "split": split, "pedal": "none", "corpus": corpus, "file": str(number)}
        if pop or corpus == "asap":
            writer.write(pack_pair(ScoreTokens(score), played, metadata))
    writer.close()
    export_pairs([folder / "train.array_record"], folder / "parts")
    return folder / "parts"


def test_a_mixture_needs_what_it_is_made_of(tmp_path: Path) -> None:
    parts = a_corpus(tmp_path, pop=False)
    for mixture, missing in ((Mixture(pop=0.2), "none of POP909"), (Mixture(invented=0.2), "no pretrain")):
        with pytest.raises(PianistError, match=missing):
            run_stage(tiny(mixture=mixture), parts, tmp_path / "run")
    with pytest.raises(PianistError, match="shares of a mixture"):
        Mixture(thinned=0.6, invented=0.5)
    with pytest.raises(PianistError, match="no one tempo"):
        tiny(packed=True, augmentation=Augmentation(anchored=True))


@pytest.mark.slow
def test_pieces_alone_are_pretrained_and_validated_on(tmp_path: Path) -> None:
    parts, said = tmp_path / "parts", list[str]()
    export(make_folders(tmp_path), parts)
    config = dataclasses.replace(tiny(steps=6, log_every=4, evaluate_every=3), task="pretrain")
    with pytest.raises(PianistError, match="holds no pairs to validate on and fewer than 20 pieces"):
        run_stage(config, parts, tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pianist_jax.training.stages.HELD_OUT", 2)
        run_stage(config, parts, tmp_path / "run", report=said.append)
    assert [(line["step"], "validation" in line) for line in read_log(tmp_path / "run")] == [
        (3, True), (4, False), (6, True),
    ]  # fmt: skip
    assert "were training" in said[-1]


@pytest.mark.slow
def test_a_mixture_is_trained_on(tmp_path: Path) -> None:
    parts = a_corpus(tmp_path)
    export(make_folders(tmp_path), parts)
    augmentation = Augmentation(2, 0.1, 0.1, retimed=0.5, anchored=True)
    config = tiny(steps=10, evaluate_every=5, mixture=Mixture(0.3, 0.2, 0.3), augmentation=augmentation)
    said: list[str] = []
    run_stage(config, parts, tmp_path / "run", report=said.append)
    assert any(line.startswith("step 10 ") for line in said)
    assert read_config(tmp_path / "run") == config
