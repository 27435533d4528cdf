"""The page in a real browser: what is clicked is heard, seen and kept. Skipped where there is no Chromium."""

import json
import re
import shutil
import threading
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import uvicorn

from pianist_jax.studio.desk import Desk
from pianist_jax.studio.server import make_app
from pianist_jax.studio.workspace import open_workspace
from tests.rendering.models import lively_model
from tests.studio.desks import EXAMPLES, KERN, TOKEN

DATA = Path(__file__).parents[1] / "data" / "scores"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
LONG = 240_000  # ms, on a busy machine
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright in this environment")
expect = sync_api.expect


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    desk = Desk(open_workspace(folder), lively_model)
    server = uvicorn.Server(uvicorn.Config(make_app(desk, TOKEN), port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/{TOKEN}/", folder
    desk.hub.close()
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


def is_wrong(message) -> bool:
    """Whether a line of the console tells of an error of the page; a refused upload is logged by Chromium itself."""
    return message.type == "error" and "status of 400" not in message.text


@pytest.fixture(scope="module")
def first(browser, address, tmp_path_factory):
    """The page on which a score was added and performed, and everything that went wrong on it."""
    page, wrong = browser.new_page(viewport={"width": 1280, "height": 820}), []
    page.set_default_timeout(LONG)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if is_wrong(message) else None)
    page.goto(address[0])
    expect(page.get_by_role("heading", name="Drop a score here")).to_be_visible(timeout=LONG)
    score = tmp_path_factory.mktemp("upload") / "small.krn"
    score.write_bytes(KERN)
    page.set_input_files("#file", score)
    expect(page.locator("#sheet .note")).to_have_count(36, timeout=LONG)
    page.get_by_role("button", name="Perform", exact=True).click()
    expect(page.locator("#takes li")).to_have_count(2, timeout=LONG)
    yield page, wrong
    assert wrong == []


@pytest.fixture
def page(first):
    """That page, nothing playing, at the beginning, no bars selected."""
    page = first[0]
    if "playing" in (page.get_attribute("#play", "class") or ""):
        page.click("#play")
    page.locator("h1").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    return page


def place(page) -> int:
    """Thousandths of the piece that are over."""
    return int(page.input_value("#place"))


def test_space_plays_and_notes_light_up(page):
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#sheet .note.on").first).to_be_visible(timeout=LONG)
    expect(page.locator("#place")).to_have_value(re.compile(r"\d{3,}"), timeout=LONG)
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    there = place(page)
    page.wait_for_timeout(300)
    assert place(page) == there


def test_a_click_on_a_note_goes_there(page):
    page.keyboard.press("0")  # as written, notes of a chord sound together
    expect(page.locator("#takes li").first).to_have_attribute("aria-current", "true")
    page.locator("#sheet .measure").nth(2).locator(".note").first.locator(".notehead").click()
    expect(page.locator("#where")).to_have_text("Bar 3")
    expect(page.locator("#sheet .note.on").first).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#where")).to_have_text("Bar 2")


def test_a_click_in_the_roll_goes_there(page):
    page.locator("#canvas").click(position={"x": 76 + 13 * 34, "y": 60})  # the fourteenth quarter
    expect(page.locator("#where")).to_have_text("Bar 4")


def test_takes_are_switched_at_the_same_place(page):
    page.locator("#sheet .measure").nth(2).locator(".note").first.locator(".notehead").click()
    for key in ("0", "1", "t"):
        page.keyboard.press(key)
        expect(page.locator("#where")).to_have_text("Bar 3")
    expect(page.locator("#takes li").first).to_have_attribute("aria-current", "true")
    page.keyboard.press("1")
    expect(page.locator("#takes li").nth(1)).to_have_attribute("aria-current", "true")


def drag(page, first: float, last: float) -> None:
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + 76 + first * 34, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 76 + last * 34, box["y"] + 70, steps=5)
    page.mouse.up()


def test_dragging_selects_bars_which_are_performed_anew(page, address):
    drag(page, 4.5, 9)
    assert (page.input_value("#first"), page.input_value("#last")) == ("2", "3")
    assert page.locator("#sheet .chosen").count() == 2
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Loop")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#where")).to_have_text("Bar 2")
    count = page.locator("#takes li").count()
    page.get_by_role("button", name="Perform anew").click()
    expect(page.locator("#takes li")).to_have_count(count + 1, timeout=LONG)
    expect(page.locator("#takes li").last).to_contain_text("bars 2-3")


def test_one_hand_is_performed_anew(page):
    page.get_by_role("button", name="Left hand").click()
    count = page.locator("#takes li").count()
    page.get_by_role("button", name="Perform the left hand anew").click()
    expect(page.locator("#takes li")).to_have_count(count + 1, timeout=LONG)
    expect(page.locator("#takes li").last).to_contain_text("the left hand performed anew")
    page.get_by_role("button", name="Both hands").click()
    expect(page.get_by_role("button", name="Perform anew")).to_be_disabled()


