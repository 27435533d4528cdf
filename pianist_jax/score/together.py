"""How the parts beside the pianist's are to play: as an ensemble, or as they stand on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError

MOST_SPREAD, MOST_BALANCE = 3.0, 20.0
CURVES = {"cc11": 11, "cc1": 1, "none": 0}
NUMBERS = ("spread", "balance")
DEADPAN = "deadpan"
KEYS = f"{DEADPAN}, spread=1 (times an ensemble's asynchrony), balance=2 (dB the soloist is above), curve=cc11|cc1|none"


@dataclass(frozen=True)
class Ensemble:
    """How other parts play (`performance.players`), or where not `shaped` how they stand on the page.

    `spread` times as far from the pianist as ensembles are; a soloist `balance` dB above the rest; the curve of what
    swells within its notes on `controller` (0: none).
    """

    shaped: bool = True
    spread: float = 1.0
    balance: float = 2.0
    controller: int = 11

    def metadata(self) -> dict[str, Any]:
        """What is told of it; `of` reads it."""
        return asdict(self)

    @staticmethod
    def of(told: dict[str, Any] | None) -> Ensemble:
        """The ensemble that settings tell of; nothing was told of those before there were any, which were deadpan.

        Raises TypeError or ValueError for what is none.
        """
        if told is None:
            return Ensemble(shaped=False)
        found = Ensemble(**told)
        numbers = (found.spread, found.balance)
        if type(found.shaped) is not bool or not all(type(each) in (int, float) for each in numbers):
            raise TypeError("an ensemble of odd parts")
        if not _sane(found) or found.controller not in CURVES.values():
            raise ValueError("an ensemble of odd parts")
        return found


@dataclass(frozen=True, eq=False)
class Playing:
    """How somebody plays the N notes of a part: beside the ensemble's time map, so that it goes wherever that does.

    `shift` float64[N] ms after their time there, `length` float64[N] times as long as there, `velocity` int64[N];
    pedal events at `pedal_time` float64[P] ms of the score, `pedal_value` int64[P]. `exact`: that is a recording, to
    which nothing is added.
    """

    shift: np.ndarray
    length: np.ndarray
    velocity: np.ndarray
    pedal_time: np.ndarray
    pedal_value: np.ndarray
    exact: bool = False


AN_ENSEMBLE = Ensemble()


def parse_ensemble(texts: Sequence[str]) -> Ensemble:
    """The ensemble in `spread=0.5`, `balance=0,curve=cc1` …; "deadpan" alone. Raises PianistError."""
    words = [word for text in texts for word in text.replace(",", " ").split()]
    if DEADPAN in words:
        if len(words) > 1:
            raise PianistError(f"parts that play {DEADPAN} are not shaped; leave the rest out")
        return Ensemble(shaped=False)
    found, given = Ensemble(), set[str]()
    for word in words:
        key, _, value = word.partition("=")
        if key in given:
            raise PianistError(f"{key} is given twice in {' '.join(words)!r}; give it once")
        given.add(key)
        if key in NUMBERS:
            spread, balance = (_number(value) if key == each else getattr(found, each) for each in NUMBERS)
            found = replace(found, spread=spread, balance=balance)
        elif key == "curve" and value in CURVES:
            found = replace(found, controller=CURVES[value])
        else:
            raise PianistError(f"{word!r} says nothing of an ensemble; write of {KEYS}")
    if not _sane(found):
        raise PianistError(
            f"an ensemble has a spread from 0 to {MOST_SPREAD:g} and a balance within {MOST_BALANCE:g} dB; not so in "
            f"{' '.join(words)!r}"
        )
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _sane(ensemble: Ensemble) -> bool:
    return 0 <= ensemble.spread <= MOST_SPREAD and abs(ensemble.balance) <= MOST_BALANCE
