"""`pianist render`: scores in, performances out."""

import dataclasses
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from pianist_jax.commands import options
from pianist_jax.commands.ensemble_options import Together
from pianist_jax.commands.grouped import grouped
from pianist_jax.errors import PianistError, in_words
from pianist_jax.terminal import conclude, once_in, progress, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pianist_jax.performance.passage import Passage
    from pianist_jax.rendering.batch import Outcome
    from pianist_jax.rendering.finding import FoundScore
    from pianist_jax.rendering.order import Order

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
    together: Together,
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
    scores, shaped = shaped.with_words_among(scores)
    found = _find(scores, options.log_of(log))
    from pianist_jax.rendering.order import Order  # brings JAX

    passage, whole = anew.passage(shaped), anew == options.Anew()
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
        reading=together.reading(read.reading()),
        log=options.log_of(log),
    )
    if spread.runner:
        _render_on_beam(found, make_order, model, spread, whole=whole and shaped.style_of is None)
        return
    order = make_order(model=options.ready_model(model))
    if together.follow is not None:
        _follow(found, order, together, plain=whole and shaped.style_of is None)
    elif shaped.style_of is not None:
        _render_in_style(found, order, Path(shaped.style_of), whole=whole)
    else:
        _render_anew(found, order, anew, passage, spread.shard, files.tempo_events)


def _render_anew(
    found: "_Found",
    order: "Order",
    anew: options.Anew,
    passage: "Passage | None",
    share: str | None,
    tempo_events: str | None,
) -> None:
    if anew.performance is not None:
        _take_recording(found, order, Path(anew.performance), plain=passage is None)
    elif passage is None:
        _render_scores(found, order, share)
    else:
        _render_passage(found, order, passage, tempo_events)


class _Found(NamedTuple):
    """The scores that are meant, and what is wrong with what else was given."""

    scores: "list[FoundScore]"
    errors: list[PianistError]

    def only(self, option: str) -> "FoundScore":
        """The one that there is. Raises PianistError where an `option` that is of one score is given several."""
        if (count := len(self.scores) + len(self.errors)) != 1:
            raise PianistError(f"{option} is a recording of one score, and {count} are given; give one")
        return self.scores[0]


def _find(given: list[str], log: Path | None) -> _Found:
    """What is meant; where none of it is there the command ends here, before a model is loaded for it."""
    from pianist_jax.rendering.finding import find_scores, require_there

    scores, wrong = find_scores(given)
    errors, lost = [error for _, error in wrong], []
    for job in scores:
        try:
            require_there(job)
            break
        except PianistError as error:
            lost.append((job, error))
    else:
        conclude([*errors, *(in_words(job.score, error, log) for job, error in lost)])
    for job in scores:
        if job.twins:
            say(f"{job.score}: performed instead of {', '.join(map(str, job.twins))}, taken for the same score")
    return _Found(scores, errors)


def _some(samples: int) -> int:
    if samples < 1:
        raise PianistError(f"samples is {samples}, but it must be 1 or more")
    return samples


def _folder(output: str) -> Path:
    if "://" in output:
        raise PianistError(f"{output}: performances go into a folder; mount that as one, and name it")
    return Path(output)


def _render_on_beam(
    found: _Found, make_order: "partial[Order]", model: str, spread: options.Spread, *, whole: bool
) -> None:
    from pianist_jax.rendering.beam import render_on_beam

    if spread.shard or not whole:
        raise PianistError(
            "--runner performs whole scores; leave --bars, --hand, --performance, --style-of and --shard out"
        )
    silent = dataclasses.replace(make_order.keywords["extras"], on_sound=None)  # elsewhere nobody listens
    make_order = partial(make_order, extras=silent)
    errors = render_on_beam(found.scores, make_order, model, spread.runner, spread.runner_option or ())
    say(f"{errors.count(None)} scores performed, or left alone as they were")
    conclude([*found.errors, *errors])


def _render_scores(found: _Found, order: "Order", share: str | None) -> None:
    from pianist_jax.rendering import batch
    from pianist_jax.rendering.finding import own_share
    from pianist_jax.rendering.renderer import needed_draws

    jobs, share = found.scores, share or own_share()
    order = dataclasses.replace(order, takes=order.takes or len(jobs) == 1)
    draws = needed_draws(order.samples, order.sampling)
    errors, count, tally = list(found.errors), len(found.errors), batch.Tally()
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


@contextmanager
def _performing(order: "Order") -> "Iterator[tuple[Callable[[int], None], Callable[[int], None]]]":
    """Progress: two functions, to tell how many notes are to be performed, and of every so many that are."""
    tally: list[int] = []
    with progress(f"performing with {order.model.name}", lambda: sum(tally)) as (advance, _):
        yield tally.append, advance


