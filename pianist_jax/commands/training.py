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

Config = Annotated[Path, typer.Option(metavar="FILE.py", help="Recipe: a Python file with get_config(stage, model).")]
Workdir = Annotated[
    str, typer.Option(metavar="DIR", help="Folder or gs://… of checkpoints and logs; what is there is resumed.")
]
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder of exported parts to keep in memory.")]
Shards = Annotated[
    list[Path] | None, typer.Option("--shards", metavar="DIR", help="Prepared folder to stream from; may be repeated.")
]
Pairs = Annotated[
    Path | None, typer.Option("--validation", metavar="DIR", help="Folder of pairs to validate on, with --shards.")
]
Workers = Annotated[int, typer.Option(help="Processes that read shards; 0: threads only.")]
Preset = Annotated[str, typer.Option(metavar="PRESET", help="Preset of the model's sizes.")]
Mesh = Annotated[str | None, typer.Option(metavar="PRESET", help="Preset of the devices' layout.")]
Source = Annotated[str | None, typer.Option("--from", metavar="PATH", help="Weights file or run to start from.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe; may be repeated."),
]
Seconds = Annotated[float, typer.Option(help="Stop after this long, with a checkpoint.")]
Sample = Annotated[Path | None, typer.Option(metavar="SCORE", help="Score to perform every `sample_every` steps.")]
SetAnyway = Annotated[bool, typer.Option("--set-anyway", help="Go on with a run though settings differ from its own.")]
Profile = Annotated[bool, typer.Option("--profile", help="Trace some steps, for TensorBoard, into profile/.")]


STAGES = {
    "pretrain": "Pre-train on performances alone, by filling in what is masked.",
    "finetune": "Fine-tune on aligned pairs of score and performance.",
    "consensus": "Teach a fine-tuned model what pianists agree on: the mean of all performances of a score.",
}


def _add_stage(stage: str, purpose: str) -> None:
    """One command for each stage of training; they differ in what they learn from, not in how they are run."""

    @commands.command(stage, help=purpose)
    def train(
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
        set_anyway: SetAnyway = False,
    ) -> None:
        from pianist_jax.training.stages import run_stage

        chosen = _settled(stage, config, model, mesh, settings or [])
        with _observers(chosen, workdir, sample, profile) as observers:
            run_stage(
                chosen,
                data,
                workdir,
                source=source,
                shards=shards or [],
                pairs=validation,
                workers=workers,
                seconds=seconds,
                observers=observers,
                set_anyway=set_anyway,
            )


for _stage, _purpose in STAGES.items():
    _add_stage(_stage, _purpose)


@commands.command()
def export(
    workdir: Annotated[str, typer.Argument(help="Folder or gs://… of a run.")],
    out: Annotated[Path, typer.Argument(help="Weights file to write; without a suffix a folder with a model card.")],
    dtype: Annotated[
        str, typer.Option(metavar="int8|bfloat16|float32", help="Precision of the stored weights.")
    ] = "int8",
) -> None:
    """Write a run's last checkpoint as one weights file, for `pianist render --model`.

    A folder is written as the Hugging Face hub takes it, the weights and a README.md that tells settings and
    validation, for `--model hub:OWNER/NAME`.
    """
    from pianist_jax.training.stages import export_run

    if dtype not in ("int8", "bfloat16", "float32"):
        raise PianistError(f'dtype is "{dtype}", but it must be int8, bfloat16 or float32')
    file = export_run(workdir, out, dtype=dtype)
    say(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    if file != out:
        say(f"{out} may be published once its README.md tells the licence")


@commands.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Weights file to read.")],
    target: Annotated[Path, typer.Argument(help="Weights file to write.")],
) -> None:
    """Convert the paper's published weights (safetensors) to this package's layout, or back."""
    from pianist_jax.convert import convert

    convert(source, target)
    say(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def _settled(stage: str, config: Path, model: str, mesh: str | None, settings: list[str]) -> Any:
    """The recipe's settings with those of the command line; joins the other processes of the job first."""
    import dataclasses

    from pianist_jax.config import mesh_preset
    from pianist_jax.config.changes import override
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
