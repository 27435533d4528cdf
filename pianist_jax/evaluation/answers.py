"""What listeners answered on listening pages (`listening`), summed up: preferences in pairs and ratings from 1 to 5."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.table import NONE

RATINGS = (1, 2, 3, 4, 5)
HEADING = ("", "listeners", "rated", "rating 1–5", "95% interval", "in pairs", "preferred", "95% interval")


def read_answers(path: Path) -> list[tuple[str, str, float]]:
    """(system, "rating" or "pair", value) of every answer of a listener's file; a pair counts for both: 1, 0 or a half.

    Raises PianistError, naming the file, where it cannot be read, was cut, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PianistError(f"{path}: no whole file of answers ({_short(error)}); save it again on the page") from None
    try:
        systems = set(content["systems"])
        found = [values for answer in content["answers"] for values in _values(answer, systems)]
    except (KeyError, TypeError, ValueError) as error:
        raise PianistError(f"{path}: not a file of answers of a listening page: {_short(error)}") from None
    if not found:
        raise PianistError(f"{path}: no answers in it; leave it out")
    return found


def _short(error: Exception) -> str:
    text = f"no {error}" if isinstance(error, KeyError) else (getattr(error, "strerror", None) or str(error))
    return text.splitlines()[0]


def _values(answer: dict[str, Any], systems: set[str]) -> list[tuple[str, str, float]]:
    if "rating" in answer:
        names, values, kind = [answer["system"]], [answer["rating"]], "rating"
        if values[0] not in RATINGS or isinstance(values[0], bool):
            raise ValueError(f"a rating of {values[0]!r}")
    else:
        names, preferred, kind = [answer["a"], answer["b"]], answer["preferred"], "pair"
        if preferred is not None and preferred not in names:
            raise ValueError(f"a preference for {preferred!r}, which was not in the pair")
        values = [0.5 if preferred is None else float(preferred == name) for name in names]
    for name in names:
        if name not in systems:
            raise ValueError(f"an answer about {name!r}, which is not among its systems")
    return [(name, kind, float(value)) for name, value in zip(names, values, strict=True)]


def summed(paths: Sequence[Path], rng: np.random.Generator) -> list[list[str]]:
    """Rows of text under `HEADING`, a system each, the best first: means over listeners of each one's mean.

    The 95% intervals are of bootstrap draws of listeners; with fewer than three there are none. Raises PianistError.
    """
    listeners = [read_answers(path) for path in paths]
    systems = dict.fromkeys(name for answers in listeners for name, _, _ in answers)
    rows = []
    for system in systems:
        own = [[(kind, value) for name, kind, value in answers if name == system] for answers in listeners]
        cells, order = [str(sum(bool(answers) for answers in own))], []
        for kind, shown in (("rating", "{:.2f}"), ("pair", "{:.0%}")):
            values = [[value for one, value in answers if one == kind] for answers in own]
            means = np.array([np.mean(some) for some in values if some])
            order.append(float(means.mean()) if len(means) else -1.0)
            cells += [str(sum(map(len, values))), shown.format(means.mean()) if len(means) else NONE]
            bounds = stats.bootstrap_interval(means, rng) if len(means) > 2 else ()
            cells.append("..".join(map(shown.format, bounds)) or NONE)
        rows.append((order, [system, *cells]))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0], reverse=True)]
