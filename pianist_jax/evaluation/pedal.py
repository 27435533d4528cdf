"""The sustain pedal of two performances of one score, compared: when it goes down and up, and how long it is
down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pianist_jax.performance.parameters import Chords, Dealt, TimeMap
from pianist_jax.performance.pedal_moves import DOWN, crossings, pedal_steps

LONGEST_GAP = 4  # a longer run of unplayed notes is a stretch left out, as where training pairs are cut
TOLERANCE = 100.0  # ms
CHANGE = 500.0  # ms of performed time: a pedal that comes up and goes down again within it is changed


@dataclass(frozen=True, eq=False)
class PedalUse:
    """Transitions of one performance: float64 score times in ms of going down and of coming up, sorted.

    `changes`: score times of coming up only to go down again within `CHANGE` (re-pedalling).
    `share_down`: the share of the time between the first and the last onset during which the pedal is down.
    `silent` float64[G, 2]: stretches of the score, in ms, that this performance leaves out (a repeat, a cut).
    """

    down: np.ndarray
    up: np.ndarray
    changes: np.ndarray
    share_down: float
    silent: np.ndarray

    def __len__(self) -> int:
        return len(self.down) + len(self.up)


def pedal_use(chords: Chords, playing: Dealt, mapped: TimeMap) -> PedalUse:
    """Transitions (CC64 crossing 64) between the first and last onset, put on score time by the performance's
    own map.
    """
    first, last = mapped.span
    held, value = pedal_steps(playing.pedal_time, playing.pedal_value, first, last)
    times, downward = crossings(playing.pedal_time, playing.pedal_value)
    inside = (times >= first) & (times <= last)
    again = ~downward & (np.diff(times, append=np.inf) <= CHANGE)
    scored = mapped.to_score(times[inside])
    return PedalUse(
        down=scored[downward[inside]],
        up=scored[~downward[inside]],
        changes=mapped.to_score(times[inside & again]),
        share_down=float(held[value >= DOWN].sum() / (last - first)) if last > first else 0.0,
        silent=_silent(chords, playing),
    )


def _silent(chords: Chords, playing: Dealt) -> np.ndarray:
    """From the last note before to the first after each run of more than `LONGEST_GAP` unplayed notes."""
    played = np.flatnonzero(np.isfinite(playing.onset))
    breaks = np.flatnonzero(np.diff(played) > LONGEST_GAP + 1)
    return np.stack([chords.start[played[breaks]], chords.start[played[breaks + 1]]], axis=1)


def transition_f1(candidate: PedalUse, human: PedalUse, human_map: TimeMap) -> float:
    """F1 of the candidate's transitions against a human's, within 100 ms of *that human's performed time*.

    Both are carried from score time through the human's map, so that 100 ms are milliseconds somebody hears
    whatever tempo the score is written or the candidate plays in. Down meets down and up meets up, each at
    most once. Stretches of the score that either leaves out do not count. 1 where neither has a transition, 0
    where only one has.
    """
    return _agreement(((candidate.down, human.down), (candidate.up, human.up)), candidate, human, human_map)


def repedal_f1(candidate: PedalUse, human: PedalUse, human_map: TimeMap) -> float:
    """`transition_f1` of re-pedalling alone: where the pedal comes up only to go down again."""
    return _agreement(((candidate.changes, human.changes),), candidate, human, human_map)


def _agreement(
    kinds: Sequence[tuple[np.ndarray, np.ndarray]], candidate: PedalUse, human: PedalUse, human_map: TimeMap
) -> float:
    silent = np.concatenate([candidate.silent, human.silent])
    total = hits = 0
    for ours, theirs in kinds:
        ours, theirs = _outside(ours, silent), _outside(theirs, silent)
        total += len(ours) + len(theirs)
        hits += _hits(human_map.to_performed(ours), human_map.to_performed(theirs))
    return 2 * hits / total if total else 1.0


def _outside(times: np.ndarray, silent: np.ndarray) -> np.ndarray:
    within = (times[:, None] > silent[:, 0]) & (times[:, None] < silent[:, 1])
    return times[~within.any(1)]


def _hits(ours: np.ndarray, theirs: np.ndarray) -> int:
    """The most pairs within the tolerance, each time used once: for sorted times, always taking the earliest
    works.
    """
    first, second = ours.tolist(), theirs.tolist()
    hits = i = j = 0
    while i < len(first) and j < len(second):
        if abs(first[i] - second[j]) <= TOLERANCE:
            hits, i, j = hits + 1, i + 1, j + 1
        elif first[i] < second[j]:
            i += 1
        else:
            j += 1
    return hits
