"""Shingles: windows of some notes as sets, hashed.

The order within a window does not matter, so that chords spread by a pianist, or by rounding, change only the windows
that cut them. NumPy only.
"""

from __future__ import annotations

import numpy as np


def hash_windows(values: np.ndarray, width: int, *, relative: bool = False) -> np.ndarray:
    """A hash uint64[N - width + 1] of each window of int[N] values, the same on every machine.

    Args:
        relative: of what lies above the smallest value of the window; pitches are then the same in every key.
    """
    if len(values) < width:
        return np.zeros(0, np.uint64)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(values.astype(np.int64), width), axis=1)
    return _mix(windows - windows[:, :1] if relative else windows)


def _mix(windows: np.ndarray) -> np.ndarray:
    """uint64[W]: a hash of each row of int64[W, K]."""
    multipliers = np.random.default_rng(windows.shape[1]).integers(0, 1 << 63, windows.shape[1], np.uint64) * 2 + 1
    mixed = (windows.astype(np.uint64) * multipliers).sum(axis=1, dtype=np.uint64)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ mixed >> np.uint64(32)
