"""MIDI bytes -> notes, pedal and tempi in ticks, some fifteen times as fast as message objects are made.

Where each event begins follows from the one before it, which a short loop finds out; everything else is
arithmetic on whole tracks. What is not plainly well-formed is not judged here: `scan` gives None, and
`midi.read_midi` asks mido, which reads it or says what is wrong. Where `scan` answers, it answers as mido
does (a test holds that, and `experiments/data_speed.py` over whole corpora). symusic, in C++, is faster still, but
loses what miditoolkit does: pedal on channels without notes, notes that are never released.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

SUSTAIN = 64
DRUM_CHANNEL = 9
META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7
LONGEST_DELTA = 4  # bytes
_HEADER = struct.Struct(">4sLhhh")
_CHUNK = struct.Struct(">4sL")
# Bytes from an event's status (or, where it goes without, its first data byte) to the next event's delta.
# 0: a program change, pressure, system or meta event, which the loop looks at more closely.
_SIZE = [2] * 128 + [3] * 64 + [0] * 32 + [3] * 16 + [0] * 16
_LEAST_META = {0x20: 1, 0x51: 3, 0x54: 5, 0x58: 4, 0x59: 2}  # bytes of what else would not be read
_NUMBER, _NAME, _TEMPO, _SMPTE, _KEY = 0x00, 0x03, 0x51, 0x54, 0x59


@dataclass(frozen=True, eq=False)
class Scanned:
    """What a file says, in ticks: notes of all non-drum tracks track by track, sorted by tick and pitch.

    `start`, `end`, `pitch`, `velocity` int64[N]; `pedal` (tick, value) int64[P, 2] and `tempo` (tick, µs a
    quarter) int64[K, 2] in file order; `drums`: whether there were notes on channel 10.
    """

    ticks_per_quarter: int
    start: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    pedal: np.ndarray
    tempo: np.ndarray
    drums: bool


@dataclass(frozen=True, eq=False)
class _Track:
    """Channel events of a track: ticks, status bytes and both data bytes, int64[E]; its tempi, last tick and name."""

    tick: np.ndarray
    status: np.ndarray
    first: np.ndarray
    second: np.ndarray
    tempo: np.ndarray
    last: int
    name: bytes

    def silent(self) -> _Track:
        """The same without its events."""
        nothing = np.zeros(0, np.int64)
        return replace(self, tick=nothing, status=nothing, first=nothing, second=nothing)


def scan(data: bytes, only: Collection[str] = ()) -> Scanned | None:
    """The notes of a MIDI file's bytes; None for all that is not plainly well-formed.

    `only`: of tracks of these names alone, if any are given (tempi of all).
    """
    if len(data) < _HEADER.size:
        return None
    magic, size, form, count, division = _HEADER.unpack_from(data)
    if magic != b"MThd" or size < 6 or form not in (0, 1) or count <= 0 or division <= 0:
        return None
    tracks, at = [], _CHUNK.size + size
    for _ in range(count):
        if len(data) < at + _CHUNK.size:
            return None
        magic, size = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size + size
        if magic != b"MTrk" or len(data) < at:
            return None
        track = _scan_track(data[at - size : at])
        if track is None:
            return None
        if only and track_label(track.name.decode("latin-1")) not in only:
            track = track.silent()
        tracks.append(track)
    if at != len(data):  # more tracks than the header tells of, or a length that falls short
        return None
    return _gather(tracks, division)


def track_label(name: str) -> str:
    """A track's name without what surrounds it."""
    return name.strip("\0 \t\r\n")


def _scan_track(data: bytes) -> _Track | None:
    found = _event_starts(data)
    if found is None:
        return None
    starts, tempi, name = found
    content = np.frombuffer(data + bytes(8), np.uint8)
    begin = np.array(starts, np.int64)
    delta, place = np.zeros(len(begin), np.int64), begin.copy()
    going = np.ones(len(begin), bool)
    for _ in range(LONGEST_DELTA):
        byte = content[place].astype(np.int64)
        delta = np.where(going, delta << 7 | byte & 127, delta)
        place += going
        going &= byte > 127
        if not going.any():
            break
    if going.any():
        return None
    tick = np.cumsum(delta)
    byte = content[place].astype(np.int64)
    spoken = byte > 127
    # A meta event leaves the status in force as it was.
    sets = np.where(spoken & (byte != META), np.arange(len(byte)), -1)
    in_force = np.maximum.accumulate(sets) if len(sets) else sets
    status = np.where(spoken, byte, byte[in_force])
    running = ~spoken
    if np.any(running & ((in_force < 0) | (status >= 0xF0) | ((status >= 0xC0) & (status < 0xE0)))):
        return None
    channel = (status < 0xC0) | ((status >= 0xE0) & (status < 0xF0))
    where = place + spoken
    first, second = content[where].astype(np.int64), content[where + 1].astype(np.int64)
    if np.any(channel & ((first > 127) | (second > 127))):
        return None
    tempo = np.array([(tick[event], micros) for event, micros in tempi], np.int64).reshape(-1, 2)
    last = int(tick[-1]) if len(tick) else 0
    return _Track(tick[channel], status[channel], first[channel], second[channel], tempo, last, name)


