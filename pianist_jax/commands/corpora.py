"""`pianist data`: what prepared folders hold, and their export."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pianist_jax.terminal import say


class _ShowUnlessNamed(TyperGroup):
    """`pianist data DIR` shows the folder: what is no name of a command is a folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


commands = typer.Typer(rich_markup_mode=None)
data = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, cls=_ShowUnlessNamed, help="Prepared corpora: show them, export them."
)
commands.add_typer(data, name="data")


@data.command("show")
def show(
    folder: Annotated[Path, typer.Argument(help="A prepared folder or folder of pairs, or one that holds some.")],
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw velocities, IOIs, durations and pedal (PNG).")
    ] = None,
    listen: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write windows as training gets them, as MIDI files.")
    ] = None,
    windows: Annotated[int, typer.Option(min=1, help="With --listen: how many.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="With --listen: other windows.")] = 0,
) -> None:
    """Show what is prepared: `pianist data DIR` is enough."""
    from pianist_jax.data import inspection

    folders = inspection.find_folders(folder)
    found = [contents for each in folders for contents in inspection.inspect(each)]
    for line in inspection.table(found):
        say(line)
    if plot:
        inspection.plot(plot, found)
        say(f"{plot}: how the values of each corpus are distributed")
    if listen:
        for path in inspection.listen(folders, listen, count=windows, window=512, seed=seed):
            say(str(path))


@data.command("export")
def data_export(
    folders: Annotated[list[Path], typer.Argument(help="Prepared folders, and folders of pairs.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where the parts go.")],
) -> None:
    """Write prepared corpora and pairs as parts of at most 40 MiB that NumPy alone reads."""
    from pianist_jax.data.export import export, export_pairs
    from pianist_jax.data.inspection import holds_pairs

    records = [file for folder in folders for file in sorted(folder.glob("*.array_record")) if holds_pairs(folder)]
    prepared = [folder for folder in folders if not holds_pairs(folder)]
    written = export(prepared, output) if prepared else []
    written += export_pairs(records, output) if records else []
    for path in written:
        say(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
