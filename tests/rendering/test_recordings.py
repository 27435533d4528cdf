"""A recording as a take: its own notes stay, the model plays the rest, and of another piece nothing is written."""

import dataclasses

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import Notes
from pianist_jax.performance.passage import Passage
from pianist_jax.rendering.order import Order
from pianist_jax.rendering.passages import rerender_file
from pianist_jax.rendering.recordings import perform_recording, recording_in_words, render_recording, take_recording
from pianist_jax.rendering.renderer import read_piece
from pianist_jax.rendering.stored import describe_rendering, read_rendering
from pianist_jax.rendering.takes import list_takes
from pianist_jax.score.bars import notes_in
from tests.rendering.models import lively_model, made_up_score
from tests.rendering.renderings import CHORALE, made_up_rendering

COLUMNS = ("pitch", "onset", "duration", "velocity")


def recording_of(played: Notes, missing: np.ndarray, extra: int) -> Notes:
    """The performance without some notes, and with some that are in no score."""
    kept = {name: getattr(played, name)[~missing] for name in COLUMNS}
    late = int(played.end.max()) + 500
    more = {
        "pitch": 100 + np.arange(extra),
        "onset": late + 100 * np.arange(extra),
        "duration": np.full(extra, 50),
        "velocity": np.full(extra, 33),
    }
    return dataclasses.replace(played, **{name: np.concatenate([kept[name], more[name]]) for name in COLUMNS})


@pytest.fixture
def missing():
    return np.random.default_rng(3).random(len(made_up_rendering().score)) < 0.15


@pytest.fixture
def recording(tmp_path, missing):
    path = tmp_path / "mine.mid"
    write_midi(path, recording_of(made_up_rendering().notes, missing, 4))
    return path


def test_what_was_played_stays_and_the_rest_is_performed(recording, missing):
    piece, played = read_piece(CHORALE), made_up_rendering().notes
    made = perform_recording(piece, recording, lively_model(), seed=2)
    counts = made.report["counts"]
    gone = int(missing.sum())
    assert (counts["matched"], counts["filled_in"], counts["left_out"]) == (286 - gone, gone, 4)
    assert recording_in_words(counts) == (
        f"{286 - gone} of 286 notes are as they were played; {gone} were missing and are filled in; "
        "4 are in no score and are left out"
    )
    for name in ("pitch", "onset", "velocity"):
        np.testing.assert_array_equal(getattr(made.notes, name)[~missing], getattr(played, name)[~missing])
    assert made.notes.pedal_time.tolist() == read_midi(recording).pedal_time.tolist()
    # What is filled in comes with its chord: nowhere far from where the one who played had it.
    assert np.abs(made.notes.onset - played.onset)[missing].max() < 300
    assert made.report["tempo"]["factor"] == pytest.approx(1, abs=0.02)
    again = render_recording(CHORALE, recording, lively_model(), seed=2)
    assert again.identity == made.identity
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(again.notes, name), getattr(made.notes, name))
    other = perform_recording(piece, recording, lively_model(), seed=3)
    assert np.any(other.notes.velocity[missing] != made.notes.velocity[missing])


def test_a_take_in_which_bars_are_replaced(recording, tmp_path):
    stem = tmp_path / "out" / "prelude"
    order = Order(stem.parent, lively_model(), seed=0)
    saved, made = take_recording(CHORALE, stem, order, recording)
    assert made is not None
    assert {path.name for path in saved.files} == {"prelude.performance.mid", "prelude.daw.mid", "prelude.json"}
    stored = read_rendering(stem.with_suffix(".json"))
    assert not stored.by_hand
    np.testing.assert_array_equal(stored.rendering.score.onset, made.score.onset)
    assert ("recording", "as played in mine.mid") in describe_rendering(stem.with_suffix(".json"))
    before = {path: path.read_bytes() for path in saved.files}
    again, nothing = take_recording(CHORALE, stem, order, recording)
    assert nothing is None
    assert (again.take, {path: path.read_bytes() for path in again.files}) == (1, before)
    _, anew = rerender_file(CHORALE, stem, dataclasses.replace(order, seed=1), Passage(((5, 6),)), takes=2)
    assert anew is not None
    assert anew.grid is not None
    free = notes_in(anew.grid, (5, 6))
    np.testing.assert_array_equal(anew.notes.velocity[~free], made.notes.velocity[~free])
    assert np.mean(anew.notes.velocity[free] != made.notes.velocity[free]) > 0.8
    assert [take.parent for take in list_takes(stem)] == [None, 1]


def test_of_something_else_nothing_is_written(tmp_path):
    other = tmp_path / "other.mid"
    write_midi(other, made_up_score(286, seed=4))
    out = tmp_path / "out" / "prelude"
    with pytest.raises(PianistError, match=r"other\.mid: plays \d+% of the score's notes, too few"):
        take_recording(CHORALE, out, Order(out.parent, lively_model()), other)
    empty = tmp_path / "empty.mid"
    played = made_up_rendering().notes
    write_midi(empty, recording_of(played, np.ones(len(played), bool), 0))
    with pytest.raises(PianistError, match=r"empty\.mid: "):
        take_recording(CHORALE, out, Order(out.parent, lively_model()), empty)
    assert not out.parent.exists()
