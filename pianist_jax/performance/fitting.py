"""A passage played anew, fitted between what stands before and behind it. NumPy only.

Its chords keep the rhythm in which they were played, but for a correction of the tempo that grows evenly (in the log
domain) from nothing at its beginning, where it went on from what was there, to what is needed at its end for the notes
behind it to come when they came. In the same way it is led back to the loudness with which the old passage ended, as
what is behind goes on from there. Nothing outside the passage changes, not even a key that is still held when the
passage strikes it again: that chord waits for its release.

Of one hand's passage (`knit`) the other hand's chords are such fixed points all the way.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import (
    Chords,
    chords_between,
    chords_of,
    clock_of,
    group_chords,
    log_odds,
    moved,
    of_log_odds,
    placed,
)
from pianist_jax.performance.playable import APART, cut_overlaps, release_pedal

TAIL = 16  # notes whose loudness leads on to what is behind
STEEPEST = 8.0  # limit of the correction, as a logarithm


def graft(old: Notes, new: Notes, score: Notes, free: np.ndarray) -> Notes:
    """The old performance with the notes of `free` bool [N] as in the new one, in the same time.

    All three correspond note by note. Note-ons, lengths, velocities and pedal of the other notes stay as they are; the
    pedal of the passage reaches from its first onset to the onset of the first note behind it.
    """
    clock, begin, stop = _clock(old, new, score, free)
    onset = _part_strikes(old, np.where(free, moved(new.onset, *clock), old.onset), free)
    duration = np.maximum(moved(new.end, *clock) - moved(new.onset, *clock), 1)
    time, value = _pedal(old, new, clock, begin, stop)
    velocity = np.where(free, new.velocity, old.velocity)
    joined = Notes(old.pitch, onset, np.where(free, duration, old.duration), velocity, time, value)
    joined = dataclasses.replace(joined, duration=np.where(free, cut_overlaps(joined).duration, old.duration))
    return joined if stop is not None else release_pedal(joined)


def knit(old: Notes, new: Notes, score: Notes, free: np.ndarray) -> Notes:
    """The old performance with one hand's notes `free` bool [N] as in the new one, together with the other hand.

    All three correspond note by note. What is not free stays as it is, and the pedal, which both hands are heard
    through. Where both hands strike, the free one is as far from the other as in the new performance, but on the whole
    as far as it was in the old one: the other hand's pianist plays it. What it strikes alone keeps its rhythm, fitted
    between the chords that are not its own.
    """
    chords = chords_of(score)
    played, wanted = _shared_clock(old, new, score, free)
    shared = ~alone(score, free) & ~alone(score, ~free)
    apart = np.where(shared & free, _apart(old, chords, free, shared) - _apart(new, chords, free, shared), 0)
    onset = np.maximum(placed(chords, wanted, new.onset - played[chords.of] + apart), 0)
    onset = _part_strikes(old, np.where(free, onset, old.onset), free)
    duration = np.maximum(moved(new.end, played, wanted) - moved(new.onset, played, wanted), 1)
    duration, velocity = np.where(free, duration, old.duration), np.where(free, new.velocity, old.velocity)
    joined = dataclasses.replace(old, onset=onset, duration=duration, velocity=velocity)
    return dataclasses.replace(joined, duration=np.where(free, cut_overlaps(joined).duration, old.duration))


def alone(score: Notes, free: np.ndarray) -> np.ndarray:
    """bool [N]: the notes of chords of which every note is free."""
    of, first = group_chords(score.onset)
    return np.logical_and.reduceat(free, first)[of]


def _apart(notes: Notes, chords: Chords, free: np.ndarray, shared: np.ndarray) -> float:
    """ms from what is locked to what is free in chords that have both, as it usually is."""
    sides = []
    for side in (shared & free, shared & ~free):
        total, count = (np.bincount(chords.of[side], weights) for weights in (notes.onset[side], None))
        sides.append(total[count > 0] / count[count > 0])
    return float(np.median(sides[0] - sides[1])) if len(sides[0]) else 0.0


def _shared_clock(old: Notes, new: Notes, score: Notes, free: np.ndarray) -> Clock:
    """When each chord of the score comes as it was played, and when it is to come so that what is locked stays."""
    chords = chords_of(score)
    own = alone(score, free)[chords.first]
    fixed = ~own
    fixed[0] = True  # the first chord comes when it came
    judge = ~free | own[chords.of]  # the notes that tell when their chord comes

    def clock(onset: np.ndarray) -> np.ndarray:
        total = np.bincount(chords.of[judge], onset[judge], minlength=len(chords))
        means = total / np.bincount(chords.of[judge], minlength=len(chords))
        steps = np.arange(len(chords))
        return np.maximum.accumulate(means - steps) + steps

    played, wanted = clock(new.onset), clock(old.onset)
    least = np.maximum.reduceat(held_until(old, free) + played[chords.of] - new.onset, chords.first)
    knots = np.flatnonzero(fixed)
    for before, after in pairwise(knots.tolist()):
        span = slice(before, after + 1)
        if after > before + 1:
            bounds = (float(wanted[before]), float(wanted[after]))
            wanted[span] = fit(played[span], chords.onset[span], least[span], *bounds)
    tail = slice(int(knots[-1]), None)
    wanted[tail] = np.maximum(played[tail] - played[tail][0] + wanted[tail][0], np.append(-np.inf, least[tail][1:]))
    wanted[tail] = np.maximum.accumulate(wanted[tail])
    return played, wanted


def lead_back(old: Notes, new: Notes, free: np.ndarray) -> Notes:
    """The new performance with the passage's velocities led to the old one's mean over its last notes."""
    places = np.flatnonzero(free)
    if places[-1] + 1 == len(free):
        return new
    weight = (np.arange(len(places)) + 0.5) / len(places)
    tail = slice(max(len(places) - TAIL, 0), None)
    played = log_odds(new.velocity[places])
    missing = float(log_odds(old.velocity[places])[tail].mean() - played[tail].mean())
    velocity = new.velocity.copy()
    velocity[places] = of_log_odds(played + weight * missing / weight[tail].mean())
    return dataclasses.replace(new, velocity=velocity)


def ends(free: np.ndarray) -> tuple[int, int]:
    """The first free note, and the one after the last."""
    places = np.flatnonzero(free)
    return int(places[0]), int(places[-1]) + 1


Clock = tuple[np.ndarray, np.ndarray]  # times as the passage was played, and the same times fitted


def _clock(old: Notes, new: Notes, score: Notes, free: np.ndarray) -> tuple[Clock, int, int | None]:
    """The clock that fits the new performance in, and the ms at which the passage begins and the notes behind it."""
    first, last = ends(free)
    own = slice(first, last)
    begin = int(old.onset[free].min())
    chords = chords_between(score.pitch[own], score.onset[own], score.end[own])
    played, written = clock_of(chords, new.onset[own]), chords.onset
    least = np.maximum.reduceat(held_until(old, free)[own] + played[chords.of] - new.onset[own], chords.first)
    played[0] = new.onset[own].min()  # it begins with its first note, when it began, when no key was held either
    least[0] = -np.inf
    least = np.maximum.accumulate(least)
    if last == len(free):
        return (played, np.maximum(played - played[0] + begin, least)), begin, None
    behind = last + np.flatnonzero(group_chords(score.onset[last:])[0] == 0)
    stop = max(int(old.onset[behind].min()), begin + 1)
    played = np.append(played, max(float(new.onset[behind].min()), played[-1] + 1))
    written = np.append(written, float(score.onset[last]))
    return (played, fit(played, written, np.append(least, -np.inf), begin, stop)), begin, stop


def fit(played: np.ndarray, written: np.ndarray, least: np.ndarray, begin: float, stop: float) -> np.ndarray:
    """float64 [C] ms: ascending times moved into [begin, stop], none before `least`.

    Where the even correction would bring one too early, that one comes at its earliest and both sides are fitted.
    """
    if len(played) < 2:
        return np.array([begin])
    gap = np.diff(played)
    whole = max(written[-1] - written[0], 1.0)
    place = (written[:-1] + np.diff(written) / 2 - written[0]) / whole
    low, high = -STEEPEST, STEEPEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (gap * np.exp(middle * place)).sum() < stop - begin else (low, middle)
    gap = gap * np.exp(low * place)
    fitted = begin + np.concatenate([[0.0], np.cumsum(gap * (stop - begin) / gap.sum())])
    late = least - fitted
    late[[0, -1]] = -np.inf
    worst = int(np.argmax(late))
    if not late[worst] > 0:
        return fitted
    middle = min(float(least[worst]), stop - 1)
    before = fit(played[: worst + 1], written[: worst + 1], least[: worst + 1], begin, middle)
    return np.concatenate([before[:-1], fit(played[worst:], written[worst:], least[worst:], middle, stop)])


def held_until(old: Notes, free: np.ndarray) -> np.ndarray:
    """float64 [N]: for a free note the first ms at which its key is up after the notes that are not free."""
    until = np.full(len(old), -np.inf)
    for pitch in np.unique(old.pitch[free]).tolist():
        own = np.flatnonzero(old.pitch == pitch)
        up = np.maximum.accumulate(np.where(free[own], -np.inf, old.end[own] + 1))
        until[own[1:]] = up[:-1]
    return np.where(free, until, -np.inf)


def _part_strikes(old: Notes, onset: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Onsets at which no key is struck twice at a time, or late for a strike of it behind the passage."""
    onset = onset.copy()
    for pitch in np.unique(old.pitch[free]).tolist():
        own = np.flatnonzero(old.pitch == pitch)
        for before, after in zip(own[:-1].tolist(), own[1:].tolist(), strict=True):
            if free[after]:
                held = old.end[before] + 1 if not free[before] else onset[before] + APART
                onset[after] = max(onset[after], held)
        for before, after in zip(own[-2::-1].tolist(), own[:0:-1].tolist(), strict=True):
            if free[before]:
                onset[before] = min(onset[before], onset[after] - 1)
    return onset


