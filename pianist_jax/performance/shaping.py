"""A finer say: what is done to hands, to some bars, and to when places of the score come. NumPy only.

In this order, on top of any expression:

* balance: a hand louder or softer, in decibels where velocity is in its middle. Sound grows with the square of velocity
  (Dannenberg 2006, The Interpretation of MIDI Velocity, ICMC), so that 3 dB are a factor of 1.19; on a scale (the
  log-odds of 128) that ends at 1 and 127, so that nothing clips.
* ranges: strengths of an expression in some bars, which keep their place in time (`fitting`).
* swing: of each beat with a note at its half, the first half takes so many percent (50: even, 67: as a triplet).
* lead-in: so many seconds pass before the first note.
* hits: places of the score come at given times; the tempo is bent smoothly between them (monotone cubics: Fritsch and
  Carlson 1980, SIAM J. Numer. Anal. 17), from the first note on, and after the last one goes on as it did.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.expression import STRENGTHS, Expression, express, parse_strengths
from pianist_jax.performance.fitting import graft
from pianist_jax.performance.parameters import carried, chords_of, clock_of, group_chords, log_odds, of_log_odds
from pianist_jax.performance.playable import make_playable
from pianist_jax.performance.shape import AS_PLAYED, HANDS, Shape
from pianist_jax.performance.style import AS_BY_DEFAULT
from pianist_jax.performance.styling import styled
from pianist_jax.score.bars import notes_in, parse_bars, require_bars

if TYPE_CHECKING:
    from pianist_jax.score.grid import ScoreGrid

LEVEL = re.compile(r"(\w+)=([+-]?\d{1,3}(?:\.\d+)?)")
HIT = re.compile(r"(\d{1,6}(?:\.\d+)?)=(?:(\d{1,4}):)?(\d{1,6}(?:\.\d+)?)")
FURTHEST = 8.0  # times the tempo, or its inverse, that hits may need


def parse_shape(
    balance: Sequence[str] = (),
    ranges: Sequence[str] = (),
    swing: float | None = None,
    lead_in: float | None = None,
    hits: Sequence[str] = (),
) -> Shape:
    """The shape in `left=-3`, `timing=1.5@17-24`, `24=1:03.5`. Raises PianistError."""
    found = []
    for text in ranges:
        strength, _, bars = text.partition("@")
        found += [(name, times, parse_bars(bars)) for name, times in parse_strengths([strength]).items()]
    levels = tuple(_level(part) for text in balance for part in text.replace(",", " ").split())
    return Shape(levels, tuple(found), swing, lead_in, tuple(map(_hit, hits)))


def _level(text: str) -> tuple[str, float]:
    match = LEVEL.fullmatch(text)
    if not match:
        raise PianistError(f"{text!r} is no balance; write the hand and decibels, as in left=-3")
    return match[1], float(match[2])


def _hit(text: str) -> tuple[float, float]:
    match = HIT.fullmatch(text.strip())
    if not match or (match[2] and float(match[3]) >= 60):
        raise PianistError(f"{text!r} is no hit; write a bar and when it comes, as in 24=1:03.5")
    return float(match[1]), 60 * int(match[2] or 0) + float(match[3])


def require_shape(grid: ScoreGrid | None, shape: Shape) -> None:
    """Raises PianistError for bars that a score does not have, unknown hands, and notes without bars."""
    if not shape or (grid is None and shape == Shape(lead_in=shape.lead_in)):
        return
    if grid is None:
        raise PianistError("notes without bars have neither hands nor places; give a score file")
    for hand, _ in shape.balance:
        notes_of_hand(grid, hand)
    for _, _, bars in shape.ranges:
        require_bars(grid, bars)
    count = len(grid.bars()) - 1
    for place, _ in shape.hits:
        if not 1 <= place < count + 1:
            raise PianistError(f"there is no bar {place:g} to hit: the score has bars 1-{count}")


def notes_of_hand(grid: ScoreGrid, hand: str) -> np.ndarray:
    """bool [N]: the notes of a hand, "right" or "left". Raises PianistError where the score tells none."""
    if hand not in HANDS:
        raise PianistError(f"{hand!r} is no hand; choose {' or '.join(HANDS)}")
    plays = grid.hand == HANDS[hand]
    if not plays.any():
        raise PianistError(f"the score does not tell which notes the {hand} hand plays; leave the hand out")
    return plays


def express_all(
    score: Notes, grid: ScoreGrid | None, performance: Notes, expression: Expression, middle: float | None = None
) -> Notes:
    """The expression's style, `express`, and on top of it its `shape`. Raises PianistError where that cannot be."""
    performance = styled(score, performance, expression.style)
    plain = express(score, performance, dataclasses.replace(expression, shape=AS_PLAYED, style=AS_BY_DEFAULT), middle)
    return shaped(score, grid, plain, expression.shape)


