"""Pairs of performances and scores invented for them (`corruption.deadpan`), so that music without scores is kept."""

import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.data.corruption import deadpan
from pianist_jax.data.parts import Corpus, PairCorpus
from pianist_jax.music.tokens import METRE, NOTE_TOKENS, ScoreTokens

TOGETHER = 256  # windows that get their scores at once


def invented(corpus: Corpus, window: int, key: jax.Array) -> PairCorpus:
    """Every whole window of the pieces of a corpus as a pair of its own, of which no metre is known."""
    starts = [
        np.arange(low, high - window + 1, window)
        for low, high in zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)
    ]
    piece = np.repeat(np.arange(len(starts)), [len(own) for own in starts])
    begin = np.concatenate(starts).astype(np.int64)
    performed = corpus.columns[begin[:, None] + np.arange(window)].copy()
    performed[:, 0, 1] = 0
    make = jax.jit(jax.vmap(deadpan))
    keys = jax.random.split(key, len(begin))
    scores = [
        np.asarray(make(jnp.asarray(performed[low : low + TOGETHER], jnp.int32), keys[low : low + TOGETHER]), np.uint16)
        for low in range(0, len(begin), TOGETHER)
    ]
    notes = len(begin) * window
    names = tuple(sorted(set(corpus.files)))
    index = {name: number for number, name in enumerate(names)}
    return PairCorpus(
        score=ScoreTokens(np.concatenate(scores).reshape(notes, NOTE_TOKENS), np.zeros((notes, len(METRE)), np.uint16)),
        performance=performed.reshape(notes, NOTE_TOKENS),
        played=np.ones(notes, bool),
        offsets=np.arange(len(begin) + 1, dtype=np.int64) * window,
        composition=np.array([index[corpus.files[number]] for number in piece], np.int32),
        split=np.zeros(len(begin), np.uint8),
        pedal=corpus.pedal[piece],
        compositions=names,
        metadata=tuple(
            {"corpus": corpus.sources[corpus.source[number]].name, "file": corpus.files[number]} for number in piece
        ),
    )
