"""Seals of finished checkpoints: `files-N.json` beside checkpoint N tells the size and CRC of each of its files.

What is not as it was is never read: Orbax reads hundreds of arrays at once and complains of each one by itself.
"""

import json
import zlib
from collections.abc import Iterator, Sequence

from etils import epath


def seal(folder: epath.PathLike, steps: Sequence[int]) -> None:
    """Write down the files of the finished checkpoints `steps` below `folder`, and forget those that are gone."""
    folder = epath.Path(folder)
    for old in folder.glob("files-*.json"):
        if old.stem.removeprefix("files-") not in map(str, steps):
            old.unlink()
    for step in steps:
        target, part = folder / f"files-{step}.json", folder / f"files-{step}.part"
        if not target.exists():
            part.write_text(json.dumps(_files(folder / str(step))))
            part.replace(target)


def verify(folder: epath.PathLike, step: int) -> None:
    """Raise ValueError where a file of a sealed checkpoint is not as it was. One without a seal is taken on trust."""
    folder = epath.Path(folder)
    if not (folder / f"files-{step}.json").exists():
        return
    there = _files(folder / str(step))
    for name, (size, crc) in json.loads((folder / f"files-{step}.json").read_text()).items():
        if name not in there:
            raise ValueError(f"{name} is missing")
        if there[name][0] != size:
            raise ValueError(f"{name} has {there[name][0]} bytes instead of {size}")
        if there[name][1] != crc:
            raise ValueError(f"{name} has other contents")


def _files(folder: epath.Path) -> dict[str, list[int]]:
    """Size and CRC of each file below a folder; -1 in a bucket, which looks after its bytes itself."""
    local = "://" not in str(folder)
    return {
        str(path.relative_to(folder)): [path.stat().length, zlib.crc32(path.read_bytes()) if local else -1]
        for path in _walk(folder)
    }


def _walk(folder: epath.Path) -> Iterator[epath.Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path
