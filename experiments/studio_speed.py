"""How soon the studio shows and plays: in Chromium, on the page that a musician sees.

    python -m experiments.studio_speed [--times 3]

`pianist studio` is started, its page opened, a score of about 500 notes (Bach's Prelude in C) performed with the model
warm, a slider moved while it plays, a score of 3 000 notes played for ten seconds, and two of 25 pages opened. Each
figure is the median of so many times; seconds are of the wall, from the start or the click to what is heard or seen.
Sound counts from when the player's clock moves. Programs are kept: the first start on a machine compiles them, untold.

On two cores of an AMD EPYC, Chromium drawing without a GPU on the same cores:

| | |
|---|---|
| page ready after `pianist studio` | 1.2–1.7 s |
| first sound after Perform, 549 notes, model warm | 1.4–2.2 s |
| a slider, while it plays, heard | 0.8–1.1 s |
| 3 000 notes engraved, all to be clicked | 1.4–2.5 s |
| frames while that plays | 16.7 ms (95%: 33 ms), of which drawing 0.2–0.4 |
| 25 pages as printed (550 bars, 6 600 notes): the first, all to be clicked | 2.2–2.6 s, 3.1–3.5 s |
| 25 pages of the studio's own (980 bars, 11 760 notes) | 4.1 s, 5.6–5.8 s |
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
PRELUDE = ROOT / "examples" / "bach-prelude-bwv846.musicxml"
WAIT = 600_000  # ms
NOTES = 3_000
PRINTED, FULL = 550, 980  # bars: 25 pages in print, of 22 bars; and 25 of the studio's own, which hold more
HEARD = "() => studio.player.playing && !studio.player.waiting && studio.player.audio.currentTime > 0"
STEPS = ("C", "D", "E", "F", "G", "A", "B", "c", "d", "e", "f", "g", "a", "b")


def kern(bars: int) -> str:
    """A made-up piece of two staves in **kern: quavers above, crotchets below, 12 notes a bar."""
    rng = np.random.default_rng(0)
    above, below = (np.abs(np.cumsum(rng.integers(-1, 2, 8 * bars)) % 26 - 13) for _ in range(2))
    lines = ["**kern\t**kern", "*clefF4\t*clefG2", "*M4/4\t*M4/4"]
    for bar in range(bars):
        lines.append(f"={bar + 1}\t={bar + 1}")
        for eighth in range(8 * bar, 8 * bar + 8):
            left = "." if eighth % 2 else f"4{STEPS[below[eighth] // 2]}"
            lines.append(f"{left}\t8{STEPS[above[eighth]].lower()}")
    return "\n".join([*lines, "==\t==", "*-\t*-", ""])


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, float]]:
    """A studio in a folder: the address of its page, and when it was started."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "pianist_jax", "studio", "-o", str(folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            found = None
            while found is None:
                line = process.stdout.readline()
                if not line:
                    raise SystemExit("the studio did not start")
                found = re.search(r"http://\S+", line)
            yield found[0], began
        finally:
            process.terminate()


def waited(page: Any, what: str) -> float:
    """Seconds until a condition of the page holds."""
    began = time.perf_counter()
    page.wait_for_function(what, timeout=WAIT, polling=20)
    return time.perf_counter() - began


def opened(page: Any, score: Path) -> tuple[float, float]:
    """Seconds from giving a score to the page until its first page can be clicked, and until all of them can."""
    page.set_input_files("#file", score)
    first = waited(page, f"() => studio.sheet.drawn === '{score.stem}' && document.querySelector('#sheet .note')")
    return first, first + waited(page, f"() => studio.sheet.whole === '{score.stem}'")


def performed(page: Any) -> float:
    """Seconds from the click on Perform until something of it is heard."""
    button = page.locator("#perform")
    page.wait_for_function("() => !document.querySelector('#perform').disabled", timeout=WAIT)
    page.evaluate("() => { if (studio.player.playing) studio.player.pause(); studio.player.rest = 0; }")
    button.click()
    return waited(page, HEARD)


