"""Windows cover their pieces, and what training does to them keeps to its word."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import Augmentation, Masking
from pianist_jax.data.corruption import augment, deadpan, hide
from pianist_jax.data.parts import Corpus, PairCorpus
from pianist_jax.data.sources import find_source
from pianist_jax.data.windows import draw, pair_windows, piece_windows, take
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import MASK, SLOT_START

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


def test_a_split_without_pairs_is_named(corpus: Corpus) -> None:
    pairs = PairCorpus(
        corpus.columns, corpus.columns, corpus.offsets, np.zeros(3, np.int32), np.zeros(3, np.uint8), corpus.pedal,
        ("one",), ({}, {}, {}),
    )  # fmt: skip
    assert len(pair_windows(pairs, 32, "train")["start"]) > 0
    with pytest.raises(PianistError, match="none of the validation split"):
        pair_windows(pairs, 32, "validation")


def test_augmentation_changes_score_and_performance_alike() -> None:
    score, played = jnp.asarray(values(4, 64)), jnp.asarray(values(4, 64)).at[..., 0].set(values(4, 64)[..., 0])
    mask = jnp.ones((4, 64), bool)
    new_score, new_played = augment((score, played), mask, jax.random.key(1), Augmentation(6, 0.3, 0.2))
    shift = np.asarray(new_score[..., 0] - score[..., 0])
    assert (shift == shift[:, :1]).all()
    np.testing.assert_array_equal(shift, new_played[..., 0] - played[..., 0])
    np.testing.assert_array_equal(new_score[..., 2], score[..., 2])
    for old, new in ((score, new_score), (played, new_played)):
        assert ((old[..., 1] == 0) == (new[..., 1] == 0)).all()
    ratio = np.asarray(new_score[..., 3] / score[..., 3])[np.asarray(score[..., 3] > 500)]
    assert np.exp(-0.31) < ratio.min()
    assert ratio.max() < np.exp(0.31)
    same = augment((score, played), mask, jax.random.key(1), Augmentation(0, 0.0, 0.0))
    np.testing.assert_array_equal(same[0], score)
    np.testing.assert_array_equal(same[1], played)


def test_masking_hides_what_is_scored_and_nothing_else() -> None:
    played = jnp.asarray(values(64, 128))
    everyone = jnp.ones(64, bool)
    paper = Masking(low=0.3, high=0.3, fields=0.0, deadpan=0.0, pitch=True)
    seen, scored = hide(played, everyone, everyone, jax.random.key(2), paper)
    np.testing.assert_array_equal(np.asarray(seen == MASK), scored)
    np.testing.assert_allclose(np.asarray(scored).mean(axis=(0, 1)), 0.3, atol=0.02)
    kept = np.asarray(seen) - SLOT_START - np.asarray(played)
    assert not kept[~np.asarray(scored)].any()
    no_pedal = jnp.arange(64) >= 32
    seen, scored = hide(played, ~no_pedal, everyone, jax.random.key(3), dataclasses.replace(paper, pitch=False))
    assert not scored[..., 0].any()
    assert (seen[32:, :, 4:] == MASK).all()
    assert not scored[32:, :, 4:].any()


def test_a_deadpan_score_has_a_grid_even_dynamics_and_no_pedal() -> None:
    played = jnp.asarray(values(16, 128))
    written = np.asarray(deadpan(played, jax.random.key(4)))
    np.testing.assert_array_equal(written[..., 0], played[..., 0])
    assert not written[..., 4:].any()
    assert (written[..., 1][np.asarray(played[..., 1]) < 35] == 0).all()
    assert (written[..., 1][np.asarray(played[..., 1]) >= 35] > 0).all()
    for row in written:
        gaps = np.unique(row[:, 1][row[:, 1] < 4990])  # 0 and multiples of the row's grid of 25 to 150 ms
        assert np.diff(gaps).min() >= 24
        assert len(np.unique(row[:, 2])) < 8
    scores = jnp.zeros(16, bool)
    seen, scored = hide(played, ~scores, scores, jax.random.key(5), Masking(0.3, 0.3, 0.0, deadpan=1.0))
    assert float(scored.mean()) < 0.4  # quantised scores are masked only, never made deadpan
    assert (seen == MASK).any()
