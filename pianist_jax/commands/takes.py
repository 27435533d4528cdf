"""`pianist history`, `take`, `undo` and `compare`: the versions of a rendering that were made, all of them kept."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pianist_jax.errors import PianistError
from pianist_jax.files import printable
from pianist_jax.terminal import say

if TYPE_CHECKING:
    from pianist_jax.rendering.takes import Take

commands = typer.Typer(rich_markup_mode=None)

Rendered = Annotated[
    str,
    typer.Argument(metavar="[NAME.json]", help="A rendering, or the folder of a single one."),
]
Which = Annotated[str, typer.Argument(metavar="N", help="A take's number, or its name.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that were changed since they were written.")]


@commands.command()
def history(rendering: Rendered = ".") -> None:
    """List the takes of a rendering: what each was made from and with, and which is the current one (*)."""
    from pianist_jax.rendering.takes import list_takes

    stem = stem_of(rendering)
    takes = list_takes(stem)
    if not takes:
        raise PianistError(f"{printable(rendering)}: no rendering there; give the NAME.json of `pianist render`")
    say(printable(stem.with_name(f"{stem.name}.json")))
    for take in takes:
        sign, parent = "*" if take.current else " ", f" after {take.parent}" if take.parent else ""
        name = f" “{take.name}”" if take.name else ""
        waits = " (edited by hand since: `pianist apply` makes that a take)" if take.edited else ""
        say(f"{sign} {take.number:>2}{name}{parent}: {_in_words(take)}{waits}")


@commands.command()
def take(
    which: Which,
    rendering: Rendered = ".",
    name: Annotated[str | None, typer.Option(help="Only give it a name; an empty one takes it away.")] = None,
    force: Force = False,
) -> None:
    """Go to a take: NAME.daw.mid, the other files and NAME.json become those of it, and no other take is lost."""
    from pianist_jax.rendering.takes import find_take, name_take, switch_to

    stem = stem_of(rendering)
    number = find_take(stem, which)
    if name is not None:
        name_take(stem, number, name)
        say(f"take {number} is called “{name.strip()}”" if name.strip() else f"take {number} has no name")
        return
    saved = switch_to(stem, number, force=force)
    say(f"take {saved.take} -> {' '.join(map(str, saved.files))}")


@commands.command()
def undo(rendering: Rendered = ".", force: Force = False) -> None:
    """Go back to the take from which the current one was made; `pianist take N` goes anywhere."""
    from pianist_jax.rendering.takes import list_takes
    from pianist_jax.rendering.takes import undo as go_back

    stem = stem_of(rendering)
    before = [take.number for take in list_takes(stem) if take.current]
    saved = go_back(stem, force=force)
    forth = f"; `pianist take {before[0]}` goes forth again" if before and before[0] != saved.take else ""
    say(f"take {saved.take} -> {' '.join(map(str, saved.files))}{forth}")


@commands.command()
def compare(a: Which, b: Which, rendering: Rendered = ".") -> None:
    """Tell what differs between two takes, in figures and in a picture (NAME.takes/A-B.png)."""
    from pianist_jax.rendering.comparison import compare_takes, picture_of
    from pianist_jax.rendering.takes import find_take, read_take

    stem = stem_of(rendering)
    one, other = find_take(stem, a), find_take(stem, b)
    compared = compare_takes(stem, one, other)
    grid = read_take(stem, one).rendering.grid
    for number, (changed, rows) in enumerate(compared, 1):
        say((f"performance {number}: " if len(compared) > 1 else "") + f"differs in {changed.in_words(grid)}")
        say(f"  {'':30} {f'take {one}':>9} {f'take {other}':>9} {'r':>6}")
        for what, first, second, alike in rows:
            say(f"  {what:30} {first:9.2f} {second:9.2f} {'' if math.isnan(alike) else f'{alike:6.2f}'}".rstrip())
    path = picture_of(stem, one, other)
    if path is not None:
        say(f"-> {path}")


def stem_of(text: str) -> Path:
    """The path without suffix of a rendering that is given by its JSON file, by that path, or by its folder.

    Raises PianistError where a folder has several renderings or none.
    """
    from pianist_jax.rendering.takes import list_takes

    path = Path(text)
    if not path.is_dir():
        return path.with_name(path.name.removesuffix(".json"))
    stems = [file.with_suffix("") for file in sorted(path.glob("*.json")) if list_takes(file.with_suffix(""))]
    if len(stems) != 1:
        found = ", ".join(f"{stem.name}.json" for stem in stems[:5])
        has = f"has several renderings ({found}{' …' if len(stems) > 5 else ''})" if stems else "has no rendering"
        raise PianistError(f"{printable(text)}: {has}; give the NAME.json of one")
    return stems[0]


def _in_words(take: "Take") -> str:
    from pianist_jax.rendering.stored import edit_in_words, recorded_in_words, wanted_in_words

    if not take.identity:
        return "damaged"
    edits, settings = take.identity["edits"], take.identity["settings"]
    if edits:
        return "; ".join(map(edit_in_words, edits))
    wanted = wanted_in_words(settings["expression"])
    made = recorded_in_words(settings) or f"rendered, seed {take.identity['seed']}"
    return ", ".join([made, *[wanted] * bool(wanted)])
