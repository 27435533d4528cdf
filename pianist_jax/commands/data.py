"""`pianist prepare`: from files of MIDI to shards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pianist_jax.commands import options
from pianist_jax.errors import PianistError
from pianist_jax.terminal import counter, say

if TYPE_CHECKING:
    from pianist_jax.data.prepare import Corpus, Summary

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def prepare(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE...]", help="Folders, tars, addresses: [NAME=]PATH; NAME is the corpus."),
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="A folder in it for each.")] = "prepared",
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH",
            help="Music to leave out by content: of a corpus its held-out splits; a "
            "folder, a file, or a .txt of such paths.",
        ),
    ] = None,
    validation: Annotated[float, typer.Option(help="Share of compositions to validate on, where none is named.")] = 0.0,
    kind: Annotated[str, typer.Option(help="Of corpora of your own: performance, transcription or score.")] = "",
    workers: Annotated[int | None, typer.Option(help="Processes; as many as there are cores.")] = None,
    runner: options.Runner = "",
    runner_option: options.RunnerOption = None,
    list_sources: Annotated[bool, typer.Option("--list", help="Show the known corpora.")] = False,
) -> None:
    """Read corpora of MIDI files into compact record shards; goes on where it was stopped."""
    from pianist_jax.data import prepare as room
    from pianist_jax.data.sources import SOURCES

    if list_sources:
        say(f"{'name':18}{'kind':15}{'pedal':12}{'weight':>6}  licence")
        for known in SOURCES:
            say(f"{known.name:18}{known.kind:15}{known.pedal:12}{known.weight:6}  {known.licence}")
        return
    if not sources:
        raise PianistError("name the folder or tar of a corpus, or ask for --list")
    if not 0 <= validation < 1:
        raise PianistError(f"--validation {validation}: give a share from 0 to below 1")
    corpora = [_corpus(source, kind) for source in sources]
    withheld = [_corpus(source, "score") for source in _expand(held_out or [])]
    if runner:
        from pianist_jax.data.beam import prepare_on_beam

        prepare_on_beam(corpora, output, withheld, validation, runner, runner_option or [])
        made = [] if "://" in output else [room.summarise(Path(output, corpus.source.name)) for corpus in corpora]
    elif "://" in output:
        raise PianistError(f"{output}: only Beam writes there; name a --runner, or a folder")
    else:
        made = room.prepare(
            corpora,
            Path(output),
            held_out=withheld,
            validation=validation,
            workers=workers,
            tell=counter("preparing", "steps"),
        )
    for summary in made:
        _report(summary)


def _corpus(source: str, kind: str) -> "Corpus":
    from pianist_jax.data.prepare import Corpus
    from pianist_jax.data.sources import SOURCES, find_source, name_of, own_source

    name, equals, path = source.partition("=")
    if not equals or "/" in name:
        name, path = name_of(source), source
    if name in {each.name for each in SOURCES}:
        return Corpus(find_source(name), path)
    if kind:
        return Corpus(own_source(name, kind), path)
    try:
        return Corpus(find_source(name), path)
    except PianistError as error:
        raise PianistError(f"{error}. Of a corpus of your own say the --kind") from error


def _expand(paths: list[str]) -> list[str]:
    """The lines of text files among paths in their place."""
    found = []
    for path in paths:
        if path.endswith(".txt"):
            try:
                lines = Path(path).read_text("utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise PianistError(f"{path}: cannot be read as a list of paths; give UTF-8 text") from error
            found += [line.strip() for line in lines if line.strip()]
        else:
            found.append(path)
    return found


def _report(summary: "Summary") -> None:
    hours = summary.seconds / 3600
    line = f"{summary.folder}: {summary.pieces} pieces, {summary.notes} notes, {hours:.1f} h"
    line += f"; {summary.validation} to validate on" if summary.validation else ""
    say(line + "".join(f"; {count} {reason}" for reason, count in summary.left_out.items()))
