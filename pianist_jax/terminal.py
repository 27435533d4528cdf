"""What the commands print: lines that are never cut, problems on one line each, progress with the time left."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer

from pianist_jax.errors import PianistError

Advance = Callable[[int], None]
SECONDS_BETWEEN_LINES = 10.0


def conclude(errors: list[PianistError | None]) -> None:
    """Name what went wrong; the exit code tells whether all did (2) or some (1)."""
    wrong = [error for error in errors if error is not None]
    for error in wrong:
        complain(error)
    if wrong:
        raise typer.Exit(2 if len(wrong) == len(errors) else 1)


def say(line: str) -> None:
    """Print a line whole, whatever the terminal's width and encoding."""
    if sys.stdout is None:  # closed from the beginning
        return
    try:
        print(_printable(line, sys.stdout.encoding), flush=True)
    except BrokenPipeError:  # whoever read along has gone
        _silence()
    except OSError as error:
        _silence()
        complain(f"standard output: cannot be written ({error.strerror}); send it elsewhere")
        raise typer.Exit(2) from error


def complain(problem: PianistError | str) -> None:
    """Print a problem as one line on stderr."""
    if sys.stderr is not None:
        with suppress(OSError):  # nobody is left to be told
            print(_printable(f"pianist: {problem}", sys.stderr.encoding), file=sys.stderr, flush=True)


def _silence() -> None:
    """Let standard output go nowhere from now on, what waits in its buffer besides."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _printable(line: str, encoding: str | None) -> str:
    """A line without what a terminal would obey: names of files may hold any control character."""
    encoding = encoding or "utf-8"
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(line.splitlines()))
    return shown.encode(encoding, "backslashreplace").decode(encoding)


@contextmanager
def progress(what: str, expected: Callable[[], int]) -> Iterator[tuple[Advance, Callable[[str], None]]]:
    """A bar with notes/s and time left on a terminal, a line now and then elsewhere.

    `what` is done, and `expected` tells how many notes are to be performed, as far as is known by then. Gives two
    functions: one that is told of every so many notes performed, one to print a line meanwhile.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        yield _line_progress(expected), say
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} notes"))
    speed = (TextColumn("{task.fields[speed]:.0f} notes/s"), TimeRemainingColumn())
    with Progress(*columns, *speed, console=console) as bar:
        task = bar.add_task(what, total=1, speed=0.0)

        def advance(performed: int) -> None:
            bar.update(task, advance=performed, total=expected())
            bar.update(task, speed=bar.tasks[0].speed or 0.0)

        def tell(line: str) -> None:
            text = _printable(line, sys.stdout.encoding)
            bar.console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)

        yield advance, tell


def once_in(advance: Advance, times: int) -> Advance:
    """A function that is told of things done, each so many `times`, and tells of each once."""
    done = told = 0

    def count(more: int) -> None:
        nonlocal done, told
        done += more
        fresh, told = done // times - told, done // times
        if fresh:
            advance(fresh)

    return count


def _line_progress(expected: Callable[[], int]) -> Advance:
    due = now_and_then()
    began, before, performed = 0.0, 0, 0  # what is compiled before the first notes tells nothing of the speed

    def advance(more: int) -> None:
        nonlocal began, before, performed
        performed += more
        if not began:
            began, before = time.monotonic(), performed
            return
        notes = expected()
        if before < performed < notes and due():
            speed = (performed - before) / (time.monotonic() - began)
            left = (notes - performed) / max(speed, 1e-9)
            say(f"{performed}/{notes} notes, {speed:.0f} notes/s, {left:.0f} s left")

    return advance


def now_and_then() -> Callable[[], bool]:
    """A function that tells whether it is time for another line: once in `SECONDS_BETWEEN_LINES`."""
    last = time.monotonic()

    def due() -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES:
            return False
        last = now
        return True

    return due


def counter(what: str, of: str) -> Callable[[int, int], None]:
    """A function that is told how many are done and how many there are, and says so now and then."""
    due = now_and_then()

    def tell(done: int, total: int) -> None:
        if due():
            say(f"{what}: {done}/{total} {of}")

    return tell


@contextmanager
def training_bar(
    what: str, steps: int, *, shown: bool = True
) -> Iterator[tuple[Callable[[dict[str, Any]], None], Callable[[str], None]]]:
    """A bar of a training run with step, loss, speed, utilisation and time left on a terminal, lines elsewhere.

    Gives two functions: one that takes the figures of a look at the clock, one to print lines. `shown` is False in all
    processes of a job but one.
    """
    from rich.console import Console

    def tell(text: str) -> None:
        for line in text.splitlines():
            say(line)

    console = Console()
    if not shown or not console.is_terminal or console.is_dumb_terminal:
        yield (lambda figures: None), (tell if shown else lambda text: None)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} steps"))
    with Progress(*columns, TextColumn("{task.fields[figures]}"), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task(what, total=steps, figures="")

        def show(figures: dict[str, Any]) -> None:
            left = time.strftime("%H:%M:%S", time.gmtime(figures["seconds_left"]))
            mfu = f" MFU {figures['mfu']:.1%}" if "mfu" in figures else ""
            told = f"loss {figures['loss']:.3f} {figures['tokens_per_second']:,.0f} tokens/s{mfu}, {left} left,"
            bar.update(task, completed=figures["step"], figures=told)

        def above(text: str) -> None:
            for line in text.splitlines():
                printable = _printable(line, sys.stdout.encoding)
                bar.console.print(printable, soft_wrap=True, markup=False, highlight=False, emoji=False)

        yield show, above
