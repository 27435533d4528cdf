"""Which files are not worth learning from."""

import numpy as np

from pianist_jax.music.notes import Notes

MIN_NOTES = 64
FLAT_VELOCITY = 0.95  # of the notes of a performance may not share one velocity
MOST_NOTES_A_SECOND = 60.0
LONGEST_AVERAGE_GAP = 10.0  # s between onsets


def fault(notes: Notes, kind: str) -> str:
    """Why normalised notes are left out; empty where nothing is wrong with them.

    Too few; one velocity where `kind` claims expression; times that no pianist plays and no score means.
    """
    if len(notes) < MIN_NOTES:
        return f"too short: {len(notes)} notes, fewer than {MIN_NOTES}"
    span = max(int(notes.onset[-1] - notes.onset[0]), 1) / 1000
    if len(notes) / span > MOST_NOTES_A_SECOND:
        return f"absurd timing: {len(notes) / span:.0f} notes a second"
    if span / len(notes) > LONGEST_AVERAGE_GAP:
        return f"absurd timing: {span / len(notes):.0f} s from note to note"
    if kind != "score":
        share = np.bincount(notes.velocity).max() / len(notes)
        if share >= FLAT_VELOCITY:
            return f"constant velocity: {share:.0%} of the notes of a {kind} have one"
    return ""
