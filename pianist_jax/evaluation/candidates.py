"""What one renderer made of the pieces, and how a model of this package makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.evaluation.curves import Piece, Played

if TYPE_CHECKING:
    from pianist_jax.rendering.programs import Model
    from pianist_jax.rendering.sampling import Sampling


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """Performances of one renderer by piece, and the score notes at which its windows meet, where that is known.

    `about` says where they come from: a folder, or model, hash, seed and settings.
    """

    name: str
    performances: Mapping[str, tuple[Played, ...]]
    boundaries: Mapping[str, np.ndarray]
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def render_candidates(
    name: str,
    pieces: Sequence[Piece],
    model: Model,
    *,
    seed: int,
    samples: int,
    sampling: Sampling,
    advance: Callable[[int], None] | None = None,
) -> Candidates:
    """Performs every piece `samples` times, the same that `pianist render` makes of its score file.

    Raises PianistError.
    """
    from pianist_jax.rendering.renderer import read_piece, render_all

    scores = [read_piece(piece.source or piece.score) for piece in pieces]
    made: dict[str, tuple[Played, ...]] = {}
    boundaries: dict[str, np.ndarray] = {}
    rendered = render_all(scores, model, seed=seed, samples=samples, sampling=sampling, advance=advance)
    for index, rendering in rendered:
        piece = pieces[index]
        if not np.array_equal(rendering.score.pitch, piece.score.pitch):
            raise PianistError(f"{piece.source}: was changed while it was rendered; run it again")
        everyone = np.arange(len(piece.score))
        made[piece.name] = tuple(
            Played(f"{name} {number}", notes, everyone, aligned=False)
            for number, notes in enumerate(rendering.performances, 1)
        )
        boundaries[piece.name] = rendering.joins
    about = {"model": model.name, "hash": model.hash, "seed": seed, "samples": samples}
    return Candidates(name, made, boundaries, {**about, **dataclasses.asdict(sampling)})
