"""The takes of a score as the page knows them, made and kept by the same functions as on the command line."""

import dataclasses
from pathlib import Path
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.performance.expression import NEUTRAL, STRENGTHS
from pianist_jax.performance.pace import first_mark
from pianist_jax.performance.style import WORDS
from pianist_jax.rendering.result import Rendering
from pianist_jax.rendering.stored import (
    BY_HAND,
    Stored,
    apply_edits,
    edit_in_words,
    read_rendering,
    recorded_in_words,
    wanted_in_words,
)
from pianist_jax.rendering.takes import Take, keep_edits, keep_take, list_takes, read_take, switch_to
from pianist_jax.studio.drafts import drafted
from pianist_jax.studio.wishes import Draft, Wish

SHAPES = ("pace", "expression")  # edits that need no model


@dataclasses.dataclass(frozen=True)
class Shape:
    """A performance before it was shaped, and what tempo and strengths were then asked for."""

    base: Take
    asked: dict[str, Any]


def takes_of(stem: Path, content: str) -> list[dict[str, Any]]:
    """What the page is told of each performance: those of the score with this `content`."""
    told = []
    for take in list_takes(stem):
        if not take.identity or take.identity["score"]["content"] != content:
            continue
        samples, seeds = take.identity["settings"]["samples"], [take.identity["seed"]]
        seeds += [edit["seed"] for edit in take.identity["edits"] if "seed" in edit]
        for sample in range(samples):
            which = f".{sample + 1}" if samples > 1 else ""
            told.append(
                {
                    "key": f"{take.number}{which}",
                    "number": take.number,
                    "name": take.name,
                    "label": f"Take {take.number}{which}",
                    "told": _in_words(take),
                    "seed": max(seeds),
                    "current": take.current,
                    "version": f"{take.body} {take.path.stat().st_mtime_ns if take.current else ''}",
                }
            )
    return told


def performance_of(stem: Path, key: str, content: str) -> tuple[Rendering, int]:
    """The rendering that has a performance, and its number there from 0. Raises PianistError where there is none."""
    number, _, sample = key.partition(".")
    missing = PianistError(f"{stem.name}: there is no take {key[:20]!r}")
    if not (number.isdecimal() and (sample or "1").isdecimal() and len(key) < 12):
        raise missing
    takes = {take.number: take for take in list_takes(stem)}
    if int(number) not in takes:
        raise missing
    take = takes[int(number)]
    rendering = _stored(stem, take).rendering
    if rendering.identity["score"]["content"] != content:
        raise PianistError(f"{stem.name}: was performed from another version of this score; perform it anew")
    at = int(sample or "1") - 1
    if not 0 <= at < len(rendering.performances):
        raise missing
    return rendering, at


def shape_of(stem: Path) -> dict[str, Any] | None:
    """Where the sliders stand for the current take: its tempo in beats a minute, and strengths upon what was performed.

    None where nothing is performed.
    """
    found = _shape(stem)
    if found is None:
        return None
    expression = found.asked.get("expression", {})
    rendering, form = _stored(stem, _current(stem)).rendering, expression.get("shape", {})
    hands = set() if rendering.grid is None else set(rendering.grid.hand.tolist())
    return {
        "tempo": round(_beats(rendering)),
        "strength": {name: expression.get(name, 1.0) for name in STRENGTHS},
        "style": {word: value for word, value in expression.get("style", {}).items() if word in WORDS},
        "binary_pedal": bool(expression.get("binary_pedal", False)),
        "balance": form.get("balance", {}),
        "ranges": form.get("ranges", []),
        "hands": {1, 2} <= hands,
    }


def shaped(stem: Path, wish: Wish) -> tuple[Stored, Rendering | None, int]:
    """What was performed, the same at another tempo or with other strengths (None: as it is), and its take's number.

    Nothing is written. Raises PianistError.
    """
    found = _shape(stem)
    if found is None:
        raise PianistError(f"{stem.name}: nothing is performed yet; perform it first")
    base, number = read_take(stem, found.base.number), found.base.number
    pace = wish.pace if isinstance(wish.pace.tempo, float) else None
    if pace is not None and round(wish.pace.tempo) == round(_beats(base.rendering)):  # type: ignore[arg-type]
        pace = None
    if pace is None and wish.expression == NEUTRAL:
        return base, None, number
    return base, apply_edits(base, wish.expression, pace), number


def shape(stem: Path, wish: Wish) -> bool:
    """Make a take of what is `shaped`; False: that is there as it was. Raises PianistError."""
    keep_edits(stem)
    base, rendering, number = shaped(stem, wish)
    if rendering is None:
        switch_to(stem, number)
        return False
    keep_take(rendering, stem, base.extras)
    return True


def keep_draft(stem: Path, draft: Draft, content: str) -> None:
    """Make a take of a performance with edits by hand. Raises PianistError."""
    rendering, at = performance_of(stem, draft.key, content)
    number = int(draft.key.partition(".")[0])
    if number != _current(stem).number:
        switch_to(stem, number)
    keep_edits(stem)
    performances = list(rendering.performances)
    performances[at] = drafted(performances[at], draft)
    edits = rendering.identity["edits"]
    if edits[-1:] == [BY_HAND]:
        rendering = dataclasses.replace(rendering, identity={**rendering.identity, "edits": edits[:-1]})
    keep_take(rendering.replaced(performances, BY_HAND), stem, _stored(stem, _current(stem)).extras)


def _shape(stem: Path) -> Shape | None:
    """The take that the current one was shaped from: it has the same edits up to the last ones that need no model.

    Of several that have, as edits by hand all go by one name, the one that the current one comes from.
    """
    takes = list_takes(stem)
    current = next((take for take in takes if take.current), None)
    if current is None or not current.identity:
        return None
    edits, asked = list(current.identity["edits"]), {}
    if not current.edited:
        while edits and (kind := next((kind for kind in SHAPES if kind in edits[-1]), None)) and kind not in asked:
            asked[kind] = edits.pop()[kind]
    plain, known = {**current.identity, "edits": edits}, {take.number: take for take in takes}
    line: list[Take] = [current]
    while (before := known.get(line[-1].parent or 0)) is not None and before not in line:
        line.append(before)
    base = next((take for take in [*line, *takes] if take.identity == plain), None)
    return Shape(current, {}) if base is None else Shape(base, asked)


def _current(stem: Path) -> Take:
    return next(take for take in list_takes(stem) if take.current)


def _stored(stem: Path, take: Take) -> Stored:
    """A take as it is, edits by hand that wait in NAME.json with it."""
    return read_rendering(take.path) if take.current else read_take(stem, take.number)


def _beats(rendering: Rendering) -> float:
    factor = float(rendering.report.get("tempo", {}).get("factor", 1.0))
    return 120.0 / factor if rendering.grid is None else first_mark(rendering.grid)[0] / factor


def _in_words(take: Take) -> str:
    settings, edits = take.identity["settings"], take.identity["edits"]
    made = recorded_in_words(settings) or f"seed {take.identity['seed']}"
    words = [made, wanted_in_words(settings["expression"]), *map(edit_in_words, edits[-3:])]
    return ", ".join(filter(None, [*words, "edited by hand" if take.edited else ""]))
