"""Many scores at once: what becomes of each, in whatever company, and that a run that was stopped goes on."""

import json
import os
import signal
import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from pianist_jax.config import Sampling
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_midi
from pianist_jax.rendering import batch, manifest, renderer
from pianist_jax.rendering.batch import Tally, render_scores
from pianist_jax.rendering.claims import claim_path
from pianist_jax.rendering.finding import find_scores, own_share
from pianist_jax.rendering.hashes import json_hash
from pianist_jax.rendering.manifest import Manifests, append_line, manifest_path
from pianist_jax.rendering.order import Order
from pianist_jax.weights import save_weights
from tests.model.helpers import lively_params
from tests.rendering.models import NOTE, lively_model, made_up_score

SCORE = made_up_score(12)
OUT = Path("out")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*arguments, folder=OUT, share="1/1", tally=None, **order):
    jobs, errors = find_scores(arguments)
    assert not errors
    return render_scores(jobs, Order(folder, lively_model(), **order), share=share, tally=tally)


def by_name(outcomes):
    return {outcome.score.name: outcome for outcome in outcomes}


def write_scores(folder, notes):
    Path(folder).mkdir(exist_ok=True)
    for k, n in enumerate(notes):
        write_midi(f"{folder}/{k:03}.mid", made_up_score(n, seed=k))


def states(folder=OUT):
    return {stem: told["state"] for stem, told in Manifests(folder, manifest_path(folder)).last.items()}


def lines(path="out/manifest.jsonl"):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_one_bad_score_does_not_stop_the_others(here):
    write_midi("good.mid", SCORE)
    Path("bad.mid").write_bytes(b"MThd")
    OUT.mkdir()
    Path("out/taken.json").write_text("mine")
    write_midi("taken.mid", SCORE)
    Path("loop.mid").symlink_to("loop.mid")
    long_name = "x" * 250 + ".mid"
    write_midi("short.mid", SCORE)
    Path("short.mid").rename(long_name)
    outcomes = by_name(make("bad.mid", "taken.mid", "good.mid", "gone.mid", "loop.mid", long_name))
    errors = {name: str(outcome.error) for name, outcome in outcomes.items() if outcome.error}
    assert sorted(errors) == sorted(["bad.mid", "taken.mid", "gone.mid", "loop.mid", long_name])
    assert all("; " in error and "\n" not in error for error in errors.values())
    names = ("good.performance.mid", "good.daw.mid", "good.json")
    assert outcomes["good.mid"].files == tuple(OUT / name for name in names)
    assert Path("out/taken.json").read_text() == "mine"
    assert sorted(path.name for path in OUT.iterdir()) == sorted([*names, "manifest.jsonl", "taken.json"])
    assert states() == {**dict.fromkeys(["bad", "taken", "gone", "loop", "x" * 250], "failed"), "good": "made"}


def test_whatever_happens_to_one_score_the_others_are_made(here, monkeypatch):
    """While it is read, made ready, performed and written; told in a line, and in full where that is wanted."""
    names = ["reading", "memory", "performing", "writing", "good", "better"]
    for k, name in enumerate(names):
        write_midi(f"{name}.mid", made_up_score(5 + k, seed=k))
    read, save, express = batch.read_piece, batch.save_rendering, renderer.express_all

    def fails(where, error, call, *given, **named):
        if where in str(given) + str(named):
            raise error
        return call(*given, **named)

    def reading(path, how):
        if "memory" in str(path):
            raise MemoryError
        return fails("reading", IndexError("list index out of range"), read, path, how)

    def expressing(score, grid, played, expression):
        if len(score) == 7:
            raise ZeroDivisionError("division by zero")
        return express(score, grid, played, expression)

    def saving(rendering, stem, **named):
        return fails("writing", KeyError("x"), save, rendering, stem, **named)

    monkeypatch.setattr(batch, "read_piece", reading)
    monkeypatch.setattr(renderer, "express_all", expressing)
    monkeypatch.setattr(batch, "save_rendering", saving)
    outcomes = by_name(make(*(f"{name}.mid" for name in names), log=Path("log.txt")))
    assert states() == {**dict.fromkeys(names[:4], "failed"), "good": "made", "better": "made"}
    for name in names[:4]:
        said = str(outcomes[f"{name}.mid"].error)
        assert said.startswith(f"{name}.mid: ")
        assert "; " in said
        assert "Error" not in said
    log = Path("log.txt").read_text()
    assert all(error in log for error in ("IndexError", "MemoryError", "ZeroDivisionError", "KeyError", "Traceback"))
    monkeypatch.undo()
    os.chdir(here)
    alone = by_name(make("better.mid", folder=Path("alone")))["better.mid"].files[0]
    assert alone.read_bytes() == (OUT / alone.name).read_bytes()


