"""MIDI files <-> notes.

Written with mido. `midi_scan` reads what is well-formed, and mido all else, once `midi_mend` has put right what is
harmless. (miditoolkit loses some of a file: tempi of earlier tracks, pedal on a channel without notes, which half of
piano-midi.de has, notes without a release.)
"""

from __future__ import annotations

import io
import os
import stat
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

import mido
import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.files import printable, replace_file
from pianist_jax.music.midi_mend import mended
from pianist_jax.music.midi_scan import DRUM_CHANNEL, SUSTAIN, Scanned, scan, track_label
from pianist_jax.music.notes import Notes
from pianist_jax.music.part import Part, channels_of

RELEASE = -1
MAX_BYTES = 4 << 20  # recitals of 10 000 notes with continuous pedal take 0.5 MB
MAX_MS = 24 * 3600 * 1000
MAX_TICK = 1 << 50  # more than 4 MiB of the longest deltas
MAX_DELTA = (1 << 28) - 1  # ticks; the longest that a MIDI file can hold
DEFAULT_TEMPO = 500_000  # µs a quarter, before the first tempo event
# Messages at one tick as they are written.
KINDS = (
    "track_name", "key_signature", "text", "set_tempo", "time_signature", "program_change", "control_change",
    "note_off", "note_on",
)  # fmt: skip
# mido reads a number of many bytes in quadratic time; no file needs 4096 in a row with the high bit set.
HIGH_BITS = bytes(byte >> 7 for byte in range(256))
ENDLESS_NUMBER = b"\x01" * 4096


class MidiError(PianistError):
    """A MIDI file that cannot be read or written: which file, what is wrong, what to do."""


@dataclass
class _Events:
    """What a file says, in ticks and in file order."""

    pitch: list[int] = field(default_factory=list)
    velocity: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    channel: list[int] = field(default_factory=list)
    pedal: list[tuple[int, int]] = field(default_factory=list)
    tempo: list[tuple[int, int]] = field(default_factory=list)
    drums: bool = False


def read_midi(path: str | os.PathLike[str]) -> Notes:
    """Read the raw notes and the sustain pedal of all non-drum tracks of a MIDI file, times in rounded ms.

    Notes stand track by track, sorted by tick and pitch, not normalised. A note-off, or
    a note-on of velocity 0, ends the oldest note of its pitch that sounds in its track and channel. Where
    note-offs are missing, as in some recordings, the next note-on of that pitch ends a note, or else its
    track does. Of tempo events at one tick the last counts, whatever its track.
    Raises MidiError for anything that is not a readable MIDI file with piano notes.
    """
    name = printable(path)
    return notes_of_bytes(name, read_bytes(path, name))


def read_tracks(path: str | os.PathLike[str], without: Collection[str] = ()) -> list[Scanned]:
    """What tracks of a MIDI file say, in ticks, but for names `without`. Raises MidiError where `read_midi` does."""
    name = printable(path)
    file = parse_midi(name, read_bytes(path, name))
    file.tracks = [track for track in file.tracks if track_label(track.name) not in without]
    notes_of_tracks(name, file)
    return [_of_tracks(name, file.ticks_per_beat, [track]) for track in file.tracks]


def notes_of_bytes(name: str, data: bytes, only: Collection[str] = ()) -> Notes:
    """What `read_midi` reads, from the bytes of a file that messages call `name`. Raises MidiError.

    `only`: the notes and pedal of tracks of these names alone, if any are given.
    """
    require_sensible(name, len(data))
    scanned = scan(data, only)
    return sounding(name, scan_messages(name, data, only) if scanned is None else scanned)


def scan_messages(name: str, data: bytes, only: Collection[str] = ()) -> Scanned:
    """What `midi_scan.scan` answers, by way of mido's messages, for whatever mido reads. Raises MidiError."""
    return _scanned(name, parse_midi(name, data), only)


def notes_of_tracks(name: str, file: mido.MidiFile) -> Notes:
    """What `read_midi` reads, from the tracks of a file. Raises MidiError."""
    return sounding(name, _scanned(name, file))


def _scanned(name: str, midi: mido.MidiFile, only: Collection[str] = ()) -> Scanned:
    return _of_tracks(name, midi.ticks_per_beat, midi.tracks, only)


def _of_tracks(
    name: str, ticks_per_quarter: int, tracks: Iterable[mido.MidiTrack], only: Collection[str] = ()
) -> Scanned:
    events = gather_events(name, tracks, only)
    start, end, pitch, velocity = np.array([events.start, events.end, events.pitch, events.velocity], np.int64)
    pedal, tempo = (np.array(each, np.int64).reshape(-1, 2) for each in (events.pedal, events.tempo))
    return Scanned(ticks_per_quarter, start, end, pitch, velocity, pedal, tempo, events.drums)


