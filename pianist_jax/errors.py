"""Errors that a user can cause."""

from importlib.util import find_spec
from pathlib import Path

# The package's extras, and which libraries that are imported each brings. All else is always installed.
EXTRAS = {
    "plot": ("matplotlib",),
    "studio": ("anyio", "starlette", "uvicorn", "verovio"),
    "eval": ("parangonar", "sklearn", "threadpoolctl"),
    "train": ("absl", "array_record", "etils", "fsspec", "grain", "optax", "orbax", "tensorboardX"),
    "beam": ("apache_beam",),
    "hub": ("huggingface_hub",),
}


class PianistError(Exception):
    """A problem with the user's input: one line that says what is wrong, with which file, and what to do.

    The command line prints the line and exits with code 2; nothing half-written is left behind.
    """


def require(extra: str) -> None:
    """Raise PianistError, naming the extra to install, unless the libraries that it brings are there."""
    for library in EXTRAS[extra]:
        try:
            there = find_spec(library) is not None
        except ValueError:  # it is kept from being imported
            there = False
        if not there:
            raise _lacking(library, extra)


def lacking(error: BaseException) -> PianistError | None:
    """Which extra to install, where a library of one could not be imported; None for all other errors."""
    library = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return next((_lacking(library, extra) for extra, brought in EXTRAS.items() if library in brought), None)


def _lacking(library: str, extra: str) -> PianistError:
    return PianistError(f"this needs {library}, which is not installed: pip install 'pianist_jax[{extra}]'")


def in_words(what: object, error: Exception, log: Path | None = None) -> PianistError:
    """An error of one file among many as a line about `what`, whatever went wrong; in full at the end of `log`.

    What a user cannot have caused is not told by the name of a Python class, which says nothing to anybody: where
    there is a log, all is there.
    """
    if log is not None:
        import traceback

        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{what}\n{''.join(traceback.format_exception(error))}\n")
    if isinstance(error, PianistError):
        return error
    if (without := lacking(error)) is not None:
        return without
    if isinstance(error, OSError) and error.strerror:
        return PianistError(f"{what}: {error.strerror}; check the path, your rights and the disk")
    if isinstance(error, MemoryError):
        return PianistError(f"{what}: takes more memory than there is; split it")
    if isinstance(error, RecursionError):
        return PianistError(f"{what}: nested too deeply; export it again")
    where = f"{log} tells where" if log is not None else "--log FILE keeps where"
    return PianistError(f"{what}: stumbled over something in it that nobody foresaw; export it again ({where})")
