"""What each prediction may read: nothing performed later, no padding, no other row; and all of the rest."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.model.pianist import Pianist
from pianist_jax.music.tokens import SLOT_SIZE, SLOT_START, ScoreTokens
from tests.model.helpers import CONFIGS, example, lively_params, nll, note_mask, padded, quick_jit

ENCODER, DECODER = ("embedder",), {"token": ("decoder", "embed"), "note": ("decoder", "previous")}


@quick_jit
def influence(config, params, score, performance, mask, delta):
    """Jacobian of the NLL [B, N, 8] with respect to what is added to the embedded score and performance.

    Read by rows of the NLL: what influences it.
    """
    paths = (ENCODER, DECODER[config.decoder])

    def loss(delta):
        def add(call, args, kwargs, context):
            y = call(*args, **kwargs)
            for path, change in zip(paths, delta, strict=True):
                if context.module.path == path and context.method_name == "__call__":
                    y = y + change
            return y

        with nn.intercept_methods(add):
            return Pianist(config).apply({"params": params}, ScoreTokens(score), performance, mask, method="nll")

    losses, pull = jax.vjp(loss, delta)
    rows = jnp.eye(losses.size).reshape(-1, *losses.shape)
    # One row after the other: jaxlib 0.10.2 compiles jax.jacrev of this wrongly on CPUs (jax issue 39103).
    jacobians = jax.lax.map(lambda row: pull(row)[0], rows)
    return [j.reshape(*losses.shape, *j.shape[1:]) for j in jacobians]


def size_of_influence(name, mask, notes):
    """|d nll[b, n, s] / d embedding[b', t]| for score and performance, as [B·N·8, B, T] each."""
    config = CONFIGS[name]
    score, performance = (padded(tokens, mask) for tokens in example(len(mask), notes))
    encoded = notes if config.compressed else 8 * notes
    decoded = 8 * notes if config.decoder == "token" else notes
    delta = tuple(jnp.zeros((len(mask), t, config.width)) for t in (encoded, decoded))
    jacobians = influence(config, lively_params(config), score, performance, mask, delta)
    return [np.linalg.norm(np.asarray(j), axis=-1) for j in jacobians]


@pytest.mark.usefixtures("strict_dtypes")
@pytest.mark.parametrize("name", ["token", "uncompressed", "note"])
def test_gradients_flow_from_the_past_and_the_whole_score_only(name):
    notes, lengths = 4, [4, 3, 0]
    mask = note_mask(lengths, notes)
    of_score, of_performance = size_of_influence(name, mask, notes)
    of_score = of_score.reshape(3, notes, 8, 3, notes, -1)
    assert np.isfinite(of_score).all()
    assert np.isfinite(of_performance).all()
    token = CONFIGS[name].decoder == "token"
    for b, n, slot in np.ndindex(3, notes, 8):
        if not mask[b, n] or (not token and slot == 0):
            continue  # nothing is predicted there
        # The decoder's input number i is what was performed before position i.
        past = n * 8 + slot if token else n
        read = np.zeros((3, of_performance.shape[-1]), bool)
        read[b, : past + 1] = True
        np.testing.assert_array_equal(of_performance[b, n, slot] > 0, read, err_msg=f"{b} {n} {slot}")
        visible = np.zeros(of_score.shape[3:], bool)
        visible[b] = mask[b, :, None]
        np.testing.assert_array_equal(of_score[b, n, slot] > 0, visible, err_msg=f"{b} {n} {slot}")


@pytest.mark.parametrize("name", ["token", "note"])
def test_a_changed_value_alters_nothing_before_it(name):
    """Ids are not differentiable, and the note decoder's clocks and cascade read ids: so they are changed."""
    config, notes = CONFIGS[name], 4
    score, performance = example(1, notes, masked=0.0)
    other = (performance - SLOT_START + SLOT_SIZE // 2) % SLOT_SIZE + SLOT_START
    rows = 8 * notes  # row r has another value at flat position r
    changed = np.tile(performance.reshape(1, rows), (rows, 1))
    np.fill_diagonal(changed, other.reshape(rows))
    batch = np.concatenate([performance.reshape(1, rows), changed]).reshape(-1, notes, 8)
    scores, mask = np.tile(score, (rows + 1, 1, 1)), np.ones((rows + 1, notes), bool)
    losses = np.asarray(nll(config, lively_params(config), scores, batch, mask)).reshape(-1, rows)
    altered = np.abs(losses[1:] - losses[:1]) > 1e-6
    assert not np.tril(altered, -1).any()  # [changed, predicted]: predicted before changed
    later = np.triu(np.ones((rows, rows), bool), 1)
    if config.decoder == "note":  # pitch is given: never predicted, and a note's own is read from the score
        pitch, note = np.arange(rows) % 8 == 0, np.arange(rows) // 8
        later &= ~pitch[None] & ~(pitch[:, None] & (note[:, None] == note[None]))
    assert altered[later].mean() > 0.95  # and everything after it
