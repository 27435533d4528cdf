"""The studio's server: what it makes is what the command line makes, and strangers get nothing."""

import json
import re
import zipfile
from io import BytesIO

import numpy as np
import pytest

from pianist_jax.music.notes import normalise
from pianist_jax.performance.expression import Expression
from pianist_jax.performance.style import Style
from pianist_jax.rendering.renderer import render
from pianist_jax.rendering.stored import apply_edits, read_rendering
from pianist_jax.rendering.takes import list_takes
from pianist_jax.score.load import load
from tests.rendering.models import lively_model
from tests.studio.desks import BASE, EXAMPLES, KERN, ROOT, TOKEN, client_of, finished

NAME = "chopin-prelude-op28-20"
CHOPIN = EXAMPLES / f"{NAME}.musicxml"


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    with client_of(folder) as client:
        client.post(f"{BASE}/scores", params={"name": CHOPIN.name}, content=CHOPIN.read_bytes())
        client.post(f"{BASE}/scores", params={"name": "small.krn"}, content=KERN)
        done = finished(client, client.post(f"{BASE}/scores/small/perform", json={"seed": 3}))
        assert done["state"] == "done", done
        yield client, folder


def test_a_performance_is_the_command_lines(studio, tmp_path):
    client, folder = studio
    own = render(folder / "small.krn", lively_model(), seed=3).save(tmp_path)
    for path in own:
        got = client.get(f"{BASE}/scores/small/files/{path.name}")
        if path.suffix == ".json":  # which tells how fast it went besides
            assert json.loads(got.content)["notes"] == json.loads(path.read_text())["notes"]
        else:
            assert got.content == path.read_bytes()
    packed = zipfile.ZipFile(BytesIO(client.get(f"{BASE}/scores/small/archive").content))
    assert {path.name for path in own} < set(packed.namelist())
    assert packed.read("small.png")[:4] == b"\x89PNG"
    assert len(packed.read("small.mp3")) > 1000


def test_the_view_tells_what_is_written(studio):
    client, _ = studio
    view = client.get(f"{BASE}/scores/{NAME}").json()
    score = normalise(load(CHOPIN).notes)[0]
    assert view["notes"]["pitch"] == score.pitch.tolist()
    assert view["bars"] == [4.0 * k for k in range(14)]
    assert [take["key"] for take in view["takes"]] == ["score"]
    written = client.get(f"{BASE}/scores/{NAME}/takes/score").json()
    assert written["onset"] == score.onset.tolist()
    np.testing.assert_allclose(written["tempo"]["bpm"], view["tempo"]["written"], rtol=0.01)


def test_the_view_tells_what_is_played(studio):
    client, folder = studio
    written, performed = (client.get(f"{BASE}/scores/small/takes/{key}").json() for key in ("score", "1"))
    for take in (written, performed):
        at, ms = take["clock"]["at"], take["clock"]["ms"]
        assert at == sorted(set(at)) == list(range(17))
        assert ms == sorted(set(ms))
    notes = read_rendering(folder / "small.json").rendering.notes
    assert performed["velocity"] == notes.velocity.tolist()
    assert performed["sound"] != written["sound"]


def all_pages(client, name, width):
    """They come by and by: the first alone."""
    found: list[str] = []
    count = 1
    while len(found) < count:
        told = client.get(f"{BASE}/scores/{name}/pages", params={"width": width, "from": len(found)}).json()
        assert told["pages"]
        assert found or len(told["pages"]) == 1
        found, count = found + told["pages"], told["count"]
    return found


def test_every_note_is_found_on_the_page(studio):
    client, _ = studio
    for name, notes in ((NAME, len(load(CHOPIN).grid)), ("small", 36)):
        ids = client.get(f"{BASE}/scores/{name}").json()["notes"]["id"]
        pages = "".join(all_pages(client, name, 700))
        assert len(ids) == notes
        assert set(ids) <= set(re.findall(r'id="([^"]+)"', pages))


