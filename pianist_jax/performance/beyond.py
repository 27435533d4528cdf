"""Where an editable file is not what it would be without its limits, in words, bar by bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.tempo_events import AUDIBLE, Limits
from pianist_jax.performance.tempo_map import Mapped

FINEST = 3840  # ticks a quarter
AS_NOTATION = "notes stand where and as long as they are written, with a tempo a bar, for notation programs"


def beyond(mapped: Mapped, performance: Notes, limits: Limits, changed: Sequence[int] = ()) -> tuple[str, ...]:
    """What the limits have cost, or the writing as notation, a line each: none where they have cost nothing.

    `performance` is what was mapped, in ms; `changed` are the bars that `sequencer.for_sequencers` gave another length.
    Bars count from 1, as they are played.
    """
    found = []
    if changed:
        found.append(f"{in_words(changed)}: of a length that sequencers do not take, written to the nearest sixteenth")
    if mapped.events == "bar":
        return (*found, AS_NOTATION)
    bars, worst = _missed(mapped, performance)
    if len(bars):
        finer = f" (--ppq {FINEST} is finer)" if limits.ticks_per_quarter < FINEST else ""
        found.append(f"{in_words(bars)}: some events are up to {worst:.1f} ms off, so long are ticks there{finer}")
    slow, fast = _outside(mapped, performance, limits)
    if len(fast):
        halve = "" if slow.size else " (--halve-values writes half the note values)"
        found.append(
            f"{in_words(fast)}: faster than {limits.fastest:g} quarters a minute; notes leave their beats{halve}"
        )
    if len(slow):
        found.append(f"{in_words(slow)}: slower than {limits.slowest:g} quarters a minute; notes leave their beats")
    return tuple(found)


def in_words(bars: Sequence[int] | np.ndarray) -> str:
    """Numbers of bars as in `bars 3, 7-9`."""
    numbers = np.unique(np.asarray(bars, np.int64))
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"bar{'s' if len(numbers) > 1 else ''} {', '.join(words)}"


def _missed(mapped: Mapped, performance: Notes) -> tuple[np.ndarray, float]:
    """The bars with events that are more than `AUDIBLE` ms off, and by how much at worst."""
    notes, tempo = mapped.notes, mapped.tempo
    ticks = np.concatenate([notes.onset, notes.end, notes.pedal_time])
    played = np.concatenate([performance.onset, performance.end, performance.pedal_time]) + mapped.offset
    off = np.abs(tempo.milliseconds(ticks) - np.maximum(played, 0))
    late = off > AUDIBLE + 1e-6
    return _bars(mapped, ticks[late]), float(off.max(initial=0.0))


def _bars(mapped: Mapped, ticks: np.ndarray) -> np.ndarray:
    """The bars that ticks of the file lie in, each once."""
    place = ticks * mapped.score.ticks_per_quarter / mapped.tempo.ticks_per_quarter
    return np.unique(np.floor(mapped.score.bar_of(np.minimum(place, mapped.score.bars()[-1] - 1))).astype(np.int64))


def _outside(mapped: Mapped, performance: Notes, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """The bars that were played more slowly, and faster, than the limits, from the first onset of one to the next's."""
    score = mapped.score
    bar = np.floor(score.bar_of(score.onset)).astype(np.int64)
    numbers, own = np.unique(bar, return_inverse=True)
    if len(numbers) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    place, time = np.full((2, len(numbers)), np.inf)
    np.minimum.at(place, own, score.quarters)
    np.minimum.at(time, own, performance.onset)
    pace = np.diff(time) / np.diff(place)
    return numbers[:-1][pace > limits.longest], numbers[:-1][pace < limits.shortest]
