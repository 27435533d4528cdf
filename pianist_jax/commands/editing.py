"""`pianist apply` and `pianist inspect`: what was rendered, edited and written again; what is in a file."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pianist_jax.commands import options
from pianist_jax.commands.grouped import grouped
from pianist_jax.errors import PianistError, in_words
from pianist_jax.files import printable
from pianist_jax.terminal import conclude, say

if TYPE_CHECKING:
    from pianist_jax.performance.expression import Expression
    from pianist_jax.performance.pace import Pace
    from pianist_jax.rendering.extras import Extras
    from pianist_jax.score.describe import Rows
    from pianist_jax.score.reading import Reading

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
@grouped
def apply(
    renderings: Annotated[list[str], typer.Argument(metavar="NAME.json", help="JSON files of renderings.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="DIR", help="Another folder than that of NAME.json.")
    ] = None,
    edited: Annotated[
        str | None, typer.Option("--from", metavar="MIDI", help="Take in what somebody has changed in this file of it.")
    ] = None,
    *,
    shaped: options.Shaped,
    files: options.Files,
    force: options.Force = False,
) -> None:
    """Write a rendering's files again after its JSON file was edited, or with another expression.

    In NAME.json every note's performed onset, duration (ms) and velocity may be changed, and the pedal. Strengths act
    on what is there; the same again changes nothing. What comes out is a new take (`pianist history`), with the files
    that the rendering had. With --from, edits made in another program in one of its MIDI files are taken in.
    """
    renderings, shaped = shaped.with_words_among(renderings)
    if edited is not None and len(renderings) > 1:
        raise PianistError(f"--from has the edits of one rendering, and {len(renderings)} are given; give one")
    wanted = Wanted(
        shaped.expression(),
        None if shaped.tempo is None and shaped.duration is None else shaped.pace(),
        files.extras(),
        files.tempo_events,
        None if edited is None else Path(edited),
        None if output is None else Path(output),
        force,
        None if shaped.style_of is None else Path(shaped.style_of),
    )
    errors: list[PianistError | None] = []
    for name in renderings:
        try:
            apply_to(name, wanted)
        except PianistError as error:
            errors.append(error)
            continue
        errors.append(None)
    conclude(errors)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be done to renderings; `tempo_events` is None where nothing is said of them."""

    expression: "Expression"
    pace: "Pace | None"
    extras: "Extras"
    tempo_events: str | None
    edited: Path | None
    folder: Path | None
    force: bool
    style_of: Path | None = None


def apply_to(name: str, wanted: Wanted) -> None:
    """Do it to a rendering, and say so. Raises PianistError."""
    from pianist_jax.rendering.stored import apply_edits, edit_in_words, read_rendering
    from pianist_jax.rendering.takes import keep_take

    stored = read_rendering(Path(name))
    there = stored.extras
    extras = dataclasses.replace(there.also(wanted.extras), tempo_events=wanted.tempo_events or there.tempo_events)
    taken = None
    if wanted.edited is not None:
        from pianist_jax.rendering.reimport import take_in

        taken = take_in(stored, wanted.edited)
        stored = dataclasses.replace(stored, rendering=taken.rendering, by_hand=False)
    like, pace = None, wanted.pace
    if wanted.style_of is not None:
        from pianist_jax.rendering.likeness import read_likeness

        like = read_likeness(wanted.style_of, stored.rendering.score, stored.rendering.factor)
        pace = None if pace is None else like.pace(pace)
    rendering = apply_edits(stored, wanted.expression, pace, like)
    stem = stored.stem if wanted.folder is None else wanted.folder / stored.stem.name
    saved = keep_take(rendering, stem, extras, origin=stored.path, taken=wanted.edited, force=wanted.force)
    say(f"{printable(name)} -> {' '.join(map(str, saved.files))}{options.take_in_words(saved.take)}")
    if taken is not None:
        say(f"  {printable(str(wanted.edited))}: {taken.in_words()}")
    if stored.released:
        say(f"  {stored.released} notes are released earlier, where their key is struck again")
    if like is not None:
        say(f"  {edit_in_words(rendering.identity['edits'][-1])}")
    options.tell_others(rendering, extras)
    options.tell_error(rendering, saved.worst_error_ms, saved.beyond)


@commands.command()
@grouped
def inspect(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE...]", help="MIDI, MusicXML, MEI, kern, ABC files, NAME.json of renderings."),
    ] = None,
    *,
    read: options.Read,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of NAME.json instead.")] = False,
) -> None:
    """Say what is in a score, a performance or a rendering: bars, notes, tempi, dynamics, pedal, problems."""
    if schema:
        from importlib.resources import files as files_of

        text = files_of("pianist_jax.rendering").joinpath("schema.json").read_text(encoding="utf-8")
        for line in text.splitlines():
            say(line)
        return
    if not files:
        raise PianistError("name a score, a performance or the NAME.json of a rendering, or ask for --schema")
    reading = read.reading()
    errors: list[PianistError | None] = []
    for file in files:
        try:
            rows = _rows(file, reading)
        except Exception as error:  # whatever one file does, the others are told of
            errors.append(in_words(printable(file), error))
            continue
        errors.append(None)
        say(printable(file))
        width = max(len(what) for what, _ in rows)
        for what, how in rows:
            say(f"  {what:{width}}  {how}")
    conclude(errors)


def _rows(file: str, reading: "Reading") -> "Rows":
    if file.lower().endswith(".json"):
        from pianist_jax.rendering.stored import describe_rendering

        return describe_rendering(Path(file))
    from pianist_jax.score.describe import describe

    return describe(file, reading)
