"""Performances as sound: a sampled grand piano, or a synthetic one where its samples cannot be had, to audio files.

Both share the dampers: they fall when a key is up and as far as the pedal lets them, so that half a pedal damps
slowly and a pedal pressed in time catches what still sounds. A performance is mixed in blocks of a second, whatever its
length; the same performance gives the same samples.

What it does not do: the resonance of strings that nobody struck, una corda and sostenuto, the noise of the pedal.
"""

from pianist_jax.audio.company import plainly
from pianist_jax.audio.files import FORMATS, AudioFormat, audio_bytes, parse_format, write_audio
from pianist_jax.audio.loudness import Loudness
from pianist_jax.audio.mixing import SAMPLE_RATE, render_blocks, sound_of
from pianist_jax.audio.pianos import Piano, load_piano, own_piano

__all__ = [
    "FORMATS",
    "SAMPLE_RATE",
    "AudioFormat",
    "Loudness",
    "Piano",
    "audio_bytes",
    "load_piano",
    "own_piano",
    "parse_format",
    "plainly",
    "render_blocks",
    "sound_of",
    "write_audio",
]
