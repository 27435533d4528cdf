"""The sampled piano: the Salamander Grand, six layers of thirty keys (`grand/CREDITS.md`).

A note takes the layer nearest to its velocity and never two at once, whose phases would cancel, and is brought to the
level that its key and velocity should have by a table of what was measured of every recording (`grand/index.json`, made
by `experiments/piano_samples.py`). Between the keys recorded it is resampled, by a semitone at most.
"""

from __future__ import annotations

import io
import json
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pianist_jax.audio.kept import Kept

FOLDER = Path(__file__).parent / "grand"
EXPONENT = 1.6  # of a note's amplitude over its velocity
BASE_DB = -8.0  # over the recordings: most music is then about as loud as `files.LOUDNESS`
RELEASE_DB = -37.0  # of the noise of a key coming up, below the recordings
FADE = 0.2  # share of a recording over whose end it is faded out
NOISE_DB = -10.0  # at which the recorded noises of keys begin, about
RISE = 0.001  # seconds
RELEASES = 1 << 16  # numbers of sounds from here on are noises of keys
SEGMENT = 2  # seconds that are decoded together
DECODED_BYTES = 160 << 20
TAPS, KAISER = 32, 8.0  # of the filter that resamples
PASSED = 0.94  # of the band that the slower of both rates can hold
MISTUNED = 7e-4  # at most, of a ratio of two lengths: 1.2 cents
PERIOD = 32  # samples that are made together, about: longer ones cost products, shorter ones copies


def missing() -> str:
    """Why the sampled piano cannot be had; empty where it can."""
    if find_spec("soundfile") is None:
        return "soundfile is not installed"
    if not (FOLDER / "index.json").exists():
        return "the piano's samples are not installed"
    return ""


