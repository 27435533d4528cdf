"""Renderings read back from their JSON file, edited well and badly."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi
from pianist_jax.performance.expression import Expression, express
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.hashes import grid_hash
from pianist_jax.rendering.renderer import render
from pianist_jax.rendering.stored import apply_edits, describe_rendering, read_rendering
from pianist_jax.rendering.takes import keep_take
from tests.music.helpers import assert_same, notes_of
from tests.rendering.models import lively_model

CHORALE = Path(__file__).parents[2] / "examples" / "chopin-prelude-op28-20.mid"
# The second and the fourth note are the same; the second is longer.
SCORE = notes_of([(60, 0, 500, 64), (67, 500, 800, 70), (64, 500, 500, 64), (67, 500, 700, 90), (60, 1500, 900, 64)])


@pytest.fixture(scope="module")
def chorale():
    return render(CHORALE, lively_model(), samples=2, seed=2)


@pytest.fixture
def path(tmp_path):
    render(SCORE, lively_model(), seed=3).save(tmp_path, name="x")
    return tmp_path / "x.json"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def edit(path, change):
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_what_is_read_is_what_was_saved(chorale, tmp_path):
    chorale.save(tmp_path, name="a.b", tempo_events="beat")
    stored = read_rendering(tmp_path / "a.b.json")
    for old, new in zip(chorale.performances, stored.rendering.performances, strict=True):
        assert_same(old, new)
    assert_same(stored.rendering.score, chorale.score)
    assert_same(stored.rendering.raw, chorale.raw)
    assert stored.rendering.identity == chorale.identity
    assert stored.extras == Extras("beat", ppq=960, halved=False)
    assert (stored.by_hand, stored.released, stored.stem) == (False, 0, tmp_path / "a.b")
    assert stored.rendering.grid is not None
    assert grid_hash(stored.rendering.grid) == grid_hash(chorale.grid)


def test_settings_under_older_names_are_those_of_today(path):
    """It is known for what it is, and left alone."""
    rendering, before = read_rendering(path).rendering, contents(path.parent)
    text = path.read_text()
    for name, older in (("draws", "rehearsals"), ("residual_scale", "chance")):
        assert f'"{name}"' in text
        text = text.replace(f'"{name}"', f'"{older}"')
    path.write_text(text)
    assert read_rendering(path).rendering.identity == rendering.identity
    assert render(SCORE, lively_model(), seed=3).save(path.parent, name=path.stem) == []
    assert contents(path.parent) == {**before, path.name: text.encode()}


def test_unedited_it_is_written_the_same(chorale, tmp_path):
    chorale.save(tmp_path, name="x", plot=True, plot_bars=(2, 5))
    before = contents(tmp_path)
    stored = read_rendering(tmp_path / "x.json")
    assert stored.extras == Extras("onset", True, None, (2, 5), ppq=960, halved=False)
    keep_take(apply_edits(stored), tmp_path / "x", stored.extras)
    assert contents(tmp_path) == before
    keep_take(apply_edits(stored), tmp_path / "there" / "x", stored.extras)
    assert contents(tmp_path / "there") == before


def test_edits_are_heard(path):
    def change(told):
        told["notes"][2]["performed"][0] = {"onset": 700, "duration": 50, "velocity": 1}
        told["pedal"][0] = [{"time": 900, "value": 0}, {"time": 40, "value": 99}]

    edit(path, change)
    stored = read_rendering(path)
    assert stored.by_hand
    rendering = apply_edits(stored)
    keep_take(rendering, stored.stem, stored.extras, origin=path)
    played = read_midi(path.with_name("x.performance.mid"))
    moved = played.pitch == 64
    assert [played.onset[moved], played.duration[moved], played.velocity[moved]] == [[700], [50], [1]]
    assert (played.pedal_time.tolist(), played.pedal_value.tolist()) == ([40, 900], [99, 0])
    again = read_rendering(path)
    assert not again.by_hand
    assert again.rendering.identity["edits"] == [{"by": "hand"}]
    edit(path, lambda told: told["notes"][2]["performed"][0].update(velocity=9))
    assert apply_edits(read_rendering(path)).identity["edits"] == [{"by": "hand"}]
    assert dict(describe_rendering(path))["edits"].startswith("by hand; by hand, not in the MIDI files yet")


def test_a_key_struck_again_is_released_before(path):
    edit(path, lambda told: told["notes"][0]["performed"][0].update(onset=0, duration=9000))
    stored = read_rendering(path)
    assert stored.released == 1
    notes = stored.rendering.notes
    assert notes.end[0] == notes.onset[3] - 1  # both are 60


def test_an_expression_of_a_later_version_is_described(path):
    edit(path, lambda told: told["settings"]["expression"].update(rubato=0.5))
    assert dict(describe_rendering(path))["expression"] == "rubato 0.5"


def test_another_expression(chorale, tmp_path):
    chorale.save(tmp_path, name="x")
    stored = read_rendering(tmp_path / "x.json")
    wish = Expression(dynamics=0.5, keep=("timing",))
    rendering = apply_edits(stored, wish)
    for old, new in zip(chorale.performances, rendering.performances, strict=True):
        assert_same(new, express(chorale.score, old, wish))
    assert rendering.identity["edits"] == [{"expression": wish.metadata()}]
    assert_same(rendering.notes, chorale.edited(wish).notes)
    assert_same(rendering.notes, render(CHORALE, lively_model(), samples=2, seed=2, expression=wish).notes)


def test_edits_are_never_lost_to_rendering_again(path):
    """Neither those that wait to be applied, whatever else is wanted, nor those that are."""
    rendering = render(SCORE, lively_model(), seed=3)
    edit(path, lambda told: told["notes"][2]["performed"][0].update(velocity=9))
    content = path.read_bytes()
    for audio in (False, True):
        with pytest.raises(PianistError, match=r"x\.json: was edited; `pianist apply` writes"):
            rendering.save(path.parent, name=path.stem, audio=audio)
    assert path.read_bytes() == content
    stored = read_rendering(path)
    keep_take(apply_edits(stored), stored.stem, stored.extras, origin=path)
    with pytest.raises(PianistError, match=r"x\.json: holds edits of this rendering; force=True replaces them"):
        rendering.save(path.parent, name=path.stem)
    assert rendering.save(path.parent, name=path.stem, force=True)
    assert rendering.save(path.parent, name=path.stem) == []


def test_files_of_others_are_kept(path, tmp_path):
    stored = read_rendering(path)
    (tmp_path / "x.performance.mid").write_bytes(b"mine")
    with pytest.raises(PianistError, match=r"x\.performance\.mid: was changed since it was rendered"):
        keep_take(stored.rendering, stored.stem, stored.extras)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x.json").write_text("mine")
    with pytest.raises(PianistError, match=r"x\.json: not the JSON file .*--force replaces it"):
        keep_take(stored.rendering, tmp_path / "there" / "x", stored.extras)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["x.json"]
    keep_take(stored.rendering, stored.stem, stored.extras, force=True)
    assert len(read_midi(tmp_path / "x.performance.mid")) == 4


def first(told):
    return told["notes"][0]["performed"][0]


BAD_EDITS = {
    "no onset": (lambda told: first(told).pop("onset"), "'onset' is missing"),
    "text": (lambda told: first(told).update(onset="12"), "note 1: onset is '12', but it must be a whole number"),
    "fraction": (lambda told: first(told).update(onset=1.5), r"note 1: onset is '1\.5'"),
    "truth": (lambda told: first(told).update(velocity=True), "note 1: velocity is 'True'"),
    "no number": (lambda told: first(told).update(onset=float("nan")), "note 1: onset is 'nan'"),
    "negative": (lambda told: first(told).update(onset=-1), "note 1: onset is '-1', .* from 0 to 86400000"),
    "huge": (lambda told: first(told).update(duration=10**30), "note 1: duration is"),
    "no length": (lambda told: first(told).update(duration=0), "note 1: duration is '0', .* from 1 to"),
    "silent": (lambda told: first(told).update(velocity=0), "note 1: velocity is '0', .* from 1 to 127"),
    "too loud": (lambda told: first(told).update(velocity=128), "note 1: velocity is '128'"),
    "twice": (
        lambda told: told["notes"][4]["performed"][0].update(onset=first(told)["onset"]),
        r"note 5: key 60 is struck twice at \d+ ms; move one of the two",
    ),
    "note gone": (lambda told: told["notes"].pop(), "lists 4 notes, but the score has 5; put back what is missing"),
    "no notes": (lambda told: told.update(notes=[]), "lists 0 notes"),
    "notes of another kind": (lambda told: told.update(notes=[1, 2, 3, 4, 5]), "what the score says was edited"),
    "one performance more": (
        lambda told: told["notes"][0]["performed"].append({}),
        '"performed" needs one entry for each performance',
    ),
    "never performed": (lambda told: told["notes"][0].pop("performed"), '"performed" needs one entry'),
    "pitch": (lambda told: told["notes"][0].update(pitch=61), 'was edited; change "performed" and "pedal" only'),
    "score": (lambda told: told["notes"][0]["score"].update(onset=5), "what the score says was edited"),
    "score text": (lambda told: told["notes"][0]["score"].update(onset="x"), "what the score says was edited"),
    "pedal value": (lambda told: told["pedal"][0].append({"time": 1, "value": 128}), "pedal of performance 1: event"),
    "pedal time": (lambda told: told["pedal"][0].append({"time": "x", "value": 1}), "time is 'x'"),
    "pedal half": (lambda told: told["pedal"][0].append({"time": 1}), "'value' is missing"),
    "pedal none": (lambda told: told.update(pedal=[]), '"pedal" has 0 lists for 1 performances'),
    "pedal other": (lambda told: told.update(pedal=[7]), "no list of pedal events"),
    "pedal gone": (lambda told: told.pop("pedal"), "'pedal' is missing"),
    "identity gone": (lambda told: told.pop("settings"), "'settings' is missing"),
    "edits": (lambda told: told.update(edits=3), "its parts do not fit together"),
    "old": (lambda told: told.update(format=1), "of another version"),
    "not one": (lambda told: [told.pop(key) for key in list(told)], "not the JSON file of a rendering"),
}


@pytest.mark.parametrize("case", BAD_EDITS)
def test_bad_edits(path, case):
    change, complaint = BAD_EDITS[case]
    edit(path, change)
    with pytest.raises(PianistError, match=complaint) as error:
        read_rendering(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no valid JSON (line 1, column 1"),
        (b'{"notes": [\n {"a": 1\n]}', "no valid JSON (line 3, column 1"),
        (b"[1]", "not the JSON file of a rendering"),
        (b"\xff\xfe", "no JSON file"),
        (b"[" * 100_000, "no JSON file"),
    ],
)
def test_what_is_no_json(tmp_path, content, complaint):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(PianistError, match=re.escape(complaint)):
        read_rendering(tmp_path / "x.json")


def test_a_score_grid_that_was_edited(chorale, tmp_path):
    for number, change in enumerate(
        [
            lambda told: told["grid"].update(ticks_per_quarter=0),
            lambda told: told["grid"]["key_signatures"].append([0, "H"]),
            lambda told: told["grid"].update(time_signatures=[]),
            lambda told: told["notes"][3]["score"].update(tick=10**40),
            lambda told: told["notes"][3]["score"].pop("part"),
            lambda told: told["notes"][3]["score"].update(part=7),
        ]
    ):
        path = tmp_path / f"{number}.json"
        chorale.save(path.parent, name=path.stem)
        edit(path, change)
        with pytest.raises(PianistError, match="what the score says was edited"):
            read_rendering(path)


def test_what_a_rendering_is(chorale, tmp_path):
    chorale.edited(Expression(timing=0.5)).save(tmp_path, name="x")
    rows = dict(describe_rendering(tmp_path / "x.json"))
    assert rows["format"] == f"rendering of {chorale.title}"
    assert rows["model"].startswith("lively ")
    assert "seed 2" in rows["settings"]
    assert rows["edits"] == "timing 0.5"
    assert re.match(r"\d+:\d\d\.\d; velocity \d+–\d+, mean \d+; pedal ", rows["performance 2"])
    assert np.all(chorale.notes.velocity > 0)


def test_ids_of_ornaments_are_told_and_kept(tmp_path):
    score = render(CHORALE.with_name("petzold-minuet-bwvanh114.musicxml"), lively_model(), seed=3)
    score.save(tmp_path, name="x")
    told = [line["id"] for line in json.loads((tmp_path / "x.json").read_text())["notes"] if "id" in line]
    assert sum("~" in name for name in told) == 20  # ten mordents
    assert {name.partition("~")[0] for name in told if "~" in name} <= set(told)
    again = read_rendering(tmp_path / "x.json").rendering.grid
    assert again is not None
    assert score.grid is not None
    assert again.ids == score.grid.ids
