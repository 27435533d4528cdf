"""`pianist pretrain`, `finetune`, `export` and `convert`: from prepared data to weights."""

import math
from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.errors import PianistError

commands = typer.Typer(rich_markup_mode=None)

Config = Annotated[Path, typer.Option(metavar="FILE.py", help="Recipe with get_config(stage, model).")]
Workdir = Annotated[Path, typer.Option(metavar="DIR", help="Checkpoints and log; resumed where they exist.")]
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of exported parts.")]
Preset = Annotated[str, typer.Option(metavar="PRESET", help="Sizes of the model.")]
Source = Annotated[Path | None, typer.Option("--from", metavar="PATH", help="Weights or run to begin from.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")]
Seconds = Annotated[float, typer.Option(help="Stop by then, with a checkpoint.")]


@commands.command()
def pretrain(
    config: Config,
    data: Data,
    workdir: Workdir,
    model: Preset = "note-small",
    source: Source = None,
    settings: Settings = None,
    seconds: Seconds = math.inf,
) -> None:
    """Pre-train on unaligned performances by masked denoising."""
    _run("pretrain", config, data, workdir, model, source, settings, seconds)


@commands.command()
def finetune(
    config: Config,
    data: Data,
    workdir: Workdir,
    model: Preset = "note-small",
    source: Source = None,
    settings: Settings = None,
    seconds: Seconds = math.inf,
) -> None:
    """Fine-tune on aligned pairs of score and performance."""
    _run("finetune", config, data, workdir, model, source, settings, seconds)


@commands.command()
def export(
    workdir: Annotated[Path, typer.Argument(help="A run's folder.")],
    out: Annotated[Path, typer.Argument(help="Weights file to write.")],
    dtype: Annotated[str, typer.Option(help="int8, bfloat16 or float32.")] = "int8",
) -> None:
    """Write a run's last checkpoint as the single file that `pianist render --model` takes."""
    from pianist_jax.training.stages import export_run

    if dtype not in ("int8", "bfloat16", "float32"):
        raise PianistError(f'dtype is "{dtype}", but it must be int8, bfloat16 or float32')
    export_run(workdir, out, dtype=dtype)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@commands.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Published weights, or ours.")],
    target: Annotated[Path, typer.Argument(help="File to write.")],
) -> None:
    """Turn published weights (safetensors) into ours, or ours into the published layout."""
    from pianist_jax.convert import convert

    convert(source, target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def _run(
    stage: str,
    config: Path,
    data: Path,
    workdir: Path,
    model: str,
    source: Path | None,
    settings: list[str] | None,
    seconds: float,
) -> None:
    from pianist_jax.config import override
    from pianist_jax.training.stages import load_config, run_stage

    changes = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise PianistError(f'--set takes KEY=VALUE, not "{setting}"')
        changes[key] = value
    chosen = override(load_config(config, stage, model), changes)
    run_stage(chosen, data, workdir, source=source, seconds=seconds)