def test_the_beginning_is_told_of_while_it_is_performed(studio):
    client, _ = studio
    preview, performed = (client.get(f"{BASE}/scores/small/takes/{key}").json() for key in ("preview", "1"))
    assert preview == performed  # all of it is one window
    assert client.get(f"{BASE}/sounds/{preview['sound']}", params={"start": 0, "stop": 500}).content[:4] == b"RIFF"


def takes(client):
    return client.get(f"{BASE}/scores/small").json()["takes"][1:]


def changed(client, what, wish=None, place="change"):
    answer = client.post(f"{BASE}/scores/small/{place}/{what}", json=wish or {})
    assert answer.status_code == 200, answer.text


def current(client):
    (key,) = (take["key"] for take in takes(client) if take["current"])
    return client.get(f"{BASE}/scores/small/takes/{key}").json()


def test_shaping_makes_takes_that_can_be_undone(studio):
    client, _ = studio
    before, count = current(client), len(takes(client))
    changed(client, "shape", {"tempo": 60, "strength": {"dynamics": 2}})
    view = client.get(f"{BASE}/scores/small").json()
    assert view["shape"]["tempo"] == 60
    assert view["shape"]["strength"]["dynamics"] == 2
    bold = current(client)
    assert np.std(bold["velocity"]) > 1.2 * np.std(before["velocity"])
    changed(client, "shape", {"tempo": 60, "strength": {"dynamics": 0}})  # from what was performed, not on top
    np.testing.assert_allclose(np.std(current(client)["velocity"]), 0, atol=1)
    changed(client, "undo")
    assert current(client) == bold
    changed(client, "undo")
    assert current(client) == before
    changed(client, "redo")
    assert current(client) == bold
    changed(client, "shape", {})
    assert current(client) == before
    assert len(takes(client)) == count + 2


def test_a_style_is_shaped_like_strengths(studio):
    client, folder = studio
    before = current(client)
    changed(client, "shape", {"style": {"level": 2, "rubato": -1}, "strength": {"timing": 1.5}})
    view = client.get(f"{BASE}/scores/small").json()
    assert view["shape"]["style"] == {"level": 2, "rubato": -1}
    assert view["takes"][-1]["told"].endswith("style rubato -1 level +2")
    assert np.mean(current(client)["velocity"]) > np.mean(before["velocity"]) + 2
    shaped = current(client)
    changed(client, "undo")
    assert current(client) == before
    wanted = Expression(timing=1.5, style=Style(level=2, rubato=-1))
    same = apply_edits(read_rendering(folder / "small.json"), wanted).performances[0]
    assert (shaped["onset"], shaped["velocity"]) == (same.onset.tolist(), same.velocity.tolist())


def test_what_is_shaped_can_be_heard_before_it_is_kept(studio):
    client, folder = studio
    before, count, files = current(client), len(takes(client)), sorted(folder.rglob("*"))
    wish = {"strength": {"dynamics": 1.7}, "style": {"rubato": 1}}
    tried = client.post(f"{BASE}/scores/small/shaped", json=wish, params={"sample": 4}).json()
    assert (current(client), len(takes(client)), sorted(folder.rglob("*"))) == (before, count, files)
    assert client.get(f"{BASE}/sounds/{tried['sound']}", params={"start": 0, "stop": 500}).content[:4] == b"RIFF"
    changed(client, "shape", wish)
    assert current(client) == tried
    changed(client, "undo")
    assert client.post(f"{BASE}/scores/small/shaped", json={}).json() == current(client)
    assert client.post(f"{BASE}/scores/{NAME}/shaped", json=wish).status_code == 400  # nothing is performed


def test_takes_have_names_and_are_the_command_lines(studio):
    client, folder = studio
    number = takes(client)[0]["number"]
    changed(client, f"{number}/name", {"name": "first"}, place="takes")
    assert [take.name for take in list_takes(folder / "small") if take.number == number] == ["first"]
    changed(client, f"{number}/use", place="takes")
    assert [take.number for take in list_takes(folder / "small") if take.current] == [number]
    answer = client.post(f"{BASE}/scores/small/takes/99/use")
    assert answer.status_code == 400
    assert "there is no take 99" in answer.json()["error"]


