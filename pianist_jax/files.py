"""Files that appear whole under their final name, or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pianist_jax.errors import PianistError


def printable(path: str | os.PathLike[str]) -> str:
    """A path for messages: one line, nothing that moves a terminal's cursor.

    >>> printable("a\\nb.mid")
    "'a\\\\nb.mid'"
    """
    name = os.fsdecode(path)
    return name if name.isprintable() else ascii(name)


@contextmanager
def replacing(path: str | os.PathLike[str], *, make_folder: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends well.

    `make_folder` makes the folder too. Raises PianistError where the file cannot be written;
    `path` is then as it was before.
    """
    target = Path(os.fsdecode(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise PianistError(f"{printable(path)}: {reason}; check its folder and your rights") from error
    finally:
        with suppress(OSError):  # its folder may be what is wrong
            temporary.unlink()


def replace_file(path: str | os.PathLike[str], content: bytes | str, *, make_folder: bool = False) -> None:
    """Write a file whole, text as UTF-8. Raises PianistError where it cannot be written."""
    with replacing(path, make_folder=make_folder) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
