"""A performance by another pianist's habits: the words of `performance.style`, changed one by one until they are met.

* rubato: the tempi of the gaps move away from their mean, or towards it; the whole keeps its length.
* dynamics, level: velocities by their log-odds, away from their mean; louder.
* articulation: every note so many times as long.
* pedal: more of it where it is up for longest, until the next chord, which lifts it again, so that no harmony runs into
  the next; less of it is lifted sooner.
* depth: how far below the point at which dampers leave the strings (`DOWN`).
* spread: of each chord about its mean. lead: its top note against the others, the mean of all staying.

All other words stay where they were: what one change moves of another is led back. NumPy only.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.expression import contrast, freer
from pianist_jax.performance.foot import COMING_UP, GOING_DOWN, SHARE
from pianist_jax.performance.pace import on_clock
from pianist_jax.performance.parameters import Chords, chords_of, clock_of, log_odds, of_log_odds, placed
from pianist_jax.performance.pedal_moves import DOWN, TOP, Moves, curve_of, moves_of
from pianist_jax.performance.playable import make_playable
from pianist_jax.performance.style import UNITS, WORDS, Style, is_top, measured_of
from pianist_jax.performance.voicing import ROLLED

ROUNDS = 8
CLOSE, DRIFT = 0.03, 0.1  # deviations that a word which is asked for may be off, and one that is not
REACH = 4.0  # times what is asked that a change may be, where the music resists it
LED_BACK = 0.5  # deviations that count as asked of a word that is not
CELL = 400.0  # ms
PRESS, LIFT = (int(table[SHARE.index(0.5)]) for table in (GOING_DOWN, COMING_UP))  # ms


Row = tuple[int, int, int]  # begin and end of a move of the pedal, ms, and where it goes


def styled(score: Notes, performance: Notes, style: Style) -> Notes:
    """The performance (note n plays note n of the score, ms) in a style; what cannot be had is had as far as it can."""
    if not style.words or not len(score):
        return performance
    chords, wish = chords_of(score), style.words
    target = {
        word: value + wish.get(word, 0.0) * UNITS[word] for word, value in measured_of(chords, performance).items()
    }
    change, made, best, nearest = dict.fromkeys(WORDS, 0.0), performance, performance, math.inf
    for _ in range(ROUNDS):
        now = measured_of(chords, made)
        off = {word: target[word] - now[word] for word in WORDS}
        distance = sum(abs(off[word]) / UNITS[word] for word in WORDS if not math.isnan(off[word]))
        if distance < nearest:
            best, nearest = made, distance
        due = [word for word in WORDS if abs(off[word]) > UNITS[word] * (CLOSE if word in wish else DRIFT)]
        if not due:
            break
        for word in due:
            most = REACH * UNITS[word] * abs(wish.get(word, LED_BACK))
            change[word] = min(max(change[word] + off[word], -most), most)
        made = performance
        for word in WORDS:
            made = CHANGES[word](chords, made, change[word]) if change[word] else made
    return best


def _rubato(chords: Chords, performance: Notes, more: float) -> Notes:
    played = clock_of(chords, performance.onset)
    if len(played) < 2:
        return performance
    gap = freer(np.diff(chords.onset), np.diff(played), math.exp(more))
    wanted = played[0] + np.concatenate([[0.0], np.cumsum(gap)])
    return make_playable(on_clock(performance, played, wanted))


def _dynamics(chords: Chords, performance: Notes, more: float) -> Notes:
    return dataclasses.replace(performance, velocity=contrast(performance.velocity, math.exp(more)))


def _level(chords: Chords, performance: Notes, more: float) -> Notes:
    return dataclasses.replace(performance, velocity=of_log_odds(log_odds(performance.velocity) + more))


def _articulation(chords: Chords, performance: Notes, more: float) -> Notes:
    duration = np.maximum(np.rint(performance.duration * math.exp(more)), 1).astype(np.int64)
    return make_playable(dataclasses.replace(performance, duration=duration))


def _spread(chords: Chords, performance: Notes, more: float) -> Notes:
    clock = clock_of(chords, performance.onset)
    offset = performance.onset - clock[chords.of]
    return _struck(chords, performance, clock, offset * math.exp(more))


def _lead(chords: Chords, performance: Notes, more: float) -> Notes:
    clock = clock_of(chords, performance.onset)
    offset, count = performance.onset - clock[chords.of], np.bincount(chords.of)[chords.of]
    late, early = (ends.reduceat(offset, chords.first) for ends in (np.maximum, np.minimum))
    struck = (late - early < ROLLED)[chords.of] & (count > 1)
    share = np.where(is_top(chords), 1 / count - 1, 1 / count)
    return _struck(chords, performance, clock, offset + more * struck * share)


def _struck(chords: Chords, performance: Notes, clock: np.ndarray, offset: np.ndarray) -> Notes:
    onset = np.maximum(placed(chords, clock, offset), 0)
    return make_playable(dataclasses.replace(performance, onset=onset))


def _depth(chords: Chords, performance: Notes, more: float) -> Notes:
    value = performance.pedal_value.astype(np.float64)
    below = value - DOWN
    usual = measured_of(chords, performance)["depth"] * TOP - DOWN
    if not usual > 0:
        return performance
    deeper = np.clip(np.rint(DOWN + below * max(1 + more * TOP / usual, 0)), DOWN, TOP)
    return make_playable(
        dataclasses.replace(performance, pedal_value=np.where(below > 0, deeper, value).astype(np.int16))
    )


def _pedal(chords: Chords, performance: Notes, more: float) -> Notes:
    clock = clock_of(chords, performance.onset)
    moves = moves_of(performance.pedal_time, performance.pedal_value)
    share, span = measured_of(chords, performance)["pedal"], float(clock[-1] - clock[0])
    if more > 0 and share < 1:
        moves = _sooner_down(moves, clock, more * span)
    elif more < 0 and share > 0 and span > 0:
        moves = _sooner_up(moves, max(1 + more / share, 0.0))
    time, value = curve_of(moves)
    return make_playable(dataclasses.replace(performance, pedal_time=np.maximum(time, 0), pedal_value=value))


def _sooner_up(moves: Moves, kept: float) -> Moves:
    """Each stroke so many times as long; what the foot did in the rest of it is gone."""
    table: list[Row] = []
    press = 0
    down = False
    for begin, end, target in _rows(moves):
        if down and target < DOWN:
            earlier = max(round(press + kept * (begin - press)), press + PRESS)
            begin, end = (begin, end) if earlier > begin else (earlier, earlier + end - begin)
            table = [row for row in table if row[0] < begin]
        if not down and target >= DOWN:
            press = begin
        down = target >= DOWN
        table.append((begin, end, target))
    return _of_rows(table)


def _sooner_down(moves: Moves, clock: np.ndarray, more: float) -> Moves:
    """So many ms more of pedal, where it was up for longest: from soon after its lift, or a chord, to the next one."""
    rows = _rows(moves)
    cells = _cells(rows, clock)
    gains = [end - begin - LIFT for begin, end, _ in cells]
    for k in sorted(range(len(cells)), key=lambda k: -gains[k]):
        _, end, press = cells[k]
        longer = round(min(gains[k], more))
        if longer < (PRESS if press is None else 1):
            break
        more -= longer
        rows = [row for row in rows if not (end - longer <= row[0] < end and row[2] < DOWN)]
        if press is None:
            rows += [(end - longer, end - longer + PRESS, _usual_depth(moves)), (end, end + LIFT, 0)]
        else:
            rows = [(row[0] - longer, row[1] - longer, row[2]) if row == press else row for row in rows]
    return _of_rows(sorted(rows))


def _cells(rows: list[Row], clock: np.ndarray) -> list[tuple[int, int, Row | None]]:
    """Stretches without pedal (ms), parted by chords at least `CELL` apart; and the move down that ends one, if any."""
    found: list[tuple[int, int, Row | None]] = []
    lifted, down = round(clock[0]), False
    for row in [*rows, None]:
        begin = round(clock[-1]) if row is None else row[0]
        if not down and (row is None or row[2] >= DOWN) and begin > lifted:
            bounds = [lifted]
            for time in clock[(clock > lifted) & (clock <= begin - CELL)].tolist():
                if time - bounds[-1] >= CELL:
                    bounds.append(round(time))
            found += [(a, b, None) for a, b in pairwise(bounds)] + [(bounds[-1], begin, row)]
        if row is not None:
            lifted, down = (row[1] if row[2] < DOWN else lifted), row[2] >= DOWN
    return found


def _usual_depth(moves: Moves) -> int:
    down = moves.target[moves.target >= DOWN]
    return int(np.median(down)) if len(down) else TOP


def _rows(moves: Moves) -> list[Row]:
    return list(zip(moves.begin.tolist(), moves.end.tolist(), moves.target.tolist(), strict=True))


def _of_rows(table: list[Row]) -> Moves:
    columns = np.array(table, np.int64).reshape(-1, 3).T
    return Moves(columns[0], columns[1], columns[2])


Change = Callable[[Chords, Notes, float], Notes]
CHANGES: dict[str, Change] = {
    "rubato": _rubato, "dynamics": _dynamics, "level": _level, "articulation": _articulation,
    "pedal": _pedal, "depth": _depth, "spread": _spread, "lead": _lead,
}  # fmt: skip
