"""Other parts as players of an ensemble: each a little before or after its time, as loud and as long as the music goes.

All go by one map of time, the pianist's (`performance.ensemble`). About it every part wanders slowly, as players who
correct each other note by note do (Wing, Endo, Bradbury and Vorberg, "Optimal feedback correction in string quartet
synchronization", J. R. Soc. Interface 11, 2014: a first-order process), and a little at every note. Rasch
("Synchronization in performed ensemble music", Acustica 43, 1979) measured in trios standard deviations of 27 to 49 ms
between two players (recorders 30 and 31, winds 37 and 27, strings 49 and 37): `WANDER` and `TREMOR` give 28 between a
player and the pianist, 40 between two players. How slowly they wander and by how much a soloist is ahead are choices.
Notes of a part keep their order.

Dynamics are the page's, raised and lowered as the pianist does it over some seconds; a soloist stands out. An
instrument that can swell has its dynamics as a controller's curve, also within notes, its velocities as attacks: what
General MIDI players multiply (40 log10(velocity · controller / 127²) dB) is what the page and the pianist have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.music.part import PIANOS
from pianist_jax.performance.ensemble import clock_of
from pianist_jax.performance.parameters import TimeMap
from pianist_jax.performance.playable import make_playable
from pianist_jax.score.ensemble import OtherPart
from pianist_jax.score.together import Ensemble, Playing
from pianist_jax.score.written import Mark

WANDER, TREMOR = 25.0, 12.0  # ms, standard deviations: of what changes slowly, and from note to note
SLOWLY = 3000.0  # ms after which e⁻¹ of the one is left
LEAD = 10.0  # ms by which a soloist is ahead
FARTHEST = 75.0  # ms
ROOM = 0.25  # of the time between two onsets of a part by which that changes at most
CLOSER = 0.7  # times as far apart are pianists, whose every note has an edge
FOLLOWED = 0.6  # of the pianist's own dynamics
PHRASE = 1000.0  # ms over which these are taken
OWN = 2.5  # velocities, standard deviation, of a player's own
APART = 0.94  # of its time a note sounds that is under no slur
BREATH, BREATH_SHARE = 250.0, 0.3  # ms, and of the note, that a breath after it takes
STEP = 50.0  # ms between values of a curve
SOFTEST = 8.0  # velocity that dynamics come down to
DECIBELS = 40.0  # a factor of ten, in General MIDI
SUSTAINED = (*range(16, 24), *range(40, 45), *range(48, 55), *range(56, 104), 109, 110, 111)  # programs

Rng = np.random.Generator


def play_together(
    score: Notes,
    performance: Notes,
    others: Sequence[OtherPart],
    factor: float,
    ensemble: Ensemble,
    rngs: Sequence[Rng],
    sample: int = 0,
) -> tuple[OtherPart, ...]:
    """The other parts as an ensemble plays them with a performance.

    Args:
        score: the pianist's N notes, normalised, at the score's own tempo.
        performance: note n plays note n of the score; the `sample`-th of its rendering.
        factor: how many times slower than written the performance is meant to be.
        rngs: one of each part.
    """
    clock, solo = clock_of(score, performance, others, factor), soloist(others)
    raised = _raised(score, performance)
    played = []
    for number, (other, rng) in enumerate(zip(others, rngs, strict=True)):
        if other.playing:
            own = other.playing[min(sample, len(other.playing) - 1)]
            played.append(_as_played(other, own, clock, ensemble, rng))
            continue
        level = ensemble.balance if number == solo else 0.0
        played.append(_shaped(other, clock, raised, ensemble, level, rng, leads=number == solo))
    return tuple(played)


def soloist(others: Sequence[OtherPart]) -> int | None:
    """Who is in front: of parts that are no pianos the one that lies highest; None where there is none."""
    able = [number for number, other in enumerate(others) if other.program not in PIANOS]
    return max(able, key=lambda number: float(others[number].notes.pitch.mean()), default=None)


def asynchrony(time: np.ndarray, rng: Rng, spread: float = 1.0, mean: float = 0.0) -> np.ndarray:
    """float64 [K] ms by which onsets at ascending times [K] ms come late: no two change places, none is before 0."""
    kept = np.exp(-np.diff(time, prepend=time[:1]) / SLOWLY)
    kept[:1] = 0.0
    dice, tremor = rng.standard_normal(len(time)), rng.standard_normal(len(time))
    late, found, wander, before = 0.0, np.zeros(len(time)), 0.0, float(time[0]) if len(time) else 0.0
    for k, (at, share) in enumerate(zip(time.tolist(), kept.tolist(), strict=True)):
        wander = share * wander + WANDER * np.sqrt(1 - share**2) * dice[k]
        wanted = np.clip(mean + spread * (wander + TREMOR * tremor[k]), -FARTHEST, FARTHEST)
        if k:
            wanted = np.clip(wanted, late - ROOM * (at - before), late + ROOM * (at - before))
        late, before = max(float(wanted), -at / 2), at
        found[k] = late
    return found


def _late(other: OtherPart, clock: TimeMap, rng: Rng, spread: float, mean: float = 0.0) -> tuple[np.ndarray, ...]:
    """float64 [K], float64 [K] ms: when the onsets of a part come by the clock, and how late they are."""
    time = clock.to_performed(np.unique(other.notes.onset).astype(np.float64))
    return time, asynchrony(time, rng, spread, mean)


def _shaped(
    other: OtherPart,
    clock: TimeMap,
    raised: Callable[[np.ndarray], np.ndarray],
    ensemble: Ensemble,
    level: float,
    rng: Rng,
    *,
    leads: bool,
) -> OtherPart:
    """A part as one player plays it, `level` dB above what is written."""
    written = other.notes
    time, late = _late(other, clock, rng, ensemble.spread, -LEAD * ensemble.spread if leads else 0.0)
    begin, end = (clock.to_performed(each.astype(np.float64)) for each in (written.onset, written.end))
    own = np.interp(time, *_own_dynamics(time, rng))

    def goal(at: np.ndarray) -> np.ndarray:
        """The loudness that is wanted at times of the ensemble, as a velocity."""
        page = _page(other, clock.to_score(at))
        loud = (page + raised(at) + np.interp(at, time, own)) * 10 ** (level / DECIBELS)
        return np.clip(loud, SOFTEST, 127)

    wanted = np.clip(goal(begin) + _accent(other), 1, 127)
    length = _lengths(other, begin, end)
    onset = begin + np.interp(begin, time, late)
    until = begin + length
    until += np.interp(until, time, late)
    velocity, curve, controller = wanted, np.zeros((0, 2), np.int64), 0
    if ensemble.controller and other.program in SUSTAINED:
        controller = ensemble.controller
        curve, top = _curve(begin, begin + length, goal, lambda at: at + np.interp(at, time, late))
        velocity = wanted * top / goal(begin)
    notes = _notes(written, onset, until, velocity)
    return dataclasses.replace(other, notes=notes, curve=curve, controller=controller)


def _as_played(other: OtherPart, own: Playing, clock: TimeMap, ensemble: Ensemble, rng: Rng) -> OtherPart:
    """A part as somebody plays it on the ensemble's time."""
    written = other.notes
    begin, end = (clock.to_performed(each.astype(np.float64)) for each in (written.onset, written.end))
    time, late = _late(other, clock, rng, CLOSER * ensemble.spread)
    late = np.zeros(len(late)) if own.exact else late
    onset = begin + own.shift + np.interp(begin, time, late)
    moved = clock.to_performed(own.pedal_time)
    moved = np.maximum.accumulate(np.maximum(moved + np.interp(moved, time, late), 0)) if len(moved) else moved
    pedal = {"pedal_time": np.rint(moved).astype(np.int64), "pedal_value": own.pedal_value}
    notes = _notes(dataclasses.replace(written, **pedal), onset, onset + (end - begin) * own.length, own.velocity)
    return dataclasses.replace(other, notes=notes)