class Grand:
    """The recordings, read as they are needed (`pianos.Sources`)."""

    def __init__(self, folder: Path = FOLDER) -> None:
        index = json.loads((folder / "index.json").read_text())
        self.folder, self.rate, self.step = folder, int(index["rate"]), float(index["decay_step"])
        self.layers: list[dict[str, Any]] = index["layers"]
        self.release: dict[str, Any] = index["release"]
        self.keys = np.array([int(key) for key in self.layers[0]["keys"]])
        level = np.array([[about["level_db"] for about in layer["keys"].values()] for layer in self.layers])
        centre = (self.keys - 64) / 44
        wanted = np.polyval(np.polyfit(centre, level[-1], 3), (np.arange(128) - 64) / 44)  # [pitch], at velocity 127
        self.wanted_db = wanted[np.clip(np.arange(128), 21, 108)]
        self.level_db = level  # [layer, key]
        softer = np.median(level - level[-1], axis=1)
        self.velocities = 127 * 10 ** (softer / (20 * EXPONENT))  # at which each layer needs no gain
        self._decoded = Kept(DECODED_BYTES)

    def choose(self, pitch: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number and gain of the sound of each key struck."""
        pitch, velocity = pitch.astype(np.int64), np.maximum(velocity, 1)
        bounds = np.sqrt(self.velocities[1:] * self.velocities[:-1])
        layer = np.searchsorted(bounds, velocity)
        key = np.abs(self.keys[None] - pitch[:, None]).argmin(1)
        level = self.wanted_db[pitch] + 20 * EXPONENT * np.log10(velocity / 127) + BASE_DB
        return 128 * layer + pitch, 10 ** ((level - self.level_db[layer, key]) / 20)

    def choose_release(self, pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Number and gain of the noise of each key as it comes up."""
        key = np.clip(pitch, 21, 108).astype(np.int64)
        return RELEASES + key, np.full(len(pitch), 10 ** ((BASE_DB + RELEASE_DB) / 20))

    def loudest(self, source: int, time: np.ndarray) -> np.ndarray:
        """How loud a sound is at most from each `time` (s) on, dB; -inf from its end on."""
        about, _, shift = self._about(source)
        begins = about.get("level_db", NOISE_DB)
        values = begins + np.maximum.accumulate(np.append(about.get("decay_db", [0.0]), -np.inf)[::-1])[::-1]
        cell = np.minimum((time * shift / self.step).astype(int), len(values) - 1)
        return np.where(time * shift * self.rate >= about["samples"], -np.inf, values[cell])

    def load(self, source: int, low: int, high: int, sample_rate: int) -> np.ndarray:
        """Samples `low` to `high` of a sound, float32 [2, high - low]; silence after its end."""
        about, recording, shift = self._about(source)
        step, period = simple_ratio(shift * self.rate / sample_rate)
        if step == period:
            return self._samples(about, recording, low, high)
        first, last = low // period, -(-high // period)
        given = self._samples(about, recording, first * step - TAPS // 2, last * step + TAPS // 2)
        frames = sliding_window_view(given, step + TAPS, axis=1)[:, ::step]  # [2, frames, step + TAPS]
        made = np.ascontiguousarray(frames) @ _filters(step, period)
        return made.reshape(2, -1)[:, low - first * period : high - first * period]

    def _about(self, source: int) -> tuple[dict[str, Any], int, float]:
        """What the index says of the recording of a sound, its number, and how many times faster it is played."""
        if source >= RELEASES:
            return self.release["keys"][str(source - RELEASES)], source, 1.0
        layer, pitch = divmod(source, 128)
        key = int(self.keys[np.abs(self.keys - pitch).argmin()])
        return self.layers[layer]["keys"][str(key)], 128 * layer + key, 2 ** ((pitch - key) / 12)

    def _samples(self, about: dict[str, Any], recording: int, low: int, high: int) -> np.ndarray:
        """Samples of a recording, counted from its onset, float32 [2, high - low]; silence outside of it."""
        wanted = np.zeros((2, high - low), np.float32)
        begin, end = max(low, 0), min(high, about["samples"])
        size = SEGMENT * self.rate
        for number in range(begin // size, -(-end // size)):
            segment = self._decoded.get((recording, number), partial(self._decode, recording, number))
            first, last = max(begin, number * size), min(end, number * size + segment.shape[1])
            wanted[:, first - low : last - low] = segment[:, first - number * size : last - number * size]
        wanted *= np.float32(2**-15)
        rise, fall = int(RISE * self.rate), int(FADE * about["samples"])
        if begin < rise:
            wanted[:, begin - low : end - low] *= _half_cosine(np.arange(begin, end) / rise)
        if end > about["samples"] - fall:
            wanted[:, begin - low : end - low] *= _half_cosine((about["samples"] - np.arange(begin, end)) / fall)
        return wanted

    def _decode(self, recording: int, number: int) -> np.ndarray:
        """A segment of a recording, int16 [2, S]."""
        import soundfile

        about = self._about(recording)[0]
        group = self.release if recording >= RELEASES else self.layers[recording // 128]
        with (self.folder / group["file"]).open("rb") as stream:
            stream.seek(about["at"])
            content = io.BytesIO(stream.read(about["bytes"]))
        with soundfile.SoundFile(content) as file:
            file.seek(about["onset"] + number * SEGMENT * self.rate)
            return np.ascontiguousarray(file.read(SEGMENT * self.rate, dtype="int16", always_2d=True).T)


@cache
def simple_ratio(ratio: float) -> tuple[int, int]:
    """Two integers, the second about `PERIOD`, in this ratio within `MISTUNED`."""
    for period in range(1, 1000):
        step = round(ratio * period)
        if abs(step / period / ratio - 1) < MISTUNED:
            times = max(1, round(PERIOD / period))
            return times * step, times * period
    raise ValueError(f"no simple ratio is near {ratio}")


@cache
def _filters(step: int, period: int) -> np.ndarray:
    """What makes `period` samples of `step` and their neighbours, float32 [step + TAPS, period] (Kaiser's window)."""
    place = np.arange(period) * step / period + TAPS // 2  # of what is made, among what is given
    distance = np.arange(step + TAPS)[:, None] - place[None]
    band = PASSED * min(1.0, period / step)
    inside = np.clip(1 - (distance / (TAPS // 2)) ** 2, 0, None)
    window = np.where(inside > 0, np.i0(KAISER * np.sqrt(inside)) / np.i0(KAISER), 0)
    filters = band * np.sinc(band * distance) * window
    return (filters / filters.sum(0)).astype(np.float32)


def _half_cosine(place: np.ndarray) -> np.ndarray:
    """From 0 to 1 as `place` goes there."""
    return (0.5 - 0.5 * np.cos(np.pi * np.clip(place, 0, 1))).astype(np.float32)
