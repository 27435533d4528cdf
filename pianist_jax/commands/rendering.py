"""`pianist render`: scores in, performances out."""

from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.errors import PianistError
from pianist_jax.terminal import conclude, progress, say

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
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