def _event_starts(data: bytes) -> tuple[list[int], list[tuple[int, int]], bytes] | None:
    """Where each event's delta begins; (number of the event, µs a quarter) of the tempo events; the track's name."""
    starts: list[int] = []
    name = b""
    tempi: list[tuple[int, int]] = []
    size_of, note = _SIZE, starts.append
    end, at = len(data), 0
    data += bytes(8)  # so that the last event's bytes can be looked at before it is known to be whole
    while at < end:
        note(at)
        while data[at] > 127:
            at += 1
        at += 1
        status = data[at]
        if size := size_of[status]:
            at += size
        elif 0xC0 <= status < 0xE0:
            if data[at + 1] > 127:
                return None
            at += 2
        else:
            begin, length = _length(data, at + 1 + (status == META))
            if status not in (META, SYSEX, ESCAPE) or length < 0 or begin + length > end:
                return None
            if status == META:
                if not _is_sound(data[at + 1], data[begin : begin + length]):
                    return None
                if data[at + 1] == _NAME:
                    name = name or data[begin : begin + length]
                elif data[at + 1] == _TEMPO:
                    tempi.append((len(starts) - 1, int.from_bytes(data[begin : begin + 3], "big")))
            elif any(byte > 127 for byte in data[begin : begin + length].removeprefix(b"\xf0").removesuffix(b"\xf7")):
                return None
            at = begin + length
    return (starts, tempi, name) if at == end else None


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of a system or meta event begins, and its bytes; -1 for a number without end."""
    length = 0
    for place in range(at, min(at + LONGEST_DELTA, len(data))):
        length = length << 7 | data[place] & 127
        if data[place] < 128:
            return place + 1, length
    return at, -1


def _is_sound(kind: int, content: bytes) -> bool:
    """Whether mido reads such a meta event, and it is possible."""
    if len(content) < _LEAST_META.get(kind, 0) or (kind == _NUMBER and len(content) == 1):
        return False
    if kind == _TEMPO and not any(content[:3]):
        return False
    if kind == _SMPTE:
        rate, minutes, seconds, parts = content[0] >> 5, content[1], content[2], content[4]
        return rate < 4 and minutes < 60 and seconds < 60 and parts < 100
    if kind == _KEY:
        sharps = content[0] - 256 if content[0] > 127 else content[0]
        return abs(sharps) <= 7 and content[1] in (0, 1)
    return True


def _gather(tracks: list[_Track], division: int) -> Scanned:
    number = np.repeat(np.arange(len(tracks)), [len(track.tick) for track in tracks])
    tick, status, first, second = (
        np.concatenate([getattr(track, name) for track in tracks]) for name in ("tick", "status", "first", "second")
    )
    kind, channel = status >> 4, status & 15
    melodic = channel != DRUM_CHANNEL
    is_note = (kind == 8) | (kind == 9)
    note = np.flatnonzero(is_note & melodic)
    pedal = (kind == 11) & (first == SUSTAIN) & melodic
    struck = (kind[note] == 9) & (second[note] > 0)
    key = (number[note] * 16 + channel[note]) * 128 + first[note]
    last = np.array([track.last for track in tracks])[number[note]]
    end = note_ends(key, tick[note], struck, last)
    note = note[struck]
    order = np.lexsort((first[note], tick[note], number[note]))
    note = note[order]
    return Scanned(
        division,
        tick[note],
        end[order],
        first[note],
        second[note],
        np.stack([tick[pedal], second[pedal]], axis=1),
        np.concatenate([track.tempo for track in tracks]),
        bool(np.any(is_note & ~melodic)),
    )


def note_ends(key: np.ndarray, tick: np.ndarray, struck: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The tick at which each of N notes ends, int64[N], in the order they are struck.

    Args, one for each of E events in the order of the file: the key it is about, its tick, whether the key is struck
    (else released), and the tick at which its track ends.

    A release ends the oldest note of its key that sounds. A key struck more often than it is released has lost
    releases: first in, first out would from there on give each note the release of the next, to the end of the
    piece; but a key that is struck again has come up before, so each of its notes ends at the key's next event.
    """
    order = np.argsort(key, kind="stable")
    key, tick, on, last = key[order], tick[order], struck[order], last[order]
    begins = np.append(True, key[1:] != key[:-1])[: len(key)]
    group = np.cumsum(begins) - 1
    at = np.flatnonzero(begins)
    # Notes that sound after each event, had releases of nothing counted; below any level reached so far: of nothing.
    level = np.cumsum(np.where(on, 1, -1))
    level -= (level - np.where(on, 1, -1))[at][group] if len(at) else 0
    apart = group * -(2 * len(key) + 1)
    lowest = np.minimum.accumulate(np.minimum(level, 0) + apart) - apart
    before = np.where(begins, 0, np.append(0, lowest[:-1])[: len(key)])
    release = ~on & (lowest == before)
    ons, offs = (np.bincount(group[which], minlength=len(at)) for which in (on, release))
    following = np.append(begins[1:], True)[: len(key)]
    end = np.where(following, last, np.append(tick[1:], 0)[: len(key)])  # of a key with lost releases
    strikes, releases = np.flatnonzero(on), np.flatnonzero(release)
    whole = (ons == offs)[group[strikes]]
    # Of whole keys, strikes and releases stand in the same order, as many of the one as of the other.
    end[strikes[whole]] = tick[releases[(ons == offs)[group[releases]]]]
    in_file = np.empty(len(key), np.int64)
    in_file[order] = end
    return in_file[struck]
