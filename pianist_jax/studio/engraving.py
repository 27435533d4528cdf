"""Engraved pages of a score, made by Verovio in a process of its own: what brings that down leaves the studio up.

`python -m pianist_jax.studio.engraving` is that process: it reads a request a line, {"sheet": path, "width": …,
"first": …, "last": …}, and answers with a line, {"pages": [svg, …], "count": …} or {"error": …}. Pages are numbered
from 0. The sheet that was asked for last stays laid out, so that its pages can be had by and by.
"""

import json
import subprocess
import sys
import threading
from collections import OrderedDict
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from pianist_jax.errors import PianistError

SECONDS = 60.0  # that a score may take
KEPT = 8  # scores whose pages are at hand
AT_ONCE = 6  # pages, behind the first, which comes alone
WIDTHS = (300, 2000)  # CSS pixels of a page
SCALE = 40  # percent of Verovio's own size
OPTIONS = {
    "scale": SCALE, "adjustPageHeight": True, "breaks": "auto", "footer": "none",
    "header": "none", "svgViewBox": True, "pageMarginLeft": 40, "pageMarginRight": 40, "pageMarginTop": 40,
    "pageMarginBottom": 40, "mnumInterval": 0,
    "svgFormatRaw": True, "svgRemoveXlink": True,
}  # fmt: skip
PAGE_HEIGHT = 1400  # CSS pixels: a browser draws pages as they come into view


class Engraver:
    """Asks the process, one score at a time; starts it where there is none, or none any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._over = False
        self._kept: OrderedDict[tuple[Path, int], tuple[list[str], int]] = OrderedDict()

    def begin(self, sheet: Path, width: int) -> None:
        """Engrave the first page of a sheet, whoever is going to ask for it."""

        def run() -> None:
            with suppress(PianistError):  # who asks for it is told
                self.pages(sheet, width)

        threading.Thread(target=run, name="engraving", daemon=True).start()

    def pages(self, sheet: Path, width: int, first: int = 0) -> tuple[list[str], int]:
        """SVG of some pages of a sheet from number `first` on, for a column of so many pixels; and how many it has.

        Raises PianistError where it cannot be drawn.
        """
        width = min(max(width, WIDTHS[0]), WIDTHS[1])
        with self._lock:
            made, count = self._kept.get((sheet, width), ([], sys.maxsize))
            last = first + AT_ONCE if first else 1
            if len(made) < min(last, count):
                answer = self._ask({"sheet": str(sheet), "width": width, "first": len(made), "last": last})
                if "pages" not in answer:
                    raise PianistError(f"{sheet.stem}: cannot be engraved ({answer.get('error', 'no answer')})")
                made, count = made + answer["pages"], answer["count"]
                self._kept[sheet, width] = made, count
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end((sheet, width))
            return made[first:last], count

    def close(self) -> None:
        """Engrave nothing more."""
        self._over = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]

    def wake(self) -> None:
        """Have the process ready."""
        with self._lock:
            if not self._over:
                self._running()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is the server's to handle
            )
        return self._process

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._over:
            return {"error": "the studio ends"}
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(SECONDS, process.kill)
        late.start()
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except (OSError, ValueError):  # it has ended, or was ended in the meantime
            answer = ""
        finally:
            late.cancel()
        if answer:
            found: dict[str, Any] = json.loads(answer)
            return found
        self._end()
        return {"error": "the engraver gave up on it"}


def laid_out(sheet: str, width: int) -> Any:
    """Verovio's toolkit with a sheet. Raises ValueError where it makes nothing of the file."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    size = {"pageWidth": width * 100 // SCALE, "pageHeight": PAGE_HEIGHT * 100 // SCALE}
    toolkit.setOptions({**OPTIONS, **size})
    if not toolkit.loadFile(sheet) or not toolkit.getPageCount():
        raise ValueError("no notation in it that can be drawn")
    return toolkit


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are none."""
    with suppress(ImportError):  # who asks is told
        import_module("verovio")  # while nobody waits
    before, toolkit = None, None
    for line in requests:
        request = json.loads(line)
        try:
            wanted = request["sheet"], request["width"]
            if wanted != before:
                toolkit, before = laid_out(*wanted), wanted
            assert toolkit is not None
            count = toolkit.getPageCount()
            numbers = range(request["first"], min(request["last"], count))
            answer: dict[str, Any] = {"pages": [toolkit.renderToSVG(page + 1) for page in numbers], "count": count}
        except Exception as error:  # C++ behind it: whatever it is, the next score may be well
            answer = {"error": str(error) or "nobody knows why"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
