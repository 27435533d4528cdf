"""The whole model: an encoder of the score and a decoder of the performance."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pianist_jax.config import ModelConfig
from pianist_jax.model.attention import Extent
from pianist_jax.model.consensus import Consensus, several
from pianist_jax.model.encoder import EncoderStack, TokenEmbedder
from pianist_jax.model.metre import MetreEmbedder
from pianist_jax.model.note_decoder import NoteDecoder, NoteEmbedder
from pianist_jax.model.token_decoder import Choose, TokenDecoder
from pianist_jax.music.tokens import NOTE_TOKENS, SCORE_COLUMNS, ScoreTokens

OPTIONAL = ("metre_in", "metre_out", "consensus")  # parts that can be begun anew in a model that lacks them


class Pianist(nn.Module):
    """Score tokens in, performance tokens out (arXiv 2512.02652, section 3.2).

    A score is `ScoreTokens` of ids, a performance int32 [B, N, 8] of the same notes; `note_mask_BN` is True on the
    first notes of each row and False on its padding. With `config.metre` the score's metre is read, and where it is
    missing it is unknown. Where several pieces share a row, `segment_ids_BN` tells them apart (`attention.Extent`).
    """

    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        note = c.decoder == "note"
        self.embedder = NoteEmbedder(c) if note else TokenEmbedder(c)
        self.encoder = EncoderStack(c)
        self.decoder = NoteDecoder(c) if note else TokenDecoder(c)
        if c.metre:
            self.metre_in, self.metre_out = MetreEmbedder(c), MetreEmbedder(c)
        if c.consensus:
            self.consensus = Consensus(c) if c.consensus_heads == 1 else several(c.consensus_heads)(c)

    def encode(
        self,
        score: ScoreTokens,
        note_mask_BN: jax.Array,
        *,
        segment_ids_BN: jax.Array | None = None,
        deterministic: bool = True,
    ) -> tuple[jax.Array, Extent]:
        """Encoder states [B, T, D] (T = N, or 8N without compression), and what of them is real."""
        length_B = jnp.sum(note_mask_BN, axis=1, dtype=jnp.int32)
        real = Extent(length_B if self.config.compressed else length_B * NOTE_TOKENS, segment_ids_BN)
        x = self.embedder(score.notes)
        if not self.config.metre:
            return self.encoder(x, real, deterministic), real
        metre_BNC = _columns(score, "metre")
        states = self.encoder(x + self.metre_in(metre_BNC), real, deterministic)
        return states + self.metre_out(metre_BNC), real

    def nll(
        self,
        score: ScoreTokens,
        performance_BNS: jax.Array,
        note_mask_BN: jax.Array,
        *,
        segment_ids_BN: jax.Array | None = None,
        deterministic: bool = True,
    ) -> jax.Array:
        """Teacher-forced negative log-likelihood of every performed slot, float32 [B, N, 8] in nats."""
        memory, real = self.encode(score, note_mask_BN, segment_ids_BN=segment_ids_BN, deterministic=deterministic)
        return self.decoder.nll(memory, real, score.notes, performance_BNS, deterministic)

    def nll_and_consensus(
        self,
        score: ScoreTokens,
        performance_BNS: jax.Array,
        note_mask_BN: jax.Array,
        *,
        segment_ids_BN: jax.Array | None = None,
        deterministic: bool = True,
    ) -> tuple[jax.Array, jax.Array]:
        """`nll` and `predict_consensus` from one reading of the score; here the encoder learns from both."""
        memory, real = self.encode(score, note_mask_BN, segment_ids_BN=segment_ids_BN, deterministic=deterministic)
        nll_BNS = self.decoder.nll(memory, real, score.notes, performance_BNS, deterministic)
        return nll_BNS, self._told_of(score, memory, self.embedder(score.notes), real, deterministic)

    def read(self, score: ScoreTokens, note_mask_BN: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """What decoding needs of a score: encoder states, how many positions of each row are real, int32 [B], and

        `predict_consensus`: float32 [B, N, 0] without that head, [B, N, 8] with one that reads the page: the last four
        are what it would say without.
        """
        memory, real = self.encode(score, note_mask_BN)
        if not self.config.consensus:
            return memory, real.length_B, jnp.zeros((*note_mask_BN.shape, 0), jnp.float32)
        return memory, real.length_B, self._with_blind(score, memory, real)

    def _with_blind(self, score: ScoreTokens, memory: jax.Array, real: Extent) -> jax.Array:
        curves = jnp.mean(self._curves(score, memory, real, True), axis=0)
        if not self.config.page:
            return curves
        blind = curves
        if score.page is not None:
            blind = jnp.mean(self._curves(score._replace(page=None), memory, real, True), axis=0)
        return jnp.concatenate([curves, blind], axis=-1)

    def predict_consensus(
        self,
        score: ScoreTokens,
        note_mask_BN: jax.Array,
        *,
        segment_ids_BN: jax.Array | None = None,
        deterministic: bool = True,
    ) -> jax.Array:
        """What pianists agree on, as each of the heads says, curves float32 [H, B, N, 4] of a score: `model.consensus`.

        Only the head learns from it: the encoder stays as it was trained, and has no dropout here.
        """
        return self._curves(score, *self.encode(score, note_mask_BN, segment_ids_BN=segment_ids_BN), deterministic)

    def _curves(self, score: ScoreTokens, memory: jax.Array, real: Extent, deterministic: bool) -> jax.Array:
        known = jax.lax.stop_gradient((memory, self.embedder(score.notes)))
        return self._told_of(score, *known, real, deterministic)

    def _told_of(
        self, score: ScoreTokens, memory: jax.Array, embedded: jax.Array, real: Extent, deterministic: bool
    ) -> jax.Array:
        beside = _columns(score, "metre"), _columns(score, "page")
        told: jax.Array = self.consensus(memory, embedded, *beside, real, deterministic)
        return told[None] if self.config.consensus_heads == 1 else told

    def start(self, score: ScoreTokens, note_mask_BN: jax.Array, notes: int | None = None) -> dict[str, Any]:
        """Encode the score and make the decoder's state before the first note, with caches for so many notes (all)."""
        memory, real = self.encode(score, note_mask_BN)
        notes = score.size if notes is None else notes
        return self.decoder.start(memory, real.length_B, score.notes, notes)

    def follow(
        self, state: dict[str, Any], n: jax.Array, previous_BS: jax.Array, performed_BNS: jax.Array
    ) -> dict[str, Any]:
        """The state after notes `n`, n+1, … [B, N, 8] that are performed already; note n−1 is `previous_BS`."""
        return self.decoder.follow(state, n, previous_BS, performed_BNS)

    def grow(self, state: dict[str, Any], notes: int) -> dict[str, Any]:
        """The state with caches for so many notes, of which the first are kept."""
        return self.decoder.grow(state, notes)

    def step(
        self, state: dict[str, Any], n: jax.Array, previous_BS: jax.Array, pitch_B: jax.Array, choose: Choose
    ) -> tuple[dict[str, Any], jax.Array]:
        """Perform note `n` given note n−1 (all BOS at n = 0) and its pitch id; returns the state and ids [B, 8].

        For each slot but pitch, `choose(slot, logits_BR, low_R, width_R)` returns a value for each row: cell r of
        the R cells covers the values low_r … low_r + width_r − 1 evenly.
        """
        return self.decoder.step(state, n, previous_BS, pitch_B, choose)

    def __call__(self, score: ScoreTokens, performance_BNS: jax.Array, note_mask_BN: jax.Array) -> jax.Array:
        """The same as `nll`; what initialisation traces, the consensus besides."""
        if self.config.consensus:
            self.predict_consensus(score, note_mask_BN)
        return self.nll(score, performance_BNS, note_mask_BN)


