"""Errors that a user can cause."""

import traceback
from pathlib import Path


class PianistError(Exception):
    """A problem with the user's input: one line that says what is wrong, with which file, and what to do.

    The command line prints the line and exits with code 2; nothing half-written is left behind.
    """


def in_words(what: object, error: Exception, log: Path | None = None) -> PianistError:
    """An error of one file among many as a line about `what`, whatever went wrong; in full at the end of `log`.

    What a user cannot have caused is not told by the name of a Python class, which says nothing to anybody: where
    there is a log, all is there.
    """
    if log is not None:
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{what}\n{''.join(traceback.format_exception(error))}\n")
    if isinstance(error, PianistError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return PianistError(f"{what}: {error.strerror}; check the path, your rights and the disk")
    if isinstance(error, MemoryError):
        return PianistError(f"{what}: takes more memory than there is; split it")
    if isinstance(error, RecursionError):
        return PianistError(f"{what}: nested too deeply; export it again")
    where = f"{log} tells where" if log is not None else "--log FILE keeps where"
    return PianistError(f"{what}: stumbled over something in it that nobody foresaw; export it again ({where})")
