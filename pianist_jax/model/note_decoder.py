"""The note decoder: one causal step a note, then a small cascade over the note's slots.

The reference's decoder takes eight steps a note, so it can afford two layers only. Score and performance correspond
note by note, in pre-training too, so that one step a note is enough: its input is the encoder's state of that very
note, the note performed before it, and the time that the present tempo would give it.
"""

import importlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pianist_jax.config import ModelConfig
from pianist_jax.model.attention import Extent
from pianist_jax.model.cells import CELLS, ROW_OF_ID, ROW_START, ROWS, TIME_CELL, TIME_CELLS, cell_table
from pianist_jax.model.layers import RMSNorm, Stack, dense
from pianist_jax.model.token_decoder import Choose, segment_starts
from pianist_jax.music.tokens import BOS, DURATION, FIRST_TIME, IOI, MAX_IOI, NOTE_TOKENS, SLOT_SIZE, SLOT_START

TEMPO_SPANS = (4, 16, 64)  # notes over which the present tempo is taken
TEMPO_PRIOR = 50.0  # ms of playing at the score's own tempo that every span starts from
WAVELENGTHS = 2.0 ** np.arange(-2, 6)  # of the logarithm of a time in ms


def time_features(ms: jax.Array, known: jax.Array) -> jax.Array:
    """sin and cos of log(ms + 10) at eight wavelengths and whether the time is known, float32 [..., 17]."""
    phase = jnp.log(ms + 10.0)[..., None] * jnp.asarray(2 * np.pi / WAVELENGTHS, jnp.float32).reshape(
        (1,) * ms.ndim + (-1,)
    )
    known = known[..., None].astype(jnp.float32)
    return jnp.concatenate([jnp.sin(phase) * known, jnp.cos(phase) * known, known], axis=-1)


