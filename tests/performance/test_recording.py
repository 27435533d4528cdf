"""Recordings laid on a score: what was played stays, what is missing stands among it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pianist_jax.music.midi import require_writable
from pianist_jax.music.notes import Notes
from pianist_jax.performance.recording import laid_on
from tests.performance.test_expression import performances

N = 10
COLUMNS = 60 + np.arange(N), 500 * np.arange(N), np.full(N, 400), np.full(N, 64)
SCORE = Notes(*COLUMNS, np.zeros(0, int), np.zeros(0, int))
PLAYED = dataclasses.replace(
    SCORE,
    onset=2000 + 1000 * np.arange(N),
    duration=np.full(N, 600),
    velocity=(40 + 4 * np.arange(N)).astype(np.int16),
    pedal_time=np.array([2100, 11_700]),
    pedal_value=np.array([99, 0], np.int16),
)


def some(notes, kept):
    return dataclasses.replace(
        notes, **{name: getattr(notes, name)[kept] for name in ("pitch", "onset", "duration", "velocity")}
    )


def test_what_is_missing_stands_among_the_others():
    kept = np.array([0, 1, 2, 4, 5, 7, 8, 9])
    match = np.full(N, -1)
    match[kept] = np.arange(len(kept))
    made, slowness = laid_on(SCORE, some(PLAYED, kept), match)
    assert made.onset.tolist() == PLAYED.onset.tolist()
    assert made.duration.tolist() == PLAYED.duration.tolist()
    np.testing.assert_allclose(made.velocity, PLAYED.velocity, atol=1)
    assert made.velocity[kept].tolist() == PLAYED.velocity[kept].tolist()
    assert (made.pedal_time.tolist(), made.pedal_value.tolist()) == ([2100, 11_700], [99, 0])
    assert slowness == pytest.approx(2)


def test_a_key_that_is_held_through_its_next_strike_is_let_go():
    score = dataclasses.replace(SCORE, pitch=np.full(N, 60))
    played = some(dataclasses.replace(PLAYED, pitch=score.pitch, duration=np.full(N, 990)), np.arange(0, N, 2))
    played = dataclasses.replace(played, duration=np.full(5, 1990))
    match = np.where(np.arange(N) % 2 == 0, np.arange(N) // 2, -1)
    made, _ = laid_on(score, played, match)
    assert made.onset.tolist() == PLAYED.onset.tolist()
    assert made.duration[:-2:2].tolist() == [999] * 4
    require_writable(made)


@settings(max_examples=50)
@given(performances(), st.randoms(use_true_random=False))
def test_whatever_is_missing(given, random):
    score, played = given
    n = len(score)
    kept = np.array(sorted(random.sample(range(n), random.randint(1, n))))
    match = np.full(n, -1)
    order = list(range(len(kept)))
    random.shuffle(order)  # a recording's notes are in the order in which they were played
    match[kept] = order
    recording = some(played, kept[np.argsort(order)])
    made, slowness = laid_on(score, recording, match)
    assert 0.05 <= slowness <= 20
    assert made.pitch.tolist() == score.pitch.tolist()
    assert made.onset[kept].tolist() == played.onset[kept].tolist()
    assert made.velocity[kept].tolist() == played.velocity[kept].tolist()