def _columns(score: ScoreTokens, group: str) -> jax.Array:
    """A group int32 [B, N, C] beside the notes, zeros where the score does not tell it."""
    told = getattr(score, group)
    return jnp.zeros((*score.notes.shape[:2], SCORE_COLUMNS[group]), jnp.int32) if told is None else told


def completed(config: ModelConfig, params: Any) -> Any:
    """The parameters with the parts that a model may have or not have, metre and consensus, as `config` wants them.

    What is missing of these begins afresh, what is not wanted is left out; all else stays as it is.
    """
    fresh = abstract_params(config)
    missing = {name for name in fresh if name in OPTIONAL and name not in params}
    page = config.page and "page" not in params.get("consensus", {"page": None})
    if missing or page:
        begun = initialise(config, jax.random.key(0))
        params = {**params, **{name: begun[name] for name in missing}}
        if page:  # a consensus that learns to read it goes on from what it knows
            params["consensus"] = {**params["consensus"], "page": begun["consensus"]["page"]}
    return {name: part for name, part in params.items() if name in fresh or name not in OPTIONAL}


def initialise(config: ModelConfig, key: jax.Array) -> Any:
    """Fresh parameters, float32, made by one compiled program."""
    config = dataclasses.replace(config, attention="xla")  # two notes are too few for other kinds
    notes = jnp.zeros((1, 2, NOTE_TOKENS), jnp.int32)
    return jax.jit(Pianist(config).init)(key, ScoreTokens(notes), notes, jnp.ones((1, 2), bool))["params"]


@functools.cache
def abstract_params(config: ModelConfig) -> Any:
    """The shapes of a model's parameters."""
    return jax.eval_shape(lambda key: initialise(config, key), jax.random.key(0))
