"""Edits by hand on the page: tried and heard as a draft, and kept as a take when they are good."""

import dataclasses

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.playable import make_playable
from pianist_jax.studio.wishes import Draft


def drafted(notes: Notes, draft: Draft) -> Notes:
    """The performance with the edits in it, as a piano can play them. Raises PianistError for notes that it lacks."""
    onset, duration, velocity = notes.onset.copy(), notes.duration.copy(), notes.velocity.copy()
    for number, (begin, length, loud) in draft.notes.items():
        if number >= len(notes):
            raise PianistError(f"there is no note {number} to edit; load the page anew")
        onset[number], duration[number], velocity[number] = begin, length, loud
    changed = dataclasses.replace(notes, onset=onset, duration=duration, velocity=velocity)
    if draft.pedal is not None:
        table = np.array(sorted(draft.pedal, key=lambda event: event[0]), np.int64).reshape(-1, 2)
        last = np.diff(table[:, 0], append=-1) != 0  # of several at one time
        changed = dataclasses.replace(changed, pedal_time=table[last, 0], pedal_value=table[last, 1].astype(np.int16))
    return make_playable(changed)
