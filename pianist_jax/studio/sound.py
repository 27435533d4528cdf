"""The sound of performances, kept for as long as the studio runs: made once each, in a thread of its own."""

import asyncio
import dataclasses
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pianist_jax.audio import write_audio
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.rendering.hashes import content_hash

KEPT = 200  # performances that can be asked for


class Sounds:
    """Sound files of the performances that pages have been told of, by the hash of their notes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._notes: OrderedDict[str, Notes] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "sound")

    def know(self, notes: Notes) -> str:
        """Remember a performance, so that it can be asked for; gives its hash."""
        key = content_hash(notes)
        self._notes[key] = notes
        self._notes.move_to_end(key)
        while len(self._notes) > KEPT:
            self._notes.popitem(last=False)
        return key

    async def file(self, key: str, part: tuple[int, int] | None = None) -> Path:
        """The sound of a performance, or of a part in ms. Raises PianistError where it is unknown."""
        notes = self._notes.get(key)
        if notes is None:
            raise PianistError("that performance is no longer there; load the page anew")
        suffix = "" if part is None else f"-{part[0]}-{part[1]}"
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, _make, self._folder / f"{key}{suffix}.wav", notes, part
        )

    def close(self) -> None:
        """Make nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _make(path: Path, notes: Notes, part: tuple[int, int] | None) -> Path:
    if not path.exists():
        write_audio(path, notes if part is None else cut(notes, *part))
    return path


def cut(notes: Notes, start: int, stop: int) -> Notes:
    """What sounds between two times in ms, from 0 on; notes that begin before are left out."""
    inside = (notes.onset >= start) & (notes.onset < stop)
    if not inside.any():
        raise PianistError("there are no notes to be heard")
    pitch, onset, duration, velocity = (
        column[inside] for column in (notes.pitch, notes.onset, notes.duration, notes.velocity)
    )
    time, value = notes.pedal_time, notes.pedal_value
    before = np.flatnonzero(time <= start)
    kept = (time > start) & (time < stop)
    time, value = time[kept], value[kept]
    if len(before):
        time, value = np.append(start, time), np.append(notes.pedal_value[before[-1]], value)
    return dataclasses.replace(
        notes, pitch=pitch, onset=onset - start, duration=duration, velocity=velocity,
        pedal_time=time - start, pedal_value=value,
    )  # fmt: skip
