"""Several players as sound: pianists on the piano, each with dampers of his own, others by a plain synthesiser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pianist_jax.audio.mixing import BLOCK_SECONDS, check_audible, duration_of, render_blocks
from pianist_jax.audio.pianos import Piano
from pianist_jax.audio.plain import duration_of_parts, plain_blocks
from pianist_jax.music.notes import Notes
from pianist_jax.music.part import PIANOS, Part


def plainly(company: Sequence[Part]) -> list[Part]:
    """The parts that are heard from the synthesiser."""
    return [part for part in company if part.program not in PIANOS]


def _pianists(notes: Notes, company: Sequence[Part]) -> list[Notes]:
    own = [part.notes for part in company if part.program in PIANOS]
    return [notes, *own] if len(notes) or not company else own


def duration_with(notes: Notes, company: Sequence[Part], piano: Piano) -> float:
    """Seconds until all have died away. Raises PianistError as `mixing.render_blocks` does."""
    for part in company:
        check_audible(part.notes)
    pianists = (duration_of(own, piano) for own in _pianists(notes, company))
    return max([duration_of_parts(plainly(company)), *pianists])


def blocks_with(
    notes: Notes, company: Sequence[Part], sample_rate: int, stop: float, piano: Piano
) -> Iterator[np.ndarray]:
    """The sound from 0 to `stop` s, float32 [S, 2] a second, as `mixing.render_blocks` gives that of one pianist."""
    pianists = [render_blocks(own, sample_rate, 0.0, stop, piano) for own in _pianists(notes, company)]
    others = plainly(company)
    if others:
        pianists.append(plain_blocks(others, sample_rate, stop, int(BLOCK_SECONDS * sample_rate)))
    if len(pianists) == 1:
        yield from pianists[0]
        return
    for blocks in zip(*pianists, strict=True):
        yield np.sum(blocks, axis=0)