def _notes(written: Notes, onset: np.ndarray, end: np.ndarray, velocity: np.ndarray) -> Notes:
    onset = np.maximum(np.rint(onset), 0).astype(np.int64)
    duration = np.maximum(np.rint(end).astype(np.int64) - onset, 1)
    loud = np.clip(np.rint(velocity), 1, 127).astype(np.int16)
    return make_playable(dataclasses.replace(written, onset=onset, duration=duration, velocity=loud))


def _raised(score: Notes, performance: Notes) -> Callable[[np.ndarray], np.ndarray]:
    """By how many velocities a part is to be above the page at times (ms), as the pianist is there and on average."""
    above = performance.velocity.astype(np.float64) - score.velocity
    order = np.argsort(performance.onset, kind="stable")
    time, mean = performance.onset[order].astype(np.float64), float(above.mean())
    steps = np.arange(time[0], time[-1] + PHRASE, PHRASE / 4)
    bounds = np.searchsorted(time, [steps - 2 * PHRASE, steps + 2 * PHRASE])
    near = np.full(len(steps), mean)
    for k, (low, high) in enumerate(bounds.T.tolist()):
        weight = np.exp(-0.5 * ((time[low:high] - steps[k]) / PHRASE) ** 2)
        if weight.sum() > 0:
            near[k] = weight @ above[order][low:high] / weight.sum()
    return lambda at: mean + FOLLOWED * (np.interp(at, steps, near) - mean)