def sounding(name: str, scanned: Scanned) -> Notes:
    """Ticks as milliseconds. Raises MidiError where there is no note, or a time beyond a day."""
    if not len(scanned.start):
        what = "only drum notes (channel 10)" if scanned.drums else "no notes"
        raise MidiError(f"{name}: {what}; give a file with a piano part")
    tempo, pedal = _by_tick(scanned.tempo), _by_tick(scanned.pedal)
    ticks = np.concatenate([scanned.start, scanned.end, pedal[:, 0]])
    times = _milliseconds(ticks, tempo, scanned.ticks_per_quarter)
    if times.max() > MAX_MS:
        raise MidiError(f"{name}: lasts more than 24 hours; check its tempo and its last events")
    n = len(scanned.start)
    onset, end, pedal_time = np.split(np.rint(times).astype(np.int64), [n, 2 * n])
    return Notes(scanned.pitch, onset, end - onset, scanned.velocity, pedal_time, pedal[:, 1])


def _by_tick(events: np.ndarray) -> np.ndarray:
    """(tick, value) int64[K, 2], sorted by tick; events at one tick keep their order."""
    return events[np.argsort(events[:, 0], kind="stable")]


def read_bytes(path: str | os.PathLike[str], name: str) -> bytes:
    """The content of a MIDI file of a sensible size. Raises MidiError."""
    try:
        path = Path(os.fsdecode(path))
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise MidiError(f"{name}: not a file; give the path of one MIDI file")
        require_sensible(name, status.st_size)
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise MidiError(f"{name}: cannot be read ({reason}); check the path") from error
    return data


def require_sensible(name: str, size: int) -> None:
    """Raises MidiError for a file without bytes, or with more than any piano piece has."""
    if size == 0:
        raise MidiError(f"{name}: empty file; export it again")
    if size > MAX_BYTES:
        sizes = f"{size / 1e6:.1f} MB, piano MIDI has at most {MAX_BYTES / 1e6:.1f}"
        raise MidiError(f"{name}: too large ({sizes}); split it")


def parse_midi(name: str, data: bytes) -> mido.MidiFile:
    """The tracks of a MIDI file, as `midi_mend` makes it. Raises MidiError, whatever the bytes are."""
    data = mended(data).data
    if not data.startswith(b"MThd"):
        raise MidiError(f"{name}: not a MIDI file (no MThd header); give a .mid or .midi file")
    if ENDLESS_NUMBER in data.translate(HIGH_BITS):
        raise MidiError(f"{name}: damaged MIDI file (numbers without end); export it again")
    try:
        midi = mido.MidiFile(file=io.BytesIO(data))
    except EOFError as error:
        raise MidiError(f"{name}: truncated MIDI file; copy or export it again") from error
    except Exception as error:  # mido raises whatever the malformed bytes led it to
        spoken = isinstance(error, OSError | mido.KeySignatureError)  # the rest are accidents of its code
        reason = f" ({error})" if spoken else ""
        raise MidiError(f"{name}: damaged MIDI file{reason}; export it again") from error
    if midi.type not in (0, 1):
        raise MidiError(f"{name}: MIDI format {midi.type} is not supported; export it as format 0 or 1")
    if midi.ticks_per_beat <= 0:
        raise MidiError(f"{name}: times are not in ticks a quarter; export it with a musical time base")
    return midi


def gather_events(name: str, tracks: Iterable[mido.MidiTrack], only: Collection[str] = ()) -> _Events:
    """Notes, pedal and tempi of tracks in ticks, drums left out; notes as `read_midi` has them. Raises MidiError.

    `only`: of the notes and pedal those of tracks of these names, if any are given.
    """
    events = _Events()
    for track in tracks:
        tick, before = 0, len(events.start)
        names = (message.name for message in track if message.type == "track_name" and message.name)
        heard = not only or track_label(next(names, "")) in only
        keys: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for message in track:
            tick += message.time
            kind = message.type
            if not heard and kind != "set_tempo":
                continue
            if kind in ("note_on", "note_off"):
                if message.channel == DRUM_CHANNEL:
                    events.drums = True
                    continue
                key = keys[message.channel, message.note]
                if kind == "note_on" and message.velocity > 0:
                    key.append((tick, len(events.start)))
                    events.pitch.append(message.note)
                    events.velocity.append(message.velocity)
                    events.start.append(tick)
                    events.channel.append(message.channel)
                else:
                    key.append((tick, RELEASE))
            elif kind == "control_change":
                if message.control == SUSTAIN and message.channel != DRUM_CHANNEL:
                    events.pedal.append((tick, message.value))
            elif kind == "set_tempo":
                events.tempo.append((tick, message.tempo))
        if tick > MAX_TICK:
            raise MidiError(f"{name}: damaged MIDI file (absurd times); export it again")
        events.end += [tick] * (len(events.start) - len(events.end))
        for key in keys.values():
            _end_notes(key, events.end)
        order = sorted(range(before, len(events.start)), key=lambda note: (events.start[note], events.pitch[note]))
        for column in (events.start, events.end, events.pitch, events.velocity, events.channel):
            column[before:] = [column[note] for note in order]
    return events


