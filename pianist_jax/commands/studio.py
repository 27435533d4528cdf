"""`pianist studio`: a page in the browser to hear, see and shape performances."""

from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.errors import require
from pianist_jax.terminal import say

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def studio(
    score: Annotated[
        str | None, typer.Argument(metavar="SCORE", help="A score to begin with; it is copied into the workspace.")
    ] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="DIR", help="The workspace: scores and performances.")
    ] = "studio",
    model: Annotated[
        str, typer.Option(metavar="PATH|NAME", help="Weights file, bundled weights or hub:OWNER/NAME.")
    ] = "default",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Hear, see and shape performances on a page in your browser.

    Nothing leaves your machine. The workspace is a folder with the files that `pianist render` makes; both can be used
    on it by turns. Needs `pip install 'pianist_jax[studio]'`. Ctrl-C ends it.
    """
    require("studio")
    from pianist_jax.studio.running import run

    run(Path(score) if score else None, Path(output), model, port, say, open_browser=browser)
