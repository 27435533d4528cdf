"""`pianist prepare`, `pairs` and `data`: from files of MIDI to what models are trained on."""

from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.errors import PianistError

commands = typer.Typer(rich_markup_mode=None)
data = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Prepared corpora and pairs.")
commands.add_typer(data, name="data")


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


@commands.command()
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


def _holds_pairs(folder: Path) -> bool:
    return (folder / "train.array_record").exists()
