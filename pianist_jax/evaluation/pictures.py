"""Pictures of an evaluation, PNG: the summary, the distributions, scores piece by piece, tempo and dynamics."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.candidates import Candidates
from pianist_jax.evaluation.distributions import histograms
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from pianist_jax.performance.parameters import Chords, TimeMap, chords_of, deal, time_map
from pianist_jax.plotting import FAINT, GRID, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HUMAN, CONTROL = "#8C8C8C", "#C9B8A8"
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's
DPI = 120
PLACES = 500  # along a piece
WINDOW = 1 / 120  # of a piece, over which tempo and dynamics are taken, to either side
LEAST_WINDOW = 1500.0  # ms of the score


@dataclass(frozen=True)
class Axis:
    """Where a piece's score ms stand on the page: bars, where the score file has them, else seconds."""

    ticks: np.ndarray
    labels: tuple[str, ...]
    name: str


def colours(entries: Sequence[Candidates]) -> dict[str, str]:
    """A colour for each candidate, the same in every picture."""
    return {entry.name: COLOURS[index % len(COLOURS)] for index, entry in enumerate(entries)}


def summary_picture(systems: Mapping[str, Mapping[str, Any]], colour: Mapping[str, str]) -> bytes | None:
    """The composite of every system as a bar with its interval; None where there are none."""
    shown = {name: system["composite"] for name, system in systems.items() if "composite" in system}
    if not shown:
        return None
    figure, axis = _figure(10, 0.9 + 0.34 * len(shown))
    names = sorted(shown, key=lambda name: shown[name]["value"])
    values = np.array([shown[name]["value"] for name in names])
    ends = np.array([[shown[name]["low"], shown[name]["high"]] for name in names])
    reach = np.maximum([values - ends[:, 0], ends[:, 1] - values], 0)
    paint = [colour.get(name, HUMAN if systems[name]["kind"] == "human" else CONTROL) for name in names]
    axis.barh(names, values, color=paint, height=0.68)
    axis.errorbar(values, names, xerr=reach, fmt="none", ecolor="#444444", linewidth=1, capsize=2)
    for name, value in zip(names, values, strict=True):
        axis.text(max(shown[name]["high"], 0) + 0.012, name, f"{value:.2f}", va="center", fontsize=9)
    axis.axvline(0, color="#666666", linewidth=0.8)
    axis.axvline(1, color="#666666", linewidth=0.8, linestyle=":")
    axis.set_xlim(min(0.0, float(values.min())) - 0.02, max(1.1, float(values.max()) + 0.12))
    axis.set_xlabel("0: deadpan score, 1: left-out human (whiskers: 95% intervals over compositions)", fontsize=9)
    axis.tick_params(axis="y", length=0)
    _open(axis, "right", "top", "left")
    return _png(figure)


def distribution_picture(pieces: Sequence[PlayedPiece], entries: Sequence[Candidates]) -> bytes:
    """The paper's four histograms: humans as an area, each candidate (all its samples) as a line."""
    human = _shares(histograms(one.notes for piece in pieces for one in piece.humans))
    made = {
        entry.name: _shares(histograms(one.notes for piece in pieces for one in entry.performances[piece.name]))
        for entry in entries
    }
    figure, axes = _figure(12, 5.6, 2, 2)
    paint = colours(entries)
    panels = (("velocity", 1, "velocity"), ("duration", 2, "duration (ms)"), ("ioi", 1, "gap between onsets (ms)"))
    for axis, (field, width, label) in zip(axes.flat, panels, strict=False):
        edges = width * np.arange(len(human[field]) + 1)
        axis.stairs(human[field], edges, fill=True, color=FAINT, label="humans")
        axis.stairs(human[field], edges, color=HUMAN, linewidth=0.8)
        for name, shares in made.items():
            axis.stairs(shares[field], edges, color=paint[name], linewidth=1.2, label=name)
        highest = max(shares[field].max() for shares in (human, *made.values()))
        axis.set_ylim(0, 1.25 * highest or 1.0)
        axis.set_xlim(0, edges[-1])
        axis.set_xlabel(label)
    axis = axes.flat[3]
    patterns = [f"{pattern:04b}"[::-1].replace("0", "·").replace("1", "▮") for pattern in range(16)]
    thin = 0.8 / (1 + len(made))
    for index, (shares, paints) in enumerate([(human, HUMAN), *((made[name], paint[name]) for name in made)]):
        axis.bar(np.arange(16) + index * thin, shares["pedal"], thin, color=paints)
    axis.set_xticks(np.arange(16) + 0.4, patterns, fontsize=7, rotation=90)
    axis.set_xlabel("pedal at four moments of a note")
    for axis in axes.flat:
        axis.set_yticks([])
        _open(axis, "right", "top", "left")
    axes.flat[0].legend(frameon=False, fontsize=9)
    return _png(figure)


