"""The synthetic piano: a small piano of damped partials. NumPy only, no samples.

Every string is a sum of damped exponentials: partials stretched by stiffness, brighter the harder the key is
struck, each with a quick and a slow decay that beat against one another (the strings of a key, slightly out of
tune), and the knock of hammer and soundboard.
"""

from __future__ import annotations

import numpy as np

BLOCK = 512
LEVEL_DB = -15.0  # of a key struck at velocity 127, as the sampled piano has it


class Strings:
    """Every key at every velocity, made as it is needed (`pianos.Sources`)."""

    def choose(self, pitch: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number and gain of the sound of each key struck."""
        return 128 * velocity.astype(np.int64) + pitch, np.full(len(pitch), 10 ** (LEVEL_DB / 20))

    def choose_release(self, pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """It makes no noise."""
        return None

    def loudest(self, source: int, time: np.ndarray) -> np.ndarray:
        """How loud a sound is at most from each `time` (s) on, dB; -inf from its end on."""
        pitch = source % 128
        return np.where(time < ring_seconds(pitch), -60 * time / (1.4 * _fundamental_t60(pitch)), -np.inf)

    def load(self, source: int, low: int, high: int, sample_rate: int) -> np.ndarray:
        """Samples `low` to `high` of a sound, float32 [2, high - low]."""
        velocity, pitch = divmod(source, 128)
        return strike(pitch, velocity, low, high, sample_rate)


def strike(pitch: int, velocity: int, low: int, high: int, sample_rate: int) -> np.ndarray:
    """Samples of a key struck and held, float32 [2, high - low]: left, the bass as the player hears it, and right."""
    rng = np.random.default_rng(pitch)
    frequency, decay, amplitude = _strings(pitch, velocity, sample_rate, rng)
    knock, knock_decay, knock_amplitude = _knock(pitch, velocity, rng)
    frequency, decay = np.append(frequency, knock), np.append(decay, knock_decay)
    weights = np.append(amplitude, knock_amplitude)
    width = rng.uniform(0.75, 1.25, (2, len(frequency)))  # the two ears hear other partials a little louder
    width[1] = 2 - width[0]
    phase = np.exp(2j * np.pi * 0.15 * rng.uniform(size=(2, len(frequency))))
    lean = np.clip((pitch - 62) / 80, -0.5, 0.5)
    sides = np.array([[np.cos(np.pi / 4 * (1 + lean))], [np.sin(np.pi / 4 * (1 + lean))]])
    complex_weights = weights * width * phase * sides * -1j  # [2, K]; -1j: from rest
    root = (2j * np.pi * frequency - decay) / sample_rate
    blocks = -(-(high - low) // BLOCK)
    later = np.exp(root[:, None] * (low + BLOCK * np.arange(blocks))).astype(np.complex64)  # [K, blocks]
    within = np.exp(root[:, None] * np.arange(BLOCK)).astype(np.complex64)  # [K, BLOCK]
    sound = np.empty((2, blocks * BLOCK), np.float32)
    for side in range(2):
        started = (later * complex_weights[side, :, None]).astype(np.complex64)
        sound[side] = (started.T @ within).real.ravel()
    rise = int((0.0008 + 0.002 * max(0, (69 - pitch) / 48)) * sample_rate) + 1
    if low < rise:
        place = np.minimum(low + np.arange(sound.shape[1]), rise) / rise
        sound *= (0.5 - 0.5 * np.cos(np.pi * place)).astype(np.float32)
    return sound[:, : high - low]


def _strings(
    pitch: int, velocity: int, sample_rate: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies (Hz) and decay rates (1/s) of K damped partials, and their amplitudes."""
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    stiffness = inharmonicity(pitch)
    k = np.arange(1, 61)
    frequency = fundamental * k * np.sqrt((1 + stiffness * k**2) / (1 + stiffness))
    k = k[frequency < min(0.45 * sample_rate, 12_000)]
    frequency = frequency[: len(k)]
    cutoff = 300 * 2 ** (velocity / 127 * 3.1) * (fundamental / 262) ** 0.35  # Hz; harder is brighter
    struck = (np.abs(np.sin(np.pi * k * 0.118)) + 0.08) / k**0.6  # the hammer's place on the string
    radiated = frequency**2 / (frequency**2 + 90.0**2)  # the soundboard passes little of the deepest
    spectrum = struck * radiated * np.exp(-((frequency / cutoff) ** 0.8)) * rng.uniform(0.7, 1.3, len(k))
    spectrum /= np.sqrt(np.sum(spectrum**2))
    spectrum *= (velocity / 127) ** 1.6 * 10 ** (-max(0, pitch - 76) / 130)
    quick = 6.9 / _fundamental_t60(pitch) * (1 + (frequency / 1800) ** 1.1)
    detune = 2 ** (rng.uniform(0.25, 0.9, len(k)) / 1200)
    frequencies = np.concatenate([frequency, frequency * detune])
    decays = np.concatenate([2.6 * quick, 0.7 * quick])
    return frequencies, decays, np.concatenate([0.72 * spectrum, 0.28 * spectrum])


def _knock(pitch: int, velocity: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The soundboard struck by hammer and key: short broad partials, louder in the treble's proportion."""
    low = rng.uniform(70, 420, 12)
    high = rng.uniform(500, 3500, 28)
    frequency = np.append(low, high)
    decay = np.append(rng.uniform(28, 60, 12), rng.uniform(90, 220, 28))
    size = np.append(np.full(12, 0.030), np.full(28, 0.012)) * (0.6 + max(0, pitch - 60) / 50)
    harder = (velocity / 127) ** 2.3
    return frequency, decay, harder * size * rng.uniform(0.5, 1.5, len(frequency))


def inharmonicity(pitch: int) -> float:
    """Stiffness of a key's strings: partial k stands at k·√(1 + B·k²) (treble and bass bridges of a grand)."""
    return float(np.exp(0.0926 * pitch - 13.64) + np.exp(-0.0847 * pitch - 5.82))


def _fundamental_t60(pitch: int) -> float:
    """Seconds in which a held fundamental loses 60 dB: 22 in the deep bass, under 1 at the top."""
    return float(np.exp(np.interp(pitch, [21, 60, 84, 108], np.log([22, 11, 4.5, 0.9]))))


def ring_seconds(pitch: int) -> float:
    """How long a held key can be heard at all."""
    return min(1.3 * _fundamental_t60(pitch) + 0.4, 18.0)
