"""Performances as sound: a small piano of damped partials, rendered to WAV. NumPy only, no samples, no soundfont.

Every string is a sum of damped exponentials: partials stretched by stiffness, brighter the harder the key is
struck, each with a quick and a slow decay that beat against one another (the strings of a key, slightly out of
tune), and the knock of hammer and soundboard. Dampers fall when the key is up and as far as the pedal lets
them: half pedal damps slowly, and a pedal pressed in time catches what still sounds. A short room is added.

It is meant for judging timing, dynamics and pedalling. What it does not do: sympathetic resonance of other
strings, una corda and sostenuto, the noise of keys and pedal, and the character of any real instrument.
"""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.files import replacing
from pianist_jax.music.notes import Notes

SAMPLE_RATE = 44_100
MAX_SECONDS = 3600
LAYERS = np.array([8.0, 40.0, 64.0, 90.0, 127.0])  # velocities between which a note's spectrum is mixed
PEAK = 0.89
ROOM_SECONDS, ROOM_DELAY, ROOM_LEVEL = 1.4, 0.012, 0.16
UNDAMPED = 89  # the keys from here on have no dampers
PEDAL_TOUCHES, PEDAL_FREE = 30, 90  # CC64 at which dampers begin to lift, and have left the strings
STEP = 64  # samples between values of a note's damping
BLOCK = 512
INAUDIBLE = 2e-4


