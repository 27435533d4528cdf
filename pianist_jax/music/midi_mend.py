"""MIDI files as people have them, made into what every parser reads, and each oddity named in words.

Programs wrap files in RIFF, add chunks of their own, miscount tracks and their bytes, and write key signatures that
the format does not know. None of that touches a note. What is beyond that (a status that is none, a file that breaks
off) is left as it is: the parser says what is wrong.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7
# Bytes that follow messages between devices, which some recorders leave in their files.
SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
END_OF_TRACK, TEMPO, KEY_SIGNATURE, TIME_SIGNATURE, SEQUENCER = 0x2F, 0x51, 0x59, 0x58, 0x7F
HEADER = 14  # bytes
# What mido knows; of any other meta event it forgets the time.
KNOWN = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x20, 0x21, 0x2F, 0x51, 0x54, 0x58, 0x59, 0x7F}
SHORTEST = {0x00: 2, 0x20: 1, 0x21: 1, 0x51: 3, 0x54: 5, 0x58: 4, 0x59: 2}  # bytes of what may as well be absent
FINEST_BEAT = 7  # a time signature's denominator, as a power of 2
MOST_SHARPS = 7
JUNK_BEFORE = 1024  # bytes before the header, as of a mail or an old Macintosh
MAX_TRACKS = 4096


class Mended(NamedTuple):
    """The bytes of a MIDI file, and in words what was odd about them: nothing where they are as they were."""

    data: bytes
    oddities: tuple[str, ...] = ()


def mended(data: bytes) -> Mended:
    """A MIDI file without what is odd but harmless. Whatever the bytes, this raises nothing."""
    oddities: list[str] = []
    plain = _unwrapped(data, oddities)
    if not plain.startswith(b"MThd") or len(plain) < HEADER:
        return Mended(data)
    size, form, count = struct.unpack_from(">Lhh", plain, 4)
    division = plain[12:14]
    found = _tracks(plain, 8 + size, oddities)
    if size < 6 or found is None or not found:
        return Mended(data)
    if len(found) != count:
        # Without a note in them they are what is left of a file that breaks off.
        if len(found) < count and not any(_has_note(track) for track in found):
            return Mended(data)
        oddities.append(f"the header tells of {_some(count, 'track')}, the file has {len(found)}")
    if form not in (0, 1, 2) or (form == 2 and len(found) == 1):
        oddities.append(f"format {form}: read as {int(len(found) > 1)}")
        form = int(len(found) > 1)
    tracks = [_sound_track(track, number, oddities) for number, track in enumerate(found, 1)]
    header = b"MThd" + struct.pack(">Lhh", 6, form, len(found)) + division
    whole = header + b"".join(b"MTrk" + struct.pack(">L", len(track)) + track for track in tracks)
    return Mended(whole, tuple(oddities))


def _unwrapped(data: bytes, oddities: list[str]) -> bytes:
    """The MIDI file in a RIFF wrapper, or behind what does not belong to it."""
    if data.startswith(b"RIFF") and data[8:12] == b"RMID":
        at = 12
        while at + 8 <= len(data):
            name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
            if name == b"data":
                oddities.append("wrapped in RIFF")
                return data[at + 8 : at + 8 + size] if size >= HEADER else data[at + 8 :]
            at += 8 + size + size % 2
    where = data.find(b"MThd", 0, JUNK_BEFORE)
    if where > 0:
        oddities.append(f"{_some(where, 'byte')} before its header")
        return data[where:]
    return data


def _tracks(data: bytes, at: int, oddities: list[str]) -> list[bytes] | None:
    """The bytes of every track; None where the file breaks off, or is not made of chunks."""
    tracks: list[bytes] = []
    strange: dict[bytes, None] = {}
    while at < len(data):
        name = data[at : at + 4]
        if len(data) < at + 8:
            if not tracks or b"MTrk".startswith(name[:4]):
                return None
            break
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        at += 8
        end = at + size
        if name == b"MTrk":
            end = _track_end(data, at, end)
            if end > len(data):
                return None
            if end != at + size:
                oddities.append(f"track {len(tracks) + 1} tells a wrong length")
            tracks.append(data[at:end])
            if len(tracks) > MAX_TRACKS:
                return None
        elif data[end : end + 4] != b"MTrk" and not (name.isascii() and name.decode("ascii").isprintable()):
            if not tracks:
                return None
            at -= 8
            break
        else:
            strange[name] = None
        at = end
    if at < len(data):
        oddities.append(f"{_some(len(data) - at, 'byte')} after its last track")
    if strange:
        oddities.append(
            f"unknown chunks passed over: {' '.join(ascii(name.decode('latin-1'))[1:-1] for name in strange)}"
        )
    return tracks


def _track_end(data: bytes, at: int, told: int) -> int:
    """Where a track ends: where it tells, if a chunk follows there or nothing; else behind its own last event."""
    if told == len(data) or (told < len(data) and data[told : told + 4] in (b"MTrk", b"")):
        return told
    last = next((event for event in _events(data, at)[0] if event.meta == END_OF_TRACK), None)
    if last is None:
        return told
    follows = data[last.end : last.end + 4]
    return last.end if follows in (b"MTrk", b"") or told > len(data) else told


class _Event(NamedTuple):
    """Where an event's status stands, where its content begins and ends; its type, -1 for no meta event."""

    status: int
    begin: int
    end: int
    meta: int


