"""From performed tokens to notes that can be written: times beyond the tokens, overlaps, the last pedal."""

import numpy as np
import pytest

from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import normalise
from pianist_jax.music.tokens import LAST_GAP, MAX_DURATION, MAX_IOI, NOTE_TOKENS, SLOT_START
from pianist_jax.performance.detokenize import TEMPO_PRIOR, detokenize
from tests.music.helpers import assert_same, notes_of


def tokens_of(rows):
    """Tokens of rows (pitch, ioi, velocity, duration, pedal)."""
    pitch, ioi, velocity, duration, pedal = np.array(rows).T
    values = np.stack([pitch, ioi, velocity, duration, pedal, pedal, pedal, pedal], axis=1)
    return (values + SLOT_START).astype(np.int32)


def steady(notes, step, duration=300, first=0):
    return notes_of([(60 + n % 20, first + n * step, duration, 64) for n in range(notes)])


def played(notes, step, duration=250, pedal=0):
    return tokens_of([(60 + n % 20, step if n else 0, 70, duration, pedal) for n in range(notes)])


def test_what_tokens_can_say_is_taken_as_it_is():
    score = steady(30, 500, first=1234)
    notes = detokenize(score, played(30, 450))
    np.testing.assert_array_equal(notes.onset, 1234 + 450 * np.arange(30))
    assert (notes.duration == 250).all()
    assert (notes.velocity == 70).all()
    np.testing.assert_array_equal(notes.pitch, score.pitch)
    assert len(notes.pedal_time) == 0


def test_long_gaps_come_back_at_the_local_tempo():
    """7.5 s and 60 s of silence, in playing that takes 1.5 times the score's time."""
    onset = np.cumsum([0] + [1000] * 19 + [7500] + [1000] * 19 + [60_000] + [1000] * 19)
    score = notes_of([(60 + n % 20, time, 300, 64) for n, time in enumerate(onset)])
    rows = [(60 + n % 20, 1500 if n else 0, 70, 250, 0) for n in range(60)]
    rows[20] = (60, 4700, 70, 250, 0)
    rows[40] = (60, MAX_IOI, 70, 250, 0)
    notes = detokenize(score, tokens_of(rows))
    # 16 notes to either side without the gap itself, and half a second at the score's own tempo
    slowness = (32 * 1500 + TEMPO_PRIOR) / (32 * 1000 + TEMPO_PRIOR)
    gaps = np.diff(notes.onset)
    assert gaps[19] == 4700 + round((7500 - MAX_IOI) * slowness)
    assert gaps[39] == MAX_IOI + round((60_000 - MAX_IOI) * slowness)
    assert (np.delete(gaps, [19, 39]) == 1500).all()
    assert slowness == pytest.approx(1.5, abs=0.01)


def test_long_notes_end_with_the_notes_they_sound_under():
    """An 18 s note under steady quarters that are played slower and slower."""
    onset = 500 * np.arange(60)
    rows = [(70, int(time), 300, 64) for time in onset]
    score = notes_of([(40, 0, 18_000, 64), *rows])
    gaps = 500 + 10 * np.arange(60)
    tokens = [(40, 0, 70, 4800, 0), *[(70, gap, 70, 250, 0) for gap in np.append(0, gaps[1:])]]
    notes = detokenize(score, tokens_of(tokens))
    time = np.interp([MAX_DURATION, 18_000], onset, notes.onset[1:])
    assert notes.duration[0] == 4800 + round(time[1] - time[0])
    assert notes.duration[0] > 4800 + 1.2 * (18_000 - MAX_DURATION)  # slower than in the score


def test_a_long_last_note_goes_on_at_the_last_tempo():
    score = notes_of([*[(60, 500 * n, 300, 64) for n in range(40)], (40, 20_000, 20_000, 64)])
    tokens = [*[(60, 1000 if n else 0, 70, 250, 0) for n in range(40)], (40, 1000, 70, MAX_DURATION, 0)]
    notes = detokenize(score, tokens_of(tokens))
    slowness = (17 * 1000 + TEMPO_PRIOR) / (17 * 500 + TEMPO_PRIOR)
    assert notes.duration[-1] == MAX_DURATION + round((20_000 - MAX_DURATION) * slowness)


