"""What one renderer made of the pieces, and how a model of this package makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.data.twins import twin_page
from pianist_jax.errors import PianistError
from pianist_jax.evaluation.pieces import Played, PlayedPiece, curves_of
from pianist_jax.performance.pace import Pace, on_clock
from pianist_jax.performance.parameters import Chords, chords_of, deal, time_map

if TYPE_CHECKING:
    from pianist_jax.config import Sampling
    from pianist_jax.inference.engine import Model
    from pianist_jax.rendering import renderer


HUMANS = "humans"  # a tempo: that of the humans of each piece
TEMPI = ("score", "free", HUMANS)


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """Performances of one renderer by piece, and the score notes at which its windows meet, where that is known.

    `about` says where they come from: a folder, or model, hash, seed and settings.
    """

    name: str
    performances: Mapping[str, tuple[Played, ...]]
    boundaries: Mapping[str, np.ndarray]
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def humans_slowness(piece: PlayedPiece) -> float:
    """How many times slower than written the humans of a piece play it: the geometric mean of `usual_slowness`."""
    chords = chords_of(piece.score)
    return float(np.exp(np.mean(np.log([usual_slowness(chords, human) for human in piece.humans]))))


def at_tempo_of_humans(piece: PlayedPiece, performances: Sequence[Played]) -> tuple[Played, ...]:
    """Anybody's performances of a piece, each evenly faster or slower so that it is as slow as the humans are."""
    chords, told = chords_of(piece.score), humans_slowness(piece)
    changed = []
    for one in performances:
        begin, times = float(one.notes.onset.min()), told / usual_slowness(chords, one)
        clocks = np.array([begin, begin + 1000.0]), np.array([begin, begin + 1000.0 * times])
        changed.append(dataclasses.replace(one, notes=on_clock(one.notes, *clocks)))
    return tuple(changed)


def usual_slowness(chords: Chords, played: Played) -> float:
    """The geometric mean of performed over written gaps: the tempo that is usual, whatever the pauses and the end."""
    dealt = deal(played.notes, played.match)
    return float(np.exp(np.nanmean(curves_of(chords, dealt, time_map(chords, dealt.onset), played.aligned)["log_ioi"])))


def _with_page(ready: renderer.Piece, piece: PlayedPiece) -> renderer.Piece:
    """A score made ready, with what its engraved twin writes at its notes, where it does not tell that itself."""
    if ready.tokens.page is not None:
        return ready
    return dataclasses.replace(ready, tokens=ready.tokens._replace(page=twin_page(piece.score, piece.notation)))


def render_candidates(
    name: str,
    pieces: Sequence[PlayedPiece],
    model: Model,
    *,
    seed: int,
    samples: int,
    sampling: Sampling,
    tempo: str = "score",
    advance: Callable[[int], None] | None = None,
) -> Candidates:
    """Performs every piece `samples` times, the same that `pianist render` makes of its score file at this `tempo`.

    "humans": the model is told the humans' mean tempo of each piece (`humans_slowness`), and what it plays is brought
    to it evenly, as is what anybody else plays. Raises PianistError.
    """
    from pianist_jax.rendering.renderer import read_piece, render_all

    scores = [_with_page(read_piece(piece.source or piece.score), piece) for piece in pieces]
    made: dict[str, tuple[Played, ...]] = {}
    boundaries: dict[str, np.ndarray] = {}
    told = {piece.name: Pace(times=humans_slowness(piece)) for piece in pieces} if tempo == HUMANS else {}
    paces = [told.get(piece.name) or Pace(tempo) for piece in pieces]
    rendered = render_all(scores, model, seed=seed, samples=samples, sampling=sampling, pace=paces, advance=advance)
    for index, rendering in rendered:
        piece = pieces[index]
        if not np.array_equal(rendering.score.pitch, piece.score.pitch):
            raise PianistError(f"{piece.source}: was changed while it was rendered; run it again")
        everyone = np.arange(len(piece.score))
        played = tuple(
            Played(f"{name} {number}", notes, everyone, aligned=False)
            for number, notes in enumerate(rendering.performances, 1)
        )
        made[piece.name] = at_tempo_of_humans(piece, played) if tempo == HUMANS else played
        boundaries[piece.name] = rendering.window_boundaries
    about = {"model": model.name, "hash": model.hash, "seed": seed, "samples": samples, "tempo": tempo}
    return Candidates(name, made, boundaries, {**about, **dataclasses.asdict(sampling)})
