"""Takes: whatever is done, each version that was made can be had again, and its files are its own."""

import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.rendering.comparison import compare_takes, picture_of
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.reuse import at_hand, made_again
from pianist_jax.rendering.takes import (
    find_take,
    keep_edits,
    keep_take,
    list_takes,
    name_take,
    read_take,
    switch_to,
    undo,
)
from tests.music.helpers import assert_same
from tests.rendering.models import made_up_score, written_for_two_hands
from tests.rendering.operations import (
    ALL_OPERATIONS,
    OPERATIONS,
    PLAIN,
    Model,
    applied,
    check,
    edited,
    heard,
    operate,
    predict,
    there,
)
from tests.rendering.renderings import made_up_rendering


@pytest.fixture(scope="module")
def score(tmp_path_factory):
    path = tmp_path_factory.mktemp("score") / "a.mid"
    write_midi(path, made_up_score(12))
    return path


@pytest.fixture(scope="module")
def two_bars(tmp_path_factory):
    return written_for_two_hands(tmp_path_factory.mktemp("score") / "b.mid", made_up_score(14))


def rendered(score, stem, seed=0, expression=NEUTRAL, extras=PLAIN):
    """As the command renders a single score."""
    rendering = made_up_rendering(score, seed, expression)
    if at_hand(stem, rendering.identity, extras, has_bars=True, takes=True):
        return None
    saved = made_again(stem, rendering.identity, extras, expression, takes=True)
    return saved if saved.files else keep_take(rendering, stem, extras)


def test_earlier_takes_are_kept(score, tmp_path):
    stem = tmp_path / "x"
    rendered(score, stem, seed=1)
    first = (tmp_path / "x.json").read_bytes()
    assert there(stem) == ["x.daw.mid", "x.json", "x.performance.mid"], "as ever, until there is a second take"
    assert rendered(score, stem, seed=2).take == 2
    assert (tmp_path / "x.takes" / "1.json").read_bytes() == first
    assert [(take.number, take.parent, take.current) for take in list_takes(stem)] == [(1, None, False), (2, 1, True)]
    assert rendered(score, stem, seed=2) is None, "the same command again"
    assert rendered(score, stem, seed=1).take == 1, "it has been made before"
    assert (tmp_path / "x.json").read_bytes() == first
    assert len(list_takes(stem)) == 2


def test_undo_and_forth(score, tmp_path):
    stem = tmp_path / "x"
    rendered(score, stem, seed=1)
    applied(stem, Expression(dynamics=0.5))
    assert applied(stem, Expression(dynamics=0.5)).take == 2, "the same again"
    assert applied(stem, Expression(dynamics=0.6)).take == 3
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert [undo(stem).take, undo(stem).take] == [2, 1]
    heard(tmp_path / "x.performance.mid", made_up_rendering(score, 1).notes)
    with pytest.raises(PianistError, match="take 1 is the first; there is nothing to undo"):
        undo(stem)
    assert switch_to(stem, 3).take == 3
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == files
    with pytest.raises(PianistError, match="there is no take 4; there are 1, 2, 3"):
        switch_to(stem, 4)


def test_edits_by_hand_are_takes(score, tmp_path):
    """The notes as they were before are known by the MIDI file."""
    stem = tmp_path / "x"
    rendered(score, stem)
    before = (tmp_path / "x.json").read_text()
    edited(stem, 7)
    assert [take.edited for take in list_takes(stem)] == [True]
    with pytest.raises(PianistError, match="was edited"):
        rendered(score, stem, seed=5)
    assert applied(stem).take == 2
    assert (tmp_path / "x.takes" / "1.json").read_text() == before
    edited(stem, 8)
    assert undo(stem).take == 2, "what was not applied is kept as a take, too"
    assert [read_take(stem, n).content["notes"][3]["performed"][0]["velocity"] for n in (2, 3)] == [7, 8]
    assert [take.parent for take in list_takes(stem)] == [None, 1, 2]
    assert all(take.by_hand for take in list_takes(stem)[1:])


def test_a_changed_expression_is_applied_as_if_it_had_been_performed(score, tmp_path):
    stem, wish = tmp_path / "x", Expression(timing=0.5, binary_pedal=True)
    rendered(score, stem, seed=1)
    new = made_again(
        stem, made_up_rendering(score, 1, wish).identity, PLAIN, wish, takes=True
    )  # fmt: skip
    assert new.take == 2
    heard(tmp_path / "x.performance.mid", made_up_rendering(score, 1, wish).notes)
    slower = Expression(tempo_scale=0.9)  # the model reads the score at another pace
    assert made_again(stem, made_up_rendering(score, 1, slower).identity, PLAIN, slower, takes=True).files == ()


def test_a_picture_is_never_that_of_another_take(score, tmp_path):
    stem = tmp_path / "x"
    rendered(score, stem, seed=1)
    notes = read_midi(tmp_path / "x.performance.mid")
    assert rendered(score, stem, seed=1, extras=Extras(plot=True)).take == 1
    first = (tmp_path / "x.png").read_bytes()
    assert_same(read_midi(tmp_path / "x.performance.mid"), notes)
    rendered(score, stem, seed=2)
    assert (tmp_path / "x.png").read_bytes() != first
    undo(stem)
    assert (tmp_path / "x.png").read_bytes() == first