def test_a_slider_makes_a_take_that_is_undone(page):
    count = page.locator("#takes li").count()
    page.locator("#slide-dynamics").fill("1.5")
    page.locator("#slide-dynamics").dispatch_event("change")
    expect(page.locator("#takes li")).to_have_count(count + 1, timeout=LONG)
    expect(page.locator("#takes li").last).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("button", name="Redo")).to_be_disabled()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#slide-dynamics")).to_have_value("1", timeout=LONG)
    expect(page.get_by_role("button", name="Redo")).to_be_enabled()
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("#slide-dynamics")).to_have_value("1.5", timeout=LONG)


def center_of(page, note: int) -> tuple[float, float]:
    """Where a performed note of the roll is."""
    return page.evaluate(
        """(n) => {
          const { roll } = window.studio, box = roll.canvas.getBoundingClientRect(), { take } = roll;
          return [box.x + (roll.x(take.from[n]) + roll.x(take.to[n])) / 2, box.y + roll.y(n)];
        }""",
        note,
    )


def test_notes_are_edited_by_dragging_and_the_pedal_by_drawing(page, address):
    count = page.locator("#takes li").count()
    page.get_by_role("button", name="Edit", exact=True).click()
    x, y = center_of(page, 4)
    before = page.evaluate("window.studio.roll.take.velocity[4]")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 20, steps=4)
    page.mouse.up()
    expect(page.locator("#draft")).to_contain_text("1 note", timeout=LONG)
    assert page.evaluate("window.studio.roll.take.velocity[4]") == min(before + 12, 127)
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + 110, box["y"] + box["height"] - 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + box["height"] - 36, steps=4)
    page.mouse.up()
    expect(page.locator("#draft")).to_contain_text("1 note and pedal", timeout=LONG)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#draft p")).not_to_contain_text("pedal", timeout=LONG)
    page.keyboard.press("]")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#draft")).to_contain_text("2 notes", timeout=LONG)
    page.keyboard.press("1")  # compared with what it was
    expect(page.locator("#takes li").nth(1)).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Keep as a take").click()
    expect(page.locator("#draft")).to_be_hidden(timeout=LONG)
    expect(page.locator("#takes li")).to_have_count(count + 1)
    expect(page.locator("#takes li").last).to_contain_text("by hand")
    kept = json.loads((address[1] / "small.json").read_text())
    assert kept["notes"][4]["performed"][0]["velocity"] == min(before + 12, 127)
    page.get_by_role("button", name="Edit", exact=True).click()


def test_bars_are_shaped_alone_and_locked(page):
    drag(page, 4.5, 7)
    page.locator("#scope").get_by_role("button", name="Bar 2").click()
    page.locator("#slide-dynamics").fill("0")
    page.locator("#slide-dynamics").dispatch_event("change")
    expect(page.locator("#takes li").last).to_contain_text("in bars 2-2", timeout=LONG)
    page.get_by_role("button", name="Lock", exact=True).click()
    expect(page.locator("#locked")).to_contain_text("Locked: 2")
    expect(page.locator("#perform")).to_have_text("Perform all but the locked bars")
    page.get_by_role("button", name="Unlock").click()
    expect(page.locator("#locked")).to_be_hidden()


def test_a_style_is_chosen_by_its_slider(page, address):
    page.locator("#sliders summary").click()
    page.locator("#slide-style-level").fill("2")
    page.locator("#slide-style-level").dispatch_event("change")
    expect(page.locator("#takes li").last).to_contain_text("style level +2", timeout=LONG)
    expect(page.locator("#slide-style-level")).to_have_value("2")
    louder = json.loads((address[1] / "small.json").read_text())
    assert louder["edits"][-1]["expression"]["style"] == {"level": 2.0}
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#slide-style-level")).to_have_value("0", timeout=LONG)


def test_an_own_recording_is_a_take(page, address):
    page.set_input_files("#recording", address[1] / "small.performance.mid")
    row = page.locator("#takes li", has_text="your recording")
    expect(row).to_have_attribute("aria-current", "true", timeout=LONG)
    page.keyboard.press("t")
    expect(row).to_have_attribute("aria-current", "false")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_in_the_way_of_people_who_see_or_point_otherwise(page, browser, address, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    other = browser.new_page(viewport={"width": 1280, "height": 820}, color_scheme=scheme)
    other.goto(address[0])
    expect(other.locator("#sheet .note").first).to_be_visible(timeout=LONG)
    found = axe.run(other, context="body", options={"rules": {"region": {"enabled": False}}})
    other.close()
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found.response["violations"]] == []