@pytest.mark.slow
def test_bars_alone_are_performed_anew(studio):
    client, _ = studio
    before = current(client)
    done = finished(client, client.post(f"{BASE}/scores/small/perform", json={"seed": 8, "bars": [2, 3]}))
    assert done["state"] == "done", done
    after = current(client)
    inside = [4 <= at < 12 for at in client.get(f"{BASE}/scores/small").json()["notes"]["at"]]
    differs = [a != b for a, b in zip(before["velocity"], after["velocity"], strict=True)]
    assert any(differs)
    assert not any(d and not i for d, i in zip(differs, inside, strict=True))


@pytest.mark.slow
def test_locked_bars_stay_while_the_others_are_performed_anew(studio):
    client, _ = studio
    before = current(client)
    done = finished(client, client.post(f"{BASE}/scores/small/perform", json={"seed": 9, "locked": [[2, 3]]}))
    assert done["state"] == "done", done
    after = current(client)
    at = client.get(f"{BASE}/scores/small").json()["notes"]["at"]
    same = [a == b for a, b in zip(before["velocity"], after["velocity"], strict=True)]
    locked = [4 <= place < 12 for place in at]
    assert all(s for s, is_locked in zip(same, locked, strict=True) if is_locked)
    assert not all(same)
    done = finished(client, client.post(f"{BASE}/scores/small/perform", json={"locked": [[1, 4]]}))
    assert done["error"] == "small: all its bars are locked; unlock some"


@pytest.mark.slow
@pytest.mark.parametrize("where", [{}, {"locked": [[2, 3]]}])
def test_one_hand_is_performed_anew_and_the_other_stays(studio, where):
    client, _ = studio
    before = current(client)
    wish = {"seed": 21, "hand": "left", **where}
    done = finished(client, client.post(f"{BASE}/scores/small/perform", json=wish))
    assert done["state"] == "done", done
    view, after = client.get(f"{BASE}/scores/small").json(), current(client)
    hand, at = np.array(view["notes"]["hand"]), np.array(view["notes"]["at"])
    free = (hand == 2) & ~((at >= 4) & (at < 12) & bool(where))
    for what in ("onset", "duration", "velocity"):
        assert (np.array(before[what]) == np.array(after[what]))[~free].all()
    assert (np.array(before["velocity"]) != np.array(after["velocity"]))[free].any()
    assert before["pedal"] == after["pedal"]
    assert "left hand" in takes(client)[-1]["told"]


def test_notes_and_pedal_are_edited_by_hand(studio):
    client, folder = studio
    before, key, count = (
        current(client),
        next(take["key"] for take in takes(client) if take["current"]),
        len(takes(client)),
    )
    wanted = {"take": key, "notes": {"3": [before["onset"][3] + 7, 55, 99]}, "pedal": [[900, 0], [100, 80]]}
    tried = client.post(f"{BASE}/scores/small/try", json=wanted).json()
    assert len(takes(client)) == count
    changed(client, "edit", wanted)
    after = current(client)
    assert after == tried
    assert (after["onset"][3], after["duration"][3], after["velocity"][3]) == (before["onset"][3] + 7, 55, 99)
    assert after["velocity"][:3] == before["velocity"][:3]
    assert after["pedal"] == {"time": [100, 900], "value": [80, 0]}
    changed(client, "edit", {"take": takes(client)[-1]["key"], "notes": {"3": [before["onset"][3], 55, 20]}})
    softer = current(client)
    assert read_rendering(folder / "small.json").rendering.notes.velocity[3] == 20
    changed(client, "shape", {"strength": {"pedal": 0}})  # of the edits, the later one is shaped
    assert current(client)["velocity"] == softer["velocity"]
    changed(client, "undo")
    changed(client, "undo")
    assert current(client) == after
    changed(client, "undo")
    assert current(client) == before


