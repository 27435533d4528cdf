"""How a score is to be read: which of its parts, with its repeats or not, its ornaments in which style."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.score.ornaments import PLAIN, OrnamentStyle
from pianist_jax.score.together import AN_ENSEMBLE, Ensemble

FASTEST_MS, SLOWEST_MS = 40.0, 400.0  # a note of a trill
SIGNS_ALONE = "none"
WORDS: dict[str, dict[str, Any]] = {
    "trills": {"main": False, "upper": True, "composer": None},
    "arpeggios": {"first": False, "last": True},
}
FIELDS = {"trills": "upper_trills", "arpeggios": "last_on_beat"}
KEYS = "trills=main|upper|composer, arpeggios=first|last, pace=MS, none"


@dataclasses.dataclass(frozen=True)
class Reading:
    """Of several parts the `part` that is wanted (None: the keyboards'); repeats; how ornaments are played.

    `accompany`: the other parts sound beside it, as the `ensemble` has it.
    """

    part: str | None = None
    repeats: bool = True
    style: OrnamentStyle = PLAIN
    accompany: bool = False
    ensemble: Ensemble = AN_ENSEMBLE

    def metadata(self) -> dict[str, Any]:
        """What is not as it is where nothing is said."""
        found: dict[str, Any] = {} if self.part is None else {"part": self.part}
        if not self.repeats:
            found["repeats"] = False
        if self.accompany:
            found["accompany"] = self.ensemble.metadata()
        if self.style != PLAIN:
            found["ornaments"] = dataclasses.asdict(self.style)
        return found


AS_IT_STANDS = Reading()


def parse_ornaments(texts: Sequence[str]) -> OrnamentStyle:
    """The style in `trills=upper`, `arpeggios=last,pace=60` …; "none" alone: signs that are not played.

    Raises PianistError.
    """
    found: dict[str, Any] = {}
    parts = [part for text in texts for part in text.replace(",", " ").split()]
    if SIGNS_ALONE in parts and len(parts) > 1:
        raise PianistError(f"ornaments that are not played ({SIGNS_ALONE}) have no style; leave the rest out")
    for part in parts:
        key, _, value = part.partition("=")
        field = {**FIELDS, "pace": "trill_ms"}.get(key, "")
        if part == SIGNS_ALONE:
            found["played"] = False
        elif key in WORDS and value in WORDS[key]:
            found[field] = WORDS[key][value]
        elif key == "pace":
            found[field] = _milliseconds(value)
        else:
            raise PianistError(f"{part!r} is no style of ornaments; write of {KEYS}")
    if len(found) < len(parts):
        raise PianistError(f"a style of ornaments is given twice in {' '.join(parts)!r}; give it once")
    return OrnamentStyle(**found)


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not FASTEST_MS <= value <= SLOWEST_MS:
        raise PianistError(f"{text!r} is no pace of trills; give ms a note, from {FASTEST_MS:g} to {SLOWEST_MS:g}")
    return value
