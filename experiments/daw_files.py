"""Are editable files within what sequencers document, and do they sound as performed? A human on every score of ASAP.

    python -m experiments.daw_files --asap DIR --cache DIR [--every 1] [--modes onset beat] [--readers] [--lines FILE]

Of each distinct MIDI score of ASAP the first human performance is laid on the score's beats as `pianist render` does it
(`score.sequencer`, `performance.tempo_map`), written, read back by mido alone (`performance.fidelity`) and compared
event by event, in each mode. Notes are those that the alignment matches, at the performer's own times. Everything that
sequencers limit is looked up in the written file. `--readers` has pretty_midi, symusic and mido read each file of the
first mode, partitura, which takes seconds, every eighth (those that are installed). `--lines` keeps figures as they
come, and goes on from them. What came out stands in experiments/validation.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mido
import numpy as np

from experiments.tempo_mapping import matched
from pianist_jax.data.pairs import Performance, load_alignment, read_metadata
from pianist_jax.music.notes import Notes
from pianist_jax.performance.beyond import beyond
from pianist_jax.performance.fidelity import KINDS, compare
from pianist_jax.performance.tempo_map import SEQUENCERS, TEMPO_EVENTS, map_tempo, write_mapped
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.load import load
from pianist_jax.score.sequencer import DENOMINATORS, MOST_BEATS, for_sequencers

READERS: dict[str, Callable[[Any, str], Any]] = {
    "pretty_midi": lambda library, path: library.PrettyMIDI(path),
    "symusic": lambda library, path: library.Score(path),
    "mido": lambda library, path: library.MidiFile(path),
    "partitura": lambda library, path: library.load_performance_midi(path),
}
SLOW = "partitura"


def distinct(asap: Path) -> list[Performance]:
    """The first performance of each score, files of the same bytes being one score."""
    found: dict[bytes, Performance] = {}
    for row in read_metadata(asap):
        found.setdefault((asap / row.score).read_bytes(), row)
    return list(found.values())


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


def refusals(path: Path, names: Sequence[str]) -> dict[str, str]:
    """What the readers of these names that are installed say of a file that they do not read; "" where they do."""
    said = {}
    for name in names:
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue
        try:
            READERS[name](library, str(path))
            said[name] = ""
        except Exception as error:  # whatever somebody's library says
            said[name] = f"{type(error).__name__}: {error}"
    return said


def measure(path: Path, grid: ScoreGrid, notes: Notes, events: str, readers: Sequence[str]) -> dict[str, Any]:
    """Figures of one performance (ms) on one score in one mode, written to `path`."""
    written, changed = for_sequencers(grid, SEQUENCERS.ticks_per_quarter)
    mapped = map_tempo(written, notes, events)
    remarks = beyond(mapped, notes, SEQUENCERS, changed)
    write_mapped(path, mapped, remarks)
    micros = mapped.tempo.micros
    found = compare(path, notes, mapped.offset)
    return {
        "events": events,
        "outside": outside(path),
        "remarks": remarks,
        "doubles": len(micros) > 1 and bool(micros[-1] <= 0.55 * micros[-2]),
        "on_grid": len(np.unique(mapped.grid[mapped.notes.onset == mapped.grid])) / len(np.unique(mapped.grid)),
        "refused": refusals(path, readers),
        **{kind: dataclasses.asdict(difference) for kind, difference in found.items()},
    }


def gather(asap: Path, cache: Path, every: int, modes: Sequence[str], readers: bool, kept: Path) -> None:
    """Append a line of figures for every score and mode to the file `kept`, those left out that it has."""
    done = {json.loads(line)["score"] for line in kept.read_text().splitlines()} if kept.exists() else set()
    rows = distinct(asap)[::every]
    order = np.random.default_rng(0).permutation(len(rows))  # so that a part of it stands for the whole
    with tempfile.TemporaryDirectory() as folder, kept.open("a") as file:
        for count, row in enumerate(rows[k] for k in order):
            if row.score in done:
                continue
            _, played, match = load_alignment(asap, row, cache)
            grid, notes = matched(load(asap / row.score, whole=True).grid, played, match)
            lines = []
            for events in modes:
                names = [name for name in READERS if name != SLOW or count % 8 == 0]
                names = names if readers and events == modes[0] else []
                lines.append({"score": row.score, **measure(Path(folder) / "a.mid", grid, notes, events, names)})
            file.write("".join(f"{json.dumps(line)}\n" for line in lines))
            file.flush()


def table(lines: list[dict[str, Any]]) -> str:
    """Worst and mean ms by kind of event, and how many files each limit touches, in every mode."""
    heads = [f"{kind} worst, mean (ms)" for kind in KINDS]
    heads = ["tempo events", "files", "outside the limits", *heads, "files beyond 1 ms", "onsets on the grid"]
    rows = [heads + ["tempo doubles at the end"], ["---"] * (len(heads) + 1)]
    for events in dict.fromkeys(line["events"] for line in lines):
        own = [line for line in lines if line["events"] == events]
        cells = [events, str(len(own)), str(sum(bool(line["outside"]) for line in own))]
        for kind in KINDS:
            count = sum(line[kind]["count"] for line in own)
            mean = sum(line[kind]["mean"] * line[kind]["count"] for line in own) / max(count, 1)
            cells.append(f"{max(line[kind]['worst'] for line in own):.2f}, {mean:.3f}")
        cells.append(str(sum(max(line[kind]["worst"] for kind in KINDS) > 1 for line in own)))
        rows.append(
            [*cells, f"{np.mean([line['on_grid'] for line in own]):.1%}", str(sum(line["doubles"] for line in own))]
        )
    said = ["| " + " | ".join(row) + " |" for row in rows]
    for name in READERS:
        tried = [line["refused"][name] for line in lines if name in line["refused"]]
        said += [f"{name}: refuses {sum(map(bool, tried))} of {len(tried)} files"] if tried else []
    return "\n".join(said)


def main() -> None:
    """Print the table, and what the files say of themselves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True, help="the folder that ASAP was unpacked to")
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--every", type=int, default=1, help="every so many scores only")
    parser.add_argument("--modes", nargs="+", default=["onset", "beat"], choices=TEMPO_EVENTS)
    parser.add_argument("--readers", action="store_true", help="let other programs' readers read the files")
    parser.add_argument("--lines", type=Path, default=Path("daw_files.jsonl"), help="where figures are kept")
    given = parser.parse_args()
    gather(given.asap, given.cache, given.every, given.modes, given.readers, given.lines)
    lines = [json.loads(line) for line in given.lines.read_text().splitlines()]
    for line in lines:
        said = [*line["outside"], *line["remarks"], *filter(None, line["refused"].values())]
        if said:
            print(line["score"], line["events"], *said, sep="\n    ", file=sys.stderr)
    print(table(lines))


if __name__ == "__main__":
    main()
