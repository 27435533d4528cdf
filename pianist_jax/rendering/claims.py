"""Several processes in one folder share its work: who is at a score claims it by a file beside where it will be.

A claim is made whole or not at all, by whoever comes first. One whose process is gone (by its number, on the same
machine) or that nobody has touched for an hour is taken over.
"""

import json
import os
import secrets
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.rendering.outputs import make_folder, unfinished_path

STALE = 3600.0  # seconds without a sign of life
SIGN_OF_LIFE = 60.0  # seconds between them
WRITTEN = 1.0  # seconds in which a claim that is made has its content, unless its process was killed in between


class Claims:
    """The claims that a run holds on renderings, by the path without suffix where they go."""

    def __init__(self) -> None:
        self.held: dict[Path, float] = {}  # when each was touched last

    def take(self, stem: Path) -> bool:
        """Claim a rendering, if nobody alive has. Raises PianistError where no file can be made there."""
        if stem in self.held:
            return True
        make_folder(stem.parent)
        path = claim_path(stem)
        for _ in range(2):
            told = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                if not _taken_away(path):
                    return False
                continue
            except OSError as error:
                reason = f"no file can be made there ({error.strerror})"
                raise PianistError(f"{stem.parent}: {reason}; check your rights and the disk") from error
            with os.fdopen(handle, "w") as file:
                json.dump(told, file)
            self.held[stem] = time.monotonic()
            return True
        return False

    def touch(self) -> None:
        """Show that the run is alive, now and then."""
        now = time.monotonic()
        for stem, touched in list(self.held.items()):
            if now - touched > SIGN_OF_LIFE:
                self.held[stem] = now
                with suppress(OSError):
                    os.utime(claim_path(stem))

    def release(self, stem: Path) -> None:
        """Give up a claim, if it is held."""
        if self.held.pop(stem, None) is not None:
            with suppress(OSError):
                claim_path(stem).unlink()

    def release_all(self) -> None:
        """Give up all claims, at the end of a run or where it breaks off."""
        for stem in list(self.held):
            self.release(stem)


def claim_path(stem: Path) -> Path:
    """Where a claim on the rendering at a path without suffix is."""
    return stem.with_name(f".{stem.name}.claim")


def clear_stale(stem: Path) -> None:
    """Remove what a process that is gone has left beside a rendering that is there: its claim, the emptied folder."""
    path = claim_path(stem)
    if path.exists() and _taken_away(path):
        shutil.rmtree(unfinished_path(stem), ignore_errors=True)


def _taken_away(path: Path) -> bool:
    """Whether a claim is no more: it was stale and is removed, or its owner has removed it meanwhile."""
    try:
        content, touched = path.read_bytes(), path.stat().st_mtime
        while not content and time.time() - touched <= WRITTEN:
            time.sleep(WRITTEN / 50)
            content, touched = path.read_bytes(), path.stat().st_mtime
    except OSError:
        return not path.exists()
    if not _is_stale(content, touched):
        return False
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.rename(aside)
        if aside.read_bytes() != content:  # another has taken it over in this very moment
            with suppress(OSError):
                os.link(aside, path)
            return False
        return True
    except OSError:
        return not path.exists()
    finally:
        aside.unlink(missing_ok=True)


def _is_stale(content: bytes, touched: float) -> bool:
    if time.time() - touched > STALE:
        return True
    try:
        told: dict[str, Any] = json.loads(content)
        host, pid = str(told["host"]), int(told["pid"])
    except (ValueError, KeyError, TypeError):
        return time.time() - touched > WRITTEN
    if host != socket.gethostname():
        return False
    if pid == os.getpid():  # of a run of this process that broke off
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is there, and somebody else's
        return False
    return False
