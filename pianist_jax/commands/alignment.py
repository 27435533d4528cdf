"""`pianist pairs`: performances laid on their scores."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(rich_markup_mode=None)


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
