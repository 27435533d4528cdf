"""How loud something is: the integrated loudness of ITU-R BS.1770-4, two channels.

Its K-weighting is applied to the power spectrum of every tenth of a second and not as a filter in time, so that
NumPy suffices; `tests/audio/test_loudness.py` compares the two.
"""

from __future__ import annotations

import numpy as np

SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1, -1.69065929318241, 0.73248077421585))
HIGH_PASS = ((1, -2, 1), (1, -1.99004745483398, 0.99007225036621))
STEPS_A_SECOND = 10
STEPS = 4  # in a gating block of 400 ms
SILENCE, GATE = -70.0, -10.0  # LUFS; LU below the mean of what is no silence


def k_weights(frequency: np.ndarray) -> np.ndarray:
    """What power at each frequency (Hz) counts for: the standard's two filters, given there for 48 kHz."""
    z = np.exp(-2j * np.pi * np.minimum(frequency, 24_000) / 48_000)
    response = np.ones(len(frequency), complex)
    for top, bottom in (SHELF, HIGH_PASS):
        response *= np.polyval(top[::-1], z) / np.polyval(bottom[::-1], z)
    return np.abs(response) ** 2


def weighted_power(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """K-weighted mean square over the last axis of [..., S], for each of the others."""
    samples = sound.shape[-1]
    spectrum = np.fft.rfft(sound, axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    return 2 / samples**2 * (power @ k_weights(np.fft.rfftfreq(samples, 1 / sample_rate)).astype(power.dtype))


class Loudness:
    """The loudness of a sound that comes in blocks [S, 2]."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.step = sample_rate // STEPS_A_SECOND
        self.rest = np.zeros((0, 2), np.float32)
        self.power: list[np.ndarray] = []

    def add(self, block: np.ndarray) -> None:
        """Hear the next block."""
        sound = np.concatenate([self.rest, block])
        whole = len(sound) // self.step
        self.rest = sound[whole * self.step :]
        if whole:
            steps = sound[: whole * self.step].T.reshape(2, whole, self.step)
            self.power.append(weighted_power(steps, self.sample_rate).sum(0))

    def integrated(self) -> float:
        """LUFS of all that was heard, what is much softer than the rest left out; -inf for silence."""
        power = np.concatenate([np.zeros(0), *self.power]).astype(np.float64)
        power = np.append(power, np.zeros(max(0, STEPS - len(power))))  # what is shorter than a block is one
        blocks = np.convolve(power, np.full(STEPS, 1 / STEPS), "valid")
        loud = blocks[blocks > _power(SILENCE)]
        if not len(loud):
            return -np.inf
        return _lufs(float(loud[loud > loud.mean() * 10 ** (GATE / 10)].mean()))


def _power(lufs: float) -> float:
    return 10 ** ((lufs + 0.691) / 10)


def _lufs(power: float) -> float:
    return -0.691 + 10 * float(np.log10(power))
