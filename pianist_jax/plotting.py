"""Performances as pictures: what was written and how it was played, over the bars of the score (PNG).

From top to bottom: a piano roll in which every note stands beside what is written, the tempo, the dynamics of each
hand, the pedal. All share one axis, the score's bars, so that performances of one score lie over one another;
the clock time of the first stands along the top.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.files import replace_file
from pianist_jax.performance.ensemble import KEYS
from pianist_jax.performance.tempo_map import Mapped
from pianist_jax.score.bars import require_bars
from pianist_jax.score.grid import beat_quarters, signature_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers tell apart; performances never look like hands.
HANDS = ("#0072B2", "#E69F00", "#56B4E9", "#8A8A00")
PERFORMANCES = ("#222222", "#D55E00", "#009E73", "#CC79A7")
WRITTEN, GRID, FAINT = "#BDBDBD", "#C8C8C8", "#E4E4E4"
MOST = len(PERFORMANCES)
INCHES_A_BAR, NARROWEST, WIDEST = 0.6, 10.0, 22.0
DENSE = 48  # bars; more are drawn as an overview
DPI = 110


def plot(
    path: str | os.PathLike[str],
    performances: Sequence[tuple[str, Mapped]],
    *,
    title: str = "",
    bars: tuple[int, int] | None = None,
) -> None:
    """Draw up to four performances (name, `tempo.map_tempo` of it) of one score into a PNG file.

    The piano roll shows the first of them. `bars` (first, last, counted from 1) draws an excerpt. The file appears
    whole or not at all. Raises PianistError for bars that the score does not have or a file that cannot be written,
    ValueError for no performances or more than four.
    """
    figure = draw(performances, title=title, bars=bars)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI)
    replace_file(path, content.getvalue())


def draw(performances: Sequence[tuple[str, Mapped]], *, title: str = "", bars: tuple[int, int] | None = None) -> Figure:
    """The figure that `plot` writes."""
    from matplotlib.figure import Figure

    if not 1 <= len(performances) <= MOST:
        raise ValueError(f"{len(performances)} performances to draw, expected 1 to {MOST}")
    first = performances[0][1]
    lines = first.score.bars() / first.score.ticks_per_quarter
    if bars:
        require_bars(first.score, bars)
    low, high = bars or (1, len(lines) - 1)
    span = (float(lines[low - 1]), float(lines[high]))
    parts = _parts(first)
    heights = [6.0, 2.2, *[1.5] * len(parts), 0.25 + 0.4 * len(performances)]
    width = float(np.clip(INCHES_A_BAR * (high - low + 1) + 2, NARROWEST, WIDEST))
    figure = Figure(figsize=(width, 1.4 + 0.82 * sum(heights)), layout="constrained")
    axes: Any = figure.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights})
    _roll(axes[0], first, span, performances[0][0], dense=high - low >= DENSE)
    _tempo(axes[1], performances, span)
    for axis, (label, members) in zip(axes[2:-1], parts, strict=True):
        _dynamics(axis, performances, label, members, span)
    _pedal(axes[-1], performances, lines if high - low >= DENSE else None)
    for axis in axes:
        _bar_lines(axis, lines, low, high)
    axes[-1].set_xlabel("bar")
    axes[0].set_xlim(*span)
    _clock(axes[0], first, lines, low, high)
    if title:
        figure.suptitle(title, fontsize=14, fontweight="bold")
    return figure


def _parts(mapped: Mapped) -> list[tuple[str, tuple[int, ...]]]:
    """(label, parts) of each row of dynamics: the hands, or everything where there are more than two."""
    names = mapped.score.part_names
    if len(names) == 2:
        return [(name, (part,)) for part, name in enumerate(names)]
    return [(names[0] if len(names) == 1 else "All parts", tuple(range(len(names))))]


def _quarters(mapped: Mapped, ticks: np.ndarray) -> np.ndarray:
    return ticks / mapped.tempo.ticks_per_quarter


def _roll(axis: Axes, mapped: Mapped, span: tuple[float, float], label: str, *, dense: bool) -> None:
    """What is written in grey, what was played over it: coloured by hand, the louder the stronger."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    score, notes = mapped.score, mapped.notes
    written = score.quarters
    begin, end = _quarters(mapped, notes.onset), _quarters(mapped, notes.end)
    shown = (np.maximum(end, written) >= span[0]) & (np.minimum(begin, written) <= span[1])
    own, pitch = np.flatnonzero(shown), (notes.pitch[shown] % KEYS).astype(float)
    until = written[own] + score.duration[own] / score.ticks_per_quarter
    boxes = _boxes(written[own], until, pitch, 0.46)
    axis.add_collection(PolyCollection(boxes, facecolors=FAINT, edgecolors=WRITTEN, linewidths=0.0 if dense else 0.6))
    weakest = 0.4 if dense else 0.25
    strength = weakest + (1 - weakest) * np.clip((notes.velocity[own] - 20) / 80, 0, 1)
    colours = np.array([to_rgb(HANDS[part % len(HANDS)]) for part in score.part[own]]).reshape(-1, 3)
    colours = colours * strength[:, None] + (1 - strength[:, None])  # no transparency: chords stay legible
    least = (span[1] - span[0]) / 900  # no note thinner than can be seen
    boxes = _boxes(begin[own], np.maximum(end[own], begin[own] + least), pitch, 0.45 if dense else 0.26)
    axis.add_collection(PolyCollection(boxes, facecolors=colours, linewidths=0))
    low, high = (pitch.min(), pitch.max()) if len(pitch) else (60, 72)
    axis.set_ylim(low - 2.5, high + 2.5)
    octaves = [c for c in range(0, 128, 12) if low - 2 <= c <= high + 2]
    axis.set_yticks(octaves, [f"C{c // 12 - 1}" for c in octaves])
    axis.grid(axis="y", color=GRID, linewidth=0.5)
    axis.set_axisbelow(True)
    axis.set_ylabel("pitch")
    handles = [Patch(color=HANDS[part % len(HANDS)], label=name) for part, name in enumerate(score.part_names)]
    handles = [Patch(facecolor=FAINT, edgecolor=WRITTEN, label="written"), *handles]
    played = f"played: {label} (paler = softer)"
    axis.legend(handles=handles, title=played, ncols=len(handles), **LEGEND)


