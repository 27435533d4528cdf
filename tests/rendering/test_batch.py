"""Which files are scores, where their renderings go, and what becomes of each."""

from pathlib import Path

import pytest

from pianist_jax.music.midi import write_midi
from pianist_jax.rendering.batch import find_scores, read_scores, render_files
from tests.rendering.models import lively_model, made_up_score

SCORE = made_up_score(12)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def stems(*arguments):
    jobs, outcomes = find_scores(arguments)
    assert not outcomes
    return {str(job.score): str(job.stem) for job in jobs}


def test_files_keep_their_name(here):
    touch("a/one.mid", "b/Op. 28 No. 20.midi")
    assert stems("a/one.mid", "b/Op. 28 No. 20.midi", "a/missing.mid") == {
        "a/one.mid": "one",
        "b/Op. 28 No. 20.midi": "Op. 28 No. 20",
        "a/missing.mid": "missing",
    }


def test_folders_keep_the_paths_below_them(here):
    touch("s/one.mid", "s/deep/two.MIDI", "s/deep/er/one.mid", "s/notes.txt", "s/x.json")
    touch("s/one.performance.mid", "s/one.daw.mid", "s/.hidden.mid", "s/.git/three.mid", "s/folder.mid/four.mid")
    assert stems("s") == {
        "s/one.mid": "one",
        "s/deep/two.MIDI": "deep/two",
        "s/deep/er/one.mid": "deep/er/one",
        "s/folder.mid/four.mid": "folder.mid/four",
    }
    assert stems("s/one.performance.mid", ".") == {
        "s/one.performance.mid": "one.performance",
        **{path: "s/" + stem for path, stem in stems("s").items()},
    }


def test_same_names_from_different_folders_are_told_apart(here):
    touch("x/a/1.mid", "x/b/1.mid", "x/c/2.mid", "y/a/1.mid", "y/1.midi", "y/1.mid")
    assert stems("x/a/1.mid", "x/b/1.mid", "x/c/2.mid") == {
        "x/a/1.mid": "a/1",
        "x/b/1.mid": "b/1",
        "x/c/2.mid": "2",
    }
    assert stems("x", "y") == {
        "x/a/1.mid": "x/a/1",
        "x/b/1.mid": "b/1",
        "x/c/2.mid": "c/2",
        "y/a/1.mid": "y/a/1",
        "y/1.midi": "1.midi",
        "y/1.mid": "1.mid",
    }


def test_paths_that_meet_again_are_told_apart(here):
    """Once the two c.mid are called a/c and b/c, a/c meets the one that is called so already."""
    touch("p/a/c.mid", "p/b/c.mid", "q/a/c.mid", "q/a/d.mid")
    found = stems("p/a/c.mid", "p/b/c.mid", "q")
    assert len(set(found.values())) == 4


def test_a_file_that_is_meant_twice_is_rendered_once(here):
    touch("s/one.mid")
    assert stems("s/one.mid", "s", "./s/../s/one.mid", str(here / "s/one.mid")) == {"s/one.mid": "one"}


def test_folders_without_scores(here):
    touch("s/readme.txt", "empty/.hidden.mid")
    jobs, outcomes = find_scores(["s", "empty", ""])
    assert jobs == []
    assert [str(outcome.error) for outcome in outcomes] == [
        "s: no MIDI files in it; give another folder",
        "empty: no MIDI files in it; give another folder",
        "an empty path is no score; give a file or a folder",
    ]


def test_one_bad_score_does_not_stop_the_others(here):
    write_midi("good.mid", SCORE)
    Path("bad.mid").write_bytes(b"MThd")
    Path("out").mkdir()
    Path("out/taken.json").write_text("mine")
    write_midi("taken.mid", SCORE)
    Path("loop.mid").symlink_to("loop.mid")
    long_name = "x" * 250 + ".mid"
    write_midi("short.mid", SCORE)
    Path("short.mid").rename(long_name)
    jobs, _ = find_scores(["bad.mid", "taken.mid", "good.mid", "gone.mid", "loop.mid", long_name])
    batch = read_scores(jobs, Path("out"), lively_model())
    assert [job.score.name for job in batch.jobs] == ["good.mid"]
    errors = {outcome.score.name: str(outcome.error) for outcome in batch.outcomes}
    assert list(errors) == ["bad.mid", "taken.mid", "gone.mid", "loop.mid", long_name]
    assert all("; " in error and "\n" not in error for error in errors.values())
    (outcome,) = render_files(batch, lively_model())
    assert outcome.files == tuple(Path("out") / name for name in ("good.performance.mid", "good.daw.mid", "good.json"))
    assert Path("out/taken.json").read_text() == "mine"
    names = ["good.daw.mid", "good.json", "good.performance.mid", "taken.json"]
    assert sorted(path.name for path in Path("out").iterdir()) == names


def test_a_score_is_never_replaced(here):
    """x.performance.mid is a score here, and where x.mid would be rendered to."""
    for name in ("x.mid", "x.performance.mid"):
        write_midi(name, SCORE)
    jobs, _ = find_scores(["x.mid", "x.performance.mid"])
    batch = read_scores(jobs, Path(), lively_model(), force=True)
    assert [job.score.name for job in batch.jobs] == ["x.performance.mid"]
    assert "is itself a score" in str(batch.outcomes[0].error)


def test_a_folder_called_like_a_score_does_not_swallow_it(here):
    touch("out/x/readme.txt")
    write_midi("x.mid", SCORE)
    jobs, _ = find_scores(["x.mid"])
    list(render_files(read_scores(jobs, Path("out"), lively_model()), lively_model()))
    assert Path("out/x.performance.mid").is_file()


def test_an_output_that_fails_does_not_stop_the_others(here):
    for name in ("a.mid", "b.mid"):
        write_midi(name, SCORE)
    jobs, _ = find_scores(["a.mid", "b.mid"])
    batch = read_scores(jobs, Path("out"), lively_model())
    Path("out/a.performance.mid").mkdir()  # meanwhile
    outcomes = {outcome.score.name: outcome for outcome in render_files(batch, lively_model())}
    assert "cannot be written" in str(outcomes["a.mid"].error)
    assert outcomes["b.mid"].error is None
    assert len(outcomes["b.mid"].files) == 3
