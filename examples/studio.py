"""Draws the studio for the README: `python -m examples.studio [WORKSPACE]`, with Chromium and Playwright installed.

A studio is opened on an example with the bundled weights, performs it twice where the workspace has no takes of it yet,
and is photographed.
"""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SCORE = Path(__file__).with_name("chopin-prelude-op28-20.musicxml")
PICTURE = Path(__file__).with_name("studio.png")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
SIZE = {"width": 1280, "height": 800}
LONG = 600_000  # ms, where programs are still to be compiled


def photograph(address: str, picture: Path) -> None:
    """Perform the score twice on the page at an address, select bars, and draw what is then seen."""
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
        page.goto(address)
        page.locator("#sheet .note").first.wait_for(timeout=LONG)
        expect(page.locator("#model")).to_be_empty(timeout=LONG)  # the model is ready
        while (takes := page.locator("#takes li").count()) < 3:
            page.locator("#perform").click()
            expect(page.locator("#takes li")).to_have_count(takes + 1, timeout=LONG)
        page.keyboard.press("1")
        page.wait_for_timeout(3000)
        page.keyboard.press(str(page.locator("#takes li").count() - 1))
        page.locator("#last").fill("6")
        page.locator("#first").fill("5")
        page.locator("#first").dispatch_event("change")
        page.locator("#sheet .measure").nth(4).locator(".note").nth(8).locator(".notehead").click()
        page.mouse.move(5, 5)
        page.wait_for_timeout(1500)
        page.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Open a studio, draw it, and close it."""
    with tempfile.TemporaryDirectory() as made:
        folder = sys.argv[1] if len(sys.argv) > 1 else made
        command = ["-m", "pianist_jax.cli", "studio", str(SCORE), "-o", folder, "--no-browser"]
        studio = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
        try:
            assert studio.stdout is not None
            told = re.search(r"http\S+", studio.stdout.readline())
            assert told is not None
            photograph(told[0], PICTURE)
        finally:
            studio.send_signal(signal.SIGINT)
            studio.wait()


if __name__ == "__main__":
    main()