def _page(other: OtherPart, at: np.ndarray) -> np.ndarray:
    """The velocity that the page, or where that has no marks what is played around, has at ms of the score."""
    if len(other.loudness):
        place, velocity, swell = other.loudness.T
        return np.interp(at, place, velocity + swell)
    return _around(other, at)


def _around(other: OtherPart, at: np.ndarray) -> np.ndarray:
    onset = other.notes.onset.astype(np.float64)
    time = np.unique(onset)
    mean = np.bincount(np.searchsorted(time, onset), other.notes.velocity) / np.bincount(np.searchsorted(time, onset))
    weight = np.ones(min(5, len(time)))
    smooth = np.convolve(mean, weight, "same") / np.convolve(np.ones(len(mean)), weight, "same")
    return np.interp(at, time, smooth)


def _accent(other: OtherPart) -> np.ndarray:
    """float64 [N]: by how much each note is louder or softer than what is in force where it begins."""
    at = other.notes.onset.astype(np.float64)
    if not len(other.loudness):
        return other.notes.velocity - _around(other, at)
    return other.notes.velocity - np.interp(at, *other.loudness.T[:2])


def _own_dynamics(time: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """float64 [T] ms, float64 [T] velocities: what a player adds, changing over phrases."""
    steps = np.arange(time[0], time[-1] + 3 * PHRASE, 2 * PHRASE)
    return steps, OWN * rng.standard_normal(len(steps))


def _lengths(other: OtherPart, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """float64 [N] ms that notes sound: under slurs up to the next, others a little less, before a breath less still."""
    length, marks = end - begin, other.marks
    if other.program not in SUSTAINED:
        return length
    if not len(marks):
        return length * APART
    slurred = (marks & int(Mark.SLUR) > 0) & (marks & int(Mark.SLUR_STOP) == 0)
    whole = slurred | (marks & int(Mark.TENUTO) > 0)
    shortened = np.where(whole, length, length * APART)
    breath = np.minimum(BREATH, BREATH_SHARE * length)
    return np.where(marks & int(Mark.BREATH) > 0, length - breath, shortened)


def _curve(
    begin: np.ndarray,
    end: np.ndarray,
    goal: Callable[[np.ndarray], np.ndarray],
    moved: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, float]:
    """int64 [P, 2] ms, value: the loudness while notes sound from `begin` to `end`; and what is a value of 127."""
    steps = np.arange(begin.min(), end.max() + STEP, STEP)
    order = np.argsort(begin, kind="stable")
    reach = np.maximum.accumulate(end[order])
    before = np.searchsorted(begin[order], steps, side="right") - 1
    sounds = (before >= 0) & (steps < reach[np.maximum(before, 0)])
    at = np.unique(np.concatenate([begin, steps[sounds]]))
    loud = goal(at)
    top = float(loud.max())
    value = np.maximum(np.rint(127 * loud / top), 1).astype(np.int64)
    time = np.maximum(np.rint(moved(at)), 0).astype(np.int64)
    last = np.append(np.diff(time) > 0, True)  # of several at one time the last
    time, value = time[last], value[last]
    changed = np.append(True, np.diff(value) != 0)
    return np.stack([time[changed], value[changed]], axis=1), top


def playing_of(score: Notes, performance: Notes, *, exact: bool = False) -> Playing:
    """How somebody plays a part (`score`, normalised, ms as written; note n plays its note n) on his own time."""
    own = clock_of(score, performance, [], 1.0)
    begin, end = (own.to_performed(each.astype(np.float64)) for each in (score.onset, score.end))
    length = performance.duration / np.maximum(end - begin, 1.0)
    pedal = own.to_score(performance.pedal_time.astype(np.float64))
    return Playing(
        performance.onset - begin, length, performance.velocity.astype(np.int64), pedal, performance.pedal_value, exact
    )
