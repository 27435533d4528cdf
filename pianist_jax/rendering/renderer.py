"""A score in, a performance out: `render` for one score, `render_all` for many at once."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.config import DEFAULT_SAMPLING, Sampling
from pianist_jax.errors import PianistError
from pianist_jax.inference.decoder import Decoder, Timer, side_by_side
from pianist_jax.inference.engine import Model
from pianist_jax.inference.predictions import Predicted, WindowedPredictions, predict_consensus, tempo_of
from pianist_jax.inference.windows import Row, Span, perform_rows, windowing_for
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import ScoreTokens, encode_from_first
from pianist_jax.performance.averaging import averaged, in_tempo
from pianist_jax.performance.detokenize import detokenize
from pianist_jax.performance.ensemble import with_room
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.limits import within_limits
from pianist_jax.performance.pace import AS_WRITTEN, FREE, SCORE, Pace, at_pace, factor_of, sane
from pianist_jax.performance.pace import to_pace as pace_performance
from pianist_jax.performance.parameters import chords_of
from pianist_jax.performance.shaping import express_all
from pianist_jax.rendering.hashes import content_hash, sample_key
from pianist_jax.rendering.others import others_hash
from pianist_jax.rendering.pianists import with_pianists
from pianist_jax.rendering.result import Rendering, for_sample
from pianist_jax.rendering.touch import chords_heard, head_hashes, heard_by_foot, touch
from pianist_jax.score.ensemble import OtherPart
from pianist_jax.score.metre import metre
from pianist_jax.score.page import page
from pianist_jax.score.reading import AS_IT_STANDS, Reading
from pianist_jax.score.together import AN_ENSEMBLE, Ensemble

if TYPE_CHECKING:
    from pianist_jax.score.grid import ScoreGrid

GUESSES = 2  # of a tempo, one upon the other
AHEAD = 8  # times as many performances are at hand as are made together: like goes with like

Score = str | os.PathLike[str] | Notes
OnPlayed = Callable[[Span, np.ndarray, WindowedPredictions], None]

__all__ = [
    "Piece", "Rendering", "Score", "content_hash", "identity_of", "read_piece", "render", "render_all", "sample_key",
]  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """A score made ready: raw and normalised notes, tokens from the first onset on, hash of the notes.

    `tokens` are int32, with the metre where the score came from a file, and the page where that is notation. `score`
    and `tokens` are at the pace of a performance: `factor` times as slow as written. `guess` is the factor at which the
    model would play, where it has been asked.
    """

    name: str
    raw: Notes
    score: Notes
    note_of_raw: np.ndarray
    tokens: ScoreTokens
    content: str
    grid: "ScoreGrid | None" = None
    factor: float = 1.0
    guess: float | None = None
    others: tuple[OtherPart, ...] = ()
    ensemble: Ensemble = AN_ENSEMBLE
    conducted: bool = False


def render(
    score: Score,
    model: Model,
    *,
    seed: int = 0,
    samples: int = 1,
    temperature: float = 1.0,
    top_p: float = Sampling.top_p,
    top_k: int = 0,
    pedal_top_p: float = 1.0,
    draws: int = Sampling.draws,
    residual_scale: float = Sampling.residual_scale,
    tempo: str | float = SCORE,
    duration: float | None = None,
    expression: Expression = NEUTRAL,
    part: str | None = None,
    accompany: bool = False,
) -> Rendering:
    """Perform a score (a MIDI or MusicXML file, or notes) `samples` times, with `expression` as it is wanted.

    The whole, and each longer section between tempo marks, goes at the written `tempo` ("score"), at so many beats a
    minute, or as fast as the model guesses ("free"; so too where a score tells no tempo); or it lasts `duration`
    seconds (`performance.pace`).

    What so many `draws` agree on is played, with each one's own residual times `residual_scale` (`config.Sampling`):
    with 1 each performance is played as it was drawn.

    Of a file of several parts the pianist plays those of keyboards, or the `part` of a name or number; with `accompany`
    the others sound with him as an ensemble (`Rendering.others`, `performance.players`).

    The same score, model, seed, sample number and settings give the same performance, in whatever company. The
    performance begins when the score's first note does. Raises PianistError for a score or settings that make no sense.

    >>> from pianist_jax import load_model
    >>> rendering = render("prelude.mid", load_model(), seed=1, samples=2)
    >>> len(rendering.performances), len(rendering.notes) == len(rendering.score)
    (2, True)
    """
    sampling = Sampling(temperature, top_p, top_k, pedal_top_p, draws, residual_scale)
    pace = Pace(tempo, duration)
    piece = read_piece(score, Reading(part, accompany=accompany))
    made = render_all([piece], model, seed=seed, samples=samples, sampling=sampling, pace=pace, expression=expression)
    ((_, rendering),) = made
    return rendering


def read_piece(score: Score, reading: Reading = AS_IT_STANDS) -> Piece:
    """Read, normalise and tokenise a score, as the `reading` wants it. Raises PianistError."""
    name, raw, grid, columns, company = "score", score, None, None, dict[str, Any]()
    if not isinstance(score, Notes):
        from pianist_jax.score.load import load  # only files need a MIDI library

        read = load(score, reading)
        name, raw, grid, columns = Path(score).stem, read.notes, read.grid, page(read)
        company = {"others": read.others, "ensemble": reading.ensemble, "conducted": read.conducted}
    assert isinstance(raw, Notes)
    if not len(raw):
        raise PianistError(f"{name}: no notes; give a score with a piano part")
    notes, note_of_raw = normalise(raw)
    tokens = ScoreTokens(encode_from_first(notes), None if grid is None else metre(grid), columns)
    return Piece(name, raw, notes, note_of_raw, tokens, content_hash(raw), grid, **company)


def at_factor(piece: Piece, factor: float, guess: float | None = None) -> Piece:
    """A piece as `read_piece` gives it, so many times as slow."""
    if factor == 1 and guess is None:
        return piece
    score = at_pace(piece.score, factor)
    tokens = piece.tokens._replace(notes=encode_from_first(score))
    return dataclasses.replace(piece, score=score, tokens=tokens, factor=factor, guess=guess)


def set_pace(piece: Piece, model: Model, pace: Pace, expression: Expression = NEUTRAL) -> Piece:
    """The piece at the pace that is wanted, where nothing else tells it at the one that the model guesses.

    Raises PianistError where it cannot be had (`check_pace`).
    """
    factor, guess = check_pace(piece, pace, expression), None
    if factor is None:
        guess = guess_of(piece, model)
        factor = 1.0 if guess is None else guess
    return at_factor(piece, factor / expression.tempo_scale, guess)


def check_pace(piece: Piece, pace: Pace, expression: Expression = NEUTRAL) -> float | None:
    """The factor that is wanted of a piece as `read_piece` gives it, None where the model has to guess.

    Raises PianistError where it cannot be had, for the tempo scale of `expression` among other things.
    """
    return factor_of(pace, piece.score, piece.grid, piece.name, expression.tempo_scale)


def guess_of(piece: Piece, model: Model) -> float | None:
    """The factor at which the model would play a piece as `read_piece` gives it; None for one without a consensus."""
    factor = 1.0
    for _ in range(GUESSES):  # what it says is surest near the tempo that it means
        curves = predict_consensus(model, at_factor(piece, factor).tokens)
        if curves is None:
            return None
        factor = sane(factor * tempo_of(curves), piece.grid)
    return factor


def render_all(
    pieces: Iterable[Piece],
    model: Model,
    *,
    seed: int = 0,
    samples: int = 1,
    sampling: Sampling = DEFAULT_SAMPLING,
    pace: Pace | Sequence[Pace] = AS_WRITTEN,
    expression: Expression = NEUTRAL,
    batch: int | None = None,
    advance: Callable[[int], None] | None = None,
    on_played: OnPlayed | None = None,
) -> Iterator[tuple[int, Rendering]]:
    """Perform many pieces `samples` times each, up to `batch` performances side by side, long pieces first.

    Of many pieces only some are in memory: they are taken from `pieces` when it is nearly their turn.
    Yields (number of the piece, its rendering) as soon as all its samples are there; its figures are those of all that
    was played until then. `pace` is that of all pieces or of each. `advance` is called with the number of notes
    performed since it was last called, `on_played` with every span, the tokens int32 [n, 8] of its notes that have
    become final since, and what is predicted of the piece so far.
    """
    timer, kept = Timer(), samples / needed_draws(samples, sampling)
    prepared = (set_pace(piece, model, _of(pace, number), expression) for number, piece in enumerate(pieces))
    hooks: dict[str, Any] = {"advance": advance, "on_played": on_played}
    playing = interpretations(prepared, model, seed, samples, sampling, timer, batch=batch, **hooks)
    for number, piece, played in playing:
        identity = identity_of(piece, model, seed, samples, sampling, _of(pace, number), expression)
        own = [for_sample(expression, seed, piece.content, k) for k in range(samples)]
        expressed = [expressed_at(piece, one, _of(pace, number), e) for one, e in zip(played, own, strict=True)]
        perform = partial(interpretations, model=model, seed=seed, samples=samples, sampling=sampling, timer=timer)
        yield number, _rendering(with_pianists(piece, perform), expressed, identity, timer, kept)


def _of(pace: Pace | Sequence[Pace], number: int) -> Pace:
    return pace if isinstance(pace, Pace) else pace[number]


def interpretations(
    pieces: Iterable[Piece],
    model: Model,
    seed: int,
    samples: int,
    sampling: Sampling,
    timer: Timer,
    *,
    batch: int | None = None,
    advance: Callable[[int], None] | None = None,
    on_played: OnPlayed | None = None,
) -> Iterator[tuple[int, Piece, list[Notes]]]:
    """What `render_all` brings to its pace: (number, the piece with the model's guess, its performances as played)."""
    if samples < 1:
        raise PianistError(f"samples is {samples}, but it must be 1 or more")
    draws = needed_draws(samples, sampling)
    batch = batch or side_by_side(model)
    playing: dict[int, tuple[Piece, dict[int, Notes], WindowedPredictions]] = {}

    def rows() -> Iterator[Row]:
        for number, piece in enumerate(pieces):
            playing[number] = piece, {}, WindowedPredictions(len(piece.score))
            read = model.read(piece.tokens)
            for draw in range(draws):
                yield Row(number, draw, read, sample_key(seed, piece.content, draw))

    def on_prediction(span: Span, curves: np.ndarray, states: np.ndarray) -> None:
        if span.draw == 0:  # it is the same of the others
            heard = heard_by_foot(model, sampling, states)
            playing[span.piece][2].add(span.first, curves, *(() if heard is None else (heard,)))

    def on_notes(span: Span, tokens: np.ndarray) -> None:
        if on_played is not None:
            on_played(span, tokens, playing[span.piece][2])

    decoder = Decoder(model, sampling, timer, advance, on_prediction, on_notes)
    windowing = windowing_for(model.config.window)
    for (number, draw), performed in perform_rows(rows(), windowing, decoder.play, batch=batch, ahead=AHEAD * batch):
        piece, made, windows = playing[number]
        made[draw] = detokenize(piece.score, performed)
        if len(made) == draws:
            del playing[number]
            drawn, predicted = [made[k] for k in range(draws)], windows.predicted()
            played = agreed(piece, drawn, predicted, model, seed, samples, sampling)
            if piece.guess is None and predicted.curves is not None:
                piece = dataclasses.replace(piece, guess=sane(piece.factor * tempo_of(predicted.curves), piece.grid))
            yield number, piece, played


def agreed(
    piece: Piece,
    drawn: list[Notes],
    predicted: Predicted,
    model: Model,
    seed: int,
    samples: int,
    sampling: Sampling,
) -> list[Notes]:
    """What draws agree on with each other and with what is predicted, by so many pairs of hands and feet."""
    shared = sampling.averaged
    if model.config.anchored:
        steady, kept = in_tempo(piece.score, drawn[:shared])
        drawn, shared = [*steady, *drawn[shared:]], kept
    common = (shared, sampling.residual_scale, predicted.curves)
    chords = chords_of(piece.score)
    heard = chords_heard(model, sampling, chords, predicted.states)
    meant = (averaged(piece.score, drawn, k, *common) for k in range(samples))
    hands = [sample_key(seed, f"{piece.content} touch", k) for k in range(samples)]
    struck = (touch(chords, piece.tokens, *own, sampling, heard) for own in zip(meant, hands, strict=True))
    return [within_limits(piece.score, one) for one in struck]


def expressed_at(piece: Piece, performance: Notes, pace: Pace, expression: Expression) -> Notes:
    """A performance as it was agreed on, at the pace and with the expression that are wanted."""
    paced = _with_room(piece, to_pace(piece, performance, pace))
    expressed = express_all(piece.score, piece.grid, paced, at_own(expression))
    return expressed if expression.shape.hits else _with_room(piece, expressed)


def _with_room(piece: Piece, performance: Notes) -> Notes:
    if not piece.others:
        return performance
    return with_room(normalise(piece.raw)[0], performance, piece.others, piece.factor)


def to_pace(piece: Piece, performance: Notes, pace: Pace) -> Notes:
    """A performance brought to the pace of its piece; as it is where that is free and the model cannot guess."""
    if pace.tempo == FREE and piece.guess is None:
        return performance
    return pace_performance(piece.score, piece.grid, performance, pace)


def at_own(expression: Expression) -> Expression:
    """The expression of what is at its tempo already."""
    return dataclasses.replace(expression, tempo_scale=1.0)


def needed_draws(samples: int, sampling: Sampling) -> int:
    """How many performances are drawn of each score: samples share their draws."""
    return max(samples, sampling.averaged)


def identity_of(
    piece: Piece,
    model: Model,
    seed: int,
    samples: int,
    sampling: Sampling,
    pace: Pace = AS_WRITTEN,
    expression: Expression = NEUTRAL,
) -> dict[str, Any]:
    """What a rendering follows from; outputs with the same identity are the same."""
    settings = {
        "samples": samples,
        **dataclasses.asdict(sampling),
        "heads": head_hashes(model, sampling),
        "windows": dataclasses.asdict(windowing_for(model.config.window)),
        "pace": pace.metadata(),
        "expression": expression.metadata(),
        **({"others": others_hash(piece.others), "ensemble": piece.ensemble.metadata()} if piece.others else {}),
        **({"conducted": True} if piece.conducted else {}),
    }
    return {
        "score": {
            "name": piece.name,
            "content": piece.content,
            "metre": _digest(piece.tokens.metre),
            "page": _digest(piece.tokens.page),
        },
        "model": model_identity(model),
        "seed": seed,
        "settings": settings,
        "edits": [],
    }


def _digest(columns: np.ndarray | None) -> str:
    content = b"" if columns is None else np.ascontiguousarray(columns, "<i4").tobytes()
    return hashlib.sha256(content).hexdigest()


def model_identity(model: Model) -> dict[str, Any]:
    """Which model it is, and its arithmetic."""
    return {"name": model.name, "hash": model.hash, "dtype": model.config.dtype}


def _rendering(
    piece: Piece, performances: Sequence[Notes], identity: dict[str, Any], timer: Timer, kept: float
) -> Rendering:
    """`kept` is the share of the drawn performances that are rendered."""
    report = {
        "notes_per_second": round(kept * timer.notes / timer.perform_seconds, 2),
        "compile_seconds": round(timer.compile_seconds, 3),
        "counts": {
            "input_notes": len(piece.raw),
            "performed_notes": len(piece.score),
            "merged_notes": len(piece.raw) - len(piece.score),
        },
        "tempo": {"factor": piece.factor, "guess": piece.guess},
    }
    notes = (piece.raw, piece.score, piece.note_of_raw, tuple(performances))
    return Rendering(*notes, piece.name, identity, report, piece.grid, piece.others)
