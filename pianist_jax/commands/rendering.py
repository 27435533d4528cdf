"""`pianist render`: scores in, performances out."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pianist_jax.commands import options
from pianist_jax.commands.grouped import grouped
from pianist_jax.errors import PianistError, in_words
from pianist_jax.terminal import conclude, once_in, progress, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from pianist_jax.performance.passage import Passage
    from pianist_jax.rendering.batch import Order, Outcome
    from pianist_jax.rendering.finding import FoundScore

commands = typer.Typer(rich_markup_mode=None)
NAMED = 10  # scores that are left alone; the others are counted


@commands.command()
@grouped
def render(
    scores: Annotated[
        list[str], typer.Argument(metavar="SCORE", help="MIDI, MusicXML, MEI, kern or ABC scores, or folders of them.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Folder of the performances.")] = ".",
    model: Annotated[
        str, typer.Option(metavar="PATH|NAME", help="Weights file, bundled weights or hub:OWNER/NAME.")
    ] = "default",
    seed: Annotated[int, typer.Option(help="Another seed, another performance.")] = 0,
    samples: Annotated[int, typer.Option(help="Performances of each score.")] = 1,
    *,
    drawn: options.Drawn,
    read: options.Read,
    anew: options.Anew,
    shaped: options.Shaped,
    files: options.Files,
    spread: options.Spread,
    takes: options.Takes = False,
    force: options.Force = False,
    log: options.Log = None,
) -> None:
    """Perform scores.

    Each becomes NAME.performance.mid, as it is played, and NAME.daw.mid, which sounds the same but keeps the score's
    bars, hands and beats for editing; NAME.json tells what became of every note. The same scores and settings give the
    same performances; what is there already is left alone, so that a run that was stopped goes on. Other settings make
    another take of a single score (`pianist history`). Several scores are told of in DIR/manifest.jsonl. Scores also
    come in tar archives and in lists (.txt, one path a line).
    """
    from pianist_jax.rendering.batch import Order

    scores, shaped = shaped.with_words_among(scores)
    passage = anew.passage(shaped)
    make_order = partial(
        Order,
        _folder(output),
        seed=seed,
        samples=_some(samples),
        pace=shaped.pace(),
        sampling=drawn.sampling(),
        expression=shaped.expression(),
        extras=files.extras(),
        takes=takes,
        force=force,
        reading=read.reading(),
        log=options.log_of(log),
    )
    if spread.runner:
        whole = anew == options.Anew() and shaped.style_of is None
        _render_on_beam(scores, make_order, model, spread, whole=whole)
        return
    order = make_order(model=options.ready_model(model))
    if shaped.style_of is not None:
        _render_in_style(scores, order, Path(shaped.style_of), whole=anew == options.Anew())
    elif anew.performance is not None:
        _take_recording(scores, order, Path(anew.performance), plain=passage is None)
    elif passage is None:
        _render_scores(scores, order, spread.shard)
    else:
        _render_passage(scores, order, passage, files.tempo_events)


def _some(samples: int) -> int:
    if samples < 1:
        raise PianistError(f"samples is {samples}, but it must be 1 or more")
    return samples


def _folder(output: str) -> Path:
    if "://" in output:
        raise PianistError(f"{output}: performances go into a folder; mount that as one, and name it")
    return Path(output)


def _render_on_beam(
    scores: list[str], make_order: "partial[Order]", model: str, spread: options.Spread, *, whole: bool
) -> None:
    from pianist_jax.rendering.beam import render_on_beam
    from pianist_jax.rendering.finding import find_scores

    if spread.shard or not whole:
        raise PianistError(
            "--runner performs whole scores; leave --bars, --hand, --performance, --style-of and --shard out"
        )
    jobs, wrong = find_scores(scores)
    _tell_twins(jobs)
    silent = dataclasses.replace(make_order.keywords["extras"], on_sound=None)  # elsewhere nobody listens
    errors = (
        render_on_beam(jobs, partial(make_order, extras=silent), model, spread.runner, spread.runner_option or ())
        if jobs
        else []
    )
    say(f"{errors.count(None)} scores performed, or left alone as they were")
    conclude([*[error for _, error in wrong], *errors])


def _render_scores(scores: list[str], order: "Order", share: str | None) -> None:
    from pianist_jax.rendering import batch
    from pianist_jax.rendering.finding import find_scores, own_share
    from pianist_jax.rendering.renderer import needed_draws

    share = share or own_share()
    jobs, wrong = find_scores(scores)
    order = dataclasses.replace(order, takes=order.takes or len(jobs) == 1)
    draws = needed_draws(order.samples, order.sampling)
    _tell_twins(jobs)
    errors, count, tally = [error for _, error in wrong], len(wrong), batch.Tally()
    left_alone, performed, files = 0, 0, tuple[Path, ...]()
    with progress(f"performing with {order.model.name}", lambda: tally.expected) as (advance, tell):
        for outcome in batch.render_scores(jobs, order, share=share, tally=tally, advance=once_in(advance, draws)):
            count += 1
            if outcome.error:
                errors.append(outcome.error)
            elif outcome.rendering:
                performed, files = performed + 1, outcome.files
                _tell_performed(outcome, order, tell)
            elif outcome.again:
                take = options.take_in_words(outcome.take)
                tell(f"{outcome.score} -> {' '.join(map(str, outcome.files))}, from what was performed before{take}")
            elif (left_alone := left_alone + 1) <= NAMED:
                tell(f"{outcome.score}: made before with these settings, left alone ({outcome.files[0]})")
    if left_alone > NAMED:
        say(f"{left_alone - NAMED} more were made before with these settings and left alone")
    _tell_what_to_open(performed, files, order.folder)
    conclude([*errors, *[None] * (count - len(errors))])


def _tell_performed(outcome: "Outcome", order: "Order", tell: "Callable[[str], None]") -> None:
    if outcome.rendering is None:
        return
    speed, take = outcome.rendering.report["notes_per_second"], options.take_in_words(outcome.take)
    tell(f"{outcome.score} -> {' '.join(map(str, outcome.files))} ({speed:.0f} notes/s){take}")
    options.tell_remarks(outcome.rendering, tell)
    options.tell_others(outcome.rendering, order.extras, accompany=order.reading.accompany, tell=tell)
    options.tell_tempo(outcome.rendering, order.pace, tell)
    options.tell_error(outcome.rendering, outcome.worst_error_ms, outcome.beyond, tell)


def _tell_what_to_open(performed: int, files: tuple[Path, ...], folder: Path) -> None:
    """Say what there is to hear, to edit and to change, of one score; of several how many there are and where."""
    from pianist_jax.rendering.extras import DAW, PAGE, PLOT, SOUNDS
    from pianist_jax.rendering.outputs import SUFFIX

    if performed > 1:
        say(f"{performed} scores performed into {folder}")
    if performed != 1:
        return
    ways = {"hear": (*SOUNDS, SUFFIX), "edit in a sequencer": (DAW,), "look at": (PLOT,), "open in a browser": (PAGE,)}
    named = []
    for how, suffixes in ways.items():
        fitting = [file for suffix in suffixes for file in files if file.name.endswith(suffix)]
        named += [f"{how} {file}" for file in fitting[:1]]
    say(f"{', '.join(named)}; `pianist apply {files[-1]}` changes it")


def _tell_twins(jobs: "list[FoundScore]") -> None:
    for job in jobs:
        if job.twins:
            say(f"{job.score}: performed instead of {', '.join(map(str, job.twins))}, taken for the same score")


def _take_recording(scores: list[str], order: "Order", recording: Path, *, plain: bool) -> None:
    from pianist_jax.performance.expression import NEUTRAL
    from pianist_jax.performance.pace import AS_WRITTEN
    from pianist_jax.rendering.finding import find_scores, shelf
    from pianist_jax.rendering.recordings import recording_in_words, take_recording

    jobs, wrong = find_scores(scores)
    if (count := len(jobs) + len(wrong)) != 1:
        raise PianistError(f"--performance is a recording of one score, and {count} are given; give one")
    if not plain or order.samples > 1 or (order.pace, order.expression) != (AS_WRITTEN, NEUTRAL):
        raise PianistError("--performance takes a recording as it is; `pianist apply` and --bars shape it afterwards")
    conclude([error for _, error in wrong])
    (job,), tally = jobs, list[int]()
    with shelf() as file_of, progress(f"performing with {order.model.name}", lambda: sum(tally)) as (advance, _):
        saved, rendering = take_recording(
            file_of(job),
            order.folder / job.stem,
            order.model,
            recording,
            seed=order.seed,
            sampling=order.sampling,
            extras=order.extras,
            force=order.force,
            reading=order.reading,
            on_start=tally.append,
            advance=advance,
        )
    say(f"{recording} -> {' '.join(map(str, saved.files))}{options.take_in_words(saved.take)}")
    if rendering is not None:
        say(f"  {recording_in_words(rendering.report['counts'])}")
        options.tell_error(rendering, saved.worst_error_ms, saved.beyond)


def _render_in_style(scores: list[str], order: "Order", recording: Path, *, whole: bool) -> None:
    """Perform one score as ever, then make a take of that in the style of a recording."""
    from pianist_jax.commands.editing import Wanted, apply_to
    from pianist_jax.performance.expression import NEUTRAL
    from pianist_jax.rendering.finding import find_scores, shelf
    from pianist_jax.rendering.likeness import read_likeness
    from pianist_jax.rendering.renderer import at_own, read_piece

    jobs, wrong = find_scores(scores)
    conclude([error for _, error in wrong])
    if len(jobs) != 1:
        raise PianistError(f"--style-of is a recording of one score, and {len(jobs)} are given; give one")
    if not whole:
        raise PianistError("--style-of is of whole performances; leave --bars, --hand and --performance out")
    (job,) = jobs
    with shelf() as file_of:
        like = read_likeness(recording, read_piece(file_of(job), order.reading).score)
    asked, by_default = at_own(order.expression), dataclasses.replace(NEUTRAL, tempo_scale=order.expression.tempo_scale)
    _render_scores(scores, dataclasses.replace(order, pace=like.pace(order.pace), expression=by_default), "1/1")
    made = order.folder / f"{job.stem}.json"
    wanted = Wanted(asked, None, order.extras, order.extras.tempo_events, None, None, order.force, recording)
    apply_to(str(made), wanted)


def _render_passage(scores: list[str], order: "Order", passage: "Passage", tempo_events: str | None) -> None:
    from pianist_jax.rendering.batch import Outcome
    from pianist_jax.rendering.finding import find_scores

    if order.samples > 1:
        what = "--bars perform" if passage.ranges else "--hand performs"
        raise PianistError(f"{what} anew what every performance of a rendering has there; leave --samples out")
    jobs, wrong = find_scores(scores)
    outcomes = [Outcome(path, error=error) for path, error in wrong]
    _tell_twins(jobs)
    for job in jobs:
        outcome = _passage_of(job, order, passage, tempo_events)
        outcomes.append(outcome)
        files = " ".join(map(str, outcome.files))
        if outcome.rendering:
            say(f"{outcome.score}, {passage.in_words()} -> {files}{options.take_in_words(outcome.take)}")
            options.tell_error(outcome.rendering, outcome.worst_error_ms, outcome.beyond)
        elif outcome.files:
            say(f"{outcome.score}, {passage.in_words()}: made before with these settings ({files})")
    conclude([outcome.error for outcome in outcomes])


def _passage_of(job: "FoundScore", order: "Order", passage: "Passage", tempo_events: str | None) -> "Outcome":
    """What becomes of a rendering; `tempo_events`: what the command line says of them, None: nothing."""
    from pianist_jax.rendering.batch import Outcome
    from pianist_jax.rendering.finding import shelf
    from pianist_jax.rendering.passages import rerender_file

    tally: list[int] = []
    try:
        with shelf() as file_of, progress(f"performing with {order.model.name}", lambda: sum(tally)) as (advance, _):
            saved, rendering = rerender_file(
                file_of(job),
                order.folder / job.stem,
                order.model,
                passage.ranges or None,
                hand=passage.hand,
                seed=order.seed,
                sampling=order.sampling,
                expression=order.expression,
                extras=order.extras,
                tempo_events=tempo_events,
                force=order.force,
                reading=order.reading,
                on_start=tally.append,
                advance=advance,
            )
    except Exception as error:  # one bad score never stops the others
        return Outcome(job.score, error=in_words(job.score, error, order.log))
    return Outcome(job.score, saved.files, saved.worst_error_ms, rendering, take=saved.take, beyond=saved.beyond)
