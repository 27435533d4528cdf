"""The manifest of a folder of renderings: a line for each score that was dealt with, so that a run can go on.

Lines are appended whole and never changed; of several about one rendering the last counts. A line that was broken off
is passed over: what it entry of is then found out from the files themselves.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.rendering.hashes import file_hash
from pianist_jax.rendering.outputs import make_folder


def manifest_path(folder: Path, share: str = "1/1") -> Path:
    """Where the process with this share of the scores ("2/8") appends its lines."""
    return folder / ("manifest.jsonl" if share == "1/1" else f"manifest-{share.replace('/', '-of-')}.jsonl")


def read_manifests(folder: Path) -> dict[str, dict[str, Any]]:
    """The last line about each rendering, by its stem, in the manifests of all processes that wrote to the folder."""
    last: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("manifest*.jsonl")):
        try:
            with path.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    entry = _parsed(line)
                    if entry is not None:
                        last[entry["stem"]] = entry
        except OSError as error:
            raise PianistError(f"{path}: cannot be read ({error.strerror}); check your rights") from error
    return last


def append_line(path: Path, entry: Mapping[str, Any]) -> None:
    """Append a line by one write, beginning on a line of its own. Raises PianistError."""
    make_folder(path.parent)
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(handle).st_size
            broken_off = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, b"\n" * broken_off + json.dumps(entry).encode() + b"\n")
        finally:
            os.close(handle)
    except OSError as error:
        raise PianistError(f"{path}: cannot be written ({error.strerror}); check its folder and your rights") from error


def hashes(folder: Path, files: tuple[Path, ...]) -> dict[str, str]:
    """The hash of every file by its path below `folder`. Raises PianistError."""
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def is_whole(folder: Path, entry: Mapping[str, Any]) -> bool:
    """Whether all files of a line are there as they were written."""
    paths = {folder / name: sha256 for name, sha256 in entry["files"].items()}
    return bool(paths) and all(path.is_file() and file_hash(path) == sha256 for path, sha256 in paths.items())


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
        sound = isinstance(entry["stem"], str) and isinstance(entry.get("files", {}), dict)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return entry if sound else None
