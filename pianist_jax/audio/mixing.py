"""The mixer: a performance and a piano give sound, block by block."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from pianist_jax.audio.dampers import AGAIN, Dampers, damper_rate
from pianist_jax.audio.pianos import CHUNK, Piano, Sources, load_piano
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes

SAMPLE_RATE = 48_000
MAX_HOURS = 4
BLOCK_SECONDS = 1.0
STEP = 64  # samples between values of a note's damping
CELL = 0.05  # seconds between the times at which a note may be found to have died
SPAN = 25.0  # seconds: no sound is longer
INAUDIBLE_DB, DAMPED_DB = -78.0, -66.0  # of full scale; below what the note would be undamped at its beginning
RAMP = (np.arange(STEP) / STEP).astype(np.float32)
CEASE = 0.05  # seconds over which a note that has died is let go
NOISE_SECONDS = 0.5  # of a key that comes up
PART = 512  # notes whose ends are found together


@dataclasses.dataclass(frozen=True, eq=False)
class Voices:
    """V sounds in order of their beginnings, times in s: `again` is when the string is struck anew.

    `source` is a sound of the piano, `rate` 1/s at which dampers take it; from `end` on it is not heard.
    """

    source: np.ndarray
    gain: np.ndarray
    begin: np.ndarray
    release: np.ndarray
    again: np.ndarray
    rate: np.ndarray
    end: np.ndarray

    def take(self, which: np.ndarray | slice) -> Voices:
        """Some of them."""
        return Voices(*(getattr(self, name)[which] for name in COLUMNS))


COLUMNS = tuple(field.name for field in dataclasses.fields(Voices))


def sound_of(
    notes: Notes,
    sample_rate: int = SAMPLE_RATE,
    start: float = 0.0,
    stop: float | None = None,
    piano: Piano | None = None,
) -> np.ndarray:
    """`render_blocks` in one piece, float32 [S, 2]."""
    return np.concatenate([np.zeros((0, 2), np.float32), *render_blocks(notes, sample_rate, start, stop, piano)])


def render_blocks(
    notes: Notes,
    sample_rate: int = SAMPLE_RATE,
    start: float = 0.0,
    stop: float | None = None,
    piano: Piano | None = None,
) -> Iterator[np.ndarray]:
    """The sound of a performance from `start` to `stop` (s; all of it without), float32 [S, 2] (left, right) a second.

    Without a `stop` it lasts until the last string has died away: the pedal may hold it for long. It is at a fixed
    level, about -20 LUFS for most music, and may pass ±1. Give the same `piano` again where there is more to come: it
    keeps the sounds that were used last. Raises PianistError where there are no notes, one begins before 0 ms, or the
    last one after four hours.
    """
    piano = piano or load_piano()
    check_audible(notes)
    dampers = Dampers(notes)
    voices = voices_of(notes, piano.sources, dampers)
    last = float(voices.end.max()) if stop is None else stop
    voices = voices.take((voices.end > start) & (voices.begin < last))
    return _mix(voices, dampers, piano, sample_rate, round(start * sample_rate), round(last * sample_rate))


def duration_of(notes: Notes, piano: Piano) -> float:
    """Seconds until the last string has died away. Raises PianistError as `render_blocks` does."""
    check_audible(notes)
    return float(voices_of(notes, piano.sources, Dampers(notes)).end.max())


def check_audible(notes: Notes) -> None:
    """Raises PianistError for a performance that cannot be heard."""
    if not len(notes):
        raise PianistError("there are no notes to be heard")
    if int(notes.onset.min()) < 0 or int(notes.onset.max()) > MAX_HOURS * 3_600_000:
        raise PianistError(f"only performances of up to {MAX_HOURS} hours from 0 ms on can be heard; cut it")


def voices_of(notes: Notes, sources: Sources, dampers: Dampers) -> Voices:
    """The sounds of all notes, and of the keys as they come up."""
    order = np.lexsort((notes.onset, notes.pitch))
    pitch, onset, release = notes.pitch[order], notes.onset[order] / 1000, notes.end[order] / 1000
    again = np.append(np.where(pitch[1:] == pitch[:-1], onset[1:], np.inf), np.inf)
    never = np.full(len(pitch), np.inf)
    struck = Voices(*sources.choose(pitch, notes.velocity[order]), onset, release, again, damper_rate(pitch), never)
    parts = [struck.take(slice(at, at + PART)) for at in range(0, len(pitch), PART)]
    parts = [dataclasses.replace(part, end=_ends(part, sources, dampers)) for part in parts]
    noises = sources.choose_release(pitch)
    if noises is not None:
        parts.append(Voices(*noises, release, never, never, np.zeros(len(pitch)), release + NOISE_SECONDS))
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS]
    return Voices(*columns).take(np.argsort(columns[COLUMNS.index("begin")], kind="stable"))


def _ends(voices: Voices, sources: Sources, dampers: Dampers) -> np.ndarray:
    """Seconds: when each of them has died."""
    time = np.arange(0, SPAN, CELL)
    known = {source: sources.loudest(source, time) for source in np.unique(voices.source).tolist()}
    damped = -8.686 * _exponent(voices, dampers, voices.begin[:, None] + time)
    own = np.stack([known[source] for source in voices.source.tolist()])
    level = own + 20 * np.log10(voices.gain)[:, None] + damped
    heard = (level > INAUDIBLE_DB) & (damped > DAMPED_DB)
    return voices.begin + (time.size - heard[:, ::-1].argmax(1)) * CELL * heard.any(1)


def _exponent(voices: Voices, dampers: Dampers, time: np.ndarray) -> np.ndarray:
    """Natural logarithm of how much softer each of V sounds is at the times [V, T] for dampers and a new stroke."""
    fallen = dampers.at(np.maximum(time, voices.release[:, None])) - dampers.at(voices.release)[:, None]
    return voices.rate[:, None] * fallen + np.maximum(time - voices.again[:, None], 0) / AGAIN


def _mix(
    voices: Voices, dampers: Dampers, piano: Piano, sample_rate: int, begins: int, ends: int
) -> Iterator[np.ndarray]:
    """Blocks from one sample to another."""
    begin = np.rint(voices.begin * sample_rate).astype(np.int64)
    end = np.rint(voices.end * sample_rate).astype(np.int64)
    passed = dampers.at(voices.release)
    block, scratch = int(BLOCK_SECONDS * sample_rate), np.empty((2, CHUNK), np.float32)
    for at in range(begins, ends, block):
        stop = min(at + block, ends)
        mixed = np.zeros((2, stop - at), np.float32)
        for number in np.flatnonzero((begin < stop) & (end > at)).tolist():
            own = int(begin[number])
            low, high = max(at, own), min(stop, int(end[number]))
            gain = _gain(voices, number, own, low, high, sample_rate, dampers, float(passed[number]))
            source = int(voices.source[number])
            for chunk in range((low - own) // CHUNK, -(-(high - own) // CHUNK)):
                here = own + chunk * CHUNK
                first, last = max(low, here), min(high, here + CHUNK)
                heard = scratch[:, : last - first]
                sound = piano.chunk(source, chunk, sample_rate)[:, first - here : last - here]
                np.multiply(sound, gain[first - low : last - low] if gain.size > 1 else gain, out=heard)
                mixed[:, first - at : last - at] += heard
        yield np.ascontiguousarray(mixed.T)


def _gain(
    voices: Voices, number: int, own: int, low: int, high: int, sample_rate: int, dampers: Dampers, passed: float
) -> np.ndarray:
    """The gain of one voice, begun at sample `own`, at each sample from `low` to `high`, or one for all; float32."""
    gain, release, again = float(voices.gain[number]), float(voices.release[number]), float(voices.again[number])
    end = float(voices.end[number])
    if high / sample_rate < min(release, again, end - CEASE):
        return np.full(1, gain, np.float32)
    time = (own + STEP * np.arange((low - own) // STEP, -(-(high - own) // STEP) + 1)) / sample_rate
    softer = float(voices.rate[number]) * (dampers.at(np.maximum(time, release)) - passed)
    if time[-1] > again:
        softer += np.maximum(time - again, 0) / AGAIN
    values = (gain * np.exp(-softer) * np.clip((end - time) / CEASE, 0, 1)).astype(np.float32)
    ramps = np.diff(values)[:, None] * RAMP  # straight lines from each value to the next
    ramps += values[:-1, None]
    return ramps.ravel()[(low - own) % STEP :]