def test_fewer_samples_leave_no_file_behind(score, tmp_path):
    stem = tmp_path / "x"
    keep_take(made_up_rendering(score, samples=2), stem, PLAIN)
    keep_take(made_up_rendering(score, seed=4), stem, PLAIN)
    assert there(stem) == ["x.daw.mid", "x.json", "x.performance.mid", "x.takes"]
    undo(stem)
    names = ["x-1.daw.mid", "x-1.performance.mid", "x-2.daw.mid", "x-2.performance.mid", "x.json", "x.takes"]
    assert there(stem) == names


def test_changed_files_and_those_of_others_are_kept(score, tmp_path):
    stem = tmp_path / "x"
    rendered(score, stem)
    applied(stem, Expression(dynamics=2.0))
    (tmp_path / "x.daw.mid").write_bytes(b"mine")
    for act in (lambda: undo(stem), lambda: rendered(score, stem, seed=3), lambda: switch_to(stem, 1)):
        with pytest.raises(PianistError, match=r"x\.daw\.mid: was changed"):
            act()
    assert (tmp_path / "x.daw.mid").read_bytes() == b"mine"
    assert [take.current for take in list_takes(stem)] == [False, True]
    assert undo(stem, force=True).take == 1
    (tmp_path / "y.json").write_text("{}")
    with pytest.raises(PianistError, match=r"y\.json: not the JSON file of a rendering"):
        keep_take(made_up_rendering(score), tmp_path / "y", PLAIN)
    (tmp_path / "x.takes" / "2.json").write_text("{}")
    assert [take.identity == {} for take in list_takes(stem)] == [False, True]
    with pytest.raises(PianistError, match=r"2\.json: not the JSON file of a rendering"):
        switch_to(stem, 2)


def test_names(score, tmp_path):
    stem = tmp_path / "x"
    rendered(score, stem)
    applied(stem, Expression(dynamics=2.0))
    name_take(stem, 2, "for Anna")
    assert [take.name for take in list_takes(stem)] == ["", "for Anna"]
    assert (find_take(stem, "for Anna"), find_take(stem, "1")) == (2, 1)
    for number, name in ((3, "x"), (2, "12"), (2, "a\nb"), (2, "x" * 99)):
        with pytest.raises(PianistError):
            name_take(stem, number, name)
    name_take(stem, 2, "")
    with pytest.raises(PianistError, match="there is no take for Anna"):
        find_take(stem, "for Anna")


def test_comparison(score, tmp_path):
    stem = tmp_path / "x"
    rendered(score, stem)
    edited(stem, 101)
    applied(stem)
    ((changed, rows),) = compare_takes(stem, 1, 2)
    assert (int(changed.velocity.sum()), int(changed.onset.sum()), changed.pedal) == (1, 0, False)
    assert changed.in_words().startswith("1 of 12 notes: velocity 1")
    notes = [read_take(stem, n).rendering.notes for n in (1, 2)]
    told = {row[0]: row[1:] for row in rows}
    np.testing.assert_allclose(told["velocity: mean"][:2], [own.velocity.mean() for own in notes])
    assert told["tempo: spread of log-IOI"][2] == pytest.approx(1)
    assert picture_of(stem, 1, 2) == tmp_path / "x.takes" / "1-2.png"
    other = tmp_path / "b.mid"
    write_midi(other, made_up_score(9))
    keep_take(made_up_rendering(other), stem, PLAIN, force=True)
    with pytest.raises(PianistError, match="two versions of the score"):
        compare_takes(stem, 1, 3)


class Killed(BaseException):
    """As `kill -9` stops a process: nothing of it runs any more."""


@contextmanager
def killed_after(steps):
    """Stop before the file operation of this number, and tidy nothing up."""
    with pytest.MonkeyPatch.context() as patched:
        left = [steps]
        for name in ("replace", "unlink"):
            act = getattr(Path, name)

            def acting(path, *arguments, act=act, **named):
                if left[0] == 0:
                    raise Killed
                left[0] -= 1
                return act(path, *arguments, **named)

            patched.setattr(Path, name, acting)
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with suppress(Killed):
            yield


def ends_as_the_model_says(score, operations):
    with tempfile.TemporaryDirectory() as folder:
        stem, model = Path(folder) / "x", Model()
        for operation in [("render", 0), *operations]:
            if predict(model, operation, score):
                operate(operation, score, stem)
            else:
                with pytest.raises(PianistError):
                    operate(operation, score, stem)
        check(model, stem)


@settings(max_examples=6, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=7))
def test_any_sequence_ends_as_a_simple_model_says(two_bars, operations):
    ends_as_the_model_says(two_bars, operations)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(operations=st.lists(ALL_OPERATIONS, max_size=12))
def test_many_sequences_end_as_a_simple_model_says(two_bars, operations):
    ends_as_the_model_says(two_bars, operations)


@settings(max_examples=12, deadline=None)
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=3), steps=st.integers(0, 12))
def test_kill_9_loses_no_take(two_bars, operations, steps):
    with tempfile.TemporaryDirectory() as folder:
        stem, model = Path(folder) / "x", Model()
        last = operations[-1]
        for operation in [("render", 0), *operations[:-1]]:
            if predict(model, operation, two_bars):
                operate(operation, two_bars, stem)
        kept = dict(model.notes)
        if not predict(model, last, two_bars):
            return
        with killed_after(steps):
            operate(last, two_bars, stem)
        for number, notes in kept.items():
            if number in [take.number for take in list_takes(stem) if not take.edited]:
                assert_same(read_take(stem, number).rendering.notes, notes)
        assert {take.number for take in list_takes(stem)} >= kept.keys()
        if keep_edits(stem) is None and last[0] in ("render", "take"):  # the same again ends as if nothing had been
            operate(last, two_bars, stem)
            check(model, stem)
