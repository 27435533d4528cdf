"""The manifest of a folder of renderings: a line for each score that was dealt with, so that a run can go on.

Lines are appended whole and never changed; of several about one rendering the last counts. A line that was broken off
is passed over: what it told of is then found out from the files themselves.
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.rendering.hashes import file_hash
from pianist_jax.rendering.outputs import make_folder


def manifest_path(folder: Path, share: str = "1/1") -> Path:
    """Where the process with this share of the scores ("2/8") appends its lines."""
    return folder / ("manifest.jsonl" if share == "1/1" else f"manifest-{share.replace('/', '-of-')}.jsonl")


class Manifests:
    """What the manifests in a folder tell, of all processes that write there: read once, and then what is new.

    `last` is the last line about each rendering, by its stem. Threads may share it.
    """

    def __init__(self, folder: Path, own: Path) -> None:
        self.folder, self.own = folder, own
        self.last: dict[str, dict[str, Any]] = {}
        self.read = {own: 0}  # how many bytes of each
        self.lock = threading.Lock()
        self.look_around()

    def look_around(self) -> None:
        """Take in new lines, and new manifests. Raises PianistError."""
        with self.lock:
            self.read = dict.fromkeys(self.folder.glob("manifest*.jsonl"), 0) | self.read
            self._look()

    def append(self, entry: Mapping[str, Any], same: Sequence[str] = ()) -> None:
        """Append a line to the own one, unless the last line about it is the `same` in this. Raises PianistError."""
        with self.lock:
            if same:
                self._look()
            last = self.last.get(entry["stem"], {})
            if not same or any(last.get(key) != entry[key] for key in same):
                append_line(self.own, entry)

    def _look(self) -> None:
        for path in sorted(self.read):
            try:
                with path.open("rb") as lines:
                    lines.seek(self.read[path])
                    for line in lines:
                        entry = _parsed(line.decode(errors="replace"))
                        if entry is not None:
                            self.last[entry["stem"]] = entry
                        if line.endswith(b"\n"):  # else it may still be being written
                            self.read[path] += len(line)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise PianistError(f"{path}: cannot be read ({error.strerror}); check your rights") from error


def told_in(path: Path) -> dict[str, dict[str, Any]]:
    """The last line about each rendering in one manifest, by its stem; none where there is no such file."""
    told = {}
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                if (entry := _parsed(line.decode(errors="replace"))) is not None:
                    told[entry["stem"]] = entry
    return told


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
