import numpy as np
import pytest
from scipy.signal import lfilter

from pianist_jax.audio.loudness import HIGH_PASS, SHELF, Loudness

RATE = 48_000


def loudness(sound, rate=RATE, block=30_011):
    found = Loudness(rate)
    for at in range(0, len(sound), block):
        found.add(sound[at : at + block])
    return found.integrated()


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_sine_is_as_loud_as_the_standard_says(rate):
    """BS.1770-4: 997 Hz at 0 dB in one channel is -3.01 LUFS."""
    sine = np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate).astype(np.float32)
    assert abs(loudness(np.stack([sine, np.zeros_like(sine)], 1), rate) + 3.01) < 0.05


def test_it_is_as_loud_as_filters_in_time_find():
    """Noise that fades and is silent for a while: gated blocks of the filtered signal, as the standard has it."""
    rng = np.random.default_rng(0)
    time = np.arange(8 * RATE) / RATE
    sound = rng.normal(size=(8 * RATE, 2)) * np.exp(-time)[:, None] * 0.3
    sound[3 * RATE : 5 * RATE] = 0
    heard = sound
    for top, bottom in (SHELF, HIGH_PASS):
        heard = lfilter(top, bottom, heard, axis=0)
    step = RATE // 10
    power = (heard**2).reshape(-1, step, 2).mean(1).sum(1)
    blocks = np.convolve(power, np.ones(4) / 4, "valid")
    loud = blocks[-0.691 + 10 * np.log10(blocks + 1e-20) > -70]
    loud = loud[loud > loud.mean() / 10]
    assert abs(loudness(sound.astype(np.float32)) - (-0.691 + 10 * np.log10(loud.mean()))) < 0.1


def test_silence_has_none():
    assert loudness(np.zeros((RATE, 2), np.float32)) == -np.inf