def _take_recording(found: _Found, order: "Order", recording: Path, *, plain: bool) -> None:
    from pianist_jax.performance.expression import NEUTRAL
    from pianist_jax.performance.pace import AS_WRITTEN
    from pianist_jax.rendering.finding import shelf
    from pianist_jax.rendering.recordings import recording_in_words, take_recording

    job = found.only("--performance")
    if not plain or order.samples > 1 or (order.pace, order.expression) != (AS_WRITTEN, NEUTRAL):
        raise PianistError("--performance takes a recording as it is; `pianist apply` and --bars shape it afterwards")
    stem = order.folder / job.stem
    with shelf() as file_of, _performing(order) as (start, advance):
        saved, rendering = take_recording(file_of(job), stem, order, recording, on_start=start, advance=advance)
    say(f"{recording} -> {' '.join(map(str, saved.files))}{options.take_in_words(saved.take)}")
    if rendering is not None:
        say(f"  {recording_in_words(rendering.report['counts'])}")
        options.tell_error(rendering, saved.worst_error_ms, saved.beyond)


def _follow(found: _Found, order: "Order", together: Together, *, plain: bool) -> None:
    """Perform one score with a recording of its solo."""
    from pianist_jax.performance.pace import AS_WRITTEN
    from pianist_jax.rendering.finding import shelf
    from pianist_jax.rendering.following import take_following

    job = found.only("--follow")
    if not plain or order.pace != AS_WRITTEN or order.expression.tempo_scale != 1 or order.expression.shape.hits:
        raise PianistError("--follow goes with a recording's time; leave tempo, duration, hits and bars out")
    with shelf() as file_of, _performing(order) as (start, advance):
        told = take_following(
            file_of(job), order.folder / job.stem, order, Path(together.follow or ""), together.solo, start, advance
        )
    saved, solo, rendering = told
    say(f"{job.score} -> {' '.join(map(str, saved.files))}{options.take_in_words(saved.take)}")
    say(f"  {solo.in_words()}")
    if late := rendering.report["recording_at"]:
        say(f"  the pianist begins first: the recording begins {late / 1000:.2f} s later than by itself")
    options.tell_remarks(rendering)
    options.tell_error(rendering, saved.worst_error_ms, saved.beyond)


def _render_in_style(found: _Found, order: "Order", recording: Path, *, whole: bool) -> None:
    """Perform one score as ever, then make a take of that in the style of a recording."""
    from pianist_jax.commands.editing import Wanted, apply_to
    from pianist_jax.performance.expression import NEUTRAL
    from pianist_jax.rendering.finding import shelf
    from pianist_jax.rendering.likeness import read_likeness
    from pianist_jax.rendering.renderer import at_own, read_piece

    job = found.only("--style-of")
    if not whole:
        raise PianistError("--style-of is of whole performances; leave --bars, --hand and --performance out")
    with shelf() as file_of:
        like = read_likeness(recording, read_piece(file_of(job), order.reading).score)
    asked, by_default = at_own(order.expression), dataclasses.replace(NEUTRAL, tempo_scale=order.expression.tempo_scale)
    _render_scores(found, dataclasses.replace(order, pace=like.pace(order.pace), expression=by_default), "1/1")
    made = order.folder / f"{job.stem}.json"
    wanted = Wanted(asked, None, order.extras, order.extras.tempo_events, None, None, order.force, recording)
    apply_to(str(made), wanted)


def _render_passage(found: _Found, order: "Order", passage: "Passage", tempo_events: str | None) -> None:
    """Perform it anew; `tempo_events`: what the command line says of them, None: nothing."""
    from pianist_jax.rendering.finding import shelf
    from pianist_jax.rendering.passages import rerender_file

    if order.samples > 1:
        what = "--bars perform" if passage.ranges else "--hand performs"
        raise PianistError(f"{what} anew what every performance of a rendering has there; leave --samples out")
    errors: list[PianistError | None] = [*found.errors]
    for job in found.scores:
        stem = order.folder / job.stem
        try:
            with shelf() as file_of, _performing(order) as (start, advance):
                told: dict[str, Any] = {"tempo_events": tempo_events, "on_start": start, "advance": advance}
                saved, rendering = rerender_file(file_of(job), stem, order, passage, **told)
        except Exception as error:  # one bad score never stops the others
            errors.append(in_words(job.score, error, order.log))
            continue
        errors.append(None)
        files = " ".join(map(str, saved.files))
        if rendering is not None:
            say(f"{job.score}, {passage.in_words()} -> {files}{options.take_in_words(saved.take)}")
            options.tell_error(rendering, saved.worst_error_ms, saved.beyond)
        else:
            say(f"{job.score}, {passage.in_words()}: made before with these settings ({files})")
    conclude(errors)
