"""How soon the studio is there, sounds, and moves: measured in a browser.

    python -m experiments.studio_speed --asap ASAP [--times 3]

With Chromium and Playwright, the bundled weights and programs that are kept. Each line is the best of so many times:

* ready: from the start of `pianist studio SCORE` until its notes are engraved on the page;
* first sound: from the click on "Perform" until the clock of what sounds has moved, Bach's prelude BWV 846 (549 notes),
  every time another take, the model warm;
* a slider: from letting go of it until the new take is what is heard;
* frames: what one frame of clock, score, roll and curves costs the page while it plays, and the time between frames,
  of a pianist's performance of Chopin's first ballade on its score;
* pages: from asking for Scriabin's fifth sonata until all its pages are engraved and a click on one of its last notes
  goes there;
* the page's own code: bytes, as they are.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from examples.studio import ARGUMENTS

STATIC = Path(__file__).parents[1] / "pianist_jax" / "studio" / "static"
SHORT, LONG, THICK = "Bach/Prelude/bwv_846", "Chopin/Ballades/1", "Scriabin/Sonatas/5"
PATIENCE = 600_000  # ms
SECONDS = 6  # of frames
FRAMES = """async (seconds) => {
  const { roll, player, state } = window.studio, gaps = [], costs = [];
  let last = performance.now();
  const draw = roll._draw.bind(roll);
  roll._draw = () => { const began = performance.now(); draw(); costs.push(performance.now() - began); };
  const end = last + 1000 * seconds;
  while (last < end) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  roll._draw = draw;
  return { gaps, costs, notes: state.view.notes.at.length };
}"""
SOUND = """async () => {
  const { player } = window.studio, began = performance.now();
  document.getElementById("perform").click();
  while (!(player.audio && player.audio.currentTime > 0)) await new Promise((go) => setTimeout(go, 5));
  return performance.now() - began;
}"""
SLIDER = """async () => {
  const { state } = window.studio, before = state.heard, slider = document.getElementById("slide-dynamics");
  const began = performance.now();
  slider.value = Number(slider.value) + 0.2;
  slider.dispatchEvent(new Event("change"));
  while (state.heard === before) await new Promise((go) => setTimeout(go, 5));
  return performance.now() - began;
}"""


@contextmanager
def studio(score: Path, folder: Path) -> Iterator[str]:
    """A studio on a score; gives the page's address."""
    command = [sys.executable, "-m", "pianist_jax.cli", "studio", str(score), "-o", str(folder), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = re.search(r"http\S+", process.stdout.readline())
        assert told is not None
        yield told[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def until(page: Any, condition: str) -> None:
    """Wait until a condition holds on the page."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(condition):
        if time.monotonic() > end:
            raise TimeoutError(condition)
        page.wait_for_timeout(10)


def ready(browser: Any, score: Path, folder: Path) -> float:
    """Seconds from the start of a studio until its score is on the page."""
    page, began = browser.new_page(viewport={"width": 1280, "height": 800}), time.monotonic()
    with studio(score, folder) as address:
        page.goto(address)
        page.locator("#sheet .note").first.wait_for(timeout=PATIENCE)
        spent = time.monotonic() - began
        page.close()
    return spent


def wait_until_warm(page: Any) -> None:
    """Wait for the model."""
    until(page, "window.studio?.state.overview?.model.state === 'ready'")


def sounds(page: Any, times: int) -> tuple[float, float]:
    """Seconds until a performance sounds, and until a slider is heard: the best of so many."""
    first, slid = [], []
    for _ in range(times):
        first.append(page.evaluate(SOUND))
        until(page, "!window.studio.state.job && document.querySelector('#slide-dynamics')")
        page.keyboard.press("Space")
        slid.append(page.evaluate(SLIDER))
    return min(first) / 1000, min(slid) / 1000


def frames(page: Any, name: str, recording: Path) -> dict[str, Any]:
    """What frames cost while a recording of a score plays."""
    page.evaluate("(name) => { location.hash = name; location.reload(); }", name)
    page.locator("#sheet .note").first.wait_for(timeout=PATIENCE)
    page.set_input_files("#recording", recording)
    page.locator("#takes li[aria-current=true]", has_text="your recording").wait_for(timeout=PATIENCE)
    page.locator("#play").click()
    until(page, "window.studio.player.audio?.currentTime > 1")
    found: dict[str, Any] = page.evaluate(FRAMES, SECONDS)
    page.locator("#play").click()
    return found


def pages(browser: Any, address: str, name: str) -> tuple[float, int]:
    """Seconds until a thick score is engraved and follows a click, and how many pages it has."""
    page, began = browser.new_page(viewport={"width": 1280, "height": 800}), time.monotonic()
    page.goto(f"{address.partition('#')[0]}#{name}")
    page.locator("#sheet .note").last.wait_for(state="attached", timeout=PATIENCE)
    page.locator("#sheet .measure").last.locator(".note .notehead").first.click(timeout=PATIENCE)
    until(page, "window.studio.player.time > 0")
    spent, count = time.monotonic() - began, page.locator("#sheet > svg").count()
    page.close()
    return spent, count


def best(times: int, measure: Callable[[], float]) -> float:
    """The least of so many measurements."""
    return min(measure() for _ in range(times))


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder, browser = (
            Path(made),
            playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS),
        )
        scores = {}
        for name, place in (("short", SHORT), ("long", LONG), ("thick", THICK)):
            scores[name] = shutil.copy(arguments.asap / place / "xml_score.musicxml", folder / f"{name}.musicxml")
        print(f"ready after {best(arguments.times, lambda: ready(browser, scores['short'], folder)):.2f} s", flush=True)
        with studio(scores["short"], folder) as address:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(address)
            wait_until_warm(page)
            first, slid = sounds(page, arguments.times)
            print(f"first sound after {first:.2f} s, a slider heard after {slid:.2f} s", flush=True)
            recording = sorted(path for path in (arguments.asap / LONG).glob("*.mid") if path.stem != "midi_score")[0]
            told = frames(page, "long", recording)
            costs, gaps = (np.percentile(told[key], (50, 95)) for key in ("costs", "gaps"))
            print(f"{told['notes']} notes: roll and curves {costs[0]:.1f} ms a frame (95%: {costs[1]:.1f}),", end=" ")
            print(f"{gaps[0]:.1f} ms between frames (95%: {gaps[1]:.1f})", flush=True)
            spent, count = min(pages(browser, address, "thick") for _ in range(arguments.times))
            print(f"{count} pages engraved and clicked after {spent:.2f} s", flush=True)
        browser.close()
    print(f"the page's own code: {sum(path.stat().st_size for path in STATIC.iterdir()) / 1000:.0f} KB")


if __name__ == "__main__":
    main()