def _shares(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {field: values / max(int(values.sum()), 1) for field, values in counts.items()}


def piece_picture(systems: Mapping[str, Mapping[str, Any]], colour: Mapping[str, str], pieces: Sequence[str]) -> bytes:
    """Each piece a line, four scores side by side: the left-out human as a bar, candidates as dots, score as a tick."""
    metrics = {
        "velocity_r_single": "r velocity",
        "log_ioi_r_single": "r log-IOI",
        "log_articulation_r_single": "r log-articulation",
        "pedal_f1": "pedal F1",
    }
    figure, axes = _figure(12, 1.3 + 0.3 * len(pieces), 1, len(metrics), sharey=True)
    order = list(pieces)[::-1]
    for axis, (metric, label) in zip(axes.flat, metrics.items(), strict=True):
        for name, system in systems.items():
            found = [(row, system["pieces"].get(piece, {}).get(metric)) for row, piece in enumerate(order)]
            rows = [row for row, value in found if value is not None]
            values = [value for _, value in found if value is not None]
            if system["kind"] == "human":
                axis.barh(rows, values, color=FAINT, height=0.7, label="left-out human", zorder=1)
            elif system["kind"] == "candidate":
                axis.scatter(values, rows, color=colour[name], s=34, zorder=3, label=name)
            elif name in ("score", "blind"):
                marker = "|" if name == "score" else "x"
                axis.scatter(values, rows, color="#999999", marker=marker, s=28, linewidth=1.2, zorder=2, label=name)
        axis.set_title(label, fontsize=10)
        axis.set_xlim(-0.12, 1)
        axis.axvline(0, color=GRID, linewidth=0.8)
        axis.grid(axis="x", color=FAINT, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(axis="y", length=0)
        _open(axis, "right", "top", "left")
    axes.flat[0].set_yticks(np.arange(len(order)), order, fontsize=8)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=len(labels), frameon=False, fontsize=9)
    return _png(figure)


def curve_picture(piece: PlayedPiece, entries: Sequence[Candidates]) -> bytes:
    """Tempo and dynamics along one piece: the humans' envelope and mean; of each candidate the mean and one sample."""
    chords = chords_of(piece.score)
    places = np.linspace(chords.onset[0], max(chords.onset[-1], chords.onset[0] + 1), PLACES)
    width = max(LEAST_WINDOW / 2, WINDOW * (places[-1] - places[0]))
    figure, axes = _figure(13, 5.4, 2, 1, sharex=True)
    paint = colours(entries)
    axis = axis_of(piece, chords)
    for panel, curve in zip(axes.flat, (tempo_curve, dynamics_curve), strict=True):
        humans = np.stack([curve(chords, human, places, width) for human in piece.humans])
        low, high = _envelope(humans)
        panel.fill_between(places, low, high, color=FAINT, linewidth=0, label=f"{len(humans)} humans, from 10% to 90%")
        panel.plot(places, stats.mean_valid(humans, 0), color=HUMAN, linewidth=1.6, label="their mean")
        shown = [low, high]
        for entry in entries:
            made = np.stack([curve(chords, one, places, width) for one in entry.performances[piece.name]])
            mean = stats.mean_valid(made, 0)
            if len(made) > 1:
                panel.plot(places, made[0], color=paint[entry.name], linewidth=0.7, alpha=0.55)
            label = f"{entry.name}, mean of {len(made)} (thin: the first)" if len(made) > 1 else entry.name
            panel.plot(places, mean, color=paint[entry.name], linewidth=1.8, label=label)
            shown.append(mean)
        _fit(panel, np.concatenate(shown))
        panel.grid(color=FAINT, linewidth=0.6)
        panel.set_axisbelow(True)
        _open(panel, "right", "top")
    tempo, dynamics = axes.flat
    tempo.set_ylabel("tempo\n(own mean = 1)")
    dynamics.set_ylabel("velocity")
    tempo.legend(frameon=False, fontsize=9, ncols=2 + len(entries), loc="lower left", bbox_to_anchor=(0, 1))
    dynamics.set_xticks(axis.ticks, axis.labels)
    dynamics.set_xlabel(axis.name)
    dynamics.set_xlim(places[0], places[-1])
    return _png(figure)


def _envelope(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """10% and 90% of the humans at each place; NaN where none plays."""
    known = np.isfinite(rows).any(0)
    low, high = np.full(rows.shape[1], np.nan), np.full(rows.shape[1], np.nan)
    if known.any():
        low[known], high[known] = np.nanquantile(rows[:, known], [0.1, 0.9], axis=0)
    return low, high


def _fit(panel: Axes, values: np.ndarray) -> None:
    values = values[np.isfinite(values)]
    if len(values):
        low, high = np.quantile(values, [0.002, 0.998])
        room = 0.08 * max(high - low, 0.1)
        panel.set_ylim(low - room, high + room)


def tempo_curve(chords: Chords, played: Played, places: np.ndarray, width: float) -> np.ndarray:
    """Tempo relative to the performance's own mean, float64 [P], over `width` score ms to either side of each place."""
    mapped = time_map(chords, deal(played.notes, played.match).onset)
    begin, end = (np.clip(places + side * width, chords.onset[0], chords.onset[-1]) for side in (-1, 1))
    passed = mapped.to_performed(end) - mapped.to_performed(begin)
    whole = mapped.span[1] - mapped.span[0]
    usual = (mapped.score[-1] - mapped.score[0]) / whole if whole > 0 else np.nan
    known = _knots(mapped, begin, end) > 1
    return np.where(known & (passed > 0), (end - begin) / np.where(passed > 0, passed, 1) / usual, np.nan)


def _knots(mapped: TimeMap, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How many score onsets are known to be played from each begin to each end."""
    return np.searchsorted(mapped.score, end, side="right") - np.searchsorted(mapped.score, begin, side="left")


def dynamics_curve(chords: Chords, played: Played, places: np.ndarray, width: float) -> np.ndarray:
    """Mean velocity near each place, float64 [P]; NaN where nothing is played."""
    own = played.match >= 0
    return smoothed(chords.start[own], played.notes.velocity[played.match[own]].astype(float), places, width / 2)


def axis_of(piece: PlayedPiece, chords: Chords) -> Axis:
    """Bar numbers along a piece whose score is a MIDI file, else seconds of the score."""
    from pianist_jax.score.files import MIDI
    from pianist_jax.score.load import load

    if piece.source is not None and piece.source.suffix.lower() in MIDI:
        grid = load(piece.source, whole=True).grid
        if len(grid) == len(piece.score):
            ticks, first = np.unique(grid.onset, return_index=True)
            lines = np.interp(grid.bars()[:-1], ticks, piece.score.onset[first].astype(float))
            step = _step(len(lines))
            numbers = [bar for bar in range(1, len(lines) + 1) if bar == 1 or bar % step == 0]
            return Axis(np.array([lines[bar - 1] for bar in numbers]), tuple(map(str, numbers)), "bar")
    seconds = chords.onset[[0, -1]] / 1000
    step = _step(int(seconds[1]) + 1)
    marks = np.arange(np.ceil(seconds[0] / step) * step, seconds[1] + 1e-9, step)
    return Axis(1000 * marks, tuple(f"{mark:.0f}" for mark in marks), "seconds of the score")


def _step(count: int) -> int:
    """How many bars or seconds to a mark, so that there are at most about 24."""
    return next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000) if count / step <= 24)


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **shared: Any) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **shared)


def _open(axis: Axes, *sides: str) -> None:
    for side in sides:
        axis.spines[side].set_visible(False)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return content.getvalue()
