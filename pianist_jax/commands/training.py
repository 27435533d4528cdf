"""`pianist pretrain`, `finetune`, `consensus`, `export` and `convert`: from prepared data to weights."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pianist_jax.errors import PianistError
from pianist_jax.terminal import say

if TYPE_CHECKING:
    from pianist_jax.config import ModelConfig
    from pianist_jax.training.loop import Observers

commands = typer.Typer(rich_markup_mode=None)

Config = Annotated[Path, typer.Option(metavar="FILE.py", help="Recipe with get_config(stage, model).")]
Workdir = Annotated[str, typer.Option(metavar="DIR", help="Checkpoints and logs, or gs://…; resumed if there.")]
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder of exported parts, kept in memory.")]
Shards = Annotated[
    list[Path] | None, typer.Option("--shards", metavar="DIR", help="Prepared folder to stream; may be repeated.")
]
Pairs = Annotated[Path | None, typer.Option("--validation", metavar="DIR", help="Folder of pairs to validate on.")]
Workers = Annotated[int, typer.Option(help="Processes that read shards; 0: threads.")]
Preset = Annotated[str, typer.Option(metavar="PRESET", help="Sizes of the model.")]
Mesh = Annotated[str | None, typer.Option(metavar="PRESET", help="Layout of devices, by kind of machine.")]
Source = Annotated[str | None, typer.Option("--from", metavar="PATH", help="Weights or run to begin from.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")]
Seconds = Annotated[float, typer.Option(help="Stop by then, with a checkpoint.")]
Sample = Annotated[Path | None, typer.Option(metavar="SCORE", help="Perform this every `sample_every` steps.")]
Profile = Annotated[bool, typer.Option("--profile", help="Trace some steps into the workdir's profile/.")]


@commands.command()
def pretrain(
    config: Config,
    workdir: Workdir,
    data: Data = None,
    shards: Shards = None,
    validation: Pairs = None,
    workers: Workers = 0,
    model: Preset = "note-small",
    mesh: Mesh = None,
    source: Source = None,
    settings: Settings = None,
    seconds: Seconds = math.inf,
    sample: Sample = None,
    profile: Profile = False,
) -> None:
    """Pre-train on unaligned performances by masked denoising."""
    chosen = _settled("pretrain", config, model, mesh, settings or [])
    read = {"source": source, "shards": shards or [], "pairs": validation, "workers": workers}
    _run(chosen, data, workdir, sample, profile, seconds=seconds, **read)


@commands.command()
def finetune(
    config: Config,
    workdir: Workdir,
    data: Data = None,
    shards: Shards = None,
    validation: Pairs = None,
    workers: Workers = 0,
    model: Preset = "note-small",
    mesh: Mesh = None,
    source: Source = None,
    settings: Settings = None,
    seconds: Seconds = math.inf,
    sample: Sample = None,
    profile: Profile = False,
) -> None:
    """Fine-tune on aligned pairs of score and performance."""
    chosen = _settled("finetune", config, model, mesh, settings or [])
    read = {"source": source, "shards": shards or [], "pairs": validation, "workers": workers}
    _run(chosen, data, workdir, sample, profile, seconds=seconds, **read)


@commands.command()
def consensus(
    config: Config,
    workdir: Workdir,
    data: Data = None,
    model: Preset = "note-small",
    mesh: Mesh = None,
    source: Source = None,
    settings: Settings = None,
    seconds: Seconds = math.inf,
) -> None:
    """Let a fine-tuned model learn what pianists agree on: the mean of all performances of a score."""
    chosen = _settled("consensus", config, model, mesh, settings or [])
    _run(chosen, data, workdir, None, False, source=source, seconds=seconds)


@commands.command()
def export(
    workdir: Annotated[str, typer.Argument(help="A run's folder, or gs://….")],
    out: Annotated[Path, typer.Argument(help="Weights file to write.")],
    dtype: Annotated[str, typer.Option(help="int8, bfloat16 or float32.")] = "int8",
) -> None:
    """Write a run's last checkpoint as the single file that `pianist render --model` takes."""
    from pianist_jax.training.stages import export_run

    if dtype not in ("int8", "bfloat16", "float32"):
        raise PianistError(f'dtype is "{dtype}", but it must be int8, bfloat16 or float32')
    export_run(workdir, out, dtype=dtype)
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@commands.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Published weights, or ours.")],
    target: Annotated[Path, typer.Argument(help="File to write.")],
) -> None:
    """Turn published weights (safetensors) into ours, or ours into the published layout."""
    from pianist_jax.convert import convert

    convert(source, target)
    say(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def _settled(stage: str, config: Path, model: str, mesh: str | None, settings: list[str]) -> Any:
    """The recipe's settings with those of the command line; joins the other processes of the job first."""
    import dataclasses

    from pianist_jax.config import mesh_preset, override
    from pianist_jax.parallel import initialise_distributed
    from pianist_jax.training.stages import load_config

    changes = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise PianistError(f'--set takes KEY=VALUE, not "{setting}"')
        changes[key] = value
    chosen = load_config(config, stage, model)
    if mesh is not None:
        chosen = dataclasses.replace(chosen, mesh=mesh_preset(mesh))
    chosen = override(chosen, changes)
    initialise_distributed()
    return chosen


def _run(chosen: Any, data: Path | None, workdir: str, sample: Path | None, profile: bool, **named: Any) -> None:
    from pianist_jax.training.stages import run_stage

    with _observers(chosen, workdir, sample, profile) as observers:
        run_stage(chosen, data, workdir, observers=observers, **named)


@contextmanager
def _observers(config: Any, workdir: str, sample: Path | None, profile: bool) -> "Iterator[Observers]":
    """What the run is told through: a bar on a terminal, lines elsewhere; a performed score now and then."""
    import jax

    from pianist_jax.terminal import training_bar
    from pianist_jax.training.loop import Observers

    if sample is not None and not sample.exists():
        raise PianistError(f"{sample}: no such score; give one to perform")
    if sample is not None and "://" in workdir:
        raise PianistError(f"{workdir}: --sample writes to a local folder only; leave it out")

    def perform(params: Any, step: int) -> str:
        return _performed(sample, config.model, params, f"{workdir}/samples/step-{step:07d}")

    with training_bar(config.task, config.steps, shown=jax.process_index() == 0) as (show, report):
        yield Observers(report=report, show=show, sample=perform if sample else None, profile=profile)


def _performed(score: Path | None, config: "ModelConfig", params: Any, folder: str) -> str:
    """Perform a score with weights as they are in training."""
    import dataclasses
    import tempfile

    import pianist_jax
    from pianist_jax.weights import save_weights

    plain = dataclasses.replace(config, dtype="float32", attention="xla", dropout=0.0, remat=False)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "weights.safetensors"
        save_weights(path, plain, params, dtype="float32")
        rendering = pianist_jax.render(str(score), pianist_jax.load_model(str(path)))
    rendering.save(folder)
    return f"performed {score} in {folder}"