LEGEND: dict[str, Any] = {
    "loc": "lower right",
    "bbox_to_anchor": (1.0, 1.0),
    "fontsize": 8,
    "title_fontsize": 8,
    "frameon": False,
    "borderaxespad": 2.4,
    "columnspacing": 1.2,
}


def _boxes(begin: np.ndarray, end: np.ndarray, pitch: np.ndarray, half: float) -> Any:
    """float64 [N, 4, 2]: a rectangle a note."""
    corners = [(begin, pitch - half), (end, pitch - half), (end, pitch + half), (begin, pitch + half)]
    return np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)


def _tempo(axis: Axes, performances: Sequence[tuple[str, Mapped]], span: tuple[float, float]) -> None:
    """Quarters a minute: beat by beat thin, bar by bar thick."""
    shown = []
    for (label, mapped), colour in zip(performances, PERFORMANCES, strict=False):
        last = float(_quarters(mapped, mapped.grid).max())
        thin: dict[str, Any] = {"linewidth": 0.8, "alpha": 0.45}
        thick: dict[str, Any] = {"linewidth": 1.8, "label": label}
        for ticks, style in ((mapped.score.beats(), thin), (mapped.score.bars(), thick)):
            edges = ticks / mapped.score.ticks_per_quarter
            edges = edges[: np.searchsorted(edges, last, side="right") + 1]
            pace = quarters_a_minute(mapped, edges)
            axis.stairs(pace, edges, baseline=None, color=colour, **style)
            inside = (edges[1:] > span[0]) & (edges[:-1] < span[1])
            shown.append(pace[inside])
    values = np.concatenate(shown)
    low, high = np.quantile(values, [0.01, 0.99]) if len(values) else (60, 120)
    axis.set_yscale("log")
    axis.set_ylim(low / 1.15, high * 1.15)
    marks = [
        m for m in (10, 15, 20, 30, 40, 60, 80, 100, 120, 160, 200, 300, 400, 600) if low / 1.15 <= m <= high * 1.15
    ]
    if len(marks) < 2:
        marks = sorted({round(float(low)), round(float(high))})
    axis.set_yticks(marks, [str(mark) for mark in marks])
    axis.minorticks_off()
    axis.grid(axis="y", color=GRID, linewidth=0.5)
    axis.set_ylabel("tempo\n(quarters/min)")
    if len(performances) > 1:
        axis.legend(ncols=len(performances), loc="upper right", fontsize=8, framealpha=0.85)


def quarters_a_minute(mapped: Mapped, edges: np.ndarray) -> np.ndarray:
    """Mean tempo float64 [K - 1] between places `edges` float64 [K] of the score (quarters)."""
    time = mapped.tempo.milliseconds(np.rint(edges * mapped.tempo.ticks_per_quarter).astype(np.int64))
    return 60_000 * np.diff(edges) / np.maximum(np.diff(time), 1e-6)


