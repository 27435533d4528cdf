"""An evaluation on paper: `REPORT.json` with every figure at full precision, `REPORT.html` to look at.

The page stands alone: style and pictures are inside it, it loads nothing and holds no script.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pianist_jax.evaluation import pictures, table
from pianist_jax.evaluation.candidates import Candidates
from pianist_jax.evaluation.pieces import PlayedPiece
from pianist_jax.files import replace_file

Report = dict[str, Any]
BETTER_LOW = ("wasserstein", "error", "js_overall")

STYLE = """
:root { --ink: #1d1d1f; --soft: #6b6b70; --line: #e3e1dc; --paper: #ffffff; --mark: #f4efe6; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 80rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 Georgia, "Times New Roman", serif; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .4rem; font-weight: 600; }
h2 { font-size: 1.35rem; margin: 3rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--line); font-weight: 600; }
h3 { font-size: 1.05rem; margin: 2rem 0 .3rem; font-weight: 600; }
p, li { max-width: 54rem; }
.soft, figcaption { color: var(--soft); font-size: .93rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font: 13.5px/1.5 system-ui, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { padding: .28rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
thead th { font-weight: 600; border-bottom: 2px solid var(--ink); vertical-align: bottom; }
tr.candidate td { background: var(--mark); font-weight: 600; }
tr.human td { border-bottom: 2px solid var(--line); }
tr.control td { color: #55555a; }
figure { margin: 1rem 0 1.6rem; }
img { width: 100%; height: auto; display: block; }
img.narrow { max-width: 52rem; }
details { margin: .8rem 0; }
summary { cursor: pointer; color: #0b5394; font-size: .97rem; }
code { font: 13px ui-monospace, Menlo, Consolas, monospace; background: var(--mark); padding: .1rem .3rem; }
ul.warnings { font: 13px/1.5 system-ui, Arial, sans-serif; padding-left: 1.2rem; }
ul.warnings li { max-width: none; }
@media (max-width: 50rem) { body { padding: 1.2rem .8rem 3rem; } h1 { font-size: 1.6rem; } }
@media print { details { display: none; } body { max-width: none; } }
"""


def write_report(
    stem: Path, report: Report, pieces: Sequence[PlayedPiece], entries: Sequence[Candidates], metrics: str = "all"
) -> list[Path]:
    """Write `STEM.json` and `STEM.html`, each whole or not at all; gives their paths.

    `metrics` ("paper", "aligned", "all") chooses what the page shows; the JSON file has everything. Raises PianistError
    where a file cannot be written.
    """
    data, page = (stem.with_name(stem.name + suffix) for suffix in (".json", ".html"))
    replace_file(data, json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n", make_folder=True)
    replace_file(page, html_page(report, pieces, entries, metrics), make_folder=True)
    return [data, page]


def html_page(
    report: Report, pieces: Sequence[PlayedPiece], entries: Sequence[Candidates], metrics: str = "all"
) -> str:
    """The whole page of a report (`evaluate.evaluate`)."""
    systems = report["systems"]
    names = ", ".join(entry.name for entry in entries)
    paint = pictures.colours(entries)
    body = [f"<h1>How well does it play?</h1><p class=soft>{escape(_what(report))}</p>", _about(systems)]
    summary = pictures.summary_picture(systems, paint) if metrics != "paper" else None
    if summary:
        body.append("<h2>In one figure</h2>" + _image(summary, "the summary figure of every system", "narrow"))
        body.append(_composite_text(report))
    body.append("<h2>All systems</h2>" + _short_table(report, metrics) + _explained(metrics))
    body.append(_classifier(systems) if metrics != "paper" else "")
    body.append(_likelihoods(systems))
    if metrics != "paper":
        drawn = pictures.piece_picture(systems, paint, [piece.name for piece in pieces])
        body.append("<h2>Piece by piece</h2>" + _image(drawn, "scores of every piece") + _piece_table(systems))
    if metrics != "aligned":
        caption = (
            "All notes of all pieces pooled, as the paper counts them. A performance shuffled within its piece has the "
            "same histograms, so they say nothing about the music by themselves."
        )
        drawn = pictures.distribution_picture(pieces, entries)
        body.append("<h2>Distributions</h2>" + _image(drawn, "four histograms") + f"<p class=soft>{caption}</p>")
    if metrics != "paper":
        body.append(f"<h2>Tempo and dynamics</h2><p class=soft>{_curve_text()}</p>")
        for piece in pieces:
            caption = f"<h3>{escape(piece.name)}</h3>"
            body.append(caption + _image(pictures.curve_picture(piece, entries), f"tempo and dynamics of {piece.name}"))
    body.append(f"<h2>Every figure</h2>{_every_figure(report, metrics)}{_warnings(report)}")
    title = escape(f"Evaluation: {names}")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    top = f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>'
    return f"{top}\n<body>{''.join(body)}</body></html>\n"


def _what(report: Report) -> str:
    about = report["about"]
    dataset = f"{about['dataset']} ({about['split']}): " if "dataset" in about else ""
    notes = sum(piece["notes"] for piece in about["pieces"].values())
    return (
        f"{dataset}{len(about['pieces'])} pieces, {notes} notes of the scores, {about['human_performances']} human "
        f"performances; seed {about['seed']}, pianist_jax {about['version']}."
    )


def _about(systems: Mapping[str, Report]) -> str:
    lines = []
    for name, system in systems.items():
        if system["kind"] == "candidate":
            about = {**system["about"], "samples": system["samples"]}
            told = ", ".join(f"{key} {_brief(value)}" for key, value in about.items())
            lines.append(f"<li><b>{escape(name)}</b>: {escape(told)}</li>")
    return f"<ul>{''.join(lines)}</ul>"


def _brief(value: Any) -> str:
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)  # a hash


def _composite_text(report: Report) -> str:
    weights = "; ".join(f"{weight:g} {name}" for name, weight in report["composite"]["weights"].items())
    return (
        f"<p class=soft>Weights: {escape(weights)}. <i>Agreement</i> is the correlation with the mean human times how "
        "well the size of the deviations matches, so that neither a timid nor a wild copy can pass. Each part is "
        "scaled from the deadpan score (0) to a left-out human (1) of the same pieces. Controls show what the figure "
        "is blind to: a human with 30 ms of jitter keeps most of it.</p>"
    )


def _explained(metrics: str) -> str:
    return f"<p class=soft>{'<br>'.join(map(escape, table.explained(metrics)))}</p>"


def _curve_text() -> str:
    return (
        "Grey: the humans, from the 10th to the 90th percentile, and their mean. Coloured: the candidates. Tempo is "
        "relative to each performance's own mean; both curves are taken over a window of a few seconds."
    )


def _short_table(report: Report, metrics: str) -> str:
    kinds = [system["kind"] for system in report["systems"].values()]
    heads = [*table.columns(metrics).values()]
    drawn = _table(["", *heads], table.short_rows(report, metrics), kinds)
    if metrics == "paper":
        return drawn
    return drawn + _table(["95% intervals over compositions", *heads], table.interval_rows(report, metrics))


PIECE_METRICS = (
    "velocity_r_single",
    "log_ioi_r_single",
    "log_articulation_r_single",
    "velocity_agreement",
    "log_ioi_agreement",
    "log_articulation_agreement",
    "pedal_f1",
    "chord_spread_error",
    "coarse_intersection_overall",
)


def _piece_table(systems: Mapping[str, Report]) -> str:
    """Each candidate's figures of each piece, the left-out human's in brackets."""
    human = systems.get("human", {}).get("pieces", {})
    head = ["", *(name.replace("_", " ") for name in PIECE_METRICS)]
    parts = []
    for name, system in systems.items():
        if system["kind"] != "candidate":
            continue
        lines = []
        for piece, found in system["pieces"].items():
            cells = []
            for metric in PIECE_METRICS:
                own, theirs = found.get(metric), human.get(piece, {}).get(metric)
                shade = _shade(own, theirs, metric.endswith(BETTER_LOW))
                cells.append(f"<td{shade}>{_number(own)} <span class=soft>({_number(theirs)})</span></td>")
            lines.append(f"<tr><td>{escape(piece)}</td>{''.join(cells)}</tr>")
        label = f"{name}, figure by figure (in brackets: the left-out human)"
        parts.append(_folded(label, _framed(head, lines)))
    return "".join(parts)


def _shade(own: float | None, human: float | None, better_low: bool) -> str:
    """Green where a candidate is as good as the human, red the further it is from there."""
    if own is None or human is None or abs(human) < 1e-9:
        return ""
    share = (human / max(own, 1e-9)) if better_low else own / human
    hue = 120 * min(max(share, 0.0), 1.0)
    return f' style="background: hsl({hue:.0f} 55% 90%)"'


def _every_figure(report: Report, metrics: str) -> str:
    rows = table.every_figure(report, metrics)
    parts = [_folded("All metrics of all systems", _table(["", *report["systems"]], rows))]
    if metrics != "paper" and report["humans"]:
        rows = [[name, table.interval(one)] for name, one in report["humans"].items()]
        parts.append(_folded("What the humans reach among themselves", _table(["", "value [95% interval]"], rows)))
    return "".join(parts)


def _classifier(systems: Mapping[str, Report]) -> str:
    head, *rows = table.classifier_rows(systems)
    if not rows:
        return ""
    told = (
        "Gradient boosting reads windows of 64 score notes and says human or machine, cross-validated by composition. "
        "AUC: .5 where it cannot tell, 1 where it always can. The human: one of each piece against the others."
    )
    parts = [f"<h2>Human or machine?</h2><p class=soft>{told}</p>{_table(['', *head[1:]], rows)}"]
    for name, words in table.tells(systems).items():
        lines = "".join(f"<li>{escape(line)}</li>" for line in words)
        parts.append(
            _folded(f"What gives {name} away (medians; in brackets the AUC of that alone)", f"<ul>{lines}</ul>")
        )
    return "".join(parts)


def _likelihoods(systems: Mapping[str, Report]) -> str:
    head, *rows = table.likelihood_rows(systems)
    if not rows:
        return ""
    told = "What a note of a human performance costs the model, teacher-forced, pitch being given."
    return f"<h2>Held-out likelihood</h2><p class=soft>{told}</p>{_table(['', *head[1:]], rows)}"


def _warnings(report: Report) -> str:
    if not report["warnings"]:
        return ""
    lines = "".join(f"<li>{escape(warning)}</li>" for warning in report["warnings"])
    return _folded(f"{len(report['warnings'])} warnings", f"<ul class=warnings>{lines}</ul>")


def _folded(label: str, content: str) -> str:
    return f"<details><summary>{escape(label)}</summary>{content}</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kinds: Sequence[str] = ()) -> str:
    """A table of plain texts; `kinds` are the classes of its rows."""
    lines = []
    for index, row in enumerate(rows):
        kind = f" class={kinds[index]}" if kinds else ""
        lines.append(f"<tr{kind}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>")
    return _framed(head, lines)


def _framed(head: Sequence[str], lines: Sequence[str]) -> str:
    top = "".join(f"<th>{escape(label)}</th>" for label in head)
    return f"<div class=scroll><table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


def _image(png: bytes, text: str, kind: str = "wide") -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<figure><img class={kind} alt="{escape(text)}" src="data:image/png;base64,{data}"></figure>'


def _number(value: float | None) -> str:
    return table.NONE if value is None else f"{value:.3f}"
