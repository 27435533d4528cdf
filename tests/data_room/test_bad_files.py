"""A corpus of files that are no music: each ends in the manifest with a reason, in bounded time and memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from pianist_jax.data.shards import read_manifest, read_prepared, read_records
from pianist_jax.music.midi import write_midi
from tests.data_room.conftest import invented_notes
from tests.music.helpers import SMALL, chunk, midi, number, off, on, pedal, tempo, track

MEMORY = 1 << 30  # bytes; Python, NumPy and ArrayRecord take a sixth of it before the first file
MINUTE = 60
PREPARE = """
import sys
from pathlib import Path
from pianist_jax.data.prepare import Corpus, prepare
from pianist_jax.data.sources import own_source
from tests.memory import peak
prepare([Corpus(own_source("fuzz", "performance"), sys.argv[1])], Path(sys.argv[2]), workers=1)
print(peak())
"""


REASONS = {
    "million-tempi.mid": "unreadable: million-tempi.mid: too large",
    "tempi-as-many-as-fit.mid": "too short: 1 notes, fewer than 64",
    "tempi-then-damage.mid": "unreadable: tempi-then-damage.mid: truncated",
    "running-status-after-sysex.mid": "unreadable: running-status-after-sysex.mid: truncated",
    "no-status.mid": "unreadable: no-status.mid: damaged MIDI file (running status",
    "deltas-all-huge.mid": "unreadable: deltas-all-huge.mid: lasts more than 24 hours",
    "huge-delta.mid": "unreadable: huge-delta.mid: lasts more than 24 hours",
    "message-of-4-gb.mid": "unreadable: message-of-4-gb.mid: damaged MIDI file (Message length",
    "all-keys-never-closed.mid": "absurd timing: 1000 notes a second",
    "link.mid": "unreadable: ",
}


def many(events: bytes, times: int) -> bytes:
    """A track of the same bytes over and over, before one note."""
    return midi(chunk(b"MTrk", events * times + b"\0" + on(60) + b"\1" + off(60)))


def fuzzed() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    files = {f"cut-{length:03}.mid": SMALL[:length] for length in range(len(SMALL))}
    for case in range(60):
        noise = rng.integers(0, 256, int(rng.integers(1, 3000)), np.uint8).tobytes()
        files[f"noise-{case:02}.mid"] = noise if case % 2 else midi(chunk(b"MTrk", noise))
    return files | {
        "empty.mid": b"",
        "huge-delta.mid": midi(track((0, on(60)), ((1 << 28) - 1, off(60)), ((1 << 28) - 1, on(61)))),
        "delta-of-35-bytes.mid": midi(track((1 << 240, on(60)), (1, off(60)))),
        "delta-without-end.mid": midi(chunk(b"MTrk", b"\xff" * 100_000)),
        "deltas-all-huge.mid": many(number((1 << 28) - 1) + pedal(1), 400_000),
        "no-status.mid": midi(track((0, b"\x3c\x40"))),
        "running-status-after-sysex.mid": midi(track((0, b"\xf0\x01\xf7"), (0, b"\x3c\x40"))),
        "million-tempi.mid": many(b"\1" + tempo(500_000), 1_000_000),
        "tempi-as-many-as-fit.mid": many(b"\1" + tempo(500_000), 590_000),
        "tempi-then-damage.mid": many(b"\1" + tempo(500_000), 590_000)[:-3],
        "tempo-zero.mid": midi(track((0, tempo(0)), (0, on(60)), (1, off(60)))),
        "never-closed.mid": many(b"\0" + on(60), 900_000),
        "all-keys-never-closed.mid": midi(track(*((1, on(int(key))) for key in rng.integers(0, 128, 100_000)))),
        "closed-never-opened.mid": many(b"\0" + off(60), 900_000),
        "million-tracks.mid": midi(*[chunk(b"MTrk", b"")] * 60_000),
        "message-of-4-gb.mid": midi(track((0, b"\xff\x01" + number(1 << 32)))),
        "silence-of-a-day.mid": midi(track((0, on(60)), (1, off(60)), (25 * 3_600_000, on(60)), (1, off(60)))),
    }


def test_every_bad_file_ends_in_the_manifest(tmp_path: Path):
    files = fuzzed()
    folder = tmp_path / "fuzz"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    write_midi(folder / "sound.mid", invented_notes(1))
    (folder / "link.mid").symlink_to(folder / "nothing")
    (folder / "folder.mid").mkdir()
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", PREPARE, str(folder), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    # The limit is there to end what would hang: on a quiet machine this takes ten seconds.
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=10 * MINUTE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert int(done.stdout) < MEMORY
    prepared = read_prepared(tmp_path / "out" / "fuzz")
    lines = {line["file"]: line.get("left_out", "") for line in read_manifest(prepared.folder)}
    assert sorted(lines) == sorted([*files, "sound.mid", "link.mid"])
    assert [file for file, reason in lines.items() if not reason] == ["sound.mid"]
    assert len(list(read_records(prepared))) == 1
    kinds = {reason.partition(":")[0] for reason in lines.values() if reason}
    assert kinds == {"unreadable", "too short", "absurd timing"}
    for file, reason in lines.items():
        assert "\n" not in reason
        assert len(reason) < 250, file
    assert all(lines[f"cut-{length:03}.mid"].startswith("unreadable: ") for length in range(len(SMALL)))
    for file, reason in REASONS.items():
        assert lines[file].startswith(reason), lines[file]
