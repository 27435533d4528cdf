"""Spans side by side as arrays of one shape."""

import numpy as np

from pianist_jax.inference.decode import CHUNK, value_bounds
from pianist_jax.inference.windows import Span
from pianist_jax.music.tokens import NOTE_TOKENS, PAD


def pad_batch(
    spans: list[Span], batch: int, length: int, columns: int, *, anchored: bool = False
) -> dict[str, np.ndarray]:
    """Arrays of the spans, rows padded with PAD to `length` notes and the batch with copies of its first row.

    The bounds go a chunk further: the last one may begin anywhere. `own` int32 [B] tells scores apart: rows that
    perform the very same notes of one score have the same number, counted in the order of the rows. `anchored` as in
    `value_bounds`.
    """
    score = np.full((batch, length, columns), PAD, np.int32)
    mask = np.zeros((batch, length), bool)
    low = np.zeros((batch, length + CHUNK, NOTE_TOKENS), np.int32)
    high = np.zeros_like(low)
    prompt = np.full((batch, length, NOTE_TOKENS), PAD, np.int32)
    filled = [*spans, *[spans[0]] * (batch - len(spans))]
    places = [(span.score.ctypes.data, span.score.shape) for span in filled]
    numbers = {place: number for number, place in enumerate(dict.fromkeys(places))}
    for row, span in enumerate(filled):
        n = len(span.score)
        score[row, :n], mask[row, :n] = span.score, True
        tokens, opening = span.score[:, :NOTE_TOKENS], span.first == 0
        limits = span.limits or value_bounds(tokens, span.prompt, opening=opening, anchored=anchored)
        low[row, :n], high[row, :n] = limits
        prompt[row, : len(span.prompt)] = span.prompt
    key = np.stack([span.key for span in filled]).astype(np.uint32)
    first = np.array([span.first for span in filled], np.int32)
    own = np.array([numbers[place] for place in places], np.int32)
    told = {"score": score, "mask": mask, "own": own}
    return {**told, "low": low, "high": high, "key": key, "first": first, "prompt": prompt}


def told_once(batch: dict[str, np.ndarray], scores: int) -> tuple[np.ndarray, ...]:
    """Scores [S, N, columns], their masks [S, N] and which of them each row performs, int32 [B]."""
    score, mask, own = batch["score"], batch["mask"], batch["own"]
    if scores == len(own):
        return score, mask, np.arange(scores, dtype=np.int32)
    rows = np.unique(own, return_index=True)[1]
    rows = np.append(rows, [rows[0]] * (scores - len(rows))).astype(np.int64)
    return score[rows], mask[rows], own
