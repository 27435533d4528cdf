"""Are editable files within what sequencers document, and do they sound as performed? On every score of ASAP.

    python -m experiments.daw_files --asap DIR --alignments NPZ [--every 1] [--modes onset beat bar]
        [--readers pretty_midi symusic mido partitura] [--lines FILE]

Of each distinct MIDI score of ASAP a performance is laid on the score's beats as `pianist render` does it
(`score.sequencer`, `performance.tempo_map`), written, read back by mido alone (`performance.fidelity`) and compared
event by event, in each mode. The performance is the first human one that `--alignments` lays on its score
(`data.alignments.read_given`), of which the matched notes are taken at the performer's own times; where there is none,
one is made up (`made_up`): all notes, at a tempo that wanders. In mode `bar` notes stand as they are written, so that
nothing is compared. Everything that sequencers limit is looked up in the written file. `--readers` has those of
them that are installed read each file of the first mode. `--lines` keeps figures as
they come, and goes on from them. What came out stands in experiments/validation.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import io
import json
import sys
import tempfile
import zlib
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import mido
import numpy as np

from experiments.tempo_mapping import matched
from pianist_jax.data.alignments import is_match, read_given
from pianist_jax.data.pairs import Performance, read_metadata
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.beyond import beyond
from pianist_jax.performance.fidelity import KINDS, compare
from pianist_jax.performance.playable import make_playable
from pianist_jax.performance.tempo_events import SEQUENCERS
from pianist_jax.performance.tempo_map import TEMPO_EVENTS, map_tempo, write_mapped
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.load import load
from pianist_jax.score.sequencer import DENOMINATORS, MOST_BEATS, for_sequencers

READERS: dict[str, Callable[[Any, str], Any]] = {
    "pretty_midi": lambda library, path: library.PrettyMIDI(path),
    "symusic": lambda library, path: library.Score(path),
    "mido": lambda library, path: library.MidiFile(path),
    "partitura": lambda library, path: library.load_performance_midi(path),
}
HUMAN, MADE_UP = "human", "made up"


def distinct(asap: Path, given: Container[str] = ()) -> list[Performance]:
    """A performance of each score, the first of those `given` or of all; files of the same bytes are one score."""
    found: dict[bytes, Performance] = {}
    for row in sorted(read_metadata(asap), key=lambda row: row.file not in given):
        found.setdefault((asap / row.score).read_bytes(), row)
    return sorted(found.values(), key=lambda row: row.score)


def performed(asap: Path, row: Performance, given: Mapping[str, np.ndarray]) -> tuple[ScoreGrid, Notes, str]:
    """A score's notes, how they are played (ms), and whether a human does. Raises PianistError for unreadable files."""
    grid = load(asap / row.score, whole=True).grid
    score = normalise(read_midi(asap / row.score))[0]
    if row.file in given:
        played = normalise(read_midi(asap / row.file))[0]
        if is_match(given[row.file], score, played):
            return *matched(grid, played, given[row.file]), HUMAN
    return grid, made_up(score, np.random.default_rng(zlib.crc32(row.score.encode()))), MADE_UP


def made_up(score: Notes, rng: np.random.Generator) -> Notes:
    """A performance (ms) of score notes that nobody played: a wandering tempo, chords apart, a pedal, any touch.

    Quarters of the score's own tempo become 0.5 to 2 times as long, from chord to chord by about a tenth more or less;
    one gap in a hundred is a fermata, and the last bars slow down to half.
    """
    chords, chord = np.unique(score.onset, return_inverse=True)
    wander = np.cumsum(rng.normal(0, 0.03, len(chords)))
    wander -= np.linspace(0, wander[-1], len(chords))
    pace = rng.normal(0, 0.2) + wander + rng.normal(0, 0.1, len(chords))
    pace[-16:] += np.linspace(0, np.log(2), 16)[-len(chords) :]
    pace += np.where(rng.random(len(chords)) < 0.01, np.log(3), 0)
    gaps = np.diff(chords) * np.exp(np.clip(pace, -np.log(2), np.log(6)))[1:]
    clock = 500 + np.concatenate([[0.0], np.cumsum(gaps)])
    onset = np.rint(clock[chord] + rng.exponential(8, len(score))).astype(np.int64)
    duration = np.rint(score.duration * np.exp(pace[chord] + rng.normal(-0.2, 0.4, len(score)))).astype(np.int64)
    velocity = np.clip(np.rint(rng.normal(64, 15, len(score))), 1, 127).astype(np.int64)
    foot = np.sort(rng.integers(0, int(onset.max()) + 1000, len(chords)))
    depth = rng.integers(0, 128, len(foot))
    return make_playable(Notes(score.pitch, onset, np.maximum(duration, 1), velocity, foot, depth))


