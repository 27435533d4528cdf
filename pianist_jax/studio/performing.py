"""What jobs do with the model: a score performed, some of its bars performed anew, what is there shaped without it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError
from pianist_jax.performance.expression import NEUTRAL, STRENGTHS, Expression
from pianist_jax.performance.pace import AS_WRITTEN, FREE, SCORE, Pace

if TYPE_CHECKING:
    from pianist_jax.inference.engine import Model
    from pianist_jax.studio.jobs import Job
    from pianist_jax.studio.preview import OnNotes

MOST = 2**31 - 1  # of a seed


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a page wants of a performance: which draw it is, how fast, and how much of each kind of expression."""

    seed: int = 0
    pace: Pace = AS_WRITTEN
    expression: Expression = NEUTRAL
    bars: tuple[int, int] | None = None


def read_wish(asked: Any) -> Wish:
    """The wish in an object {"seed", "tempo", "strength": {…}, "binary_pedal", "bars"}. Raises PianistError."""
    if not isinstance(asked, dict):
        raise PianistError("a wish is an object of settings; load the page anew")
    strength = asked.get("strength", {})
    odd = sorted({*asked} - {"seed", "tempo", "strength", "binary_pedal", "bars"})
    if odd or not isinstance(strength, dict) or {*strength} - {*STRENGTHS}:
        raise PianistError(f"{odd[0] if odd else 'strength'}: no such setting; load the page anew")
    seed = asked.get("seed", 0)
    if type(seed) is not int or not 0 <= seed <= MOST:
        raise PianistError(f"the seed is {str(seed)[:20]!r}, but it must be a whole number from 0 on")
    tempo = asked.get("tempo", SCORE)
    if tempo not in (SCORE, FREE):
        tempo = _number(tempo, "the tempo")
    strengths: dict[str, Any] = {name: _number(value, f"the strength of {name}") for name, value in strength.items()}
    expression = dataclasses.replace(NEUTRAL, **strengths, binary_pedal=bool(asked.get("binary_pedal", False)))
    return Wish(seed, Pace(tempo), expression, _bars(asked.get("bars")))


def _number(value: Any, what: str) -> float:
    if type(value) not in (int, float):
        raise PianistError(f"{what} is {str(value)[:20]!r}, but it must be a number")
    return float(value)


def _bars(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2 and all(type(bar) is int for bar in value)):
        raise PianistError("bars are the first and the last, as in [17, 32]")
    if not 1 <= value[0] <= value[1]:
        raise PianistError("bars count from 1, the first before the last")
    return value[0], value[1]


def perform(stem: Path, score: Path, wish: Wish, on_notes: "OnNotes") -> Callable[["Model", "Job"], None]:
    """A job that makes a take as `pianist render` does; `on_notes` hears the beginning before the rest is there."""

    def run(model: "Model", job: "Job") -> None:
        from pianist_jax.config import DEFAULT_SAMPLING
        from pianist_jax.rendering.outputs import DEFAULT_EXTRAS
        from pianist_jax.rendering.renderer import identity_of, needed_draws, read_piece, render_all, set_pace
        from pianist_jax.rendering.reuse import made_again
        from pianist_jax.rendering.takes import keep_edits, keep_take
        from pianist_jax.studio.preview import Preview

        piece, draws = read_piece(score), needed_draws(1, DEFAULT_SAMPLING)
        job.expected = len(piece.score) * draws
        if stem.with_name(f"{stem.name}.json").exists():
            keep_edits(stem)
        settings: dict[str, Any] = {"seed": wish.seed, "pace": wish.pace, "expression": wish.expression}
        identity = identity_of(piece, model, samples=1, sampling=DEFAULT_SAMPLING, **settings)
        if made_again(stem, identity, DEFAULT_EXTRAS, wish.expression, takes=True).files:
            return
        paced = set_pace(piece, model, wish.pace, wish.expression)
        preview = Preview(paced, draws, DEFAULT_SAMPLING, wish.pace, wish.expression, on_notes)
        made = render_all([piece], model, **settings, advance=job.advance, on_played=preview.on_played)
        ((_, rendering),) = made
        job.check()
        keep_take(rendering, stem, DEFAULT_EXTRAS)

    return run


def perform_bars(stem: Path, score: Path, wish: Wish) -> Callable[["Model", "Job"], None]:
    """A job that performs some bars anew as `pianist render --bars` does."""

    def run(model: "Model", job: "Job") -> None:
        from pianist_jax.rendering.passages import rerender_file

        assert wish.bars is not None
        job.check()
        rerender_file(score, stem, model, wish.bars, seed=wish.seed, expression=wish.expression)

    return run


def warm_up(model: "Model", job: "Job") -> None:
    """Perform something that nobody hears, so that the programs are there when somebody wants to."""
    from pianist_jax.config import DEFAULT_SAMPLING
    from pianist_jax.inference.decoder import Decoder, Timer
    from pianist_jax.rendering.renderer import needed_draws
    from pianist_jax.studio.warming import spans_of

    decoder = Decoder(model, DEFAULT_SAMPLING, Timer(), job.advance)
    decoder.play(spans_of(model.config.window, needed_draws(1, DEFAULT_SAMPLING)))