def _events(data: bytes, at: int) -> tuple[list[_Event], int]:
    """The system and meta events from a place on, up to the track's end or what is no event, and where that is."""
    found: list[_Event] = []
    running, size = 0, len(data)
    while at < size:
        while at < size and data[at] > 127:
            at += 1
        at += 1
        if at >= size:
            at = size + 1  # a time without an event
            break
        status = data[at]
        if status < 0x80:
            if not 0x80 <= running < 0xF0:
                break
            at += 1 if 0xC0 <= running < 0xE0 else 2
            continue
        if status < 0xF0:
            running = status
            at += 2 if 0xC0 <= status < 0xE0 else 3
            continue
        if status in SYSTEM:
            running = status
            at += 1 + SYSTEM[status]
            continue
        if status not in (META, SYSEX, ESCAPE):
            break
        place, length = at + 1 + (status == META), 0
        while place < size and data[place] > 127 and place < at + 6:
            length = length << 7 | data[place] & 127
            place += 1
        if place >= size:
            break
        length = length << 7 | data[place]
        end = place + 1 + length
        if end > size:
            break
        meta = data[at + 1] if status == META else -1
        found.append(_Event(at, place + 1, end, meta))
        if meta == END_OF_TRACK:
            break
        at = end
    return found, at


def _sound_track(track: bytes, number: int, oddities: list[str]) -> bytes:
    """A track whose unknown or impossible meta events are ones that say nothing, their times kept; and that ends."""
    content = bytearray(track)
    events, end = _events(track, 0)
    if end == len(track) and not any(event.meta == END_OF_TRACK for event in events):
        content += bytes((0, META, END_OF_TRACK, 0))
        oddities.append(f"track {number} does not say that it ends")
    for event in reversed(events):  # so that what grows moves nothing that is still to be mended
        told = track[event.begin : event.end]
        if event.meta < 0:
            if track[event.status] == ESCAPE or any(byte > 127 for byte in told[:-1]):
                content[event.status : event.status + 1] = bytes((META, SEQUENCER))
        elif event.meta == KEY_SIGNATURE and len(told) >= 2 and told[1] > 1 and _sharps(told) <= MOST_SHARPS:
            content[event.begin + 1] = 0
            oddities.append(f"track {number}: a key signature of mode {told[1]}: read as major")
        elif event.meta not in KNOWN:
            content[event.status + 1] = SEQUENCER
        elif (problem := _problem(event.meta, told)) is not None:
            content[event.status + 1] = SEQUENCER
            oddities.append(f"track {number}: {problem}: passed over")
    return bytes(content)


def _sharps(told: bytes) -> int:
    return abs(told[0] - 256 if told[0] > 127 else told[0])


def _problem(meta: int, told: bytes) -> str | None:
    """What is impossible about a meta event without which the music stays what it is."""
    if len(told) < SHORTEST.get(meta, 0) and not (meta == 0 and not told):
        return f"a meta event 0x{meta:02X} that is too short"
    if meta == KEY_SIGNATURE and _sharps(told) > MOST_SHARPS:
        return f"a key signature of {_sharps(told)} {'flats' if told[0] > 127 else 'sharps'}"
    if meta == TEMPO and not any(told[:3]):
        return "a tempo of zero"
    if meta == TIME_SIGNATURE and (told[0] == 0 or told[1] > FINEST_BEAT):
        return f"a time signature of {told[0]}/2^{told[1]}"
    if meta == 0x54 and not (told[0] >> 5 < 4 and told[1] < 60 and told[2] < 60 and told[4] < 100):
        return "an impossible SMPTE offset"
    return None


def _has_note(track: bytes) -> bool:
    return any(0x90 <= byte < 0xA0 for byte in track)


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