def test_one_note():
    score = notes_of([(60, 7000, 9000, 64)])
    notes = detokenize(score, tokens_of([(60, 0, 70, 4000, 0)]))
    assert (notes.onset[0], notes.duration[0]) == (7000, 4000 + 9000 - MAX_DURATION)


def test_an_absurd_tempo_does_not_stretch_silence_without_end():
    score = notes_of([(60, 0, 300, 64), (62, 100, 300, 64), (64, 3_600_000, 300, 64)])
    notes = detokenize(score, tokens_of([(60, 0, 70, 9, 0), (62, 4990, 70, 9, 0), (64, 4990, 70, 9, 0)]))
    assert notes.onset[2] <= 4990 * 2 + 4 * 3_600_000


def test_the_pedal_keeps_its_place_in_a_gap_that_is_restored():
    score = notes_of([(60, 0, 300, 64), (62, 20_000, 300, 64), (64, 20_500, 300, 64)])
    tokens = tokens_of([(60, 0, 70, 200, 0), (62, 4000, 70, 200, 0), (64, 500, 70, 200, 0)])
    tokens[0, 4:] += np.array([0, 0, 90, 30])  # pressed half-way, half released after three quarters
    notes = detokenize(score, tokens)
    gap = notes.onset[1]
    assert gap > 15_000
    assert notes.pedal_value.tolist() == [90, 30, 0]
    np.testing.assert_allclose(notes.pedal_time, [gap / 2, gap * 3 / 4, gap], atol=1)


def test_the_pedal_is_up_at_the_end():
    score, tokens = steady(3, 500, first=100), played(3, 500, pedal=127)
    notes = detokenize(score, tokens)
    assert notes.pedal_value.tolist() == [127, 0]
    assert notes.pedal_time.tolist() == [100, 100 + 1000 + LAST_GAP]
    tokens[2, 3] += 4700  # the last note sounds 4950 ms, the one before longer
    tokens[1, 3] += 4749
    score = notes_of([(60, 100, 300, 64), (61, 600, 9000, 64), (62, 1100, 300, 64)])
    notes = detokenize(score, tokens)
    assert notes.pedal_time[-1] == notes.end.max() == notes.end[1] > notes.onset[-1] + LAST_GAP
    assert notes.pedal_value[-1] == 0
    tokens[2, 4:] -= 127
    assert detokenize(score, tokens).pedal_value.tolist() == [127, 0]


def test_a_pitch_is_released_before_it_is_struck_again(tmp_path):
    score = notes_of([(60, 0, 100, 64), (62, 0, 500, 64), (60, 100, 100, 64), (60, 200, 100, 64)])
    rows = [(60, 0, 70, 3000, 0), (62, 0, 70, 3000, 0), (60, 5, 70, 3000, 0), (60, 300, 70, 3000, 0)]
    notes = detokenize(score, tokens_of(rows))
    assert notes.duration.tolist() == [4, 3000, 299, 3000]
    write_midi(tmp_path / "a.mid", notes)
    assert_same(read_midi(tmp_path / "a.mid"), notes)


def test_any_tokens_give_notes_that_can_be_written(tmp_path):
    """Random performances of random scores: one to one, nothing overlaps, normalising changes nothing."""
    rng = np.random.default_rng(6)
    for case in range(30):
        pitch, onset, duration = rng.integers((60, 0, 1), (66, 400, 40), (40, 3)).T.tolist()
        raw = notes_of(list(zip(pitch, onset, duration, [64] * 40, strict=True)))
        score = normalise(raw)[0]
        values = rng.integers(0, [128, 60, 127, 300, 128, 128, 128, 128], (len(score), NOTE_TOKENS))
        values[:, 0] = score.pitch
        values[:, 1] = np.where(np.diff(score.onset, prepend=0) > 0, values[:, 1] + 5, values[:, 1])
        values[:, [2, 3]] += 1
        notes = detokenize(score, (values + SLOT_START).astype(np.int32))
        np.testing.assert_array_equal(notes.pitch, score.pitch)
        again, index = normalise(notes)
        np.testing.assert_array_equal(index, np.arange(len(score)))
        assert_same(again, notes)
        path = tmp_path / f"{case}.mid"
        write_midi(path, notes)
        assert_same(read_midi(path), notes)
