"""What jobs do with the model: a score performed, or some of its bars, or a hand, performed anew."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError
from pianist_jax.studio.wishes import Wish

if TYPE_CHECKING:
    from pianist_jax.inference.engine import Model
    from pianist_jax.rendering.renderer import Piece
    from pianist_jax.score.bars import Bars
    from pianist_jax.studio.jobs import Job
    from pianist_jax.studio.preview import OnNotes


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
        preview = Preview(paced, model, wish, on_notes)
        made = render_all([piece], model, **settings, advance=job.advance, on_played=preview.on_played)
        ((_, rendering),) = made
        job.check()
        keep_take(rendering, stem, DEFAULT_EXTRAS)

    return run


def perform_bars(stem: Path, score: Path, wish: Wish) -> Callable[["Model", "Job"], None]:
    """A job that performs bars, or a hand, of the current take anew, as `pianist render --bars --hand` does."""

    def run(model: "Model", job: "Job") -> None:
        from pianist_jax.performance.passage import Passage
        from pianist_jax.rendering import passages
        from pianist_jax.rendering.renderer import read_piece
        from pianist_jax.rendering.stored import apply_edits, read_rendering
        from pianist_jax.rendering.takes import keep_edits, keep_take

        piece, stored = read_piece(score), read_rendering(stem.with_name(f"{stem.name}.json"))
        rendering = apply_edits(stored)
        wanted = [wish.bars] if wish.bars is not None else unlocked(piece, wish.locked, wish.hand) or None
        passage = Passage.of(wanted, wish.hand)
        parts = passages.parts_of(piece, rendering, passage)
        spans = [passages.played_over(part) for part in parts]
        job.expected = len(rendering.performances) * sum(stop - first for first, stop in spans)
        settings: dict[str, Any] = {"seed": wish.seed, "expression": wish.expression, "advance": job.advance}
        rendering = passages.perform_passage(piece, rendering, model, passage, **settings)
        job.check()
        keep_edits(stem)
        keep_take(rendering, stem, stored.extras)

    return run


def unlocked(piece: "Piece", locked: Sequence["Bars"], hand: str | None = None) -> list["Bars"]:
    """The stretches of bars with notes, of a `hand` or any, between those that are locked; nothing where none is.

    Raises PianistError where all are locked, or the score does not tell the hand.
    """
    from pianist_jax.performance.shaping import notes_of_hand
    from pianist_jax.score.bars import notes_in

    if not locked:
        return []
    count = 0 if piece.grid is None else len(piece.grid.bars()) - 1
    found, begin = [], 1
    for first, last in [*sorted(locked), (count + 1, count + 1)]:
        if begin < first:
            found.append((begin, first - 1))
        begin = max(begin, last + 1)
    if piece.grid is not None:
        plays = True if hand is None else notes_of_hand(piece.grid, hand)
        found = [bars for bars in found if (notes_in(piece.grid, bars) & plays).any()]
    if not found:
        raise PianistError(f"{piece.name}: all its bars are locked; unlock some")
    return found


def warm_up(model: "Model", job: "Job") -> None:
    """Perform something that nobody hears, so that the programs are there when somebody wants to."""
    from pianist_jax.config import DEFAULT_SAMPLING
    from pianist_jax.inference.decoder import Decoder, Timer
    from pianist_jax.rendering.renderer import needed_draws
    from pianist_jax.studio.warming import spans_of

    decoder = Decoder(model, DEFAULT_SAMPLING, Timer(), job.advance)
    decoder.play(spans_of(model.config.window, needed_draws(1, DEFAULT_SAMPLING)))
