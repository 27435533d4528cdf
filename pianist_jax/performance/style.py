"""What tells one pianist's interpretation from another's, in a few words: `performance.styling` changes them.

Each word is a number measured on a whole performance of a score. Its unit is how far pianists of one piece are from
each other, over ASAP's training pairs (`python -m experiments.styles`); so +1 is one of them in six, +2 one in forty.
NumPy only.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import (
    OUTLIER,
    Chords,
    Dealt,
    bounded,
    chord_asynchrony,
    chord_onsets,
    deal,
    log_odds,
    parameters_of,
    time_map,
)
from pianist_jax.performance.pedal_moves import DOWN, TOP, pedal_steps
from pianist_jax.performance.voicing import ROLLED

MOST = 3.0  # deviations
UNITS = {  # the deviation between pianists of one piece, within 128 pieces and 745 performances
    "rubato": 0.113,  # log of the deviation of log-IOI ratios
    "dynamics": 0.108,  # log of the deviation of velocities (log-odds)
    "level": 0.106,  # mean velocity (log-odds)
    "articulation": 0.112,  # mean log-articulation
    "pedal": 0.086,  # share of the time that it is down
    "depth": 0.078,  # mean depth while it is down, of all its way
    "spread": 0.147,  # log of the mean ms from first to last of a chord that is not rolled, but for its melody lead
    "lead": 4.86,  # mean ms by which the top note of such a chord comes before the mean of the others
}
# All others are below 0.22: whoever is free spreads chords, whoever plays softly too.
CORRELATED = {("rubato", "spread"): 0.43, ("level", "spread"): -0.29}
WORDS = tuple(UNITS)
LEAST = 1e-3  # of a deviation whose logarithm is told


@dataclasses.dataclass(frozen=True)
class Style:
    """By how many deviations between pianists a performance is to differ from what it is by default, word by word.

    `variety`: besides, each sample by so many times what one pianist, drawn at random, does. Raises PianistError for
    more than `MOST` deviations.

    >>> parse_style(["rubato=+1,dynamics=-0.5", "pedal=1"]).words
    {'rubato': 1.0, 'dynamics': -0.5, 'pedal': 1.0}
    """

    rubato: float = 0.0
    dynamics: float = 0.0
    level: float = 0.0
    articulation: float = 0.0
    pedal: float = 0.0
    depth: float = 0.0
    spread: float = 0.0
    lead: float = 0.0
    variety: float = 0.0

    def __post_init__(self) -> None:
        for word in WORDS:
            if not abs(getattr(self, word)) <= MOST:
                raise PianistError(
                    f"the style {word}={getattr(self, word):g} is out of reach; give -{MOST:g} to {MOST:g}"
                )
        if not 0 <= self.variety <= MOST:
            raise PianistError(f"the variety is {self.variety:g}, but it must be 0 to {MOST:g}")

    def __bool__(self) -> bool:
        return self != AS_BY_DEFAULT

    @property
    def words(self) -> dict[str, float]:
        """What differs."""
        return {word: float(getattr(self, word)) for word in WORDS if getattr(self, word)}

    def metadata(self) -> dict[str, float]:
        """What a JSON file tells of it."""
        return {**self.words, **({"variety": self.variety} if self.variety else {})}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Style:
        """The style that a JSON file tells of. Raises PianistError or TypeError for what is none."""
        if not all(type(value) in (int, float) for value in told.values()):
            raise TypeError("a style of odd parts")
        return cls(**told)

    def in_words(self) -> str:
        """As in `style rubato +1 pedal -0.5`."""
        return " ".join(["style", *(f"{name} {value:+g}" for name, value in self.metadata().items())])

    def drawn(self, rng: np.random.Generator) -> Style:
        """The style of one sample: with as much of a pianist drawn at random as `variety` says."""
        offset = self.variety * np.linalg.cholesky(_correlation()) @ rng.standard_normal(len(WORDS))
        own = {word: getattr(self, word) + x for word, x in zip(WORDS, offset.tolist(), strict=True)}
        return Style(**{word: min(max(x, -MOST), MOST) for word, x in own.items()})


AS_BY_DEFAULT = Style()


def _correlation() -> np.ndarray:
    """float64 [words, words]: how the words go together in pianists."""
    table = np.eye(len(WORDS))
    for (one, other), r in CORRELATED.items():
        pair = (WORDS.index(one), WORDS.index(other))
        table[pair] = table[pair[::-1]] = r
    return table


def is_style(text: str) -> bool:
    """Whether a word of the command line is one of style, as in `rubato=+1`."""
    return text.partition("=")[0] in WORDS and "=" in text


def parse_style(texts: Sequence[str], variety: float = 0.0) -> Style:
    """The style in `rubato=+1`, `dynamics=-0.5,pedal=1`, … Raises PianistError."""
    found: dict[str, float] = {}
    for text in (part for given in texts for part in given.replace(",", " ").split()):
        word, _, value = text.partition("=")
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if word not in WORDS or not math.isfinite(amount):
            raise PianistError(f"{text!r} is no style; write as in rubato=+1, of {', '.join(WORDS)}")
        if word in found:
            raise PianistError(f"the style {word} is given twice")
        found[word] = amount
    return Style(**found, variety=variety)


def measured(chords: Chords, playing: Dealt) -> dict[str, float]:
    """The words of a performance of a score, each in its own measure (`UNITS`); NaN where there is nothing to measure.

    Raises PianistError where nothing of the score is played.
    """
    clock, mapped = chord_onsets(chords, playing.onset), time_map(chords, playing.onset)
    made = parameters_of(chords, clock, mapped, playing.velocity, playing.end - playing.onset)
    log_ioi, articulation = (bounded(getattr(made, name), OUTLIER[name], drop=True) for name in OUTLIER)
    loud = log_odds(made.velocity[np.isfinite(made.velocity)])
    spread, lead = _hand(chords, playing.onset)
    time, value = pedal_steps(playing.pedal_time, playing.pedal_value, *mapped.span)
    down = value >= DOWN
    return {
        "rubato": _log(_deviation(log_ioi)),
        "dynamics": _log(_deviation(loud)),
        "level": float(loud.mean()),
        "articulation": _mean(articulation),
        "pedal": _ratio(time[down].sum(), time.sum()),
        "depth": _ratio((time * value)[down].sum() / TOP, time[down].sum()),
        "spread": _log(spread),
        "lead": lead,
    }


def measured_of(chords: Chords, performance: Notes) -> dict[str, float]:
    """`measured`, of a performance whose note n plays note n of the score."""
    return measured(chords, deal(performance, np.arange(len(performance))))


def _hand(chords: Chords, onset: np.ndarray) -> tuple[float, float]:
    """Mean spread and lead, ms; a chord counts as no more than `ROLLED`, however it is rolled or misaligned."""
    lead = _mean(np.clip(chord_asynchrony(chords, onset)[1], -ROLLED, ROLLED))
    width, _ = chord_asynchrony(chords, onset + (0.0 if math.isnan(lead) else lead) * is_top(chords))
    return _mean(np.minimum(width, ROLLED)), lead


def is_top(chords: Chords) -> np.ndarray:
    """bool [N]: which note is the highest of its chord; of equals the last."""
    top = np.zeros(len(chords), np.int64)
    upward = np.argsort(chords.pitch, kind="stable")
    top[chords.of[upward]] = upward
    return np.isin(np.arange(chords.notes), top)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _deviation(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.std()) if len(known) > 1 else math.nan


def _log(value: float) -> float:
    return math.log(value) if value > LEAST else math.nan


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else math.nan
