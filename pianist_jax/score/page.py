"""What the page says of each note beside its pitch and time: dynamics, slurs, signs, the written length, the voice."""

from __future__ import annotations

import numpy as np

from pianist_jax.music.notes import survivors
from pianist_jax.music.tokens import ALONG_STEPS, PAGE, PAGE_SIZE, QUARTER_STEPS, SIGNS
from pianist_jax.score.facts import Score
from pianist_jax.score.written import Mark

MARKS = {
    "staccato": Mark.STACCATO,
    "staccatissimo": Mark.STACCATISSIMO,
    "tenuto": Mark.TENUTO,
    "accent": Mark.ACCENT,
    "marcato": Mark.MARCATO,
    "sforzando": Mark.SFORZANDO,
    "fermata": Mark.FERMATA,
    "arpeggio": Mark.ARPEGGIO,
    "breath": Mark.BREATH,
    "ornament": Mark.TRILL | Mark.MORDENT | Mark.TURN | Mark.TREMOLO,
}  # of `tokens.SIGNS`, all but grace notes


def page(score: Score) -> np.ndarray | None:
    """int32[N, 8]: the columns `tokens.PAGE` of every normalised note, each 1 more than its value; 0: unknown.

    `level` is the dynamic mark in force, 0 where none is yet, else 1 more than its number in `LEVELS`; `hairpin` 0 for
    none, 1 where it falls, 2 where it grows, and `along` how far the note is along it, in 16ths of its time (0: there
    is none); `gradual` 0 for none, q where "rit." began q quarters before (from 1, to 16), 16 + q for "accel."; `slur`
    0 for none, 1 where one begins, 2 inside, 3 where one ends; `signs` a bit for each of `SIGNS`; `length` the written
    length in 24ths of a quarter, to 16 quarters; `voice` its number, to 8. None for MIDI, which writes none of it.
    """
    if score.midi_grid is not None:
        return None
    kept = survivors(score.notes)
    marks = score.marks[kept].astype(np.int64)
    slur = np.where(marks & Mark.SLUR, 2, 0)
    slur = np.where(marks & Mark.SLUR_STOP, 3, slur)
    slur = np.where(marks & Mark.SLUR_START, 1, slur)
    signs = score.grace[kept].astype(np.int64) << SIGNS.index("grace")
    for name, mark in MARKS.items():
        signs |= (marks & int(mark) != 0).astype(np.int64) << SIGNS.index(name)
    hairpin, gradual = (column[kept].astype(np.int64) for column in (score.hairpin, score.gradual))
    columns = {
        "level": score.level[kept].astype(np.int64) + 1,
        "hairpin": np.array([0, 2, 1])[hairpin],
        "along": _along(hairpin, score.onset[kept]),
        "gradual": np.where(gradual > 0, 16, 0) + np.minimum(np.abs(gradual), 16),
        "slur": slur,
        "signs": signs,
        "length": np.rint(score.duration[kept] * QUARTER_STEPS),
        "voice": score.voice[kept],
    }
    whole = np.stack([columns[name] for name in PAGE], axis=-1)
    return np.clip(whole, 0, np.array(PAGE_SIZE) - 2).astype(np.int32) + 1


def _along(hairpin: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """How far each note is along its hairpin, 1 … `ALONG_STEPS`; 0 where there is none."""
    found = np.zeros(len(hairpin), np.int64)
    for kind in (1, -1):
        under = np.flatnonzero(hairpin == kind)
        if not len(under):
            continue
        # Other hands' notes may stand between: a hairpin ends where none of its notes come for longer than a bar.
        parts = np.split(under, np.flatnonzero(np.diff(onset[under]) > 4.0) + 1)
        for part in parts:
            length = max(np.ptp(onset[part]), 1e-6)
            found[part] = 1 + np.floor((onset[part] - onset[part[0]]) / length * (ALONG_STEPS - 1) + 1e-6)
    return found
