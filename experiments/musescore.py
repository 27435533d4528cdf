"""What does MuseScore make of editable files? Bars, metres, keys, and notes at their written bar, beat and pitch.

    python -m experiments.musescore --asap DIR --alignments NPZ [--count 16] [--modes onset bar]

A human performance of each of `--count` scores of ASAP (`experiments.daw_files`) becomes an editable file, MuseScore 3
(Debian's musescore3, headless) imports it and writes MusicXML, which is read back. Beside it stands the same score as
deadpan MIDI, written by the same means: what is lost there MuseScore's quantisation loses by itself. A note is found
where one of its pitch begins in its bar within 1/48 quarter of its place. Without MuseScore nothing is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments import daw_files
from experiments.daw_files import distinct, performed
from pianist_jax.data.alignments import read_given
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.tempo_events import SEQUENCERS
from pianist_jax.performance.tempo_map import TEMPO_EVENTS, map_tempo, write_mapped
from pianist_jax.score.facts import Score
from pianist_jax.score.grid import ScoreGrid, signature_at
from pianist_jax.score.load import load
from pianist_jax.score.reading import Reading
from pianist_jax.score.sequencer import for_sequencers

PROGRAMS = ("mscore3", "musescore3")
STEPS = 48  # in a quarter
DEADPAN = "deadpan"


def program() -> str | None:
    """MuseScore 3, where it is installed."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def imported(musescore: str, path: Path, seconds: float = 300) -> Score:
    """What MuseScore makes of a MIDI file. Raises PianistError where it makes nothing."""
    return load(converted(musescore, path, path.with_suffix(".musicxml"), seconds), Reading(repeats=False), whole=True)


def converted(musescore: str, path: Path, out: Path, seconds: float = 300) -> Path:
    """A file that MuseScore reads and writes again as `out`. Raises PianistError where it makes nothing of it."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    try:
        subprocess.run(
            [musescore, "-o", str(out), str(path)], check=True, capture_output=True, env=environment, timeout=seconds
        )
    except subprocess.SubprocessError as error:
        raise PianistError(f"{path.name}: MuseScore does not import it ({type(error).__name__})") from error
    return out


def deadpan(grid: ScoreGrid, pitch: np.ndarray) -> Notes:
    """The score as it stands at 120 quarters a minute: ms, no pedal; a key that is struck again comes up before."""
    onset = np.rint(500 * grid.quarters).astype(np.int64)
    end = onset + np.maximum(np.rint(500 * grid.duration / grid.ticks_per_quarter).astype(np.int64), 1)
    order = np.lexsort((onset, pitch))
    again = pitch[order][1:] == pitch[order][:-1]
    end[order[:-1]] = np.where(again, np.minimum(end[order[:-1]], onset[order[1:]]), end[order[:-1]])
    none = np.zeros(0, np.int64)
    return Notes(pitch, onset, np.maximum(end - onset, 1), np.full(len(pitch), 64), none, none)


def figures(found: Score, grid: ScoreGrid, pitch: np.ndarray) -> dict[str, Any]:
    """Whether bars, metres and keys are those of the file, and the share of notes at their bar, beat and pitch."""
    lines = grid.bars()
    bar = np.clip(np.searchsorted(lines, grid.onset, side="right") - 1, 0, len(lines) - 2)
    step = np.rint((grid.onset - lines[bar]) / grid.ticks_per_quarter * STEPS).astype(int)
    own = Counter(zip(bar.tolist(), step.tolist(), pitch.tolist(), strict=True))
    place = np.rint(found.beat * STEPS).astype(int)
    read = Counter(zip(found.bar.tolist(), place.tolist(), found.notes.pitch.tolist(), strict=True))
    count = len(lines) - 1
    starts = np.array([place.start for place in found.bars[:count]])
    same = len(starts) >= count - 1  # a last note may end before a last bar line, or in a bar of its own
    same = same and bool(np.all(np.abs(starts - lines[: len(starts)] / grid.ticks_per_quarter) < 0.5 / STEPS))
    fifths = [sign.fifths for sign in found.key_signatures if sign.start == 0][:1]
    return {
        "bars": same,
        "metres": same and _metres(found, starts) == [signature_at(grid, tick) for tick in lines[1 : len(starts)]],
        "key": not grid.key_signatures or fifths == [_fifths(grid.key_signatures[0][1])],
        "notes": sum((own & read).values()) / len(pitch),
    }


def _metres(found: Score, starts: np.ndarray) -> list[tuple[int, int]]:
    """The signature in force in each bar but the first: a short one is an upbeat to MuseScore, and has the next's."""
    signs = found.time_signatures
    places = np.searchsorted([sign.start for sign in signs], starts[1:] + 0.5 / STEPS) - 1
    return [(signs[k].beats, signs[k].beat_type) for k in places.tolist()]


def _fifths(key: str) -> int:
    """Sharps (flats below 0) of a key as in `Bbm`."""
    names = ("Fb", "Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
    return names.index(key.removesuffix("m")) - (11 if key.endswith("m") else 8)


def drawn(asap: Path, alignments: Path, count: int) -> Iterator[tuple[str, ScoreGrid, Notes]]:
    """So many scores by name, with a human performance of each."""
    given = read_given(alignments)
    rows = [row for row in distinct(asap, given) if row.file in given]
    for k in np.random.default_rng(0).permutation(len(rows))[:count]:
        grid, notes, _ = performed(asap, rows[k], given)
        yield rows[k].score, grid, notes


def measure(
    musescore: str, scores: Iterable[tuple[str, ScoreGrid, Notes]], modes: list[str]
) -> Iterator[dict[str, Any]]:
    """A line of figures for every score and mode, deadpan first."""
    for name, own, notes in scores:
        grid, _ = for_sequencers(own, SEQUENCERS.ticks_per_quarter)
        plain = dataclasses.replace(grid, tempi=())
        for mode in (DEADPAN, *modes):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "a.mid"
                chosen = deadpan(plain, notes.pitch) if mode == DEADPAN else notes
                line = {"score": name, "mode": mode}
                try:
                    write_mapped(path, map_tempo(plain, chosen, "bar" if mode == DEADPAN else mode))
                    yield {**line, **figures(imported(musescore, path), grid, notes.pitch)}
                except (PianistError, ValueError) as error:
                    yield {**line, "bars": False, "metres": False, "key": False, "notes": 0.0, "error": str(error)}


def options(description: str | None) -> argparse.ArgumentParser:
    """A command about so many performances of ASAP, each as an editable file in some modes."""
    parser = daw_files.options(description)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--modes", nargs="+", default=["onset", "bar"], choices=TEMPO_EVENTS)
    return parser


def main() -> None:
    """Print a line for every file, and the table."""
    given = options(__doc__).parse_args()
    musescore = program()
    if musescore is None:
        print(f"none of {', '.join(PROGRAMS)} is installed: nothing measured")
        return
    lines = []
    for line in measure(musescore, drawn(given.asap, given.alignments, given.count), given.modes):
        lines.append(line)
        print(*line.values(), flush=True)
    print("| file | n | same bars | same metres | same first key | notes at their bar, beat and pitch: mean, least |")
    print("|---|---|---|---|---|---|")
    for mode in (DEADPAN, *given.modes):
        own = [line for line in lines if line["mode"] == mode]
        told = [str(sum(line[what] for line in own)) for what in ("bars", "metres", "key")]
        notes = [line["notes"] for line in own]
        print(f"| {mode} | {len(own)} | {' | '.join(told)} | {np.mean(notes):.1%}, {min(notes):.1%} |")


if __name__ == "__main__":
    main()
