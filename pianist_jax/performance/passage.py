"""What of a rendering is performed anew: some bars, one hand, or one hand in some bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.performance.shape import HANDS
from pianist_jax.performance.shaping import notes_of_hand
from pianist_jax.score.bars import Bars, notes_in

if TYPE_CHECKING:
    from pianist_jax.score.grid import ScoreGrid


@dataclass(frozen=True)
class Passage:
    """Bars from first to last of each of the `ranges` (none: the whole piece), of both hands or of one `hand`.

    Raises PianistError for ranges that do not follow each other, for what is no hand, and for all and everything.
    """

    ranges: tuple[Bars, ...] = ()
    hand: str | None = None

    def __post_init__(self) -> None:
        if not self.ranges and self.hand is None:
            raise PianistError("neither bars nor a hand are named; say which notes are to be performed anew")
        if self.hand is not None and self.hand not in HANDS:
            raise PianistError(f"{self.hand!r} is no hand; choose {' or '.join(HANDS)}")
        for (_, last), (first, _) in pairwise(self.ranges):
            if first <= last:
                raise PianistError(f"bars from {first} on come after bar {last}; let ranges go on, as in 5-8,17-20")

    @classmethod
    def of(cls, bars: Bars | Sequence[Bars] | None = None, hand: str | None = None) -> Passage:
        """The passage of one range of bars, of several or of all (None). Raises PianistError."""
        if bars is None:
            return cls((), hand)
        if len(bars) == 2 and isinstance(bars[0], int):
            bars = [bars]  # type: ignore[list-item]
        return cls(tuple((int(first), int(last)) for first, last in bars), hand)  # type: ignore[union-attr, misc]

    def metadata(self) -> dict[str, Any]:
        """What JSON files tell of it."""
        ranges = [list(bars) for bars in self.ranges]
        told: dict[str, Any] = {"bars": ranges[0] if len(ranges) == 1 else ranges} if ranges else {}
        return told if self.hand is None else {**told, "hand": self.hand}

    @classmethod
    def told(cls, metadata: Mapping[str, Any]) -> Passage:
        """The passage of `metadata`. Raises PianistError, TypeError and the like where that tells of none."""
        return cls.of(metadata.get("bars"), metadata.get("hand"))

    def notes(self, grid: ScoreGrid) -> list[np.ndarray]:
        """bool [N] for each range: its notes. Raises PianistError for what the score does not have or tell."""
        plays = np.ones(len(grid), bool) if self.hand is None else notes_of_hand(grid, self.hand)
        parts = [notes_in(grid, bars) & plays for bars in self.ranges] if self.ranges else [plays]
        for part, bars in zip(parts, self.ranges, strict=False):
            if not part.any():
                who = "" if self.hand is None else f" of the {self.hand} hand"
                raise PianistError(f"no note{who} begins in bars {bars[0]}-{bars[1]}; choose others")
        return parts

    def in_words(self) -> str:
        """As in `bars 5-8, 17-20 of the right hand`."""
        bars = f"bars {', '.join(f'{first}-{last}' for first, last in self.ranges)}" if self.ranges else ""
        hand = "" if self.hand is None else f"the {self.hand} hand"
        return f"{bars} of {hand}" if bars and hand else bars or hand
