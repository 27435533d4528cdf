"""Whole renderings: reproducible, one to one, within the rules of the score, and alike in any company."""

import dataclasses

import numpy as np
import pytest

from pianist_jax.config import Sampling
from pianist_jax.errors import PianistError
from pianist_jax.inference.decoder import Timer
from pianist_jax.inference.engine import make_model
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.expression import Expression
from pianist_jax.performance.pace import Pace
from pianist_jax.rendering.renderer import content_hash, read_piece, render, render_all, sample_key
from tests.model.helpers import lively_params
from tests.music.helpers import COLUMNS, assert_same, notes_of
from tests.rendering.models import NOTE, made_up_score

LONG = made_up_score(230)  # six windows of 64 notes
SHORT = made_up_score(40, seed=1)


@pytest.fixture(scope="module")
def model():
    """With programs of its own: which other tests have compiled some before must not choose those that play here."""
    return make_model(NOTE, lively_params(NOTE), name="lively")


@pytest.fixture(scope="module")
def alone(model):
    return render(LONG, model, seed=5)


def same(a: Notes, b: Notes) -> bool:
    return all(np.array_equal(getattr(a, column), getattr(b, column)) for column in COLUMNS)


def test_a_rendering_plays_the_score_note_by_note(alone):
    score, notes = alone.score, alone.notes
    np.testing.assert_array_equal(notes.pitch, score.pitch)
    assert notes.onset.min() == score.onset[0]
    assert ((notes.velocity >= 1) & (notes.velocity <= 127)).all()
    assert (notes.duration >= 1).all()
    first = np.flatnonzero(np.diff(score.onset, prepend=-1))
    gaps = np.diff(np.minimum.reduceat(notes.onset, first))
    assert (gaps > 0).all()  # from 5 ms on; brought to its pace they may be nearer
    assert (np.maximum.reduceat(notes.onset, first)[:-1] <= np.minimum.reduceat(notes.onset, first)[1:]).all()
    again = normalise(notes)[0]  # nothing overlaps or is cut; the notes of a chord may sound in any order
    in_time = np.lexsort((notes.pitch, notes.onset))
    for column in ("pitch", "onset", "duration", "velocity"):
        np.testing.assert_array_equal(getattr(again, column), getattr(notes, column)[in_time])
    assert len(np.unique(notes.velocity)) > 30  # it is played, not copied
    assert len(np.unique(gaps)) > 30


def test_the_same_again_in_a_file(model, alone, tmp_path):
    write_midi(tmp_path / "long.mid", LONG)
    again = render(tmp_path / "long.mid", model, seed=5)
    first, second = alone.save(tmp_path, name="a")[0], again.save(tmp_path, name="b")[0]
    assert first.read_bytes() == second.read_bytes()
    assert_same(read_midi(first), normalise(alone.notes)[0])


def test_other_seeds_and_samples_are_other_performances(model, alone):
    several = render(LONG, model, seed=5, samples=3)
    assert_same(several.performances[0], alone.notes)
    others = [*several.performances, render(LONG, model, seed=6).notes, render(SHORT, model, seed=5).notes]
    for i, one in enumerate(others):
        assert not any(same(one, other) for other in others[:i])


def test_company_changes_nothing(model, alone):
    """Rows of other lengths, in another place of a batch of another size, that come and go."""
    scores = [made_up_score(n, seed=n) for n in (300, 1, 64, 65)] + [LONG, SHORT]
    done = dict(render_all([read_piece(score) for score in scores], model, seed=5, batch=4))
    assert sorted(done) == list(range(6))
    assert_same(done[4].notes, alone.notes)
    assert_same(done[5].notes, render(SHORT, model, seed=5).notes)
    for number, rendering in done.items():
        np.testing.assert_array_equal(rendering.notes.pitch, normalise(scores[number])[0].pitch)


def test_windows_join_without_a_seam(model, alone):
    """What follows a join is what one long window would play next: it knows the notes before."""
    config = dataclasses.replace(NOTE, window=256)
    whole = render(LONG, make_model(config, lively_params(config), name="whole"), seed=5)
    # The same random numbers and, up to the first join, the same music behind: only what lies ahead differs.
    first_join = 40 + 19
    before = slice(0, first_join)
    assert np.corrcoef(alone.notes.velocity[before], whole.notes.velocity[before])[0, 1] > 0.5
    # No onset runs backwards and none waits longer at a join than elsewhere.
    assert alone.window_boundaries.tolist() == [first_join + 40 * k for k in range(5)]
    gaps = np.diff(alone.notes.onset)
    assert gaps[alone.window_boundaries[alone.window_boundaries < len(gaps)] - 1].max() <= np.quantile(gaps, 0.99)


def test_one_note(model):
    rendering = render(notes_of([(60, 3000, 500, 80)]), model)
    assert (rendering.notes.onset.tolist(), rendering.notes.pitch.tolist()) == ([3000], [60])
    assert rendering.report["counts"] == {"input_notes": 1, "performed_notes": 1, "merged_notes": 0}


