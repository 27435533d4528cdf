"""Some bars of a rendering performed anew, everything around them as it was.

What was played before the bars is the decoder's prompt, so that tempo, dynamics and pedal go on from there; the score
behind them is seen by the encoder. The bars keep their place in time: they begin when they began, and what follows
comes when it came, so that a producer's edits elsewhere stay where they are. Several takes are played at once. Each is
drawn towards the model's consensus, if it has one, and fitted between the two (`fitting`), and the one after which the
model itself finds the next notes likeliest is kept.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.config import DEFAULT_SAMPLING, Sampling
from pianist_jax.errors import PianistError
from pianist_jax.inference.decode import value_bounds
from pianist_jax.inference.decoder import Decoder, Timer
from pianist_jax.inference.engine import Model
from pianist_jax.inference.likelihood import slot_nll
from pianist_jax.inference.predictions import predict_consensus
from pianist_jax.inference.windows import Span, windowing_for
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import (
    IOI,
    SLOT_START,
    ScoreTokens,
    encode,
)
from pianist_jax.performance.averaging import averaged
from pianist_jax.performance.detokenize import detokenize
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.fitting import ends, graft, lead_back
from pianist_jax.performance.parameters import log_odds
from pianist_jax.performance.shaping import express_all, require_shape
from pianist_jax.rendering.extras import Extras, check_plot
from pianist_jax.rendering.outputs import DEFAULT_EXTRAS, Saved, is_made, wanted_paths
from pianist_jax.rendering.renderer import Piece, Score, at_factor, at_own, model_identity, read_piece, sample_key
from pianist_jax.rendering.result import Rendering
from pianist_jax.rendering.stored import apply_edits, read_rendering
from pianist_jax.rendering.takes import keep_edits, keep_take, list_takes, require_unchanged, switch_to
from pianist_jax.rendering.touch import head_hashes, touch
from pianist_jax.score.bars import Bars, notes_in
from pianist_jax.score.reading import AS_IT_STANDS, Reading

TAKES = 8
HEARD = 32  # notes behind the passage by which the takes are judged

Advance = Callable[[int], None]


def render_bars(
    score: Score,
    rendering: Rendering,
    model: Model,
    bars: Bars,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    top_p: float = Sampling.top_p,
    top_k: int = 0,
    pedal_top_p: float = 1.0,
    residual_scale: float = Sampling.residual_scale,
    expression: Expression = NEUTRAL,
    takes: int = TAKES,
) -> Rendering:
    """The rendering of a score with its bars from first to last, counted from 1, performed anew.

    Outside those bars onsets, durations, velocities and pedal stay as they are; inside of them the rendering's own
    expression holds, and `expression` on top of it. The same arguments give the same
    result; on what they gave before, velocities within 1, as the loudness led back to is then a rounded one. More
    `takes` to choose from join better and need more time. Raises PianistError where score and rendering do not belong
    together, the score has no such bars or no notes in them, or the expression changes their tempo.
    """
    sampling = Sampling(temperature, top_p, top_k, pedal_top_p, residual_scale=residual_scale)
    return perform_bars(
        read_piece(score), rendering, model, bars, seed=seed, sampling=sampling, expression=expression, takes=takes
    )


def perform_bars(
    piece: Piece,
    rendering: Rendering,
    model: Model,
    bars: Bars,
    *,
    seed: int = 0,
    sampling: Sampling = DEFAULT_SAMPLING,
    expression: Expression = NEUTRAL,
    takes: int = TAKES,
    advance: Advance | None = None,
) -> Rendering:
    """As `render_bars`, of a piece that is read already; `advance` is told of every so many notes performed."""
    free = passage_of(piece, rendering, bars, expression)
    piece = at_factor(piece, rendering.report.get("tempo", {}).get("factor", 1.0))
    tokens = model.read(piece.tokens)
    agreed = predict_consensus(model, tokens) if sampling.residual_scale < 1 or model.config.page else None
    styles = styles_of(rendering)
    performances = []
    for sample, old in enumerate(rendering.performances):
        keys = [sample_key(seed, f"{piece.content} bars {bars[0]}-{bars[1]} take {k}", sample) for k in range(takes)]
        known = known_tokens(_begun_with_its_first(old, free))
        played = _play_takes(tokens, known, free, keys, model, sampling, advance)
        common = (0, 1, sampling.residual_scale, agreed)
        alone = (averaged(piece.score, [detokenize(piece.score, take)], *common) for take in played)
        struck = (touch(piece.score, piece.tokens, *own, sampling) for own in zip(alone, keys, strict=False))
        led = (_in_style(piece, old, notes, free, styles) for notes in struck)
        new = [express_all(piece.score, piece.grid, notes, expression) for notes in led]
        fitted = [graft(old, take, piece.score, free) for take in new]
        performances.append(fitted[likeliest_take(tokens, fitted, free, model)])
    edit = edit_of(model, bars, seed, sampling, expression)
    rendering = dataclasses.replace(rendering, identity=without_passage(rendering.identity, bars))
    return rendering.replaced(performances, edit)


def without_passage(identity: dict[str, Any], bars: Bars) -> dict[str, Any]:
    """An identity from which, where these bars were the last to be performed anew, that is gone."""
    edits = identity["edits"]
    return {**identity, "edits": edits[:-1]} if edits and edits[-1].get("bars") == list(bars) else identity


def styles_of(rendering: Rendering) -> list[Expression]:
    """What has been asked of the whole rendering, one upon the other, but for its tempo."""
    identity = rendering.identity
    told = [
        identity["settings"]["expression"],
        *(own["expression"] for own in identity["edits"] if "expression" in own),
    ]
    styles = [at_own(Expression.of(metadata)) for metadata in told]
    return [dataclasses.replace(style, shape=style.shape.in_place()) for style in styles]


def _in_style(piece: Piece, old: Notes, new: Notes, free: np.ndarray, styles: Sequence[Expression]) -> Notes:
    """The new performance with the expression of the old one, whose loudness it is led back to."""
    middle = float(log_odds(old.velocity).mean())
    for style in styles:
        new = express_all(piece.score, piece.grid, new, style, middle)
    as_written = any("velocity" in style.keep for style in styles)
    return new if as_written else lead_back(old, new, free)


def rerender_file(
    score: Path,
    stem: Path,
    model: Model,
    bars: Bars,
    *,
    seed: int = 0,
    sampling: Sampling = DEFAULT_SAMPLING,
    expression: Expression = NEUTRAL,
    extras: Extras = DEFAULT_EXTRAS,
    tempo_events: str | None = None,
    force: bool = False,
    takes: int = TAKES,
    reading: Reading = AS_IT_STANDS,
) -> tuple[Saved, Rendering | None]:
    """Perform bars of the rendering at `stem` (a path without suffix) anew and write its files again.

    What was edited in its JSON file counts, and is a take of its own before these bars become one. Extras that were
    there are written again, `extras` added. Gives the files and the rendering, or None in its place where these bars
    were made so before. Raises PianistError.
    """
    path = stem.with_name(stem.name + ".json")
    if not path.exists():
        raise PianistError(f"{path}: no rendering there; render the whole score first, or name its folder with -o")
    piece, stored = read_piece(score, reading), read_rendering(path)
    there = stored.extras
    extras = dataclasses.replace(there.also(extras), tempo_events=tempo_events or there.tempo_events)
    old = apply_edits(stored)
    passage_of(piece, old, bars, expression)
    check_plot(old.grid, extras)
    edit = edit_of(model, bars, seed, sampling, expression)
    if old.identity["edits"][-1:] == [edit]:
        if is_made(stem, old.identity, extras, has_bars=True):
            return Saved((path,), take=stored.take.number), None
        return keep_take(old, stem, extras, origin=path, force=force), None
    before = without_passage(old.identity, bars)
    wanted = {**before, "edits": [*before["edits"], edit]}
    for take in list_takes(stem):
        if take.identity == wanted and not stored.by_hand and (not take.by_hand or take.parent == stored.take.number):
            return switch_to(stem, take.number, extras, force=force), None
    require_unchanged(stem, stored, wanted_paths(stem, len(old.performances), extras, has_bars=True)[:-1], force=force)
    new = perform_bars(piece, old, model, bars, seed=seed, sampling=sampling, expression=expression, takes=takes)
    keep_edits(stem)
    return keep_take(new, stem, extras, force=force), new


def edit_of(model: Model, bars: Bars, seed: int, sampling: Sampling, expression: Expression) -> dict[str, Any]:
    """What the rendering's identity tells of a passage."""
    settings = {**dataclasses.asdict(sampling), "heads": head_hashes(sampling), "expression": expression.metadata()}
    return {"bars": list(bars), "seed": seed, "model": model_identity(model), "settings": settings}