def outside(path: Path) -> list[str]:
    """What in a file is beyond what sequencers document."""
    content = path.read_bytes()
    head = bytearray(content[: 22 + int.from_bytes(content[18:22])])  # the first track, and that there is one: quicker
    head[10:12] = 0, 1
    file = mido.MidiFile(file=io.BytesIO(head))
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
    found = {} if events == "bar" else compare(path, notes, mapped.offset)
    return {
        "events": events,
        "outside": outside(path),
        "remarks": remarks,
        "doubles": len(micros) > 1 and bool(micros[-1] <= 0.55 * micros[-2]),
        "on_grid": len(np.unique(mapped.grid[mapped.notes.onset == mapped.grid])) / len(np.unique(mapped.grid)),
        "refused": refusals(path, readers),
        **{kind: dataclasses.asdict(difference) for kind, difference in found.items()},
    }


def gather(asap: Path, alignments: Path, every: int, modes: Sequence[str], readers: Sequence[str], kept: Path) -> None:
    """Append a line of figures for every score and mode to the file `kept`, those left out that it has."""
    done = {json.loads(line)["score"] for line in kept.read_text().splitlines()} if kept.exists() else set()
    given = read_given(alignments)
    rows = distinct(asap, given)[::every]
    order = np.random.default_rng(0).permutation(len(rows))  # so that a part of it stands for the whole
    with tempfile.TemporaryDirectory() as folder, kept.open("a") as file:
        for row in (rows[k] for k in order):
            if row.score in done:
                continue
            grid, notes, who = performed(asap, row, given)
            lines = []
            for events in modes:
                line = measure(Path(folder) / "a.mid", grid, notes, events, readers if events == modes[0] else ())
                lines.append({"score": row.score, "who": who, **line})
            file.write("".join(f"{json.dumps(line)}\n" for line in lines))
            file.flush()


def table(lines: list[dict[str, Any]]) -> str:
    """Worst and mean ms by kind of event, and how many files each limit touches, in every mode."""
    heads = [f"{kind} worst, mean (ms)" for kind in KINDS]
    heads = ["tempo events", "performances", "files", "outside the limits", *heads, "beyond 1 ms (untold in the file)"]
    rows = [heads + ["onsets on the grid", "tempo doubles at the end"], ["---"] * (len(heads) + 2)]
    for events, who in dict.fromkeys((line["events"], line["who"]) for line in lines):
        own = [line for line in lines if (line["events"], line["who"]) == (events, who)]
        cells = [events, who, str(len(own)), str(sum(bool(line["outside"]) for line in own))]
        cells += [_worst_and_mean([line[kind] for line in own if kind in line]) for kind in KINDS]
        late = [line for line in own if max((line[kind]["worst"] for kind in KINDS if kind in line), default=0) > 1]
        cells.append(f"{len(late)} ({sum(not any('ms off' in said for said in line['remarks']) for line in late)})")
        cells += [f"{np.mean([line['on_grid'] for line in own]):.1%}", str(sum(line["doubles"] for line in own))]
        rows.append(cells)
    said = ["| " + " | ".join(row) + " |" for row in rows]
    for name in READERS:
        tried = [line["refused"][name] for line in lines if name in line["refused"]]
        said += [f"{name}: refuses {sum(map(bool, tried))} of {len(tried)} files"] if tried else []
    return "\n".join(said)


def _worst_and_mean(errors: list[dict[str, Any]]) -> str:
    if not errors:
        return "as written"
    count = sum(error["count"] for error in errors)
    mean = sum(error["mean"] * error["count"] for error in errors) / max(count, 1)
    return f"{max(error['worst'] for error in errors):.2f}, {mean:.3f}"


def options(description: str | None) -> argparse.ArgumentParser:
    """A command about human performances of ASAP, and where these are."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True, help="the folder that ASAP was unpacked to")
    parser.add_argument("--alignments", type=Path, required=True, help="npz of alignments made before")
    return parser


def main() -> None:
    """Print the table, and what the files say of themselves."""
    parser = options(__doc__)
    parser.add_argument("--every", type=int, default=1, help="every so many scores only")
    parser.add_argument("--modes", nargs="+", default=list(TEMPO_EVENTS), choices=TEMPO_EVENTS)
    parser.add_argument("--readers", nargs="+", default=(), choices=READERS, help="who else reads the files")
    parser.add_argument("--lines", type=Path, default=Path("daw_files.jsonl"), help="where figures are kept")
    given = parser.parse_args()
    gather(given.asap, given.alignments, given.every, given.modes, given.readers, given.lines)
    lines = [json.loads(line) for line in given.lines.read_text().splitlines()]
    for line in lines:
        said = [*line["outside"], *line["remarks"], *filter(None, line["refused"].values())]
        if said:
            print(line["score"], line["events"], *said, sep="\n    ", file=sys.stderr)
    print(table(lines))


if __name__ == "__main__":
    main()
