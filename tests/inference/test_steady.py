"""A drawn performance comes back to the tempo of its score."""

import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.inference.decode import perform, value_bounds
from pianist_jax.inference.sampling import knobs_of
from pianist_jax.inference.steady import MEMORY, Clock, gone_on, steadied, times_until
from pianist_jax.music.tokens import IOI, NOTE_TOKENS, SLOT_START

LOW, WIDTH = np.arange(0, 2_000, 10), np.full(200, 10)


def test_times_are_the_same_at_once_and_gap_by_gap():
    rng = np.random.default_rng(0)
    written, played = (rng.integers(0, 900, (2, 30)).astype(np.int32) for _ in range(2))
    times = jnp.full((2, 2), MEMORY, jnp.float32)
    np.testing.assert_allclose(times_until(written[:, :0], played[:, :0]), times)
    for n in range(30):
        times = gone_on(times, jnp.asarray(written[:, n]), jnp.asarray(played[:, n]))
    np.testing.assert_allclose(times_until(written, played), times, rtol=1e-5)


def test_who_is_late_hurries_and_chords_stay():
    def likeliest(played: float, written: int, firm: float = 1.0) -> int:
        times = jnp.array([[MEMORY, played]], jnp.float32)
        logits = jnp.asarray(-0.5 * (np.log((LOW + 5) / 500)[None] / 0.3) ** 2)
        given = times, jnp.array([written]), jnp.float32(firm)
        return int(LOW[steadied(logits, jnp.asarray(LOW), jnp.asarray(WIDTH), *given).argmax()])

    assert likeliest(1.3 * MEMORY, 500) < likeliest(MEMORY, 500) == 500 > 0
    assert likeliest(0.7 * MEMORY, 500) > 500
    assert likeliest(1.3 * MEMORY, 500, firm=0.0) == likeliest(1.3 * MEMORY, 0) == 500


def test_a_model_that_drags_plays_in_time_with_a_clock_and_drags_without():
    """Its gaps are likeliest half as long again as written; each is drawn by itself."""
    score = np.tile(SLOT_START, (1, 64, 1)).astype(np.int32)
    score[:, 1:, IOI] += 400
    low, high = (bound[None] for bound in value_bounds(score[0], opening=True, anchored=True))
    logits = jnp.asarray(-0.5 * (np.log((LOW + 5) / 600)[None] / 0.3) ** 2)

    def step(params, state, n, previous, pitch, choose):
        gap = choose(IOI, logits, jnp.asarray(LOW), jnp.asarray(WIDTH))
        return state, jnp.zeros((1, NOTE_TOKENS), jnp.int32).at[:, IOI].set(gap + SLOT_START[IOI])

    written = score[..., IOI] - SLOT_START[IOI]
    clock = Clock(jnp.asarray(written), jnp.full((1, 2), MEMORY, jnp.float32))

    def length(clock: Clock | None) -> int:
        carry = {"state": (), "n": jnp.zeros((), jnp.int32), "previous": jnp.zeros((1, NOTE_TOKENS), jnp.int32)}
        keys, first = jax.random.split(jax.random.key(0), 1), jnp.zeros(1, jnp.int32)
        knobs = knobs_of(Sampling(), steady=True)
        played = perform(step, None, carry, jnp.asarray(low), jnp.asarray(high), keys, first, knobs, clock)[1]
        return int((played[..., IOI] - SLOT_START[IOI]).sum())

    assert length(None) > 1.3 * written.sum()
    assert 0.9 * written.sum() < length(clock) < 1.1 * written.sum()
