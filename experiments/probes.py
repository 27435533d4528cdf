"""Does a performance change as pianists' do when a mark is put into the score, and by how much?

    python -m experiments.probes --pairs PARTS --asap DIR [--model default] [--out FILE.md]

Humans: in every training performance (ASAP, marks of the MusicXML twins) the notes that have a mark against those that
do not, of the same performance; the mean over performances, and the share of them that go that way.

The model: validation pieces, their first notes, performed twice with one seed and one draw, once as they are with none
of the kind, once with the mark put into the score: at every other passage of `PASSAGE` chords, or at single notes. What
is told is the mean change at the notes that got it (of hairpins: of the last quarter of them less the first).
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.data.curves import stretch_parameters
from pianist_jax.data.parts import PairCorpus, choose, load_pairs
from pianist_jax.data.twins import twin_page
from pianist_jax.evaluation.dataset import read_metadata
from pianist_jax.inference.decoder import Timer
from pianist_jax.inference.engine import Model, load_model
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import DURATION, PAGE, SIGNS, SLOT_START, VELOCITY
from pianist_jax.performance.parameters import Chords, chords_of, clock_of, parameters_of, time_map
from pianist_jax.rendering.renderer import Piece, interpretations, read_piece
from pianist_jax.score.written import LEVEL_VELOCITY, LEVELS

PASSAGE, EVERY = 8, 12  # chords of a passage, and from one single mark to the next
NOTES = 500  # of a piece
LEAST = 8  # notes with and without a mark, for a performance to count
FAR = {"velocity": np.inf, "log_articulation": 2.5, "log_ioi": 1.5}  # from the median; what lies beyond is misaligned
STACCATO = 0.5  # of a note's length, in the scores that performances are laid on
# What is put in: the parameter that is looked at, and the columns of the page as they are without and with it.
PROBES: dict[str, tuple[str, dict[str, int], dict[str, int]]] = {
    "p to f": ("velocity", {"level": 5, "hairpin": 1, "along": 1}, {"level": 8, "hairpin": 1, "along": 1}),
    "crescendo": ("velocity", {"hairpin": 1, "along": 1}, {"hairpin": 3}),
    "staccato": ("log_articulation", {"slur": 1}, {"slur": 1}),
    "slur": ("log_articulation", {"slur": 1}, {"slur": 3}),
    "accent": ("velocity", {}, {}),
    "fermata": ("log_ioi", {}, {}),
    "rit.": ("log_ioi", {"gradual": 1}, {}),
}
SINGLE = ("accent", "fermata")


@dataclasses.dataclass(frozen=True)
class Effect:
    """What a mark does: the mean over performances or pieces, how many they are, and the share that go that way."""

    mean: float
    count: int
    share: float


def effect(values: list[float]) -> Effect:
    """The mean of finite values and how many of them have its sign."""
    found = np.array([value for value in values if np.isfinite(value)])
    if not len(found):
        return Effect(float("nan"), 0, float("nan"))
    return Effect(float(found.mean()), len(found), float(np.mean(np.sign(found) == np.sign(found.mean()))))


def _columns(page: np.ndarray) -> dict[str, np.ndarray]:
    return {name: page[:, number].astype(np.int64) for number, name in enumerate(PAGE)}


def _has(column: dict[str, np.ndarray], sign: str) -> np.ndarray:
    return (np.maximum(column["signs"] - 1, 0) >> SIGNS.index(sign)) & 1 > 0


def of_humans(pairs: PairCorpus) -> dict[str, Effect]:
    """The effect of each mark in training performances whose page is known."""
    found: dict[str, list[float]] = {name: [] for name in PROBES}
    for number in np.flatnonzero(pairs.split == 0).tolist():
        own = slice(pairs.offsets[number], pairs.offsets[number + 1])
        page = None if pairs.score.page is None else pairs.score.page[own]
        if page is None or not page.any() or not pairs.played[own].any():
            continue
        chords, made = stretch_parameters(pairs, number)
        values = {"velocity": made.velocity, "log_articulation": made.log_articulation}
        values["log_ioi"] = np.append(made.log_ioi, np.nan)[chords.of]
        for name, far in FAR.items():
            apart = np.abs(values[name] - np.nanmedian(values[name]))
            values[name] = np.where(apart < far, values[name], np.nan)
        for name, (with_it, without, curve) in _contrasts(_columns(page), values).items():
            if min(with_it.sum(), without.sum()) >= LEAST:
                found[name].append(float(np.nanmean(curve[with_it]) - np.nanmean(curve[without])))
    return {name: effect(each) for name, each in found.items()}


def _contrasts(
    column: dict[str, np.ndarray], values: dict[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each mark the notes that have it, those that do not, and the curve to compare them by."""
    known, grows = column["level"] > 0, column["hairpin"] == 3
    short = _has(column, "staccato") | _has(column, "staccatissimo")
    plain = ~short & (column["slur"] == 1)
    velocity, articulation = values["velocity"], values["log_articulation"]
    around = np.convolve(np.nan_to_num(velocity, nan=float(np.nanmean(velocity))), np.ones(17) / 17, "same")
    # A staccato note of the pairs' scores has half its written length already.
    written = articulation + np.where(short, np.log(STACCATO), 0.0)
    return {
        "p to f": (column["level"] == 8, column["level"] == 5, velocity),
        "crescendo": (
            grows & (column["along"] >= 12),
            grows & (column["along"] > 1) & (column["along"] <= 6),
            velocity,
        ),
        "staccato": (_has(column, "staccato") & (column["slur"] == 1), plain, written),
        "slur": ((column["slur"] == 3) & ~short, plain, articulation),
        "accent": (_has(column, "accent"), ~_has(column, "accent") & known, velocity - around),
        "fermata": (_has(column, "fermata"), ~_has(column, "fermata") & known, values["log_ioi"]),
        "rit.": ((column["gradual"] > 2) & (column["gradual"] <= 17), column["gradual"] == 1, values["log_ioi"]),
    }


