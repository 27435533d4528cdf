"""Dataclasses of options on the command line: every field an option, and the command gets them back together."""

import dataclasses
from typing import Annotated

import typer
from typer.testing import CliRunner

from pianist_jax.commands.grouped import grouped


@dataclasses.dataclass(frozen=True)
class Loud:
    """How loud."""

    level: Annotated[int, typer.Option(help="So loud.")] = 3
    hands: Annotated[list[str] | None, typer.Option("--hand")] = None


@dataclasses.dataclass(frozen=True)
class Fast:
    """How fast."""

    fast: Annotated[bool, typer.Option("--fast/--slow")] = False


app = typer.Typer(rich_markup_mode=None)
heard: list[object] = []


@app.command()
@grouped
def play(
    score: str, seed: Annotated[int, typer.Option(help="Which.")] = 1, *, loud: Loud, fast: Fast, last: bool = False
) -> None:
    """Play it."""
    heard.append((score, seed, loud, fast, last))


def test_each_field_is_an_option():
    run = CliRunner().invoke
    assert run(app, ["a.mid"]).exit_code == 0
    assert run(app, ["a.mid", "--level", "5", "--hand", "left", "--hand", "right", "--fast", "--last"]).exit_code == 0
    assert heard == [
        ("a.mid", 1, Loud(), Fast(), False),
        ("a.mid", 1, Loud(5, ["left", "right"]), Fast(True), True),
    ]
    assert run(app, ["a.mid", "--level", "much"]).exit_code == 2
    assert run(app, ["a.mid", "--loud", "5"]).exit_code == 2
    told = run(app, ["--help"]).output
    assert "Play it." in told
    places = [told.index(text) for text in ("--seed", "--level", "So loud.", "--hand", "--fast", "--last")]
    assert places == sorted(places)
