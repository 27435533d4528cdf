"""Batches from shards: what stands in them, in which order, and that the order never depends on who makes them."""

import itertools
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from pianist_jax.config import TrainConfig, preset
from pianist_jax.data.packing import lay_apart, lay_packed, padding
from pianist_jax.data.pipeline import Batch, make_loader
from pianist_jax.data.records import StoredPiece, pack_piece
from pianist_jax.data.sources import Source
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import initialise
from tests.data_room.made_shards import ROLES, make_folders, make_pairs_folder, numbered_tokens, write_prepared
from tests.training.job import mean_loss

WINDOW = 128


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    return make_folders(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    return make_pairs_folder(tmp_path_factory.mktemp("pairs"))


def drawn(count: int, *arguments, **options) -> list[Batch]:
    with make_loader(*arguments, **{"batch": 8, "window": WINDOW, **options}) as loader:
        return list(itertools.islice(loader, count))


def assert_same(one: Batch, other: Batch) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("packed", [False, True])
def test_rows_hold_the_notes_of_their_pieces(folders, packed):
    for batch in drawn(20, folders, packed=packed):
        for row in range(8):
            values, segment = batch["performance"][row], batch["segment_ids"][row]
            np.testing.assert_array_equal(segment > 0, batch["note_mask"][row])
            assert not values[segment == 0].any()
            assert packed <= bool((segment > 0).all())
            assert packed or segment.max() == 1
            for number in range(1, segment.max() + 1):
                piece = values[segment == number]
                assert len(np.unique(piece[:, 0])) == 1
                np.testing.assert_array_equal(np.diff(piece[:, 3]), 1)
                np.testing.assert_array_equal(batch["position"][row, segment == number], np.arange(len(piece)))
                assert batch["expressive"][row] == (piece[0, 0] < 34)
                assert batch["has_pedal"][row] == (piece[0, 0] in (30, 32, 33))


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
def test_training_takes_the_batches_as_they_are(folders, pairs, task):
    config = TrainConfig(model=preset("note-tiny"), task=task, batch=8, window=WINDOW)
    (batch,) = drawn(1, folders if task == "pretrain" else [pairs])
    params = jax.eval_shape(lambda: initialise(config.model, jax.random.key(0)))

    def loss(params: Any, batch: Any, key: Any) -> Any:
        return mean_loss(params, batch, config, key, train=True)[0]

    assert jax.eval_shape(loss, params, batch, jax.random.key(0)).shape == ()


def test_rows_of_coarse_transcriptions_are_marked(tmp_path):
    tokens = numbered_tokens(np.random.default_rng(0), 100, 0).astype(np.int32)
    for name in ("emopia", "aria-midi"):
        source = Source(name, "transcription", "switch", "", 1.0, coarse=name == "aria-midi")
        record = pack_piece(StoredPiece(tokens, name, "1.mid", source.kind, "switch"))
        write_prepared(tmp_path / name, source, [(record, {"file": "1.mid"})])
    batches = drawn(4, [tmp_path / "emopia", tmp_path / "aria-midi"])
    assert np.mean([batch["coarse"] for batch in batches]) == pytest.approx(0.5, abs=0.1)


def test_packing_uses_every_note_and_wastes_no_place(folders):
    lengths = np.array([300, 64, 5000, 70, 3])
    packed = lay_packed(lengths, WINDOW, 64, np.random.default_rng(0))
    seen = [np.zeros(size, int) for size in lengths]
    for number in range(len(packed)):
        spans = packed.spans(number)
        assert sum(end - begin for _, begin, end in spans) == WINDOW
        for piece, begin, end in spans:
            seen[piece][begin:end] += 1
    assert all(one.min() >= 2 for one in seen)  # two passes, half a window apart
    assert sum(one.sum() for one in seen) == len(packed) * WINDOW < 2.1 * lengths.sum()
    assert padding(packed, WINDOW) == 0
    apart = lay_apart(np.array([64, 128, 200]), WINDOW, WINDOW)
    assert padding(apart, WINDOW) == pytest.approx(64 / (4 * 128))


def test_one_short_piece_fills_a_window(folders):
    packed = lay_packed(np.array([50]), WINDOW, WINDOW, np.random.default_rng(0))
    assert packed.spans(0) == [(0, 0, 50), (0, 0, 50), (0, 0, 28)]


def test_pairs_come_with_their_scores(pairs):
    for batch in drawn(3, [pairs], packed=True):
        score = batch["score"].notes
        assert score.shape == batch["performance"].shape
        np.testing.assert_array_equal(score[..., (0, 2, 3)], batch["performance"][..., (0, 2, 3)])
        assert (score != batch["performance"]).any()
    (validation,) = drawn(1, [pairs], split="validation", batch=1)
    assert validation["note_mask"].sum() == 90


def test_corpora_are_mixed_by_weight(folders):
    def share(**options) -> float:
        batches = drawn(40, folders, window=64, stride=64, packed=True, **options)
        return float(np.mean([batch["expressive"] for batch in batches]))

    ours, theirs = sum(ROLES["ecompetition"]), sum(ROLES["pianocore-scores"])
    assert share() == pytest.approx(ours / (ours + 0.25 * theirs), abs=0.02)
    weights = {"ecompetition": 1.0, "pianocore-scores": ours / theirs}
    assert share(weights=weights) == pytest.approx(0.5, abs=0.03)
    assert share(weights={"pianocore-scores": 0.0}) == 1


def test_a_corpus_is_shuffled_as_a_whole_and_anew_each_time(folders):
    options: dict[str, Any] = {"batch": 1, "window": 64, "stride": 64, "weights": {"pianocore-scores": 0.0}}
    notes = [tuple(batch["performance"][0, 0, (0, 3)].tolist()) for batch in drawn(82, folders, **options)]
    notes = [(pitch, place) for pitch, place in notes if pitch != 31]  # those without pedal come round by themselves
    first, second = notes[:38], notes[38:76]
    assert first != second
    assert sorted(first) == sorted(second)
    assert len(set(first)) == 38  # 5, 1 and 32 windows of 64 notes
    long = [place for pitch, place in first if pitch == 33]
    assert np.corrcoef(np.arange(len(long)), long)[0, 1] < 0.4
    assert drawn(3, folders)[2]["performance"].tolist() != drawn(3, folders, seed=1)[2]["performance"].tolist()


def test_a_restored_loader_gives_the_next_batch_on_any_number_of_processes(folders):
    whole = drawn(6, folders, packed=True)
    with make_loader(folders, batch=8, window=WINDOW, packed=True) as loader:
        for _ in range(3):
            next(loader)
        state = loader.get_state()
    for count in (1, 2, 4):
        shares = []
        for index in range(count):
            with make_loader(
                folders, batch=8, window=WINDOW, packed=True, process_index=index, process_count=count
            ) as loader:
                next(loader)
                loader.set_state(state)
                shares.append([next(loader) for _ in range(3)])
                assert loader.get_state()["next_example"] == 48
        for later, rows in zip(whole[3:], zip(*shares, strict=True), strict=True):
            assert_same(later, {name: np.concatenate([share[name] for share in rows]) for name in later})


def test_another_batch_size_goes_on_with_the_next_example(folders):
    whole = drawn(4, folders)
    with make_loader(folders, batch=8, window=WINDOW) as loader:
        next(loader)
        state = loader.get_state()
    with make_loader(folders, batch=24, window=WINDOW) as loader:
        loader.set_state(state)
        larger = next(loader)
    assert_same(larger, {name: np.concatenate([batch[name] for batch in whole[1:]]) for name in larger})


@pytest.mark.slow
def test_workers_change_nothing(folders):
    whole = drawn(7, folders, packed=True)
    for workers, ahead in ((1, 1), (2, 3)):
        with make_loader(folders, batch=8, window=WINDOW, packed=True, workers=workers, ahead=ahead) as loader:
            begun = [next(loader) for _ in range(2)]
            state = loader.get_state()
            loader.set_state(state)
            for one, other in zip(whole, begun + [next(loader) for _ in range(5)], strict=True):
                assert_same(one, other)


def test_state_of_other_data_is_refused(folders):
    with make_loader(folders, batch=8, window=WINDOW) as loader:
        state = loader.get_state()
    others: list[dict[str, Any]] = [
        {"seed": 1}, {"window": 64}, {"packed": True}, {"weights": {"ecompetition": 2.0}}
    ]  # fmt: skip
    for options in others:
        loader = make_loader(folders, **{"batch": 8, "window": WINDOW, **options})
        with pytest.raises(PianistError, match="not those of the saved run"):
            loader.set_state(state)
    with pytest.raises(PianistError, match="not those of the saved run"):
        make_loader(folders[:1], batch=8, window=WINDOW).set_state(state)


def test_what_cannot_be_loaded_is_named(folders, pairs, tmp_path):
    with pytest.raises(PianistError, match="8 does not divide among 3"):
        make_loader(folders, batch=8, window=WINDOW, process_count=3)
    with pytest.raises(PianistError, match="not both kinds"):
        make_loader([*folders, pairs], batch=8, window=WINDOW)
    with pytest.raises(PianistError, match="no prepared corpus"):
        make_loader([tmp_path], batch=8, window=WINDOW)
    with pytest.raises(PianistError, match="some weight"):
        make_loader(folders, batch=8, window=WINDOW, weights=dict.fromkeys(ROLES, 0.0))
    with pytest.raises(PianistError, match="'ecompetiton': give 0 or more for ecompetition, pianocore-scores"):
        make_loader(folders, batch=8, window=WINDOW, weights={"ecompetiton": 2.0})
    with pytest.raises(PianistError, match="stride is 0"):
        make_loader(folders, batch=8, window=WINDOW, stride=0)
    with pytest.raises(PianistError, match="no split 'test'"):
        make_loader(folders, batch=8, window=WINDOW, split="test")


def test_a_damaged_shard_is_named(tmp_path):
    folder = make_folders(tmp_path)[0]
    (shard,) = folder.glob("*.array_record")
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(PianistError, match=shard.name):
        make_loader([folder], batch=8, window=WINDOW)
    shard.unlink()
    with pytest.raises(PianistError, match="missing"):
        make_loader([folder], batch=8, window=WINDOW)
