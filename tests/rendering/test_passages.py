"""Bars performed anew in a rendering: nothing else changes, and the same wish gives the same bars."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.config import DEFAULT_SAMPLING
from pianist_jax.errors import PianistError
from pianist_jax.inference.likelihood import slot_nll
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import NOTE_TOKENS
from pianist_jax.performance.expression import Expression
from pianist_jax.performance.fitting import ends
from pianist_jax.performance.parameters import chords_of, group_chords
from pianist_jax.performance.passage import Passage
from pianist_jax.rendering import passages
from pianist_jax.rendering.order import Order
from pianist_jax.rendering.outputs import Saved
from pianist_jax.rendering.passages import known_tokens, render_bars, rerender_file
from pianist_jax.rendering.renderer import read_piece, render, sample_key
from pianist_jax.rendering.touch import touch
from pianist_jax.score.bars import notes_in
from pianist_jax.score.hands import RIGHT_HAND
from tests.rendering.models import lively_model, made_up_score, perform_bars

EXAMPLES = Path(__file__).parents[2] / "examples"
CHORALE = EXAMPLES / "chopin-prelude-op28-20.mid"
MINUET = EXAMPLES / "petzold-minuet-bwvanh114.mid"


@pytest.fixture(scope="module")
def piece():
    return read_piece(CHORALE)


@pytest.fixture(scope="module")
def chorale():
    return render(CHORALE, lively_model(), seed=2)


def begin_behind(notes, score, last):
    """When the first chord behind a passage begins: not always with its lowest note."""
    return notes.onset[last:][group_chords(score.onset[last:])[0] == 0].min() if last < len(score) else np.inf


def pedal_outside(notes, begin, stop):
    outside = (notes.pedal_time < begin) | (notes.pedal_time >= stop)
    return notes.pedal_time[outside].tolist(), notes.pedal_value[outside].tolist()


# The model's windows have 64 notes, a bar about 22: within one window, over several, at both ends, all of it.
@pytest.mark.parametrize(
    "bars", [(5, 5), (1, 13), *(pytest.param(bars, marks=pytest.mark.slow) for bars in ((4, 9), (1, 2), (12, 13)))]
)
def test_only_these_bars_change(piece, chorale, bars):
    free = notes_in(piece.grid, bars)
    new = perform_bars(piece, chorale, lively_model(), bars, seed=5, takes=2).notes
    old = chorale.notes
    for name in ("pitch", "onset", "duration", "velocity"):
        np.testing.assert_array_equal(getattr(new, name)[~free], getattr(old, name)[~free])
    assert np.mean(new.velocity[free] != old.velocity[free]) > 0.8
    assert np.mean(new.duration[free] != old.duration[free]) > 0.8
    last = ends(free)[1]
    begin = old.onset[free].min()
    assert new.onset[free].min() == begin
    stop = begin_behind(old, chorale.score, last)
    assert pedal_outside(new, begin, stop) == pedal_outside(old, begin, stop)


def test_the_same_wish_gives_the_same_bars(piece, chorale):
    model = lively_model()
    once = perform_bars(piece, chorale, model, (5, 6), seed=5, takes=2)
    again = perform_bars(piece, once, model, (5, 6), seed=5, takes=2)
    for name in ("pitch", "onset", "duration", "pedal_time", "pedal_value"):
        np.testing.assert_array_equal(getattr(once.notes, name), getattr(again.notes, name))
    # The loudness that it is led back to was rounded by the first time.
    np.testing.assert_allclose(once.notes.velocity, again.notes.velocity, atol=1)
    assert once.identity == again.identity
    assert [edit["bars"] for edit in once.identity["edits"]] == [[5, 6]]
    assert chorale.identity["edits"] == []
    other = perform_bars(piece, once, model, (5, 6), seed=6, takes=2)
    assert [edit["seed"] for edit in other.identity["edits"]] == [6]
    assert np.any(other.notes.velocity != once.notes.velocity)
    both = perform_bars(piece, once, model, (9, 9), seed=6, takes=2)
    assert [edit["bars"] for edit in both.identity["edits"]] == [[5, 6], [9, 9]]


def asynchronies(notes, score, right):
    """ms from the left to the right hand in each chord that both strike."""
    of = group_chords(score.onset)[0]
    both = [own for own in (of == chord for chord in np.unique(of)) if 0 < right[own].sum() < own.sum()]
    return np.array([notes.onset[own & right].mean() - notes.onset[own & ~right].mean() for own in both])


@pytest.mark.parametrize("hand", ["right", "left"])
def test_one_hand_goes_with_the_other(hand):
    minuet, model = read_piece(MINUET), lively_model()
    old = render(MINUET, model, seed=2, draws=1)
    new = perform_bars(minuet, old, model, hand=hand, seed=5, takes=2)
    assert minuet.grid is not None
    right = minuet.grid.hand == RIGHT_HAND
    free = right if hand == "right" else ~right
    for name in ("pitch", "onset", "duration", "velocity"):
        np.testing.assert_array_equal(getattr(new.notes, name)[~free], getattr(old.notes, name)[~free])
    assert np.mean(new.notes.velocity[free] != old.notes.velocity[free]) > 0.8
    assert np.mean(new.notes.duration[free] != old.notes.duration[free]) > 0.8
    assert (new.notes.pedal_time.tolist(), new.notes.pedal_value.tolist()) == (
        old.notes.pedal_time.tolist(),
        old.notes.pedal_value.tolist(),
    )
    before, after = asynchronies(old.notes, old.score, right), asynchronies(new.notes, old.score, right)
    assert len(after) == 124
    assert np.any(after != before)
    assert abs(np.median(after) - np.median(before)) < 2
    # The hands are no further apart than pianists whom the model knows strike them.
    struck = [
        touch(chords_of(old.score), minuet.tokens, old.notes, sample_key(k, "", 0), DEFAULT_SAMPLING) for k in range(16)
    ]
    widest = max(np.abs(asynchronies(notes, old.score, right)).max() for notes in struck)
    assert np.abs(after).max() <= 1.1 * widest
    # What it strikes alone comes between its neighbours.
    of = group_chords(old.score.onset)[0]
    own = [new.notes.onset[free & (of == chord)].mean() for chord in np.unique(of[free])]
    assert np.all(np.diff(own) >= 0)
    assert new.identity["edits"][-1]["hand"] == hand
    assert "bars" not in new.identity["edits"][-1]
    again = perform_bars(minuet, new, model, hand=hand, seed=5, takes=2)
    assert again.identity == new.identity


def test_several_ranges_and_a_hand(piece, chorale):
    made = perform_bars(piece, chorale, lively_model(), [(2, 3), (9, 10)], hand="right", seed=5, takes=2)
    right = piece.grid.hand == RIGHT_HAND
    free = (notes_in(piece.grid, (2, 3)) | notes_in(piece.grid, (9, 10))) & right
    for name in ("onset", "duration", "velocity"):
        now, before = getattr(made.notes, name), getattr(chorale.notes, name)
        np.testing.assert_array_equal(now[~free], before[~free])
    for bars in ((2, 3), (9, 10)):
        own = notes_in(piece.grid, bars) & right
        assert np.mean(made.notes.velocity[own] != chorale.notes.velocity[own]) > 0.8
    assert made.identity["edits"][-1]["bars"] == [[2, 3], [9, 10]]
    one_by_one = perform_bars(piece, chorale, lively_model(), (2, 3), hand="right", seed=5, takes=2)
    one_by_one = perform_bars(piece, one_by_one, lively_model(), (9, 10), hand="right", seed=5, takes=2)
    for name in ("onset", "duration", "velocity"):
        np.testing.assert_array_equal(getattr(made.notes, name), getattr(one_by_one.notes, name))


def test_every_performance_gets_bars_of_its_own(piece):
    two = render(CHORALE, lively_model(), samples=2)
    new = render_bars(CHORALE, two, lively_model(), (3, 3), seed=1, takes=2)
    free = notes_in(piece.grid, (3, 3))
    for old, made in zip(two.performances, new.performances, strict=True):
        assert np.any(old.velocity[free] != made.velocity[free])
    assert np.any(new.performances[0].velocity[free] != new.performances[1].velocity[free])


def test_expression_of_the_bars_alone(piece, chorale):
    free = notes_in(piece.grid, (5, 6))
    wish = Expression(keep=("velocity",), binary_pedal=True)
    new = perform_bars(piece, chorale, lively_model(), (5, 6), expression=wish, takes=2).notes
    assert new.velocity[free].tolist() == piece.score.velocity[free].tolist()
    begin, stop = new.onset[free].min(), begin_behind(new, chorale.score, ends(free)[1]) - 1
    inside = (new.pedal_time >= begin) & (new.pedal_time < stop)
    assert set(new.pedal_value[inside].tolist()) <= {0, 127}


def test_the_take_that_leads_on_best_is_kept(piece, chorale, monkeypatch):
    """What the model itself finds likeliest behind the bars, by its own reckoning."""
    heard = []
    best = passages.likeliest_take

    def listening(tokens, takes, free, model):
        chosen = best(tokens, takes, free, model)
        last = ends(free)[1]
        totals = []
        for take in takes:
            played = np.stack([known_tokens(take)[last - 32 : last + 32]] * 2)
            score = tokens.at(slice(last - 32, last + 32)).map(lambda group: np.stack([group] * 2))
            totals.append(float(slot_nll(model, score, played, np.ones((2, 64), bool))[0, 32:].sum()))
        heard.append((chosen, totals))
        return chosen

    monkeypatch.setattr(passages, "likeliest_take", listening)
    for seed in range(8):
        perform_bars(piece, chorale, lively_model(), (5, 5), seed=seed, takes=2)
    assert [chosen for chosen, _ in heard] == [int(np.argmin(totals)) for _, totals in heard]
    assert {chosen for chosen, _ in heard} == {0, 1}


def test_known_notes_out_of_order():
    """Somebody has moved a note before the one that stands before it in the score."""
    columns = (np.array(column) for column in ([60, 62, 64], [100, 90, 500], [50, 60, 70], [64, 65, 66], [90], [127]))
    notes = Notes(*columns)
    tokens = known_tokens(notes)
    assert tokens.shape == (3, NOTE_TOKENS)
    assert (tokens[:, 1] - tokens[0, 1]).tolist() == [0, 0, 400]


def test_what_cannot_be(piece, chorale):
    model = lively_model()
    with pytest.raises(PianistError, match=r"no bars 12-14: the score has bars 1-13"):
        perform_bars(piece, chorale, model, (12, 14))
    unknown = dataclasses.replace(piece, grid=dataclasses.replace(piece.grid, part_names=("Piano 1", "Piano 2")))
    with pytest.raises(PianistError, match=r"chopin.*: the score does not tell which notes the left hand plays"):
        perform_bars(unknown, chorale, model, hand="left")
    with pytest.raises(PianistError, match="--hand keeps its place in time"):
        perform_bars(piece, chorale, model, hand="left", expression=Expression(tempo_scale=1.1))
    with pytest.raises(PianistError, match="another version of this score"):
        render_bars(made_up_score(20), chorale, model, (1, 2))
    with pytest.raises(PianistError, match="notes without bars"):
        perform_bars(dataclasses.replace(piece, grid=None), chorale, model, (1, 2))
    with pytest.raises(PianistError, match="keep their place in time"):
        perform_bars(piece, chorale, model, (1, 2), expression=Expression(tempo_scale=1.1))
    later = dataclasses.replace(piece.grid, onset=piece.grid.onset + 4 * 480 * (piece.grid.onset >= 4 * 480))
    with pytest.raises(PianistError, match="no note begins in bars 2-2"):
        perform_bars(dataclasses.replace(piece, grid=later), chorale, model, (2, 2))


def test_files(chorale, tmp_path):
    stem, passage = tmp_path / "x", Passage(((3, 4),))
    orders = [Order(tmp_path, lively_model(), seed=seed) for seed in (4, 5)]
    with pytest.raises(PianistError, match=r"x\.json: no rendering there"):
        rerender_file(CHORALE, stem, orders[0], passage)
    chorale.save(tmp_path, name="x", plot=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    saved, made = rerender_file(CHORALE, stem, orders[0], passage, takes=2)
    assert made is not None
    assert sorted(path.name for path in saved.files) == ["x.daw.mid", "x.json", "x.performance.mid", "x.png"]
    assert all(path.read_bytes() != before[path.name] for path in saved.files)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert rerender_file(CHORALE, stem, orders[0], passage, takes=2) == (
        Saved((tmp_path / "x.json",), take=2),
        None,
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == after
    (tmp_path / "x.performance.mid").write_bytes(b"mine")
    with pytest.raises(PianistError, match=r"x\.performance\.mid: was changed"):
        rerender_file(CHORALE, stem, orders[1], passage, takes=2)
    assert (tmp_path / "x.performance.mid").read_bytes() == b"mine"