def passage_of(piece: Piece, rendering: Rendering, bars: Bars, expression: Expression = NEUTRAL) -> np.ndarray:
    """bool [N]: the notes that are performed anew. Raises PianistError where they cannot be."""
    if piece.content != rendering.identity["score"]["content"]:
        raise PianistError(f"{piece.name}: the rendering is of another version of this score; render it anew")
    if piece.grid is None:
        raise PianistError(f"{piece.name}: notes without bars; give a score file")
    if expression.tempo_scale != 1:
        raise PianistError("--bars keep their place in time, so that --tempo-scale has no room; leave one of them out")
    if expression.shape != expression.shape.in_place():
        raise PianistError("--bars keep their place in time, so that hits and a lead-in have no room; leave them out")
    require_shape(piece.grid, expression.shape)
    free = notes_in(piece.grid, bars)
    if not free.any():
        raise PianistError(f"{piece.name}: no note begins in bars {bars[0]}-{bars[1]}; choose others")
    return free


def known_tokens(notes: Notes) -> np.ndarray:
    """Performed tokens int32 [N, 8] of notes in the order of the score, whatever order they sound in."""
    onset = np.maximum.accumulate(notes.onset)
    begin = onset[0]
    pedal_time = np.maximum(notes.pedal_time - begin, 0)
    return encode(dataclasses.replace(notes, onset=onset - begin, pedal_time=pedal_time))


