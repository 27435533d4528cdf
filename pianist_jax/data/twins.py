"""Two files of one score, one of which tells more: what it says is carried over, note by note.

Aligned corpora are laid on MIDI scores; the page is in a MusicXML file beside them. Both hold the same notes at the
same places but for bars that programs mend differently, ornaments, and slips.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import PAGE
from pianist_jax.performance.parameters import group_chords
from pianist_jax.score.load import load
from pianist_jax.score.page import page

LEAST_COMMON = 0.8  # of the notes, without which the two are not one score
# What a note that its twin lacks has in common with the note before it.
IN_FORCE = ("level", "hairpin", "along", "gradual", "voice")


def page_of_twin(score: Notes, twin: Path) -> np.ndarray | None:
    """int32[N, 8]: what the notation file `twin` writes at each note of a normalised score (`score.page`).

    Notes that the twin lacks have the dynamics of the note before them, and else nothing (0). None where the twin is
    no notation, or less than `LEAST_COMMON` of the notes are its: other repeats, another edition.
    Raises PianistError where it cannot be read.
    """
    read = load(twin, whole=True)
    columns = page(read)
    if columns is None:
        return None
    match = same_notes(score, normalise(read.notes)[0])
    known = match >= 0
    if known.mean() < LEAST_COMMON:
        return None
    found = np.where(known[:, None], columns[match], 0)
    before = np.maximum.accumulate(np.where(known, np.arange(len(match)), 0))
    common = np.isin(PAGE, IN_FORCE)
    return np.where(known[:, None] | ~common, found, found[before]).astype(np.int32)


def twin_page(score: Notes, twin: Path | None) -> np.ndarray | None:
    """`page_of_twin`, None where there is no such file or it cannot be read."""
    if twin is None or not twin.is_file():
        return None
    try:
        return page_of_twin(score, twin)
    except PianistError:
        return None


def same_notes(score: Notes, twin: Notes) -> np.ndarray:
    """int64[N]: for each note of a normalised score the same note of its twin, in order, -1 where it has none.

    Chords of equal pitches that follow each other in both are the same; between them notes of equal pitch.
    """
    match = np.full(len(score), -1, np.int64)
    ours, theirs = _chords(score), _chords(twin)
    left_keys, right_keys = ([pitches for pitches, _ in chords] for chords in (ours, theirs))
    i = j = 0
    for block in SequenceMatcher(a=left_keys, b=right_keys, autojunk=False).get_matching_blocks():
        left, right = (
            np.concatenate([notes for _, notes in part] or [np.zeros(0, np.int64)])
            for part in (ours[i : block.a], theirs[j : block.b])
        )
        rest = SequenceMatcher(a=score.pitch[left].tolist(), b=twin.pitch[right].tolist(), autojunk=False)
        for one in rest.get_matching_blocks():
            match[left[one.a : one.a + one.size]] = right[one.b : one.b + one.size]
        for place in range(block.size):
            match[ours[block.a + place][1]] = theirs[block.b + place][1]
        i, j = block.a + block.size, block.b + block.size
    return match


def _chords(notes: Notes) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """Pitches, ascending, and numbers of the notes of each chord."""
    _, first = group_chords(notes.onset)
    found = []
    for own in np.split(np.arange(len(notes)), first[1:]):
        own = own[np.argsort(notes.pitch[own], kind="stable")]
        found.append((tuple(notes.pitch[own].tolist()), own))
    return found
