"""A blind listening test as one page: which of two performances would you rather hear, or: how good is this one?

Of a few pieces an excerpt is played by a human, by each candidate and by the score as it stands. Every pair of them
is asked once, or each of them is rated from 1 to 5, the human hidden among the others; in an order and on sides that
the page draws anew for every listener. Who was who is told only with the answers, which the page hands out as a JSON
file (`answers` sums several up). Page and sound are one file that loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.audio import load_piano
from pianist_jax.evaluation.candidates import Candidates
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.files import replace_file
from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import TimeMap, chords_of, deal, time_map
from pianist_jax.player import credit, fill, script_json, sound

HUMAN, SCORE = "human", "score"
ASKS = ("pairs", "ratings")
PIECES = 4
SECONDS = 11.0  # of the slowest performance of an excerpt
BEFORE, AFTER = 100, 1200  # ms of silence before the first onset, of sound after the last


def write_listening(
    stem: Path,
    pieces: Sequence[PlayedPiece],
    entries: Sequence[Candidates],
    seed: int = 0,
    count: int = PIECES,
    ask: str = ASKS[0],
) -> Path:
    """Write `STEM.listen.html` (of "ratings": `STEM.rate.html`).

    `seed` draws pieces, humans and excerpts.

    Raises PianistError where it cannot be written.
    """
    path = stem.with_name(stem.name + (".listen.html" if ask == ASKS[0] else ".rate.html"))
    replace_file(path, listening_page(pieces, entries, np.random.default_rng(seed), count, ask), make_folder=True)
    return path


def listening_page(
    pieces: Sequence[PlayedPiece],
    entries: Sequence[Candidates],
    rng: np.random.Generator,
    count: int = PIECES,
    ask: str = ASKS[0],
) -> str:
    """The page: clips of up to `count` pieces; a question is every pair of performances of each, or every one."""
    piano = load_piano()
    clips: list[dict[str, Any]] = []
    trials: list[dict[str, Any]] = []
    for index in np.sort(rng.permutation(len(pieces))[:count]).tolist():
        piece = pieces[index]
        performances = _performances(piece, entries, rng)
        first = len(clips)
        for name, notes in excerpts(piece, performances, rng).items():
            clips.append({"system": name, "piece": piece.name, "sound": sound(notes, piano)})
        asked = combinations(range(first, len(clips)), 2 if ask == ASKS[0] else 1)
        trials += [{"piece": piece.name, "clips": list(chosen)} for chosen in asked]
    systems = [HUMAN, *(entry.name for entry in entries), SCORE]
    about = {"ask": ask, "systems": systems, "pieces": len({trial["piece"] for trial in trials})}
    data = script_json({"about": about, "clips": clips, "trials": trials})
    return fill("listening.html", Path(__file__).parent, DATA=data, PIANO=credit(piano))


def _performances(piece: PlayedPiece, entries: Sequence[Candidates], rng: np.random.Generator) -> dict[str, Played]:
    """Who is heard: a human by lot, each candidate's first sample, the score."""
    human = piece.humans[int(rng.integers(len(piece.humans)))]
    everyone = np.arange(len(piece.score))
    heard = {HUMAN: human, **{entry.name: entry.performances[piece.name][0] for entry in entries}}
    return {**heard, SCORE: Played(SCORE, piece.score, everyone, aligned=False)}


def excerpts(piece: PlayedPiece, performances: dict[str, Played], rng: np.random.Generator) -> dict[str, Notes]:
    """The same stretch of the score as each performance plays it, from 0 ms on; drawn from the first two thirds.

    It lasts `SECONDS` in the slowest of them, or to the end of the piece.
    """
    chords = chords_of(piece.score)
    maps = {name: time_map(chords, deal(one.notes, one.match).onset) for name, one in performances.items()}
    times = np.stack([mapped.to_performed(chords.onset) for mapped in maps.values()])
    first = int(rng.integers(max(2 * len(chords) // 3, 1)))
    within = ((times - times[:, first, None]) <= 1000 * SECONDS).all(0)
    last = int(np.flatnonzero(within).max(initial=first))
    span = (float(chords.onset[first]), float(chords.onset[last]))
    return {name: _cut(performances[name].notes, maps[name], span) for name in performances}


def _cut(notes: Notes, mapped: TimeMap, span: tuple[float, float]) -> Notes:
    """What is played between two score times, with the pedal as it is there, lifted at the end."""
    begin, end = (round(float(mapped.to_performed(np.array(time)))) for time in span)
    begin, stop = begin - BEFORE, end + AFTER
    inside = (notes.onset >= begin) & (notes.onset <= end + BEFORE // 2)
    onset = notes.onset[inside] - begin
    duration = np.maximum(np.minimum(notes.duration[inside], stop - begin - onset), 1)
    state = np.searchsorted(notes.pedal_time, begin, side="right")
    after = np.searchsorted(notes.pedal_time, stop, side="left")
    held = notes.pedal_value[state - 1 : state] if state else notes.pedal_value[:0]
    pedal = (notes.pedal_time[state:after] - begin, notes.pedal_value[state:after])
    return replace(
        notes,
        pitch=notes.pitch[inside],
        onset=onset,
        duration=duration,
        velocity=notes.velocity[inside],
        pedal_time=np.concatenate([np.zeros(len(held), np.int64), pedal[0], [stop - begin]]),
        pedal_value=np.concatenate([held, pedal[1], [0]]),
    )
