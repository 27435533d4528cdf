"""A score in, a performance out: `render` for one score, `render_all` for many at once."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.metre import metre
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import NOTE_TOKENS, encode
from pianist_jax.rendering.consensus import Foretold
from pianist_jax.rendering.expression import NEUTRAL, Expression, express
from pianist_jax.rendering.programs import Model, Player, Stopwatch, side_by_side
from pianist_jax.rendering.realise import realise
from pianist_jax.rendering.rehearsal import rehearsed
from pianist_jax.rendering.result import Rendering, content_hash
from pianist_jax.rendering.sampling import CHANCE, DEFAULT, REHEARSALS, TOP_P, Sampling
from pianist_jax.rendering.voicing import voiced
from pianist_jax.rendering.windows import Row, Span, perform_rows, windowing_for

if TYPE_CHECKING:
    from pianist_jax.music.grid import ScoreGrid

AHEAD = 8  # times as many performances are at hand as are made together: like goes with like

Score = str | os.PathLike[str] | Notes

__all__ = [
    "Piece", "Rendering", "Score", "content_hash", "identity_of", "read_piece", "render", "render_all", "sample_key",
]  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """A score made ready: raw and normalised notes, tokens from the first onset on, hash of the notes.

    `tokens` are int32 [N, 8], or [N, 17] with the columns of `music.metre` where the score came from a file.
    """

    name: str
    raw: Notes
    score: Notes
    note_of_raw: np.ndarray
    tokens: np.ndarray
    content: str
    grid: "ScoreGrid | None" = None


def render(
    score: Score,
    model: Model,
    *,
    seed: int = 0,
    samples: int = 1,
    temperature: float = 1.0,
    top_p: float = TOP_P,
    top_k: int = 0,
    pedal_top_p: float = 1.0,
    rehearsals: int = REHEARSALS,
    chance: float = CHANCE,
    expression: Expression = NEUTRAL,
) -> Rendering:
    """Perform a score (a MIDI or MusicXML file, or notes) `samples` times, with `expression` as it is wanted.

    What so many `rehearsals` agree on is played, with a share of one's own `chance` (`rehearsal`). With a chance of 1
    each performance is played as it was drawn.

    The same score, model, seed, sample number and settings give the same performance, in whatever company. The
    performance begins when the score's first note does. Raises PianistError for a score or settings that make no sense.
    """
    sampling = Sampling(temperature, top_p, top_k, pedal_top_p, rehearsals, chance)
    made = render_all(
        [read_piece(score)], model, seed=seed, samples=samples, sampling=sampling, expression=expression
    )
    ((_, rendering),) = made
    return rendering


def read_piece(score: Score) -> Piece:
    """Read, normalise and tokenise a score. Raises PianistError."""
    name, raw, grid = ("score", score, None) if isinstance(score, Notes) else _read_file(Path(score))
    if not len(raw):
        raise PianistError(f"{name}: no notes; give a score with a piano part")
    notes, note_of_raw = normalise(raw)
    begin = notes.onset[0]
    pedal_time = np.maximum(notes.pedal_time - begin, 0)
    tokens = encode(dataclasses.replace(notes, onset=notes.onset - begin, pedal_time=pedal_time))
    if grid is not None:
        tokens = np.concatenate([tokens, metre(grid)], axis=1)
    return Piece(name, raw, notes, note_of_raw, tokens, content_hash(raw), grid)


def _read_file(path: Path) -> "tuple[str, Notes, ScoreGrid]":
    """Name, notes and grid of a score file: notation by its suffix, anything else as MIDI."""
    from pianist_jax.music.grid import NOTATION, grid_of_midi, grid_of_score
    from pianist_jax.music.midi import read_midi

    if path.suffix.lower() not in NOTATION:
        return path.stem, read_midi(path), grid_of_midi(path)
    from pianist_jax.music.score import read_score

    written = read_score(path)
    return path.stem, written.notes, grid_of_score(written)


def render_all(
    pieces: Iterable[Piece],
    model: Model,
    *,
    seed: int = 0,
    samples: int = 1,
    sampling: Sampling = DEFAULT,
    expression: Expression = NEUTRAL,
    batch: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, Rendering]]:
    """Perform many pieces `samples` times each, up to `batch` performances side by side, long pieces first.

    Of many pieces only some are in memory: they are taken from `pieces` when it is nearly their turn.
    Yields (number of the piece, its rendering) as soon as all its samples are there; its figures are those of all that
    was played until then. `advance` is called with the number of notes performed since it was last called.
    """
    if samples < 1:
        raise PianistError(f"samples is {samples}, but it must be 1 or more")
    tries = draws(samples, sampling)
    batch = batch or side_by_side(model)
    playing: dict[int, tuple[Piece, dict[int, Notes], Foretold]] = {}

    def rows() -> Iterator[Row]:
        for number, piece in enumerate(pieces):
            playing[number] = piece, {}, Foretold(len(piece.score))
            for number_of_try in range(tries):
                yield Row((number, number_of_try), piece.tokens, sample_key(seed, piece.content, number_of_try))

    def hear(span: Span, curves: np.ndarray) -> None:
        number, number_of_try = span.number
        if number_of_try == 0:  # the others hear the same
            playing[number][2].hear(span.first, curves)

    stopwatch = Stopwatch()
    player, windowing = Player(model, sampling, stopwatch, advance, hear), windowing_for(model.config.window)
    for (number, own), performed in perform_rows(rows(), windowing, player.play, batch=batch, ahead=AHEAD * batch):
        piece, made, foretold = playing[number]
        made[own] = realise(piece.score, performed)
        if len(made) == tries:
            del playing[number]
            drawn = [made[k] for k in range(tries)]
            common = (sampling.tries, sampling.chance, foretold.curves())
            played = [voiced(piece.score, rehearsed(piece.score, drawn, k, *common)) for k in range(samples)]
            identity = identity_of(piece, model, seed, samples, sampling, expression)
            expressed = [express(piece.score, one, expression) for one in played]
            yield number, _rendering(piece, expressed, identity, stopwatch, samples / tries)


def draws(samples: int, sampling: Sampling) -> int:
    """How many performances are drawn of each score: samples share their rehearsals."""
    return max(samples, sampling.tries)


def sample_key(seed: int, content: str, sample: int) -> np.ndarray:
    """Key data uint32 [2] of one performance: it follows from seed, score and sample number alone."""
    digest = hashlib.sha256(f"{seed} {content} {sample}".encode()).digest()
    return np.frombuffer(digest[:8], ">u4").astype(np.uint32)


def identity_of(
    piece: Piece, model: Model, seed: int, samples: int, sampling: Sampling, expression: Expression = NEUTRAL
) -> dict[str, Any]:
    """What a rendering follows from; outputs with the same identity are the same."""
    settings = {
        "samples": samples,
        **dataclasses.asdict(sampling),
        "windows": dataclasses.asdict(windowing_for(model.config.window)),
        "expression": expression.told(),
    }
    return {
        "score": {"name": piece.name, "content": piece.content, "metre": _digest(piece.tokens[:, NOTE_TOKENS:])},
        "model": model_identity(model),
        "seed": seed,
        "settings": settings,
        "edits": [],
    }


def _digest(columns: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(columns, "<i4").tobytes()).hexdigest()


def model_identity(model: Model) -> dict[str, Any]:
    """Which model it is, and its arithmetic."""
    return {"name": model.name, "hash": model.hash, "dtype": model.config.dtype}


def _rendering(
    piece: Piece, performances: Sequence[Notes], identity: dict[str, Any], stopwatch: Stopwatch, kept: float
) -> Rendering:
    """`kept` is the share of the drawn performances that are rendered."""
    report = {
        "notes_per_second": round(kept * stopwatch.notes / stopwatch.perform_seconds, 2),
        "compile_seconds": round(stopwatch.compile_seconds, 3),
        "counts": {
            "input_notes": len(piece.raw),
            "performed_notes": len(piece.score),
            "merged_notes": len(piece.raw) - len(piece.score),
        },
    }
    notes = (piece.raw, piece.score, piece.note_of_raw, tuple(performances))
    return Rendering(*notes, piece.name, identity, report, piece.grid)
