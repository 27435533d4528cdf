"""A part of a MIDI file, and which channel it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pianist_jax.music.midi_scan import DRUM_CHANNEL
from pianist_jax.music.notes import Notes

PIANOS = range(6)  # programs of General MIDI
CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a file: what it is called, its notes and pedal, its General MIDI program, and a curve of its own.

    The curve is int64[P, 2] times and values of the `controller`.
    """

    name: str
    notes: Notes
    program: int = 0
    curve: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    controller: int = 0


def channels_of(programs: Sequence[int]) -> list[int]:
    """The channel, from 0 on, of each part of these programs; of more parts than channels one for each program."""
    kinds = list(dict.fromkeys(programs))
    apart = len(programs) <= len(CHANNELS) or len(kinds) == 1
    numbers = range(len(programs)) if apart else map(kinds.index, programs)
    return [CHANNELS[number % len(CHANNELS)] for number in numbers]
