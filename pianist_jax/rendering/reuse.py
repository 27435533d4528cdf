"""What of a wanted rendering is there already, so that nothing is performed that has been performed before."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.shaping import express_all
from pianist_jax.rendering.claims import Claims
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.outputs import Saved, is_made, output_paths, save_rendering, wanted_paths
from pianist_jax.rendering.result import for_sample
from pianist_jax.rendering.stored import Stored, read_rendering
from pianist_jax.rendering.takes import keep_take, list_takes, read_take, require_unchanged, switch_to


def at_hand(stem: Path, identity: dict[str, Any], extras: Extras, *, has_bars: bool, takes: bool) -> bool:
    """Whether all files of the rendering with this `identity` are there, extras as they are wanted.

    Raises PianistError, naming it, where a file is in the way; where `takes` are kept another take of the same score
    is not, as long as its files are as they were written.
    """
    other = _other_take(stem, identity) if takes else None
    if other is None:
        return is_made(stem, identity, extras, has_bars=has_bars)
    if other.by_hand:
        raise PianistError(f"{other.path}: was edited; `pianist apply` keeps that as a take, --force leaves it out")
    paths = wanted_paths(stem, identity["settings"]["samples"], extras, has_bars=has_bars)
    require_unchanged(stem, other, paths[:-1])
    return False


def made_again(
    stem: Path,
    identity: dict[str, Any],
    extras: Extras,
    expression: Expression,
    *,
    takes: bool,
    claims: Claims | None = None,
) -> Saved:
    """The files of the rendering with this `identity`, made without performing: none where that cannot be.

    From its own JSON file, where other files are missing or more are wanted; where `takes` are kept also from another
    take with these settings, or from one without any expression, whose notes the `expression` then changes as it would
    have changed them when they were performed. `at_hand` has told before that nothing is in the way. `claims`: those of
    a run that is at it already.
    """
    path = output_paths(stem, 1)[1]
    if path.exists() and (stored := read_rendering(path)).rendering.identity == identity and not stored.by_hand:
        there = dataclasses.replace(stored.extras.also(extras), tempo_events=extras.tempo_events)
        return save_rendering(stored.rendering, stem, force=True, extras=there, take=stored.take)
    if not takes:
        return Saved()
    settings = identity["settings"]
    plain = {**identity, "settings": {**settings, "expression": NEUTRAL.metadata()}}
    for take in list_takes(stem):
        if take.identity == identity:
            return switch_to(stem, take.number, extras, claims=claims)
    for take in list_takes(stem):
        if take.identity == plain and expression.tempo_scale == 1:
            bare = read_take(stem, take.number).rendering
            told = identity["seed"], identity["score"]["content"]
            own = [for_sample(expression, *told, k) for k in range(len(bare.performances))]
            both = zip(bare.performances, own, strict=True)
            performances = tuple(express_all(bare.score, bare.grid, notes, each) for notes, each in both)
            changed = dataclasses.replace(bare, performances=performances, identity=identity)
            return keep_take(changed.with_room(expression), stem, extras, claims=claims)
    return Saved()


def _other_take(stem: Path, identity: dict[str, Any]) -> Stored | None:
    """What is rendered at `stem` of the same score from other settings, if anything."""
    path = output_paths(stem, 1)[1]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["score"]["content"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if content != identity["score"]["content"]:
        return None
    stored = read_rendering(path)
    return None if stored.rendering.identity == identity else stored
