"""The studies: what they fit, choose and probe is what they say, and a run is made once."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import masking, scaling, study, transfer
from experiments.out_of_domain import melody
from experiments.study import Run, finetuning, pretraining, small
from pianist_jax.config import Augmentation
from pianist_jax.data.parts import Corpus, choose
from pianist_jax.data.sources import find_source
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import initialise
from pianist_jax.training.flops import flops_per_note

LAW = {"E": 4.0, "A": 60.0, "a": 0.3, "B": 900.0, "b": 0.4}


def loss(n, d):
    return LAW["E"] + LAW["A"] / n ** LAW["a"] + LAW["B"] / d ** LAW["b"]


def test_the_law_is_found_again():
    rng = np.random.default_rng(0)
    sizes, notes = np.geomspace(1e4, 1e7, 5), np.geomspace(1e5, 1e8, 12)
    points = [(n, d, loss(n, d) * np.exp(0.001 * rng.standard_normal())) for n in sizes for d in notes]
    law = scaling.fit(points)
    assert law["rms"] < 0.002
    assert law["a"] == pytest.approx(LAW["a"], abs=0.03)
    assert law["b"] == pytest.approx(LAW["b"], abs=0.03)
    assert law["E"] == pytest.approx(LAW["E"], rel=0.05)


def test_a_law_needs_three_sizes():
    with pytest.raises(ValueError, match="three sizes"):
        scaling.fit([(1e4, 1e5, 9.0), (1e4, 1e6, 8.0), (1e5, 1e6, 7.0)])


@pytest.mark.parametrize("operations", [1e13, 1e17])
def test_no_other_size_is_better_for_the_same_work(operations):
    best, _ = scaling.best_size(LAW, operations)
    others = best * np.geomspace(0.05, 20, 2001)
    assert others[np.argmin(loss(others, operations / 6 / others))] == pytest.approx(best, rel=0.01)


def test_sizes_get_the_same_work():
    runs = [run for run in scaling.RUNS if run.share == 1]
    work = [flops_per_note(run.config.model, 256) * run.config.steps * 2048 / 1e12 for run in runs]
    assert len({scaling.weights_used(run.config) for run in runs}) == len(scaling.WIDTHS)
    np.testing.assert_allclose(work, scaling.TFLOP, rtol=0.2)  # steps are counted in hundreds


def test_the_melody_is_the_highest_of_each_chord():
    #        pitch, gap: a chord of three spread by 12 ms, a single note, a chord of two
    rows = [(60, 0), (64, 5), (72, 7), (70, 400), (50, 300), (55, 10)]
    piece = np.zeros((len(rows), 8), np.uint16)
    piece[:, :2] = rows
    piece[:, 2] = np.arange(len(rows)) + 1
    line = melody(piece)
    assert line[:, 0].tolist() == [72, 70, 55]
    assert line[:, 1].tolist() == [0, 400, 310]
    assert line[:, 2].tolist() == [3, 4, 6]


def test_one_pop_piece_in_twenty_is_never_seen():
    names = [f"song {number}.mid" for number in range(4000)]
    kept = study.unseen(names)
    assert 0.04 < kept.mean() < 0.06
    assert kept.tolist() == study.unseen(names).tolist()


def test_chosen_pieces_keep_their_notes():
    columns = np.arange(80, dtype=np.uint16).reshape(10, 8)
    corpus = Corpus(
        columns, np.array([0, 3, 4, 10]), np.array([0, 1, 0]), np.array([1, 0, 2], np.uint8), ("a", "b", "c"),
        (find_source("rolls"), find_source("pop909")),
    )  # fmt: skip
    assert study.pop_pieces(corpus).tolist() == [False, True, False]
    rest = choose(corpus, np.array([True, False, True]))
    assert rest.files == ("a", "c")
    assert rest.offsets.tolist() == [0, 3, 9]
    assert rest.columns.tolist() == np.delete(columns, 3, axis=0).tolist()
    assert rest.pedal.tolist() == [1, 2]


def test_area_counts_pairs_in_order():
    rng = np.random.default_rng(1)
    score, truth = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.3
    pairs = score[truth][:, None] - score[~truth][None]
    assert transfer.area(score, truth) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


def test_a_regression_tells_apart_what_differs():
    rng = np.random.default_rng(2)
    label = np.repeat([0, 1, 2], (100, 30, 20))
    x = rng.standard_normal((150, 4)).astype(np.float32) + 4 * np.eye(3, 4)[label].astype(np.float32)
    found = transfer.regression(x, label, 3)(x).argmax(1)
    assert np.mean(found == label) > 0.95


def test_folds_keep_compositions_whole():
    composition = np.repeat(np.arange(23), 4)
    fold = transfer.folds(composition).reshape(23, 4)
    assert np.all(fold == fold[:, :1])
    assert set(fold.ravel()) == set(range(transfer.FOLDS))


def test_masking_ratios_are_what_they_are_called():
    ratios = {run.name: run.config.masking for run in masking.RUNS if run.name.startswith("masked") and "%" in run.name}
    assert [masking.low for masking in ratios.values()] == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert all(one.low == one.high and not one.fields and not one.deadpan for one in ratios.values())


def arguments(*more: str):
    return study.options("").parse_args(["--workdir", "runs", *more])


def test_the_command_line_changes_all_runs():
    runs = [Run("a", pretraining(100, sample_every=50)), Run("b", finetuning(200), source="a@50%")]
    longer = study.settled(runs, arguments("--longer", "10", "--set", "model.dtype=bfloat16", "--set", "batch=16"))
    assert [run.config.steps for run in longer] == [1000, 2000]
    assert longer[0].config.sample_every == 500
    assert {(run.config.model.dtype, run.config.batch) for run in longer} == {("bfloat16", 16)}
    assert [run.name for run in study.settled(runs, arguments("--only", "b"))] == ["b"]
    with pytest.raises(PianistError, match="no run is called c; there are a, b"):
        study.settled(runs, arguments("--only", "c"))


@pytest.mark.slow
def test_a_study_trains_each_run_once_and_goes_on_from_another(tmp_path: Path, made_parts: Path, monkeypatch, capsys):
    model = small(width=16, feed_forward=32, heads=1, kv_heads=1, encoder_layers=1, decoder_layers=1, window=32)
    settings = {"batch": 8, "warmup": 1, "log_every": 2, "evaluate_every": 2, "validation_batches": 1}
    plain = Augmentation(0, 0, 0)
    runs = [
        Run("first", finetuning(4, model, sample_every=2, augmentation=plain, **settings), judged=False),
        Run("second", finetuning(4, model, augmentation=plain, **settings), source="first@50%"),
    ]
    told: list[list[str]] = []
    monkeypatch.setattr("sys.argv", ["study", "--data", str(made_parts), "--workdir", str(tmp_path / "runs"),
                                     "--results", str(tmp_path / "results")])  # fmt: skip

    def run_it() -> int:
        return study.main("tiny", runs, "", lambda found, picture: told.append([*found]))

    assert run_it() == 0
    written = (tmp_path / "results" / "tiny.json").read_text()
    results = json.loads(written)
    assert told == [["second"]]
    assert results["second"]["source"] == "first@50%"
    assert [step for step, _ in results["second"]["curve"]] == [2, 4]
    assert 10 < results["second"]["nats"]["note"] < 45
    first = {path.name: path.read_bytes() for path in (tmp_path / "runs").glob("*.safetensors")}
    assert {"first.safetensors", "first@50%.safetensors", "first@100%.safetensors"} < set(first)
    capsys.readouterr()
    assert run_it() == 0
    assert "---" not in capsys.readouterr().out
    assert (tmp_path / "results" / "tiny.json").read_text() == written
    study.curves(results, tmp_path / "curves.png", "tiny")
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert study.table(results).count("\n") == 2


def test_a_head_of_an_experiment_takes_the_cascades_place():
    sizes = {"width": 16, "feed_forward": 32, "heads": 4, "kv_heads": 1, "encoder_layers": 1, "decoder_layers": 1}
    heads = {}
    for head in ("cascade", "experiments.heads:Gru"):
        model = small(**sizes, head=head)
        heads[head] = jax.eval_shape(lambda model=model: initialise(model, jax.random.key(0)))["decoder"]["cascade"]
    assert set(heads["experiments.heads:Gru"]) - set(heads["cascade"]) == {"cell", "before", "after", "begin"}
    with pytest.raises(PianistError, match='must be "cascade" or experiments'):
        small(head="somewhere.else:Gru")