def test_hands_and_bars_are_shaped_alone(studio):
    client, _ = studio
    before = current(client)
    changed(client, "shape", {"balance": {"left": -6}, "ranges": [["dynamics", 0, [2, 2]]]})
    view, after = client.get(f"{BASE}/scores/small").json(), current(client)
    assert (view["shape"]["balance"], view["shape"]["ranges"]) == ({"left": -6}, [["dynamics", 0, [2, 2]]])
    hand, at = np.array(view["notes"]["hand"]), np.array(view["notes"]["at"])
    before, after = np.array(before["velocity"]), np.array(after["velocity"])
    outside = (at < 4) | (at >= 8)
    assert (after[outside & (hand == 2)] < before[outside & (hand == 2)]).all()
    assert (after[outside & (hand == 1)] == before[outside & (hand == 1)]).all()
    assert np.ptp(after[~outside]) < np.ptp(before[~outside])
    changed(client, "undo")


def test_a_recording_is_heard_beside_the_takes(studio):
    client, folder = studio
    played = (folder / "small.performance.mid").read_bytes()
    added = client.post(f"{BASE}/scores/small/recordings", params={"name": "../mine.mid"}, content=played)
    assert added.json() == {"key": "recording mine.mid"}
    view = client.get(f"{BASE}/scores/small/takes/recording mine.mid").json()
    assert view["velocity"] == current(client)["velocity"]
    assert client.get(f"{BASE}/scores").status_code == 405
    assert "mine" not in [score["name"] for score in client.get(f"{BASE}/overview").json()["scores"]]
    for name, content, problem in (
        ("other.mid", (EXAMPLES / "petzold-minuet-bwvanh114.mid").read_bytes(), "too few"),
        ("mine.krn", KERN, "a recording is a MIDI file"),
        ("noise.mid", b"MThd", "noise.mid: "),
    ):
        answer = client.post(f"{BASE}/scores/small/recordings", params={"name": name}, content=content)
        assert answer.status_code == 400
        assert problem in answer.json()["error"]
        assert str(folder) not in answer.text
    assert [path.name for path in (folder / "small.recordings").iterdir()] == ["mine.mid"]


@pytest.mark.parametrize(
    "draft",
    [
        [], {}, {"take": "1", "notes": {"x": [0, 1, 1]}}, {"take": "1", "notes": {"0": [0, 1]}},
        {"take": "1", "notes": {"0": [0, 1, 200]}}, {"take": "1", "notes": {"99": [0, 1, 1]}},
        {"take": "1", "pedal": 3}, {"take": "1", "pedal": [[0, 128]]}, {"take": "77"}, {"take": "score"},
    ],
)  # fmt: skip
def test_bad_edits_are_told_of(studio, draft):
    client, _ = studio
    for address in ("try", "change/edit"):
        answer = client.post(f"{BASE}/scores/small/{address}", json=draft)
        assert answer.status_code == 400
        assert "\n" not in answer.json()["error"]


