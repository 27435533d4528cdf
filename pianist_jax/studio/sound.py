"""The sound of performances, kept for as long as the studio runs: made once each, in threads of their own."""

import asyncio
import threading
import wave
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pianist_jax.audio import FORMATS, SAMPLE_RATE, AudioFormat, Piano, load_piano, render_blocks, write_audio
from pianist_jax.audio.files import gain_for
from pianist_jax.audio.grand import EXPONENT
from pianist_jax.errors import PianistError
from pianist_jax.files import replacing
from pianist_jax.music.notes import Notes
from pianist_jax.rendering.hashes import content_hash

KEPT = 200  # performances that can be asked for
WAV = "wav"
LONGEST_WAY = 5.0  # s that a whole stands still for a part
LIKELY = -20.2  # LUFS where the sum of `likely_loudness` is 1 a second


class Sounds:
    """Sound files of the performances that pages have been told of, by the hash of their notes.

    Wholes and parts have a thread and a piano each, and a whole stands still while a part is made: who waits for a
    part, to hear it now, waits for no whole.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._notes: OrderedDict[str, Notes] = OrderedDict()
        self._nobody_waits = threading.Event()
        self._nobody_waits.set()
        self._wholes, self._parts = _Maker("sound", self._nobody_waits), _Maker("part", self._nobody_waits)

    def know(self, notes: Notes) -> str:
        """Remember a performance, so that it can be asked for; gives its hash."""
        key = content_hash(notes)
        self._notes[key] = notes
        self._notes.move_to_end(key)
        while len(self._notes) > KEPT:
            self._notes.popitem(last=False)
        return key

    async def file(self, key: str, part: tuple[int, int] | None = None, kind: str = WAV) -> Path:
        """The sound of a performance, or of a part in ms. Raises PianistError where it is unknown."""
        notes = self._notes.get(key)
        if notes is None:
            raise PianistError("that performance is no longer there; load the page anew")
        if kind not in FORMATS:
            raise PianistError(f"{kind[:10]!r} is no audio format; choose {' or '.join(FORMATS)}")
        loop = asyncio.get_running_loop()
        if part is None:
            path = self._folder / f"{key}.{kind}"
            return await loop.run_in_executor(self._wholes.thread, self._wholes.whole, path, notes, kind)
        path = self._folder / f"{key}-{part[0]}-{part[1]}.{WAV}"
        return await loop.run_in_executor(self._parts.thread, self._parts.part, path, notes, part)

    def tune(self) -> None:
        """Have the pianos ready, so that who waits for the first sound waits for that alone."""
        for maker in (self._parts, self._wholes):
            maker.thread.submit(maker.tune)

    def close(self) -> None:
        """Make nothing more."""
        for maker in (self._wholes, self._parts):
            maker.thread.shutdown(wait=False, cancel_futures=True)


def likely_loudness(notes: Notes) -> float:
    """LUFS of the whole that a performance will have, by its notes alone: of ten of ASAP within 1.2 dB (one sigma)."""
    loud = (notes.velocity / 127) ** (2 * EXPONENT) * np.sqrt(np.clip(notes.duration / 1000, 0.1, 1.0))
    return float(10 * np.log10(loud.sum() / max(np.ptp(notes.onset) / 1000, 1.0)) + LIKELY)


class _Maker:
    """A thread with a piano, loaded when it is first played."""

    def __init__(self, name: str, nobody_waits: threading.Event) -> None:
        self.thread = ThreadPoolExecutor(1, name)
        self._nobody_waits = nobody_waits
        self._piano: Piano | None = None

    def whole(self, path: Path, notes: Notes, kind: str) -> Path:
        """A file of the whole, as loud as `pianist render --audio` makes it."""
        if not path.exists():
            write_audio(path, notes, AudioFormat(kind), piano=self._loaded(), advance=self._give_way)
        return path

    def _give_way(self, done: float, seconds: float) -> None:
        self._nobody_waits.wait(LONGEST_WAY)

    def part(self, path: Path, notes: Notes, part: tuple[int, int]) -> Path:
        """A WAV file from one time to another, about as loud as it is in the whole."""
        if not path.exists():
            self._nobody_waits.clear()
            try:
                self._write_part(path, notes, part)
            finally:
                self._nobody_waits.set()
        return path

    def _write_part(self, path: Path, notes: Notes, part: tuple[int, int]) -> None:
        start, stop = (time / 1000 for time in part)
        blocks = list(render_blocks(notes, SAMPLE_RATE, start, stop, self._loaded()))
        gain = gain_for(likely_loudness(notes), max((float(np.abs(block).max()) for block in blocks), default=0.0))
        with replacing(path) as unfinished, unfinished.open("wb") as stream, wave.open(stream, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            for block in blocks:
                file.writeframes(np.rint(np.clip(gain * block, -1, 1) * 32767).astype("<i2").tobytes())

    def tune(self) -> None:
        """Play every third key at three levels to nobody: samples are read when they are first played."""
        pitch = np.repeat(np.arange(24, 103, 3), 3)
        onset, velocity = np.zeros(len(pitch), np.int64), np.tile([30, 64, 96], len(pitch) // 3)
        nothing = np.zeros(0, np.int64)
        notes = Notes(pitch, onset, np.full(len(pitch), 50), velocity, nothing, nothing)
        for _ in render_blocks(notes, SAMPLE_RATE, 0.0, 0.1, self._loaded()):
            pass

    def _loaded(self) -> Piano:
        self._piano = self._piano or load_piano()
        return self._piano
