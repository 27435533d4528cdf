"""What may be wanted of hands, of some bars, and of when places of the score come: `performance.shaping` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.score.bars import Bars

HANDS = {"right": 1, "left": 2}
LOUDEST = 24.0  # dB that a hand may be louder or softer
SWINGS = (50.0, 80.0)  # percent
LONGEST_LEAD = 600.0  # seconds
MOST_HITS = 1000


@dataclass(frozen=True)
class Shape:
    """What is wanted; nothing by default.

    `balance` (hand, dB); `ranges` (strength's name, times, bars); `swing` percent; `lead_in` seconds; `hits` (bar and
    how far into it, as in 24.5; seconds from the beginning of the file). Raises PianistError for what makes no sense.
    """

    balance: tuple[tuple[str, float], ...] = ()
    ranges: tuple[tuple[str, float, Bars], ...] = ()
    swing: float | None = None
    lead_in: float | None = None
    hits: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for hand, level in self.balance:
            if hand not in HANDS:
                raise PianistError(f"{hand!r} is no hand; choose {' or '.join(HANDS)}")
            if not abs(level) <= LOUDEST:
                raise PianistError(
                    f"the balance of the {hand} hand is {level:g}, but at most {LOUDEST:g} dB make sense"
                )
        if len({hand for hand, _ in self.balance}) < len(self.balance):
            raise PianistError("the balance of a hand is given twice")
        if self.swing is not None and not SWINGS[0] <= self.swing <= SWINGS[1]:
            raise PianistError(f"the swing is {self.swing:g}, but it must be {SWINGS[0]:g} to {SWINGS[1]:g} percent")
        if self.lead_in is not None and not 0 <= self.lead_in <= LONGEST_LEAD:
            raise PianistError(f"the lead-in is {self.lead_in:g}, but it must be 0 to {LONGEST_LEAD:g} seconds")
        if len(self.hits) > MOST_HITS:
            raise PianistError(f"{len(self.hits)} hits are more than {MOST_HITS}")
        hits = sorted(self.hits)
        for (place, time), (_, later) in pairwise(hits):
            if not time < later:
                raise PianistError(
                    f"the hit of bar {place:g} comes no earlier than the one behind it; put them in order"
                )
        object.__setattr__(self, "hits", tuple(hits))

    def __bool__(self) -> bool:
        return self != AS_PLAYED

    def metadata(self) -> dict[str, Any]:
        """What a JSON file tells of it."""
        return {
            "balance": dict(self.balance),
            "ranges": [[name, times, list(bars)] for name, times, bars in self.ranges],
            "swing": self.swing,
            "lead_in": self.lead_in,
            "hits": [list(hit) for hit in self.hits],
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Shape:
        """The shape that a JSON file tells of. Raises PianistError, TypeError or KeyError for what is none."""
        try:
            ranges = tuple((str(name), float(times), (int(a), int(b))) for name, times, (a, b) in told["ranges"])
            hits = tuple((float(place), float(time)) for place, time in told["hits"])
        except ValueError as error:
            raise TypeError("a shape of odd parts") from error
        return cls(tuple(told["balance"].items()), ranges, told["swing"], told["lead_in"], hits)

    def in_place(self) -> Shape:
        """What of it leaves everything where it is in time."""
        return Shape(self.balance, self.ranges, self.swing)

    def in_words(self) -> str:
        """As in `left -3 dB, timing 1.5 in bars 17-24, bar 24 at 63.5 s`."""
        words = [f"{hand} {level:+g} dB" for hand, level in self.balance]
        words += [f"{name} {times:g} in bars {bars[0]}-{bars[1]}" for name, times, bars in self.ranges]
        words += [f"swing {self.swing:g}%"] if self.swing is not None else []
        words += [f"lead-in {self.lead_in:g} s"] if self.lead_in is not None else []
        return ", ".join([*words, *(f"bar {place:g} at {time:g} s" for place, time in self.hits)])


AS_PLAYED = Shape()
