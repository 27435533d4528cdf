"""What a piano can play and a MIDI file can say: keys are struck apart, released before, and the pedal ends up."""

import dataclasses

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import LAST_GAP

APART = 2  # ms at least between two strikes of a key


def make_playable(notes: Notes, *, as_struck: bool = False) -> Notes:
    """Notes in the order of a score, in any times, as a hand and a foot can play them.

    `as_struck`: what somebody may have wanted so, every onset and pedal event, stays.
    """
    if not as_struck:
        notes = dataclasses.replace(notes, onset=part_strikes(notes.pitch, notes.onset))
        notes = drop_repeated_pedal(notes)
    return release_pedal(cut_overlaps(notes))


def part_strikes(pitch: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """int64 [N] ms: onsets moved so that a key's strikes, in the order of the score, are at least 2 ms apart."""
    onset = onset.copy()
    order = np.argsort(pitch, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(pitch[order])) + 1):
        steps = APART * np.arange(len(own))
        onset[own] = np.maximum.accumulate(onset[own] - steps) + steps
    return onset


def cut_overlaps(notes: Notes) -> Notes:
    """Release every note at least 1 ms before its pitch is struck again (and 1 ms after its onset at the earliest)."""
    order = np.lexsort((notes.onset, notes.pitch))
    again = notes.pitch[order[:-1]] == notes.pitch[order[1:]]
    before, after = order[:-1][again], order[1:][again]
    duration = notes.duration.copy()
    duration[before] = np.minimum(duration[before], notes.onset[after] - notes.onset[before] - 1)
    return dataclasses.replace(notes, duration=np.maximum(duration, 1))


def release_pedal(notes: Notes) -> Notes:
    """Let the pedal go where it would stay down: at the last release, or when the last note's pedal samples end."""
    if not len(notes.pedal_value) or notes.pedal_value[-1] == 0:
        return notes
    time = max(int(notes.end.max()), int(notes.onset[-1]) + LAST_GAP, int(notes.pedal_time[-1]) + 1)
    return dataclasses.replace(
        notes, pedal_time=np.append(notes.pedal_time, time), pedal_value=np.append(notes.pedal_value, 0)
    )


def drop_repeated_pedal(notes: Notes) -> Notes:
    """Without the pedal events that change nothing."""
    changed = np.diff(notes.pedal_value, prepend=0) != 0
    if changed.all():
        return notes
    return dataclasses.replace(notes, pedal_time=notes.pedal_time[changed], pedal_value=notes.pedal_value[changed])
