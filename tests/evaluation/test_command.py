"""`pianist evaluate` as a user meets it: what it prints, what it writes, exit codes."""

import json
import sys

import numpy as np
import pytest

from pianist_jax import cli
from pianist_jax.evaluation.likelihood import count_notes, likelihood
from pianist_jax.inference import engine as programs
from pianist_jax.inference.likelihood import summed_nll
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import normalise
from tests.evaluation.pieces import invented_piece
from tests.rendering.models import lively_model


@pytest.fixture(scope="module")
def pieces():
    rng = np.random.default_rng(4)
    return [invented_piece(rng, size=80 + 10 * index, humans=2, name=f"p{index}") for index in range(2)]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys, pieces):
    """Call the command in a folder with scores/, humans/ and made/; gives exit code, lines on stdout and stderr."""
    for folder in ("scores", "humans", "made"):
        (tmp_path / folder).mkdir()
    for piece in pieces:
        write_midi(tmp_path / "scores" / f"{piece.name}.mid", piece.score)
        for number, human in enumerate(piece.humans, 1):
            write_midi(tmp_path / "humans" / f"{piece.name}-{number}.mid", normalise(human.notes)[0])
        write_midi(tmp_path / "made" / f"{piece.name}.performance.mid", normalise(piece.humans[0].notes)[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(programs, "load_model", lambda name: lively_model())

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pianist", "evaluate", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out.splitlines(), err.splitlines()

    return run


FOLDERS = ("--scores", "scores", "--humans", "humans", "--cache", "kept")


def test_folders_and_models_side_by_side(call, tmp_path, pieces):
    told = ("--candidates", "made", "--model", "lively", "--samples", 2, "--likelihood", 1, "-o", "new/r.html")
    code, out, err = call(*FOLDERS, *told)
    assert code == 0
    start = next(index for index, line in enumerate(out) if "r vel" in line)
    assert [line.split()[0] for line in out[start + 1 : start + 5]] == ["human", "made", "lively", "score"]
    assert any(line.startswith("held-out NLL a note") for line in out)
    assert out[-2].startswith("new/r.json: ")
    assert all("warning: " in line for line in err)
    report = json.loads((tmp_path / "new" / "r.json").read_text())
    assert (tmp_path / "new" / "r.html").stat().st_size > 50_000
    assert report["systems"]["made"]["about"] == {"folder": "made"}
    about = report["systems"]["lively"]["about"]
    assert about["hash"] == lively_model().hash
    assert (about["seed"], about["samples"], about["top_p"]) == (0, 2, 0.98)
    assert report["systems"]["lively"]["samples"] == 2
    figures = report["systems"]["lively"]["likelihood"]
    assert figures["bits_note"]["value"] == pytest.approx(figures["nats_note"]["value"] / np.log(2))
    assert not (tmp_path / "kept").exists()  # every note is played once: nothing to align


def test_samplings_have_columns_of_their_own(call, tmp_path):
    samplings = ("--sampling", "1:0.95", "--sampling", "0.5:1:0.9")
    code, *_ = call(*FOLDERS, "--model", "lively", "--samples", 1, "--likelihood", 0, *samplings, "-o", "r")
    assert code == 0
    systems = json.loads((tmp_path / "r.json").read_text())["systems"]
    assert list(systems)[1:3] == ["lively 1:0.95", "lively 0.5:1:0.9"]
    assert systems["lively 0.5:1:0.9"]["about"]["pedal_top_p"] == 0.9
    assert "likelihood" not in systems["lively 1:0.95"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (FOLDERS, "nothing to evaluate; give --candidates DIR or --model NAME"),
        (("--candidates", "made"), "give --scores DIR and --humans DIR, or --dataset asap DIR"),
        ((*FOLDERS, "--candidates", "made", "--metrics", "best"), 'metrics is "best"'),
        ((*FOLDERS, "--candidates", "made", "--sampling", "hot"), "--sampling takes TEMPERATURE:TOP_P[:PEDAL_TOP_P]"),
        ((*FOLDERS, "--candidates", "made", "--sampling", "1:2"), "top_p is 2.0"),
        ((*FOLDERS, "--candidates", "elsewhere"), "elsewhere: no such folder"),
        ((*FOLDERS, "--dataset", "asap", "x", "--candidates", "made"), "--dataset brings scores and humans"),
        (("--dataset", "maestro", "x", "--candidates", "made"), 'no data set is called "maestro"'),
        (("--dataset", "asap", "x", "--candidates", "made"), "metadata.csv: No such file"),
        ((*FOLDERS, "--candidates", "made", "-o", "scores/p0.mid/r"), "no folder can be made there"),
        ((*FOLDERS, "--model", "lively", "--samples", 0), "samples is 0"),
    ],
)
def test_what_cannot_be_done_is_one_line(call, arguments, message):
    code, _, err = call(*arguments)
    assert code == 2
    assert len(err) == 1
    assert message in err[0]


def test_likelihood_counts_every_note_once_as_the_whole_model_does(pieces):
    model = lively_model()  # windows of 64 notes
    notes = {}
    for piece in pieces:
        figures, warnings = likelihood([piece], model, np.random.default_rng(0), humans=1)
        assert warnings == []
        notes[piece.name] = figures["nats_note"]["value"]
        assert figures["nats_note"]["value"] == pytest.approx(
            sum(figures[f"nats_{field}"]["value"] for field in ("ioi", "velocity", "duration", "pedal"))
        )
    both, _ = likelihood(pieces, model, np.random.default_rng(0), humans=1)
    assert both["nats_note"]["value"] == pytest.approx(np.mean(list(notes.values())), rel=1e-4)
    assert count_notes(pieces, 1) == 170


def test_likelihood_of_a_window_is_that_of_the_model(strict_dtypes):
    import jax.numpy as jnp

    from pianist_jax.model.pianist import Pianist
    from pianist_jax.music.tokens import ScoreTokens, encode

    model = lively_model()
    rng = np.random.default_rng(5)
    piece = invented_piece(rng, size=64, humans=2)
    pairs = [(ScoreTokens(encode(piece.score)), encode(human.notes)) for human in piece.humans]
    done: list[int] = []
    found = summed_nll(model, pairs, advance=done.append)
    for (score, played), sums in zip(pairs, found, strict=True):
        mask = jnp.ones((1, 64), bool)
        given = score.at(None), played[None], mask
        nll = Pianist(model.config).apply({"params": model.params}, *given, method="nll")
        np.testing.assert_allclose(sums, np.asarray(nll).sum((0, 1)), rtol=2e-4, atol=1e-3)  # type: ignore[call-overload]
    assert sum(done) == 128
