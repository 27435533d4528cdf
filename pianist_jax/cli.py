"""The `pianist` command: one front door to `pianist_jax/commands`, where each command parses, calls and prints.

What costs time to import is imported by the commands when they run.
"""

import sys

import typer

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
from pianist_jax.terminal import complain

app = typer.Typer(
    add_completion=False,
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
        app()
    except PianistError as error:
        complain(error)
        sys.exit(2)
    except SystemExit as stop:  # also what typer makes of a KeyboardInterrupt
        if stop.code == 130:
            complain("interrupted; what was finished is kept")
        raise


@app.callback()
def pianist() -> None:
    """Play scores like a pianist would."""


if __name__ == "__main__":
    main()
