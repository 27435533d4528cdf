"""Reports as plain text: a line for each system, and every figure of the candidates with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.evaluation.candidates import TEMPI

Report = dict[str, Any]

METRICS = ("paper", "aligned", "all")
IN_MS = ("chord_spread_error", "melody_lead_error")
NONE = "–"

_SHORT = {"velocity": "vel", "log_ioi": "ioi", "log_articulation": "art"}
_PER_CURVE = {"r_single": "r", "variance_match": "size", "wasserstein": "W1"}
_ALIGNED = {
    "composite": "total",
    **{f"{curve}_{metric}": f"{label} {_SHORT[curve]}" for metric, label in _PER_CURVE.items() for curve in _SHORT},
    "pedal_f1": "pedal F1",
    "tempo_written": "played/written",
    "tempo_error": "tempo",
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
_EXPLAINED = {
    "aligned": (
        "total: a human is 1, the deadpan score 0; agreement of velocity, log-IOI and log-articulation, and pedal F1",
        "r: correlation of single performances with the mean human; size: how well the size of the deviations matches",
        "W1: distance to the humans over that between humans; pedal F1: pedal changes within 100 ms of a human's",
        "played/written: time over the written one; tempo: |log| of the time over the humans' mean (geometric)",
        "told from humans: how often a classifier takes the right one of two windows for the machine's (.5: no idea)",
        "chord ms, lead ms: how far the spread of chords and the lead of the melody are from the humans' mean",
    ),
    "paper": (
        "overlap, JS: the paper's pooled histograms, each human paired with a candidate (controls: against the humans",
        "they are not made of); /p: one candidate a piece; coarse: piece by piece with wider bins. A blind draw does",
        "well on these: never trust them alone",
    ),
}


def explained(metrics: str) -> tuple[str, ...]:
    """What the headings of the short table mean, line by line."""
    return tuple(line for kind, lines in _EXPLAINED.items() if metrics in (kind, "all") for line in lines)


def check(metrics: str, tempo: str = TEMPI[0]) -> None:
    """Raises PianistError for metrics, or a tempo of the candidates, that there are not."""
    if tempo not in TEMPI:
        raise PianistError(f'tempo is "{tempo}", but it must be {", ".join(TEMPI[:-1])} or {TEMPI[-1]}')
    if metrics not in METRICS:
        raise PianistError(f'metrics is "{metrics}", but it must be {", ".join(METRICS[:-1])} or {METRICS[-1]}')


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
    """A line for each system, the headline figures side by side; "–" where there is no value.

    Below it the candidates' 95% intervals, what a classifier says, and likelihoods, where they were measured.
    """
    heads = [*columns(metrics).values()]
    parts = [[["", *heads], *short_rows(report, metrics)]]
    parts += [[["95% intervals", *heads], *interval_rows(report, metrics)]] if metrics != "paper" else []
    classified = classifier_rows(report["systems"])
    parts += [classified] if len(classified) > 1 else []
    likelihoods = likelihood_rows(report["systems"])
    parts += [likelihoods] if len(likelihoods) > 1 else []
    return "\n\n".join(map(in_columns, parts))


def short_rows(report: Report, metrics: str = "all") -> list[list[str]]:
    """The rows of the short table: a system's name and its figures under `columns`, as text."""
    shown = columns(metrics)
    return [
        [name, *(_cell(figure(system, key), 1 if key.endswith(IN_MS) else 3) for key in shown)]
        for name, system in report["systems"].items()
    ]


def interval_rows(report: Report, metrics: str = "all") -> list[list[str]]:
    """For each candidate the 95% intervals (over compositions) of its headline figures; the paper's have none."""
    rows = []
    for name, system in report["systems"].items():
        if system["kind"] != "candidate":
            continue
        cells = []
        for key in columns(metrics):
            found = system.get("composite") if key == "composite" else system["summary"].get(key)
            digits = 1 if key.endswith(IN_MS) else 2
            cells.append(f"{found['low']:.{digits}f}..{found['high']:.{digits}f}" if found else NONE)
        rows.append([name, *cells])
    return rows


def every_figure(report: Report, metrics: str = "all") -> list[list[str]]:
    """Rows of text: a metric's name and its value for each system, candidates' with their intervals."""
    systems = report["systems"].values()
    keys: dict[str, None] = {} if metrics == "paper" else {"composite": None}
    for system in systems:
        keys |= {key: None for key in system["summary"] if shown_under(key, metrics)}
    rows = [[key, *(_with_interval(system, key) for system in systems)] for key in keys]
    if metrics != "aligned":
        papers = [paper for system in systems for paper in system["paper"].values()]
        for key in [f"{weighting}{name}" for weighting in ("", "pieces.") for name in papers[0]]:
            rows.append([key, *(_cell(figure(system, key)) for system in systems)])
    return rows


def classifier_rows(systems: Mapping[str, Report]) -> list[list[str]]:
    """How well systems can be told from humans: a heading and a row for each that was asked about, with intervals."""
    asked = {name: system["classifier"]["auc"] for name, system in systems.items() if "classifier" in system}
    kinds = list(next(iter(asked.values()), {}))
    rows = [["told from humans (AUC)", *kinds]]
    return rows + [[name, *(_told_apart(found[kind]) for kind in kinds)] for name, found in asked.items()]


def _told_apart(found: Mapping[str, float]) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f}..{found['high']:.2f})"


def tells(systems: Mapping[str, Report]) -> dict[str, list[str]]:
    """For each system that a classifier was asked about the features that give it away most, in words."""
    return {
        name: [f"{one['words']} [{one['auc']:.2f}]" for one in system["classifier"]["tells"]]
        for name, system in systems.items()
        if system.get("classifier", {}).get("tells")
    }


def likelihood_rows(systems: Mapping[str, Report]) -> list[list[str]]:
    """Held-out likelihoods, a heading and a row for each model that has them, fields side by side; else the heading."""
    measured = {name: system["likelihood"] for name, system in systems.items() if "likelihood" in system}
    keys = list(next(iter(measured.values()), {}))
    rows = [["held-out NLL a note", *(key.replace("_", " ") for key in keys)]]
    return rows + [[name, *(_cell(own[key]["value"]) for key in keys)] for name, own in measured.items()]


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


def _cell(value: float | None, digits: int = 3) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as lines, the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
