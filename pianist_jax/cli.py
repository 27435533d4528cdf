"""The `pianist` command: one front door to `pianist_jax/commands`, where each command parses, calls and prints.

What costs time to import is imported by the commands when they run.
"""

import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pianist_jax.commands import (
    alignment,
    bench,
    corpora,
    data,
    editing,
    evaluation,
    rendering,
    studio,
    takes,
    training,
)
from pianist_jax.errors import PianistError
from pianist_jax.terminal import complain, say


class Commands(TyperGroup):
    """Commands whose first sentence stands whole in the list of all."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list, each sentence wrapped where click would cut it."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, one.get_short_help_str(limit=1000)) for name, one in commands if one and not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


app = typer.Typer(
    name="pianist",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (rendering, editing, takes, studio, evaluation, data, alignment, corpora, training, bench):
    app.add_typer(room.commands)


def main() -> None:
    """Run the command. Exit code 2: nothing came of it; 1: something did not; 130: interrupted."""
    try:
        app(prog_name="pianist")
    except PianistError as error:
        complain(error)
        sys.exit(2)
    except SystemExit as stop:  # also what typer makes of a KeyboardInterrupt
        if stop.code == 130:
            complain("interrupted; what was finished is kept")
        raise


def _tell_version(wanted: bool) -> None:
    if wanted:
        say(f"pianist {version('pianist_jax')}")
        raise typer.Exit


@app.callback()
def pianist(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Play scores like a pianist would."""


if __name__ == "__main__":
    main()
