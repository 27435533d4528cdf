"""The commands of `pianist` that make models: prepare, pairs, data export, pretrain, finetune, export, convert."""

import math
from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.errors import PianistError

training = typer.Typer(rich_markup_mode=None)
data = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Prepared corpora and pairs.")
training.add_typer(data, name="data")

Config = Annotated[Path, typer.Option(metavar="FILE.py", help="Recipe with get_config(stage, model).")]
Workdir = Annotated[Path, typer.Option(metavar="DIR", help="Checkpoints and log; resumed where they exist.")]
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of exported parts.")]
Preset = Annotated[str, typer.Option(metavar="PRESET", help="Sizes of the model.")]
Source = Annotated[Path | None, typer.Option("--from", metavar="PATH", help="Weights or run to begin from.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")]
Seconds = Annotated[float, typer.Option(help="Stop by then, with a checkpoint.")]


@training.command()
def prepare(
    folder: Annotated[Path | None, typer.Argument(help="Where a corpus of MIDI files was unpacked.")] = None,
    source: Annotated[str, typer.Option(metavar="NAME", help="Which corpus it is.")] = "",
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="New folder of shards.")] = Path(
        "prepared"
    ),
    workers: Annotated[int | None, typer.Option(help="Processes; as many as there are cores.")] = None,
    list_sources: Annotated[bool, typer.Option("--list", help="Show the known corpora.")] = False,
) -> None:
    """Read a corpus of MIDI files into compact record shards."""
    from pianist_jax.data.prepare import prepare
    from pianist_jax.data.sources import SOURCES, find_source

    if list_sources:
        print(f"{'name':18}{'kind':15}{'pedal':12}{'weight':>6}  licence")
        for known in SOURCES:
            print(f"{known.name:18}{known.kind:15}{known.pedal:12}{known.weight:6}  {known.licence}")
        return
    if folder is None:
        raise PianistError("name the folder of a corpus, or ask for --list")
    summary = prepare(folder, output, source=find_source(source or folder.name), workers=workers)
    print(
        f"{output}: {summary.pieces} pieces, {summary.notes} notes; {summary.left_out} left out (see the manifest)"
    )


@training.command()
def pairs(
    asap: Annotated[Path, typer.Argument(help="The ASAP folder, with metadata.csv.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of pair records.")] = Path(
        "pairs"
    ),
    alignments: Annotated[
        Path | None, typer.Option(metavar="NPZ", help="Alignments made before; each is checked.")
    ] = None,
    least_matched: Annotated[float, typer.Option(help="Leave out performances that match less of their score.")] = 0.9,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
) -> None:
    """Align performances to their scores, note by note; goes on where it was stopped."""
    from pianist_jax.data.pairs import make_pairs

    outcomes = make_pairs(asap, output, alignments=alignments, least_matched=least_matched, workers=workers)
    used = [outcome for outcome in outcomes if not outcome.left_out]
    notes = sum(outcome.notes for outcome in used)
    print(f"{output}: {len(used)} of {len(outcomes)} performances, {notes} notes (see manifest.csv)")


@data.command("export")
def data_export(
    folders: Annotated[list[Path], typer.Argument(help="Prepared folders, and folders of pairs.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where the parts go.")],
) -> None:
    """Write prepared corpora and pairs as parts of at most 40 MiB that NumPy alone reads."""
    from pianist_jax.data.export import export, export_pairs

    records = [file for folder in folders for file in sorted(folder.glob("*.array_record")) if _holds_pairs(folder)]
    prepared = [folder for folder in folders if not _holds_pairs(folder)]
    written = export(prepared, output) if prepared else []
    written += export_pairs(records, output) if records else []
    for path in written:
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


@training.command()
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


@training.command()
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


@training.command()
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


@training.command()
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


def _holds_pairs(folder: Path) -> bool:
    return (folder / "train.array_record").exists()
