"""Two takes of a rendering side by side: what differs, in figures and in a picture."""

from pathlib import Path

from pianist_jax.errors import PianistError
from pianist_jax.performance.changes import Changes, changes, figures
from pianist_jax.performance.tempo_events import PICTURES
from pianist_jax.performance.tempo_map import map_tempo
from pianist_jax.rendering.result import Rendering
from pianist_jax.rendering.takes import read_take

Row = tuple[str, float, float, float]


def compare_takes(stem: Path, a: int, b: int) -> list[tuple[Changes, list[Row]]]:
    """For every performance that both takes have, what differs and the figures of both (`performance.changes`).

    Raises PianistError where there are no such takes or they are not of one score.
    """
    one, other = _both(stem, a, b)
    return [
        (changes(old, new), figures(one.score, old, new))
        for old, new in zip(one.performances, other.performances, strict=False)
    ]


def picture_of(stem: Path, a: int, b: int) -> Path | None:
    """Draw the first performances of both takes over each other into `NAME.takes/A-B.png`; None of notes without bars.

    Raises PianistError as `compare_takes` does, and where no file can be written.
    """
    from pianist_jax.plotting import plot
    from pianist_jax.rendering.outputs import take_path

    one, other = _both(stem, a, b)
    if one.grid is None or other.grid is None:
        return None
    drawn = [(f"take {n}", map_tempo(one.grid, own.notes, "beat", PICTURES)) for n, own in ((a, one), (b, other))]
    path = take_path(stem, a).with_name(f"{a}-{b}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    plot(path, drawn, title=one.title)
    return path


def _both(stem: Path, a: int, b: int) -> tuple[Rendering, Rendering]:
    one, other = (read_take(stem, number).rendering for number in (a, b))
    if one.identity["score"]["content"] != other.identity["score"]["content"]:
        raise PianistError(f"{stem.name}: takes {a} and {b} are of two versions of the score; compare others")
    return one, other
