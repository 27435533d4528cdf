"""Several pieces in one row are what they are in rows of their own."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import ModelConfig
from pianist_jax.errors import PianistError
from pianist_jax.model import attention
from pianist_jax.model.pianist import Pianist
from pianist_jax.music.tokens import ScoreTokens
from tests.model.helpers import CONFIGS, example, lively_params, quick_jit

SEGMENTS = np.array([[1] * 3 + [2] * 4 + [3] + [0] * 2])


def nll(config: ModelConfig, score: Any, performance: Any, mask: Any, segment_ids: Any = None) -> np.ndarray:
    def run(params: Any, score: Any, performance: Any, mask: Any, segment_ids: Any, config: ModelConfig) -> Any:
        given = ScoreTokens(score), performance, mask
        return Pianist(config).apply({"params": params}, *given, segment_ids_BN=segment_ids, method="nll")

    return np.asarray(quick_jit(run)(lively_params(config), score, performance, mask, segment_ids, config=config))


@pytest.mark.parametrize("name", ["token", "uncompressed", "note"])
@pytest.mark.parametrize("block", [attention.BLOCK, 3])
def test_pieces_in_one_row_do_not_meet(name: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in blocks, which long sequences are taken in."""
    monkeypatch.setattr(attention, "BLOCK", block)
    score, performance = example(1, SEGMENTS.shape[1])
    together = nll(CONFIGS[name], score, performance, SEGMENTS > 0, SEGMENTS)
    # Alone: each piece at the beginning of a row of its own, one batch for all.
    rows = [np.flatnonzero(SEGMENTS[0] == segment) for segment in (1, 2, 3)]
    mask = np.zeros((3, 4), bool)
    alone = np.zeros((2, 3, 4, 8), np.int32)
    for row, own in enumerate(rows):
        mask[row, : len(own)] = True
        alone[:, row, : len(own)] = score[0, own], performance[0, own]
    apart = nll(CONFIGS[name], alone[0], alone[1], mask)
    for row, own in enumerate(rows):
        np.testing.assert_allclose(together[0, own], apart[row, : len(own)], atol=2e-4)


def test_flash_attention_names_what_to_do_about_segments() -> None:
    q, real = jnp.zeros((1, 4, 2, 8)), attention.Extent(jnp.full(1, 4), jnp.ones((1, 4), jnp.int32))
    with pytest.raises(PianistError, match="packed=false"):
        attention.attend(q, q, q, scale=1.0, implementation="flash", real=real)
