"""Which hand plays what: by what a part is called, or worked out where one part holds both hands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

RIGHT_HAND, LEFT_HAND, UNKNOWN = 1, 2, 0
RIGHT_NAMES = re.compile(
    r"\bright\b|\br\.?\s?h\b|\brechts?\b|\brechte|\bdroite|\bdestra|\bderecha|\bdireita|\bm\.?\s?d\.(?!\w)|\bupper\b"
    r"|\btreble\b|\bdiscant\b|\bdiskant\b",
    re.IGNORECASE,
)
LEFT_NAMES = re.compile(
    r"\bleft\b|\bl\.?\s?h\b|\blinks\b|\blinke|\bgauche|\bsinistra|\bizquierda|\besquerda|\bm\.?\s?[gs]\.(?!\w)"
    r"|\blower\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class HandCosts:
    """What the separation weighs, in semitones of a hand's way.

    `span`: each semitone that a hand stretches beyond `reach`; `fingers`: each key beyond five that it holds;
    `crossed`: each semitone that the hands overlap; `middle`: each semitone that a note lies beyond `centre`, on the
    other hand's side; `leading`: each semitone that a hand goes beyond the `position` (semitones) that lies under it,
    which counts for less the longer it has rested, up to `idle` quarters. `beam`: so many ways are followed at a time.
    """

    reach: float = 12.0
    span: float = 4.0
    fingers: float = 8.0
    crossed: float = 2.0
    middle: float = 0.2
    leading: float = 1.0
    position: float = 7.0
    idle: float = 4.0
    centre: float = 60.0
    beam: int = 6


class _Hand(NamedTuple):
    """Where a hand is: the keys that lie under it, when it played last, and what it still holds (end, pitch)."""

    low: float
    high: float
    when: float
    held: tuple[tuple[float, int], ...]


class _Step(NamedTuple):
    """How many of a chord's notes are the left hand's, and the step before it."""

    split: int
    before: _Step | None


class _Path(NamedTuple):
    cost: float
    left: _Hand
    right: _Hand
    before: _Step | None


COSTS = HandCosts()


def named_hand(name: str) -> int:
    """1 (right) or 2 (left) where a part's name says which hand plays it, else 0."""
    right, left = bool(RIGHT_NAMES.search(name)), bool(LEFT_NAMES.search(name))
    return (RIGHT_HAND if right else LEFT_HAND) if right != left else UNKNOWN


def separate_hands(onset: np.ndarray, duration: np.ndarray, pitch: np.ndarray, costs: HandCosts = COSTS) -> np.ndarray:
    """int8[N] the hand (1 right, 2 left) of N notes in any order, `onset` and `duration` in quarters.

    Chord by chord the lower notes are the left hand's, the higher ones the right's; of all ways to divide the chords
    the cheapest is taken (a beam search): hands move little, stretch little, cross little and stay on their side.

    Against the staves of ASAP's scores (`experiments/hand_separation.py`) 89.2% of the notes of the validation pieces
    are right, where a split at middle C has 86.8%.
    """
    hand = np.full(len(pitch), RIGHT_HAND, np.int8)
    if not len(pitch):
        return hand
    order = np.lexsort((pitch, onset))
    places = np.round(onset[order], 4)
    bounds = [0, *(np.flatnonzero(np.diff(places)) + 1).tolist(), len(order)]
    ends = (onset + duration)[order].tolist()
    pitches = pitch[order].tolist()
    resting = (
        _Hand(costs.centre - 17, costs.centre - 5, -np.inf, ()),
        _Hand(costs.centre, costs.centre + 17, -np.inf, ()),
    )
    paths = [_Path(0.0, *resting, None)]
    for first, stop in pairwise(bounds):
        chord = [(ends[index], int(pitches[index])) for index in range(first, stop)]
        now = float(places[first])
        grown = [_grow(path, chord, split, now, costs) for path in paths for split in range(len(chord) + 1)]
        paths = sorted(grown, key=lambda path: path.cost)[: costs.beam]
    step = paths[0].before
    for first in reversed(bounds[:-1]):
        if step is not None:
            hand[order[first : first + step.split]] = LEFT_HAND
            step = step.before
    return hand


def _grow(path: _Path, chord: Sequence[tuple[float, int]], split: int, now: float, costs: HandCosts) -> _Path:
    """A path with one chord more, of which so many of the lowest notes are the left hand's."""
    low, left = _play(path.left, chord[:split], now, costs)
    high, right = _play(path.right, chord[split:], now, costs)
    cost = path.cost + low + high
    cost += costs.middle * sum(max(pitch - costs.centre, 0.0) for _, pitch in chord[:split])
    cost += costs.middle * sum(max(costs.centre - pitch, 0.0) for _, pitch in chord[split:])
    if left.held and right.held:
        below, above = max(pitch for _, pitch in left.held), min(pitch for _, pitch in right.held)
        cost += costs.crossed * max(below - above, 0)
    return _Path(cost, left, right, _Step(split, path.before))


def _play(hand: _Hand, notes: Sequence[tuple[float, int]], now: float, costs: HandCosts) -> tuple[float, _Hand]:
    """What it costs a hand to strike these notes now, and where it is then."""
    held = tuple(note for note in hand.held if note[0] > now + 1e-3)
    if not notes:
        return 0.0, hand._replace(held=held)
    down = (*held, *notes)
    pitches = [pitch for _, pitch in down]
    low, high = notes[0][1], notes[-1][1]
    cost = costs.span * max(max(pitches) - min(pitches) - costs.reach, 0.0)
    cost += costs.fingers * max(len(down) - 5, 0)
    free = min((now - hand.when) / costs.idle, 1.0)
    cost += costs.leading * max(hand.low - low, high - hand.high, 0.0) * (1.0 - 0.8 * free)
    return cost, _Hand(min(low, high - costs.position), max(high, low + costs.position), now, down)
