import wave

import numpy as np
import pytest
import soundfile

from pianist_jax.audio import AudioFormat, Loudness, files, load_piano, sound_of, write_audio
from pianist_jax.errors import PianistError
from tests.audio.playing import notes_of

NOTES = notes_of([(60, 0, 400, 64), (64, 100, 400, 64), (108, 200, 10, 127)], [(0, 127), (900, 0)])


@pytest.fixture(scope="module")
def piano():
    return load_piano()


def test_the_file_holds_what_was_played(piano, tmp_path):
    for name in ("a.wav", "b.wav"):
        write_audio(tmp_path / name, NOTES, piano=piano)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 48_000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32767
    sound = sound_of(NOTES, piano=piano)
    gain = np.sum(samples * sound) / np.sum(sound**2)
    np.testing.assert_allclose(samples, gain * sound, atol=2e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav"]


@pytest.mark.parametrize("kind", ["wav", "flac"])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_all_forms_hold_the_same(piano, tmp_path, kind, rate):
    write_audio(tmp_path / "x", NOTES, AudioFormat(kind, rate, 24), piano=piano)
    about = soundfile.info(tmp_path / "x")
    assert (about.format, about.subtype, about.samplerate) == (kind.upper(), "PCM_24", rate)
    found, _ = soundfile.read(tmp_path / "x", dtype="float32")
    sound = sound_of(NOTES, rate, piano=piano)
    heard = Loudness(rate)
    heard.add(sound)
    np.testing.assert_allclose(found, sound * files.gain_for(heard.integrated(), float(np.abs(sound).max())), atol=3e-7)


def test_mp3(piano, tmp_path):
    for name in "ab":
        write_audio(tmp_path / name, NOTES, AudioFormat("mp3", 44_100), piano=piano)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found, rate = soundfile.read(tmp_path / "a")
    assert (rate, found.shape[1]) == (44_100, 2)
    wanted = sound_of(NOTES, 44_100, piano=piano)
    assert abs(len(found) - len(wanted)) < 4000
    strength = np.correlate(found[:30_000, 0], wanted[:26_000, 0])
    assert strength.max() > 0.98 * np.linalg.norm(wanted[:26_000, 0]) * np.linalg.norm(found[2000:26_000, 0])


def test_soft_and_loud_performances_are_equally_loud(piano, tmp_path):
    """Chords, so that peaks leave room."""
    found = []
    for velocity in (25, 70):
        notes = notes_of([(pitch, at, 900, velocity) for at in range(0, 2000, 500) for pitch in (48, 55, 64, 72)])
        write_audio(tmp_path / "x.wav", notes, piano=piano)
        sound, rate = soundfile.read(tmp_path / "x.wav", dtype="float32")
        heard = Loudness(rate)
        heard.add(sound)
        found.append(heard.integrated())
        assert np.abs(sound).max() < 10 ** (-1 / 20) + 1e-4
    np.testing.assert_allclose(found, files.LOUDNESS, atol=0.1)


def test_peaks_stay_below_full_scale():
    assert files.gain_for(-30.0, 0.9) == pytest.approx(10 ** (-1 / 20) / 0.9)
    assert files.gain_for(-30.0, 0.1) == pytest.approx(10**0.5)
    assert files.gain_for(-np.inf, 0.0) == 1


def test_progress_is_told(piano, tmp_path):
    told = []
    write_audio(tmp_path / "x.wav", NOTES, piano=piano, advance=lambda done, whole: told.append((done, whole)))
    done, whole = np.array(told).T
    assert np.all(np.diff(done) > 0)
    assert np.all(whole == whole[0])
    assert abs(done[-1] - whole[0]) < 1e-3


@pytest.mark.parametrize(
    ("options", "problem"),
    [(("ogg",), "wav or flac or mp3"), (("wav", 22_050), "44100 or 48000"), (("wav", 48_000, 8), "16 or 24")],
)
def test_forms_that_there_are_not(options, problem):
    with pytest.raises(PianistError, match=problem):
        AudioFormat(*options)


def test_a_file_that_cannot_be_written(piano, tmp_path):
    with pytest.raises(PianistError, match="cannot be written"):
        write_audio(tmp_path / "none" / "a.wav", NOTES, piano=piano)
