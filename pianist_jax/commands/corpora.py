"""`pianist data`: what prepared folders hold, and their export."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(rich_markup_mode=None)
data = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Prepared corpora and pairs.")
commands.add_typer(data, name="data")


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