def test_what_another_process_is_at_is_left_to_it(here, monkeypatch):
    """Until it is done, or gone: then the score is made here, and no score twice."""
    monkeypatch.setattr(batch, "PATIENCE", 0.05)
    write_scores("s", [5, 6, 7])
    OUT.mkdir()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    told = json.dumps({"host": socket.gethostname(), "pid": other.pid})
    for name in ("000", "001"):
        claim_path(OUT / name).write_text(told)
    run = make("s", seed=3)
    assert next(run).score.name == "002.mid"
    list(make("s/001.mid", seed=3, folder=Path("elsewhere")))  # what the other one makes
    for path in Path("elsewhere").iterdir():
        path.rename(OUT / path.name)
    claim_path(OUT / "001").unlink()
    left = next(run)
    assert (left.score.name, left.rendering) == ("001.mid", None)
    other.communicate(b"\n")
    assert next(run).rendering
    assert list(run) == []
    assert states() == {"000": "made", "001": "found", "002": "made"}
    assert not list(OUT.glob(".*"))
    made = next(line for line in lines() if line["stem"] == "002")
    assert (made["notes"], made["seed"], made["settings"]["samples"], made["seconds"] > 0) == (7, 3, 1, True)


def test_the_claim_of_a_run_that_was_killed_goes_once_the_score_is_there(here):
    """Killed between the last file of a rendering and its line in the manifest."""
    write_scores("s", [5, 6])
    list(make("s"))
    Path("out/manifest.jsonl").unlink()
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    claim_path(OUT / "000").write_text(json.dumps({"host": socket.gethostname(), "pid": gone.pid, "token": "x"}))
    Path("out/.000.part").mkdir()
    assert not any(outcome.error for outcome in make("s"))
    assert not list(OUT.glob(".*"))


def test_a_score_has_one_line_where_another_process_is_about_to_note_it(here):
    """Its files are there, its line is not yet; a bad score is the other one's to note, too."""
    write_scores("s", [5, 6, 7])
    Path("s/bad.mid").write_bytes(b"MThd")
    list(make("s"))
    told = lines()
    missing = [line for line in told if line["stem"] in ("000", "bad")]
    manifest_path(OUT).write_text("".join(json.dumps(line) + "\n" for line in told if line not in missing))
    claimed = [claim_path(OUT / "000"), claim_path(OUT / json_hash("bad"))]
    for path in claimed:
        path.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getppid(), "token": "x"}))
    run = make("s")
    assert [next(run).score.name for _ in range(2)] == ["001.mid", "002.mid"]
    for line, path in zip(missing, claimed, strict=True):
        append_line(manifest_path(OUT), line)
        path.unlink()
    assert {outcome.score.name: bool(outcome.error) for outcome in run} == {"000.mid": False, "bad.mid": True}
    assert sorted(map(str, lines())) == sorted(map(str, told))
    assert not list(OUT.glob(".*"))


def test_a_score_has_one_line_where_another_process_notes_it_meanwhile(here, monkeypatch):
    """After this one has read the manifest, and before it notes what it found."""
    write_scores("s", [5, 6])
    list(make("s"))
    last, told = lines()[-1], manifest_path(OUT).read_text()
    manifest_path(OUT).write_text(told.replace(json.dumps(last) + "\n", ""))
    at_hand = batch.at_hand

    def noted(*of, **named):
        append_line(manifest_path(OUT), last)
        return at_hand(*of, **named)

    monkeypatch.setattr(batch, "at_hand", noted)
    assert not any(outcome.rendering or outcome.error for outcome in make("s"))
    assert manifest_path(OUT).read_text() == told


