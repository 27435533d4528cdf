"""Everything `pianist evaluate` finds out: candidates and controls side by side, as one plain dict.

about       what was compared: package version, pieces, human performances, seed, what the caller adds
systems     by name, the left-out human first, then the candidates, then the controls; each with `kind` (human,
            candidate or control), `about`, `composite` (`composite.composite`), `summary`, `paper`, `pieces`,
            `samples` and `warnings` (`suite`), `likelihood` where it was measured, and `classifier` (of humans,
            candidates and rules: whether they can be told from humans, and by what)
humans      what the humans reach among themselves: ceilings and reliability (`aligned.human_metrics`)
composite   the weights of the summary figure
controls    which metrics are meant to catch each control, and which are known to miss it
warnings    all of them, once
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.evaluation.candidates import Candidates
from pianist_jax.evaluation.classifier import add_classifier
from pianist_jax.evaluation.composite import WEIGHTS, composite
from pianist_jax.evaluation.controls import CAUGHT_BY, MISSED_BY
from pianist_jax.evaluation.pieces import Played, PlayedPiece, as_played
from pianist_jax.evaluation.rules import perform
from pianist_jax.evaluation.suite import Report, evaluate_controls, evaluate_pieces

HUMAN, DEADPAN, RULES = "human", "deadpan", "rules"


def common_pieces(pieces: Sequence[PlayedPiece], entries: Sequence[Candidates]) -> tuple[list[PlayedPiece], list[str]]:
    """The pieces that every entry has performed, and a warning for each of the others: all are judged on the same.

    Raises PianistError where there is none.
    """
    lacking = {piece.name: [one.name for one in entries if piece.name not in one.performances] for piece in pieces}
    common = [piece for piece in pieces if not lacking[piece.name]]
    if not common:
        raise PianistError("no piece was performed by all of " + ", ".join(one.name for one in entries))
    return common, [
        f"{name}: not performed by {', '.join(missing)}; left out for all"
        for name, missing in lacking.items()
        if missing
    ]


def evaluate(
    pieces: Sequence[PlayedPiece],
    entries: Sequence[Candidates],
    *,
    seed: int = 0,
    pool: np.ndarray | None = None,
    likelihoods: Mapping[str, Any] | None = None,
    classifier: bool = False,
    about: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
) -> Report:
    """The whole report (top of this file) of entries that have performed all `pieces` (`common_pieces`).

    Args:
        seed: of the controls and of the bootstrap.
        pool: tokens of training humans for the blind draw (`suite.evaluate_controls`).
        likelihoods: `likelihood.likelihood` by the name of the entry.
        classifier: whether a classifier is asked to tell candidates from humans.
        about, warnings: what the caller knows and found.

    Raises PianistError for candidates that do not fit, pieces without humans, entries named alike or like a control.
    """
    controls = evaluate_controls(pieces, np.random.default_rng(seed), pool)
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1 or name in controls:
            raise PianistError(f'"{name}" is the name of two columns; rename a folder or file')
    systems: dict[str, dict[str, Any]] = {}
    if HUMAN in controls:
        systems[HUMAN] = {"kind": "human", "about": {}, **controls.pop(HUMAN)}
    for entry in entries:
        performed = [entry.performances[piece.name] for piece in pieces]
        boundaries = [entry.boundaries.get(piece.name) for piece in pieces]
        report = evaluate_pieces(pieces, performed, np.random.default_rng(seed), boundaries)
        systems[entry.name] = {"kind": "candidate", "about": dict(entry.about), **report}
        if likelihoods and entry.name in likelihoods:
            systems[entry.name]["likelihood"] = likelihoods[entry.name]
    systems |= {name: {"kind": "control", "about": {}, **report} for name, report in controls.items()}
    found = [*warnings, *_add_composites(systems, pieces, seed)]
    if classifier:
        found += _ask_classifier(systems, pieces, entries, seed)
    for name, report in systems.items():
        own = f"{name}: " if report["kind"] == "candidate" else ""
        found += [own + warning for warning in report["warnings"]]
    humans = [report.pop("humans") for report in systems.values()]
    return {
        "about": {
            "version": version("pianist_jax"),
            "pieces": {piece.name: {"notes": len(piece.score), "humans": len(piece.humans)} for piece in pieces},
            "human_performances": sum(len(piece.humans) for piece in pieces),
            "seed": seed,
            **(about or {}),
        },
        "systems": systems,
        "humans": next((one for one in humans if one), {}),
        "composite": {"weights": WEIGHTS, "human": 1.0, "deadpan": 0.0},
        "controls": {"caught_by": CAUGHT_BY, "missed_by": MISSED_BY},
        "warnings": list(dict.fromkeys(found)),
    }


def _ask_classifier(
    systems: dict[str, dict[str, Any]], pieces: Sequence[PlayedPiece], entries: Sequence[Candidates], seed: int
) -> list[str]:
    """Puts the classifier's figures into the entries and the pianist of rules; gives warnings about what they lack."""
    performed: dict[str, list[Sequence[Played]]] = {
        entry.name: [entry.performances[piece.name] for piece in pieces] for entry in entries
    }
    if RULES in systems:
        performed[RULES] = [as_played(piece, [perform(piece.score)]) for piece in pieces]
    return add_classifier(systems, pieces, performed, seed)


def _add_composites(systems: dict[str, dict[str, Any]], pieces: Sequence[PlayedPiece], seed: int) -> list[str]:
    """Puts the summary figure into every system; gives warnings about what it lacks."""
    if HUMAN not in systems or DEADPAN not in systems:
        return ["no composite: no piece has two human performances, so there is no left-out human to be 1"]
    compositions = {piece.name: piece.composition for piece in pieces}
    warnings = []
    for name, report in systems.items():
        rng = np.random.default_rng(seed)
        figure = composite(report, systems[HUMAN], systems[DEADPAN], compositions, rng)
        if figure:
            report["composite"] = figure
        for metric in figure.get("without", WEIGHTS):
            warnings.append(f"{name}: its composite lacks {metric}, which has no value on these pieces")
    return warnings
