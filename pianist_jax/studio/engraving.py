"""Engraved pages of a score, made by Verovio in a process of its own: what brings that down leaves the studio up.

`python -m pianist_jax.studio.engraving` is that process: it reads a request a line, {"sheet": path, "width": …}, and
answers with a line, {"pages": [svg, …]} or {"error": …}.
"""

import json
import subprocess
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, TextIO

from pianist_jax.errors import PianistError

SECONDS = 60.0  # that a score may take
KEPT = 8  # scores whose pages are at hand
WIDTHS = (300, 2000)  # CSS pixels of a page
SCALE = 40  # percent of Verovio's own size
OPTIONS = {
    "scale": SCALE, "adjustPageHeight": True, "breaks": "auto", "footer": "none",
    "header": "none", "svgViewBox": True, "pageMarginLeft": 40, "pageMarginRight": 40, "pageMarginTop": 40,
    "pageMarginBottom": 40, "mnumInterval": 0,
}  # fmt: skip
PAGE_HEIGHT = 1400  # CSS pixels: a browser draws pages as they come into view


class Engraver:
    """Asks the process, one score at a time; starts it when it is first needed and after it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._kept: OrderedDict[tuple[Path, int, int], list[str]] = OrderedDict()

    def pages(self, sheet: Path, width: int) -> list[str]:
        """SVG of every page of a sheet for a column of so many pixels. Raises PianistError where it cannot be drawn."""
        width = min(max(width, WIDTHS[0]), WIDTHS[1])
        key = sheet, sheet.stat().st_mtime_ns, width
        with self._lock:
            if key not in self._kept:
                answer = self._ask({"sheet": str(sheet), "width": width})
                if "pages" not in answer:
                    raise PianistError(f"{sheet.stem}: cannot be engraved ({answer.get('error', 'no answer')})")
                self._kept[key] = answer["pages"]
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()  # closes the pipes too
            self._process = None

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
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
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(SECONDS, process.kill)
        late.start()
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            late.cancel()
        if answer:
            found: dict[str, Any] = json.loads(answer)
            return found
        self.close()
        return {"error": "the engraver gave up on it"}


def engrave(sheet: str, width: int) -> list[str]:
    """SVG of every page. Raises ValueError where Verovio makes nothing of the file."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    size = {"pageWidth": width * 100 // SCALE, "pageHeight": PAGE_HEIGHT * 100 // SCALE}
    toolkit.setOptions({**OPTIONS, **size})
    if not toolkit.loadFile(sheet) or not toolkit.getPageCount():
        raise ValueError("no notation in it that can be drawn")
    return [toolkit.renderToSVG(page + 1) for page in range(toolkit.getPageCount())]


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are none."""
    for line in requests:
        request = json.loads(line)
        try:
            answer: dict[str, Any] = {"pages": engrave(request["sheet"], request["width"])}
        except Exception as error:  # C++ behind it: whatever it is, the next score may be well
            answer = {"error": str(error) or "nobody knows why"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
