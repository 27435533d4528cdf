"""Some bars of a rendering performed anew, everything around them as it was.

What was played before the bars is the decoder's prompt, so that tempo, dynamics and pedal go on from there; the score
behind them is seen by the encoder. The bars keep their place in time: they begin when they began, and what follows
comes when it came, so that a producer's edits elsewhere stay where they are. Several takes are played at once. Each is
drawn towards the model's consensus, if it has one, and fitted between the two (`fitting`), and the one after which the
model itself finds the next notes likeliest is kept.

Of one hand the other one is locked note by note: the decoder plays on from each of its notes as it is, with the pedal
as it is, and what is locked inside the passage tells which take is kept, too.
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
from pianist_jax.inference.predictions import Predicted, predict
from pianist_jax.inference.windows import Span, windowing_for
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import DURATION, IOI, NOTE_TOKENS, SLOT_START, VELOCITY, ScoreTokens, encode
from pianist_jax.performance.averaging import averaged
from pianist_jax.performance.detokenize import detokenize
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.fitting import alone, ends, graft, knit, lead_back
from pianist_jax.performance.parameters import chords_of, log_odds
from pianist_jax.performance.passage import Passage
from pianist_jax.performance.shaping import express_all, notes_of_hand, require_shape
from pianist_jax.rendering.extras import check_plot
from pianist_jax.rendering.order import Order
from pianist_jax.rendering.outputs import Saved, is_made, wanted_paths
from pianist_jax.rendering.renderer import Piece, Score, at_factor, at_own, model_identity, read_piece, sample_key
from pianist_jax.rendering.result import Rendering, for_sample
from pianist_jax.rendering.stored import apply_edits, read_rendering
from pianist_jax.rendering.takes import keep_edits, keep_take, list_takes, require_unchanged, switch_to
from pianist_jax.rendering.touch import chords_heard, head_hashes, touch
from pianist_jax.score.bars import Bars

TAKES = 8
HEARD = 32  # notes behind the passage by which the takes are judged

Advance = Callable[[int], None]


def render_bars(
    score: Score,
    rendering: Rendering,
    model: Model,
    bars: Bars | Sequence[Bars] | None = None,
    *,
    hand: str | None = None,
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

    `bars` may be several such ranges, one behind the other, and with a `hand` ("right" or "left"), which alone is then
    performed, None: all of them. Outside those bars, and in the other hand, onsets, durations and velocities stay as
    they are; the pedal stays outside of them, and everywhere where a hand is named. Inside of them the rendering's own
    expression holds, and `expression` on top of it. The same arguments give the same
    result; on what they gave before, velocities within 1, as the loudness led back to is then a rounded one. More
    `takes` to choose from join better and need more time. Raises PianistError where score and rendering do not belong
    together, the score has no such bars or hand or no notes in them, or the expression changes their tempo.
    """
    sampling = Sampling(temperature, top_p, top_k, pedal_top_p, residual_scale=residual_scale)
    asked: dict[str, Any] = {"seed": seed, "sampling": sampling, "expression": expression, "takes": takes}
    return perform_passage(read_piece(score), rendering, model, Passage.of(bars, hand), **asked)


def perform_passage(
    piece: Piece,
    rendering: Rendering,
    model: Model,
    passage: Passage,
    *,
    seed: int = 0,
    sampling: Sampling = DEFAULT_SAMPLING,
    expression: Expression = NEUTRAL,
    takes: int = TAKES,
    advance: Advance | None = None,
) -> Rendering:
    """As `render_bars`, of a piece that is read already; `advance` is told of every so many notes performed."""
    parts, hand = parts_of(piece, rendering, passage, expression), passage.hand
    piece = at_factor(piece, rendering.report.get("tempo", {}).get("factor", 1.0))
    goes_on = None if hand is None or piece.grid is None else notes_of_hand(piece.grid, hand)
    any_maker = _maker(piece, model, sampling, advance, goes_on)
    performances = []
    for sample, notes in enumerate(rendering.performances):
        own = for_sample(expression, seed, piece.content, sample)
        maker = dataclasses.replace(any_maker, expression=own, styles=styles_of(rendering, sample))
        for free, (first, last) in zip(parts, passage.ranges or [(0, 0)], strict=True):
            name = f"{piece.content} bars {first}-{last}" + (f" {hand} hand" if hand else "")
            notes = maker.perform(notes, free, [sample_key(seed, f"{name} take {k}", sample) for k in range(takes)])
        performances.append(notes)
    edit = edit_of(model, passage, seed, sampling, expression)
    rendering = dataclasses.replace(rendering, identity=without_passage(rendering.identity, passage))
    return rendering.replaced(performances, edit)


