"""A say in a performance: what stays as written, how strong each kind of expression is, tempo, kind of pedal.

Pure functions of arrays: they act on performed notes, whoever played them. Chords are notes written within 10 ms.

* timing: every gap between chords has a tempo; its distance from the mean tempo is scaled in the log domain, and the
  whole keeps its length. So does the spread of chords (linearly). Gaps that are off more than threefold, as ornaments
  and fermatas are, get no further exaggerated.
* dynamics: velocities move away from or towards the performance's own mean, on a scale (the log-odds of 128) that
  ends at 1 and 127, so that nothing clips. The mean and not the written velocity is the middle: most scores have one
  velocity throughout, and a stronger contrast must not turn written dynamics around.
* articulation: performed over written length, at the local tempo, scaled in the log domain; 0 is full written length.
* pedal: its depth.

What is kept is the score's own: its velocities, its onsets at its own tempo, its lengths and its pedal at the tempo
of the performance. Notes move with the tempo in whole: releases and pedal stay where they were in the bar.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import (
    Chords,
    TimeMap,
    chords_of,
    clock_of,
    log_odds,
    moved,
    of_log_odds,
    placed,
)
from pianist_jax.performance.playable import drop_repeated_pedal, make_playable
from pianist_jax.performance.shape import AS_PLAYED, Shape
from pianist_jax.performance.style import AS_BY_DEFAULT, Style

STRENGTHS = ("timing", "dynamics", "articulation", "pedal")
KEEPS = {"velocity": "dynamics", "timing": "timing", "articulation": "articulation", "pedal": "pedal"}
KEPT_FROM = {  # style, where that is kept as written
    "velocity": ("dynamics", "level"),
    "timing": ("rubato", "spread", "lead"),
    "articulation": ("articulation",),
    "pedal": ("pedal", "depth"),
}
STRONGEST = 4.0
TEMPO_SCALES = (0.1, 10.0)
EXAGGERATED = math.log(3.0)  # distance from the mean up to which timing and articulation are exaggerated
HALF = 64  # the pedal's middle


@dataclass(frozen=True)
class Expression:
    """What becomes of a performance: strengths (1: as played, 0: none of it), what is kept, tempo, pedal, style.

    `keep` names what stays the score's own (`velocity`, `timing`, `articulation`, `pedal`); `tempo_scale` 1.1 is 10%
    faster. Pedal values below `pedal_threshold` are up; with `binary_pedal` those from there on are fully down, without
    a threshold for as much of the time as the pedal is deep (`share_keeping`). The `style` comes first
    (`performance.styling`), the `shape` last. Raises PianistError for what makes no sense.

    >>> Expression(dynamics=1.2).changes_time
    False
    >>> Expression(timing=9)
    Traceback (most recent call last):
    pianist_jax.errors.PianistError: the strength of timing is 9, but it must be 0 to 4
    """

    timing: float = 1.0
    dynamics: float = 1.0
    articulation: float = 1.0
    pedal: float = 1.0
    keep: tuple[str, ...] = ()
    tempo_scale: float = 1.0
    pedal_threshold: int = 0
    binary_pedal: bool = False
    shape: Shape = AS_PLAYED
    style: Style = AS_BY_DEFAULT

    def __post_init__(self) -> None:
        for name, times, _ in self.shape.ranges:
            _require_strength(name, times)
        object.__setattr__(self, "keep", tuple(name for name in KEEPS if name in self.keep) + _unknown(self.keep))
        for name in self.keep:
            if name not in KEEPS:
                raise PianistError(f"{name!r} cannot be kept; choose {', '.join(KEEPS)}")
            if getattr(self, KEEPS[name]) != 1:
                raise PianistError(f"{name} is kept as written, so the strength of {KEEPS[name]} means nothing")
        for word, why in self.no_style.items():
            if word in self.style.words:
                raise PianistError(f"{why}, so the style {word} means nothing")
        for name in STRENGTHS:
            _require_strength(name, getattr(self, name))
        if not TEMPO_SCALES[0] <= self.tempo_scale <= TEMPO_SCALES[1]:
            low, high = TEMPO_SCALES
            raise PianistError(f"the tempo scale is {self.tempo_scale}, but it must be {low:g} to {high:g}")
        if not 0 <= self.pedal_threshold <= 127:
            raise PianistError(f"the pedal threshold is {self.pedal_threshold}, but it must be 0 to 127")

    def metadata(self) -> dict[str, Any]:
        """What a JSON file tells of it."""
        finer: dict[str, Shape | Style] = {"shape": self.shape, "style": self.style}
        told = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in finer}
        asked = {name: one.metadata() for name, one in finer.items() if one}
        return {**told, "keep": list(self.keep), **asked}

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Expression:
        """The expression that a JSON file tells of. Raises PianistError for what makes no sense."""
        known = {field.name for field in dataclasses.fields(cls)}
        told = {key: value for key, value in metadata.items() if key in known}
        shape = Shape.of(told["shape"]) if "shape" in told else AS_PLAYED
        style = Style.of(told.get("style", {}))
        return cls(**{**told, "keep": tuple(told["keep"]), "shape": shape, "style": style})

    @property
    def no_style(self) -> dict[str, str]:
        """The words of style that mean nothing, and why."""
        kept = {word: f"{name} is kept as written" for name in self.keep for word in KEPT_FROM[name]}
        return {**kept, **({"depth": "the pedal is up or fully down"} if self.binary_pedal else {})}

    def drawn(self, key: np.ndarray) -> Expression:
        """The expression of one sample: its style, where that has variety, drawn from `key`, uint32 [2]."""
        if not self.style.variety:
            return self
        style = self.style.drawn(np.random.default_rng(key))
        return dataclasses.replace(self, style=dataclasses.replace(style, **dict.fromkeys(self.no_style, 0.0)))

    @property
    def changes_time(self) -> bool:
        """Whether onsets may move."""
        return self.timing != 1 or self.tempo_scale != 1 or "timing" in self.keep


def _require_strength(name: str, strength: float) -> None:
    if name not in STRENGTHS:
        raise PianistError(f"{name!r} is no kind of expression; choose {', '.join(STRENGTHS)}")
    if not 0 <= strength <= STRONGEST:
        raise PianistError(f"the strength of {name} is {strength}, but it must be 0 to {STRONGEST:g}")


def _unknown(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in KEEPS)


NEUTRAL = Expression()


def is_strength(text: str) -> bool:
    """Whether a word of the command line is a strength, as in `timing=0.8`."""
    return text.partition("=")[0] in STRENGTHS and "=" in text


def parse_strengths(texts: Sequence[str]) -> dict[str, float]:
    """The strengths in `timing=0.8`, `dynamics=1.2,pedal=1`, … by name. Raises PianistError."""
    found: dict[str, float] = {}
    for text in (part for given in texts for part in given.replace(",", " ").split()):
        name, _, value = text.partition("=")
        try:
            strength = float(value)
        except ValueError:
            strength = math.nan
        if name not in STRENGTHS or not math.isfinite(strength):
            raise PianistError(f"{text!r} is no strength; write as in timing=0.8, of {', '.join(STRENGTHS)}")
        if name in found:
            raise PianistError(f"the strength of {name} is given twice")
        found[name] = strength
    return found


def express(score: Notes, performance: Notes, expression: Expression, middle: float | None = None) -> Notes:
    """The performance (note n plays note n of the score, ms) as `expression` wants it; the first onset stays.

    `middle` is the log-odds of the velocity that dynamics move away from, if not the performance's own mean.
    """
    if expression == NEUTRAL or not len(score):
        return performance
    e = expression
    chords = chords_of(score)
    played = wanted = clock_of(chords, performance.onset)
    onset, duration = performance.onset, performance.duration
    if e.changes_time:
        wanted = _paced(chords.onset, played, e)
        onset = _onsets(chords, onset, played, wanted, e)
        late = performance.onset.min() - onset.min()
        onset, wanted = onset + late, wanted + late
    if e.changes_time or e.articulation != 1 or "articulation" in e.keep:
        duration = _durations(chords, duration, played, wanted, e)
    velocity = score.velocity if "velocity" in e.keep else contrast(performance.velocity, e.dynamics, middle)
    pedal_time, pedal_value = performance.pedal_time, performance.pedal_value
    if "pedal" in e.keep:
        pedal_time, pedal_value = moved(score.pedal_time, chords.onset, wanted), score.pedal_value
    elif e.changes_time:
        pedal_time = moved(pedal_time, played, wanted)
    changed = Notes(performance.pitch, onset, duration, velocity, pedal_time, _depth(pedal_time, pedal_value, e))
    return make_playable(drop_repeated_pedal(changed), as_struck=not e.changes_time)


def _scaled(deviation: np.ndarray, strength: float) -> np.ndarray:
    """Log deviations times a strength; above 1 only what is within `EXAGGERATED` grows."""
    if strength <= 1:
        return deviation * strength
    return deviation + (strength - 1) * np.clip(deviation, -EXAGGERATED, EXAGGERATED)


def _paced(written: np.ndarray, played: np.ndarray, e: Expression) -> np.ndarray:
    """float64 [C] ms: when the chords are to begin."""
    gap, own = np.diff(played), np.diff(written)
    if "timing" in e.keep:
        gap = own
    elif e.timing != 1 and len(gap):
        gap = freer(own, gap, e.timing)
    return played[0] + np.concatenate([[0.0], np.cumsum(gap / e.tempo_scale)])


def freer(written: np.ndarray, gap: np.ndarray, strength: float) -> np.ndarray:
    """float64 [C - 1] ms: the gaps between chords, their tempi so much further from the mean, as long in all."""
    mean = gap.sum() / written.sum()
    freed = written * mean * np.exp(_scaled(np.log(gap / (written * mean)), strength))
    return freed * gap.sum() / freed.sum()


def _onsets(chords: Chords, onset: np.ndarray, played: np.ndarray, wanted: np.ndarray, e: Expression) -> np.ndarray:
    """int64 [N] ms: chords at their wanted times, their spread scaled."""
    spread = (onset - played[chords.of]) / e.tempo_scale
    strength = 0.0 if "timing" in e.keep else e.timing
    if strength != 1:
        own = (chords.start - chords.onset[chords.of]) / e.tempo_scale
        spread = own + strength * (spread - own)
    return placed(chords, wanted, spread)


def _durations(chords: Chords, length: np.ndarray, played: np.ndarray, wanted: np.ndarray, e: Expression) -> np.ndarray:
    """int64 [N] ms: written lengths at the wanted tempo times the scaled articulation."""
    before, after = (TimeMap(chords.onset, clock).lengths(chords) for clock in (played, wanted))
    articulation = np.log(np.maximum(length, 1) / before)
    strength = 0.0 if "articulation" in e.keep else e.articulation
    return np.maximum(np.rint(after * np.exp(_scaled(articulation, strength))), 1).astype(np.int64)


def contrast(velocity: np.ndarray, strength: float, middle: float | None = None) -> np.ndarray:
    """int16 [N]: velocities further from the middle (their mean), or nearer, by their log-odds."""
    if strength == 1:
        return velocity
    odds = log_odds(velocity)
    middle = odds.mean() if middle is None else middle
    return of_log_odds(middle + strength * (odds - middle))


def _depth(time: np.ndarray, value: np.ndarray, e: Expression) -> np.ndarray:
    """int16 [P]: pedal values scaled, then those below the threshold up, with `binary_pedal` the others down."""
    value = np.clip(np.rint(value * e.pedal), 0, 127).astype(np.int16)
    least = e.pedal_threshold or (share_keeping(time, value) if e.binary_pedal else 0)
    return np.where(value < least, 0, 127 if e.binary_pedal else value).astype(np.int16)


def share_keeping(time: np.ndarray, value: np.ndarray) -> int:
    """The threshold, 1..127, from which a pedal (events at `time` ms, values 0..127) is down for as much of the time as
    it is deep on average. Of several the one nearest to its middle.

    From the middle on would leave dry what is played with a shallow pedal, and anything above 0 would drown it.
    """
    if not len(time):
        return HALF
    at = np.bincount(value, np.diff(time, append=time[-1]), minlength=128)
    down = np.cumsum(at[::-1])[::-1][1:]  # ms at so much or more, from 1 on
    off = np.abs(down - at @ np.arange(128) / 127)
    nearest = np.flatnonzero(off <= off.min() + 1e-9) + 1
    return int(nearest[np.argmin(np.abs(nearest - HALF))])
