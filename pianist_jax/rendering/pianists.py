"""Further pianists, of four hands or two pianos: each plays a part of his own, with his own hand and foot.

He is performed as the first one is, by other chance, and then keeps to the first one's time (`performance.players`).
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import ScoreTokens, encode_from_first
from pianist_jax.performance.pace import at_pace
from pianist_jax.performance.players import playing_of
from pianist_jax.rendering.hashes import content_hash
from pianist_jax.score.ensemble import OtherPart
from pianist_jax.score.metre import metre

if TYPE_CHECKING:
    from pianist_jax.rendering.renderer import Piece

    Perform = Callable[[Iterable[Piece]], Iterator[tuple[int, Piece, list[Notes]]]]


def with_pianists(piece: "Piece", perform: "Perform") -> "Piece":
    """A piece at its pace, each pianist among its others playing: `perform` performs pieces."""
    numbers = [n for n, other in enumerate(piece.others) if other.pianist and piece.ensemble.shaped]
    if not numbers:
        return piece
    others, alone = list(piece.others), [_alone(piece, piece.others[n], n) for n in numbers]
    for index, _, played in perform(alone):
        own = others[numbers[index]]
        playing = tuple(playing_of(own.notes, notes) for notes in played)
        others[numbers[index]] = dataclasses.replace(own, playing=playing)
    return dataclasses.replace(piece, others=tuple(others))


def _alone(piece: "Piece", own: OtherPart, number: int) -> "Piece":
    """A part as a piece of its own, at the pace of the whole."""
    score, grid = at_pace(own.notes, piece.factor), piece.grid
    if grid is not None:
        parts = np.zeros(len(own.notes), np.int64)
        grid = dataclasses.replace(
            grid, onset=own.onset, duration=own.duration, part=parts, part_names=(own.name,), ids=()
        )
    tokens = ScoreTokens(encode_from_first(score), None if grid is None else metre(grid), None)
    content = hashlib.sha256(f"{content_hash(own.notes)} {number}".encode()).hexdigest()  # twins play apart
    return dataclasses.replace(
        piece,
        name=own.name,
        raw=own.notes,
        score=score,
        note_of_raw=np.arange(len(own.notes)),
        tokens=tokens,
        content=content,
        grid=grid,
        guess=None,
        others=(),
        conducted=False,
    )
