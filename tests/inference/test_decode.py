"""The scan: what it feeds and returns, and that forcing notes through it is teacher forcing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import Sampling
from pianist_jax.inference.decode import LEAST_IOI, WIDEST, open_carry, perform, value_bounds
from pianist_jax.inference.sampling import knobs_of
from pianist_jax.model.pianist import Pianist
from pianist_jax.music.tokens import (
    BOS,
    DURATION,
    FIRST_TIME,
    IOI,
    MAX_IOI,
    NOTE_TOKENS,
    SLOT_SIZE,
    SLOT_START,
    VELOCITY,
    ScoreTokens,
)
from tests.model.helpers import example, lively_params, nll, note_mask
from tests.rendering.models import NOTE, TOKEN

# Small programs that run once: compiling them is what costs.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def function_of(config, method):
    return lambda params, *given: Pianist(config).apply({"params": params}, *given, method=method)


def opened(config, params, score, mask):
    """The carry before the first note of rows of a score."""
    start = lambda params, *given: open_carry(function_of(config, "start")(params, *given), len(mask))  # noqa: E731
    return quick_jit(start)(params, ScoreTokens(score), mask)


def step_of(config):
    return function_of(config, "step")


def bounds_of(score, **locked):
    return [np.stack(side) for side in zip(*(value_bounds(row, **locked) for row in score), strict=True)]


def test_bounds_of_a_score():
    score, _ = example(1, 5, masked=0)
    score = score[0]
    score[:, IOI] = FIRST_TIME + np.array([700, 0, 3, 4990, 0])
    low, high = value_bounds(score)
    assert low[:, IOI].tolist() == [LEAST_IOI, 0, LEAST_IOI, LEAST_IOI, 0]
    assert (high[:, IOI] == MAX_IOI).all()
    assert (low[:, [VELOCITY, DURATION]] == 1).all()
    assert (low[:, 4:] == 0).all()
    np.testing.assert_array_equal(high[:, 2:], np.broadcast_to(SLOT_SIZE[2:] - 1, (5, 6)))
    for side in (low, high):
        np.testing.assert_array_equal(side[:, 0] + SLOT_START[0], score[:, 0])


def test_bounds_of_the_opening_and_of_locked_notes():
    score, performance = example(1, 5, masked=0)
    low, high = value_bounds(score[0], performance[0, :2])
    for side in (low, high):
        np.testing.assert_array_equal(side[:2] + SLOT_START, performance[0, :2])
    assert (low[2:, 1:] < high[2:, 1:]).all()
    low, high = value_bounds(score[0], opening=True)
    assert low[0, IOI] == high[0, IOI] == 0
    assert (high[1:, IOI] == MAX_IOI).all()


def test_any_model_will_do():
    """One that knows the note's number and what was played before it, and always bids 100 more than that."""

    def step(params, state, n, previous_BS, pitch_B, choose):
        note = [pitch_B]
        for slot in range(1, NOTE_TOKENS):
            low_R = jnp.arange(int(SLOT_SIZE[slot]))
            before_B = jnp.where(n == 0, 0, previous_BS[:, slot] - int(SLOT_START[slot]))
            wanted_BR = low_R[None] == ((before_B + 100) % int(SLOT_SIZE[slot]))[:, None]
            logits_BR = jnp.where(wanted_BR, params, 0.0)
            note.append(choose(slot, logits_BR, low_R, jnp.ones_like(low_R)) + int(SLOT_START[slot]))
        checked = jnp.where(n == 0, jnp.all(previous_BS == BOS), jnp.all(previous_BS > BOS))
        return {**state, "calls": state["calls"] + checked}, jnp.stack(note, axis=-1)

    score, _ = example(2, 6, masked=0)
    score[:, :, IOI] = FIRST_TIME + 50
    low, high = bounds_of(score)
    low[1, 2, 1:] = high[1, 2, 1:] = 7  # a locked note
    carry = open_carry({"calls": jnp.zeros((), jnp.int32)}, 2)
    play = quick_jit(functools.partial(perform, step))
    keys = jax.random.split(jax.random.key(0), 2)
    first, later = np.zeros(2, np.int32), np.full(2, 4, np.int32)
    carry, ids = play(1e3, carry, low[:, :4], high[:, :4], keys, first, knobs_of(Sampling()))
    carry, rest = play(1e3, carry, low[:, 4:], high[:, 4:], keys, later, knobs_of(Sampling()))
    values = np.concatenate([ids, rest], axis=1) - SLOT_START
    np.testing.assert_array_equal(values[:, :, 0] + SLOT_START[0], score[:, :, 0])
    assert values[0, :, IOI].tolist() == [100, 200, 300, 400, 500, 600]
    assert values[1, :, IOI].tolist() == [100, 200, 7, 107, 207, 307]
    assert values[0, :, 4].tolist() == [100, 72, 44, 16, 116, 88]
    assert values[1, :, 4].tolist() == [100, 72, 7, 107, 79, 51]
    assert int(carry["n"]) == int(carry["state"]["calls"]) == 6