def test_sound_comes_in_ranges(studio):
    client, _ = studio
    address = f"{BASE}/sounds/{client.get(f'{BASE}/scores/small/takes/score').json()['sound']}"
    whole = client.get(address, params={"start": 0, "stop": 600})
    assert whole.content[:4] == b"RIFF"
    part = client.get(address, params={"start": 0, "stop": 600}, headers={"range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == whole.content[100:200]


def test_jobs_can_be_cancelled(studio):
    client, _ = studio
    one, two = (client.post(f"{BASE}/scores/small/perform", json={"seed": seed}) for seed in (21, 22))
    assert client.post(f"{BASE}/jobs/{two.json()['number']}/cancel").json() == {"cancelled": True}
    assert finished(client, two)["state"] == "cancelled"
    assert finished(client, one)["state"] == "done"
    assert client.post(f"{BASE}/jobs/{two.json()['number']}/cancel").json() == {"cancelled": False}
    finished(client, client.post(f"{BASE}/scores/small/perform", json={"seed": 3}))


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:8000"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "https://127.0.0.1:8000"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_strangers_are_refused(studio, headers):
    client, _ = studio
    assert client.get(f"{BASE}/overview", headers=headers).status_code == 403
    assert client.get(f"{BASE}/overview", headers={"origin": ROOT}).status_code == 200


def test_without_the_token_there_is_nothing(studio):
    client, _ = studio
    for path in ("/", "/api/overview", "/static/index.html", "/other/api/overview", f"/{TOKEN}x/"):
        answer = client.get(ROOT + path)
        assert answer.status_code == 403
        assert NAME not in answer.text


def bomb() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", '<container><rootfile full-path="a.xml"/></container>')
        archive.writestr("a.xml", b" " * (64 << 20))
    return packed.getvalue()


ENTITIES = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><score-partwise>&b;</score-partwise>'


@pytest.mark.parametrize(
    ("name", "content", "status", "problem"),
    [
        ("huge.musicxml", b"<" * (33 << 20), 413, "larger than 32 MiB"),
        ("bomb.mxl", bomb(), 400, "bomb.mxl"),
        ("entities.musicxml", ENTITIES, 400, "entities.musicxml"),
        ("empty.mid", b"", 400, "empty.mid: empty file"),
        ("script.html", b"<script>", 400, "not a score format"),
        ("noise.mid", bytes(range(256)) * 8, 400, "noise.mid"),
        ("", b"x", 400, "not a score format"),
    ],
)
def test_bad_uploads_leave_nothing(studio, name, content, status, problem):
    client, folder = studio
    before = sorted(folder.iterdir())
    answer = client.post(f"{BASE}/scores", params={"name": name}, content=content)
    assert answer.status_code == status
    assert problem in answer.json()["error"]
    assert str(folder) not in answer.text
    assert sorted(folder.iterdir()) == before
    assert client.get(f"{BASE}/overview").status_code == 200


@pytest.mark.parametrize(
    "name", ["../../outside.krn", "/etc/outside.krn", "..\\outside.krn", ".outside.krn", "a/../outside.krn"]
)
def test_names_lead_nowhere_else(studio, name):
    client, folder = studio
    answer = client.post(f"{BASE}/scores", params={"name": name}, content=KERN)
    assert answer.json() == {"name": "outside"}
    assert (folder / "outside.krn").read_bytes() == KERN
    assert not (folder.parent / "outside.krn").exists()


def test_nothing_outside_of_the_workspace_is_opened(studio):
    client, folder = studio
    secret = folder.parent / "secret.krn"
    secret.write_bytes(KERN)
    (folder / "link.krn").symlink_to(secret)
    (folder / f"{NAME}.png").symlink_to(secret)
    for path in (
        "scores/link", "scores/..%2Fsecret", "scores/%2Fetc%2Fpasswd", f"scores/{NAME}/files/..%2F..%2Fsecret.krn",
        f"scores/{NAME}/files/{NAME}.png", f"scores/{NAME}/files/{CHOPIN.name}", "sounds/..%2Fsecret",
        "scores/%00",
    ):  # fmt: skip
        assert client.get(f"{BASE}/{path}").status_code in (400, 404), path
    (folder / f"{NAME}.png").unlink()


@pytest.mark.parametrize(
    "wish",
    [
        [], {"seed": -1}, {"seed": "1"}, {"tempo": "quick"}, {"tempo": 1e9}, {"strength": {"dynamics": 9}},
        {"strength": {"colour": 1}}, {"balance": {"foot": 1}}, {"ranges": [["dynamics", 1]]}, {"locked": [[2, 1]]},
        {"style": {"mood": 1}}, {"style": {"rubato": 9}}, {"style": ["rubato"]},
        {"ranges": 4}, {"bars": [3]}, {"bars": [0, 1]}, {"odd": 1}, {"hand": "foot"}, {"hand": []},
    ],
)  # fmt: skip
def test_bad_wishes_are_told_of(studio, wish):
    client, _ = studio
    answer = client.post(f"{BASE}/scores/{NAME}/perform", json=wish)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


def test_the_workspace_is_as_it_was_after_a_restart(tmp_path):
    with client_of(tmp_path) as client:
        client.post(f"{BASE}/scores", params={"name": "small.krn"}, content=KERN)
        finished(client, client.post(f"{BASE}/scores/small/perform", json={}))
        before = client.get(f"{BASE}/scores/small").json()
    with client_of(tmp_path) as client:
        assert client.get(f"{BASE}/scores/small").json() == before
        assert len(before["takes"]) == 2
