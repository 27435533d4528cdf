"""The folder that a studio works in: scores, and what `pianist render` makes of them, under the same names.

What a client sends is a name and never a path: it is looked up among the files that are there.
"""

import dataclasses
import re
from collections.abc import AsyncIterator
from pathlib import Path

from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from pianist_jax.rendering.extras import DAW, PAGE, PLOT, SOUNDS
from pianist_jax.rendering.outputs import MADE, SUFFIX
from pianist_jax.score.files import FORMATS, MAX_BYTES

LONGEST = 80  # characters of a name
_ODD = re.compile(r"[^\w .,()&'+-]+")


class TooLarge(PianistError):
    """An upload beyond what any score takes."""


@dataclasses.dataclass(frozen=True)
class Workspace:
    """A folder of scores and renderings."""

    folder: Path

    def scores(self) -> dict[str, Path]:
        """The scores by name; of files that differ in their suffix alone the first format of `FORMATS` is meant."""
        order = list(FORMATS)
        found: dict[str, Path] = {}
        for path in self._files():
            suffix = path.suffix.lower()
            if suffix in FORMATS and not path.name.endswith(MADE):
                other = found.get(path.stem)
                if other is None or order.index(suffix) < order.index(other.suffix.lower()):
                    found[path.stem] = path
        return dict(sorted(found.items()))

    def score(self, name: str) -> Path:
        """The score of that name. Raises PianistError where there is none."""
        path = self.scores().get(name)
        if path is None:
            raise PianistError(f"{name[:LONGEST]!r}: no such score in the workspace; add it first")
        return path

    def stem(self, name: str) -> Path:
        """The path of a score's files, without suffix."""
        return self.score(name).with_suffix("")

    def made(self, name: str) -> dict[str, Path]:
        """The files that a rendering of the score has written, by name."""
        score = self.score(name)
        wanted = (SUFFIX, DAW, *SOUNDS, PLOT, PAGE, ".json")
        own = re.compile(re.escape(score.stem) + r"(-\d+)?(" + "|".join(map(re.escape, wanted)) + ")")
        return {path.name: path for path in self._files() if own.fullmatch(path.name) and path != score}

    def add(self, name: str, content: bytes) -> str:
        """Keep a score under a name like its own; gives the name. One that is there already is not kept twice.

        Raises PianistError for a file that is no score by its suffix, or cannot be written.
        """
        stem, suffix = safe_name(name)
        taken = self.scores()
        for number in range(1, 10_000):
            candidate = stem if number == 1 else f"{stem}-{number}"
            path = self.folder / f"{candidate}{suffix}"
            if candidate not in taken and not path.exists() and not path.is_symlink():
                replace_file(path, content)
                return candidate
            if candidate in taken and taken[candidate].name == path.name and path.read_bytes() == content:
                return candidate
        raise PianistError(f"{stem}: there are ten thousand of it; clear the workspace")

    def _files(self) -> list[Path]:
        """Plain files of the folder; what is hidden or leads elsewhere is none of ours."""
        try:
            inside = sorted(self.folder.iterdir())
        except OSError as error:
            raise PianistError(f"{self.folder}: cannot be read ({error.strerror}); check the folder") from error
        return [path for path in inside if not path.name.startswith(".") and not path.is_symlink() and path.is_file()]


def open_workspace(folder: Path) -> Workspace:
    """The workspace of a folder, which is made. Raises PianistError where none can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PianistError(f"{folder}: no folder can be made there ({error.strerror}); choose another") from error
    return Workspace(folder.resolve())


def safe_name(name: str) -> tuple[str, str]:
    """Stem and suffix of a file's name as it may stand in the workspace. Raises PianistError for what is no score."""
    last = name.replace("\\", "/").rpartition("/")[2]
    suffix = Path(last).suffix.lower()
    if suffix not in FORMATS:
        raise PianistError(f"{last[:LONGEST]}: not a score format that is read; give one of {', '.join(FORMATS)}")
    stem = _ODD.sub("_", last[: -len(suffix)]).strip(" ._")[:LONGEST].strip(" .")
    if stem.endswith((".performance", ".daw")):
        stem = stem.replace(".", "-")
    return stem or "score", suffix


async def received(chunks: AsyncIterator[bytes], limit: int = MAX_BYTES) -> bytes:
    """The content of an upload. Raises TooLarge as soon as more than `limit` bytes have come."""
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > limit:
            raise TooLarge(f"larger than {limit >> 20} MiB, the limit of a score; split it")
    return bytes(content)
