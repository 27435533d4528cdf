"""Are editable files within what sequencers document, and do they sound as performed? A human on every score of ASAP.

    python -m experiments.daw_files --asap DIR --cache DIR [--every 1] [--readers] [--sample DIR]

Of each distinct MIDI score of ASAP the first human performance is laid on the score's beats as `pianist render` does it
(`score.sequencer`, `performance.tempo_map`), written, read back by mido alone (`performance.fidelity`) and compared
event by event, in all modes. Notes are those that the alignment matches, at the performer's own times. Everything that
sequencers limit is looked up in the written file. `--readers` has pretty_midi, symusic, mido and partitura read each
file (those that are installed). What came out stands in experiments/validation.md.
"""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mido
import numpy as np

from experiments.tempo_mapping import matched
from pianist_jax.data.pairs import Performance, load_alignment, read_metadata
from pianist_jax.performance.beyond import beyond
from pianist_jax.performance.fidelity import KINDS, compare
from pianist_jax.performance.tempo_map import SEQUENCERS, TEMPO_EVENTS, map_tempo, write_mapped
from pianist_jax.score.load import load
from pianist_jax.score.sequencer import DENOMINATORS, MOST_BEATS, for_sequencers

READERS: dict[str, Callable[[Any, str], Any]] = {
    "pretty_midi": lambda library, path: library.PrettyMIDI(path),
    "symusic": lambda library, path: library.Score(path),
    "mido": lambda library, path: library.MidiFile(path),
    "partitura": lambda library, path: library.load_performance_midi(path),
}


def distinct(asap: Path, every: int = 1) -> list[Performance]:
    """The first performance of each score, files of the same bytes being one score."""
    found: dict[bytes, Performance] = {}
    for row in read_metadata(asap):
        found.setdefault((asap / row.score).read_bytes(), row)
    return list(found.values())[::every]


def outside(path: Path) -> list[str]:
    """What in a file is beyond what sequencers document."""
    file = mido.MidiFile(path)
    wrong = [] if 24 <= file.ticks_per_beat <= 3840 else [f"{file.ticks_per_beat} ticks a quarter"]
    for message in file.tracks[0]:
        if message.type == "set_tempo" and not 200_000 <= message.tempo <= 3_000_000:
            wrong.append(f"tempo {mido.tempo2bpm(message.tempo):.2f}")
        if message.type == "time_signature" and not (
            message.denominator in DENOMINATORS and 1 <= message.numerator <= MOST_BEATS
        ):
            wrong.append(f"{message.numerator}/{message.denominator}")
    return wrong


def refusals(path: Path) -> dict[str, str]:
    """Which installed readers do not read a file, and what they say; "" for those that do."""
    said = {}
    for name, read in READERS.items():
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue
        try:
            read(library, str(path))
            said[name] = ""
        except Exception as error:  # whatever somebody's library says
            said[name] = f"{type(error).__name__}: {error}"
    return said


def measure(asap: Path, cache: Path, every: int, *, readers: bool, sample: Path | None) -> Iterator[dict[str, Any]]:
    """A line of figures for every score and mode."""
    folder = sample or Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True, parents=True)
    for number, row in enumerate(distinct(asap, every)):
        _, played, match = load_alignment(asap, row, cache)
        given, notes = matched(load(asap / row.score, whole=True).grid, played, match)
        grid, changed = for_sequencers(given, SEQUENCERS.ticks_per_quarter)
        for events in TEMPO_EVENTS:
            mapped = map_tempo(grid, notes, events)
            path = folder / f"{number:03}.{events}.daw.mid"
            remarks = beyond(mapped, notes, SEQUENCERS, changed)
            write_mapped(path, mapped, remarks)
            micros = mapped.tempo.micros
            yield {
                "score": row.score,
                "events": events,
                "outside": outside(path),
                "remarks": remarks,
                "tempi": (60e6 / micros.max(), 60e6 / micros.min()),
                "doubles": len(micros) > 1 and bool(micros[-1] <= 0.55 * micros[-2]),
                "on_grid": len(np.unique(mapped.grid[mapped.notes.onset == mapped.grid])) / len(np.unique(mapped.grid)),
                "refused": refusals(path) if readers else {},
                **compare(path, notes, mapped.offset),
            }
            if sample is None:
                path.unlink()


def table(lines: list[dict[str, Any]]) -> str:
    """Worst and mean ms by kind of event, and how many files each limit touches, in every mode."""
    rows = ["| tempo events | files | outside the limits | " + " | ".join(f"{kind} worst, mean (ms)" for kind in KINDS)]
    rows[0] += " | above 1 ms (files) | onsets on the grid | tempo doubles at the end |"
    rows.append("|---|---|---|" + "---|" * (len(KINDS) + 3))
    for events in TEMPO_EVENTS:
        own = [line for line in lines if line["events"] == events]
        cells = [events, str(len(own)), str(sum(bool(line["outside"]) for line in own))]
        for kind in KINDS:
            count = sum(line[kind].count for line in own)
            mean = sum(line[kind].mean * line[kind].count for line in own) / max(count, 1)
            cells.append(f"{max(line[kind].worst for line in own):.2f}, {mean:.3f}")
        loud = sum(max(line[kind].worst for kind in KINDS) > 1 for line in own)
        cells += [str(loud), f"{np.mean([line['on_grid'] for line in own]):.1%}"]
        cells.append(str(sum(line["doubles"] for line in own)))
        rows.append("| " + " | ".join(cells) + " |")
    for name in READERS:
        tried = [line for line in lines if name in line["refused"]]
        if tried:
            rows.append(f"{name}: refuses {sum(bool(line['refused'][name]) for line in tried)} of {len(tried)} files")
    return "\n".join(rows)


def main() -> None:
    """Print the table, and what the files say of themselves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True, help="the folder that ASAP was unpacked to")
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--every", type=int, default=1, help="every so many scores only")
    parser.add_argument("--readers", action="store_true", help="let other programs' readers read the files")
    parser.add_argument("--sample", type=Path, help="keep the files in this folder")
    arguments = parser.parse_args()
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    lines = list(
        measure(arguments.asap, arguments.cache, arguments.every, readers=arguments.readers, sample=arguments.sample)
    )
    for line in lines:
        if line["remarks"] or line["outside"] or any(line["refused"].values()):
            print(
                line["score"],
                line["events"],
                *line["outside"],
                *line["remarks"],
                *filter(None, line["refused"].values()),
                sep="\n    ",
            )
    print(table(lines))


if __name__ == "__main__":
    main()