def test_a_manifest_that_fails_ends_the_run(here, monkeypatch):
    """Where nothing can be noted down any more, it is not the scores' fault."""
    write_scores("s", [5, 6])

    def full(path, told):
        raise PianistError("manifest.jsonl: cannot be written (No space left on device); make room")

    monkeypatch.setattr(manifest, "append_line", full)
    with pytest.raises(PianistError, match="No space left"):
        list(make("s"))


def test_a_score_is_never_replaced(here):
    """x.performance.mid is a score here, and where x.mid would be rendered to."""
    for name in ("x.mid", "x.performance.mid"):
        write_midi(name, SCORE)
    outcomes = by_name(make("x.mid", "x.performance.mid", folder=Path(), force=True))
    assert "is itself a score" in str(outcomes["x.mid"].error)
    assert outcomes["x.performance.mid"].rendering


def test_a_folder_called_like_a_score_does_not_swallow_it(here):
    Path("out/x").mkdir(parents=True)
    write_midi("x.mid", SCORE)
    list(make("x.mid"))
    assert Path("out/x.performance.mid").is_file()
    assert not Path("out/manifest.jsonl").exists()  # one score needs none


def test_an_output_that_fails_does_not_stop_the_others(here, monkeypatch):
    for name in ("a.mid", "b.mid"):
        write_midi(name, SCORE)
    save = batch.save_rendering

    def in_the_way(rendering, stem, **named):
        if stem.name == "a":
            Path("out/a.performance.mid").mkdir()  # meanwhile
        return save(rendering, stem, **named)

    monkeypatch.setattr(batch, "save_rendering", in_the_way)
    outcomes = by_name(make("a.mid", "b.mid"))
    assert "cannot be written" in str(outcomes["a.mid"].error)
    assert outcomes["b.mid"].error is None
    assert len(outcomes["b.mid"].files) == 3


def test_a_stopped_run_goes_on(here, monkeypatch):
    """Nothing is performed twice; what the manifest does not tell is found out from the files themselves."""
    write_scores("s", [5, 30, 12, 40, 7, 9, 21, 33])
    run = make("s", seed=3)
    first = {outcome.score.name for outcome in islice(run, 3)}
    run.close()  # as Ctrl-C does
    whole = {path.name.removesuffix(".json") + ".mid" for path in OUT.glob("*.json")}
    assert first <= whole
    assert len(whole) < 8
    path = manifest_path(OUT)
    path.write_bytes(path.read_bytes()[:-30])  # the last line is broken off
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in OUT.rglob("*.mid")}
    outcomes = by_name(make("s", seed=3))
    assert len(outcomes) == 8
    assert {name for name, outcome in outcomes.items() if not outcome.rendering} == whole
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}
    assert sorted(states().values()) == ["found"] + ["made"] * 7
    made = [told["stem"] for told in map(_parsed, path.read_text().splitlines()) if told["state"] == "made"]
    assert len(made) == len(set(made)) == 7
    # Once more: by the manifest alone, without any score being read.
    monkeypatch.setattr(batch, "read_piece", None)
    assert not any(outcome.rendering or outcome.error for outcome in make("s", seed=3))
    # With another order all are in the way.
    monkeypatch.undo()
    os.chdir(here)
    assert all("--force" in str(outcome.error) for outcome in make("s", seed=4))


def _parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return {"state": "broken"}


def test_a_changed_file_is_not_taken_for_a_finished_one(here):
    write_scores("s", [5, 8])
    list(make("s"))
    Path("out/000.daw.mid").unlink()
    Path("out/001.performance.mid").write_bytes(b"edited")
    outcomes = by_name(make("s"))
    assert outcomes["000.mid"].again
    assert Path("out/000.daw.mid").exists()
    assert "was changed since it was rendered" in str(outcomes["001.mid"].error)
    write_midi("s/000.mid", SCORE)
    assert "--force" in str(by_name(make("s"))["000.mid"].error)


def test_shares_fill_one_folder(here):
    write_scores("s", [5, 8, 11, 9, 4])
    for share in ("1/2", "2/2"):
        list(make("s", share=share))
    assert sorted(path.name for path in OUT.glob("manifest*")) == ["manifest-1-of-2.jsonl", "manifest-2-of-2.jsonl"]
    assert states() == dict.fromkeys(["000", "001", "002", "003", "004"], "made")
    assert not any(outcome.rendering for outcome in make("s"))  # by one process: all is there


