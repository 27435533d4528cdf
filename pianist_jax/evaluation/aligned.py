"""Aligned metrics: candidates of a piece against all its humans, note by note.

For each curve of `curves.CURVES` (velocity, log_ioi, log_articulation), of K candidates and H humans:

r_single, r_mean   Pearson's r with the mean human: of one sample (mean over samples), of the mean of K
r_each             of one sample with one human, mean over all pairs
r2_single, r2_mean centred R² against the mean human: shape and size; a flat candidate has 0
wasserstein        per point the mean distance of a sample to a human, over that of two humans: a human has 1
wasserstein_set    per point Wasserstein-1 of m samples to the other humans, over that of m humans to the same
                   (m = min(K, H // 2) >= 2): 1 where the samples spread as the humans do; K > 1
                   (note by note, human-relative: PN)
variance_ratio     variance of a sample over the mean variance of the humans: < 1 too flat, > 1 too noisy
variance_match     the smaller of that ratio and its inverse, mean over samples: 1 at best, flat has 0
agreement          r with the mean human × that match, mean over samples: shape and size, both must be right
wasserstein_level  the same of the means of whole performances (PP)
spread_ratio       variance between samples over that between humans, of centred curves, summed over points;
                   K > 1
seam               mean |sample − mean human| within 16 notes of a window boundary over that in the interior
seam_jump          mean |jump| of (sample − mean human) at the boundaries over that in the interior, a jump
                   being the mean of 16 notes from there on less that of the 16 before: windows that meet on
                   different levels

Of the dynamics: velocity_range (5th to 95th percentile) and velocity_deviation, mean over samples, those of the
humans (…_human).

Of the pedal: pedal_f1 (`pedal.transition_f1` with each human who uses it, mean), repedal_f1 (`pedal.repedal_f1`, of
each human who changes it), pedal_down (share of the
time), pedal_down_human, pedal_down_error (|share − mean share of the humans|).

Of chords, in ms (`chords`): chord_spread and melody_lead, those of the humans (…_human), and the distance of
a sample from their mean (…_error).

Of the tempo of the whole, from the first to the last onset of the score: tempo_written (played over written time, of
the humans tempo_written_human), tempo_error (|log of a sample's time over the humans' geometric mean|); and last_gap,
the last gap's ratio to the written one over the performance's median (last_gap_human: the largest of a human).

Of the notes: notes_missing, the share of the score's that a sample does not play, and notes_extra, the share
of its own that the score does not have. The other metrics are of the notes that are played.

The humans' own, from `human_metrics`: r_ceiling and r2_ceiling (each against the mean of the others),
r_between (each against each), reliability of the mean human (Spearman–Brown), pedal_f1_ceiling, repedal_f1_ceiling,
pedal_down_error_ceiling, chord_spread_error_ceiling, melody_lead_error_ceiling, tempo_error_ceiling.

The mean human centres every performance first and counts where at least half of them play. What is NaN on
either side is left out pair by pair. No metric is ever NaN: what has no value is absent and named in the
warnings. The variance and the distances of humans are over their own gaps; the level of a curve (how loud,
how fast) matters to `wasserstein` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import statistics as stats
from pianist_jax.evaluation.chords import ChordUse, chord_use
from pianist_jax.evaluation.pedal import PedalUse, pedal_use, repedal_f1, transition_f1
from pianist_jax.evaluation.pieces import Played, PlayedPiece, curves_of
from pianist_jax.performance.parameters import CURVES, Chords, TimeMap, chords_of, deal, time_map

WINDOW, HOP, NEAR_SEAM = 512, 256, 16  # notes


@dataclass(frozen=True, eq=False)
class Performance:
    """One performance of a piece, ready to be compared: curves by name, time map, pedal, chords.

    `missing` and `extra`: the shares of the score's notes not played, and of the played notes not in the
    score.
    """

    curves: dict[str, np.ndarray]
    mapped: TimeMap
    pedal: PedalUse
    chords: ChordUse
    missing: float
    extra: float


@dataclass(frozen=True, eq=False)
class Reference:
    """The humans of a piece, ready to be compared with.

    `curves` float64[H, ·] by name; `mean` their mean curve; `distance` per point between two of the piece's
    humans, which `without` keeps as it was.
    """

    name: str
    composition: str
    chords: Chords
    performances: tuple[Performance, ...]
    curves: dict[str, np.ndarray]
    mean: dict[str, np.ndarray]
    distance: dict[str, np.ndarray]


def prepare(chords: Chords, played: Played) -> Performance:
    """Curves, time map, pedal and chords of a performance of a score."""
    playing = deal(played.notes, played.match)
    mapped = time_map(chords, playing.onset)
    return Performance(
        curves_of(chords, playing, mapped, human=played.aligned),
        mapped,
        pedal_use(chords, playing, mapped),
        chord_use(chords, playing),
        missing=played.missing / chords.notes,
        extra=played.extra / max(len(played.notes), 1),
    )


def reference_of(piece: PlayedPiece) -> Reference:
    """The humans of a piece, dealt out on its score.

    Raises PianistError where the piece has no human or one plays nothing of the score.
    """
    if not piece.humans:
        raise PianistError(f"{piece.name}: no human performance to compare with; add one or leave the piece out")
    chords = chords_of(piece.score)
    performances = []
    for human in piece.humans:
        if not (human.match >= 0).any():
            raise PianistError(f"{piece.name}: {human.name} plays no note of the score; leave it out")
        performances.append(prepare(chords, human))
    curves = {name: np.stack([one.curves[name] for one in performances]) for name in CURVES}
    return Reference(
        name=piece.name,
        composition=piece.composition,
        chords=chords,
        performances=tuple(performances),
        curves=curves,
        mean={name: stats.mean_curve(rows) for name, rows in curves.items()},
        distance={name: stats.pairwise_distance(rows) for name, rows in curves.items()},
    )


def without(reference: Reference, human: int) -> Reference:
    """The reference less one of its (two or more) humans, who, or a version of whom, is to be judged."""
    others = [index for index in range(len(reference.performances)) if index != human]
    curves = {name: rows[others] for name, rows in reference.curves.items()}
    return replace(
        reference,
        performances=tuple(reference.performances[index] for index in others),
        curves=curves,
        mean={name: stats.mean_curve(rows) for name, rows in curves.items()},
    )


def candidate_metrics(
    reference: Reference, samples: Sequence[Performance], boundaries: np.ndarray | None = None
) -> dict[str, float]:
    """All metrics of K samples of one piece (see the top of this file); NaN where there is no value.

    boundaries: score note indices at which rendering windows meet; by default every 256 notes of a piece of
    more than 512.
    """
    metrics: dict[str, float] = {}
    if boundaries is None:
        notes = reference.chords.notes
        boundaries = np.arange(HOP, notes, HOP) if notes > WINDOW else np.zeros(0, np.int64)
    for name in CURVES:
        curves = np.stack([sample.curves[name] for sample in samples])
        found = _curve_metrics(reference, name, curves)
        found |= _seam_metrics(reference, name, curves, np.asarray(boundaries))
        metrics |= {f"{name}_{metric}": value for metric, value in found.items()}
    shares = {
        "notes_missing": float(np.mean([sample.missing for sample in samples])),
        "notes_extra": float(np.mean([sample.extra for sample in samples])),
    }
    tempo = _tempo_metrics(reference, samples)
    metrics |= tempo | _dynamics_metrics(reference, samples)
    return metrics | _pedal_metrics(reference, samples) | _chord_metrics(reference, samples) | shares


def _dynamics_metrics(reference: Reference, samples: Sequence[Performance]) -> dict[str, float]:
    metrics = {}
    for suffix, performances in (("", samples), ("_human", reference.performances)):
        played = [one.curves["velocity"][np.isfinite(one.curves["velocity"])] for one in performances]
        played = [velocity for velocity in played if len(velocity)]
        ranges = [np.subtract(*np.quantile(velocity, [0.95, 0.05])) for velocity in played]
        metrics[f"velocity_range{suffix}"] = float(np.mean(ranges)) if ranges else float("nan")
        deviations = [velocity.std() for velocity in played]
        metrics[f"velocity_deviation{suffix}"] = float(np.mean(deviations)) if deviations else float("nan")
    return metrics


def slowness(chords: Chords, mapped: TimeMap) -> float:
    """Performed over written time, from the first to the last onset of a score; NaN for a score of one onset."""
    if len(chords) < 2:
        return float("nan")
    begin, end = mapped.to_performed(chords.onset[[0, -1]])
    return float((end - begin) / (chords.onset[-1] - chords.onset[0]))


def _tempo_metrics(reference: Reference, samples: Sequence[Performance]) -> dict[str, float]:
    humans = np.log([slowness(reference.chords, one.mapped) for one in reference.performances])
    own = np.log([slowness(reference.chords, one.mapped) for one in samples])
    return {
        "tempo_written": float(np.exp(stats.mean_valid(own))),
        "tempo_written_human": float(np.exp(stats.mean_valid(humans))),
        "tempo_error": float(stats.mean_valid(np.abs(own - stats.mean_valid(humans)))),
        "last_gap": float(stats.mean_valid(np.array([_last_gap(one) for one in samples]))),
        "last_gap_human": float(np.max([_last_gap(one) for one in reference.performances])),
    }


def _last_gap(performance: Performance) -> float:
    curve = performance.curves["log_ioi"]
    known = curve[np.isfinite(curve)]
    return float(np.exp(curve[-1] - np.median(known))) if len(known) else float("nan")


def _curve_metrics(reference: Reference, name: str, samples: np.ndarray) -> dict[str, float]:
    humans, mean, distance = reference.curves[name], reference.mean[name], reference.distance[name]
    middle = stats.mean_curve(samples)
    to_humans = stats.mean_valid(np.concatenate([np.abs(humans - sample) for sample in samples]), 0)
    ratio = _ratio(stats.variance_valid(samples), float(stats.mean_valid(stats.variance_valid(humans))))
    match = np.minimum(ratio, 1 / np.maximum(ratio, stats.FLAT))
    shape = stats.pearson(samples, mean)
    several = {
        "wasserstein_set": _wasserstein_set(samples, humans),
        "wasserstein_level": _wasserstein_set(*(stats.mean_valid(rows)[:, None] for rows in (samples, humans))),
        "spread_ratio": _spread_ratio(samples, humans),
    }
    return {
        "r_single": float(stats.mean_valid(shape)),
        "r_mean": float(stats.pearson(middle, mean)),
        "r_each": float(stats.mean_valid(stats.pearson(samples[:, None], humans).ravel())),
        "r2_single": float(stats.mean_valid(stats.centred_r2(samples, mean))),
        "r2_mean": float(stats.centred_r2(middle, mean)),
        "wasserstein": stats.ratio_of_sums(to_humans, distance),
        "variance_ratio": float(stats.mean_valid(ratio)),
        "variance_match": float(stats.mean_valid(match)),
        "agreement": float(stats.mean_valid(shape * match)),
        **(several if len(samples) > 1 else {}),
    }


def _ratio(numerator: np.ndarray, denominator: float) -> np.ndarray:
    return numerator / denominator if denominator > stats.FLAT else np.full_like(numerator, np.nan)


def _wasserstein_set(samples: np.ndarray, humans: np.ndarray) -> float:
    size = min(len(samples), len(humans) // 2)
    if size < 2:
        return float("nan")
    ours, theirs = [], []
    for turn in range(len(humans)):  # every human is as often among the m as any other
        chosen = (turn + np.arange(size)) % len(humans)
        others = np.delete(humans, chosen, axis=0)
        ours.append(stats.wasserstein(samples[(turn + np.arange(size)) % len(samples)], others))
        theirs.append(stats.wasserstein(humans[chosen], others))
    return stats.ratio_of_sums(stats.mean_valid(np.stack(ours), 0), stats.mean_valid(np.stack(theirs), 0))


def _spread_ratio(samples: np.ndarray, humans: np.ndarray) -> float:
    def spread(curves: np.ndarray) -> np.ndarray:
        centred = stats.centre(curves)
        count = np.isfinite(centred).sum(0)
        variance = stats.mean_valid((centred - stats.mean_valid(centred, 0)) ** 2, 0)
        return np.where(count > 1, variance * count / np.maximum(count - 1, 1), np.nan)

    return stats.ratio_of_sums(spread(samples), spread(humans)) if len(humans) > 1 else float("nan")


def _seam_metrics(reference: Reference, name: str, samples: np.ndarray, boundaries: np.ndarray) -> dict[str, float]:
    # An IOI lies where the note that ends it does.
    notes = reference.chords.first[1:] if name == "log_ioi" else np.arange(reference.chords.notes)
    after = notes[:, None] - boundaries[None, :]
    near = ((after >= -NEAR_SEAM) & (after < NEAR_SEAM)).any(1)
    at = np.searchsorted(notes, boundaries)
    error = stats.centre(samples) - reference.mean[name]
    jump = np.abs(stats.jumps(error, NEAR_SEAM))
    return {
        "seam": _over(np.abs(error[:, near]), np.abs(error[:, ~near])),
        "seam_jump": _over(jump[:, at[at < len(notes)]], jump[:, ~near]),
    }


def _over(here: np.ndarray, elsewhere: np.ndarray) -> float:
    return float(_ratio(stats.mean_valid(here.ravel()), float(stats.mean_valid(elsewhere.ravel()))))


def _pedal_metrics(reference: Reference, samples: Sequence[Performance]) -> dict[str, float]:
    pedalled = [human for human in reference.performances if len(human.pedal)]
    scores = [transition_f1(one.pedal, human.pedal, human.mapped) for one in samples for human in pedalled]
    changers = [human for human in reference.performances if len(human.pedal.changes)]
    changes = [repedal_f1(one.pedal, human.pedal, human.mapped) for one in samples for human in changers]
    shares = np.array([one.pedal.share_down for one in samples])
    usual = float(np.mean([human.pedal.share_down for human in reference.performances]))
    return {
        "pedal_f1": float(np.mean(scores)) if scores else float("nan"),
        "repedal_f1": float(np.mean(changes)) if changes else float("nan"),
        "pedal_down": float(shares.mean()),
        "pedal_down_human": usual,
        "pedal_down_error": float(np.abs(shares - usual).mean()),
    }


def _chord_metrics(reference: Reference, samples: Sequence[Performance]) -> dict[str, float]:
    metrics = {}
    for name, of in (("chord_spread", "spread"), ("melody_lead", "lead")):
        values = np.array([getattr(one.chords, of) for one in samples])
        usual = np.array([getattr(one.chords, of) for one in reference.performances])
        metrics[name] = float(stats.mean_valid(values))
        metrics[f"{name}_human"] = float(stats.mean_valid(usual))
        metrics[f"{name}_error"] = float(stats.mean_valid(np.abs(values - stats.mean_valid(usual))))
    return metrics


def human_metrics(reference: Reference) -> dict[str, float]:
    """What the humans of a piece reach among themselves (see the top of this file); NaN for one alone."""
    count = len(reference.performances)
    metrics: dict[str, float] = {}
    for name in CURVES:
        curves, found = reference.curves[name], (float("nan"),) * 4
        if count > 1:
            others = stats.leave_one_out_means(curves)
            above = np.triu_indices(count, 1)
            between = float(stats.mean_valid(stats.pearson(curves[:, None], curves[None])[above]))
            found = (
                float(stats.mean_valid(stats.pearson(curves, others))),
                float(stats.mean_valid(stats.centred_r2(curves, others))),
                between,
                count * between / (1 + (count - 1) * between) if between > 0 else min(between, 0.0),
            )
        keys = ("r_ceiling", "r2_ceiling", "r_between", "reliability")
        metrics |= {f"{name}_{key}": value for key, value in zip(keys, found, strict=True)}
    for name, agreement, used in (("pedal_f1", transition_f1, len), ("repedal_f1", repedal_f1, _changes)):
        pairs = [
            agreement(first.pedal, second.pedal, second.mapped)
            for first in reference.performances
            for second in reference.performances
            if first is not second and used(second.pedal)
        ]
        metrics[f"{name}_ceiling"] = float(np.mean(pairs)) if pairs else float("nan")
    of_each = {
        "pedal_down": [human.pedal.share_down for human in reference.performances],
        "chord_spread": [human.chords.spread for human in reference.performances],
        "melody_lead": [human.chords.lead for human in reference.performances],
    }
    of_each["tempo"] = np.log([slowness(reference.chords, human.mapped) for human in reference.performances]).tolist()
    for name, values in of_each.items():
        metrics[f"{name}_error_ceiling"] = _left_out_error(np.array(values))
    return metrics


def _changes(pedal: PedalUse) -> int:
    return len(pedal.changes)


def _left_out_error(values: np.ndarray) -> float:
    """How far each of some values is from the mean of the others, on average; NaN for one alone."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return float("nan")
    others = (values.sum() - values) / (len(values) - 1)
    return float(np.abs(values - others).mean())