@pytest.mark.parametrize(("config", "notes"), [(NOTE, 80), (TOKEN, 12)])
def test_locked_notes_are_teacher_forcing(config, notes):
    """In two calls, with rows of different lengths: the nats of every value, and the values themselves."""
    score, performance = example(3, notes, masked=0)
    performance[:, :, IOI] = np.minimum(performance[:, :, IOI], FIRST_TIME + MAX_IOI)
    mask = note_mask([notes, notes // 2, notes - 1], notes)
    params = lively_params(config)
    forced = np.asarray(nll(config, params, score, performance, mask))
    low, high = (np.stack(side) for side in zip(*map(value_bounds, score, performance), strict=True))
    play = quick_jit(functools.partial(perform, step_of(config), likelihood=True))
    carry = opened(config, params, score, mask)
    keys, number, half = jax.random.split(jax.random.key(0), 3), np.zeros(3, np.int32), notes // 2
    parts = []
    for part in (slice(0, half), slice(half, notes)):
        bounds = low[:, part], high[:, part]
        carry, played = play(params, carry, *bounds, keys, number + part.start, knobs_of(Sampling()))
        parts.append(played)
    ids, nats = (np.concatenate(x, axis=1) for x in zip(*parts, strict=True))
    np.testing.assert_array_equal(ids, performance)
    assert forced[mask][:, 1:].std() > 0.3
    np.testing.assert_allclose(nats[mask][:, 1:], forced[mask][:, 1:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("config", [NOTE, TOKEN])
def test_known_notes_are_taken_in_by_blocks(config):
    """Greedily, what follows is the same as behind notes that were performed one by one."""
    score, performance = example(2, 64, masked=0)
    performance[:, :, IOI] = np.minimum(performance[:, :, IOI], FIRST_TIME + MAX_IOI)
    params, mask, notes, known, part = lively_params(config), note_mask([64, 61], 64), 63, 36, 9
    low, high = (np.stack(side) for side in zip(*map(value_bounds, score, performance[:, :known]), strict=True))
    knobs, keys, number = (
        knobs_of(Sampling(temperature=0)),
        jax.random.split(jax.random.key(0), 2),
        np.zeros(2, np.int32),
    )
    play = quick_jit(functools.partial(perform, step_of(config)))

    def played(carry):
        parts = []
        for n in range(int(carry["n"]), notes, part):
            bounds = low[:, n : n + part], high[:, n : n + part]
            carry, ids = play(params, carry, *bounds, keys, number + n, knobs)
            parts.append(ids)
        return np.concatenate(parts, axis=1)

    plain = played(opened(config, params, score, mask))
    prompt = np.where(np.arange(64)[:, None] < known, performance, 0)

    def begin(params, score, mask, prompt, known):
        follow = functools.partial(function_of(config, "follow"), params)
        return open_carry(function_of(config, "start")(params, ScoreTokens(score), mask), 2, (follow, prompt, known))

    fast = played(quick_jit(begin)(params, score, mask, prompt, np.int32(known)))
    np.testing.assert_array_equal(plain[:, :known], performance[:, :known])
    np.testing.assert_array_equal(fast, plain[:, known:])
    assert len(np.unique(fast[:, :, VELOCITY])) > 3  # greedy, but not monotonous


def test_at_the_performances_tempo_gaps_and_chords_have_bounds_of_their_own():
    score = np.tile(SLOT_START, (4, 1)).astype(np.int32)
    score[:, IOI] += np.array([0, 1000, 0, 8])
    low, high = value_bounds(score, anchored=True)
    assert low[:, IOI].tolist() == [0, 250, 0, LEAST_IOI]
    assert high[:, IOI].tolist() == [WIDEST, MAX_IOI, WIDEST, MAX_IOI]
    loose = value_bounds(score)
    assert loose[0][:, IOI].tolist() == [0, LEAST_IOI, 0, LEAST_IOI]


@pytest.mark.slow
def test_what_must_not_be_is_not_drawn():
    """A gap that is likeliest far below its bound is drawn from what lies above it, not held at the bound."""
    low_R, width_R = np.arange(0, 5000, 10), np.full(500, 10)
    logits = np.full((1, 500), -20.0, np.float32)
    logits[0, 0], logits[0, [60, 70]] = 10.0, 0.0
    low, high = jnp.zeros((1, 1, 8), jnp.int32).at[..., IOI].set(250), jnp.full((1, 1, 8), 4990, jnp.int32)

    def step(params, state, n, previous, pitch, choose):
        gap = choose(IOI, jnp.asarray(logits), jnp.asarray(low_R), jnp.asarray(width_R))
        return state, jnp.zeros((1, 8), jnp.int32).at[:, IOI].set(gap)

    found = []
    for seed in range(20):
        carry = {"state": (), "n": jnp.zeros((), jnp.int32), "previous": jnp.zeros((1, 8), jnp.int32)}
        key = jax.random.split(jax.random.key(seed), 1)
        knobs = knobs_of(Sampling(top_p=1.0))
        _, ids = perform(step, None, carry, low, high, key, jnp.zeros(1, jnp.int32), knobs)
        found.append(int(ids[0, 0, IOI]))
    assert {value // 100 for value in found} == {6, 7}
