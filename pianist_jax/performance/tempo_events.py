"""Tempo events of a MIDI file: what sequencers take, and the map that they make from ticks to ms. NumPy only.

Tempi are whole microseconds a quarter, as MIDI stores them; what rounding one leaves over goes into the next, so that
nothing drifts. Where ticks are so long that no tick comes near enough to an event, tempi change around it so that ticks
come at whole ms, as events do: of those a tick is then at most 1 ms away as long as ticks are no more than 3 ms apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AUDIBLE = 1.0  # ms by which an event may miss its time
COVERING = 2.99  # ms a tick up to which ticks at whole ms, 3 ms apart at most, are within AUDIBLE of every whole ms
SLIGHTLY = 1.05  # times as fast the slowest tempo may become for that
US = 1000  # µs in a ms


@dataclass(frozen=True)
class Limits:
    """What a tempo map keeps to: `slowest` and `fastest` in quarters a minute, so many ticks a quarter."""

    slowest: float = 20.0
    fastest: float = 300.0
    ticks_per_quarter: int = 960

    @property
    def longest(self) -> float:
        """ms a quarter at the slowest tempo."""
        return 60_000 / self.slowest

    @property
    def shortest(self) -> float:
        """ms a quarter at the fastest tempo."""
        return 60_000 / self.fastest

    @property
    def longest_point(self) -> float:
        """ms a quarter at most between points of a map: where it costs little, so that all events can be in time."""
        covering = COVERING * self.ticks_per_quarter
        return covering if self.longest / SLIGHTLY <= covering < self.longest else self.longest


SEQUENCERS = Limits()
PICTURES = Limits(5.0, 600.0, 3840)  # nothing has to play these


@dataclass(frozen=True, eq=False)
class TempoMap:
    """Tempo changes: at `tick` int64[K], the first 0, a quarter begins to last `micros` int64[K] µs."""

    tick: np.ndarray
    micros: np.ndarray
    ticks_per_quarter: int

    def milliseconds(self, ticks: np.ndarray) -> np.ndarray:
        """float64: when ticks come, in ms."""
        passed, place = self._elapsed(), np.searchsorted(self.tick, ticks, side="right") - 1
        return (passed[place] + (ticks - self.tick[place]) * self.micros[place]) / self._unit

    def ticks(self, ms: np.ndarray) -> np.ndarray:
        """int64: the nearest tick to each time (ms, not before 0)."""
        passed, time = self._elapsed(), np.asarray(ms, np.float64) * self._unit
        place = np.maximum(np.searchsorted(passed, time, side="right") - 1, 0)
        return np.rint(self.tick[place] + (time - passed[place]) / self.micros[place]).astype(np.int64)

    @property
    def _unit(self) -> int:
        return US * self.ticks_per_quarter

    def _elapsed(self) -> np.ndarray:
        """int64[K] µs × ticks a quarter before each change: whole numbers, exact below 2^63 for all of MIDI."""
        return np.concatenate([[0], np.cumsum(np.diff(self.tick) * self.micros[:-1])])


def within_hearing(
    place: np.ndarray, time: np.ndarray, last_pace: float, wanted: tuple[np.ndarray, np.ndarray], limits: Limits
) -> TempoMap:
    """The map through these points, whose ticks come at whole ms around what none would come near to.

    That is events (ms [K]), and pairs of them (ms [P, 2]) that need a tick each.
    """
    events, pairs = wanted
    quarter = limits.ticks_per_quarter
    tick, time = np.rint(place * quarter).astype(np.int64), np.rint(time)
    added: dict[int, float] = {}
    while True:  # each round adds ticks, of which there are so many
        points = _sound(dict(zip(tick.tolist(), time.tolist(), strict=True)), added, limits)
        tempo = tempo_map(points[:, 0].astype(np.int64), points[:, 1], last_pace, limits)
        missed = events[np.abs(tempo.milliseconds(tempo.ticks(events)) - events) > AUDIBLE + 1e-6]
        late = apart(tempo, pairs).min(axis=0) > AUDIBLE + 1e-6
        more = _around(tick, time, last_pace / quarter, np.append(missed, pairs[late]))
        if more.keys() <= added.keys():
            return tempo
        added = {**more, **added}


def _around(tick: np.ndarray, time: np.ndarray, last_pace: float, missed: np.ndarray) -> dict[int, float]:
    """The ticks about each event (ms) that was missed, and when (ms) they come: at whole ms, by the map's points.

    The tick before them takes up what rounding of tempi has left over. Where ticks are longer than `COVERING` only one
    can be helped: it comes with the event.
    """
    found: dict[int, float] = {}
    stretch = np.searchsorted(time, missed, side="right") - 1
    pace = np.append(np.diff(time) / np.diff(tick), last_pace)
    for ms, k in zip(missed.tolist(), stretch.tolist(), strict=True):
        exact = tick[k] + (ms - time[k]) / pace[k]
        if pace[k] > AUDIBLE * 3:
            found.setdefault(round(exact), ms)
            continue
        for own in range(int(exact) - 1, int(exact) + 2):
            if own == tick[k] and k > 0:
                found[own - 1] = float(np.rint(time[k] - pace[k - 1]))
            if own > tick[k]:
                found[own] = float(np.rint(time[k] + (own - tick[k]) * pace[k]))
    return found


def _sound(points: dict[int, float], added: dict[int, float], limits: Limits) -> np.ndarray:
    """float64[K, 2]: ticks and ms of all points, and of those added between which every tempo is sound."""
    low, high = (ms / limits.ticks_per_quarter for ms in (limits.shortest, limits.longest))
    kept: list[tuple[int, float]] = []
    fixed = sorted(points.items(), reverse=True)
    for own, ms in sorted({**added, **points}.items()):
        if own in points:
            kept.append(fixed.pop())
            continue
        near = [kept[-1], *fixed[-1:]]
        if all(low <= (ms - other) / (own - at) <= high for at, other in near):
            kept.append((own, ms))
    return np.array(kept, np.float64)


def tempo_map(tick: np.ndarray, time: np.ndarray, last_pace: float, limits: Limits) -> TempoMap:
    """Whole µs a quarter between points (ticks, ms), each chosen from where the ones before it really lead."""
    ticks_per_quarter = limits.ticks_per_quarter
    fewest, most = int(np.ceil(limits.shortest * US)), int(min(limits.longest * US, (1 << 24) - 1))
    target = [round(ms * US * ticks_per_quarter) for ms in time]  # µs × ticks a quarter
    reached, micros = 0, []
    for k, span in enumerate(np.diff(tick).tolist()):
        wanted = round((target[k + 1] - reached) / span)
        micros.append(min(max(wanted, fewest), most))
        reached += micros[-1] * span
    micros.append(min(max(round(last_pace * US), fewest), most))
    changed = np.append(True, np.diff(micros) != 0)
    return TempoMap(tick[changed], np.array(micros)[changed], ticks_per_quarter)


def apart(tempo: TempoMap, pairs: np.ndarray) -> np.ndarray:
    """float64[2, P]: by how many ms the first event of a pair (ms [P, 2]) at one tick is off a tick earlier, and the
    second a tick later; 0 where they have a tick each."""
    tick = tempo.ticks(pairs)
    off = np.abs(tempo.milliseconds(tick + np.array([-1, 1])) - pairs)
    return np.where(tick[:, 0] == tick[:, 1], off.T, 0)