def _end_notes(key: list[tuple[int, int]], end: list[int]) -> None:
    """Fill in `end` for the notes of one key; its events are (tick, index of the note struck, or RELEASE)."""
    sounding: deque[int] = deque()
    for tick, note in key:
        if note != RELEASE:
            sounding.append(note)
        elif sounding:
            end[sounding.popleft()] = tick
    if not sounding:
        return
    # Struck more often than released. First in, first out would from the missing release on give each note
    # the release of the next, to the end of the piece; but a key that is struck again has come up before.
    for (_, note), (tick, _) in pairwise(key):
        if note != RELEASE:
            end[note] = tick


def _milliseconds(ticks: np.ndarray, tempo: np.ndarray, ticks_per_quarter: int) -> np.ndarray:
    """float64[T] ms of int64[T] ticks under tempo events int64[K, 2] (tick, µs a quarter) sorted by tick.

    Sums are of integers, below 2^53 for 24 hours: no rounding before the division.
    """
    change = np.concatenate([[0.0], tempo[:, 0]])
    micros = np.concatenate([[DEFAULT_TEMPO], tempo[:, 1]]).astype(np.float64)
    elapsed = np.concatenate([[0.0], np.cumsum(np.diff(change) * micros[:-1])])
    segment = np.searchsorted(change, ticks, side="right") - 1
    return (elapsed[segment] + (ticks - change[segment]) * micros[segment]) / (1000.0 * ticks_per_quarter)


def write_midi(
    path: str | os.PathLike[str], notes: Notes, *, name: str = "Piano", title: str = "", others: Sequence[Part] = ()
) -> None:
    """Write notes and pedal as one piano track in which a tick is a millisecond (500 ticks at 500 000 µs).

    `others` are further parts, as tracks of their own.

    `read_midi` gives the same arrays back, sorted by onset and pitch (which normalised notes are). The file appears
    whole or not at all. Raises ValueError for what MIDI cannot say: a pitch, velocity (1..127) or pedal value
    out of range, times before 0 or beyond 24 hours, notes without length, notes of one pitch that overlap;
    PianistError where the file cannot be written.
    """
    for what, time in (("release", notes.end), ("pedal time", notes.pedal_time)):
        _require(what, time, 0, MAX_MS)
    write_company(path, [Part(name, notes), *others], title=title)


def write_company(path: str | os.PathLike[str], parts: Sequence[Part], *, title: str = "") -> None:
    """Write parts in which a tick is a millisecond, as `write_midi` does those beside the piano; raises as that."""
    write_parts(path, parts, ticks_per_quarter=500, tempo=[(0, DEFAULT_TEMPO)], title=title)


def write_ticks(
    path: str | os.PathLike[str],
    notes: Notes,
    *,
    ticks_per_quarter: int,
    tempo: Iterable[tuple[int, int]],
    time_signatures: Iterable[tuple[int, int, int]] = (),
    name: str = "Piano",
    title: str = "",
) -> None:
    """Write notes whose times are ticks (at most 2^28 - 1), under tempo events (tick, µs a quarter).

    `time_signatures` are (tick, numerator, denominator). Otherwise, and in what it raises, as `write_midi`.
    """
    metres = list(time_signatures)
    write_parts(
        path, [Part(name, notes)], ticks_per_quarter=ticks_per_quarter, tempo=tempo, time_signatures=metres, title=title
    )


