"""Tar archives from strangers: what they claim is looked at before anything is read or allocated."""

import bz2
import gzip
import lzma
import stat
import tarfile
from pathlib import Path
from typing import IO, Any

from pianist_jax.errors import PianistError
from pianist_jax.score.files import MAX_BYTES, MAX_RATIO

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LONGEST_READ = 16 << 20  # bytes; headers of real archives take a few hundred
SPARE = 64 << 20  # bytes that a compressed archive may unpack to, however small it is
OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


class Bounded:
    """A file that is read in pieces of a bounded size: a header that claims gigabytes raises OSError."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        """As of a file. Raises OSError for more than a score or a header has."""
        if not 0 <= size <= LONGEST_READ:
            raise OSError("claims more than an archive of scores can hold")
        return self.file.read(size)


def require_regular(path: Path, limit: int, what: str) -> None:
    """Raises PianistError for what is no file on a disk (a pipe, a device), and for more bytes than `limit`."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise PianistError(f"{path}: cannot be read ({reason}); check the path") from error
    if not stat.S_ISREG(status.st_mode):
        raise PianistError(f"{path}: not a file; give the path of {what}")
    if status.st_size > limit:
        raise PianistError(f"{path}: larger than {limit >> 20} MiB, the limit of {what}; split it")


def open_archive(path: Path) -> tarfile.TarFile:
    """A tar archive, compressed or not. Raises PianistError."""
    require_regular(path, 1 << 44, "an archive")
    try:
        with path.open("rb") as start:
            magic = start.read(6)
        opener = next((opener for sign, opener in OPENERS.items() if magic.startswith(sign)), open)
        bounded: Any = Bounded(opener(path, "rb"))
        try:
            return tarfile.open(fileobj=bounded, mode="r:")
        except BaseException:
            bounded.close()
            raise
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or "is no tar archive"
        raise PianistError(f"{path}: cannot be read ({reason}); check the path") from error


def close_archive(archive: tarfile.TarFile) -> None:
    """Close an archive and its file."""
    archive.close()
    if archive.fileobj is not None:
        archive.fileobj.close()


def require_proportion(path: Path, unpacked: int) -> None:
    """Raises PianistError where an archive unpacks to more than scores do."""
    if unpacked > MAX_RATIO * path.stat().st_size + SPARE:
        raise PianistError(f"{path}: unpacks to more than scores do; pack the scores alone")


def take_out(archive: tarfile.TarFile, member: str, shown: Path) -> bytes:
    """The content of a member, of a size that a score can have. Raises PianistError."""
    try:
        info = archive.getmember(member)
        if info.size > MAX_BYTES or info.issparse():
            raise PianistError(f"{shown}: claims {info.size / (1 << 20):.0f} MiB, more than a score has; leave it out")
        file = archive.extractfile(info)
        content = b"" if file is None else b"".join(iter(lambda: file.read(1 << 20), b""))
    except (OSError, EOFError, tarfile.TarError, KeyError, lzma.LZMAError) as error:
        raise PianistError(f"{shown}: cannot be taken out of the archive; pack it again") from error
    return content
