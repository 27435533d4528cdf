"""The `pianist` command: it parses, calls and prints. What costs time to import is imported by the commands."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.cli_training import training
from pianist_jax.errors import PianistError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(training)

Advance = Callable[[int], None]
SECONDS_BETWEEN_LINES = 10.0


def main() -> None:
    """Run the command. Exit code 2: nothing came of it; 1: something did not; 130: interrupted."""
    try:
        app()
    except PianistError as error:
        complain(error)
        sys.exit(2)
    except SystemExit as stop:  # also what typer makes of a KeyboardInterrupt
        if stop.code == 130:
            complain("interrupted; what was finished is kept")
        raise


@app.callback()
def pianist() -> None:
    """Play scores like a pianist would."""


@app.command()
def render(
    scores: Annotated[list[str], typer.Argument(metavar="SCORE", help="MIDI or MusicXML scores, or folders of MIDI.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Folder of the performances.")] = ".",
    model: Annotated[str, typer.Option(metavar="PATH|NAME", help="Weights file or bundled weights.")] = "default",
    seed: Annotated[int, typer.Option(help="Another seed, another performance.")] = 0,
    samples: Annotated[int, typer.Option(help="Performances of each score.")] = 1,
    temperature: Annotated[float, typer.Option(help="0: always the likeliest; 1: as the model has it.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Keep the likeliest values that hold this share.")] = 0.95,
    top_k: Annotated[int, typer.Option(help="Keep so many of the likeliest values; 0: all.")] = 0,
    tempo_events: Annotated[
        str, typer.Option(metavar="onset|beat", help="Where NAME.daw.mid changes tempo: at every onset, or on beats.")
    ] = "onset",
    plot: Annotated[bool, typer.Option("--plot", help="Also draw it (NAME.png).")] = False,
    audio: Annotated[bool, typer.Option("--audio", help="Also let it sound (NAME.wav).")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace other files that are in the way.")] = False,
) -> None:
    """Perform scores.

    Each becomes NAME.performance.mid, as it is played, and NAME.daw.mid, which sounds the same but keeps the score's
    bars, hands and beats for editing; NAME.json tells what became of every note. The same scores and settings give the
    same performances; what is there already is left alone.
    """
    from pianist_jax.rendering import batch
    from pianist_jax.rendering.extras import Extras
    from pianist_jax.rendering.programs import load_model
    from pianist_jax.rendering.sampling import Sampling

    sampling = Sampling(temperature, top_p, top_k)
    extras = Extras(tempo_events, plot, audio)
    if samples < 1:
        raise PianistError(f"samples is {samples}, but it must be 1 or more")
    loaded = load_model(model)
    jobs, outcomes = batch.find_scores(scores)
    ready = batch.read_scores(
        jobs, Path(output), loaded, seed=seed, samples=samples, sampling=sampling, force=force, extras=extras
    )
    outcomes += ready.outcomes
    for outcome in outcomes:
        if outcome.files:
            say(f"{outcome.score}: made before with these settings, left alone ({outcome.files[0]})")
    if ready.pieces:
        with progress(f"performing {len(ready.pieces)} with {loaded.name}", ready.notes) as (advance, tell):
            for outcome in batch.render_files(ready, loaded, advance=advance):
                outcomes.append(outcome)
                if outcome.rendering:
                    speed = outcome.rendering.report["notes_per_second"]
                    tell(f"{outcome.score} -> {' '.join(map(str, outcome.files))} ({speed:.0f} notes/s)")
                    error = outcome.rendering.report.get("editable_worst_error_ms")
                    if error is not None:
                        tell(f"  on the score's beats it sounds the same within {error:.2f} ms")
    conclude([outcome.error for outcome in outcomes])


def conclude(errors: list[PianistError | None]) -> None:
    """Name what went wrong; the exit code tells whether all did (2) or some (1)."""
    wrong = [error for error in errors if error is not None]
    for error in wrong:
        complain(error)
    if wrong:
        raise typer.Exit(2 if len(wrong) == len(errors) else 1)


def say(line: str) -> None:
    """Print a line whole, whatever the terminal's width and encoding."""
    print(_printable(line, sys.stdout.encoding), flush=True)


def complain(problem: PianistError | str) -> None:
    """Print a problem as one line on stderr."""
    print(_printable(f"pianist: {problem}", sys.stderr.encoding), file=sys.stderr, flush=True)


def _printable(line: str, encoding: str | None) -> str:
    encoding = encoding or "utf-8"
    return " ".join(line.splitlines()).encode(encoding, "backslashreplace").decode(encoding)


@contextmanager
def progress(what: str, notes: int) -> Iterator[tuple[Advance, Callable[[str], None]]]:
    """A bar with notes/s and time left on a terminal, a line now and then elsewhere.

    Gives two functions: one that is told of every so many notes performed, one to print a line meanwhile.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        say(f"{what}: {notes} notes")
        yield _line_progress(notes), say
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} notes"))
    speed = (TextColumn("{task.fields[speed]:.0f} notes/s"), TimeRemainingColumn())
    with Progress(*columns, *speed, console=console) as bar:
        task = bar.add_task(what, total=notes, speed=0.0)

        def advance(performed: int) -> None:
            bar.advance(task, performed)
            bar.update(task, speed=bar.tasks[0].speed or 0.0)

        def tell(line: str) -> None:
            text = _printable(line, sys.stdout.encoding)
            bar.console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)

        yield advance, tell


def _line_progress(notes: int) -> Advance:
    began = told = time.monotonic()
    performed = 0

    def advance(more: int) -> None:
        nonlocal told, performed
        performed, now = performed + more, time.monotonic()
        if now - told >= SECONDS_BETWEEN_LINES and performed < notes:
            told, speed = now, performed / (now - began)
            left = (notes - performed) / max(speed, 1e-9)
            say(f"{performed}/{notes} notes, {speed:.0f} notes/s, {left:.0f} s left")

    return advance


if __name__ == "__main__":
    main()
