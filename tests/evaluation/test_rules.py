"""What each rule does to a score, by numbers."""

import numpy as np
import pytest

from pianist_jax.evaluation.rules import perform
from pianist_jax.performance.parameters import chords_of
from tests.evaluation.pieces import invented_piece, notes


def melody(beats=64, length=500, **columns):
    onset = np.arange(beats) * length
    return notes(onset, np.full(beats, length), **({"pitch": np.full(beats, 60)} | columns))


def test_every_note_is_played_once_at_about_the_written_tempo_and_the_same_every_time():
    score = invented_piece(np.random.default_rng(1), size=400, humans=1).score
    made, again = perform(score), perform(score)
    np.testing.assert_array_equal(made.pitch, score.pitch)
    assert made.onset.min() >= 0
    assert made.duration.min() >= 30
    np.testing.assert_array_equal(made.onset, again.onset)
    assert np.ptp(made.onset) / np.ptp(score.onset) == pytest.approx(1.05, abs=0.06)  # the ritard takes time


def test_phrases_are_slower_and_softer_at_their_ends_and_the_last_gap_is_the_longest():
    made = perform(melody())
    gaps = np.diff(made.onset)
    assert gaps[-1] == gaps.max()
    assert gaps[-1] > 1.5 * np.median(gaps)
    assert np.corrcoef(gaps[:48], made.velocity[:48])[0, 1] < -0.9  # slow where soft
    assert gaps[:48].std() > 20


def test_short_notes_are_shorter_and_softer():
    lengths = np.tile([750, 250], 40)
    onset = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    made = perform(notes(onset, lengths, pitch=np.full(80, 60)))
    ratio = (np.diff(made.onset) / lengths[:-1])[:60]
    assert ratio[1::2].mean() < 0.98 * ratio[::2].mean()
    assert made.velocity[1:60:2].mean() < made.velocity[:60:2].mean()


def test_high_notes_are_louder_and_lead_their_chords():
    beats = np.repeat(np.arange(40) * 500, 3)
    made = perform(notes(beats, np.full(120, 500), pitch=np.tile([48, 55, 72], 40)))
    velocity, onset = made.velocity.reshape(40, 3), made.onset.reshape(40, 3)
    assert (velocity[:, 2] > velocity[:, 0] + 5).all()
    assert (onset[:, 2] < onset[:, 0]).all()
    assert np.ptp(onset, axis=1).max() < 60


def test_a_tone_far_from_the_root_is_longer_and_louder_than_the_root():
    scale = np.tile([60, 64, 67, 60, 62, 67, 60, 66], 12)  # C major, and once in eight an F sharp
    made = perform(melody(96, pitch=scale))
    gaps = np.append(np.diff(made.onset), 0)[:72]
    here, root = scale[:72] == 66, np.roll(scale[:72] == 66, -1)  # beside it, so that the arch weighs alike
    assert gaps[here].mean() > gaps[root].mean()
    assert made.velocity[:72][here].mean() > made.velocity[:72][root].mean()


def test_repeated_notes_are_detached():
    pitch = np.array([60, 60] * 8 + [60, 62] * 8)
    made = perform(melody(32, pitch=pitch))
    share = made.duration[:-1] / np.diff(made.onset)
    assert share[:15].max() < 0.75
    assert share[16:-1].min() > 0.85


def test_the_pedal_is_changed_at_low_notes():
    score = melody(16, 1000, pitch=np.tile([40, 60], 8))
    made = perform(score)
    assert len(made.pedal_time) == 2 * 8 + 1
    np.testing.assert_array_equal(made.pedal_time[:-1:2] - made.onset[::2], 10)
    np.testing.assert_array_equal(made.pedal_time[1:-1:2] - made.onset[::2], 110)
    assert made.pedal_value[-1] == 0
    assert (np.diff(made.pedal_time) > 0).all()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_scores_of_few_notes(size):
    made = perform(melody(size))
    assert len(made) == size
    assert len(chords_of(made)) == size
