"""The files of a rendering: what they say, and what they never replace."""

import dataclasses
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi
from pianist_jax.rendering.renderer import render
from tests.music.helpers import assert_same, in_order, notes_of
from tests.rendering.models import lively_model, made_up_score

# The second and the fourth note are the same; the second is longer.
SCORE = notes_of([(60, 0, 500, 64), (67, 500, 800, 70), (64, 500, 500, 64), (67, 500, 700, 90), (72, 1500, 900, 64)])


@pytest.fixture
def rendering():
    return render(SCORE, lively_model(), seed=3)


def test_json_tells_what_became_of_every_note(rendering, tmp_path):
    report = {**rendering.report}
    midi_path, json_path = rendering.save(tmp_path, name="piece")
    assert rendering.report == report, "what was rendered stays as it is"
    assert (midi_path.name, json_path.name) == ("piece.performance.mid", "piece.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["piece.json", "piece.performance.mid"]
    told = json.loads(json_path.read_text())
    assert told["notes_per_second"] > 0
    assert told["compile_seconds"] >= 0
    assert told["seed"] == 3
    assert told["model"]["name"] == "lively"
    assert told["settings"]["top_p"] == 0.98
    assert told["counts"] == {"input_notes": 5, "performed_notes": 4, "merged_notes": 1}
    assert told["performances"][0]["file"] == "piece.performance.mid"
    played = read_midi(midi_path)
    assert_same(in_order(played), in_order(rendering.notes))
    order = [0, 2, 1, None, 3]  # raw note -> performed note, by pitch within the chord
    assert len(told["notes"]) == 5
    for line, raw, n in zip(told["notes"], range(5), order, strict=True):
        assert line["pitch"] == SCORE.pitch[raw]
        expected = {name: int(getattr(SCORE, name)[raw]) for name in ("onset", "duration", "velocity")}
        assert line["score"] == expected
        if n is None:
            assert line["merged_with"] == 1
            assert "same pitch and onset" in line["reason"]
            assert "performed" not in line
        else:
            at = played.pitch.tolist().index(line["pitch"])
            expected = {name: int(getattr(played, name)[at]) for name in ("onset", "duration", "velocity")}
            assert line["performed"] == [expected]
            assert rendering.notes.onset[n] == expected["onset"]


def test_several_samples(tmp_path):
    several = render(SCORE, lively_model(), samples=3)
    paths = several.save(tmp_path, name="piece")
    names = [f"piece-{k}.performance.mid" for k in (1, 2, 3)]
    assert [path.name for path in paths] == [*names, "piece.json"]
    told = json.loads(paths[-1].read_text())
    assert [made["file"] for made in told["performances"]] == names
    for k, path in enumerate(paths[:3]):
        notes = read_midi(path)
        assert_same(in_order(notes), in_order(several.performances[k]))
        assert told["notes"][4]["performed"][k]["onset"] == notes.onset[3]


def test_a_folder_gets_the_name_of_the_score(rendering, tmp_path):
    assert rendering.save(tmp_path)[0] == tmp_path / "score.performance.mid"
    assert rendering.save(tmp_path / "deep" / "er", name="x")[0] == tmp_path / "deep" / "er" / "x.performance.mid"
    assert rendering.save(tmp_path / "new")[1] == tmp_path / "new" / "score.json"


def contents(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_same_is_left_alone_and_another_refused(rendering, tmp_path):
    rendering.save(tmp_path, name="x")
    before = contents(tmp_path)
    assert render(SCORE, lively_model(), seed=3).save(tmp_path, name="x") == []
    others = [
        render(SCORE, lively_model(), seed=4),
        render(SCORE, lively_model(), seed=3, temperature=0.9),
        render(SCORE, lively_model(), seed=3, samples=2),
        render(made_up_score(40, seed=1), lively_model(), seed=3),
    ]
    for other in others:
        with pytest.raises(PianistError, match=r"x\.json: is there already.*force=True replaces"):
            other.save(tmp_path, name="x")
    assert contents(tmp_path) == before
    assert len(others[0].save(tmp_path, name="x", force=True)) == 2
    assert contents(tmp_path) != before
    assert others[0].save(tmp_path, name="x") == []


def test_what_is_lost_is_made_again_and_what_was_changed_is_kept(rendering, tmp_path):
    midi_path, _ = rendering.save(tmp_path, name="x")
    content = midi_path.read_bytes()
    midi_path.unlink()
    rendering.save(tmp_path, name="x")
    assert midi_path.read_bytes() == content
    midi_path.write_bytes(content + b"edited")
    with pytest.raises(PianistError, match="was changed since it was rendered"):
        rendering.save(tmp_path, name="x")
    assert midi_path.read_bytes() == content + b"edited"


@pytest.mark.parametrize("name", ["x.performance.mid", "x.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"seed": 3}', b"\xff\xfe"])
def test_files_of_others_are_kept(rendering, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PianistError, match=f"{name}: is there already"):
        rendering.save(tmp_path, name="x")
    assert contents(tmp_path).keys() == {name}
    assert (tmp_path / name).read_bytes() == content


def test_places_that_cannot_be_written(rendering, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PianistError, match="no folder can be made there"):
        rendering.save(tmp_path / "file")
    (tmp_path / "x.json").mkdir()
    with pytest.raises(PianistError, match=r"x\.json: cannot be written"):
        rendering.save(tmp_path, name="x", force=True)
    (tmp_path / "y.performance.mid").mkdir()
    with pytest.raises(PianistError, match=r"y\.performance\.mid: cannot be written"):
        rendering.save(tmp_path, name="y", force=True)
    leftovers = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert leftovers == ["file"]


@pytest.mark.parametrize("step", range(3))
def test_a_process_that_dies_leaves_nothing_in_the_way(rendering, tmp_path, monkeypatch, step):
    """Before it, between its moves or behind them: the same command makes what is missing, and asks for no --force."""
    with monkeypatch.context() as patched:
        moves, move = [0], Path.replace

        def dying(path, target):
            if path.parent != target.parent:
                moves[0] += 1
                if moves[0] > step:
                    raise KeyboardInterrupt
            return move(path, target)

        patched.setattr(Path, "replace", dying)
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)  # nothing is tidied up
        with pytest.raises(KeyboardInterrupt) if step < 2 else nullcontext():
            rendering.save(tmp_path, name="x")
    whole = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert whole == [set(), {"x.json"}, {"x.json", "x.performance.mid"}][step]
    again = rendering.save(tmp_path, name="x")
    assert bool(again) == (step < 2)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["x.json", "x.performance.mid"]
    assert_same(in_order(read_midi(tmp_path / "x.performance.mid")), in_order(rendering.notes))


def test_a_replaced_rendering_is_never_taken_for_another(rendering, tmp_path, monkeypatch):
    """Forced over another one and killed: what is left of it is not told to be what the new JSON file describes."""
    (tmp_path / "x.performance.mid").write_bytes(b"another")
    (tmp_path / "x.json").write_text("{}")
    with monkeypatch.context() as patched:
        move = Path.replace

        def dying(path, target):
            if path.parent != target.parent and path.suffix == ".mid":
                raise KeyboardInterrupt
            return move(path, target)

        patched.setattr(Path, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            rendering.save(tmp_path, name="x", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert rendering.save(tmp_path, name="x")


def test_times_that_midi_does_not_have(rendering, tmp_path):
    late = dataclasses.replace(rendering.notes, onset=rendering.notes.onset + 86_400_000)
    with pytest.raises(PianistError, match=r"x\.performance\.mid: cannot be written as MIDI \(release 0 is"):
        rendering.replaced([late], {}).save(tmp_path, name="x")
    assert list(tmp_path.iterdir()) == []
