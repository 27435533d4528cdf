"""Decoding note by note with caches says what teacher forcing says."""

import numpy as np
import pytest

from pianist_jax.music.tokens import FIRST_TIME, IOI, MAX_IOI, SLOT_SIZE, SLOT_START
from tests.model.helpers import CONFIGS, example, lively_params, nll, note_mask, stepped

NOTES = {
    "token": 10,
    "uncompressed": 6,
    "note": 80,
    "note-cross": 80,
}  # 80: past the longest span of the tempo


@pytest.mark.usefixtures("strict_dtypes")
@pytest.mark.parametrize("name", CONFIGS)
def test_cached_steps_equal_teacher_forcing(name):
    config, notes = CONFIGS[name], NOTES[name]
    score, performance = example(3, notes)
    # The ends of every range; an IOI ends earlier than the slot has room for.
    performance[0, 0, 1:], performance[0, -1, 1:] = SLOT_START[1:], (SLOT_START + SLOT_SIZE - 1)[1:]
    performance[0, -1, IOI] = FIRST_TIME + MAX_IOI
    mask = note_mask([notes, notes // 2, notes - 1], notes)
    params = lively_params(config)
    forced = np.asarray(nll(config, params, score, performance, mask))
    steps, returned = stepped(config, params, score, performance, mask)
    chosen = mask[:, :, None] & (np.arange(8) > 0)[None, None]
    assert forced[chosen].std() > 0.3  # the model has opinions, or the comparison would say little
    np.testing.assert_allclose(np.asarray(steps)[chosen], forced[chosen], atol=1e-4, rtol=0)
    np.testing.assert_array_equal(returned, performance)
