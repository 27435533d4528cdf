"""Reports as plain text: a line for each system, and every figure of the candidates with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Report = dict[str, Any]

CURVE_LABELS = {"velocity": "velocity", "log_ioi": "log-IOI", "log_articulation": "log-artic."}
PAPER_LABELS = {"performances": "each human paired", "pieces": "one candidate a piece", "left_out": "left out"}
METRICS = ("paper", "aligned", "all")
NONE = "–"

_SHORT = {"velocity": "vel", "log_ioi": "ioi", "log_articulation": "art"}
_PER_CURVE = {"r_single": "r", "variance_match": "size", "wasserstein": "W1"}
_ALIGNED = {
    "composite": "total",
    **{f"{curve}_{metric}": f"{label} {_SHORT[curve]}" for metric, label in _PER_CURVE.items() for curve in _SHORT},
    "pedal_f1": "pedal F1",
    "chord_spread_error": "chord ms",
    "melody_lead_error": "lead ms",
}
_PAPER = {
    "intersection_overall": "overlap",
    "js_overall": "JS",
    "pieces.intersection_overall": "overlap/p",
    "pieces.js_overall": "JS/p",
    "coarse_intersection_overall": "coarse",
}
EXPLAINED = """\
total: a human is 1, the deadpan score 0; agreement of velocity, log-IOI, log-articulation, and pedal F1, a quarter each
r: correlation of single performances with the mean human; size: how well the size of the deviations matches (1 at best)
W1: distance to the humans over that between humans (1 is human); pedal F1: pedal changes within 100 ms of a human's
chord ms, lead ms: how far chord spread and melody lead are from the humans' mean
overlap, JS: the paper's pooled histograms, every human paired with a candidate (controls: against the humans they are \
not made of); /p: one candidate a piece; coarse: piece by piece with wider bins. Blind draws do well on these: do not \
trust them alone"""


def columns(metrics: str) -> dict[str, str]:
    """Figures of the short table by key, and their headings, for "paper", "aligned" or "all"."""
    return {**(_ALIGNED if metrics != "paper" else {}), **(_PAPER if metrics != "aligned" else {})}


def figure(report: Report, key: str) -> float | None:
    """One figure of a system's report: `composite`, a metric of its summary, or one of the paper's figures.

    Those of the paper are of every human paired with a candidate (of a control: against the humans it is not made of),
    or of one candidate a piece with `pieces.` before.
    """
    if key == "composite":
        return report.get("composite", {}).get("value")
    if key in report["summary"]:
        return report["summary"][key]["value"]
    weighting, dot, name = key.rpartition(".")
    paper = report["paper"]
    chosen = paper.get(weighting) if dot else paper.get("performances") or paper.get("left_out")
    return (chosen or {}).get(name)


def short_table(report: Report, metrics: str = "all") -> str:
    """A line for each system, the headline figures side by side; "–" where there is no value."""
    shown = columns(metrics)
    rows = [["", *shown.values()]]
    for name, system in report["systems"].items():
        rows.append([name, *(_cell(figure(system, key)) for key in shown)])
    return _aligned(rows)


def long_table(report: Report, metrics: str = "all") -> str:
    """Every figure of every system, candidates with their 95% intervals, then the humans' own and likelihoods."""
    systems = report["systems"]
    rows = [["", *systems]]
    keys: dict[str, None] = {}
    if metrics != "paper":
        keys |= dict.fromkeys(["composite"])
    for system in systems.values():
        keys |= {key: None for key in system["summary"] if shown_under(key, metrics)}
    for key in keys:
        rows.append([key, *(_with_interval(system, key) for system in systems.values())])
    if metrics != "aligned":
        for weighting in ("", "pieces."):
            for name in next(iter(systems.values()))["paper"].get("left_out") or {}:
                key = f"{weighting}{name}"
                rows.append([key, *(_cell(figure(system, key)) for system in systems.values())])
    parts = [_aligned(rows)]
    if metrics != "paper" and report["humans"]:
        humans = [[name, interval(one)] for name, one in report["humans"].items()]
        parts.append(_aligned([["what humans reach among themselves", ""], *humans]))
    parts += likelihood_tables(systems)
    return "\n\n".join(parts)


def likelihood_tables(systems: Mapping[str, Report]) -> list[str]:
    """A table of the held-out likelihoods, where there are any: a line for each model, fields side by side."""
    measured = {name: system["likelihood"] for name, system in systems.items() if "likelihood" in system}
    if not measured:
        return []
    keys = list(next(iter(measured.values())))
    rows = [["held-out NLL a note", *(key.replace("_", " ") for key in keys)]]
    rows += [[name, *(_cell(own[key]["value"]) for key in keys)] for name, own in measured.items()]
    return [_aligned(rows)]


def shown_under(metric: str, metrics: str) -> bool:
    """Whether a metric of a summary belongs to the chosen ones: coarse histograms are the paper's, all else aligned."""
    return metrics == "all" or (metrics == "paper") == metric.startswith("coarse_")


def interval(summary: Mapping[str, float]) -> str:
    """A value and its 95% interval as text."""
    return f"{summary['value']:.3f} [{summary['low']:.3f}, {summary['high']:.3f}]"


def _with_interval(system: Report, key: str) -> str:
    summary = system.get("composite") if key == "composite" else system["summary"].get(key)
    if not summary:
        return NONE
    return interval(summary) if system["kind"] == "candidate" else _cell(summary["value"])


def _cell(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
