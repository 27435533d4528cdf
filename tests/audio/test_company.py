"""Several players as sound: who is heard from what, when, and how loud."""

import numpy as np
import pytest

from pianist_jax.audio.company import blocks_with, duration_with, plainly
from pianist_jax.audio.pianos import load_piano
from pianist_jax.audio.plain import TONES, duration_of_parts, plain_blocks, tone_of
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.music.part import Part
from tests.music.helpers import notes_of

RATE = 8000
NOBODY = Notes(*[np.zeros(0, np.int64)] * 6)


def sound(part: Part, stop: float = 2.0) -> np.ndarray:
    return np.concatenate(list(plain_blocks([part], RATE, stop, RATE)))


def level(samples: np.ndarray) -> float:
    """dB."""
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-20))


def test_a_note_sounds_at_its_pitch_and_time():
    for program in (16, 40, 52, 60, 71, 73, 24):
        heard = sound(Part("x", notes_of([(69, 500, 1000, 100)]), program))[:, 0]
        assert heard.shape == (2 * RATE,)
        assert not heard[: RATE // 2].any()
        spectrum = np.abs(np.fft.rfft(heard[RATE // 2 : 3 * RATE // 2]))
        assert np.argmax(spectrum) % 440 == pytest.approx(0, abs=2)
        assert level(heard[-800:]) < level(heard[RATE : RATE + 800]) - 30
    assert {tone_of(program).decay > 0 for program in (0, 11, 24, 46)} == {True}
    assert len({tone.partials for _, tone in TONES}) == len(TONES)


def test_loudness_is_what_midi_has_it():
    def loud(velocity: int, value: int) -> float:
        curve = np.array([[0, value]])
        return level(sound(Part("x", notes_of([(60, 0, 2000, velocity)]), 40, curve, 11))[RATE:])

    assert loud(100, 127) - loud(50, 127) == pytest.approx(40 * np.log10(2), abs=0.2)
    assert loud(100, 127) - loud(100, 64) == pytest.approx(40 * np.log10(127 / 64), abs=0.2)


def test_blocks_make_one_sound():
    part = Part("x", notes_of([(60 + n, 130 * n, 400, 80) for n in range(12)]), 42)
    whole = np.concatenate(list(plain_blocks([part], RATE, 2.0, 2 * RATE)))
    parted = np.concatenate(list(plain_blocks([part], RATE, 2.0, 700)))
    np.testing.assert_allclose(parted, whole, atol=1e-6)


def test_pianists_are_heard_from_the_piano_and_others_beside():
    piano, notes = load_piano(sampled=False), notes_of([(60, 0, 300, 70)])
    voice, second = Part("Voice", notes_of([(72, 3000, 9000, 70)]), 52), Part("Secondo", notes_of([(48, 0, 300, 70)]))
    assert plainly([voice, second]) == [voice]
    last = duration_with(notes, [voice, second], piano)
    assert last == pytest.approx(max(duration_of_parts([voice]), last))
    assert last >= 12

    def mixed(own: Notes, company: list[Part]) -> np.ndarray:
        return np.concatenate(list(blocks_with(own, company, RATE, 4.0, piano)))

    alone, voices = mixed(notes, []), mixed(NOBODY, [voice])
    np.testing.assert_allclose(mixed(notes, [voice]), alone + voices, atol=1e-6)
    np.testing.assert_allclose(mixed(notes, [second]), alone + mixed(second.notes, []), atol=1e-6)
    assert not voices[: 2 * RATE].any()
    with pytest.raises(PianistError):
        duration_with(NOBODY, [], piano)
