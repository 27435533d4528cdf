"""What becomes of a struck string: dampers under the pedal, and the hammer that comes again."""

from __future__ import annotations

import numpy as np

from pianist_jax.music.notes import Notes

UNDAMPED = 89  # the keys from here on have no dampers
PEDAL_TOUCHES, PEDAL_FREE = 30, 90  # CC64 at which dampers begin to lift, and have left the strings
AGAIN = 0.012  # seconds in which the hammer takes what still rings on its string down by 1/e


class Dampers:
    """How much damping (seconds of fallen dampers) has passed by each time, for keys that are up."""

    def __init__(self, notes: Notes) -> None:
        time = np.concatenate([[0], notes.pedal_time]) / 1000
        value = np.concatenate([[0], notes.pedal_value]).astype(float)
        self.time = np.append(np.maximum(time, 0), max(time.max(), 0) + 1e6)
        lifted = np.clip((value - PEDAL_TOUCHES) / (PEDAL_FREE - PEDAL_TOUCHES), 0, 1)
        self.passed = np.concatenate([[0], np.cumsum(np.diff(self.time) * (1 - lifted) ** 2)])

    def at(self, time: np.ndarray | float) -> np.ndarray:
        """Seconds of damping that a key which was always up has had by `time` (s)."""
        return np.interp(time, self.time, self.passed)


def damper_rate(pitch: np.ndarray) -> np.ndarray:
    """1/s at which fallen dampers take the sound of each key: thick strings resist longer, the highest have none."""
    return np.where(pitch >= UNDAMPED, 0.0, np.interp(pitch, [21, 45, 70, 88], [7, 11, 19, 28]))
