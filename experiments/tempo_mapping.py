"""Does the editable file sound like the performance? Humans of the validation pieces on their scores' beats.

    python -m experiments.tempo_mapping --asap DIR --cache DIR [--split validation]

Every human performance of a split is laid on the beats of its score (`performance.tempo_map`), written, read back by
mido alone (`performance.fidelity`) and compared event by event, in both modes. Notes are those that the alignment
matches; their times are the performer's own, unsorted: hands that are apart and rolled chords stay so.

Measured when tempi went from 5 to 600 and ticks were as short as half a millisecond (`experiments.daw_files`: today's
limits).

Validation, 81 performances of 14 pieces, 229 707 notes; ms, tempo events at every onset | on beats only:

    note-on    worst 0.396  mean 0.007 | worst 0.400  mean 0.029
    note-off   worst 0.245  mean 0.016 | worst 0.400  mean 0.033
    pedal      worst 0.248  mean 0.021 | worst 0.334  mean 0.038

By pieces the worst is between 0.17 and 0.40 ms in both modes: nothing grows with length. 96.9 % of the written
onsets (92.8 % in Ondine, 99.5 % in Beethoven's op. 101) have a note exactly on the grid in mode `onset`. Of the rest
three in ten are ornaments written closer than 1/32 quarter; the others were struck before, or so soon after, the onset
ahead of them that no tempo up to 600 bpm leads there. In mode `beat` 24.9 % have one. 95 % of the notes stand
within 0.09 | 0.19 quarters of where they are written, rolled chords included. 12 300 | 5 600 ticks a quarter on
average. The longest (Liszt's Ballade 2, 6 822 notes) takes 0.5 s and 154 kB.

Renderings of the 14 validation scores (`pianist render`, default model, seed 0; 39 295 notes, 64 267 pedal events in
the files), measured the same way, as NAME.json does for every rendering:

    note-on    worst 0.333  mean 0.009 | worst 0.400  mean 0.034
    note-off   worst 0.234  mean 0.020 | worst 0.333  mean 0.038
    pedal      worst 0.245  mean 0.015 | worst 0.392  mean 0.037

97.4 % (at least 89.2 %) of the written onsets have a note on the grid in mode `onset`, 26.4 % in mode `beat`.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pianist_jax.data.pairs import load_alignment, read_metadata
from pianist_jax.music.notes import Notes
from pianist_jax.performance.fidelity import KINDS, compare
from pianist_jax.performance.tempo_map import TEMPO_EVENTS, map_tempo, write_mapped
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.load import load


def matched(grid: ScoreGrid, played: Notes, match: np.ndarray) -> tuple[ScoreGrid, Notes]:
    """The score notes that were played, and how, note by note; `match` int64[N] as of `alignment.align`."""
    own = np.flatnonzero(match >= 0)
    part = dataclasses.replace(grid, onset=grid.onset[own], duration=grid.duration[own], part=grid.part[own])
    n = match[own]
    columns = (played.pitch[n], played.onset[n], played.duration[n], played.velocity[n])
    return part, Notes(*columns, played.pedal_time, played.pedal_value)


def measure(asap: Path, cache: Path, split: str) -> Iterator[dict]:
    """One line of figures for every performance and mode."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "piece.daw.mid"
        for row in read_metadata(asap):
            if row.split != split:
                continue
            _, played, match = load_alignment(asap, row, cache)
            grid, notes = matched(load(asap / row.score, whole=True).grid, played, match)
            for events in TEMPO_EVENTS:
                began = time.monotonic()
                mapped = map_tempo(grid, notes, events)
                write_mapped(path, mapped)
                seconds = time.monotonic() - began
                differences = compare(path, notes, mapped.offset)
                quarters = np.abs(mapped.notes.onset - mapped.grid) / mapped.tempo.ticks_per_quarter
                yield {
                    "piece": row.score.removesuffix("/midi_score.mid"),
                    "file": row.file,
                    "events": events,
                    "notes": len(notes),
                    "seconds": seconds,
                    "ticks": mapped.tempo.ticks_per_quarter,
                    "tempi": len(mapped.tempo.tick),
                    "bytes": path.stat().st_size,
                    "on_grid": mapped.on_grid,
                    "off_grid": float(np.quantile(quarters, 0.95)),
                    "onsets_kept": _onsets_kept(mapped.notes.onset, mapped.grid),
                    **{kind: differences[kind] for kind in KINDS},
                }


def _onsets_kept(onset: np.ndarray, grid: np.ndarray) -> float:
    """The share of written onsets of which at least one note stands on the grid."""
    return len(np.unique(grid[onset == grid])) / len(np.unique(grid))


def table(lines: list[dict]) -> str:
    """Worst and mean ms by piece and event kind, then over everything."""
    rows = []
    for events in TEMPO_EVENTS:
        own = [line for line in lines if line["events"] == events]
        rows.append(f"{events}: {len(own)} performances, {sum(line['notes'] for line in own)} notes")
        heads = [f"{kind} worst   mean" for kind in KINDS]
        rows.append(f"{'piece':34} n   {'  '.join(heads)}  chords on grid  off by (q 95 %)  ticks")
        names = list(dict.fromkeys(line["piece"] for line in own))
        rows += [_row(name[-34:], [line for line in own if line["piece"] == name]) for name in names]
        rows.append(_row("all", own))
    return "\n".join(rows)


def _row(name: str, lines: list[dict]) -> str:
    cells = []
    for kind in KINDS:
        count = sum(line[kind].count for line in lines)
        mean = sum(line[kind].mean * line[kind].count for line in lines) / max(count, 1)
        cells.append(f"{max(line[kind].worst for line in lines):{len(kind) + 6}.3f} {mean:6.3f}")
    kept, off, ticks = (np.mean([line[key] for line in lines]) for key in ("onsets_kept", "off_grid", "ticks"))
    return f"{name:34} {len(lines):2}  {'  '.join(cells)}  {kept:13.1%}  {off:14.3f}  {ticks:7.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True, help="the folder that ASAP was unpacked to")
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--split", default="validation")
    arguments = parser.parse_args()
    lines = list(measure(arguments.asap, arguments.cache, arguments.split))
    print(table(lines))
    longest = max(lines, key=lambda line: line["notes"])
    print(f"longest: {longest['notes']} notes, {longest['seconds']:.2f} s, {longest['bytes'] / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