def test_the_same_alone_as_among_many(here):
    """In any order of lengths, more than are looked ahead at once."""
    write_scores("s", [1, 70, 20, 64, 150, 65] * 4)
    tally = Tally()
    counted: list[int] = []
    jobs, _ = find_scores(["s"])
    order = Order(OUT, lively_model(), samples=2)
    outcomes = list(render_scores(jobs, order, tally=tally, advance=counted.append))
    assert len(outcomes) == 24
    assert tally.expected == tally.notes == 4 * 370
    assert sum(counted) == max(2, Sampling.draws) * tally.notes
    list(make("s/004.mid", folder=Path("alone"), samples=2))
    for k in (1, 2):
        name = f"004-{k}.performance.mid"
        assert (OUT / name).read_bytes() == (Path("alone") / name).read_bytes()


def test_memory_is_let_go(here, monkeypatch):
    """However many scores there are, only some are at hand at any time."""
    write_scores("s", [3] * 150)
    monkeypatch.setattr(batch, "READ_AHEAD", 4)
    alive, most = 0, 0

    class Counted:
        def __init__(self):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    read = batch.read_piece

    def reading(path, how):
        piece = read(path, how)
        object.__setattr__(piece, "counted", Counted())
        return piece

    monkeypatch.setattr(batch, "read_piece", reading)
    monkeypatch.setattr("pianist_jax.rendering.renderer.AHEAD", 1)
    drawn = Sampling(draws=1)
    assert sum(1 for outcome in make("s", sampling=drawn) if outcome.rendering) == 150
    assert 16 <= most <= 16 + 4 + batch.WRITTEN_BEHIND + 16


def test_expected_notes_are_guessed_from_sizes():
    assert Tally(unread=500).expected == 0
    assert Tally(unread=500, read=100, notes=30).expected == 180


def test_whose_share(monkeypatch):
    for name in ("JAX_PROCESS_ID", "JAX_NUM_PROCESSES", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert own_share() == "1/1"
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert own_share() == "1/4"
    monkeypatch.setenv("JAX_PROCESS_ID", "2")
    monkeypatch.setenv("JAX_NUM_PROCESSES", "3")
    assert own_share() == "3/3"


def test_a_manifest_that_cannot_be_written(here):
    Path("out/manifest.jsonl").mkdir(parents=True)
    with pytest.raises(PianistError, match=r"manifest\.jsonl: cannot be written"):
        append_line(OUT / "manifest.jsonl", {"stem": "a"})
    with pytest.raises(PianistError, match=r"manifest\.jsonl: cannot be read"):
        Manifests(OUT, manifest_path(OUT))


@pytest.mark.parametrize("line", ["", "null", "[]", '"stem"', "{}", '{"stem": 1}', '{"stem": "a", "files": 3}', "{"])
def test_lines_that_make_no_sense_are_passed_over(here, line):
    OUT.mkdir()
    Path("out/manifest.jsonl").write_text(line)
    append_line(OUT / "manifest.jsonl", {"stem": "b", "files": {}})
    assert Manifests(OUT, manifest_path(OUT)).last == {"b": {"stem": "b", "files": {}}}


@pytest.mark.slow
def test_kill_9_loses_nothing(here):
    """Killed again and again, at whatever moment: in the end all is there, and nothing was made twice."""
    write_scores("s", [3 + k % 20 for k in range(60)])
    save_weights(Path("w.safetensors"), NOTE, lively_params(NOTE), dtype="float32", metadata={})
    command = [sys.executable, "-m", "pianist_jax.cli", "render", "s", "-o", "out", "--model", "w.safetensors"]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "PIANIST_CACHE": str(here / "cache")}
    for share in (0.2, 0.4, 0.6, 0.8):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(OUT.glob("*.json"))) < share * 60:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = [_parsed(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]
    made = [line["stem"] for line in told if line["state"] == "made"]
    assert len(made) == len(set(made))
    assert len(list(OUT.glob("*.json"))) == len(list(OUT.glob("*.performance.mid"))) == 60
    assert not list(OUT.glob(".*"))
