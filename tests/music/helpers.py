"""Random notes, comparisons, and MIDI files byte by byte, for the tests of this folder."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from pianist_jax.music.notes import Notes

Row = tuple[int, int, int, int]  # pitch, onset, duration, velocity
COLUMNS = ("pitch", "onset", "duration", "velocity", "pedal_time", "pedal_value")


def assert_same(a: Notes, b: Notes) -> None:
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(a, column), getattr(b, column), err_msg=column)
        assert getattr(a, column).dtype == getattr(b, column).dtype


def in_order(notes: Notes) -> Notes:
    """The notes as a MIDI file brings them back, by onset and pitch: a hand may strike a chord in any order."""
    order = np.lexsort((notes.pitch, notes.onset))
    columns = (notes.pitch[order], notes.onset[order], notes.duration[order], notes.velocity[order])
    return Notes(*columns, notes.pedal_time, notes.pedal_value)


def notes_of(rows: Sequence[Row], pedal: Sequence[tuple[int, int]] = ()) -> Notes:
    """Notes of rows (pitch, onset, duration, velocity) and pedal events (time, value)."""
    pitch, onset, duration, velocity = np.array(rows, np.int64).reshape(-1, 4).T
    time, value = np.array(sorted(pedal, key=lambda event: event[0]), np.int64).reshape(-1, 2).T
    return Notes(pitch, onset, duration, velocity, time, value)


def columns_of(pitch: Any, onset: Any, duration: Any, velocity: Any = 64, pedal: tuple[Any, Any] = ((), ())) -> Notes:
    """Notes of columns (a number stands for all notes) and of the pedal's times and values."""
    pitch, onset, duration, velocity = np.broadcast_arrays(np.asarray(pitch, np.int64), onset, duration, velocity)
    return Notes(pitch, onset, duration, velocity, np.array(pedal[0], np.int64), np.array(pedal[1], np.int64))


def rows_of(notes: Notes) -> list[Row]:
    columns = (notes.pitch, notes.onset, notes.duration, notes.velocity)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def random_notes(rng: np.random.Generator, n: int, seconds: float, pedals: int = 50) -> Notes:
    """n raw notes: unisons, overlaps and notes without length are frequent where `seconds` are few."""
    span = max(int(seconds * 1000), 1)
    return Notes(
        pitch=rng.integers(21, 109, n),
        onset=rng.integers(0, span, n),
        duration=rng.integers(0, 1500, n) * rng.integers(0, 2, n),
        velocity=rng.integers(1, 128, n),
        pedal_time=np.sort(rng.integers(0, span, pedals)),
        pedal_value=rng.integers(0, 128, pedals),
    )


def raw_notes(longest: int = 40, latest: int = 60) -> st.SearchStrategy[Notes]:
    """Few pitches and few instants, so that everything that can coincide does."""
    row = st.tuples(st.integers(60, 62), st.integers(0, latest), st.integers(0, longest), st.integers(1, 127))
    event = st.tuples(st.integers(0, latest + longest), st.integers(0, 127))
    return st.builds(notes_of, st.lists(row, min_size=1, max_size=25), st.lists(event, max_size=12))


# MIDI files byte by byte: a track takes pairs of delta time and message.

END = (0, b"\xff\x2f\x00")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">L", len(content)) + content


def number(value: int) -> bytes:
    """A variable-length quantity, of any length."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def track(*events: tuple[int, bytes]) -> bytes:
    return chunk(b"MTrk", b"".join(number(delta) + event for delta, event in [*events, END]))


def midi(*tracks: bytes, division: int = 500, form: int = 1) -> bytes:
    return chunk(b"MThd", struct.pack(">HHh", form, len(tracks), division)) + b"".join(tracks)


def on(pitch: int, velocity: int = 64, channel: int = 0) -> bytes:
    return bytes([0x90 | channel, pitch, velocity])


def off(pitch: int, channel: int = 0) -> bytes:
    return bytes([0x80 | channel, pitch, 0])


def pedal(value: int, channel: int = 0) -> bytes:
    return bytes([0xB0 | channel, 64, value])


def tempo(micros: int) -> bytes:
    return b"\xff\x51\x03" + micros.to_bytes(3, "big")


SMALL = midi(
    track((0, tempo(400_000)), (700, tempo(600_000))),
    track(
        (0, b"\xff\x03\x05Pi\xe9no"),
        (0, pedal(127)),
        (10, on(60, 80)),
        (90, on(64, 70)),
        (200, b"\x40\x00"),
        (0, off(60)),
        (3, pedal(0)),
    ),
)
