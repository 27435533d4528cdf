"""The files of a corpus: in a folder, in a tar, one alone, or somewhere that fsspec reaches (gs://, s3:// …)."""

import dataclasses
import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import fsspec

from pianist_jax.data.sources import SourceError
from pianist_jax.files import printable
from pianist_jax.score.files import MIDI

COMPRESSED = (".tgz", ".gz", ".xz", ".bz2")


@dataclasses.dataclass(frozen=True)
class Tree:
    """A folder or tar and its files: `sizes` in bytes by name relative to it, ordered by the bytes of the names.

    `starts`: where each file begins in the tar; empty for a folder. `root` is a path or an address.
    """

    root: str
    sizes: Mapping[str, int]
    starts: Mapping[str, int]

    def midi(self) -> list[str]:
        """`.mid` and `.midi` in any case; macOS resource forks (`._name.mid`) are no music.

        Raises:
            SourceError: there is none.
        """
        files = [name for name in self.sizes if name.lower().endswith(MIDI)]
        files = [name for name in files if not name.rpartition("/")[2].startswith("._")]
        if not files:
            raise SourceError(f"{printable(self.root)}: no MIDI file below it; give the folder or tar of a corpus")
        return files

    def start(self, name: str) -> int:
        """Where a file begins in the tar; -1: in no tar."""
        return self.starts.get(name, -1)

    def text(self, name: str) -> str:
        """A file as text."""
        content = read_content(self.root, name, self.start(name), self.sizes[name])
        return content.decode("utf-8-sig", "replace")

    def find(self, *names: str) -> str | None:
        """The first file by one of these names, in whatever folder; None: there is none."""
        for wanted in names:
            for name in self.sizes:
                if name.rpartition("/")[2] == wanted:
                    return name
        return None


def open_tree(root: str, scratch: Path) -> Tree:
    """The files of a folder or tar, or a single MIDI file.

    A compressed tar is unpacked to `scratch`, as a tar: once, if it is kept.

    Raises:
        SourceError: there is no such folder, or no tar that can be read.
    """
    if "://" in root:
        system, path = fsspec.core.url_to_fs(root)
        found = system.find(path, detail=True)
        if not found:
            raise SourceError(f"{root}: no files there; give the folder that a corpus was unpacked to")
        sizes = {name[len(path) :].lstrip("/"): int(facts["size"] or 0) for name, facts in found.items()}
        return Tree(root.rstrip("/"), dict(sorted(sizes.items())), {})
    folder = Path(root)
    if folder.is_dir():
        return Tree(root, _sizes_below(folder), {})
    if not folder.is_file():
        raise SourceError(f"{printable(root)}: no such folder; give the one that a corpus was unpacked to, or its tar")
    if folder.name.lower().endswith(MIDI):
        return Tree(str(folder.parent), {folder.name: folder.stat().st_size}, {})
    try:
        return _open_tar(folder, scratch)
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise SourceError(f"{printable(root)}: not a tar that can be read ({error}); copy it again") from error


def read_content(root: str, name: str, start: int, size: int) -> bytes:
    """The first `size` bytes of a file of a tree; of a folder's file as many as there are, if fewer."""
    if start >= 0:
        with open(root, "rb") as file:  # noqa: PTH123
            file.seek(start)
            return file.read(size)
    if "://" in root:
        with fsspec.open(f"{root}/{name}", "rb") as file:
            return file.read(size)
    with open(os.path.join(root, name), "rb") as file:  # noqa: PTH118, PTH123
        return file.read(size)


def _sizes_below(folder: Path) -> dict[str, int]:
    found = {}
    for parent, _, names in os.walk(folder):
        inside = os.path.relpath(parent, folder)
        for name in names:
            try:
                size = os.stat(os.path.join(parent, name)).st_size  # noqa: PTH116, PTH118
            except OSError:  # a link to nothing: reading it will tell
                size = 0
            found[name if inside == "." else f"{inside}/{name}"] = size
    return {name: found[name] for name in sorted(found, key=os.fsencode)}


def _open_tar(path: Path, scratch: Path) -> Tree:
    if path.suffix in COMPRESSED:
        scratch.mkdir(parents=True, exist_ok=True)
        plain = scratch / f"{path.name}.{path.stat().st_size}.tar"
        if not plain.exists():
            packed = fsspec.open(str(path), "rb", compression="gzip" if path.suffix == ".tgz" else "infer")
            unfinished = plain.with_suffix(".part")
            with unfinished.open("wb") as target, packed as content:
                shutil.copyfileobj(content, target, 1 << 20)
            unfinished.rename(plain)
        path = plain
    with tarfile.open(path, "r:") as archive:
        members = [member for member in archive if member.isfile()]
    members.sort(key=lambda member: os.fsencode(member.name))
    sizes = {member.name.removeprefix("./"): member.size for member in members}
    return Tree(str(path), sizes, {member.name.removeprefix("./"): member.offset_data for member in members})
