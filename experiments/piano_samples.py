"""Makes `pianist_jax/audio/grand/`: the sampled piano, from the npm packages of the Salamander Grand.

    npm pack $(for n in velocity{1,4,7,10,13,16} release; do echo @audio-samples/piano-$n@1.0.5; done)
    python -m experiments.piano_samples --packages . -o pianist_jax/audio/grand

Samples by Alexander Holm (CC BY 3.0), packaged as Ogg by Jan Forst (MIT). Nothing is decoded and encoded again: of each
recording the Ogg pages are kept up to where it has died away, and those of a layer are written one after the other
into one file, which any Ogg player plays. `index.json` says where each begins, how many samples of it lie before the
sound, how loud it is and how it decays. The same packages give the same bytes.
"""

import argparse
import io
import json
import re
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from pianist_jax.audio.loudness import weighted_power

LAYERS = (1, 4, 7, 10, 13, 16)
NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
LONGEST, FADED_DB = 13.0, 50.0  # seconds kept at most; below the beginning, where a recording is cut
CELL = 0.05  # seconds in which levels are measured
DECAY_STEP = 0.5  # seconds between the values of a decay
LEVEL_SECONDS = 0.3  # from the onset on, in which a key's loudness is measured
SURE, RISE = 0.3, 0.003  # share of the first peak at which a sound has surely begun; seconds before, where it is cut
FIRST, SMOOTH = 0.1, 0.002  # seconds in which the first peak lies; of the running mean that finds it
EOS = 4  # of an Ogg page's flags


def pages(content: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of every page of an Ogg file."""
    at = 0
    while at < len(content):
        assert content[at : at + 4] == b"OggS", "not an Ogg page"
        segments = content[at + 26]
        end = at + 27 + segments + sum(content[at + 27 : at + 27 + segments])
        yield at, end
        at = end


def cut(content: bytes, samples: int) -> bytes:
    """An Ogg file up to the page in which `samples` is reached, that page marked as its last."""
    for begin, end in pages(content):
        granule = struct.unpack_from("<q", content, begin + 6)[0]
        if granule >= samples or end == len(content):
            page = bytearray(content[begin:end])
            page[5] |= EOS
            page[22:26] = bytes(4)
            page[22:26] = struct.pack("<I", checksum(page))
            return content[:begin] + bytes(page)
    raise AssertionError("no pages")


def checksum(page: bytes) -> int:
    """The CRC-32 of an Ogg page (polynomial 0x04c11db7, nothing reflected: RFC 3533)."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ 0x104C11DB7 if value & 0x80000000 else value << 1
    return value


def levels(sound: np.ndarray, rate: int) -> np.ndarray:
    """dB of every `CELL` of a stereo sound."""
    cell = int(CELL * rate)
    count = len(sound) // cell
    return 10 * np.log10((sound[: count * cell].reshape(count, -1) ** 2).mean(1) + 1e-12)


def onset_of(sound: np.ndarray, rate: int) -> int:
    """The sample at which a recording is cut: a little before it surely sounds, alike in all layers of a key."""
    width = int(SMOOTH * rate)
    power = np.convolve((sound[: int(FIRST * rate)] ** 2).sum(1), np.full(width, 1 / width))
    begun = int(np.argmax(power > SURE**2 * power.max()))
    return max(0, begun - int(RISE * rate))


def recording(content: bytes) -> tuple[bytes, dict[str, object]]:
    """What is kept of a recording of a key, and what the index says of it."""
    sound, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    onset = onset_of(sound, rate)
    level = levels(sound[onset:], rate)
    heard = (int(np.flatnonzero(level > level[:4].max() - FADED_DB)[-1]) + 1) * CELL
    kept = cut(content, onset + int(min(heard, LONGEST) * rate))
    sound = soundfile.read(io.BytesIO(kept), dtype="float32")[0][onset:]
    power = float(weighted_power(sound[: int(LEVEL_SECONDS * rate)].T, rate).sum())
    level = levels(sound, rate)
    width = round(DECAY_STEP / CELL)
    decay = [round(float(level[k : k + width].max() - level[:4].max()), 1) for k in range(0, len(level), width)]
    return kept, {
        "bytes": len(kept),
        "onset": onset,
        "samples": len(sound),
        "peak": round(float(np.abs(sound).max()), 4),
        "level_db": round(10 * np.log10(power), 2),
        "decay_db": decay,
    }


def members(package: Path) -> dict[str, bytes]:
    """The files of an npm package."""
    with tarfile.open(package) as archive:
        files = {member.name.removeprefix("package/"): archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in files.items() if file is not None}


def pitch_of(name: str) -> int:
    """audio/F#3v7.ogg -> 54."""
    note, octave = re.fullmatch(r"audio/([A-G]#?)(\d)v\d+\.ogg", name).groups()  # type: ignore[union-attr]
    return NAMES.index(note) + 12 * (int(octave) + 1)


def write_layer(package: Path, layer: int, folder: Path) -> dict[str, object]:
    """Write the file of a layer; what the index says of it."""
    keys, content = {}, b""
    files = {pitch_of(name): data for name, data in members(package).items() if name.endswith(".ogg")}
    for pitch in sorted(files):
        kept, about = recording(files[pitch])
        keys[str(pitch)] = {"at": len(content), **about}
        content += kept
    name = f"velocity{layer}.ogg"
    (folder / name).write_bytes(content)
    print(f"{name}: {len(content) / 1e6:.2f} MB", flush=True)
    return {"file": name, "keys": keys}


def write_releases(package: Path, folder: Path) -> dict[str, object]:
    """Write the noises of the keys as they come up, as they are."""
    files = {int(name[9:-4]) + 20: data for name, data in members(package).items() if name.endswith(".ogg")}
    keys, content = {}, b""
    for pitch in sorted(files):
        sound, rate = soundfile.read(io.BytesIO(files[pitch]), dtype="float32")
        loud = np.abs(sound).max(1)
        onset = max(0, int(np.argmax(loud > SURE * loud.max())) - int(RISE * rate))
        power = float((sound**2).sum()) / rate
        level = {"onset": onset, "samples": len(sound) - onset, "energy_db": round(10 * np.log10(power), 2)}
        keys[str(pitch)] = {"at": len(content), "bytes": len(files[pitch]), **level}
        content += files[pitch]
    (folder / "release.ogg").write_bytes(content)
    return {"file": "release.ogg", "keys": keys}


def main() -> None:
    """Write all files but the texts of the licences."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--packages", type=Path, required=True, help="folder of the packages, as npm pack leaves them")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    def package(name: str) -> Path:
        return arguments.packages / f"audio-samples-piano-{name}-1.0.5.tgz"

    layers = [write_layer(package(f"velocity{layer}"), layer, arguments.output) for layer in LAYERS]
    release = write_releases(package("release"), arguments.output)
    index = {"rate": 48_000, "decay_step": DECAY_STEP, "layers": layers, "release": release}
    text = json.dumps(index, indent=1)
    text = re.sub(r"\{\n\s+([^{}]+?)\n\s+\}", lambda found: "{" + re.sub(r"\n\s+", " ", found[1]) + "}", text)
    (arguments.output / "index.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
