"""How well a tempo-mapped file sounds like the performance: read back by other means, event by event."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import mido
import numpy as np

from pianist_jax.music.midi import SUSTAIN
from pianist_jax.music.notes import Notes
from pianist_jax.score.ensemble import OtherPart

NO_CURVE = np.zeros((0, 2), np.int64)
KINDS = ("note_on", "note_off", "pedal", "curve")


@dataclass(frozen=True)
class Difference:
    """Of `count` events, by how many ms the file misses the performance: at worst and on average."""

    count: int
    worst: float
    mean: float


def compare(
    path: str | os.PathLike[str], performance: Notes, offset: int, others: Sequence[OtherPart] = ()
) -> dict[str, Difference]:
    """How far a MIDI file is from `performance` + `offset` ms, for note-ons, note-offs and pedal events.

    The file is read by mido alone, tick by tick and tempo by tempo, not through the map it was made with. The
    k-th note of a pitch in the file is compared with the k-th of that pitch in the performance, the k-th pedal
    event of every track that has any with the performance's k-th. Pedal before the file begins counts as at 0.
    The last tracks are those of `others`, one each, which are compared in the same way, and their curves ("curve").
    Raises ValueError where an event is missing, added or has another velocity or value.
    """
    file = mido.MidiFile(os.fspath(path))
    ms, first = _clock(file), len(file.tracks) - len(others)
    tracks = [file.tracks[:first], *([track] for track in file.tracks[first:])]
    heard = [
        _read(tracks[0], ms),
        *(_read(own, ms, other.controller) for own, other in zip(tracks[1:], others, strict=True)),
    ]
    played = [_expected(performance, offset), *(_expected(each.notes, offset, each.curve) for each in others)]
    parts, found = list(zip(heard, played, strict=True)), {}
    for kind in KINDS if any(len(other.curve) for other in others) else KINDS[:-1]:
        errors = [error for heard, played in parts for error in _missed(path, kind, heard[kind], played[kind])]
        error = np.concatenate(errors) if errors else np.zeros(0)
        worst, mean = (float(error.max()), float(error.mean())) if len(error) else (0.0, 0.0)
        found[kind] = Difference(len(error), round(worst, 4), round(mean, 4))
    return found


def _missed(path: object, kind: str, heard: Keys, played: Keys) -> list[np.ndarray]:
    """By how many ms events of a kind are missed, key by key."""
    moved = kind in ("pedal", "curve")
    if heard.keys() != played.keys() and not moved:
        raise ValueError(f"{path}: other pitches than the performance ({kind})")
    pairs = [(own, played[0 if moved else key]) for key, own in heard.items()]
    if moved and not pairs and played[0]:
        raise ValueError(f"{path}: the {kind} is missing")
    return [_errors(path, kind, own, wanted) for own, wanted in pairs]


Keys = dict[int, list[tuple[float, int]]]
Events = dict[str, Keys]


def _errors(path: object, kind: str, heard: list[tuple[float, int]], played: list[tuple[float, int]]) -> np.ndarray:
    if [value for _, value in heard] != [value for _, value in played]:
        raise ValueError(f"{path}: {kind} events differ from the performance's in number, order or value")
    return np.abs(np.array([time for time, _ in heard]) - np.array([time for time, _ in played]))


def _expected(performance: Notes, offset: int, curve: np.ndarray = NO_CURVE) -> Events:
    events: Events = {kind: defaultdict(list) for kind in KINDS}
    for n in np.argsort(performance.onset, kind="stable").tolist():
        key = int(performance.pitch[n])
        events["note_on"][key].append((float(performance.onset[n] + offset), int(performance.velocity[n])))
        events["note_off"][key].append((float(performance.end[n] + offset), 0))
    pedal_time = np.maximum(performance.pedal_time + offset, 0).astype(float)
    events["pedal"][0] = list(zip(pedal_time.tolist(), performance.pedal_value.tolist(), strict=True))
    events["curve"][0] = [(float(max(time + offset, 0)), value) for time, value in curve.tolist()]
    return events


def _read(tracks: Sequence[mido.MidiTrack], ms: Callable[[int], float], controller: int = 0) -> Events:
    """Events of tracks in ms: notes by pitch, pedal and curves of a controller by track."""
    events: Events = {kind: defaultdict(list) for kind in KINDS}
    for number, track in enumerate(tracks):
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "control_change" and message.control == SUSTAIN:
                events["pedal"][number].append((ms(tick), message.value))
            elif message.type == "control_change" and controller and message.control == controller:
                events["curve"][number].append((ms(tick), message.value))
            elif message.type == "note_on" and message.velocity:
                events["note_on"][message.note].append((ms(tick), message.velocity))
            elif message.type in ("note_on", "note_off"):
                events["note_off"][message.note].append((ms(tick), 0))
    for kind in ("note_on", "note_off"):
        for key in events[kind].values():
            key.sort(key=lambda event: event[0])
    return events


def _clock(file: mido.MidiFile) -> Callable[[int], float]:
    """The function from tick to ms of a file."""
    changes: dict[int, int] = {0: 500_000}
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                changes[tick] = message.tempo
    starts = sorted(changes)
    seconds = [0.0]
    for before, after in pairwise(starts):
        seconds.append(seconds[-1] + mido.tick2second(after - before, file.ticks_per_beat, changes[before]))

    def ms(tick: int) -> float:
        k = bisect_right(starts, tick) - 1
        return 1000 * (seconds[k] + mido.tick2second(tick - starts[k], file.ticks_per_beat, changes[starts[k]]))

    return ms