def fill_in(
    piece: Piece,
    notes: Notes,
    missing: np.ndarray,
    model: Model,
    *,
    seed: int = 0,
    sampling: Sampling = DEFAULT_SAMPLING,
    advance: Advance | None = None,
) -> Notes:
    """A performance of a piece at its pace with the notes of `missing` bool [N] performed among the others, which stay.

    What stands in the place of what is missing says when it comes. The pedal stays.
    """
    maker = _maker(piece, model, sampling, advance, np.zeros(len(notes), bool))
    return maker.perform(notes, missing, [sample_key(seed, f"{piece.content} missing", 0)])


def _maker(
    piece: Piece,
    model: Model,
    sampling: Sampling,
    advance: Advance | None,
    goes_on: np.ndarray | None = None,
) -> "_Maker":
    tokens = model.read(piece.tokens)
    agreed = predict(model, tokens) if sampling.residual_scale < 1 or model.config.page else Predicted()
    return _Maker(piece, model, tokens, agreed, sampling, advance, goes_on)


@dataclasses.dataclass(frozen=True, eq=False)
class _Maker:
    """Performs passages of a piece, each of them in a performance of it; `agreed` is what the model predicts.

    `goes_on` bool [N]: of passages that other notes are woven into, those behind that one leads on to; None where
    passages are whole.
    """

    piece: Piece
    model: Model
    tokens: ScoreTokens
    agreed: Predicted
    sampling: Sampling
    advance: Advance | None
    goes_on: np.ndarray | None
    expression: Expression = NEUTRAL
    styles: Sequence[Expression] = ()

    def perform(self, old: Notes, free: np.ndarray, keys: list[np.ndarray]) -> Notes:
        """The old performance with the notes of `free` bool [N] played anew, by the best of a take for each key."""
        piece, tokens, sampling = self.piece, self.tokens, self.sampling
        woven = self.goes_on is not None
        drawn = _drawn_slots(piece.score, free, woven=woven)
        known = known_tokens(old if woven else _begun_with_its_first(old, free))
        played = _play_takes(tokens, known, free, drawn, keys, Decoder(self.model, sampling, Timer(), self.advance))
        common = (0, 1, sampling.residual_scale, self.agreed.curves)
        chords = chords_of(piece.score)
        heard = chords_heard(self.model, sampling, chords, self.agreed.states)
        steady = (averaged(piece.score, [detokenize(piece.score, take)], *common) for take in played)
        struck = (touch(chords, piece.tokens, *own, sampling, heard) for own in zip(steady, keys, strict=False))
        led = (self._in_style(old, notes, free) for notes in struck)
        new = (express_all(piece.score, piece.grid, notes, self.expression) for notes in led)
        fitted = [(knit if woven else graft)(old, take, piece.score, free) for take in new]
        return fitted[likeliest_take(tokens, fitted, free, self.model)]

    def _in_style(self, old: Notes, new: Notes, free: np.ndarray) -> Notes:
        """The new performance with the expression of the old one, whose loudness it is led back to."""
        middle = float(log_odds(old.velocity).mean())
        for style in self.styles:
            new = express_all(self.piece.score, self.piece.grid, new, style, middle)
        as_written = any("velocity" in style.keep for style in self.styles)
        ends_here = self.goes_on is not None and not self.goes_on[ends(free)[1] :].any()
        return new if as_written or ends_here else lead_back(old, new, free)


def without_passage(identity: dict[str, Any], passage: Passage) -> dict[str, Any]:
    """An identity from which, where this passage was the last to be performed anew, that is gone."""
    edits, told = identity["edits"], passage.metadata()
    same = bool(edits) and {key: edits[-1][key] for key in ("bars", "hand") if key in edits[-1]} == told
    return {**identity, "edits": edits[:-1]} if same else identity