def _pedal(old: Notes, new: Notes, clock: Clock, begin: int, stop: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of the pedal: the new one's from `begin` to before `stop`, the old one's elsewhere."""
    played, fitted = clock
    until = np.inf if stop is None else played[-1]
    inside = (new.pedal_time > played[0]) & (new.pedal_time < until)
    times, values = moved(new.pedal_time[inside], played, fitted).tolist(), new.pedal_value[inside].tolist()
    if _in_force(new, played[0]) != _in_force(old, begin - 1):
        times, values = [begin, *times], [_in_force(new, played[0]), *values]
    if stop is not None:
        times = np.clip(times, begin, stop - 1).tolist()
        state = values[-1] if values else _in_force(old, begin - 1)
        if state != _in_force(old, stop - 1) and not np.any(old.pedal_time == stop):
            times, values = [*times, stop - 1], [*values, _in_force(old, stop - 1)]
    before, after = old.pedal_time < begin, old.pedal_time >= (np.inf if stop is None else stop)
    time = np.concatenate([old.pedal_time[before], np.array(times, np.int64), old.pedal_time[after]])
    value = np.concatenate([old.pedal_value[before], np.array(values, np.int16), old.pedal_value[after]])
    return time, value


def _in_force(notes: Notes, time: float) -> int:
    """The pedal's value at a time."""
    place = int(np.searchsorted(notes.pedal_time, time, side="right"))
    return int(notes.pedal_value[place - 1]) if place else 0
