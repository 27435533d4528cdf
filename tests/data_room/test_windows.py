"""Windows cover their pieces."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.data.parts import Corpus, PairCorpus
from pianist_jax.data.sources import find_source
from pianist_jax.data.windows import draw, in_time, pair_windows, piece_windows, take
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import ScoreTokens

PIECES = (40, 7, 100)


def values(*shape: int) -> np.ndarray:
    """Random values in the ranges of piano music, the last axis being the 8 slots."""
    rng = np.random.default_rng(len(shape))
    return rng.integers((30, 0, 1, 1, 0, 0, 0, 0), (100, 900, 127, 2000, 128, 128, 128, 128), (*shape, 8))


@pytest.fixture
def corpus() -> Corpus:
    notes = values(sum(PIECES)).astype(np.uint16)
    offsets = np.concatenate([[0], np.cumsum(PIECES)]).astype(np.int64)
    sources = (find_source("ecompetition"), find_source("pianocore-scores"))
    pedal = np.array([2, 0, 1], np.uint8)
    return Corpus(notes, offsets, np.array([0, 1, 0], np.int32), pedal, ("a", "b", "c"), sources)


def test_every_note_lies_in_a_window_of_its_own_piece(corpus: Corpus) -> None:
    windows = piece_windows(corpus, 32, stride=16)
    seen = np.zeros(sum(PIECES), int)
    for start, length in zip(windows["start"], windows["length"], strict=True):
        seen[start : start + length] += 1
        piece = np.searchsorted(corpus.offsets, start, side="right") - 1
        assert start + length <= corpus.offsets[piece + 1]
    assert seen.min() == 1
    assert windows["length"].tolist().count(7) == 1
    assert not windows["has_pedal"][windows["length"] == 7].any()
    assert not windows["expressive"][windows["length"] == 7].any()


def test_windows_come_as_they_are_stored_and_as_often_as_they_weigh(corpus: Corpus) -> None:
    windows = jax.device_put(piece_windows(corpus, 32, stride=16))
    batch = take(windows, jnp.arange(len(windows["start"])), 32)
    for row, (start, length) in enumerate(zip(windows["start"], windows["length"], strict=True)):
        np.testing.assert_array_equal(batch["performance"][row, :length], corpus.columns[start : start + length])
        assert int(batch["note_mask"][row].sum()) == length
    drawn = np.bincount(np.asarray(draw(windows, jax.random.key(0), 20_000)), minlength=len(windows["start"]))
    share = np.diff(np.asarray(windows["chance"]), prepend=0)
    np.testing.assert_allclose(drawn / 20_000, share, atol=0.02)


def test_corpora_that_all_weigh_nothing_are_named(corpus: Corpus) -> None:
    nothing = tuple(dataclasses.replace(source, weight=0.0) for source in corpus.sources)
    with pytest.raises(PianistError, match="all have a weight of 0, so nothing is drawn"):
        piece_windows(dataclasses.replace(corpus, sources=nothing), 32)


def test_a_split_without_pairs_is_named(corpus: Corpus) -> None:
    pairs = PairCorpus(
        ScoreTokens(corpus.columns), corpus.columns, np.arange(len(corpus.columns)) != 3, corpus.offsets,
        np.zeros(3, np.int32), np.zeros(3, np.uint8), corpus.pedal,
        ("one",), ({}, {}, {}),
    )  # fmt: skip
    windows = pair_windows(pairs, 32, "train")
    assert len(windows["start"]) > 0
    batch = take(windows, jnp.array([0]), 32)
    np.testing.assert_array_equal(batch["played"][0], np.arange(32) != 3)
    with pytest.raises(PianistError, match="none of the validation split"):
        pair_windows(pairs, 32, "validation")


def test_notes_at_no_likely_time_are_not_learnt_from():
    values = np.zeros((8, 8), np.uint16)
    values[:, 0], values[:, 2] = 60, 64
    score, played = values.copy(), values.copy()
    score[:, 1] = [0, 400, 400, 0, 400, 0, 20, 400]
    played[:, 1] = [0, 400, 90, 30, 780, 250, 1, 400]  # a collapsed gap and a chord that comes late
    one = {"offsets": np.array([0, 8]), "composition": np.zeros(1, np.int32), "split": np.zeros(1, np.uint8)}
    pairs = PairCorpus(
        ScoreTokens(score),
        played,
        np.ones(8, bool),
        **one,
        pedal=np.ones(1, np.uint8),
        compositions=("a",),
        metadata=({},),
    )
    assert in_time(pairs).played.tolist() == [True, True, False, True, True, False, True, True]