def styles_of(rendering: Rendering, sample: int) -> list[Expression]:
    """What has been asked of a sample of the whole rendering, one upon the other, but for its tempo."""
    identity = rendering.identity
    told = [
        identity["settings"]["expression"],
        *(own["expression"] for own in identity["edits"] if "expression" in own),
    ]
    drawn_by = identity["seed"], identity["score"]["content"], sample
    styles = [for_sample(at_own(Expression.of(metadata)), *drawn_by) for metadata in told]
    return [dataclasses.replace(style, shape=style.shape.in_place()) for style in styles]


def rerender_file(
    score: Path,
    stem: Path,
    order: Order,
    passage: Passage,
    *,
    tempo_events: str | None = None,
    takes: int = TAKES,
    on_start: Advance | None = None,
    advance: Advance | None = None,
) -> tuple[Saved, Rendering | None]:
    """Perform a passage of the rendering at `stem` (a path without suffix) anew and write its files again.

    What was edited in its JSON file counts, and is a take of its own before the passage becomes one. Extras that were
    there are written again, those of the `order` added; `tempo_events`, if given, take the place of those there.
    `on_start` is told how many notes are to be performed, `advance` of every so many that are. Gives the files and the
    rendering, or None in its place where the passage was made so before. Raises PianistError.
    """
    path = stem.with_name(stem.name + ".json")
    if not path.exists():
        raise PianistError(f"{path}: no rendering there; render the whole score first, or name its folder with -o")
    piece, stored, force = read_piece(score, order.reading), read_rendering(path), order.force
    there = stored.extras
    extras = dataclasses.replace(there.also(order.extras), tempo_events=tempo_events or there.tempo_events)
    old = apply_edits(stored)
    if piece.others and not old.others:
        raise PianistError(f"{path}: has no parts beside the pianist's; render the whole score with --accompany first")
    parts = parts_of(piece, old, passage, order.expression)
    check_plot(old.grid, extras)
    edit = edit_of(order.model, passage, order.seed, order.sampling, order.expression)
    if old.identity["edits"][-1:] == [edit]:
        if is_made(stem, old.identity, extras, has_bars=True):
            return Saved((path,), take=stored.take.number), None
        return keep_take(old, stem, extras, origin=path, force=force), None
    before = without_passage(old.identity, passage)
    wanted = {**before, "edits": [*before["edits"], edit]}
    for take in list_takes(stem):
        if take.identity == wanted and not stored.by_hand and (not take.by_hand or take.parent == stored.take.number):
            return switch_to(stem, take.number, extras, force=force), None
    require_unchanged(stem, stored, wanted_paths(stem, len(old.performances), extras, has_bars=True)[:-1], force=force)
    if on_start is not None:
        on_start(len(old.performances) * sum(stop - first for first, stop in map(played_over, parts)))
    asked: dict[str, Any] = {"seed": order.seed, "sampling": order.sampling, "expression": order.expression}
    new = perform_passage(piece, old, order.model, passage, **asked, takes=takes, advance=advance)
    keep_edits(stem)
    return keep_take(new, stem, extras, force=force), new


def edit_of(model: Model, passage: Passage, seed: int, sampling: Sampling, expression: Expression) -> dict[str, Any]:
    """What the rendering's identity tells of a passage."""
    settings = {
        **dataclasses.asdict(sampling),
        "heads": head_hashes(model, sampling),
        "expression": expression.metadata(),
    }
    return {**passage.metadata(), "seed": seed, "model": model_identity(model), "settings": settings}


def parts_of(
    piece: Piece, rendering: Rendering, passage: Passage, expression: Expression = NEUTRAL
) -> list[np.ndarray]:
    """bool [N] for each range of bars: the notes that are performed anew. Raises PianistError where they cannot be."""
    if piece.content != rendering.identity["score"]["content"]:
        raise PianistError(f"{piece.name}: the rendering is of another version of this score; render it anew")
    if piece.grid is None:
        raise PianistError(f"{piece.name}: notes without bars; give a score file")
    what = "--bars keep their" if passage.ranges else "--hand keeps its"
    if expression.tempo_scale != 1:
        raise PianistError(f"{what} place in time, so that --tempo-scale has no room; leave one of them out")
    if expression.shape != expression.shape.in_place():
        raise PianistError(f"{what} place in time, so that hits and a lead-in have no room; leave them out")
    require_shape(piece.grid, expression.shape)
    try:
        return passage.notes(piece.grid)
    except PianistError as error:
        raise PianistError(f"{piece.name}: {error}") from error


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


