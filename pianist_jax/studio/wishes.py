"""What a page asks for, read as from a stranger: how a performance is to be, and what of it was changed by hand."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import MAX_MS
from pianist_jax.performance.expression import NEUTRAL, STRENGTHS, Expression
from pianist_jax.performance.pace import AS_WRITTEN, FREE, SCORE, Pace
from pianist_jax.performance.shape import HANDS, Shape
from pianist_jax.performance.style import WORDS, Style
from pianist_jax.score.bars import Bars

MOST = 2**31 - 1  # of a seed
MOST_RANGES = 1000
SETTINGS = ("seed", "tempo", "strength", "binary_pedal", "style", "balance", "ranges", "bars", "locked", "hand")


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a page wants of a performance: which draw it is, how fast, and how much of each kind of expression.

    `bars` alone are performed anew, or all but those `locked`, or one `hand` in those or in all; with nothing of this,
    the whole score is.
    """

    seed: int = 0
    pace: Pace = AS_WRITTEN
    expression: Expression = NEUTRAL
    bars: Bars | None = None
    locked: tuple[Bars, ...] = ()
    hand: str | None = None

    @property
    def whole(self) -> bool:
        """Whether all is performed."""
        return self.bars is None and not self.locked and self.hand is None


@dataclasses.dataclass(frozen=True)
class Draft:
    """What was changed by hand in the performance `key`: (onset, duration, velocity) of notes by number, in ms; all
    movements of the pedal, (ms, value), where it was."""

    key: str
    notes: Mapping[int, tuple[int, int, int]]
    pedal: tuple[tuple[int, int], ...] | None = None


def read_wish(asked: Any) -> Wish:
    """The wish in an object of `SETTINGS`. Raises PianistError."""
    if not isinstance(asked, dict):
        raise PianistError("a wish is an object of settings; load the page anew")
    strength, balance, ranges = asked.get("strength", {}), asked.get("balance", {}), asked.get("ranges", [])
    odd = sorted({*asked} - {*SETTINGS})
    if odd or not isinstance(strength, dict) or {*strength} - {*STRENGTHS}:
        raise PianistError(f"{odd[0] if odd else 'strength'}: no such setting; load the page anew")
    if not isinstance(balance, dict) or {*balance} - {*HANDS}:
        raise PianistError(f"the balance is between {' and '.join(HANDS)}; load the page anew")
    style = asked.get("style", {})
    if not isinstance(style, dict) or {*style} - {*WORDS}:
        raise PianistError(f"a style is told of in {', '.join(WORDS)}; load the page anew")
    seed = asked.get("seed", 0)
    if type(seed) is not int or not 0 <= seed <= MOST:
        raise PianistError(f"the seed is {str(seed)[:20]!r}, but it must be a whole number from 0 on")
    tempo = asked.get("tempo", SCORE)
    if tempo not in (SCORE, FREE):
        tempo = _number(tempo, "the tempo")
    strengths: dict[str, Any] = {name: _number(value, f"the strength of {name}") for name, value in strength.items()}
    levels = tuple((hand, _number(level, f"the balance of the {hand} hand")) for hand, level in balance.items())
    shape = Shape(tuple((hand, level) for hand, level in levels if level), _ranges(ranges))
    pedal = bool(asked.get("binary_pedal", False))
    own = Style(**{word: _number(value, f"the style {word}") for word, value in style.items()})
    expression = dataclasses.replace(NEUTRAL, **strengths, binary_pedal=pedal, shape=shape, style=own)
    bars = None if asked.get("bars") is None else _bars(asked["bars"])
    hand = asked.get("hand")
    if hand not in (None, *HANDS):
        raise PianistError(f"{str(hand)[:20]!r} is no hand; choose {' or '.join(HANDS)}")
    return Wish(seed, Pace(tempo), expression, bars, tuple(map(_bars, _listed(asked.get("locked", [])))), hand)


def read_draft(asked: Any) -> Draft:
    """The draft in an object {"take", "notes": {number: [onset, duration, velocity]}, "pedal"}. Raises PianistError."""
    if not isinstance(asked, dict) or not isinstance(asked.get("take"), str):
        raise PianistError("an edit is of a take; load the page anew")
    notes, pedal = asked.get("notes", {}), asked.get("pedal")
    if not isinstance(notes, dict) or not all(number.isdecimal() and len(number) < 10 for number in notes):
        raise PianistError("edited notes are told of by their numbers; load the page anew")
    changed = {int(number): _note(value, number) for number, value in notes.items()}
    if not isinstance(pedal, list | None):
        raise PianistError("the pedal's movements come in a list; load the page anew")
    moved = None if pedal is None else tuple(_whole(event, (0, 0), (MAX_MS, 127), "the pedal") for event in pedal)
    return Draft(asked["take"], changed, None if moved is None else tuple((time, value) for time, value in moved))


def _note(value: Any, number: str) -> tuple[int, int, int]:
    onset, duration, velocity = _whole(value, (0, 1, 1), (MAX_MS // 2, MAX_MS // 2, 127), f"note {number}")
    return onset, duration, velocity


def _whole(value: Any, low: tuple[int, ...], high: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Whole numbers, each within its limits."""
    if not isinstance(value, list) or len(value) != len(low) or any(type(each) is not int for each in value):
        raise PianistError(f"{what} is {str(value)[:30]!r}, but it must be {len(low)} whole numbers")
    for each, least, most in zip(value, low, high, strict=True):
        if not least <= each <= most:
            raise PianistError(f"{what} has {each}, but that must be {least} to {most}")
    return tuple(value)


def _ranges(value: Any) -> tuple[tuple[str, float, Bars], ...]:
    found = []
    for each in _listed(value):
        if not (isinstance(each, list) and len(each) == 3 and isinstance(each[0], str)):
            raise PianistError("the strength of some bars is its name, how much, and the bars; load the page anew")
        found.append((each[0], _number(each[1], f"the strength of {each[0]}"), _bars(each[2])))
    return tuple(found)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_RANGES:
        raise PianistError("bars are told of in a list; load the page anew")
    return value


def _number(value: Any, what: str) -> float:
    if type(value) not in (int, float):
        raise PianistError(f"{what} is {str(value)[:20]!r}, but it must be a number")
    return float(value)


def _bars(value: Any) -> Bars:
    if not (isinstance(value, list) and len(value) == 2 and all(type(bar) is int for bar in value)):
        raise PianistError("bars are the first and the last, as in [17, 32]")
    if not 1 <= value[0] <= value[1]:
        raise PianistError("bars count from 1, the first before the last")
    return value[0], value[1]
