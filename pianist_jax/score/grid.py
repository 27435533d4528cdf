"""The score's grid: on which beat of which bar every note stands, in whole ticks. NumPy only."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import mido
import numpy as np

from pianist_jax.files import printable
from pianist_jax.music import midi
from pianist_jax.music.notes import Notes, survivors
from pianist_jax.score.facts import Score, beat_quarters
from pianist_jax.score.hands import LEFT_HAND, RIGHT_HAND, named_hand
from pianist_jax.score.repeats import MAX_BARS
from pianist_jax.score.written import Mark

RIGHT, LEFT = "Right hand", "Left hand"
NOTATION = (".musicxml", ".xml", ".mxl", ".mei", ".krn", ".kern")  # suffixes of `grid_of_score`'s files
NO_SIGNATURE = (0, 4, 4)  # what a MIDI file without time signatures means
MAJOR = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
MINOR = tuple(
    f"{tonic}m" for tonic in ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
)
RESOLUTIONS = (480, 10_080, 30_240)  # 10 080 holds tuplets of 3, 5, 7 and 9


class TempoMark(NamedTuple):
    """From a tick on, so many quarters a minute; `unit` and `seen` as in `score.facts.Tempo`."""

    tick: int
    quarters_per_minute: float
    unit: float = 0.0
    seen: bool = False


@dataclass(frozen=True, eq=False)
class ScoreGrid:
    """Where the N normalised notes of a score stand, in ticks of the score (`ticks_per_quarter` to a quarter).

    `onset` and `duration` int64[N]; `part` int64[N] counts into `part_names` (the hands, where there are two).
    `time_signatures` (tick, numerator, denominator) and `key_signatures` (tick, name as in `Bbm`) are sorted;
    the first time signature stands at tick 0. A bar begins at every time signature. `tempi` are the tempo marks,
    sorted: none where the score has none. `remarks` say in words what of the file was read as what, is odd, or is not
    played. `ids` name each note where the file does (`Score.note_id`).
    """

    ticks_per_quarter: int
    onset: np.ndarray
    duration: np.ndarray
    part: np.ndarray
    part_names: tuple[str, ...]
    time_signatures: tuple[tuple[int, int, int], ...] = (NO_SIGNATURE,)
    key_signatures: tuple[tuple[int, str], ...] = ()
    tempi: tuple[TempoMark, ...] = ()
    remarks: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len({len(self.onset), len(self.duration), len(self.part)}) > 1:
            raise ValueError("onsets, durations and parts of a score grid differ in length")
        if not self.time_signatures or self.time_signatures[0][0] != 0:
            raise ValueError("a score grid needs a time signature at tick 0")
        if len(self.part) and not 0 <= self.part.min() <= self.part.max() < len(self.part_names):
            raise ValueError("a score grid names fewer parts than its notes have")

    def __len__(self) -> int:
        return len(self.onset)

    @property
    def quarters(self) -> np.ndarray:
        """float64[N]: the onset of every note in quarters."""
        return self.onset / self.ticks_per_quarter

    @property
    def end(self) -> int:
        """The last tick of the last note."""
        return int((self.onset + self.duration).max(initial=0))

    def bars(self) -> np.ndarray:
        """int64[B + 1]: the tick at which each bar begins, and where the last ends (at or after the last note)."""
        return self._steps(lambda numerator, denominator: numerator * 4 / denominator)

    def beats(self) -> np.ndarray:
        """int64[K]: the ticks of all beats, to the first at or after the end of the last note.

        A beat is the denominator of the time signature, or three of them in compound time (6/8, 9/8, 12/16 …).
        """
        return self._steps(beat_quarters)

    def bar_of(self, ticks: Sequence[int] | np.ndarray) -> np.ndarray:
        """float64: bar number (from 1) of each tick and how far into it the tick is: 17.5 is the middle of bar 17."""
        starts = self.bars()
        bar = np.clip(np.searchsorted(starts, ticks, side="right") - 1, 0, len(starts) - 2)
        return bar + 1 + (np.asarray(ticks) - starts[bar]) / (starts[bar + 1] - starts[bar])

    def _steps(self, quarters: Callable[[int, int], float]) -> np.ndarray:
        """Ticks from each signature to the next in steps of `quarters(numerator, denominator)`."""
        last = max(self.end, self.time_signatures[-1][0] + 1)
        steps: list[int] = []
        for (start, numerator, denominator), (stop, _, _) in pairwise([*self.time_signatures, (last, 0, 0)]):
            step = quarters(numerator, denominator) * self.ticks_per_quarter
            # What a bar of odd length leaves over before the next signature is no bar of its own.
            slack = self.ticks_per_quarter / 16 if stop < last else 0
            count = max(1, int(np.ceil((stop - start - slack) / step - 1e-9)))
            steps += np.rint(start + step * np.arange(count)).astype(int).tolist()
        return np.array([*steps, round(steps[-1] + step)], np.int64)


def grid_of_midi(path: str | os.PathLike[str]) -> ScoreGrid:
    """The grid of a MIDI file: note n stands for note n of `normalise(read_midi(path))[0]`.

    Every track (in format 0: every channel) with notes is a part; of two, the one that plays higher is the
    right hand, unless the file names them. Raises MidiError as `read_midi` does.
    """
    name = printable(path)
    file = midi.parse_midi(name, midi.read_bytes(path, name))
    return grid_of_tracks(name, file, midi.notes_of_tracks(name, file))


def grid_of_tracks(name: str, file: mido.MidiFile, raw: Notes, remarks: tuple[str, ...] = ()) -> ScoreGrid:
    """The grid of the tracks of a MIDI file, `raw` their notes (`midi.notes_of_tracks`). Raises MidiError."""
    columns: list[np.ndarray] = []
    names: list[str] = []
    for track in file.tracks:
        events = midi.gather_events(name, [track])  # track by track: the order of read_midi
        if events.start:
            own, labels = _parts_of(track, len(names), file.type)
            names += labels
            pitch = events.pitch
            columns.append(np.array([events.start, events.end, own, pitch], np.int64).reshape(4, -1))
    start, end, part, pitch = np.concatenate(columns, axis=1)
    kept = survivors(raw)
    start, end, part, pitch = start[kept], end[kept], part[kept], pitch[kept]
    signatures = _time_signatures(file.tracks)
    _require_bars(signatures, int(end.max()), file.ticks_per_beat, name)
    return ScoreGrid(
        file.ticks_per_beat,
        start,
        np.maximum(end - start, 1),
        part,
        hand_names(names, part, pitch),
        signatures,
        _key_signatures(file.tracks),
        tuple(TempoMark(tick, 60e6 / own.tempo) for tick, own in _signatures(file.tracks, "set_tempo") if own.tempo),
        remarks,
    )


def _require_bars(signatures: Sequence[tuple[int, int, int]], end: int, quarter: int, name: str) -> None:
    """Raises MidiError where there would be more bars than a score can have, before they are counted out."""
    last = max(end, signatures[-1][0] + 1)
    bars = 0.0
    for (start, over, under), (stop, _, _) in pairwise([*signatures, (last, 0, 0)]):
        bars += max(stop - start, 1) * under / (4 * over * quarter)
    if bars > MAX_BARS:
        raise midi.MidiError(f"{name}: more than {MAX_BARS} bars; check its time signatures and its last events")


def hand_names(names: Sequence[str], part: np.ndarray, pitch: np.ndarray) -> tuple[str, ...]:
    """What the parts are called: hands where there are two that do not say so themselves."""
    if len(names) != 2:
        return tuple(label or f"Part {k + 1}" for k, label in enumerate(names))
    hands = [named_hand(label) for label in names]
    if sorted(hands) == [RIGHT_HAND, LEFT_HAND]:  # in whatever language
        return tuple(RIGHT if hand == RIGHT_HAND else LEFT for hand in hands)
    said = [label.lower() for label in names]
    if any("left" in label for label in said) or any("right" in label for label in said):
        return tuple(label or "Piano" for label in names)
    mean = [pitch[part == k].mean() if np.any(part == k) else 64.0 for k in range(2)]
    return (RIGHT, LEFT) if mean[0] >= mean[1] else (LEFT, RIGHT)


def _parts_of(track: Iterable[mido.Message], first: int, kind: int) -> tuple[list[int], list[str]]:
    """Part of every note that begins in a track, counted from `first`, and the names of its parts."""
    label, tick = "", 0
    struck: list[tuple[int, int, int]] = []
    for message in track:
        tick += message.time
        if message.type == "track_name" and not label:
            label = message.name.strip("\0 \t\r\n")
        if message.type == "note_on" and message.velocity > 0 and message.channel != midi.DRUM_CHANNEL:
            struck.append((tick, message.note, message.channel))
    struck.sort(key=lambda note: note[:2])  # as `gather_events` does
    channels = [channel for _, _, channel in struck]
    if kind == 1:
        return [first] * len(channels), [label]
    order = sorted(set(channels))
    names = [label] if len(order) == 1 else [""] * len(order)
    return [first + order.index(channel) for channel in channels], names


def _signatures(tracks: Iterable[mido.MidiTrack], kind: str) -> list[tuple[int, mido.MetaMessage]]:
    """(tick, event) of one kind over all tracks, sorted, the last of those at one tick."""
    found: dict[int, mido.MetaMessage] = {}
    for track in tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == kind:
                found[tick] = message
    return sorted(found.items(), key=lambda event: event[0])


def _time_signatures(tracks: Iterable[mido.MidiTrack]) -> tuple[tuple[int, int, int], ...]:
    events = _signatures(tracks, "time_signature")
    found = [(tick, event.numerator, event.denominator) for tick, event in events if event.numerator > 0]
    if not found or found[0][0] > 0:
        found.insert(0, NO_SIGNATURE)
    return tuple(found)


def _key_signatures(tracks: Iterable[mido.MidiTrack]) -> tuple[tuple[int, str], ...]:
    return tuple((tick, event.key) for tick, event in _signatures(tracks, "key_signature"))


def signature_at(grid: ScoreGrid, tick: int) -> tuple[int, int]:
    """The time signature (numerator, denominator) in force at a tick."""
    place = bisect_right([start for start, _, _ in grid.time_signatures], tick) - 1
    _, numerator, denominator = grid.time_signatures[max(place, 0)]
    return numerator, denominator


def grid_of_score(score: Score) -> ScoreGrid:
    """The grid of a score: note n stands for note n of `normalise(score.notes)[0]`.

    Bars begin where the score's do: one that is longer or shorter than its time signature (pick-ups, bars that
    repeats cut) gets a time signature of its own. A grace note before the first bar stands on its first beat.
    """
    kept = survivors(score.notes)
    starts = np.array([bar.start for bar in score.bars])
    steady = np.concatenate([score.onset[(score.marks & Mark.ORNAMENT == 0) & ~score.grace], starts])
    quarter = next((q for q in RESOLUTIONS if np.abs(steady * q - np.rint(steady * q)).max() < 0.02), RESOLUTIONS[-1])
    onset = np.maximum(np.rint(score.onset[kept] * quarter), 0).astype(np.int64)
    duration = np.maximum(np.rint(score.duration[kept] * quarter), 1).astype(np.int64)
    hand = score.hand[kept].astype(np.int64)
    present = np.unique(hand)
    names = {0: "Piano" if len(present) == 1 else "Other", 1: RIGHT, 2: LEFT}
    order = [h for h in (1, 2, 0) if h in present]
    part = np.array([order.index(h) for h in hand.tolist()], np.int64)
    times = [(round(start * quarter), over, under) for start, over, under in _bar_signatures(score)]
    keys = [
        (round(key.start * quarter), (MINOR if key.minor else MAJOR)[nearest_fifths(key.fifths) + 7])
        for key in score.key_signatures
    ]
    labels = tuple(names[h] for h in order)
    ids = tuple(score.note_id[index] for index in kept.tolist())
    tempi = [TempoMark(round(t.start * quarter), t.quarters_per_minute, t.unit, t.seen) for t in score.tempos]
    return ScoreGrid(
        quarter, onset, duration, part, labels, tuple(times), tuple(keys), tuple(tempi), remarks_of(score), ids
    )


def remarks_of(score: Score) -> tuple[str, ...]:
    """What is to be told of a score beside its notes, a line each."""
    return (*score.readings, *score.problems, *(f"left out: {what}" for what in score.left_out))


def nearest_fifths(fifths: int) -> int:
    """The key that MIDI has, of 7 sharps or flats at most: the one that sounds the same."""
    return fifths if abs(fifths) <= 7 else (fifths + 7) % 12 - 7


def _bar_signatures(score: Score) -> list[tuple[float, int, int]]:
    """Time signatures (quarters, numerator, denominator) under which every bar begins where it does."""
    found: list[tuple[float, int, int]] = []
    for bar in score.bars:
        said = [(sign.beats, sign.beat_type) for sign in score.time_signatures if sign.start <= bar.start + 1e-6]
        over, under = said[-1] if said else (4, 4)
        while under < 64 and abs(bar.length * under / 4 - round(bar.length * under / 4)) > 1e-3:
            under *= 2
        if abs(bar.length - over * 4 / under) > 1e-3:
            over = min(max(round(bar.length * under / 4), 1), 255)
        if not found or found[-1][1:] != (over, under):
            found.append((bar.start if found else 0.0, over, under))
    return found
