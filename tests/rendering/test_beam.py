"""Scores performed on Apache Beam: what comes out is what comes out of one process. A runner needs the extra `beam`."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest

from pianist_jax import cli
from pianist_jax.config import Sampling
from pianist_jax.errors import PianistError
from pianist_jax.inference import engine
from pianist_jax.music.midi import write_midi
from pianist_jax.rendering import beam as beam_room
from pianist_jax.rendering.batch import render_scores
from pianist_jax.rendering.beam import Share, below, divide, gather, perform, render_on_beam
from pianist_jax.rendering.finding import FoundScore, find_scores
from pianist_jax.rendering.manifest import told_in
from pianist_jax.rendering.order import Order
from pianist_jax.weights import save_weights
from tests.model.helpers import lively_params
from tests.rendering.models import NOTE, made_up_score

ONCE = Sampling(draws=1)
SPEED = (b' "notes_per_second"', b' "compile_seconds"')


@pytest.fixture
def weights(tmp_path: Path) -> str:
    save_weights(tmp_path / "lively.safetensors", NOTE, lively_params(NOTE))
    return str(tmp_path / "lively.safetensors")


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Seven scores, one of them in a folder below and one that is none."""
    folder = tmp_path / "scores"
    (folder / "below").mkdir(parents=True)
    for number in range(6):
        place = folder / "below" if number == 3 else folder
        write_midi(place / f"{number}.mid", made_up_score(8 + number, seed=number))
    (folder / "bad.mid").write_bytes(b"MThd")
    return folder


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares of two scores."""
    monkeypatch.setattr(beam_room, "FEWEST", 2)


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the manifest; of what is told of a rendering all but how fast it was made."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and "manifest" not in path.name:
            lines = path.read_bytes().splitlines(keepends=True)
            found[str(path.relative_to(folder))] = b"".join(line for line in lines if not line.startswith(SPEED))
    return found


def manifest(folder: Path) -> list[dict]:
    """The lines of a folder's manifest, but for how long things took, which also stands in JSON files."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds", None)
        line["files"] = {name: sha256 for name, sha256 in line.get("files", {}).items() if not name.endswith(".json")}
    return lines


def rendered_here(scores: Path, folder: Path, weights: str) -> list[dict]:
    order = Order(folder, engine.load_model(weights), seed=3, sampling=ONCE)
    list(render_scores(find_scores([str(scores)])[0], order))
    return sorted(manifest(folder), key=lambda line: line["stem"])


def test_shares_hold_every_score_once():
    assert divide([]) == []
    for count in (1, 15, 16, 17, 5000):
        jobs = [FoundScore(Path(f"{number}.mid"), Path(str(number))) for number in range(count)]
        shares = divide(jobs)
        assert [job for share in shares for job in share.jobs] == jobs
        assert [share.number for share in shares] == list(range(len(shares)))
        assert len(shares) <= beam_room.SHARES
        assert all(len(share.jobs) >= beam_room.FEWEST for share in shares[:-1])


@pytest.mark.slow
def test_every_step_but_beam_itself(scores: Path, tmp_path: Path, weights: str, few: None):
    """Shares in any order, after a run that was stopped before it brought its lines together."""
    here = rendered_here(scores, tmp_path / "here", weights)
    jobs, _ = find_scores([str(scores)])
    folder = tmp_path / "there"
    order = Order(folder, engine.load_model(weights), seed=3, sampling=ONCE)
    shares = divide(jobs)
    assert len(shares) == 4
    perform(shares[2], order)
    assert {path.name for path in folder.glob("manifest*")} == {"manifest-beam-00002.jsonl"}
    for share in shares[::-1]:
        perform(share, order)
    told = gather(folder, jobs)
    assert contents(folder) == contents(tmp_path / "here")
    assert manifest(folder) == sorted(here, key=lambda line: [job.stem.as_posix() for job in jobs].index(line["stem"]))
    assert [path.name for path in folder.glob("manifest*")] == ["manifest.jsonl"]
    assert {stem for stem, entry in told.items() if entry["state"] == "failed"} == {"bad"}
    perform(Share(0, tuple(jobs)), order)
    assert gather(folder, jobs) == told
    assert len(manifest(folder)) == len(jobs)


def test_a_score_of_another_share_is_not_replaced(tmp_path: Path, weights: str):
    write_midi(tmp_path / "a.mid", made_up_score(8))
    write_midi(tmp_path / "a.performance.mid", made_up_score(9))
    jobs, _ = find_scores([str(tmp_path / "a.mid"), str(tmp_path / "a.performance.mid")])
    kept = below(tmp_path, jobs)
    before = (tmp_path / "a.performance.mid").read_bytes()
    perform(Share(0, (jobs[0],)), Order(tmp_path, engine.load_model(weights), sampling=ONCE, force=True), kept)
    assert "is itself a score" in told_in(tmp_path / "manifest-beam-00000.jsonl")["a"]["error"]
    assert (tmp_path / "a.performance.mid").read_bytes() == before
    assert below(tmp_path / "elsewhere", jobs) == frozenset()


def test_what_cannot_run_is_an_error(scores: Path, tmp_path: Path, weights: str):
    jobs, _ = find_scores([str(scores)])
    make_order = partial(Order, tmp_path / "there")
    try:
        import apache_beam  # noqa: F401
    except ImportError:
        with pytest.raises(PianistError, match=r"pip install 'pianist_jax\[beam\]'"):
            render_on_beam(jobs, make_order, weights)
    else:
        with pytest.raises(PianistError, match="unknown runner 'Beam'"):
            render_on_beam(jobs, make_order, weights, "Beam")
        with pytest.raises(PianistError, match="no such file"):
            render_on_beam(jobs, make_order, str(tmp_path / "none.safetensors"))
    assert not (tmp_path / "there").exists()


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["pianist", "render", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


@pytest.mark.parametrize("option", [("--bars", "2-3"), ("--hand", "left"), ("--shard", "1/2")])
def test_what_needs_one_machine(monkeypatch, scores, tmp_path, capsys, option):
    assert command(monkeypatch, scores, "-o", tmp_path / "out", "--runner", "Direct", *option) == 2
    assert "--runner performs whole scores" in capsys.readouterr().err


def test_addresses_are_no_folders(monkeypatch, scores, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, scores, "-o", "gs://bucket/out", "--runner", "Direct") == 2
    assert "gs://bucket/out: performances go into a folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["scores"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_direct_runner(monkeypatch, scores, tmp_path, weights, few, capsys):
    pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")
    here = rendered_here(scores, tmp_path / "here", weights)
    loads = tmp_path / "loads"

    def load_model(name: str) -> engine.Model:
        with loads.open("a") as file:  # the worker has a copy of this function, but there is one such file
            file.write(f"{name}\n")
        return engine.load_model(name)

    monkeypatch.setattr(beam_room, "load_model", load_model)
    out = tmp_path / "there"
    given = (scores, "-o", out, "--model", weights, "--seed", 3, "--draws", 1, "--runner", "Direct")
    assert command(monkeypatch, *given) == 1
    told = capsys.readouterr()
    assert "6 scores performed" in told.out
    assert "bad.mid" in told.err
    assert contents(out) == contents(tmp_path / "here")
    assert sorted(manifest(out), key=lambda line: line["stem"]) == here
    assert loads.read_text().split() == [weights, weights]  # here, and by the one worker for all its shares
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert command(monkeypatch, *given) == 1
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.mid")}.items() <= times.items()
    assert sorted(manifest(out), key=lambda line: line["stem"]) == here
