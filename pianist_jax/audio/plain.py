"""A plain synthesiser for instruments that are no pianos: steady tones of a few partials. It is to tell parts, no more.

Loudness is what General MIDI has it: 40 log10(velocity · controller / 127²) dB, the controller's curve within notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from pianist_jax.music.part import Part

TABLE = 2048  # samples of a period
LEVEL = 0.5  # of full scale, at the greatest velocity: about a piano's loudness at middle ones
WIDTH = 0.5  # of the stereo field that parts stand over
FADE = 4.0  # times its length after which a release is over
A4, A4_HZ = 69, 440.0


@dataclass(frozen=True)
class Tone:
    """Partials from the first on, s of attack and release, s in which it decays to e⁻¹ at middle C (0: it is held)."""

    partials: tuple[float, ...]
    attack: float
    release: float
    decay: float = 0.0


def _row(power: float, count: int = 12) -> tuple[float, ...]:
    return tuple(1 / k**power for k in range(1, count + 1))


STRUCK = Tone(_row(1.6, 8), 0.004, 0.06, 1.2)
TONES = (
    (range(16, 24), Tone((1, 0.7, 0.3, 0.5, 0, 0.2, 0, 0.2), 0.015, 0.06)),  # organs
    ((*range(40, 45), *range(48, 52), 110), Tone(_row(1.1), 0.06, 0.10)),  # strings
    (range(52, 55), Tone((1, 0.6, 0.5, 0.15, 0.08, 0.04), 0.07, 0.12)),  # voices
    (range(56, 64), Tone(_row(0.9), 0.03, 0.06)),  # brass
    (range(64, 72), Tone((1, 0.15, 0.6, 0.1, 0.35, 0.08, 0.2), 0.03, 0.05)),  # reeds
    ((*range(72, 104), 109, 111), Tone((1, 0.25, 0.1, 0.03), 0.04, 0.06)),  # pipes and pads
)


def tone_of(program: int) -> Tone:
    """The tone of a General MIDI program; what is struck or plucked dies away."""
    return next((tone for programs, tone in TONES if program in programs), STRUCK)


@cache
def _table(partials: tuple[float, ...], most: int) -> np.ndarray:
    """float32 [TABLE]: a period of as many partials as there is room for, of a mean square of 1/2."""
    phase = 2 * np.pi * np.arange(TABLE) / TABLE
    kept = partials[: max(most, 1)]
    wave = sum(level * np.sin((k + 1) * phase) for k, level in enumerate(kept))
    return np.asarray(wave / np.sqrt(2 * np.mean(np.square(wave))), np.float32)


def duration_of_parts(parts: Sequence[Part]) -> float:
    """Seconds until the last of their notes is over."""
    return max((float(part.notes.end.max()) / 1000 + FADE * tone_of(part.program).release for part in parts), default=0)


def plain_blocks(parts: Sequence[Part], sample_rate: int, stop: float, block: int) -> Iterator[np.ndarray]:
    """Their sound from 0 to `stop` s, float32 [S, 2] of `block` samples each, the last one shorter."""
    last = round(stop * sample_rate)
    for at in range(0, last, block):
        size = min(block, last - at)
        mixed = np.zeros((size, 2), np.float32)
        for number, part in enumerate(parts):
            place = WIDTH * ((number + 0.5) / len(parts) - 0.5)
            sides = np.sqrt(np.array([0.5 - place, 0.5 + place], np.float32))
            mixed += _part_block(part, sample_rate, at, size)[:, None] * sides
        yield mixed


def _part_block(part: Part, sample_rate: int, at: int, size: int) -> np.ndarray:
    """float32 [size]: a part from sample `at` on."""
    notes, tone = part.notes, tone_of(part.program)
    begin, end = notes.onset / 1000, notes.end / 1000
    first = np.rint(begin * sample_rate).astype(np.int64) - at
    last = np.rint((end + FADE * tone.release) * sample_rate).astype(np.int64) - at
    heard = np.flatnonzero((first < size) & (last > 0))
    sound = np.zeros(size, np.float32)
    if not len(heard):
        return sound
    time = (at + np.arange(size)) / sample_rate
    swell = np.interp(time, part.curve[:, 0] / 1000, part.curve[:, 1] / 127) if len(part.curve) else np.ones(size)
    for n in heard.tolist():
        low, high = max(0, int(first[n])), min(size, int(last[n]))
        own = _note(tone, int(notes.pitch[n]), time[low:high] - begin[n], end[n] - begin[n], sample_rate)
        gain = LEVEL * (notes.velocity[n] / 127 * swell[low:high]) ** 2
        sound[low:high] += (own * gain).astype(np.float32)
    return sound


def _note(tone: Tone, pitch: int, since: np.ndarray, length: float, sample_rate: int) -> np.ndarray:
    """float64: a note of that many s, at times `since` its beginning."""
    hertz = A4_HZ * 2 ** ((pitch - A4) / 12)
    table = _table(tone.partials, int(0.45 * sample_rate / hertz))
    wave = table[(since * hertz * TABLE).astype(np.int64) % TABLE]
    level = np.clip(since / tone.attack, 0, 1) * np.exp(-np.maximum(since - length, 0) / tone.release)
    if tone.decay:
        level = level * np.exp(-since / (tone.decay * 2 ** ((60 - pitch) / 24)))
    return np.asarray(wave * level)