def write_parts(
    path: str | os.PathLike[str],
    parts: Iterable[Part],
    *,
    ticks_per_quarter: int,
    tempo: Iterable[tuple[int, int]],
    time_signatures: Iterable[tuple[int, int, int]] = (),
    key_signatures: Iterable[tuple[int, str]] = (),
    title: str = "",
    texts: Iterable[str] = (),
) -> None:
    """Write parts, notes and curves in ticks, as tracks of one file, after a track of tempi and signatures.

    `key_signatures` are (tick, name as in `Bbm`); they stand in every track, since MuseScore overlooks those of the
    first. `title` names the first track, `texts` are told in it. Of more parts than channels those of one program share
    one. At one tick the pedal comes before releases, releases before strikes. Otherwise, and in what it raises, as
    `write_ticks`.
    """
    if not 1 <= ticks_per_quarter <= 32767:
        raise ValueError(f"ticks_per_quarter {ticks_per_quarter} is outside 1..32767")
    tempo = list(tempo)
    _require("tempo", np.array([micros for _, micros in tempo], np.int64), 1, (1 << 24) - 1)
    signs = list(key_signatures)
    head = [mido.MetaMessage("track_name", name=title)] if title else []
    head += [mido.MetaMessage("text", text=text) for text in texts]
    # Programs differ in what they take for granted, so that every file tells a metre and a tempo from the beginning.
    metres = list(time_signatures)
    metres = metres if any(tick <= 0 for tick, *_ in metres) else [(0, 4, 4), *metres]
    tempo = tempo if any(tick <= 0 for tick, _ in tempo) else [(0, DEFAULT_TEMPO), *tempo]
    head += [mido.MetaMessage("time_signature", time=at, numerator=n, denominator=d) for at, n, d in metres]
    head += [mido.MetaMessage("set_tempo", time=tick, tempo=micros) for tick, micros in tempo]
    file = mido.MidiFile(ticks_per_beat=ticks_per_quarter, charset="utf-8")
    file.tracks.append(_track(head, signs))
    parts = list(parts)
    for part, channel in zip(parts, channels_of([part.program for part in parts]), strict=True):
        require_writable(part.notes)
        file.tracks.append(_track(_part(part, channel), signs))
    content = io.BytesIO()
    file.save(file=content)
    replace_file(path, content.getvalue())


def _part(part: Part, channel: int) -> list[mido.Message]:
    """The messages of an instrument, whose times are still ticks from the beginning."""
    says, notes = partial(mido.Message, channel=channel), part.notes
    found = [mido.MetaMessage("track_name", name=part.name)] if part.name else []
    found.append(says("program_change", program=part.program))
    curve = part.curve.tolist()
    found += [says("control_change", time=tick, control=part.controller, value=value) for tick, value in curve]
    pedal = zip(notes.pedal_time.tolist(), notes.pedal_value.tolist(), strict=True)
    found += [says("control_change", time=tick, control=SUSTAIN, value=value) for tick, value in pedal]
    columns = (notes.end, notes.onset, notes.pitch, notes.velocity)
    for end, onset, pitch, velocity in sorted(
        zip(*(column.tolist() for column in columns), strict=True), key=itemgetter(0)
    ):
        found.append(says("note_on", time=onset, note=pitch, velocity=velocity))
        found.append(says("note_off", time=end, note=pitch, velocity=velocity))
    return found


def _track(messages: list[mido.Message], signs: list[tuple[int, str]]) -> mido.MidiTrack:
    """Messages at ticks from the beginning and key signatures as a track that ends a tick later."""
    messages = messages + [mido.MetaMessage("key_signature", time=tick, key=key) for tick, key in signs]
    messages.sort(key=lambda message: (message.time, KINDS.index(message.type)))
    passed = 0
    for message in messages:
        message.time, passed = message.time - passed, message.time
    return mido.MidiTrack([*messages, mido.MetaMessage("end_of_track", time=1)])


def _require(what: str, values: np.ndarray, low: int, high: int) -> None:
    wrong = (values < low) | (values > high)
    if wrong.any():
        where = int(np.argmax(wrong))
        raise ValueError(f"{what} {where} is {values[where]}, outside {low}..{high}")


def require_writable(notes: Notes) -> None:
    """Raises ValueError for notes that MIDI cannot give back as they are."""
    _require("pitch", notes.pitch, 0, 127)
    _require("velocity", notes.velocity, 1, 127)
    _require("onset", notes.onset, 0, MAX_DELTA)
    _require("duration", notes.duration, 1, MAX_DELTA)
    _require("release", notes.end, 1, MAX_DELTA)
    _require("pedal time", notes.pedal_time, 0, MAX_DELTA)
    _require("pedal value", notes.pedal_value, 0, 127)
    order = np.lexsort((notes.onset, notes.pitch))
    pitch, onset, end = notes.pitch[order], notes.onset[order], notes.end[order]
    overlap = (pitch[1:] == pitch[:-1]) & (onset[1:] < end[:-1])
    if overlap.any():
        where = int(np.argmax(overlap))
        raise ValueError(f"notes of pitch {pitch[where]} overlap at {onset[where + 1]}: normalise them first")