def _dynamics(
    axis: Axes,
    performances: Sequence[tuple[str, Mapped]],
    label: str,
    members: tuple[int, ...],
    span: tuple[float, float],
) -> None:
    """Velocities of a hand: dots for the first performance, a line through the mean of about a beat for each."""
    for k, (_, mapped) in enumerate(performances):
        own = np.isin(mapped.score.part, members)
        place, velocity = _quarters(mapped, mapped.notes.onset)[own], mapped.notes.velocity[own].astype(float)
        single = len(performances) == 1
        colour = HANDS[members[0]] if single and len(members) == 1 else PERFORMANCES[k]
        if k == 0:
            dots = int(np.count_nonzero((place > span[0]) & (place < span[1])))
            size = np.clip(3000 / max(1, dots), 2, 12)
            axis.scatter(place, velocity, s=size, color=colour, alpha=0.35, linewidths=0)
        at = np.linspace(*span, 800)
        beat = beat_quarters(*signature_at(mapped.score, round(span[0] * mapped.score.ticks_per_quarter)))
        width = max(float(beat), (span[1] - span[0]) / 250)
        axis.plot(at, smoothed(place, velocity, at, width), color=colour, linewidth=1.8)
    low, high = np.quantile(np.concatenate([mapped.notes.velocity for _, mapped in performances]), [0.01, 0.99])
    axis.set_ylim(max(0, low - 8), min(127, high + 8))
    axis.set_yticks([mark for mark in range(20, 127, 20) if low - 8 <= mark <= high + 8])
    axis.grid(axis="y", color=GRID, linewidth=0.5)
    axis.set_ylabel(f"{label}\nvelocity")


def smoothed(place: np.ndarray, values: np.ndarray, at: np.ndarray, width: float) -> np.ndarray:
    """Mean of values near each place of `at` (Gaussian, `width` quarters); NaN where there are none."""
    weight = np.exp(-0.5 * ((at[:, None] - place[None]) / width) ** 2)
    total = weight.sum(axis=1)
    return np.where(total > 0.05, weight @ values / np.maximum(total, 1e-12), np.nan)


def _pedal(axis: Axes, performances: Sequence[tuple[str, Mapped]], lines: np.ndarray | None) -> None:
    """The sustain pedal's depth, one band a performance: as it is, or on average between `lines` (quarters)."""
    for k, (_, mapped) in enumerate(performances):
        floor = len(performances) - 1 - k
        place = np.concatenate([[0], _quarters(mapped, mapped.notes.pedal_time)])
        place = np.append(place, max(place[-1], mapped.grid.max() / mapped.tempo.ticks_per_quarter) + 1000)
        depth = np.concatenate([[0], mapped.notes.pedal_value, [0]]) / 127
        if len(place) == 2:
            axis.text(0.01, (floor + 0.4) / len(performances), "no pedal", transform=axis.transAxes, fontsize=8)
        if lines is not None:
            passed = np.interp(lines, place, np.concatenate([[0], np.cumsum(np.diff(place) * depth[:-1])]))
            place, depth = lines, np.append(np.diff(passed) / np.diff(lines), 0)
        axis.fill_between(
            place, floor, floor + 0.85 * depth, step="post", color=PERFORMANCES[k], alpha=0.75, linewidth=0
        )
    axis.set_ylim(-0.08, len(performances))
    names = [label for label, _ in reversed(performances)] if len(performances) > 1 else ["down"]
    axis.set_yticks(np.arange(len(names)) + 0.45, names, fontsize=8)
    axis.tick_params(axis="y", length=0)
    axis.set_ylabel("pedal" if lines is None else "pedal\n(mean)")


def _every(count: int) -> int:
    """How many bars to a number, so that there are about 20."""
    steps = (1, 2, 4, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000)
    return next(step for step in steps if count / step <= 24)


def _bar_lines(axis: Axes, lines: np.ndarray, low: int, high: int) -> None:
    step = _every(high - low + 1)
    numbers = [bar for bar in range(low, high + 1) if bar == low or (bar - 1 if step in (2, 4) else bar) % step == 0]
    axis.set_xticks([float(lines[bar - 1]) for bar in numbers], [str(bar) for bar in numbers])
    if high - low < 120:
        for line in lines[low - 1 : high + 1]:
            axis.axvline(line, color=GRID, linewidth=0.5, zorder=0.4)
    for bar in numbers:
        axis.axvline(lines[bar - 1], color=GRID, linewidth=0.9, zorder=0.5)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _clock(axis: Axes, mapped: Mapped, lines: np.ndarray, low: int, high: int) -> None:
    """Along the top, when the first performance reaches the numbered bars."""
    step = _every(high - low + 1) * 2
    places = lines[low - 1 : high : step]
    time = mapped.tempo.milliseconds(np.rint(places * mapped.tempo.ticks_per_quarter).astype(np.int64))
    for place, ms in zip(places.tolist(), (time - min(mapped.offset, 0)).tolist(), strict=True):
        axis.annotate(
            f"{int(ms // 60_000)}:{ms / 1000 % 60:04.1f}",
            (place, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8,
            color="#555555",
        )
