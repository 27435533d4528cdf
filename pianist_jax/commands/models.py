"""`pianist models`: which weights are there."""

import typer

from pianist_jax.terminal import say

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def models() -> None:
    """List the bundled weights: how large, under which licence, and the hash that renderings name.

    Others are given as a file, or from the Hugging Face hub as `--model hub:OWNER/NAME` (needs `pip install
    'pianist_jax[hub]'`); those published with the paper are converted on the way.
    """
    from pianist_jax.weights import bundled

    say(f"{'name':12}{'parameters':>12}{'MB':>8}  {'hash':10}licence")
    for one in bundled():
        size = f"{one.parameters / 1e6:.2f} M"
        say(f"{one.name:12}{size:>12}{one.path.stat().st_size / 1e6:8.1f}  {one.hash[:8]:10}{one.licence}")
