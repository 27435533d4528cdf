"""Spans side by side as arrays of one shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pianist_jax.inference.decode import CHUNK, value_bounds
from pianist_jax.inference.steady import gaps_of
from pianist_jax.inference.windows import Span
from pianist_jax.music.tokens import NOTE_TOKENS, PAD, ScoreTokens, score_shapes


def pad_scores(scores: Sequence[ScoreTokens], length: int) -> tuple[ScoreTokens, np.ndarray]:
    """Scores that tell the same, padded with PAD to `length` notes: int32 [B, N, columns], and their mask [B, N]."""
    shapes = score_shapes(scores[0].groups, len(scores), length)
    padded = shapes.map(lambda shape: np.full(shape, PAD, np.int32))
    for row, score in enumerate(scores):
        for name in score.groups:
            getattr(padded, name)[row, : score.size] = getattr(score, name)
    return padded, np.arange(length)[None] < np.array([score.size for score in scores])[:, None]


def pad_batch(spans: list[Span], batch: int, length: int, *, anchored: bool = False) -> dict[str, Any]:
    """Arrays of the spans, rows padded with PAD to `length` notes and the batch with copies of its first row.

    Bounds and `expected` gaps (ms, as written) go a chunk further: the last one may begin anywhere. `score_of_row`
    int32 [B] tells scores apart: rows that perform the same notes of one piece have the same number, counted in the
    order of the rows. `anchored` as in `value_bounds`.
    """
    low = np.zeros((batch, length + CHUNK, NOTE_TOKENS), np.int32)
    high, expected = np.zeros_like(low), np.zeros(low.shape[:2], np.int32)
    prompt = np.full((batch, length, NOTE_TOKENS), PAD, np.int32)
    filled = [*spans, *[spans[0]] * (batch - len(spans))]
    score, mask = pad_scores([span.score for span in filled], length)
    places = [(span.piece, span.first, span.score.size) for span in filled]
    numbers = {place: number for number, place in enumerate(dict.fromkeys(places))}
    for row, span in enumerate(filled):
        n, opening = span.score.size, span.first == 0
        limits = span.limits or value_bounds(span.score.notes, span.prompt, opening=opening, anchored=anchored)
        low[row, :n], high[row, :n] = limits
        expected[row, :n] = gaps_of(span.score.notes)
        prompt[row, : len(span.prompt)] = span.prompt
    key = np.stack([span.key for span in filled]).astype(np.uint32)
    first = np.array([span.first for span in filled], np.int32)
    score_of_row = np.array([numbers[place] for place in places], np.int32)
    scores = {"score": score, "mask": mask, "score_of_row": score_of_row}
    bounds = {"low": low, "high": high, "expected": expected}
    return {**scores, **bounds, "key": key, "first": first, "prompt": prompt}


def encoded_once(batch: dict[str, Any], scores: int) -> tuple[ScoreTokens, np.ndarray, np.ndarray]:
    """Scores int32 [S, N, columns], their masks [S, N] and which of them each row performs, int32 [B]."""
    score, mask, score_of_row = batch["score"], batch["mask"], batch["score_of_row"]
    if scores == len(score_of_row):
        return score, mask, np.arange(scores, dtype=np.int32)
    rows = np.unique(score_of_row, return_index=True)[1]
    rows = np.append(rows, [rows[0]] * (scores - len(rows))).astype(np.int64)
    return score.at(rows), mask[rows], score_of_row
