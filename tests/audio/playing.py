"""Small performances for the tests of sound."""

import numpy as np

from pianist_jax.music.notes import Notes

RATE = 48_000


def notes_of(rows, pedal=()):
    """Notes from rows of pitch, onset, duration, velocity, and pedal from pairs of time and value."""
    pitch, onset, duration, velocity = np.array(rows, np.int64).reshape(-1, 4).T
    time, value = np.array(pedal, np.int64).reshape(-1, 2).T
    return Notes(pitch, onset, duration, velocity, time, value)


def decibels(sound, begin, end):
    """Level between two times (s), relative to full scale; silence follows what there is."""
    part = sound[int(begin * RATE) : int(end * RATE)]
    return 10 * np.log10(np.sum(part**2) / (2 * (end - begin) * RATE) + 1e-12)


def cents(sound, pitch):
    """How far the fundamental in a sound [S] is from a pitch of equal temperament."""
    wanted = 440 * 2 ** ((pitch - 69) / 12)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 16 * len(sound)))
    frequency = np.arange(len(spectrum)) * RATE / (16 * len(sound))
    near = np.flatnonzero(np.abs(frequency / wanted - 1) < 0.03)
    return 1200 * np.log2(frequency[near[np.argmax(spectrum[near])]] / wanted)


def centroid(sound):
    """Hz about which a sound [S, 2] lies."""
    power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
    return np.sum(power * np.arange(len(power))) / np.sum(power) * RATE / len(sound)
