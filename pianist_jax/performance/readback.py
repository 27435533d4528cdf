"""A performance read back from a MIDI file that was written from it and perhaps edited: what did somebody change?

Both are compared where they stand in quarters, as an editor shows them. What stands, lasts and sounds as it was
written, within the ticks of the coarser file, was not edited: it keeps its exact time, whatever a program has made of
ticks and tempi. What was moved comes at its time under the tempo map that the performance was written with; under the
file's own where somebody has changed that, and then everything does.

Programs for notation keep less: notes on a few places in each beat, few tempi, no pedal (MuseScore 3 does so). In a
file that has lost its tempi or its pedal and is such, lengths and pedal tell nothing, and a note that has moved by less
than `ROUNDED` was rounded and not edited: by less than a sixteenth where all notes stand where they are written, by
less than a third of a quarter where they stand as they are played. NumPy only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.alignment import align
from pianist_jax.performance.changes import Changes, changes
from pianist_jax.performance.playable import drop_repeated_pedal, make_playable
from pianist_jax.performance.tempo_events import TempoMap

LEAST_MATCHED = 0.5  # of the score's notes that the file must have
NOTATED = 0.95  # share of notes on such places from which a file without tempi or pedal is notation
PLACES = 96, 20, 28  # in a quarter: down to triplets of 128ths, quintuplets and septuplets
STANDING = 0.4  # share of them at least that then stand where they are written
ROUNDED = 0.2, 0.32  # quarters by which it moves notes that stand where they are written, and others
REACH = 0.74  # quarters from where it was that a note of the key is taken for it
RESTRUCK = 0.25  # quarters that another strength counts for, as it may be another note of the key
SAME_TEMPO = 0.002, 2.0  # share of, and ms, by which the distance of two notes may differ under the same tempo map
FEWER = 0.5  # times as many tempo events as were written: the program has not kept them


@dataclass(frozen=True, eq=False)
class Ticks:
    """Notes and pedal of a MIDI file, or of what would be written into one, in ticks, with its tempi.

    `place` int64 [N] is where each note is written in the score, None where nobody knows.
    """

    notes: Notes
    tempo: TempoMap
    place: np.ndarray | None = None

    @property
    def quarter(self) -> int:
        """Ticks a quarter."""
        return self.tempo.ticks_per_quarter

    def in_milliseconds(self) -> Notes:
        """The notes and pedal in ms."""
        onset, end, pedal = (
            np.rint(self.tempo.milliseconds(ticks)).astype(np.int64)
            for ticks in (self.notes.onset, self.notes.end, self.notes.pedal_time)
        )
        return dataclasses.replace(self.notes, onset=onset, duration=np.maximum(end - onset, 1), pedal_time=pedal)


@dataclass(frozen=True, eq=False)
class ReadBack:
    """What a file makes of a performance: its notes, what differs, and what of the file has no place in it.

    `missing` notes of the score are not in the file and stay as they were; `added` notes are in no score and are left
    out. `tempo`: somebody has changed the tempi; `notated`: a program has written it as notation. `edits`: of how many
    notes, of the pedal and of the tempi; what a change of tempo moves does not count.
    """

    notes: Notes
    changed: Changes
    missing: int
    added: int
    tempo: bool
    notated: bool
    edits: int


def read_back(old: Notes, written: Ticks, offset: int, given: Ticks, match: np.ndarray) -> ReadBack:
    """The performance `old` (ms) with the edits of a file.

    Args:
        written: `old` as it was written, note by note; its time 0 is `offset` ms before that of `old`.
        given: the file's notes, in any order.
        match: int64 [N], which of them each note is (`match_notes`).

    Raises PianistError where one key would be struck twice at once.
    """
    known = match >= 0
    own = _Own(written, given, match)
    notated = own.notated()
    lost = len(given.tempo.tick) <= FEWER * len(written.tempo.tick)
    tempo = not notated and not lost and own.tempo_differs()
    moved, longer = own.moved(notated), own.longer(notated)
    clock = given.tempo if tempo else written.tempo
    scale = clock.ticks_per_quarter

    def ms(quarters: np.ndarray) -> np.ndarray:
        return np.rint(clock.milliseconds(np.maximum(quarters, 0) * scale) - shift).astype(np.int64)

    begin = np.where(known & moved, own.given_onset, own.onset)
    end = begin + np.where(known & longer, own.given_length, own.length)
    shift = float(offset)
    if tempo:  # what the file's beginning takes is silence
        shift = float(clock.milliseconds(np.array([begin.min() * scale]))[0] - old.onset.min())
    onset = np.where(moved | tempo, np.maximum(ms(begin), 0), old.onset)
    duration = np.where(moved | longer | tempo, np.maximum(ms(end) - ms(begin), 1), old.duration)
    velocity = np.where(known, given.notes.velocity[match], old.velocity)
    time, value = old.pedal_time, old.pedal_value
    repedalled = not notated and not same_pedal(written, given)
    if repedalled:
        time, value = np.maximum(ms(given.notes.pedal_time / given.quarter), 0), given.notes.pedal_value
    elif tempo:
        time = np.maximum(ms(written.notes.pedal_time / written.quarter), 0)
    new = Notes(old.pitch, onset, duration, velocity, time, value)
    _require_apart(new)
    new = make_playable(drop_repeated_pedal(new) if tempo or repedalled else new, as_struck=True)
    added = len(given.notes) - int(known.sum())
    edited = moved | longer | (velocity != old.velocity) | ~known
    edits = int(edited.sum()) + repedalled + tempo
    return ReadBack(new, changes(old, new), int((~known).sum()), added, tempo, notated, edits)


def same_pedal(written: Ticks, given: Ticks) -> bool:
    """Whether the pedal is as it was written; a file without any pedal has lost it."""
    one, other = (drop_repeated_pedal(own.notes) for own in (written, given))
    if not len(other.pedal_time):
        return True
    if not np.array_equal(one.pedal_value, other.pedal_value):
        return False
    off = one.pedal_time / written.quarter - other.pedal_time / given.quarter
    return bool((np.abs(off) <= _step(written, given)).all())


def _require_apart(notes: Notes) -> None:
    order = np.lexsort((notes.onset, notes.pitch))
    twice = (np.diff(notes.pitch[order]) == 0) & (np.diff(notes.onset[order]) == 0)
    if twice.any():
        note = order[:-1][twice][0]
        raise PianistError(f"strikes key {notes.pitch[note]} twice at {notes.onset[note]} ms; move one of the two")


class _Own:
    """Both sides of the matched notes, in quarters; unmatched ones stand where they were written."""

    def __init__(self, written: Ticks, given: Ticks, match: np.ndarray) -> None:
        self.written, self.given, self.known = written, given, match >= 0
        self.onset = written.notes.onset / written.quarter
        self.length = written.notes.duration / written.quarter
        self.given_onset = np.where(self.known, given.notes.onset[match] / given.quarter, self.onset)
        self.given_length = np.where(self.known, given.notes.duration[match] / given.quarter, self.length)
        self.place = None if written.place is None else written.place / written.quarter
        self.step = _step(written, given)

    def notated(self) -> bool:
        """Whether a program that keeps notation alone has written the file."""
        if self.place is None or np.mean(self._stands()[self.known]) < STANDING:
            return False
        onset = self.given.notes.onset / self.given.quarter
        off = np.min([np.abs(onset * count - np.rint(onset * count)) / count for count in PLACES], axis=0)
        if np.mean(off <= 0.5 / self.given.quarter + 1e-9) < NOTATED:
            return False
        no_pedal = len(self.written.notes.pedal_time) > 0 and not len(self.given.notes.pedal_time)
        return no_pedal or len(self.given.tempo.tick) <= FEWER * len(self.written.tempo.tick)

    def moved(self, notated: bool) -> np.ndarray:
        """bool [N]: which notes were moved."""
        if not notated or self.place is None:
            return self.known & (np.abs(self.given_onset - self.onset) > self.step)
        written, played = ROUNDED
        most = written if (np.abs(self.onset - self.place) <= self.step).all() else played
        return self.known & (np.abs(self.given_onset - self.onset) > most)

    def longer(self, notated: bool) -> np.ndarray:
        """bool [N]: which notes were made longer or shorter."""
        if notated:
            return np.zeros(len(self.onset), bool)
        return np.abs(self.given_length - self.length) > 2 * self.step

    def tempo_differs(self) -> bool:
        """Whether the distances of the written onsets differ in ms under both tempo maps."""
        places = np.unique(self.onset)
        one, other = (np.diff(own.tempo.milliseconds(places * own.quarter)) for own in (self.written, self.given))
        share, least = SAME_TEMPO
        pace = np.pad(one / np.diff(places), 1)  # tempo events have been rounded to ticks, too
        slowest = np.max([pace[:-2], pace[1:-1], pace[2:]], axis=0)
        return bool((np.abs(one - other) > least + share * one + 2 * self.step * slowest).any())

    def _stands(self) -> np.ndarray:
        assert self.place is not None
        return np.abs(self.given_onset - self.place) <= self.step


def _step(written: Ticks, given: Ticks) -> float:
    """Quarters that rounding to the ticks of both may take."""
    return 1 / written.quarter + 1 / given.quarter


def match_places(written: Ticks, given: Ticks) -> np.ndarray | None:
    """int64 [N]: which note of a file each one is that was written, by pitch and place alone, -1 where none is.

    Programs for notation round, merge and lose notes, but those of a key stay in order: of each key as many as can be
    are paired in order, nearest to where they were (`_in_order`); where as many are left in both, these are, too. None
    where too few stand where the score has them, or nobody knows where that is.
    """
    if written.place is None:
        return None
    own, theirs = written.notes, given.notes
    begin, onset = own.onset / written.quarter, theirs.onset / given.quarter
    match = np.full(len(own), -1)
    for pitch in np.unique(own.pitch):
        one, other = np.flatnonzero(own.pitch == pitch), np.flatnonzero(theirs.pitch == pitch)
        one, other = one[np.argsort(own.onset[one])], other[np.argsort(onset[other], kind="stable")]
        off = np.abs(onset[other] - begin[one, None])
        k, m = _in_order(off + RESTRUCK * (own.velocity[one, None] != theirs.velocity[other]), off <= REACH)
        match[one[k]] = other[m]
        one, other = one[match[one] < 0], np.delete(other, m)
        if len(one) == len(other):
            match[one] = other
    known = match >= 0
    stands = np.abs(onset[match[known]] - written.place[known] / written.quarter) <= _step(written, given)
    return match if stands.sum() >= STANDING * len(own) else None


def _in_order(cost: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, both ascending, of pairs among those of `near` bool [K, M], `cost` float64 [K, M] (< 1) each.

    The sum of cost is the least where a pair saves 1.
    """
    row, column = np.nonzero(near)
    saved = 1 - cost[row, column]
    whole, before = saved.copy(), np.full(len(row), -1)
    for p in range(len(row)):
        earlier = np.where((row[:p] < row[p]) & (column[:p] < column[p]), whole[:p], 0.0)
        if p and earlier.max() > 0:
            before[p] = np.argmax(earlier)
            whole[p] += earlier[before[p]]
    chain = [int(np.argmax(whole))] if len(row) else []
    while chain and before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return row[chain[::-1]], column[chain[::-1]]


def match_notes(old: Notes, given: Notes) -> np.ndarray:
    """int64 [N]: which note of a file, in ms, each one of a performance is, -1 where none is.

    Keys that are struck as often in both are matched in order; where any is not, the aligner tells. Raises
    PianistError where less than half of the notes are in the file.
    """
    one, other = (np.lexsort((notes.onset, notes.pitch)) for notes in (old, given))
    if np.array_equal(old.pitch[one], given.pitch[other]):
        match = np.empty(len(one), np.int64)
        match[one] = other
        return match
    (score, of_old), (played, of_given) = normalise(old), normalise(given)
    first = np.full(len(played), -1)
    first[of_given[::-1]] = np.arange(len(of_given))[::-1]
    found = align(score, played)[of_old]
    match = np.where(found >= 0, first[found], -1)
    if np.mean(match >= 0) < LEAST_MATCHED:
        raise PianistError(f"has {np.mean(match >= 0):.0%} of the score's notes, so that it plays another piece")
    return match
