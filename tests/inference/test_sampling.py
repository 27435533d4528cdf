"""What is drawn, against sorting and counting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import Sampling
from pianist_jax.errors import PianistError
from pianist_jax.inference.sampling import draw_cell, draw_value, keep_top_k, keep_top_p, knobs_of, uniforms
from pianist_jax.model.cells import cell_table
from pianist_jax.music.tokens import NOTE_TOKENS, PEDAL, VELOCITY

DRAWS = 4000


draw = jax.jit(draw_value, static_argnums=4)
top_p, top_k = jax.jit(keep_top_p), jax.jit(keep_top_k)


def kept(weight_R, k=0, p=1.0):
    """The same as `keep_top_k` and then `keep_top_p`, by sorting."""
    weight_R = np.asarray(weight_R, np.float64)
    if k:
        weight_R = np.where(weight_R >= np.sort(weight_R)[::-1][min(k, len(weight_R)) - 1], weight_R, 0)
    if p < 1:
        falling = np.sort(weight_R)[::-1]
        sums = np.cumsum(falling)
        least = falling[min(np.searchsorted(sums, p * sums[-1]), len(falling) - 1)]
        weight_R = np.where(weight_R >= least, weight_R, 0)
    return weight_R


def random_weights(rng, rows=6, cells=300):
    return np.exp(rng.normal(0, 3, (rows, cells))).astype(np.float32)


@pytest.mark.parametrize("p", [0.02, 0.5, 0.9, 0.95, 0.999])
def test_top_p_keeps_what_sorting_keeps(p):
    weight = random_weights(np.random.default_rng(1))
    found = np.asarray(top_p(jnp.asarray(weight), jnp.float32(p)))
    np.testing.assert_array_equal(found, np.stack([kept(row, p=p) for row in weight]).astype(np.float32))
    assert 0 < np.count_nonzero(found) < found.size


@pytest.mark.parametrize("k", [1, 2, 50, 300, 5000])
def test_top_k_keeps_what_sorting_keeps(k):
    weight = random_weights(np.random.default_rng(2))
    found = np.asarray(top_k(jnp.asarray(weight), jnp.int32(k)))
    assert (np.count_nonzero(found, axis=1) == min(k, 300)).all()
    np.testing.assert_array_equal(found, np.stack([kept(row, k=k) for row in weight]).astype(np.float32))


def test_no_limits_change_nothing_at_all():
    """Not even weights so small that they vanish in the sum."""
    weight = jnp.asarray([[1.0, 1e-30, 0.5, 1e-12]])
    np.testing.assert_array_equal(keep_top_p(weight, jnp.float32(1)), weight)
    np.testing.assert_array_equal(keep_top_k(weight, jnp.int32(0)), weight)


def test_equally_likely_cells_are_kept_together():
    weight = jnp.asarray([[0.25, 0.25, 0.25, 0.25]])
    assert np.count_nonzero(keep_top_p(weight, jnp.float32(0.3))) == 4
    assert np.count_nonzero(keep_top_k(weight, jnp.int32(2))) == 4


def test_a_cell_without_weight_is_never_drawn():
    weight = np.zeros((5, 8), np.float32)
    weight[:, [2, 3, 6]] = [2.0, 1.0, 1.0]
    below_one = np.nextafter(np.float32(1), np.float32(0))
    uniform = jnp.asarray([0.0, 0.49, 0.5, 0.75, below_one], jnp.float32)
    assert draw_cell(jnp.asarray(weight), uniform).tolist() == [2, 2, 3, 6, 6]


@pytest.mark.parametrize(
    ("sampling", "slot"),
    [
        (Sampling(temperature=1.0, top_p=1.0), VELOCITY),
        (Sampling(temperature=1.0, top_p=0.9), VELOCITY),
        (Sampling(temperature=0.6, top_p=1.0, top_k=3), VELOCITY),
        (Sampling(temperature=1.7, top_p=0.8, top_k=5), VELOCITY),
        (Sampling(top_p=0.5, top_k=2), PEDAL),
        (Sampling(top_p=0.5, pedal_top_p=0.6), PEDAL),
    ],
)
def test_shares_of_values_are_those_of_the_distribution(sampling, slot):
    """Evenly spread uniform numbers give every value its share, to within one draw a cell."""
    logits = np.random.default_rng(3).normal(0, 1.5, 7).astype(np.float32)
    low, width = np.array([0, 1, 2, 3, 5, 8, 16], np.int32), np.array([1, 1, 1, 2, 3, 8, 4], np.int32)
    pedal = slot == PEDAL
    weight = kept(np.exp(logits / sampling.temperature), k=0 if pedal else sampling.top_k)
    weight = kept(weight, p=sampling.pedal_top_p if pedal else sampling.top_p)
    expected = np.repeat(weight / weight.sum() / width, width)

    spread = (np.arange(DRAWS) + 0.5) / DRAWS
    uniform = np.stack([np.repeat(spread[::8], 8), np.tile((np.arange(8) + 0.5) / 8, DRAWS // 8)], axis=1)
    values = draw(
        jnp.broadcast_to(jnp.asarray(logits), (DRAWS, 7)),
        jnp.asarray(low),
        jnp.asarray(width),
        jnp.asarray(uniform, jnp.float32),
        slot,
        knobs_of(sampling),
    )
    share = np.bincount(np.asarray(values), minlength=20) / DRAWS
    cells = np.add.reduceat(share, low)
    np.testing.assert_allclose(cells, np.add.reduceat(expected, low), atol=9 / DRAWS)
    assert (cells[weight == 0] == 0).all()
    eighths = width[[0, 1, 2, 3, 5, 6]]  # widths that divide 8: each value of such a cell is drawn equally often
    for first, count in zip(low[[0, 1, 2, 3, 5, 6]], eighths, strict=True):
        assert np.ptp(share[first : first + count]) == 0


def test_temperature_0_takes_the_middle_of_the_likeliest_cell():
    low, width = (jnp.asarray(x) for x in cell_table(1))
    logits = np.random.default_rng(4).normal(0, 1, (50, len(low))).astype(np.float32)
    uniform = jnp.asarray(np.random.default_rng(5).random((50, 2)), jnp.float32)
    knobs = knobs_of(Sampling(temperature=0, top_p=0.5, top_k=3))
    found = draw(jnp.asarray(logits), low, width, uniform, 1, knobs)
    best = logits.argmax(axis=1)
    np.testing.assert_array_equal(found, np.asarray(low)[best] + np.asarray(width)[best] // 2)


def test_values_stay_inside_their_cells():
    """Also where the uniform number is as near to 1 as a float32 gets."""
    low, width = cell_table(1)
    rows = len(low)
    logits = np.where(np.eye(rows, dtype=bool), 0, -1e9).astype(np.float32)
    below_one = np.nextafter(np.float32(1), np.float32(0))
    knobs = knobs_of(Sampling())
    for u, value in ((0.0, low), (below_one, low + width - 1)):
        uniform = jnp.full((rows, 2), u, jnp.float32)
        found = draw(jnp.asarray(logits), jnp.asarray(low), jnp.asarray(width), uniform, 1, knobs)
        np.testing.assert_array_equal(found, value)


def test_random_numbers_follow_from_key_and_note_alone():
    keys = jax.random.split(jax.random.key(7), 3)
    whole = np.asarray(uniforms(keys, jnp.zeros(3, jnp.int32), 10))
    assert whole.shape == (10, 3, NOTE_TOKENS, 2)
    assert len(np.unique(whole)) > 0.99 * whole.size
    later = np.asarray(uniforms(keys[::-1], jnp.array([4, 4, 6], jnp.int32), 4))
    np.testing.assert_array_equal(later[:, 0], whole[4:8, 2])
    np.testing.assert_array_equal(later[:, 1], whole[4:8, 1])
    np.testing.assert_array_equal(later[:, 2], whole[6:10, 0])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"pedal_top_p": -1.0}, "pedal_top_p is -1.0"),
        ({"top_k": -1}, "top_k is -1"),
    ],
)
def test_senseless_settings_are_refused(settings, complaint):
    with pytest.raises(PianistError, match=complaint):
        Sampling(**settings)