def test_silence_before_the_score_changes_no_music(model):
    shifted = dataclasses.replace(SHORT, onset=SHORT.onset + 60_000)
    a, b = read_piece(SHORT), read_piece(shifted)
    np.testing.assert_array_equal(a.tokens.notes, b.tokens.notes)
    assert render(shifted, model).notes.onset[0] == SHORT.onset[0] + 60_000


def test_every_raw_note_has_its_performed_note(model):
    pitch, onset = np.random.default_rng(3).integers((60, 0), (66, 20), (60, 2)).T.tolist()
    raw = notes_of(list(zip(pitch, onset, range(1, 61), [64] * 60, strict=True)))  # unisons everywhere
    rendering = render(raw, model)
    assert len(rendering.note_of_raw) == 60
    np.testing.assert_array_equal(rendering.notes.pitch[rendering.note_of_raw], raw.pitch)
    assert rendering.report["counts"]["merged_notes"] == 60 - len(rendering.notes) > 0


def test_advance_counts_every_note_once(model):
    counted: list[int] = []
    pieces = [read_piece(LONG), read_piece(SHORT)]
    list(render_all(pieces, model, samples=2, advance=counted.append, batch=4))
    assert sum(counted) == max(2, Sampling.draws) * (230 + 40)
    assert len(counted) > 5


def test_speed_leaves_compilation_out(model):
    report = render(SHORT, model).report  # compiled by the tests before
    assert report["compile_seconds"] == 0
    assert report["notes_per_second"] > 0
    assert Timer().notes == 0


def test_no_notes_and_no_samples_are_refused(model):
    with pytest.raises(PianistError, match="no notes"):
        render(notes_of([]), model)
    with pytest.raises(PianistError, match="samples is 0"):
        render(SHORT, model, samples=0)
    assert list(render_all([], model)) == []


def test_keys_differ_by_seed_score_and_sample():
    scores = [content_hash(LONG), content_hash(SHORT)]
    keys = [tuple(sample_key(seed, score, k)) for seed in (-1, 0, 1, 2**70) for score in scores for k in range(5)]
    assert len(set(keys)) == 40
    changed = dataclasses.replace(SHORT, velocity=SHORT.velocity + 1)
    assert content_hash(changed) != content_hash(SHORT)
    moved = dataclasses.replace(SHORT, pedal_time=np.array([5]), pedal_value=np.array([127]))
    assert content_hash(moved) != content_hash(SHORT)


def test_dtypes():
    params = lively_params(NOTE)
    assert make_model(NOTE, params).config.dtype == "float32"
    half = make_model(dataclasses.replace(NOTE, remat=True, attention="cudnn"), params, dtype="bfloat16")
    assert (half.config.dtype, half.config.remat, half.config.attention) == ("bfloat16", False, "xla")
    assert str(half.params["decoder"]["tempo"]["kernel"].dtype) == "bfloat16"
    assert str(half.params["encoder"]["norm"]["weight"].dtype) == "float32"
    with pytest.raises(PianistError, match='dtype is "float16"'):
        make_model(NOTE, params, dtype="float16")


def test_the_tempo_is_the_scores(model, alone):
    assert alone.report["tempo"] == {"factor": 1.0, "guess": None}
    for rendering, times in ((alone, 1.0), (render(LONG, model, seed=5, expression=Expression(tempo_scale=0.5)), 2.0)):
        notes, score = rendering.notes, rendering.score
        assert score.onset[-1] - score.onset[0] == pytest.approx(times * (LONG.onset.max() - LONG.onset.min()), abs=2)
        first, last = (notes.onset[score.onset == score.onset[place]].mean() for place in (0, -1))
        assert last - first == pytest.approx(score.onset[-1] - score.onset[0], abs=3)


def test_without_rubato_it_is_the_scores_own_clock(model):
    rendering = render(SHORT, model, expression=Expression(timing=0.0))
    np.testing.assert_allclose(rendering.notes.onset, rendering.score.onset, atol=2)


def test_it_lasts_as_long_as_is_wanted(model):
    written = (LONG.onset + LONG.duration).max() - LONG.onset.min()
    for seconds in (written / 500, written / 2000):
        notes = render(LONG, model, duration=seconds).notes
        assert notes.end.max() - notes.onset.min() == pytest.approx(1000 * seconds, abs=2)


def test_a_pace_that_cannot_be_had(model):
    for wrong in ({"duration": 1e-3}, {"duration": 1e5}, {"tempo": 72}, {"tempo": "quick"}, {"tempo": 0.0}):
        with pytest.raises(PianistError):
            render(SHORT, model, **wrong)
    with pytest.raises(PianistError, match="cannot both rule"):
        render(SHORT, model, duration=20.0, expression=Expression(tempo_scale=2.0))


def test_every_piece_has_a_pace_of_its_own(model):
    pieces = [read_piece(SHORT), read_piece(LONG)]
    paces = [Pace(times=2.0), Pace(times=0.5)]
    for number, rendering in render_all(pieces, model, pace=paces):
        assert rendering.report["tempo"]["factor"] == paces[number].times
        assert rendering.identity["settings"]["pace"] == paces[number].metadata()