def shaped(score: Notes, grid: ScoreGrid | None, performance: Notes, shape: Shape) -> Notes:
    """The performance (note n plays note n of the score, ms) as `shape` wants it. Raises PianistError."""
    require_shape(grid, shape)
    if not shape:
        return performance
    new = performance
    if grid is not None:
        new = _balanced(grid, new, shape.balance)
        for bars in dict.fromkeys(bars for _, _, bars in shape.ranges):
            strengths = {name: times for name, times, where in shape.ranges if where == bars}
            timing, dynamics, articulation, pedal = (strengths.get(name, 1.0) for name in STRENGTHS)
            wanted = Expression(timing, dynamics, articulation, pedal)
            new = graft(new, express(score, new, wanted), score, notes_in(grid, bars))
        if shape.swing is not None:
            new = _warped(new, _swing(score, grid, new, shape.swing / 100))
    if shape.lead_in is not None:
        late = round(1000 * shape.lead_in) - int(new.onset.min())
        new = _warped(new, lambda time: time + late)
    if grid is not None and shape.hits:
        new = _warped(new, _bent(score, grid, new, shape.hits))
    return new


def _balanced(grid: ScoreGrid, performance: Notes, balance: Sequence[tuple[str, float]]) -> Notes:
    velocity = performance.velocity
    for hand, level in balance:
        more = 2 * math.log(10) * level / 40  # in the middle, a step of the log-odds is half one of the logarithm
        velocity = np.where(notes_of_hand(grid, hand), of_log_odds(log_odds(velocity) + more), velocity)
    return dataclasses.replace(performance, velocity=velocity)


Warp = Callable[[np.ndarray], np.ndarray]


def _warped(performance: Notes, warp: Warp) -> Notes:
    """The performance with all its times (ms) elsewhere; pedal from before the beginning counts as at it."""
    onset, end, pedal = (
        np.rint(warp(time.astype(np.float64))).astype(np.int64)
        for time in (performance.onset, performance.end, performance.pedal_time)
    )
    duration = np.maximum(end - onset, 1)
    return make_playable(
        dataclasses.replace(performance, onset=onset, duration=duration, pedal_time=np.maximum(pedal, 0))
    )


def _times(score: Notes, grid: ScoreGrid, performance: Notes, ticks: np.ndarray) -> np.ndarray:
    """float64: when places of the score, in ticks, come in the performance, in ms."""
    _, first = group_chords(score.onset)
    clock = clock_of(chords_of(score), performance.onset)
    place = grid.onset[first].astype(np.float64)
    kept = np.append(True, np.diff(np.maximum.accumulate(place)) > 0)
    return carried(np.asarray(ticks, np.float64), place[kept], clock[kept])


def _swing(score: Notes, grid: ScoreGrid, performance: Notes, share: float) -> Warp:
    """Raises PianistError where no beat has a note at its half."""
    beats = grid.beats().astype(np.float64)
    halves = (beats[:-1] + beats[1:]) / 2
    swung = np.isin(np.rint(halves), grid.onset)
    if not swung.any():
        raise PianistError("no beat of the score has a note at its half, so that there is nothing to swing")
    begin, end = (_times(score, grid, performance, ticks) for ticks in (beats[:-1][swung], beats[1:][swung]))
    middle = _times(score, grid, performance, halves[swung])
    old = np.stack([begin, middle, end], axis=1).ravel()
    new = np.stack([begin, begin + share * (end - begin), end], axis=1).ravel()
    return lambda time: time + np.interp(time, old, new - old, left=0, right=0)


def _bent(score: Notes, grid: ScoreGrid, performance: Notes, hits: Sequence[tuple[float, float]]) -> Warp:
    """Raises PianistError where the tempo would be bent too far."""
    lines = grid.bars()
    ticks = [lines[int(place) - 1] + (place % 1) * (lines[int(place)] - lines[int(place) - 1]) for place, _ in hits]
    old = _times(score, grid, performance, np.array(ticks))
    new = np.array([1000 * time for _, time in hits])
    begin, end = float(performance.onset.min()), float(performance.end.max())
    if old[0] > begin + 1:
        old, new = np.append(begin, old), np.append(begin, new)
    if end > old[-1]:
        old, new = np.append(old, end), np.append(new, new[-1] + end - old[-1])
    rate = np.diff(new) / np.maximum(np.diff(old), 1e-9)
    for time, one in zip(new[1:], rate, strict=True):
        if not 1 / FURTHEST <= one <= FURTHEST:
            how = "earlier than what is before it" if one <= 0 else f"{max(one, 1 / one):.1f} times the tempo"
            raise PianistError(f"the hit at {time / 1000:g} s needs {how}; at most {FURTHEST:g} times can be played")
    return _smooth(old, new, rate)


def _smooth(old: np.ndarray, new: np.ndarray, rate: np.ndarray) -> Warp:
    """A curve through the knots that always rises and whose slope has no jumps; straight outside."""
    slope = np.concatenate([rate[:1], 2 / (1 / rate[:-1] + 1 / rate[1:]), rate[-1:]])

    def warp(time: np.ndarray) -> np.ndarray:
        k = np.clip(np.searchsorted(old, time, side="right") - 1, 0, len(rate) - 1)
        width = old[k + 1] - old[k]
        u = np.clip((time - old[k]) / width, 0, 1)
        bend = (slope[k] + slope[k + 1] - 2 * rate[k]) * u - (2 * slope[k] + slope[k + 1] - 3 * rate[k])
        inside = new[k] + width * u * (slope[k] + u * bend)
        before, behind = np.minimum(time - old[0], 0), np.maximum(time - old[-1], 0)
        return inside + slope[0] * before + slope[-1] * behind

    return warp
