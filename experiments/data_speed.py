"""How fast corpora are read and prepared, where the time goes, and whether the fast reader reads what mido reads.

    python -m experiments.data_speed ecompetition rolls pop1k7 pop909 pianist8 emopia piano-midi-de giantmidi \
        pianocore-scores asap --files 1200

Of 1 133 real files from ten corpora (2.8 M notes) every one is read as mido reads it: notes, pedal, tempi. AMD EPYC
(Zen 5), CPU seconds on a machine busy with other work:

    scan: 1.54 M notes per CPU-second          mido: 0.10 M notes per CPU-second
    prepared: 0.62 M notes per CPU-second; 3.50 bytes a note on disk (10 before compression)
      scan           42%     683 ns a note
      held out?      15%     246 ns a note
      fingerprint    11%     186 ns a note
      shards         10%     154 ns a note
      record          8%     132 ns a note
      normalise       6%      98 ns a note
      ticks to ms     5%      84 ns a note
      read bytes      2%      29 ns a note

All of them at once, 9 180 files, 21.4 M notes kept (3.8 bytes a note on disk): 48 CPU seconds, the start of the
workers and the decisions included, 0.45 M notes per CPU-second:

    time pianist prepare ecompetition rolls … asap --held-out asap=asap -o prepared

What that makes of Aria-MIDI: its 100 629 hours, at the 21 000 (pop) to 37 000 (classical) notes an hour of the corpora
above, are 2.1 to 3.7 billion notes; at 0.45 M per CPU-second 1.3 to 2.3 CPU-hours, 5 to 9 minutes of 16 cores where
the disk keeps up. A day is allowed. By mido, reading alone would take 16 cores 22 to 39 minutes.
The decisions are made in one process that holds 8 bytes for every 16th note, 1.8 GB for as many, and a few
times that while it sorts them; the batches on disk take 10 bytes a note until the run is complete.
"""

import argparse
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.data.fingerprints import content_hash, hold_out, recording_shingles
from pianist_jax.data.layouts import list_items
from pianist_jax.data.quality import fault
from pianist_jax.data.records import StoredPiece, pack_piece
from pianist_jax.data.shards import write_shard
from pianist_jax.data.sources import find_source, name_of
from pianist_jax.data.trees import open_tree, read_content
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import MidiError, scan_messages, sounding
from pianist_jax.music.midi_scan import scan
from pianist_jax.music.notes import normalise
from pianist_jax.music.tokens import encode


class Clock:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    def __call__(self, stage: str, do: Callable, *given: Any) -> Any:
        """Do something and count what it takes."""
        began = time.process_time()
        try:
            return do(*given)
        finally:
            self.spent[stage] += time.process_time() - began


def compare(name: str, data: bytes, clock: Clock) -> tuple[str, int]:
    """Read a file both ways: `same`, `left to mido`, `refused` by both, or `DIFFERENT`; and how many notes."""
    fast = clock("scan", scan, data)
    try:
        slow = clock("mido", scan_messages, name, data)
    except MidiError:
        return ("refused" if fast is None else "DIFFERENT"), 0
    if fast is None:
        return "left to mido", 0
    same = all(np.array_equal(getattr(fast, field), value) for field, value in vars(slow).items())
    return ("same" if same else "DIFFERENT"), len(fast.start)


def stages(source: Any, root: str, item: Any, clock: Clock) -> bytes | None:
    """What `entries.make_entry` does, stage by stage."""
    held = hold_out([])
    try:
        content = clock("read bytes", read_content, root, item.file, item.start, item.size)
        notes = clock("ticks to ms", sounding, item.file, clock("scan", scan, content, item.tracks))
        notes = clock("normalise", normalise, notes)[0]
        if clock("judge", fault, notes, source.kind):
            return None
        clock("held out?", held.find, notes)
        clock("fingerprint", lambda: (content_hash(notes), recording_shingles(notes)))
        return clock(
            "record", lambda: pack_piece(StoredPiece(encode(notes), source.name, item.file, source.kind, "none"))
        )
    except (PianistError, AttributeError):  # left to mido
        return None


def main() -> None:
    """Print a line a corpus, then the stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", help="folders or tars, called as in `pianist prepare --list`")
    parser.add_argument("--files", type=int, default=1200, help="how many, evenly from all corpora")
    arguments = parser.parse_args()
    rng, whole, reading, total, kept, size = random.Random(0), Clock(), Clock(), 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        records: list[bytes] = []
        for path in arguments.corpora:
            source, tree = find_source(name_of(path)), open_tree(path, Path(scratch))
            items = list_items(source.name, tree)
            items = rng.sample(items, min(len(items), -(-arguments.files // len(arguments.corpora))))
            outcomes: defaultdict[str, int] = defaultdict(int)
            for item in items:
                content = read_content(tree.root, item.file, item.start, item.size)
                outcome, notes = compare(item.file, content, reading)
                outcomes[outcome] += 1
                total += notes
                record = stages(source, tree.root, item, whole)
                if record is not None:
                    records.append(record)
                    kept += notes
            print(f"{source.name:17}{len(items):5} files: " + ", ".join(f"{n} {what}" for what, n in outcomes.items()))
        whole("shards", write_shard, Path(scratch, "shard"), records)
        size = Path(scratch, "shard").stat().st_size
    for way, seconds in reading.spent.items():
        print(f"{way}: {total / seconds / 1e6:.2f} M notes per CPU-second")
    seconds = sum(whole.spent.values())
    print(f"prepared: {kept} notes, {kept / seconds / 1e6:.2f} M per CPU-second; {size / kept:.2f} bytes a note")
    for stage, spent in sorted(whole.spent.items(), key=lambda each: -each[1]):
        print(f"  {stage:12}{spent / seconds:6.0%}{spent / kept * 1e9:8.0f} ns a note")


if __name__ == "__main__":
    main()