def test_downloads_are_the_workspaces_files(page, address):
    for label, suffix in (("Performance MIDI", ".performance.mid"), ("MIDI for a DAW", ".daw.mid"), ("JSON", ".json")):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=label).click()
        content = Path(waiting.value.path()).read_bytes()
        assert content == (address[1] / f"small{suffix}").read_bytes()


def test_a_broken_file_is_told_of_in_words(page, tmp_path):
    broken = tmp_path / "broken.musicxml"
    broken.write_text("<score-partwise>")
    page.set_input_files("#file", broken)
    expect(page.get_by_role("alert")).to_contain_text("broken.musicxml", timeout=LONG)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#takes li").first).to_be_visible()


def test_two_pages_see_the_same(page, browser, address):
    other = browser.new_page(viewport={"width": 390, "height": 844})
    other.goto(address[0])
    expect(other.locator("#sheet .note")).to_have_count(36, timeout=LONG)
    assert other.evaluate("document.documentElement.scrollWidth") <= 390
    count = page.locator("#takes li").count()
    page.locator("#slide-timing").fill("0.5")
    page.locator("#slide-timing").dispatch_event("change")
    expect(other.locator("#takes li")).to_have_count(count + 1, timeout=LONG)
    other.close()


def packed(score: bytes) -> bytes:
    """A MusicXML score as an archive."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("score.xml", score)
    return content.getvalue()


CONTAINER = '<container><rootfiles><rootfile full-path="score.xml"/></rootfiles></container>'
ABC = b"X:1\nT:Scale\nM:4/4\nL:1/4\nQ:1/4=100\nK:C\nCDEF|GABc|c4|]\n"
XML = (EXAMPLES / "petzold-minuet-bwvanh114.musicxml").read_bytes()
SCORES = {
    "one.musicxml": XML,
    "two.mxl": packed(XML),
    "three.mei": (DATA / "minuet.mei").read_bytes(),
    "four.krn": (DATA / "minuet.krn").read_bytes(),
    "five.abc": ABC,
    "six.mid": (EXAMPLES / "petzold-minuet-bwvanh114.mid").read_bytes(),
}


@pytest.mark.parametrize("file", SCORES)
def test_each_format_is_shown_and_played(page, file, tmp_path):
    score = tmp_path / file
    score.write_bytes(SCORES[file])
    page.set_input_files("#file", score)
    expect(page).to_have_title(f"{score.stem} – Pianist studio", timeout=LONG)
    if score.suffix in (".mid", ".abc"):
        expect(page.locator("#no-sheet")).to_be_visible(timeout=LONG)
    else:
        expect(page.locator("#sheet .note").first).to_be_visible(timeout=LONG)
    page.locator("h1").click()
    page.keyboard.press("Space")
    page.wait_for_function("() => studio.player.playing && studio.player.time > 300", timeout=LONG)
    if score.suffix not in (".mid", ".abc"):
        expect(page.locator("#sheet .note.on").first).to_be_visible(timeout=LONG)
    page.keyboard.press("Space")
    page.locator("#score").select_option("small")
    expect(page.locator("#sheet .note")).to_have_count(36, timeout=LONG)


def test_pages_are_drawn_when_they_are_near_and_work_is_given_up(page, tmp_path):
    bars = "".join(f"={bar}\n8c\n8d\n8e\n8f\n8g\n8a\n8b\n8cc\n" for bar in range(1, 401))
    score = tmp_path / "long.krn"
    score.write_text(f"**kern\n*clefG2\n*M4/4\n{bars}==\n*-\n")
    page.set_input_files("#file", score)
    page.wait_for_function("() => studio.sheet.whole === 'long'", timeout=LONG)
    pages = page.locator("#sheet > .page")
    assert pages.count() > 2
    assert pages.last.locator(".note").count() == 0
    heights = page.evaluate("() => document.querySelector('#sheet').scrollHeight")
    page.evaluate("() => studio.player.seek(studio.player.take.timeOf(studio.state.view.bars[399] + 0.01))")
    expect(pages.last.locator(".note.on")).to_be_visible(timeout=LONG)  # what one hears is found and shown
    drawn = page.evaluate("() => document.querySelector('#sheet').scrollHeight")
    assert abs(drawn - heights) <= 2 * pages.count()
    page.get_by_role("button", name="Perform", exact=True).click()
    page.wait_for_selector("#job:not([hidden])", timeout=LONG)
    page.locator("#job-cancel").dispatch_event("click")  # it may soon be gone
    expect(page.locator("#job")).to_be_hidden(timeout=LONG)
    expect(page.locator("#takes li")).to_have_count(1)  # given up
    page.locator("#score").select_option("small")
    expect(page.locator("#sheet .note")).to_have_count(36, timeout=LONG)
