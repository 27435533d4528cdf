"""`pianist prepare`: from files of MIDI to shards."""

from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.errors import PianistError

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
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
