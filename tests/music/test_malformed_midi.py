"""Malformed files: one clear line whatever the bytes, in bounded time."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import MidiError, read_midi
from pianist_jax.music.notes import Notes
from tests.memory import at_most
from tests.music.helpers import SMALL, chunk, midi, number, off, on, pedal, tempo, track


def outcome(path: Path) -> Notes | str:
    """What comes of reading the file: notes, or the line that says why not."""
    try:
        return read_midi(path)
    except MidiError as error:
        return str(error)


def complaint(path: str | os.PathLike[str]) -> str:
    with pytest.raises(MidiError) as caught:
        read_midi(path)
    line = str(caught.value)
    assert isinstance(caught.value, PianistError)
    assert "\n" not in line
    assert len(line) < len(os.fspath(path)) + 200
    assert "; " in line  # what is wrong; what to do
    return line


ONE_NOTE = ((0, on(60)), (100, off(60)))
MALFORMED = {
    "empty file": (b"", "empty file"),
    "text": (b"Sonata in C\n", "not a MIDI file"),
    "header alone": (b"MThd", "truncated"),
    "no tracks": (midi(), "no notes"),
    "no notes": (midi(track((0, tempo(500_000)))), "no notes"),
    "drums": (midi(track((0, on(36, 99, 9)), (9, off(36, 9)))), "only drum notes"),
    "missing track": (midi(track(), track(*ONE_NOTE))[:-20], "truncated"),
    "pitch 200": (midi(track((0, b"\x90\xc8\x40"))), "data byte must be in range"),
    "velocity 128": (midi(track((0, b"\x90\x3c\x80"))), "data byte must be in range"),
    "undefined status": (midi(track((0, b"\xf4"))), "undefined status byte 0xf4"),
    "data without status": (midi(track((0, b"\x3c\x40"))), "running status"),
    "foreign chunk": (midi(chunk(b"JUNK", b"12345678")), "no MTrk header"),
    "division zero": (midi(track(*ONE_NOTE), division=0), "not in ticks a quarter"),
    "SMPTE time": (midi(track(*ONE_NOTE), division=-25 << 8 | 40), "not in ticks a quarter"),
    "format 2": (midi(track(*ONE_NOTE), track(*ONE_NOTE), form=2), "MIDI format 2"),
    "note after 25 hours": (midi(track((25 * 3_600_000, on(60)), (1, off(60)))), "more than 24 hours"),
    "pedal after 25 hours": (midi(track(*ONE_NOTE, (25 * 3_600_000, pedal(1)))), "more than 24 hours"),
    "slow tempo": (midi(track((0, tempo(0xFFFFFF)), (1 << 28, on(60)), (1, off(60)))), "more than 24 hours"),
    "time of 35 bytes": (midi(track((1 << 240, on(60)), (1, off(60)))), "absurd times"),
    "message of 4 GB": (midi(track((0, b"\xff\x01" + number(1 << 32)), *ONE_NOTE)), "exceeds maximum length"),
    "a million tempos": (midi(track(*[(1, tempo(500_000))] * 1_000_000, *ONE_NOTE)), "too large"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(case: str, tmp_path: Path):
    content, reason = MALFORMED[case]
    (tmp_path / "broken.mid").write_bytes(content)
    line = complaint(tmp_path / "broken.mid")
    assert reason in line
    assert "broken.mid" in line


def test_truncated_at_every_byte(tmp_path: Path):
    path = tmp_path / "cut.mid"
    for length in range(len(SMALL)):
        path.write_bytes(SMALL[:length])
        expected = "truncated MIDI file" if length >= 4 else "not a MIDI file" if length else "empty file"
        assert f"cut.mid: {expected}" in complaint(path)


def test_random_and_corrupted_bytes_are_read_or_refused(tmp_path: Path):
    rng = np.random.default_rng(7)
    path = tmp_path / "noise.mid"
    read_anyway = 0
    for case in range(1500):
        if case % 3:
            content = np.frombuffer(SMALL, np.uint8).copy()
            where = rng.integers(0, len(content), rng.integers(1, 6))
            content[where] = rng.integers(0, 256, len(where))
        else:
            noise = rng.integers(0, 256, rng.integers(0, 300), dtype=np.uint8).tobytes()
            content = np.frombuffer(midi(chunk(b"MTrk", noise)) if case % 2 else noise, np.uint8)
        path.write_bytes(content.tobytes())
        result = outcome(path)
        if isinstance(result, str):
            assert result.startswith(f"{path}: ")
            assert "\n" not in result
        else:
            assert len(result) > 0
            read_anyway += 1
    assert 50 < read_anyway < 1000


def test_paths_that_are_no_files(tmp_path: Path):
    assert "not a file" in complaint(tmp_path)
    assert "No such file" in complaint(tmp_path / "none.mid")
    assert "not a valid path" in complaint(f"{tmp_path}/a\0b.mid")
    (tmp_path / "two\nlines.mid").write_bytes(b"")
    assert "two\\nlines.mid" in complaint(tmp_path / "two\nlines.mid")
    os.mkfifo(tmp_path / "pipe.mid")
    assert "not a file" in complaint(tmp_path / "pipe.mid")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param((b"\0" + on(60)) * 100_000 + (b"\1" + off(60)) * 100_000, 100_001, id="at once"),
        pytest.param((b"\1" + tempo(500_000)) * 100_000, 1, id="tempos"),
        pytest.param((b"\xff" * 4000 + b"\0" + on(60)) * 500, "damaged MIDI file (absurd", id="long numbers"),
        pytest.param(b"\xff" * 2_000_000, "damaged MIDI file (numbers without end)", id="endless number"),
    ],
)
def test_large_files_take_linear_time(body: bytes, expected: int | str, tmp_path: Path):
    """Each takes a second or two; in quadratic time it would be minutes, or hours."""
    path = tmp_path / "large.mid"
    path.write_bytes(midi(chunk(b"MTrk", body + b"\0\xff\x2f\0"), track(*ONE_NOTE)))
    with at_most(30):
        result = outcome(path)
    if isinstance(expected, str):
        assert f"large.mid: {expected}" in str(result)
    else:
        assert len(result) == expected