def probed(piece: Piece, name: str) -> tuple[Piece, Piece, np.ndarray]:
    """A piece without any mark of a kind, with some put in, and which notes have got it."""
    _, without, with_it = PROBES[name]
    chords = chords_of(piece.score)
    passage = chords.of // PASSAGE % 2 == 1
    marked = (chords.of % EVERY == EVERY // 2) if name in SINGLE else passage
    if name == "p to f":
        marked = np.ones(len(piece.score), bool)
    page = np.array(piece.tokens.page)
    bit = 1 << SIGNS.index(name) if name in SIGNS else 0
    signs = PAGE.index("signs")
    page[:, signs] = (np.maximum(page[:, signs] - 1, 0) & ~bit) + 1
    for column, value in without.items():
        page[:, PAGE.index(column)] = value
    marks = page.copy()
    marks[marked, signs] = ((marks[marked, signs] - 1) | bit) + 1
    for column, value in with_it.items():
        marks[marked, PAGE.index(column)] = value
    if name == "crescendo":
        marks[marked, PAGE.index("along")] = 2 + (chords.of[marked] % PASSAGE) * 15 // (PASSAGE - 1)
    if name == "rit.":
        marks[marked, PAGE.index("gradual")] = 2 + chords.of[marked] % PASSAGE // 2
    plain, changed = piece, piece
    if name == "staccato":
        changed = _shortened(piece, marked)
    if name == "p to f":
        plain, changed = (_as_loud(piece, LEVEL_VELOCITY[LEVELS.index(level)]) for level in ("p", "f"))
    return _with_page(plain, page), _with_page(changed, marks), marked


def _with_page(piece: Piece, page: np.ndarray) -> Piece:
    return dataclasses.replace(piece, tokens=piece.tokens._replace(page=page.astype(np.int32)))


def _as_loud(piece: Piece, velocity: int) -> Piece:
    """The piece with the velocity of a dynamic mark throughout, as readers give it."""
    notes = np.array(piece.tokens.notes)
    notes[:, VELOCITY] = velocity + int(SLOT_START[VELOCITY])
    score = dataclasses.replace(piece.score, velocity=np.full(len(piece.score), velocity))
    return dataclasses.replace(piece, score=score, tokens=piece.tokens._replace(notes=notes))


def _shortened(piece: Piece, marked: np.ndarray) -> Piece:
    """The piece with some notes sounding as staccato does in scores that are read."""
    duration = np.where(marked, np.maximum(np.rint(piece.score.duration * STACCATO), 1), piece.score.duration)
    notes = np.array(piece.tokens.notes)
    at = int(SLOT_START[DURATION])
    notes[:, DURATION] = np.where(marked, np.maximum((notes[:, DURATION] - at) * STACCATO, 1) + at, notes[:, DURATION])
    score = dataclasses.replace(piece.score, duration=duration.astype(np.int64))
    return dataclasses.replace(piece, score=score, tokens=piece.tokens._replace(notes=notes))


def of_model(pieces: list[Piece], model: Model, sampling: Sampling) -> dict[str, Effect]:
    """The effect of each mark on what the model plays of pieces, as it is drawn and averaged (before voicing)."""
    found: dict[str, list[float]] = {name: [] for name in PROBES}
    for name, (curve, _, _) in PROBES.items():
        variants = [probed(piece, name) for piece in pieces]
        both = [variant for plain, with_it, _ in variants for variant in (plain, with_it)]
        played = {number: one for number, _, (one,) in interpretations(iter(both), model, 0, 1, sampling, Timer())}
        for number, (plain, _, marked) in enumerate(variants):
            chords = chords_of(plain.score)
            before, after = (_curves(chords, played[2 * number + k])[curve] for k in range(2))
            found[name].append(_change(name, chords, marked, after - before))
    return {name: effect(each) for name, each in found.items()}


def _change(name: str, chords: Chords, marked: np.ndarray, change: np.ndarray) -> float:
    if name != "crescendo":
        return float(np.nanmean(change[marked]))
    place = chords.of % PASSAGE
    return float(np.nanmean(change[marked & (place >= 6)]) - np.nanmean(change[marked & (place < 2)]))


def _curves(chords: Chords, played: Notes) -> dict[str, np.ndarray]:
    """Velocity, log-articulation against the plain score's lengths, and log-IOI of every note."""
    clock = clock_of(chords, played.onset)
    made = parameters_of(
        chords, clock, time_map(chords, played.onset.astype(np.float64)), played.velocity, played.duration
    )
    return {
        "velocity": np.asarray(made.velocity, np.float64),
        "log_articulation": made.log_articulation,
        "log_ioi": np.append(made.log_ioi, np.nan)[chords.of],
    }


def validation_pieces(asap: Path, notes: int = NOTES) -> list[Piece]:
    """The first notes of each validation score that has an engraved twin, with what that writes."""
    found = {one.score: one for one in read_metadata(asap) if one.split == "validation" and one.notation}
    pieces = []
    for one in found.values():
        piece = read_piece(asap / one.score)
        page = twin_page(piece.score, asap / one.notation)
        if page is not None:
            pieces.append(_first(_with_page(piece, page), notes))
    return pieces


def _first(piece: Piece, notes: int) -> Piece:
    score = dataclasses.replace(
        piece.score,
        **{name: getattr(piece.score, name)[:notes] for name in ("pitch", "onset", "duration", "velocity")},
    )
    return dataclasses.replace(piece, score=score, tokens=piece.tokens.at(slice(0, notes)), grid=None)


def table(humans: dict[str, Effect], model: dict[str, Effect]) -> str:
    """A table in Markdown: mark, parameter, humans' and the model's effect."""
    lines = ["| mark | of | humans (performances, that way) | the model (pieces, that way) |", "|---|---|---|---|"]
    show: Callable[[Effect], str] = lambda e: f"{e.mean:+.3f} ({e.count}, {e.share:.0%})"  # noqa: E731
    lines += [f"| {name} | {PROBES[name][0]} | {show(humans[name])} | {show(model[name])} |" for name in PROBES]
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="folder of pairs-*.part")
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pairs = load_pairs(sorted(options.pairs.glob("pairs-*.part")))
    pianists = choose(pairs, np.array([about.get("corpus") != "pop909" for about in pairs.metadata]))
    model = load_model(options.model)
    made = of_model(validation_pieces(options.asap), model, Sampling(draws=1))
    text = table(of_humans(pianists), made)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
