import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile

from pianist_jax.audio import load_piano
from pianist_jax.music.notes import normalise
from pianist_jax.player import Track, player_page
from pianist_jax.score.load import load
from tests.audio.playing import notes_of

MUSIC = """<score-partwise version="4.0"><part-list><score-part id="P1"><part-name>Piano</part-name></score-part>
</part-list><part id="P1">{}</part></score-partwise>"""
BAR = """<measure number="{}"><attributes><divisions>1</divisions><time><beats>2</beats><beat-type>4</beat-type></time>
</attributes><note><pitch><step>C</step><octave>4</octave></pitch><duration>1</duration></note>
<note><pitch><step>E</step><octave>4</octave></pitch><duration>1</duration></note></measure>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two bars of two crotchets, once at 60 and once at 120 a minute."""
    path = tmp_path_factory.mktemp("score") / "x.musicxml"
    path.write_text(MUSIC.format("".join(BAR.format(k) for k in (1, 2))))
    score = load(path, whole=True)
    written = normalise(score.notes)[0]
    takes = [
        Track("<slow>", notes_of([(p, 100 + 1000 * k, 400, 70) for k, p in enumerate((60, 64, 60, 64))])),
        Track("quick", notes_of([(p, 500 * k, 400, 70) for k, p in enumerate((60, 64, 60, 64))], [(0, 90), (900, 0)])),
    ]
    return player_page("A & B", takes, written, score.grid, load_piano())


def data_of(page):
    return json.loads(page.partition('id="data">')[2].partition("</script>")[0])


def test_the_page_loads_nothing(page):
    assert re.findall(r'(?:src|href)="|url\(|@import|fetch\(|https?://(?!www\.w3\.org)', page) == []
    assert "<title>A &amp; B</title>" in page
    assert "Alexander Holm, CC BY 3.0" in page


def test_the_page_holds_notes_and_sound(page):
    content = data_of(page)
    assert [take["name"] for take in content["takes"]] == ["<slow>", "quick"]
    slow, quick = content["takes"]
    assert slow["notes"][0] == [100, 1100, 2100, 3100]
    assert quick["pedal"] == [[0, 900], [90, 0]]
    for take, seconds in ((slow, 3.5), (quick, 1.9)):
        assert take["sound"]["type"] == "audio/mpeg"
        sound, rate = soundfile.read(io.BytesIO(base64.b64decode(take["sound"]["data"])))
        assert seconds < len(sound) / rate < seconds + 2


def test_takes_stand_on_the_bars_of_the_score(page):
    slow, quick = data_of(page)["takes"]
    assert (slow["bars"], quick["bars"]) == ([[1, 2], [100, 2100]], [[1, 2], [0, 1000]])
    assert (slow["tempo"][1], quick["tempo"][1]) == ([60.0] * 3, [120.0] * 3)
    np.testing.assert_array_equal(slow["places"], np.array(quick["places"]) * 2 + 100)


@pytest.mark.slow
def test_in_a_browser(page, tmp_path):
    """It plays from disk, and another take goes on at the same place of the score."""
    playwright = pytest.importorskip("playwright.sync_api")
    import shutil

    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("no Chromium")
    (tmp_path / "x.html").write_text(page)
    with playwright.sync_playwright() as engines:
        options = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        browser = engines.chromium.launch(executable_path=chromium, args=options)
        shown = browser.new_page(viewport={"width": 390, "height": 800})
        problems: list[str] = []
        shown.on("pageerror", lambda error: problems.append(str(error)))
        shown.goto((tmp_path / "x.html").as_uri())
        shown.wait_for_function("document.querySelector('.player-seek').max > 3")
        shown.keyboard.press("ArrowRight")
        shown.wait_for_function("document.querySelector('.player-seek').value == 2")
        shown.keyboard.press("2")
        shown.wait_for_function("document.querySelector('.player-seek').max < 3")
        shown.wait_for_function("Math.abs(document.querySelector('.player-seek').value - 0.95) < 0.02")
        shown.keyboard.press(" ")
        shown.wait_for_function("document.querySelector('.player-seek').value > 1.2")
        assert shown.evaluate("document.documentElement.scrollWidth") == 390
        browser.close()
    assert problems == []
