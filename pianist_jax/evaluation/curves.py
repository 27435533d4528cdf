"""What a performance makes of a score, note by note: velocity, tempo and articulation curves, time maps.

Every performance of a piece, human or rendered, is dealt out on the score's notes (`Dealt`); NaN marks a note
that was not played. Curves of different performances of one piece can then be compared point by point.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import decode

CURVES = ("velocity", "log_ioi", "log_articulation")
ONE_ONSET = 10  # ms: voices of a score MIDI are rounded to ticks apart, so that one beat comes twice, 1 or 2 ms apart
OUTLIER = {"log_ioi": np.log(8.0), "log_articulation": np.log(16.0)}  # distance from the curve's own median


@dataclass(frozen=True, eq=False)
class Played:
    """A performance, a human's or a program's: normalised notes; `match` int64[N] gives each score note's
    performed note, −1 for none. `aligned` tells whether an aligner found the match, which may err, or every
    note of the score is known to be played once.
    """

    name: str
    notes: Notes
    match: np.ndarray
    aligned: bool = True

    @property
    def missing(self) -> int:
        """How many notes of the score are not played."""
        return int((self.match < 0).sum())

    @property
    def extra(self) -> int:
        """How many notes are played that the score does not have."""
        return len(self.notes) - (len(self.match) - self.missing)


@dataclass(frozen=True, eq=False)
class Piece:
    """A normalised score of N notes and its human performances.

    `composition` is the cluster of the confidence intervals: movements or versions of one work share it.
    `source` is the score's file, if there is one.
    Raises PianistError where a human's match does not fit score or performance.
    """

    name: str
    composition: str
    score: Notes
    humans: tuple[Played, ...]
    source: Path | None = None

    def __post_init__(self) -> None:
        if not len(self.score):
            raise PianistError(f"{self.name}: the score has no notes")
        for human in self.humans:
            if human.match.shape != (len(self.score),) or human.match.max(initial=-1) >= len(human.notes):
                raise PianistError(f"{self.name}: the alignment of {human.name} does not fit its notes; align it again")


@dataclass(frozen=True, eq=False)
class Dealt:
    """A performance on the N notes of a score and its pedal events.

    float64[N], NaN where a note was not played; onset and end in ms, velocity 0..127.
    """

    onset: np.ndarray
    end: np.ndarray
    velocity: np.ndarray
    pedal_time: np.ndarray
    pedal_value: np.ndarray


@dataclass(frozen=True, eq=False)
class Frame:
    """The skeleton of a score: O distinct onsets, those within 10 ms of the first of them being one, their mean.

    `onset` float64[O] ms; `group` int64[N] the onset of each note; `first` int64[O] the first note of each
    onset; `start` and `end` float64[N] ms and `pitch` int64[N] of each note.
    """

    onset: np.ndarray
    group: np.ndarray
    first: np.ndarray
    start: np.ndarray
    end: np.ndarray
    pitch: np.ndarray

    def __len__(self) -> int:
        return len(self.group)


@dataclass(frozen=True, eq=False)
class TimeMap:
    """Score time <-> performed time in ms: knots, both strictly increasing, and straight lines between."""

    score: np.ndarray
    performed: np.ndarray

    def to_performed(self, score_ms: np.ndarray) -> np.ndarray:
        """Performed ms of score ms."""
        return np.interp(score_ms, self.score, self.performed)

    def to_score(self, performed_ms: np.ndarray) -> np.ndarray:
        """Score ms of performed ms."""
        return np.interp(performed_ms, self.performed, self.score)

    @property
    def span(self) -> tuple[float, float]:
        """Performed time in ms of the first and the last onset that was played."""
        return float(self.performed[1]), float(self.performed[-2])


def deal(notes: Notes, match: np.ndarray) -> Dealt:
    """Deals a performance out on the notes of its score (`match` int64[N], −1 where one was not played)."""
    played = match >= 0

    def column(values: np.ndarray) -> np.ndarray:
        dealt = np.full(len(match), np.nan)
        dealt[played] = values[match[played]]
        return dealt

    return Dealt(
        onset=column(notes.onset),
        end=column(notes.end),
        velocity=column(notes.velocity),
        pedal_time=notes.pedal_time,
        pedal_value=notes.pedal_value,
    )


Candidate = Played | Notes | np.ndarray


def as_played(piece: Piece, candidates: np.ndarray | Sequence[Candidate]) -> list[Played]:
    """K candidates of a piece as performances of it: as they are where they are that already, else from tokens
    int[K, N, 8] or notes that are 1:1 with the score and in its order.

    Raises PianistError, naming the piece, where one has another number of notes, other pitches or no valid
    tokens.
    """
    everyone = np.arange(len(piece.score))
    dealt = []
    for index, candidate in enumerate(candidates):
        if isinstance(candidate, Played):
            dealt.append(candidate)
            continue
        if isinstance(candidate, Notes):
            notes = candidate
        else:
            try:
                notes = decode(candidate)
            except ValueError as error:
                raise PianistError(f"{piece.name}: candidate {index} is no performance: {error}") from error
        if len(notes) != len(piece.score):
            raise PianistError(
                f"{piece.name}: candidate {index} has {len(notes)} notes, its score {len(piece.score)}; "
                "render this very score, every note once"
            )
        if np.any(notes.pitch != piece.score.pitch):
            note = int(np.argmax(notes.pitch != piece.score.pitch))
            raise PianistError(
                f"{piece.name}: candidate {index} plays pitch {notes.pitch[note]} for note {note}, its score "
                f"{piece.score.pitch[note]}; compare it with the piece it plays"
            )
        dealt.append(Played(f"candidate {index}", notes, everyone, aligned=False))
    if not dealt:
        raise PianistError(f"{piece.name}: no candidate to evaluate")
    return dealt


def frame_of(score: Notes) -> Frame:
    """The skeleton of a normalised score."""
    onset, first, group = np.unique(score.onset, return_index=True, return_inverse=True)
    begins = [0]
    for number, time in enumerate(onset.tolist()):
        if time - onset[begins[-1]] > ONE_ONSET:
            begins.append(number)
    merged = (np.searchsorted(begins, np.arange(len(onset)), side="right") - 1)[group]
    return Frame(
        onset=np.bincount(merged, score.onset) / np.bincount(merged),  # as performed onsets: deadpan is exactly flat
        group=merged,
        first=first[begins],
        start=score.onset.astype(np.float64),
        end=score.end.astype(np.float64),
        pitch=score.pitch.astype(np.int64),
    )


def onset_times(frame: Frame, playing: Dealt) -> np.ndarray:
    """Performed time float64[O] ms of each score onset: the mean onset of those of its notes played."""
    played = np.isfinite(playing.onset)
    count = np.bincount(frame.group[played], minlength=len(frame.onset))
    total = np.bincount(frame.group[played], playing.onset[played], minlength=len(frame.onset))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def time_map(frame: Frame, playing: Dealt) -> TimeMap:
    """The time map of a performance.

    Its knots are the score onsets that were played, less the fewest that stand out of order (misalignments,
    ornaments); beyond the first and last knot it goes on at the performance's average tempo.
    """
    performed = onset_times(frame, playing)
    knots = np.flatnonzero(np.isfinite(performed))
    knots = knots[_longest_increasing(performed[knots])]
    if not len(knots):
        raise PianistError("a performance in which no note of the score is played has no time map")
    score, performed = frame.onset[knots], performed[knots]
    slope = (performed[-1] - performed[0]) / (score[-1] - score[0]) if len(knots) > 1 else 1.0
    reach = frame.end.max() - frame.onset[0] + 1e6
    return TimeMap(
        np.concatenate([[score[0] - reach], score, [score[-1] + reach]]),
        np.concatenate([[performed[0] - reach * slope], performed, [performed[-1] + reach * slope]]),
    )


def _longest_increasing(values: np.ndarray) -> np.ndarray:
    """Indices of a longest strictly increasing subsequence."""
    tails: list[float] = []
    at: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values.tolist()):
        length = bisect_left(tails, value)
        before.append(at[length - 1] if length else -1)
        if length == len(tails):
            tails.append(value)
            at.append(index)
        else:
            tails[length], at[length] = value, index
    chain = []
    index = at[-1] if at else -1
    while index >= 0:
        chain.append(index)
        index = before[index]
    return np.array(chain[::-1], np.int64)


def curves_of(frame: Frame, playing: Dealt, mapped: TimeMap, human: bool) -> dict[str, np.ndarray]:
    """The curves of a performance, keyed by `CURVES`.

    velocity float64[N]: as played.
    log_ioi float64[O−1]: log of the performed over the score distance between successive distinct score
    onsets, the performed onset of a chord being the mean of its notes.
    log_articulation float64[N]: log of the performed duration over the performed time between the note's
    score onset and score offset, both through the performance's own time map.

    NaN: not played. A value further than `OUTLIER` from the curve's own median, and a performed distance that
    is not positive, is a misalignment in a human performance (NaN); a rendered one is aligned by
    construction, so there the value is its own doing and is held at the bound.
    """
    distance = np.diff(onset_times(frame, playing))
    length = playing.end - playing.onset
    room = mapped.to_performed(frame.end) - mapped.to_performed(frame.start)
    return {
        "velocity": playing.velocity.copy(),
        "log_ioi": _bounded(distance / np.diff(frame.onset), OUTLIER["log_ioi"], human),
        "log_articulation": _bounded(length / room, OUTLIER["log_articulation"], human),
    }


def _bounded(ratio: np.ndarray, bound: float, drop: bool) -> np.ndarray:
    """log(ratio), outliers from its median dropped (NaN) or held at the bound; NaN stays NaN."""
    positive = ratio > 0  # False for NaN too
    log = np.where(positive, np.log(np.where(positive, ratio, 1.0)), np.where(np.isnan(ratio), np.nan, -np.inf))
    if not positive.any():
        return np.full(len(ratio), np.nan) if drop else np.where(np.isnan(ratio), np.nan, 0.0)
    middle = np.median(log[positive])
    if drop:
        return np.where(np.abs(log - middle) <= bound, log, np.nan)
    return np.clip(log, middle - bound, middle + bound)