def _milliseconds(ids: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Times in ms and whether each id is a time at all (not MASK or padding)."""
    known = ids >= FIRST_TIME
    return jnp.where(known, ids - FIRST_TIME, 0).astype(jnp.float32), known


class NoteEmbedder(nn.Module):
    """Eight ids to one vector: the sum of a row for each slot's cell and of its times' features, normalised."""

    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        self.table = self.param("table", nn.initializers.normal(0.3), (sum(ROWS), c.width), jnp.float32)
        self.times = dense(c.width, c, bias=True)
        self.norm = RMSNorm()

    def __call__(self, ids_BNS: jax.Array) -> jax.Array:
        """[B, N, 8] ids -> [B, N, D]."""
        table = self.table.astype(jnp.dtype(self.config.dtype))
        row_BNS = jnp.asarray(ROW_OF_ID)[jnp.arange(NOTE_TOKENS)[None, None], ids_BNS]
        if ids_BNS.shape[1] == 1:
            x = jnp.sum(table[row_BNS], axis=2)
        else:  # a product with ones and zeros: its gradient is a product too, where a gather's would be a scatter
            rows = jnp.arange(table.shape[0])[None, None]
            hot = sum((row_BNS[:, :, slot, None] == rows).astype(table.dtype) for slot in range(NOTE_TOKENS))
            x = hot @ table
        features = [time_features(*_milliseconds(ids_BNS[:, :, slot])) for slot in (IOI, DURATION)]
        return self.norm(x + self.times(jnp.concatenate(features, axis=-1)))


class SlotCascade(nn.Module):
    """A small network for each slot but pitch, reading the note's state and the slots already chosen."""

    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        slots = range(1, NOTE_TOKENS)
        self.chosen = self.param("chosen", nn.initializers.normal(0.3), (sum(CELLS), c.width), jnp.float32)
        self.norms = [RMSNorm() for _ in slots]
        self.hidden = [dense(c.width, c, bias=True) for _ in slots]
        self.out = [dense(CELLS[slot], c, bias=True) for slot in slots]

    def logits(self, slot: int, context: jax.Array) -> jax.Array:
        """[..., D] -> float32 [..., R]."""
        y = nn.gelu(self.hidden[slot - 1](self.norms[slot - 1](context)), approximate=True)
        return self.out[slot - 1](y).astype(jnp.float32)

    def row(self, slot: int) -> tuple[int, int]:
        """First and last-but-one row of a slot in the table of chosen cells."""
        start = int(ROW_START[slot]) - 2 * slot
        return start, start + CELLS[slot]

    def nll(self, context_BND: jax.Array, performance_BNS: jax.Array) -> jax.Array:
        """Nats per slot, float32 [B, N, 8]; 0 for pitch. Uniform inside a cell, hence + log(width)."""
        losses = [jnp.zeros(context_BND.shape[:2], jnp.float32)]
        for slot in range(1, NOTE_TOKENS):
            value_BN = jnp.clip(performance_BNS[:, :, slot] - SLOT_START[slot], 0, SLOT_SIZE[slot] - 1)
            cell_BN = jnp.asarray(TIME_CELL)[value_BN] if CELLS[slot] == TIME_CELLS else value_BN
            logits = self.logits(slot, context_BND)
            hot = cell_BN[..., None] == jnp.arange(CELLS[slot])[None, None]
            picked = jnp.sum(jnp.where(hot, logits, 0.0), axis=-1)
            width = jnp.asarray(np.log(cell_table(slot)[1]), jnp.float32)[cell_BN]
            losses.append(jax.nn.logsumexp(logits, axis=-1) - picked + width)
            first, last = self.row(slot)
            context_BND = context_BND + hot.astype(context_BND.dtype) @ self.chosen[first:last].astype(
                context_BND.dtype
            )
        return jnp.stack(losses, axis=-1)

    def step(self, context_BD: jax.Array, pitch_B: jax.Array, choose: Choose) -> jax.Array:
        """The performed note's ids, [B, 8]."""
        note = [pitch_B]
        for slot in range(1, NOTE_TOKENS):
            low_R, width_R = (jnp.asarray(x) for x in cell_table(slot))
            value_B = choose(slot, self.logits(slot, context_BD), low_R, width_R)
            if slot == IOI:
                value_B = jnp.minimum(value_B, MAX_IOI)
            note.append(value_B + int(SLOT_START[slot]))
            cell_B = jnp.asarray(TIME_CELL)[value_B] if CELLS[slot] == TIME_CELLS else value_B
            context_BD = context_BD + self.chosen[self.row(slot)[0] + cell_B].astype(context_BD.dtype)
        return jnp.stack(note, axis=-1)


def _head(config: ModelConfig) -> type[nn.Module]:
    """What chooses a note's slots: the cascade, or the class of an experiment that the config names."""
    if config.head == "cascade":
        return SlotCascade
    module, _, name = config.head.partition(":")
    return getattr(importlib.import_module(module), name)


class NoteDecoder(nn.Module):
    """Causal over notes; same interface as the token decoder."""

    config: ModelConfig

    def setup(self) -> None:
        c = self.config
        self.previous = NoteEmbedder(c)
        self.tempo = dense(c.width, c, bias=True)
        self.stack = Stack(c, cross=c.cross_attention)
        self.cascade = _head(c)(c)

    def nll(
        self,
        memory_BND: jax.Array,
        real: Extent,
        score_BNS: jax.Array,
        performance_BNS: jax.Array,
        deterministic: bool,
    ) -> jax.Array:
        """Negative log-likelihood of each performed value, float32 [B, N, 8], nats; 0 for pitch, which is given."""
        first = jnp.full_like(performance_BNS[:, :1], BOS)
        previous_BNS = jnp.concatenate([first, performance_BNS[:, :-1]], axis=1)
        score_time, performed_time = _elapsed(score_BNS, performance_BNS)
        n, begin_BN = jnp.arange(score_BNS.shape[1]), None
        if real.segment_ids_BN is not None:
            starts_BN = segment_starts(real.segment_ids_BN)
            previous_BNS = jnp.where(starts_BN[..., None], BOS, previous_BNS)
            begin_BN = jax.lax.cummax(jnp.where(starts_BN, n[None], 0), axis=1)
        x = self._input(memory_BND, previous_BNS, score_BNS, score_time, performed_time, n, begin_BN)
        return self.cascade.nll(self.stack(x, memory_BND, real, deterministic), performance_BNS)

    def start(self, memory_BND: jax.Array, length_B: jax.Array, score_BNS: jax.Array, notes: int) -> dict[str, Any]:
        """Empty caches for so many notes, and the clocks from which the present tempo is read."""
        score_time, _ = _elapsed(score_BNS, score_BNS)
        return {
            "length": length_B,
            "memory": memory_BND,
            "score": score_BNS,
            "score_time": score_time,
            "performed_time": jnp.zeros_like(score_time),
            "caches": self.stack.start(memory_BND, notes),
        }

    def grow(self, state: dict[str, Any], notes: int) -> dict[str, Any]:
        """The state with caches for so many notes."""
        return {**state, "caches": self.stack.grow(state["caches"], notes)}

    def follow(
        self, state: dict[str, Any], n: jax.Array, previous_BS: jax.Array, performed_BNS: jax.Array
    ) -> dict[str, Any]:
        """The state after notes `n`, n+1, … that are performed already, all taken in at once."""
        notes = performed_BNS.shape[1]
        previous_BNS = jnp.concatenate([previous_BS[:, None], performed_BNS[:, :-1]], axis=1)
        before = jnp.maximum(n - 1, 0)
        _, known_B = _milliseconds(state["score"][:, before, IOI])
        gap_B, played_B = _milliseconds(previous_BS[:, IOI])
        now_B = state["performed_time"][:, before] + jnp.where(known_B & played_B & (n > 0), gap_B, 0.0)
        score = jax.lax.dynamic_slice_in_dim(state["score"], n, notes, axis=1)
        memory = jax.lax.dynamic_slice_in_dim(state["memory"], n, notes, axis=1)
        since_BN = _elapsed(score, performed_BNS)[1]
        clock = jax.lax.dynamic_update_slice_in_dim(state["performed_time"], now_B[:, None] + since_BN, n, axis=1)
        x = self._input(memory, previous_BNS, score, state["score_time"], clock, n + jnp.arange(notes))
        _, caches = self.stack.step(x, state["caches"], state["length"], n)
        return {**state, "performed_time": clock, "caches": caches}

    def step(
        self, state: dict[str, Any], n: jax.Array, previous_BS: jax.Array, pitch_B: jax.Array, choose: Choose
    ) -> tuple[dict[str, Any], jax.Array]:
        """Perform note `n` after `previous_BS` (all BOS at n = 0)."""
        before = jnp.maximum(n - 1, 0)
        _, known = _milliseconds(state["score"][:, before, IOI])
        gap, played = _milliseconds(previous_BS[:, IOI])
        clock = state["performed_time"]
        now = clock[:, before] + jnp.where(known & played & (n > 0), gap, 0.0)
        clock = jax.lax.dynamic_update_slice_in_dim(clock, now[:, None], n, axis=1)
        memory = jax.lax.dynamic_slice_in_dim(state["memory"], n, 1, axis=1)
        score = jax.lax.dynamic_slice_in_dim(state["score"], n, 1, axis=1)
        x = self._input(memory, previous_BS[:, None], score, state["score_time"], clock, n[None])
        x, caches = self.stack.step(x, state["caches"], state["length"], n)
        note = self.cascade.step(x[:, 0], pitch_B, choose)
        return {**state, "performed_time": clock, "caches": caches}, note

    def _input(
        self,
        memory: jax.Array,
        previous: jax.Array,
        score: jax.Array,
        score_time: jax.Array,
        performed_time: jax.Array,
        n: jax.Array,
        begin: jax.Array | None = None,
    ) -> jax.Array:
        features = _tempo_features(score, score_time, performed_time, n, begin)
        return memory + self.previous(previous) + self.tempo(features.astype(memory.dtype))


def _elapsed(score_BNS: jax.Array, performance_BNS: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Score and performed time passed before each note in ms, counting only gaps that the score tells, [B, N]."""
    score_gap, known = _milliseconds(score_BNS[:, :, IOI])
    performed_gap, _ = _milliseconds(performance_BNS[:, :, IOI])
    performed_gap = jnp.where(known, performed_gap, 0.0)
    return tuple(jnp.cumsum(gap, axis=1) - gap for gap in (score_gap, performed_gap))  # type: ignore[return-value]


def _tempo_features(
    score: jax.Array, score_time: jax.Array, performed_time: jax.Array, n: jax.Array, begin: jax.Array | None
) -> jax.Array:
    """The gap and duration that the tempo of the last 4, 16 and 64 notes would give notes `n`, as time features.

    Only notes from `begin` [B, N] on count: from the first note on where it is None.
    """
    features = []
    for span in TEMPO_SPANS:
        if begin is None:
            since = jnp.maximum(n - span, 0)
            score_span = score_time[:, n] - score_time[:, since]
            performed_span = performed_time[:, n] - performed_time[:, since]
        else:
            since = jnp.maximum(n[None] - span, begin)
            score_span, performed_span = (
                time - jnp.take_along_axis(time, since, axis=1) for time in (score_time, performed_time)
            )
        slowness = (performed_span + TEMPO_PRIOR) / (score_span + TEMPO_PRIOR)
        for slot in (IOI, DURATION):
            ms, known = _milliseconds(score[:, :, slot])
            features.append(time_features(ms * slowness, known))
    return jnp.concatenate(features, axis=-1)
