"""Style in renderings: samples of their own, bars performed anew, takes."""

import dataclasses

import numpy as np
import pytest

from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.parameters import chords_of
from pianist_jax.performance.style import UNITS, Style, measured_of
from pianist_jax.rendering.renderer import content_hash, read_piece, render, render_all
from pianist_jax.rendering.result import for_sample
from pianist_jax.rendering.reuse import made_again
from pianist_jax.rendering.stored import apply_edits, read_rendering, wanted_in_words
from pianist_jax.rendering.takes import keep_take
from pianist_jax.score.bars import notes_in
from tests.rendering.models import lively_model, perform_bars
from tests.rendering.renderings import CHORALE, made_up_rendering
from tests.rendering.test_takes import PLAIN

SHORT = Expression(style=Style(articulation=-2))


@pytest.fixture(scope="module")
def piece():
    return read_piece(CHORALE)


def hashes(rendering):
    return [content_hash(notes) for notes in rendering.performances]


def log_lengths(rendering, chosen=slice(None)):
    return np.log(rendering.notes.duration[chosen]).mean()


def test_a_rendering_in_a_style(piece):
    plain, short = (render(CHORALE, lively_model(), expression=wish) for wish in (NEUTRAL, SHORT))
    before, after = (measured_of(chords_of(one.score), one.notes)["articulation"] for one in (plain, short))
    assert after - before == pytest.approx(-2 * UNITS["articulation"], abs=0.1 * UNITS["articulation"])
    assert plain.identity["settings"]["expression"] == NEUTRAL.metadata()
    assert short.identity["settings"]["expression"]["style"] == {"articulation": -2.0}
    assert hashes(plain.edited(SHORT)) == hashes(short)
    assert wanted_in_words(short.identity["settings"]["expression"]) == "style articulation -2"


def test_bars_performed_anew_keep_the_style(piece):
    plain, short = (render(CHORALE, lively_model(), expression=wish) for wish in (NEUTRAL, SHORT))
    free = notes_in(piece.grid, (3, 6))
    made = [log_lengths(perform_bars(piece, one, lively_model(), (3, 6), takes=1), free) for one in (plain, short)]
    assert made[1] - made[0] == pytest.approx(-2 * UNITS["articulation"], abs=0.1)


def test_samples_of_a_variety(piece):
    def made(variety, samples=3, seed=0):
        wish = Expression(style=Style(variety=variety))
        ((_, one),) = render_all([piece], lively_model(), samples=samples, seed=seed, expression=wish)
        return one

    plain, varied = made(0.0), made(1.0)
    assert hashes(plain) == hashes(render(CHORALE, lively_model(), samples=3))
    assert hashes(varied) == hashes(made(1.0))
    chords = chords_of(piece.score)
    told = plain.identity["seed"], piece.content
    for k, (one, other) in enumerate(zip(plain.performances, varied.performances, strict=True)):
        style = for_sample(Expression(style=Style(variety=1.0)), *told, k).style
        off = measured_of(chords, other)["level"] - measured_of(chords, one)["level"]
        assert off == pytest.approx(style.level * UNITS["level"], abs=0.2 * UNITS["level"])
    assert len(set(hashes(varied))) == 3
    again = perform_bars(piece, varied, lively_model(), (2, 2), takes=1)
    assert [len(notes) for notes in again.performances] == [len(piece.score)] * 3


def test_takes_know_the_style(tmp_path):
    stem, wish = tmp_path / "x", Expression(style=Style(level=1, variety=0.5))
    plain = made_up_rendering(samples=2)
    keep_take(plain, stem, PLAIN)
    settings = {**plain.identity["settings"], "expression": wish.metadata()}
    saved = made_again(stem, {**plain.identity, "settings": settings}, PLAIN, wish, takes=True)
    assert saved.take == 2
    stored = read_rendering(tmp_path / "x.json").rendering
    assert hashes(stored) == hashes(plain.edited(wish))
    assert hashes(apply_edits(read_rendering(tmp_path / "x.json"))) == hashes(stored)
    louder = apply_edits(read_rendering(tmp_path / "x.json"), dataclasses.replace(NEUTRAL, style=Style(level=1)))
    assert louder.identity["edits"] == [{"expression": Expression(style=Style(level=1)).metadata()}]
