import wave

import numpy as np
import pytest

from pianist_jax import audio
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes

RATE = 22_050


def notes_of(rows, pedal=()):
    pitch, onset, duration, velocity = np.array(rows, np.int64).reshape(-1, 4).T
    time, value = np.array(pedal, np.int64).reshape(-1, 2).T
    return Notes(pitch, onset, duration, velocity, time, value)


def decibels(sound, begin, end):
    """Level between two times (s), relative to full scale."""
    return 10 * np.log10(np.mean(sound[int(begin * RATE) : int(end * RATE)] ** 2) + 1e-12)


def centroid(sound):
    power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
    return np.sum(power * np.arange(len(power))) / np.sum(power) * RATE / len(sound)


@pytest.mark.parametrize("pitch", [33, 57, 69, 81])
def test_keys_are_in_tune(pitch):
    sound = audio.strike(pitch, 2 * RATE, RATE)[2].mean(axis=1)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 16 * len(sound)))
    wanted = 440 * 2 ** ((pitch - 69) / 12)
    frequency = np.arange(len(spectrum)) * RATE / (16 * len(sound))
    near = np.flatnonzero(np.abs(frequency / wanted - 1) < 0.03)
    heard = frequency[near[np.argmax(spectrum[near])]]
    assert abs(1200 * np.log2(heard / wanted)) < 3  # cents


def test_partials_are_stretched():
    sound = audio.strike(45, 4 * RATE, RATE)[3].mean(axis=1)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    stretched = 110 * 12 * np.sqrt((1 + 144 * audio.inharmonicity(45)) / (1 + audio.inharmonicity(45)))
    near = slice(4 * 1300, 4 * 1400)
    heard = (near.start + np.argmax(spectrum[near])) / 4
    assert abs(heard - stretched) < 1.5
    assert stretched - 110 * 12 > 5


def test_harder_is_louder_and_brighter():
    layers = audio.strike(60, RATE, RATE)
    levels = [decibels(layer, 0, 1) for layer in layers]
    assert np.all(np.diff(levels) > 3)
    assert np.all(np.diff([centroid(layer) for layer in layers]) > 30)


def test_what_velocity_makes_of_the_mix():
    soft, hard = (
        decibels(audio.synthesise(notes_of([(60, 0, 500, v), (40, 5000, 100, 127)]), sample_rate=RATE), 0, 0.5)
        for v in (50, 77)
    )
    assert 4 < hard - soft < 9  # 20·1.6·log10(77/50) = 6 dB


def test_notes_sound_when_they_are_struck():
    sound = audio.synthesise(notes_of([(60, 250, 300, 80), (67, 1500, 300, 80)]), sample_rate=RATE)
    assert np.abs(sound[: int(0.249 * RATE)]).max() < 1e-6
    assert decibels(sound, 0.25, 0.26) > -40
    before, after = decibels(sound, 1.48, 1.499), decibels(sound, 1.505, 1.53)
    assert after - before > 20


@pytest.fixture(scope="module")
def held():
    """A note released at 0.5 s under other pedals, heard at 1.5 to 1.6 s relative to its start."""

    def level(*pedal):
        sound = audio.synthesise(notes_of([(55, 0, 500, 80), (90, 4000, 100, 30)], pedal), sample_rate=RATE)
        return decibels(sound, 1.5, 1.6) - decibels(sound, 0.1, 0.3)

    return level


def test_the_pedal_holds(held):
    none, half, full = held(), held((0, 70)), held((0, 127))
    assert none < -35
    assert full > -25
    assert none + 8 < half < full - 3


def test_a_pedal_in_time_catches_the_note(held):
    late, in_time, before = held((1000, 127)), held((520, 127)), held((400, 127))
    assert before - in_time < 6
    assert in_time - late > 10
    assert held((0, 127), (700, 0)) < held((0, 127)) - 15


def test_a_key_struck_again_takes_over_its_string():
    pedal = [(0, 127)]
    once = audio.strike(60, 2 * RATE, RATE)
    sound = audio.synthesise(notes_of([(60, 0, 300, 100), (60, 1000, 300, 20)], pedal), sample_rate=RATE)
    before, after = decibels(sound, 0.9, 1.0), decibels(sound, 1.15, 1.25)
    assert before - after > 3 + decibels(once[3], 0.9, 1.0) - decibels(once[3], 1.15, 1.25)


def test_bass_stands_left():
    low = audio.synthesise(notes_of([(30, 0, 1000, 80)]), sample_rate=RATE)
    high = audio.synthesise(notes_of([(96, 0, 1000, 80)]), sample_rate=RATE)
    for sound, sign in ((low, 1), (high, -1)):
        left, right = decibels(sound[:, :1], 0, 0.5), decibels(sound[:, 1:], 0, 0.5)
        assert 1.5 < sign * (left - right) < 10


def test_the_file_holds_what_was_synthesised(tmp_path):
    notes = notes_of([(60, 0, 400, 64), (64, 100, 400, 64), (108, 200, 10, 127)], [(0, 127), (900, 0)])
    for name in ("a.wav", "b.wav"):
        audio.write_wav(tmp_path / name, notes, sample_rate=RATE)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    sound = audio.synthesise(notes, sample_rate=RATE)
    np.testing.assert_allclose(samples / 32767, sound, atol=2e-5)
    assert abs(np.abs(sound).max() - audio.PEAK) < 1e-6
    assert 1.0 < len(sound) / RATE < 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav"]


def test_what_cannot_be_heard(tmp_path):
    with pytest.raises(PianistError, match="no notes"):
        audio.synthesise(notes_of([]))
    with pytest.raises(PianistError, match="an hour"):
        audio.synthesise(notes_of([(60, 3_700_000, 100, 60)]))
    with pytest.raises(PianistError, match="cannot be written"):
        audio.write_wav(tmp_path / "none" / "a.wav", notes_of([(60, 0, 100, 60)]), sample_rate=RATE)
