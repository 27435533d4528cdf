"""Sound to files: WAV, FLAC and MP3, all equally loud."""

from __future__ import annotations

import os
import tempfile
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pianist_jax.audio.company import blocks_with, duration_with
from pianist_jax.audio.loudness import Loudness
from pianist_jax.audio.mixing import SAMPLE_RATE
from pianist_jax.audio.pianos import Piano, load_piano
from pianist_jax.errors import PianistError
from pianist_jax.files import replacing
from pianist_jax.music.notes import Notes
from pianist_jax.music.part import Part

FORMATS = ("wav", "flac", "mp3")
RATES = (44_100, 48_000)
BITS = (16, 24)
LOUDNESS = -20.0  # LUFS
PEAK_DB = -1.0  # of full scale, not passed for the sake of loudness
READ = 1 << 16  # samples

Advance = Callable[[float, float], None]


@dataclass(frozen=True)
class AudioFormat:
    """How sound is written: "wav", "flac" or "mp3"; samples a second; bits of a sample (an MP3 has none).

    Raises PianistError for what there is not.
    """

    kind: str = "wav"
    sample_rate: int = SAMPLE_RATE
    bits: int = 16

    def __post_init__(self) -> None:
        for what, value, known in (
            ("audio format", self.kind, FORMATS),
            ("sample rate", self.sample_rate, RATES),
            ("bits of a sample:", self.bits, BITS),
        ):
            if value not in known:
                raise PianistError(f"{what} {value!r} is none; choose {' or '.join(map(str, known))}")


DEFAULT = AudioFormat()


def parse_format(text: str) -> AudioFormat:
    """An `AudioFormat` from words in any order, as in "flac,44100,24". Raises PianistError.

    >>> parse_format("flac,44100,24")
    AudioFormat(kind='flac', sample_rate=44100, bits=24)
    """
    form: dict[str, Any] = {}
    for word in text.lower().replace(",", " ").split():
        number = int(word) if word.isascii() and word.isdigit() else None
        form["kind" if number is None else "bits" if number < 100 else "sample_rate"] = (
            word if number is None else number
        )
    return AudioFormat(**form)


def write_audio(
    path: str | os.PathLike[str],
    notes: Notes,
    form: AudioFormat = DEFAULT,
    *,
    piano: Piano | None = None,
    advance: Advance | None = None,
    company: Sequence[Part] = (),
) -> None:
    """Write a performance as a stereo file, as loud as all others: -20 LUFS (ITU-R BS.1770), or what -1 dB peaks leave.

    `company` are parts that sound with it (`audio.company`), where it has no notes alone. It begins at 0 ms and lasts
    until the last string has died away. `advance` is told of seconds done and all seconds.
    Memory does not grow with the length; the disk holds it once more meanwhile. The file appears whole or not at all,
    and the same performance gives the same bytes. Raises PianistError where there are no notes, they last more than
    four hours, the format needs a library that is not installed, or the file cannot be written.
    """
    piano = piano or load_piano()
    whole = duration_with(notes, company, piano)
    require(form)
    with replacing(path) as unfinished, tempfile.TemporaryFile(dir=unfinished.parent) as draft:
        loudness, peak, done = Loudness(form.sample_rate), 0.0, 0
        for block in blocks_with(notes, company, form.sample_rate, whole, piano):
            loudness.add(block)
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            draft.write(block.tobytes())
            done += len(block)
            if advance is not None:
                advance(done / form.sample_rate, whole)
        gain = gain_for(loudness.integrated(), peak)
        draft.seek(0)
        _encode(unfinished, form, (block * np.float32(gain) for block in _blocks(draft)))


def require(form: AudioFormat) -> None:
    """Raises PianistError where a format cannot be written."""
    if form.kind != "wav":
        try:
            import soundfile  # noqa: F401
        except (ImportError, OSError) as error:
            raise PianistError(f"{form.kind}: needs soundfile (pip install soundfile); choose wav") from error


def gain_for(loudness: float, peak: float) -> float:
    """What a sound of this loudness (LUFS) and peak is to be multiplied by."""
    if peak <= 0:
        return 1.0
    return float(min(10 ** ((LOUDNESS - loudness) / 20), 10 ** (PEAK_DB / 20) / peak))


def _blocks(draft: BinaryIO) -> Iterator[np.ndarray]:
    while content := draft.read(READ * 8):
        yield np.frombuffer(content, np.float32).reshape(-1, 2)


def audio_bytes(notes: Notes, form: AudioFormat, piano: Piano, company: Sequence[Part] = ()) -> bytes:
    """What `write_audio` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        write_audio(path, notes, form, piano=piano, company=company)
        return path.read_bytes()


def _encode(path: Path, form: AudioFormat, blocks: Iterator[np.ndarray]) -> None:
    """Write blocks within ±1."""
    if form.kind == "wav":
        with path.open("wb") as stream, wave.open(stream, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(form.bits // 8)
            file.setframerate(form.sample_rate)
            for block in blocks:
                file.writeframes(_integers(block, form.bits))
        return
    import soundfile

    kind, subtype = form.kind.upper(), "MPEG_LAYER_III" if form.kind == "mp3" else f"PCM_{form.bits}"
    with (
        path.open("wb") as stream,
        soundfile.SoundFile(stream, "w", form.sample_rate, 2, subtype, format=kind) as file,
    ):
        for block in blocks:
            file.write(block)


def _integers(block: np.ndarray, bits: int) -> bytes:
    """Samples as little-endian integers of 16 or 24 bits."""
    scaled = np.rint(block.astype(np.float64) * (2 ** (bits - 1) - 1)).astype("<i4")
    if bits == 16:
        return scaled.astype("<i2").tobytes()
    return scaled.reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