def write_wav(path: str | os.PathLike[str], notes: Notes, *, sample_rate: int = SAMPLE_RATE) -> None:
    """Write a performance as a 16-bit stereo WAV file, its loudest moment at -1 dB.

    The file appears whole or not at all. Raises PianistError where there are no notes, where it would last more than
    an hour, or where the file cannot be written.
    """
    sound = synthesise(notes, sample_rate=sample_rate)
    with replacing(path) as unfinished, unfinished.open("wb") as stream, wave.open(stream, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        for part in np.array_split(sound, max(1, len(sound) // (1 << 20))):
            file.writeframes(np.rint(part * 32767).astype("<i2").tobytes())


def synthesise(notes: Notes, *, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The sound of a performance, float32 [S, 2] (left, right) within ±0.89; it begins at 0 ms.

    Left is the bass, as the player hears it. The same notes give the same samples. Raises PianistError where there are
    no notes or they last more than an hour.
    """
    if not len(notes):
        raise PianistError("there are no notes to be heard")
    seconds = int(notes.end.max()) / 1000 + 4
    if seconds > MAX_SECONDS or int(notes.onset.min()) < 0:
        raise PianistError("only performances of up to an hour from 0 ms on can be heard; cut it")
    sound = np.zeros((int(seconds * sample_rate), 2), np.float32)
    dampers = _Dampers(notes, sample_rate)
    for pitch in np.unique(notes.pitch).tolist():
        _play_key(sound, notes, pitch, dampers, sample_rate)
    _add_room(sound, sample_rate)
    sound = sound[: _audible_length(sound)]
    sound *= PEAK / max(float(np.abs(sound).max()), 1e-9)
    return sound


class _Dampers:
    """How much damping (seconds of fallen dampers) has passed by each time, for keys that are up."""

    def __init__(self, notes: Notes, sample_rate: int) -> None:
        time = np.concatenate([[0], notes.pedal_time, [10 * MAX_SECONDS * 1000]]) / 1000
        value = np.concatenate([[0], notes.pedal_value]).astype(float)
        lifted = np.clip((value - PEDAL_TOUCHES) / (PEDAL_FREE - PEDAL_TOUCHES), 0, 1)
        self.time = np.maximum(time, 0)
        self.passed = np.concatenate([[0], np.cumsum(np.diff(self.time) * (1 - lifted) ** 2)])
        self.sample_rate = sample_rate

    def since(self, release: float, count: int, start: int) -> np.ndarray:
        """Seconds of damping since `release` (s) at every `STEP`-th of `count` samples from sample `start` on."""
        time = (start + STEP * np.arange(count // STEP + 2)) / self.sample_rate
        passed = np.interp(np.maximum(time, release), self.time, self.passed)
        return passed - np.interp(release, self.time, self.passed)


def _play_key(sound: np.ndarray, notes: Notes, pitch: int, dampers: _Dampers, sample_rate: int) -> None:
    """Add all notes of one pitch to the sound."""
    own = np.flatnonzero(notes.pitch == pitch)
    own = own[np.argsort(notes.onset[own], kind="stable")]
    onset = notes.onset[own] / 1000
    release = notes.end[own] / 1000
    again = np.append(onset[1:], np.inf)
    rate = 0.0 if pitch >= UNDAMPED else damper_rate(pitch)
    starts = np.rint(onset * sample_rate).astype(int)
    envelopes = []
    for start, up, next_onset in zip(starts.tolist(), release.tolist(), again.tolist(), strict=True):
        room = min(len(sound) - start, int(ring_seconds(pitch) * sample_rate))
        exponent = rate * dampers.since(up, room, start)
        if next_onset < np.inf:  # the hammer stops what still rings on its string
            time = (start + STEP * np.arange(len(exponent))) / sample_rate
            exponent = exponent + np.maximum(time - next_onset, 0) / 0.012
        envelope = np.exp(-exponent)
        silent = np.flatnonzero(envelope < INAUDIBLE)
        envelopes.append(envelope[: silent[0] + 1] if len(silent) else envelope)
    longest = max(len(envelope) for envelope in envelopes) * STEP
    layers = strike(pitch, min(longest, int(ring_seconds(pitch) * sample_rate)), sample_rate)
    for start, envelope, velocity in zip(starts.tolist(), envelopes, notes.velocity[own].tolist(), strict=True):
        place = np.interp(velocity, LAYERS, np.arange(len(LAYERS)))
        low = min(int(place), len(LAYERS) - 2)
        share = place - low
        count = min((len(envelope) - 1) * STEP, layers.shape[1], len(sound) - start)
        mixed = (1 - share) * layers[low, :count] + share * layers[low + 1, :count]
        fade = np.interp(np.arange(count), STEP * np.arange(len(envelope)), envelope).astype(np.float32)
        sound[start : start + count] += mixed * fade[:, None]


def strike(pitch: int, samples: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A key struck at each velocity of `LAYERS` and held, float32 [5, samples, 2]."""
    rng = np.random.default_rng(pitch)
    frequency, decay, amplitude = _strings(pitch, sample_rate, rng)
    knock, knock_decay, knock_amplitude = _knock(pitch, rng)
    frequency, decay = np.append(frequency, knock), np.append(decay, knock_decay)
    weights = np.concatenate([amplitude, knock_amplitude], axis=1)  # [layers, K]
    width = rng.uniform(0.75, 1.25, (2, len(frequency)))  # the two ears hear other partials a little louder
    width[1] = 2 - width[0]
    phase = np.exp(2j * np.pi * 0.15 * rng.uniform(size=(2, len(frequency))))
    lean = np.clip((pitch - 62) / 80, -0.5, 0.5)
    sides = np.array([[np.cos(np.pi / 4 * (1 + lean))], [np.sin(np.pi / 4 * (1 + lean))]])
    complex_weights = weights[:, None] * (width * phase * sides * -1j)[None]  # [layers, 2, K]; -1j: from rest
    root = (2j * np.pi * frequency - decay) / sample_rate
    blocks = -(-samples // BLOCK)
    later = np.exp(root[:, None] * (BLOCK * np.arange(blocks))).astype(np.complex64)  # [K, blocks]
    within = np.exp(root[:, None] * np.arange(BLOCK)).astype(np.complex64)  # [K, BLOCK]
    sound = np.empty((len(LAYERS), blocks * BLOCK, 2), np.float32)
    for layer in range(len(LAYERS)):
        for side in range(2):
            started = (later * complex_weights[layer, side, :, None]).astype(np.complex64)
            sound[layer, :, side] = (started.T @ within).real.ravel()
    rise = int((0.0008 + 0.002 * max(0, (69 - pitch) / 48)) * sample_rate) + 1
    sound[:, :rise] *= (0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise))[None, :, None].astype(np.float32)
    return sound[:, :samples]


def _strings(pitch: int, sample_rate: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies (Hz) and decay rates (1/s) of K damped partials, and their amplitudes [layers, K]."""
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    stiffness = inharmonicity(pitch)
    k = np.arange(1, 61)
    frequency = fundamental * k * np.sqrt((1 + stiffness * k**2) / (1 + stiffness))
    k = k[frequency < min(0.45 * sample_rate, 12_000)]
    frequency = frequency[: len(k)]
    cutoff = 300 * 2 ** (LAYERS[:, None] / 127 * 3.1) * (fundamental / 262) ** 0.35  # Hz; harder is brighter
    struck = (np.abs(np.sin(np.pi * k * 0.118)) + 0.08) / k**0.6  # the hammer's place on the string
    radiated = frequency**2 / (frequency**2 + 90.0**2)  # the soundboard passes little of the deepest
    spectrum = struck * radiated * np.exp(-((frequency / cutoff) ** 0.8)) * rng.uniform(0.7, 1.3, len(k))
    spectrum /= np.sqrt(np.sum(spectrum**2, axis=1, keepdims=True))
    spectrum *= (LAYERS[:, None] / 127) ** 1.6 * 10 ** (-max(0, pitch - 76) / 130)
    quick = 6.9 / _fundamental_t60(pitch) * (1 + (frequency / 1800) ** 1.1)
    detune = 2 ** (rng.uniform(0.25, 0.9, len(k)) / 1200)
    frequencies = np.concatenate([frequency, frequency * detune])
    decays = np.concatenate([2.6 * quick, 0.7 * quick])
    return frequencies, decays, np.concatenate([0.72 * spectrum, 0.28 * spectrum], axis=1)


def _knock(pitch: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The soundboard struck by hammer and key: short broad partials, louder in the treble's proportion."""
    low = rng.uniform(70, 420, 12)
    high = rng.uniform(500, 3500, 28)
    frequency = np.append(low, high)
    decay = np.append(rng.uniform(28, 60, 12), rng.uniform(90, 220, 28))
    size = np.append(np.full(12, 0.030), np.full(28, 0.012)) * (0.6 + max(0, pitch - 60) / 50)
    harder = (LAYERS[:, None] / 127) ** 2.3
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


def damper_rate(pitch: int) -> float:
    """1/s at which fallen dampers take the sound: thick strings resist longer."""
    return float(np.interp(pitch, [21, 45, 70, 88], [7, 11, 19, 28]))


def _add_room(sound: np.ndarray, sample_rate: int) -> None:
    """Add a short diffuse echo in place, block by block."""
    rng = np.random.default_rng(0)
    length = int(ROOM_SECONDS * sample_rate)
    time = np.arange(length) / sample_rate
    spectrum = np.fft.rfft(rng.normal(size=(length, 2)), axis=0)
    frequency = np.fft.rfftfreq(length, 1 / sample_rate)
    spectrum *= (1 / (1 + (frequency / 2500) ** 2) * frequency / (frequency + 120))[:, None]  # walls are soft
    echo = np.fft.irfft(spectrum, length, axis=0) * np.exp(-6.9 * time / ROOM_SECONDS)[:, None]
    echo *= ROOM_LEVEL / np.sqrt(np.sum(echo**2, axis=0))
    echo = np.concatenate([np.zeros((int(ROOM_DELAY * sample_rate), 2)), echo])
    size = 1 << int(np.ceil(np.log2(4 * len(echo))))
    filtered = np.fft.rfft(echo, size, axis=0)
    span = size - len(echo) + 1
    tail = np.zeros((len(echo) - 1, 2))
    for start, part in _parts(sound, span):
        wet = np.fft.irfft(np.fft.rfft(part, size, axis=0) * filtered, size, axis=0)
        wet[: len(tail)] += tail
        tail = wet[len(part) : len(part) + len(tail)].copy()
        sound[start : start + len(part)] += wet[: len(part)].astype(np.float32)


def _parts(sound: np.ndarray, span: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(sound), span):
        yield start, sound[start : start + span].copy()


def _audible_length(sound: np.ndarray) -> int:
    """Samples up to where nothing more than -66 dB of the loudest comes."""
    block = 1024
    loud = np.array([np.abs(sound[k : k + block]).max() for k in range(0, len(sound), block)])
    return min(len(sound), (int(np.flatnonzero(loud > 5e-4 * loud.max())[-1]) + 1) * block)
