"""Several pieces in one row are what they are in rows of their own."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.model import attention
from pianist_jax.model.pianist import Pianist
from tests.model.helpers import CONFIGS, example, lively_params

SEGMENTS = np.array([[1] * 3 + [2] * 4 + [3] + [0] * 2])


@pytest.mark.parametrize("name", CONFIGS)
def test_pieces_in_one_row_do_not_meet(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in blocks, which long sequences are taken in."""
    config = CONFIGS[name]
    pianist, params = Pianist(config), {"params": lively_params(config)}
    score, performance = example(1, SEGMENTS.shape[1])
    together = pianist.apply(params, score, performance, jnp.asarray(SEGMENTS), method="nll")
    monkeypatch.setattr(attention, "BLOCK", 3)
    in_blocks = pianist.apply(params, score, performance, jnp.asarray(SEGMENTS), method="nll")
    for segment in (1, 2, 3):
        own = SEGMENTS[0] == segment
        mask = jnp.ones((1, int(own.sum())), bool)
        alone = pianist.apply(params, score[:, own], performance[:, own], mask, method="nll")
        for found in (together, in_blocks):
            np.testing.assert_allclose(np.asarray(found)[:, own], np.asarray(alone), atol=2e-4)  # type: ignore[index]


def test_flash_attention_names_what_to_do_about_segments() -> None:
    q = jnp.zeros((1, 4, 2, 8))
    with pytest.raises(PianistError, match="packed=false"):
        attention.attend(q, q, q, scale=1.0, implementation="flash", real=jnp.ones((1, 4), jnp.int32))


def test_a_mask_is_one_segment() -> None:
    config = dataclasses.replace(CONFIGS["note"])
    pianist, params = Pianist(config), {"params": lively_params(config)}
    score, performance = example(2, 5)
    mask = jnp.asarray([[True] * 5, [True] * 3 + [False] * 2])
    alone = pianist.apply(params, score, performance, mask, method="nll")
    packed = pianist.apply(params, score, performance, mask.astype(jnp.int32), method="nll")
    np.testing.assert_allclose(np.asarray(packed)[mask], np.asarray(alone)[mask], atol=2e-4)  # type: ignore[index]