def _drawn_slots(score: Notes, free: np.ndarray, *, woven: bool) -> np.ndarray:
    """bool [N, 8]: the tokens that are drawn; all others are known.

    Bars begin when they began, and the first note behind tells how long the last one is waited for. Where other notes
    are woven in the pedal is known, and the time from chord to chord but where one of them is all free.
    """
    drawn = np.zeros((len(free), NOTE_TOKENS), bool)
    if not woven:
        first, last = ends(free)
        drawn[free] = True
        drawn[first, IOI] = first == 0
        drawn[last : last + 1, IOI] = True
        return drawn
    drawn[free, VELOCITY] = drawn[free, DURATION] = True
    own = alone(score, free)
    drawn[:, IOI] = own | np.append(False, own[:-1])
    return drawn


def played_over(free: np.ndarray) -> tuple[int, int]:
    """The first note that a decoder plays, and the one after the last: one more tells how long that is waited for."""
    first, last = ends(free)
    return first, min(last + 1, len(free))


def _play_takes(
    tokens: ScoreTokens,
    known: np.ndarray,
    free: np.ndarray,
    drawn: np.ndarray,
    keys: list[np.ndarray],
    decoder: Decoder,
) -> list[np.ndarray]:
    """Performed tokens int32 [N, 8] of every take: as known but where they are `drawn`."""
    if free[ends(free)[0] :].all():
        keys = keys[:1]  # nothing is heard by which takes could be told apart
    config = decoder.model.config
    w = windowing_for(config.window)
    played = [known.copy() for _ in keys]
    at, stop = played_over(free)
    while at < stop:
        # A prompt as long as other windows have, or none, so that their programs serve; bounds lock the rest.
        begin, prompt = (at - w.prompt, w.prompt) if at >= w.prompt else (0, 0)
        end = min(begin + w.notes, tokens.size)
        settled = stop if end >= stop else end - (w.notes - w.move - w.prompt)
        spans, score = [], tokens.at(slice(begin, end))
        for k, key in enumerate(keys):
            low, high = _bounds(tokens.notes, played[k], drawn, at, config.anchored)
            limits, fresh = (low[begin:end], high[begin:end]), settled - at if k == 0 else 0
            spans.append(
                Span(score, played[k][begin : begin + prompt], key, begin, fresh, piece=0, draw=k, limits=limits)
            )
        for k, whole in enumerate(decoder.play(spans)):
            played[k][at:settled] = whole[at - begin : settled - begin]
        at = settled
    return played


def _bounds(
    score_NS: np.ndarray, known_NS: np.ndarray, drawn_NS: np.ndarray, at: int, anchored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of every note's slots (`value_bounds`): what is known is locked, and all before note `at`."""
    drawn_NS = drawn_NS & (np.arange(len(drawn_NS)) >= at)[:, None]
    loose = value_bounds(score_NS, opening=True, anchored=anchored)
    low, high = (np.where(drawn_NS, bound, known_NS - SLOT_START).astype(np.int32) for bound in loose)
    return low, high


def likeliest_take(tokens: ScoreTokens, takes: list[Notes], free: np.ndarray, model: Model) -> int:
    """The take after which what is not free, in the passage and behind it, is likeliest to be played as it is."""
    if len(takes) == 1:
        return 0
    first, last = ends(free)
    end, place = min(last + HEARD, tokens.size), np.arange(tokens.size)
    heard = ~free & (place >= first) & (place < end)
    room = min(windowing_for(model.config.window).notes, tokens.size)
    performed, total = [known_tokens(take) for take in takes], np.zeros(len(takes))
    while heard.any():
        begin = max(0, end - room)
        part = slice(begin, begin + room)
        performed_BNS = np.stack([take[part] for take in performed])
        score = tokens.at(part).map(lambda group: np.stack([group] * len(takes)))
        nats_BNS = slot_nll(model, score, performed_BNS, np.ones(performed_BNS.shape[:2], bool))
        total += nats_BNS[:, heard[part]].sum(axis=(1, 2))
        heard[begin:], end = False, begin
    return int(np.argmin(total))
