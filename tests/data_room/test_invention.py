"""Pairs of performances and invented scores."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.data.invention import invented
from pianist_jax.data.parts import Corpus
from pianist_jax.data.sources import find_source
from pianist_jax.data.windows import has_pedal, mixed, pair_windows, take
from pianist_jax.music.tokens import METRE, ScoreTokens


def corpus() -> Corpus:
    rng = np.random.default_rng(0)
    lengths = [130, 20, 64]
    columns = np.stack([rng.integers(1, high, sum(lengths)) for high in (128, 500, 128, 900, *[2] * 4)], axis=1)
    return Corpus(
        columns.astype(np.uint16),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.array([0, 1, 1], np.int32),
        np.array([0, 1, 1], np.uint8),
        ("a", "b", "c"),
        (find_source("pop1k7"), find_source("pop909")),
    )


def test_whole_windows_become_pairs():
    made = invented(corpus(), 64, jax.random.key(0))
    assert np.diff(made.offsets).tolist() == [64] * 3
    assert [about["file"] for about in made.metadata] == ["a", "a", "c"]
    assert has_pedal(made).tolist() == [False, False, True]
    whole = corpus().columns
    expected = whole[64:128].copy()
    expected[0, 1] = 0  # a pair begins at once
    np.testing.assert_array_equal(made.performance[64:128], expected)
    np.testing.assert_array_equal(made.score.notes[:, 0], made.performance[:, 0])
    assert not made.score.metre.any()
    assert not made.score.notes[:, 4:].any()
    assert (made.score.notes[:, 2] != made.performance[:, 2]).mean() > 0.5
    again = invented(corpus(), 64, jax.random.key(0))
    np.testing.assert_array_equal(made.score.notes, again.score.notes)


def test_corpora_are_mixed_in_their_shares():
    made = invented(corpus(), 64, jax.random.key(0))
    narrow = dataclasses.replace(made, score=ScoreTokens(made.score.notes))
    parts = [pair_windows(one, 64, "train") for one in (made, narrow)]
    both = mixed([(parts[0], 3.0), (parts[1], 1.0), (parts[0], 0.0)])
    np.testing.assert_allclose(both["chance"], [0.25, 0.5, 0.75, 0.75 + 1 / 12, 0.75 + 2 / 12, 1.0], rtol=1e-6)
    batch = take(both, jnp.arange(6), 64)
    np.testing.assert_array_equal(batch["performance"][:3], batch["performance"][3:])
    np.testing.assert_array_equal(batch["score"].notes[:3], batch["score"].notes[3:])
    assert batch["score"].metre.shape == (6, 64, len(METRE))
    assert batch["has_pedal"].tolist() == [False, False, True] * 2
    assert batch["slowness"].shape == (6,)