def at_rest(page: Any, count: int) -> None:
    """Wait until so many takes are there and nothing is being made."""
    page.wait_for_function(f"() => document.querySelectorAll('#takes li').length >= {count}", timeout=WAIT)
    settled = "() => !studio.state.job && studio.player.take.key === studio.state.view.takes.at(-1).key"
    page.wait_for_function(settled, timeout=WAIT)


def slid(page: Any, value: float) -> float:
    """Seconds from letting a slider go, while it plays, until what it made is heard."""
    page.wait_for_function(HEARD, timeout=WAIT)
    sound = page.evaluate("() => studio.player.take.sound")
    slider = page.locator("#slide-dynamics")
    slider.fill(str(value))
    return waited(page, f"() => studio.player.take.sound !== '{sound}' && ({HEARD})()")


def frames(page: Any, seconds: float = 10.0) -> list[float]:
    """Milliseconds that drawing each frame takes while it plays, and between one and the next: two medians, two 95%."""
    made = page.evaluate(
        """async (seconds) => {
            const { player, roll } = studio, spent = [], between = [], draw = roll._draw.bind(roll);
            let own = 0;
            roll._draw = () => { const began = performance.now(); draw(); own += performance.now() - began; };
            if (!player.playing) player.play();
            await new Promise((done) => {
                let last = performance.now(), until = last + 1000 * seconds;
                const next = (now) => {
                    spent.push(own); between.push(now - last); own = 0; last = now;
                    if (now < until) requestAnimationFrame(next); else done();
                };
                requestAnimationFrame(next);
            });
            roll._draw = draw;
            return { spent, between };
        }""",
        seconds,
    )
    return [float(np.percentile(made[name][5:], q)) for name in ("spent", "between") for q in (50, 95)]


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    figures: dict[str, list[float]] = {}

    def tell(what: str, seconds: float) -> None:
        figures.setdefault(what, []).append(seconds)
        print(f"{what}: {seconds:.2f}", flush=True)

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        wide = Path(scratch, "wide.krn")
        wide.write_text(kern(NOTES // 12))
        for time_ in range(times):
            page = browser.new_page(viewport={"width": 1280, "height": 820})
            with served(Path(scratch, f"work{time_}")) as (address, began):
                page.goto(address)
                page.wait_for_selector("#empty:not([hidden])", timeout=WAIT)
                tell("page ready after `pianist studio` (s)", time.perf_counter() - began)
                opened(page, PRELUDE)
                page.wait_for_function("() => studio.state.overview.model.state === 'ready'", timeout=WAIT)
                tell("first sound after Perform, 549 notes, model warm (s)", performed(page))
                at_rest(page, 2)
                page.wait_for_timeout(1500)
                tell("a slider heard (s)", slid(page, 1.5))
                tell("3 000 notes engraved, to be clicked (s)", opened(page, wide)[1])
                if time_ == 0:
                    performed(page)
                    at_rest(page, 2)
                    page.wait_for_timeout(1000)
                    names = (
                        "drawing a frame, median (ms)",
                        "95% (ms)",
                        "between frames, median (ms)",
                        "their 95% (ms)",
                    )
                    for name, value in zip(names, frames(page), strict=True):
                        tell(name, value)
                for bars in (PRINTED, FULL):
                    long = Path(scratch, f"long{bars}-{time_}.krn")
                    long.write_text(kern(bars))
                    first, all_of_it = opened(page, long)
                    pages = page.evaluate("() => document.querySelectorAll('#sheet > .page').length")
                    tell(f"{12 * bars} notes on {pages} pages: the first can be clicked (s)", first)
                    tell(f"{12 * bars} notes on {pages} pages: all can (s)", all_of_it)
                page.close()
        browser.close()
    code = sum(path.stat().st_size for path in (ROOT / "pianist_jax" / "studio" / "static").iterdir())
    print(f"the page's own code: {code / 1000:.1f} KB")
    for what, found in figures.items():
        print(f"| {what} | {statistics.median(found):.2f} |")


if __name__ == "__main__":
    main()
