"""Whole corpora in the memory of the device, and random windows of them: no loader stands between data and step.

21 M notes are 340 MB. What is too large for that goes through `pipeline` instead.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.data.packing import cut
from pianist_jax.data.parts import Corpus, PairCorpus
from pianist_jax.data.sources import SOURCES
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import (
    IOI,
    NOTE_TOKENS,
    join_scores,
)
from pianist_jax.performance.limits import LEAST_SHARE, WIDEST

Windows = dict[str, Any]
LEAST_GAP = 100  # ms from which on a gap that collapses is no ornament
ROW = ("has_pedal", "expressive", "coarse", "slowness")  # what is told of a window as a whole


def piece_windows(corpus: Corpus, window: int, *, stride: int = 64) -> Windows:
    """Windows of `window` notes of all pieces, each beginning a `stride` further; a piece's last ends where it ends.

    Returns arrays: `performance` uint16[notes, 8]; start and length int32[W]; `chance` float32[W], running sum of
    the windows' weights; has_pedal, expressive and coarse bool[W].
    """
    weight = np.array([source.weight for source in corpus.sources])[corpus.source]
    expressive = np.array([source.kind != "score" for source in corpus.sources])[corpus.source]
    coarse = np.array([source.coarse for source in corpus.sources])[corpus.source]
    start, length, piece = _cut(corpus.offsets, np.arange(len(corpus.offsets) - 1), window, stride)
    return {
        "performance": corpus.columns,
        "start": start,
        "length": length,
        "chance": _chance(weight[piece]),
        "has_pedal": corpus.pedal[piece] > 0,
        "expressive": expressive[piece],
        "coarse": coarse[piece],
    }


def pair_windows(
    pairs: PairCorpus, window: int, split: str, *, stride: int = 64, curves: np.ndarray | None = None
) -> Windows:
    """Windows of aligned pairs of one split ("train" or "validation"); as `piece_windows`, with `score`, `ScoreTokens`.

    And with `curves` float16 [notes, 3] of all pairs, where they are given.
    """
    chosen = np.flatnonzero(pairs.split == ("train", "validation").index(split))
    if not len(chosen):
        raise PianistError(f"the exported pairs hold none of the {split} split: export them again with it")
    start, length, pair = _cut(pairs.offsets, chosen, window, stride)
    return {
        "score": pairs.score,
        "performance": pairs.performance,
        "played": pairs.played,
        **({} if curves is None else {"curves": curves}),
        "start": start,
        "length": length,
        "chance": _chance(np.ones(len(start))),
        "slowness": slowness(pairs)[pair],
        "has_pedal": has_pedal(pairs)[pair],
        "expressive": np.ones(len(start), bool),
    }


def in_time(pairs: PairCorpus) -> PairCorpus:
    """The pairs with notes that come at no likely time marked as not played: a wrong match, or the order of a roll.

    A gap of at least `LEAST_GAP` ms at the performance's tempo that is played in less than `LEAST_SHARE` of its time,
    and a note of a chord that comes more than `WIDEST` ms behind the one before.
    """
    slow = np.repeat(slowness(pairs), np.diff(pairs.offsets))
    written, played = pairs.score.notes[:, IOI] * slow, pairs.performance[:, IOI]
    first = np.zeros(len(played), bool)
    first[pairs.offsets[:-1]] = True
    short = (written >= LEAST_GAP) & (played < LEAST_SHARE * written)
    late = (pairs.score.notes[:, IOI] == 0) & (played > WIDEST)
    return dataclasses.replace(pairs, played=pairs.played & (first | ~(short | late)))


def has_pedal(pairs: PairCorpus) -> np.ndarray:
    """bool[P]: whether the pedal of each performance was recorded; where it is continuous it may never have moved."""
    continuous = {source.name for source in SOURCES if source.pedal == "continuous"}
    return (pairs.pedal > 0) | np.array([about.get("corpus") in continuous for about in pairs.metadata])


def slowness(pairs: PairCorpus) -> np.ndarray:
    """float32[P]: the time of each performance over that of its score, from the first to the last onset."""
    passed = []
    for values in (pairs.performance, pairs.score.notes):  # the first gap of a pair is 0
        total = np.concatenate([[0], np.cumsum(values[:, IOI], dtype=np.int64)])
        passed.append(np.maximum(total[pairs.offsets[1:]] - total[pairs.offsets[:-1]], 1))
    return (passed[0] / passed[1]).astype(np.float32)


def mixed(parts: Sequence[tuple[Windows, float]]) -> Windows:
    """Windows of several corpora of pairs as one; each is drawn with its share of all (shares need not sum to 1)."""
    parts = [(windows, share) for windows, share in parts if share > 0]
    joined: dict[str, list[Any]] = {}
    notes, so_far, total = 0, 0.0, sum(share for _, share in parts)
    for windows, share in parts:
        chance = (so_far + windows["chance"] * share / total).astype(np.float32)
        own = {**windows, "start": windows["start"] + notes, "chance": chance}
        notes, so_far = notes + own["score"].size, so_far + share / total
        for name, values in own.items():
            joined.setdefault(name, []).append(values)
    scores = join_scores(joined.pop("score"))
    return {"score": scores, **{name: np.concatenate(values) for name, values in joined.items()}}


def draw(windows: Windows, key: jax.Array, batch: int) -> jax.Array:
    """Numbers of `batch` windows drawn by weight, int32 [B]."""
    chance = windows["chance"]
    return jnp.searchsorted(chance, jax.random.uniform(key, (batch,)) * chance[-1], side="right").astype(jnp.int32)


def take(windows: Windows, number_B: jax.Array, window: int) -> dict[str, Any]:
    """The windows of these numbers: values int32 [B, N, 8] from 0, note_mask [B, N]; has_pedal, expressive, coarse [B].

    Pairs have a `score` (`ScoreTokens` of values), `played` [B, N] and `slowness` float32 [B] (`slowness`), perhaps
    `curves` float32 [B, N, 3]; none of them is coarse.
    """
    place_BN = windows["start"][number_B][:, None] + jnp.arange(window)[None]
    mask_BN = jnp.arange(window)[None] < windows["length"][number_B][:, None]
    place_BN = jnp.minimum(place_BN, windows["performance"].shape[0] - 1)

    def cut_out(values: jax.Array) -> jax.Array:
        return jnp.where(mask_BN[..., None], values[place_BN].astype(jnp.int32), 0)

    sides = {name: windows[name] for name in ("score", "performance") if name in windows}
    batch: dict[str, Any] = jax.tree.map(cut_out, sides)
    assert batch["performance"].shape[-1] == NOTE_TOKENS
    if "played" in windows:
        batch["played"] = windows["played"][place_BN] & mask_BN
    if "curves" in windows:
        batch["curves"] = jnp.where(mask_BN[..., None], windows["curves"][place_BN].astype(jnp.float32), jnp.nan)
    return {
        **batch,
        "note_mask": mask_BN,
        **{name: windows[name][number_B] for name in ROW if name in windows},
    }


def _cut(offsets: np.ndarray, pieces: np.ndarray, window: int, stride: int) -> tuple[np.ndarray, ...]:
    """Start, length and piece of every window of the chosen pieces."""
    chosen, first, length = cut((offsets[1:] - offsets[:-1])[pieces], window, stride)
    piece = pieces[chosen]
    return (offsets[piece] + first).astype(np.int32), length.astype(np.int32), piece


def _chance(weight: np.ndarray) -> np.ndarray:
    if len(weight) and not np.sum(weight) > 0:
        raise PianistError("the corpora at hand all have a weight of 0, so nothing is drawn; export others beside them")
    return (np.cumsum(weight) / np.sum(weight)).astype(np.float32)