def _begun_with_its_first(old: Notes, free: np.ndarray) -> Notes:
    """The old performance whose passage begins with its first note, whichever of that chord was struck first."""
    onset = old.onset.copy()
    onset[ends(free)[0]] = onset[free].min()
    return dataclasses.replace(old, onset=onset)


def _play_takes(
    tokens: ScoreTokens,
    known: np.ndarray,
    free: np.ndarray,
    keys: list[np.ndarray],
    model: Model,
    sampling: Sampling,
    advance: Advance | None,
) -> list[np.ndarray]:
    """Performed tokens int32 [N, 8] of every take: as known where notes are not free."""
    first, last = ends(free)
    if last == len(free):
        keys = keys[:1]  # nothing follows by which takes could be told apart
    w = windowing_for(model.config.window)
    played = [known.copy() for _ in keys]
    decoder = Decoder(model, sampling, Timer(), advance)
    at, stop = first, min(last + 1, len(free))  # the first note behind tells how long the last one is waited for
    while at < stop:
        # A prompt as long as other windows have, or none, so that their programs serve; bounds lock the rest.
        begin, prompt = (at - w.prompt, w.prompt) if at >= w.prompt else (0, 0)
        end = min(begin + w.notes, tokens.size)
        settled = stop if end >= stop else end - (w.notes - w.move - w.prompt)
        spans, score = [], tokens.at(slice(begin, end))
        for k, key in enumerate(keys):
            low, high = _bounds(tokens.notes, played[k], free, at, model.config.anchored)
            limits, fresh = (low[begin:end], high[begin:end]), settled - at if k == 0 else 0
            spans.append(
                Span(score, played[k][begin : begin + prompt], key, begin, fresh, piece=0, draw=k, limits=limits)
            )
        for k, whole in enumerate(decoder.play(spans)):
            played[k][at:settled] = whole[at - begin : settled - begin]
        at = settled
    return played


def _bounds(
    score_NS: np.ndarray, known_NS: np.ndarray, free_N: np.ndarray, at: int, anchored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of every note's slots (`value_bounds`): what is known is locked, and all before note `at`."""
    first, last = ends(free_N)
    free_N = free_N & (np.arange(len(free_N)) >= at)
    value_NS = known_NS - SLOT_START
    loose = value_bounds(score_NS, opening=True, anchored=anchored)
    low, high = (np.where(free_N[:, None], bound, value_NS).astype(np.int32) for bound in loose)
    if first:  # the bars begin when they began
        low[first, IOI] = high[first, IOI] = value_NS[first, IOI]
    if last < len(free_N):
        low[last, IOI], high[last, IOI] = loose[0][last, IOI], loose[1][last, IOI]
    return low, high


def likeliest_take(tokens: ScoreTokens, takes: list[Notes], free: np.ndarray, model: Model) -> int:
    """The take after which the notes behind the passage are likeliest to be played as they are."""
    if len(takes) == 1:
        return 0
    _, last = ends(free)
    room = min(windowing_for(model.config.window).notes, tokens.size)
    end = min(last + HEARD, tokens.size)
    begin = max(0, end - room)
    performed_BNS = np.stack([known_tokens(take)[begin : begin + room] for take in takes])
    score = tokens.at(slice(begin, begin + room)).map(lambda group: np.stack([group] * len(takes)))
    nats_BNS = slot_nll(model, score, performed_BNS, np.ones(performed_BNS.shape[:2], bool))
    return int(np.argmin(nats_BNS[:, last - begin : end - begin].sum(axis=(1, 2))))
