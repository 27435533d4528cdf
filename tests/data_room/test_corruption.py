"""What training does to windows keeps to its word, and follows from a row's values, key and place alone."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.config import Augmentation, Masking
from pianist_jax.data.corruption import ASTRAY, GAPS, RUBATO, anchor, augment, deadpan, forget, hide, jitter, lose_tempo
from pianist_jax.errors import PianistError
from pianist_jax.music.tokens import MASK, MAX_DURATION, MAX_IOI, METRE, SLOT_START

PAPER = Masking(low=0.3, high=0.3, fields=0.0, deadpan=0.0, pitch=True)
NO_CHANGE = Augmentation(0, 0.0, 0.0)


def quickly(**options: Any) -> Callable[[Callable], Callable]:
    """`jax.jit` that compiles in a third of the time, to programs that run slower."""
    return partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0}, **options)


def values(*shape: int) -> np.ndarray:
    """Random values in the ranges of piano music, the last axis being the 8 slots."""
    rng = np.random.default_rng(len(shape))
    return rng.integers((30, 0, 1, 1, 0, 0, 0, 0), (100, 900, 127, 2000, 128, 128, 128, 128), (*shape, 8))


@quickly(static_argnums=3)
def hidden(played, has_pedal, expressive, settings, seed=0):
    return hide(jnp.asarray(played), has_pedal, expressive, jax.random.key(seed), settings)


@quickly(static_argnums=2)
def augmented(windows, mask, settings, seed=1, coarse=None):
    return augment(windows, mask, jax.random.key(seed), settings, coarse)


def test_augmentation_changes_score_and_performance_alike() -> None:
    score, played = jnp.asarray(values(4, 64)), jnp.asarray(values(4, 64)).at[..., 1:].add(1)
    score = score.at[..., 0].set(played[..., 0])
    mask = jnp.ones((4, 64), bool)
    new_score, new_played = augmented((score, played), mask, Augmentation(6, 0.3, 0.2))
    shift = np.asarray(new_score[..., 0] - score[..., 0])
    assert (shift == shift[:, :1]).all()
    np.testing.assert_array_equal(shift, new_played[..., 0] - played[..., 0])
    np.testing.assert_array_equal(new_score[..., 2], score[..., 2])
    for old, new in ((score, new_score), (played, new_played)):
        assert ((old[..., 1] == 0) == (new[..., 1] == 0)).all()
    ratio = np.asarray(new_score[..., 3] / score[..., 3])[np.asarray(score[..., 3] > 500)]
    assert np.exp(-0.31) < ratio.min()
    assert ratio.max() < np.exp(0.31)
    same = augmented((score, played), mask, NO_CHANGE)
    np.testing.assert_array_equal(same[0], score)
    np.testing.assert_array_equal(same[1], played)


def test_transposition_reaches_twelve_keys_stays_on_the_piano_and_is_off_unless_asked_for() -> None:
    notes = jnp.asarray(values(500, 4)).at[..., 0].set(60)
    notes = notes.at[:100, 0, 0].set(22).at[100:200, 0, 0].set(107)
    mask = jnp.ones((500, 4), bool)
    (moved,) = augmented((notes,), mask, Augmentation(6, 0.0, 0.0))
    shift = np.asarray(moved[:, 1, 0]) - 60
    assert set(shift[200:].tolist()) == set(range(-6, 6))
    assert moved[..., 0].min() == 21
    assert moved[..., 0].max() == 108
    assert Augmentation().transpose == 0
    np.testing.assert_array_equal(augmented((notes,), mask, Augmentation())[0][..., 0], notes[..., 0])


def test_only_what_was_written_coarsely_is_jittered_within_the_papers_ranges() -> None:
    notes = jnp.asarray(values(2000, 4)).at[..., 1].set(500).at[..., 2].set(64).at[..., 3].set(300)
    notes = notes.at[:, 0, 3].set(10).at[:, 1, 2].set(5).at[:, 2, 2].set(120)
    notes = notes.at[:, 3, 1].set(0).at[:, 3, 3].set(MAX_DURATION).at[:, 2, 1].set(MAX_IOI)
    coarse = jnp.arange(2000) % 2 == 0
    moved = quickly()(jitter)(notes, coarse, jax.random.key(0))
    np.testing.assert_array_equal(moved[1::2], notes[1::2])
    np.testing.assert_array_equal(moved[..., (0, 4, 5, 6, 7)], notes[..., (0, 4, 5, 6, 7)])
    change = np.asarray(moved - notes)[::2]

    def reached(note: int, slot: int) -> tuple[int, int]:
        assert len(np.unique(change[:, note, slot])) == np.ptp(change[:, note, slot]) + 1
        return int(change[:, note, slot].min()), int(change[:, note, slot].max())

    assert reached(0, 1) == (-4, 5)
    assert reached(1, 3) == (-4, 5)
    assert reached(0, 3) == (-9, 5)
    assert reached(0, 2) == (-2, 2)
    assert reached(1, 2) == (-4, 2)
    assert reached(2, 2) == (-2, 7)
    assert reached(3, 1) == (0, 5)
    assert reached(2, 1) == (-4, 0)
    assert reached(3, 3) == (-4, 0)
    (also,) = augmented((notes,), jnp.ones(notes.shape[:2], bool), NO_CHANGE, coarse=coarse)
    assert (np.asarray(also != notes).any((1, 2)) == np.asarray(coarse)).all()


def test_masking_hides_what_is_scored_and_nothing_else() -> None:
    played = jnp.asarray(values(64, 128))
    everyone = jnp.ones(64, bool)
    seen, scored = hidden(played, everyone, everyone, PAPER)
    np.testing.assert_array_equal(np.asarray(seen == MASK), scored)
    np.testing.assert_allclose(np.asarray(scored).mean(axis=(0, 1)), 0.3, atol=0.02)
    kept = np.asarray(seen) - SLOT_START - np.asarray(played)
    assert not kept[~np.asarray(scored)].any()
    no_pedal = jnp.arange(64) >= 32
    seen, scored = hidden(played, ~no_pedal, everyone, dataclasses.replace(PAPER, pitch=False))
    assert not scored[..., 0].any()
    assert (seen[32:, :, 4:] == MASK).all()
    assert not scored[32:, :, 4:].any()


@pytest.mark.parametrize(("unit", "ratio"), [("token", 0.15), ("note", 0.45), ("span", 0.3)])
def test_masking_by_token_note_or_span_in_any_ratio(unit: str, ratio: float) -> None:
    played, everyone = values(64, 256), jnp.ones(64, bool)
    settings = dataclasses.replace(PAPER, low=ratio, high=ratio, unit=unit, span=6)
    scored = np.asarray(hidden(played, everyone, everyone, settings)[1])
    assert scored.mean() == pytest.approx(ratio, abs=0.03)
    whole = (scored == scored[:, :, :1]).all()
    assert whole == (unit != "token")
    edges = np.flatnonzero(np.diff(scored[:, :, 0], axis=1).any(axis=0))
    runs = [np.diff(np.flatnonzero(np.diff(row[:, 0]))) for row in scored]
    assert len(edges) > 100  # spans begin anywhere
    assert all((run % 6 == 0).all() for run in runs) == (unit == "span")


def test_what_becomes_of_a_row_depends_on_nothing_beside_it() -> None:
    played, everyone = jnp.asarray(values(8, 32)), jnp.ones(8, bool)
    other = played.at[3:].set(played[:5])
    settings = Masking(deadpan=0.5)
    mask = jnp.ones((8, 32), bool)
    change = Augmentation(6, 0.2, 0.1)
    for rows in (8, 3):
        whole = hidden(played, everyone, everyone, settings, 7)
        part = hidden(other[:rows], everyone[:rows], everyone[:rows], settings, 7)
        for one, two in zip(whole, part, strict=True):
            np.testing.assert_array_equal(one[:3], two[:3])
    (one,) = augmented((played,), mask, change, 7, everyone)
    (two,) = augmented((other,), mask, change, 7, everyone)
    np.testing.assert_array_equal(one[:3], two[:3])
    assert (one != augmented((played,), mask, change, 8, everyone)[0]).any()


def test_a_deadpan_score_has_a_grid_even_dynamics_and_no_pedal() -> None:
    played = jnp.asarray(values(16, 128))
    written = np.asarray(quickly()(jax.vmap(deadpan))(played, jax.random.split(jax.random.key(4), 16)))
    np.testing.assert_array_equal(written[..., 0], played[..., 0])
    assert not written[..., 4:].any()
    assert (written[..., 1][np.asarray(played[..., 1]) < 35] == 0).all()
    assert (written[..., 1][np.asarray(played[..., 1]) >= 35] > 0).all()
    for row in written:
        gaps = np.unique(row[:, 1][row[:, 1] < 4990])  # 0 and multiples of the row's grid of 25 to 150 ms
        assert np.diff(gaps).min() >= 24
        assert len(np.unique(row[:, 2])) < 8
    scores = jnp.zeros(16, bool)
    seen, scored = hidden(played, ~scores, scores, Masking(0.3, 0.3, 0.0, deadpan=1.0))
    assert float(scored.mean()) < 0.4  # quantised scores are masked only, never made deadpan
    assert (seen == MASK).any()


def test_wrong_masking_is_named() -> None:
    with pytest.raises(PianistError, match='"phrase"'):
        Masking(unit="phrase")
    with pytest.raises(PianistError, match="span is 0"):
        Masking(span=0)
    with pytest.raises(PianistError, match="masking goes from"):
        Masking(low=0.5, high=0.2)


def test_some_scores_lose_their_metre_and_some_only_their_hands() -> None:
    left = np.asarray(forget(jnp.ones((400, 3, len(METRE)), jnp.int32), jax.random.key(0), 0.25))
    hand = METRE.index("hand")
    others = [column for column in range(len(METRE)) if column != hand]
    whole, hands = (left[:, 0, others] == 0).all(axis=-1), left[:, 0, hand] == 0
    assert ((left[..., others] == 0).any(axis=(1, 2)) == whole).all()
    assert whole[~hands].sum() == 0
    assert 0.18 < whole.mean() < 0.32
    assert 0.36 < hands.mean() < 0.52  # 1 - 0.75²


def even_windows(rows: int, notes: int, gap: int) -> jax.Array:
    """Windows of notes at even gaps, each half as long as its gap."""
    window = jnp.asarray(values(rows, notes)).at[..., 1].set(gap).at[..., 3].set(gap // 2)
    return window.at[:, 0, 1].set(0)


def test_a_score_is_brought_to_the_tempo_of_its_performance() -> None:
    mask = jnp.ones((3, 40), bool)
    score, played = even_windows(3, 40, 400), even_windows(3, 40, 300)
    moved, late = anchor(score, played, mask, jnp.full(3, 0.75))
    np.testing.assert_array_equal(moved[:, 1:, 1], 300)
    np.testing.assert_array_equal(moved[..., 3], 150)
    np.testing.assert_allclose(late, 0, atol=1e-5)
    # A window somewhat slower than the whole keeps that, one much slower no more than is allowed.
    moved, late = anchor(score, played, mask, jnp.asarray([0.72, 0.5, 1.2]))
    np.testing.assert_allclose(late, [np.log(0.75 / 0.72), RUBATO, -RUBATO], atol=1e-5)
    total = np.asarray(moved[:, 1:, 1].sum(axis=1))
    np.testing.assert_allclose(total, 39 * 300 / np.exp(np.asarray(late)), rtol=1e-3)


def test_a_tempo_drifts_by_chance_and_even_gaps_stay_even() -> None:
    mask = jnp.ones((400, 20), bool)
    score, played = even_windows(400, 20, 400), even_windows(400, 20, 300)
    moved, late = anchor(score, played, mask, None, jax.random.key(0), 0.05)
    assert np.std(late) == pytest.approx(0.05, rel=0.15)
    gaps = np.asarray(moved[:, 1:, 1])
    assert (gaps.max(axis=1) - gaps.min(axis=1) <= 1).all()
    padded = mask.at[:, 10:].set(False)
    np.testing.assert_allclose(anchor(score, played.at[:, 10:, 1].set(5), padded, None)[1], 0, atol=1e-5)


def test_retimed_windows_have_any_tempo_and_the_others_nearly_their_own() -> None:
    slow = even_windows(1000, 9, 1000)
    notes = jnp.concatenate([slow, slow.at[..., (1, 3)].set(slow[..., (1, 3)] // 8)])
    settings = dataclasses.replace(NO_CHANGE, retimed=0.4)
    (new,) = augmented((notes,), jnp.ones((2000, 9), bool), settings)
    gap = np.asarray(new[:, 1:, 1]).mean(axis=1)
    kept = gap == np.asarray(notes[:, 1, 1])
    assert np.mean(kept) == pytest.approx(0.6, abs=0.04)
    for half in (slice(0, 1000), slice(1000, None)):  # slow notes and quick ones alike
        own = np.log(gap[half][~kept[half]])
        assert own.min() > np.log(GAPS[0]) - 0.02
        assert own.max() < np.log(GAPS[1]) + 0.02
        assert own.std() == pytest.approx(np.log(GAPS[1] / GAPS[0]) / 12**0.5, rel=0.1)


def test_a_lost_tempo_is_found_again() -> None:
    notes = even_windows(300, 200, 400)
    moved, lost = lose_tempo(notes, jax.random.key(3), 0.5)
    gap = np.asarray(moved[..., 1])
    assert np.mean(np.asarray(lost).any(axis=1)) == pytest.approx(0.5, abs=0.1)
    assert (gap[~np.asarray(lost)][1:] % 400 == 0).all(), "what is not lost is as it was"
    astray = np.log(gap[np.asarray(lost) & (gap > 0)] / 400)
    assert astray.std() == pytest.approx(ASTRAY, rel=0.15)
    assert np.mean(np.asarray(lost)[np.asarray(lost).any(axis=1)]) == pytest.approx(0.5, abs=0.1)
    np.testing.assert_array_equal(moved[..., (0, 2, 4)], notes[..., (0, 2, 4)])
    same, none = lose_tempo(notes, jax.random.key(3), 0.0)
    np.testing.assert_array_equal(same, notes)
    assert not none.any()
