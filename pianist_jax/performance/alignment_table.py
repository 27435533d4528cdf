"""An alignment as a table: what was played of every score note, what was played besides, and what was not.

    label  score_id  bar  onset_quarters  duration_quarters  pitch  performance_id  onset_ms  duration_ms  velocity

Tab-separated, in score order; `match` fills every column, `deletion` (not played) those of the score, `insertion`
(played, not written) those of the performance. Insertions follow in the order they are played. `performance_id` counts
the performed notes from 0, ordered by onset and pitch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.alignment import align
from pianist_jax.score.facts import Score
from pianist_jax.score.load import load, sections
from pianist_jax.score.reading import Reading

FITS = 0.02  # of the score's notes: with fewer that disagree, no other form of the score is tried
MOST_TOGGLED = 12  # repeats that are tried one by one

COLUMNS = (
    "label", "score_id", "bar", "onset_quarters", "duration_quarters", "pitch",
    "performance_id", "onset_ms", "duration_ms", "velocity",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Aligned:
    """A score laid beside a performance of it.

    `performance` is normalised; `played` int64[N] is for each note of the score, as `Score` has them, the index of its
    performed note, or -1. Notes of one pitch and onset in two voices are one key: they share a performed note.
    """

    score: Score
    performance: Notes
    played: np.ndarray

    @property
    def insertions(self) -> np.ndarray:
        """int64[K] indices of the performed notes that no score note has."""
        return np.setdiff1d(np.arange(len(self.performance)), self.played)

    @property
    def matched(self) -> float:
        """Share of the score's notes that were played."""
        return float(np.mean(self.played >= 0)) if len(self.played) else 0.0


def align_score(score: Score, performance: Notes) -> Aligned:
    """Align a performance, normalised or not, with a score. Raises AlignmentError as `align` does."""
    written, index = normalise(score.notes)
    heard = normalise(performance)[0]
    return Aligned(score, heard, align(written, heard)[index])


def align_file(path: str | os.PathLike[str], performance: Notes) -> tuple[Aligned, str]:
    """Align a performance with a score file in the form that it was played in: with these repeats and without those.

    All repeats are tried, none, and, from the better of these, each in turn the other way; the form is taken that
    leaves the fewest notes unmatched on either side. Gives also what it is in words: "" where all repeats are taken.
    Raises what `load` and `align` raise.
    """
    aligned = align_score(load(path), performance)
    found = sections(path)
    if misfit(aligned) <= FITS * len(aligned.score):
        return aligned, ""
    form, taken = "", [True] * len(found)
    plain = align_score(load(path, Reading(repeats=False)), performance)
    if misfit(plain) < misfit(aligned):
        aligned, form, taken = plain, in_words([]), [False] * len(found)
    for toggled in range(min(len(found), MOST_TOGGLED)):
        if misfit(aligned) <= FITS * len(aligned.score):
            break
        tried = [own != (number == toggled) for number, own in enumerate(taken)]
        once = frozenset().union(*(bars for bars, own in zip(found, tried, strict=True) if not own))
        other = align_score(load(path, once=once), performance)
        if misfit(other) < misfit(aligned):
            aligned, taken, form = other, tried, in_words(tried)
    return aligned, form


def in_words(taken: list[bool]) -> str:
    """Which repeats are taken, as in `repeats 1, 3 of 4`; "" for all."""
    if taken and all(taken):
        return ""
    own = [str(number) for number, one in enumerate(taken, start=1) if one]
    many = "s" if len(own) > 1 else ""
    return f"repeat{many} {', '.join(own)} of {len(taken)}" if own else "no repeat taken"


def misfit(aligned: Aligned) -> int:
    """How many notes disagree: of the score those that were not played, and those that were played besides."""
    return int((aligned.played < 0).sum()) + len(aligned.insertions)


def to_table(aligned: Aligned) -> str:
    """The text of the table, with a line of column names."""
    score, performance = aligned.score, aligned.performance
    bars = score.bar_number.tolist()
    lines = ["\t".join(COLUMNS)]
    for note in np.lexsort((score.notes.pitch, score.onset)).tolist():  # MIDI stands track by track
        own = int(aligned.played[note])
        label = "match" if own >= 0 else "deletion"
        place = (f"{score.onset[note]:.6g}", f"{score.duration[note]:.6g}")
        written = (label, score.note_id[note], str(bars[note]), *place, str(score.notes.pitch[note]))
        lines.append("\t".join((*written, *(_performed(performance, own) if own >= 0 else ("",) * 4))))
    for own in aligned.insertions.tolist():
        lines.append("\t".join(("insertion", *("",) * 4, str(performance.pitch[own]), *_performed(performance, own))))
    return "\n".join(lines) + "\n"


def _performed(performance: Notes, index: int) -> tuple[str, ...]:
    values = (index, performance.onset[index], performance.duration[index], performance.velocity[index])
    return tuple(map(str, values))
