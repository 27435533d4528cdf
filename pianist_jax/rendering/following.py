"""A performed solo, and a pianist who accompanies it: his performance on the time of the recording."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.files import printable
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.ensemble import clock_of
from pianist_jax.performance.pace import at_pace
from pianist_jax.performance.parameters import TimeMap, carried, chords_of, deal, time_map
from pianist_jax.performance.playable import make_playable
from pianist_jax.performance.players import soloist
from pianist_jax.rendering.extras import check_plot, read_recording
from pianist_jax.rendering.hashes import file_hash
from pianist_jax.rendering.order import Order
from pianist_jax.rendering.outputs import Saved
from pianist_jax.rendering.renderer import Piece, read_piece, render_all
from pianist_jax.rendering.result import Rendering
from pianist_jax.rendering.takes import keep_edits, keep_take
from pianist_jax.score.ensemble import OtherPart
from pianist_jax.score.together import Playing

NEAR = 100.0  # ms of the recording: of onsets that follow sooner the pianist meets the first


@dataclasses.dataclass(frozen=True, eq=False)
class Solo:
    """A recording of a part: its number among the others, its notes, and which of them plays each of the part's."""

    path: Path
    number: int
    name: str
    played: Notes
    match: np.ndarray

    def metadata(self) -> dict[str, str]:
        """Which recording it is, and of what."""
        return {"file": self.path.name, "sha256": file_hash(self.path), "part": self.name}

    def in_words(self) -> str:
        """How much of its part it plays."""
        matched = int(np.sum(self.match >= 0))
        words = [f"{printable(self.path)}: {matched} of {len(self.match)} notes of {self.name} are as they were played"]
        words += [f"{len(self.match) - matched} were missing and are filled in"] * (matched < len(self.match))
        words += [f"{len(self.played) - matched} are in no score and are left out"] * (matched < len(self.played))
        return "; ".join(words)


def read_solo(piece: Piece, path: Path, wanted: str | None = None) -> Solo:
    """The recording of a part of a piece, the soloist's or that of a name or number among the others.

    Raises PianistError where there is no such part, or no pianist, or less than half of its notes are played.
    """
    others, name = piece.others, piece.name
    if piece.conducted:
        raise PianistError(f"{name}: has no piano part to accompany anybody; give a score with one")
    if not others:
        raise PianistError(f"{name}: has no part beside the pianist's that could be followed; give a score with one")
    listed = ", ".join(f"{number} {other.name}" for number, other in enumerate(others, 1))
    number = soloist(others) if wanted is None else _named(others, wanted)
    if number is None and wanted is None:
        raise PianistError(f"{name}: has no solo part beside pianos; --solo names one of {listed}")
    if number is None:
        raise PianistError(f"{name}: no part {wanted!r} to follow; its other parts are: {listed}")
    played, match = read_recording(path, others[number].notes)
    return Solo(path, number, others[number].name, played, match)


def take_following(
    score: Path,
    stem: Path,
    order: Order,
    recording: Path,
    wanted: str | None = None,
    on_start: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> tuple[Saved, Solo, Rendering]:
    """Make a take at `stem` (a path without suffix) that goes with a recording of the solo part, `wanted` or found.

    Raises PianistError, and nothing is written, for a recording of something else (`read_solo`).
    """
    piece = read_piece(score, order.reading)
    if piece.grid is None:
        raise PianistError(f"{piece.name}: notes without bars; give a score file")
    check_plot(piece.grid, order.extras)
    solo = read_solo(piece, recording, wanted)
    if not piece.ensemble.shaped:
        raise PianistError("--follow needs players; leave --ensemble deadpan out")
    if on_start is not None:
        on_start(len(piece.score))
    ((_, made),) = render_all([piece], **order.settings, advance=advance)
    rendering = following(made, solo)
    if stem.with_name(f"{stem.name}.json").exists():
        keep_edits(stem)
    return keep_take(rendering, stem, order.extras, force=order.force), solo, rendering


def _named(others: tuple[OtherPart, ...], wanted: str) -> int | None:
    text = wanted.strip().casefold()
    if text.isdecimal():
        return int(text) - 1 if 1 <= int(text) <= len(others) else None
    exact = [number for number, other in enumerate(others) if other.name.casefold() == text]
    near = [number for number, other in enumerate(others) if text and text in other.name.casefold()]
    return next(iter(exact + near), None)


def following(rendering: Rendering, solo: Solo) -> Rendering:
    """A rendering whose pianist goes with the recording, the rest with him; the solo is what was played.

    Where the pianist begins before the recording can have begun, all comes so much later: `report["recording_at"]` ms.
    """
    written, others = normalise(rendering.raw)[0], list(rendering.others)
    own = others[solo.number]
    heard = time_map(chords_of(own.notes), deal(solo.played, solo.match).onset)
    performances = [_on_time_of(heard, written, notes, rendering) for notes in rendering.performances]
    late = max(0, -min(int(notes.onset.min()) for notes in performances))
    performances = [_later(notes, late) for notes in performances]
    factor = heard.slowness
    playing = []
    for notes in performances:
        clock = clock_of(written, notes, others, factor)
        playing.append(_as_recorded(own.notes, solo, clock, late))
    others[solo.number] = dataclasses.replace(own, playing=tuple(playing))
    identity = rendering.identity
    settings: dict[str, Any] = {**identity["settings"], "follow": solo.metadata()}
    report = {**rendering.report, "tempo": {"factor": factor, "guess": None}, "recording_at": late}
    return dataclasses.replace(
        rendering,
        performances=tuple(make_playable(notes, as_struck=True) for notes in performances),
        score=at_pace(written, factor),
        others=tuple(others),
        identity={**identity, "settings": settings},
        report=report,
    )


def _on_time_of(heard: TimeMap, written: Notes, notes: Notes, rendering: Rendering) -> Notes:
    """A performance on the clock of a recording: at an onset of the solo both are there, between them he is free."""
    clock = clock_of(written, notes, rendering.others, rendering.factor)
    kept = [0]
    for k, time in enumerate(heard.performed.tolist()):
        if time >= heard.performed[kept[-1]] + NEAR:
            kept.append(k)
    old, new = clock.to_performed(heard.score[kept]), heard.performed[kept]

    def moved(time: np.ndarray) -> np.ndarray:
        return np.rint(carried(time.astype(np.float64), old, new)).astype(np.int64)

    onset = moved(notes.onset)
    duration = np.maximum(moved(notes.end) - onset, 1)
    return dataclasses.replace(notes, onset=onset, duration=duration, pedal_time=moved(notes.pedal_time))


def _later(notes: Notes, ms: int) -> Notes:
    return dataclasses.replace(notes, onset=notes.onset + ms, pedal_time=np.maximum(notes.pedal_time + ms, 0))


def _as_recorded(written: Notes, solo: Solo, clock: TimeMap, late: int) -> Playing:
    """The part as it was played; what is missing at its time, as loud as the rest."""
    begin, end = (clock.to_performed(each.astype(np.float64)) for each in (written.onset, written.end))
    matched, chosen = solo.match >= 0, solo.match[solo.match >= 0]
    shift, length = np.zeros(len(written)), np.ones(len(written))
    velocity = np.full(len(written), round(float(solo.played.velocity[chosen].mean())))
    shift[matched] = solo.played.onset[chosen] + late - begin[matched]
    length[matched] = solo.played.duration[chosen] / np.maximum(end - begin, 1e-3)[matched]
    velocity[matched] = solo.played.velocity[chosen]
    none = np.zeros(0, np.int64)
    return Playing(shift, length, velocity, none.astype(np.float64), none, exact=True)
