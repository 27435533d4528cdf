"""The pianos that there are, and what a mixer must know of one."""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from pianist_jax.audio.grand import Grand, missing
from pianist_jax.audio.kept import Kept
from pianist_jax.audio.strings import Strings

CACHE_BYTES = 128 << 20
CHUNK = 24_000  # samples that are made together


class Sources(Protocol):
    """Sounds by number: `choose` gives those that a note needs."""

    def choose(self, pitch: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number int64 [N] and gain float64 [N] of the sound of each key struck."""

    def choose_release(self, pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The same of the noise of each key as it comes up; None where there is none."""

    def loudest(self, source: int, time: np.ndarray) -> np.ndarray:
        """How loud a sound is at most from each `time` (s) on, dB; -inf from its end on."""

    def load(self, source: int, low: int, high: int, sample_rate: int) -> np.ndarray:
        """Samples `low` to `high` of a sound, float32 [2, high - low]; silence after its end."""


class Piano:
    """A piano and those of its sounds that were used last, up to `CACHE_BYTES`. For one thread at a time.

    `remark` is one line that says why it is not the sampled one, or empty.
    """

    def __init__(self, sources: Sources, remark: str = "", cache_bytes: int = CACHE_BYTES) -> None:
        self.sources = sources
        self.remark = remark
        self._kept = Kept(cache_bytes)

    def chunk(self, source: int, number: int, sample_rate: int) -> np.ndarray:
        """The `number`-th `CHUNK` samples of a sound, float32 [2, CHUNK]."""
        begin = number * CHUNK
        key = (source, number, sample_rate)
        return self._kept.get(key, lambda: self.sources.load(source, begin, begin + CHUNK, sample_rate))


def load_piano(*, sampled: bool = True) -> Piano:
    """The sampled grand; the synthetic piano where it cannot be had (`Piano.remark` says why), or is not wanted."""
    reason = missing() if sampled else ""
    if sampled and not reason:
        return Piano(Grand())
    return Piano(Strings(), f"{reason}: a synthetic piano is heard instead" if reason else "")


_own = threading.local()


def own_piano() -> Piano:
    """The piano of this thread, loaded when it is first asked for: what its last notes needed is at hand."""
    if not hasattr(_own, "piano"):
        _own.piano = load_piano()
    piano: Piano = _own.piano
    return piano
