import numpy as np
import pytest

from pianist_jax.audio import Piano, load_piano, sound_of, strings
from pianist_jax.errors import PianistError
from tests.audio.playing import RATE, centroid, cents, decibels, notes_of


@pytest.fixture(scope="module", params=["sampled", "synthetic"])
def piano(request):
    """Both pianos, with what they have loaded."""
    made = load_piano(sampled=request.param == "sampled")
    assert made.remark == ""
    return made


@pytest.fixture(scope="module")
def grand():
    return load_piano()


def heard(piano, rows, pedal=(), stop=None, start=0.0, rate=RATE):
    return sound_of(notes_of(rows, pedal), rate, start, stop, piano)


@pytest.mark.parametrize("pitch", [33, 58, 70, 80])
def test_keys_are_in_tune(piano, pitch):
    """Those between the keys recorded, too, which are a semitone away."""
    sound = heard(piano, [(pitch, 0, 3000, 64)], stop=2.0)
    assert abs(cents(sound.mean(axis=1), pitch)) < 10  # pianos are stretched


def test_another_rate_gives_the_same_pitch_and_level(grand):
    twice = [heard(grand, [(69, 0, 2000, 64)], stop=1.0, rate=rate) for rate in (44_100, 48_000)]
    assert [len(sound) for sound in twice] == [44_100, 48_000]
    slower = np.interp(np.arange(44_100) * 48_000 / 44_100, np.arange(48_000), twice[1][:, 0])
    assert np.sqrt(np.mean((twice[0][:4000, 0] - slower[:4000]) ** 2)) < 0.05 * np.sqrt(np.mean(slower[:4000] ** 2))


def test_harder_is_louder_and_brighter(piano):
    sounds = [heard(piano, [(60, 0, 900, velocity)], stop=0.3) for velocity in (20, 45, 65, 78, 90, 120)]
    levels = np.array([decibels(sound, 0, 0.3) for sound in sounds])
    expected = 32 * np.log10(np.array([20, 45, 65, 78, 90, 120]) / 120)
    np.testing.assert_allclose(levels - levels[-1], expected, atol=1.5)
    assert np.all(np.diff([centroid(sound) for sound in sounds]) > 0)


def test_neighbours_are_equally_loud(grand):
    """Whatever recording they take: the table of levels makes up for what differs."""
    for velocity in (30, 100):
        levels = [decibels(heard(grand, [(pitch, 0, 900, velocity)], stop=0.3), 0, 0.3) for pitch in range(55, 66)]
        assert np.ptp(levels) < 3


def test_notes_sound_when_they_are_struck(piano):
    sound = heard(piano, [(60, 250, 300, 80), (67, 1500, 300, 80)], stop=2.0)
    assert np.abs(sound[: int(0.2499 * RATE)]).max() == 0
    begun = [int(np.argmax(np.abs(sound[at:]).max(1) > 0.02)) / RATE for at in (0, int(1.4 * RATE))]
    np.testing.assert_allclose(begun, [0.25, 0.1], atol=0.008)


@pytest.fixture(scope="module")
def held(piano):
    """A note released at 0.5 s under some pedal, heard at 1.5 to 1.6 s relative to its start."""

    def level(*pedal):
        sound = heard(piano, [(55, 0, 500, 80)], pedal, stop=1.6)
        return decibels(sound, 1.5, 1.6) - decibels(sound, 0.1, 0.3)

    return level


def test_the_pedal_holds(held):
    none, half, full = held(), held((0, 70)), held((0, 127))
    assert none < -40
    assert full > -25
    assert none + 8 < half < full - 3


def test_a_pedal_in_time_catches_the_note(held):
    late, in_time, before = held((1000, 127)), held((520, 127)), held((400, 127))
    assert before - in_time < 6
    assert in_time - late > 10
    assert held((0, 127), (700, 0)) < held((0, 127)) - 12


def test_a_key_struck_again_takes_over_its_string(piano):
    pedal, soft = [(0, 127)], (60, 1000, 300, 20)
    alone = decibels(heard(piano, [soft], pedal, stop=1.3), 1.1, 1.3)
    again = decibels(heard(piano, [(60, 0, 300, 100), soft], pedal, stop=1.3), 1.1, 1.3)
    other = decibels(heard(piano, [(60, 0, 300, 100), (61, 1000, 300, 20)], pedal, stop=1.3), 1.1, 1.3)
    assert again - alone < 0.5 < 1.5 < other - alone


def test_a_key_coming_up_makes_a_noise(grand):
    sound = heard(grand, [(60, 0, 2500, 10), (100, 4000, 10, 1)], [(0, 127)], stop=3.0)
    assert decibels(sound[1:] - sound[:-1], 2.5, 2.6) > decibels(sound[1:] - sound[:-1], 2.3, 2.4) + 3


def test_it_lasts_until_the_string_has_died_away(piano):
    short = heard(piano, [(60, 0, 100, 64)])
    long = heard(piano, [(60, 0, 100, 64)], [(0, 127), (3000, 0)])
    ringing = heard(piano, [(45, 0, 100, 64)], [(0, 127)])
    assert len(short) / RATE < 1.6
    assert 3.0 < len(long) / RATE < 4.5
    assert 6.0 < len(ringing) / RATE < 20
    for sound in (short, long, ringing):
        assert np.abs(sound[-64:]).max() < 1e-4


def test_damping_and_dying_make_no_clicks(grand):
    """Where dampers fall, strings are struck again and sounds end, nothing jumps that did not jump in the strings."""
    rows, pedal = [(57, 0, 300, 70), (57, 900, 2000, 30)], [(100, 127), (700, 0), (1500, 64), (2000, 127)]
    sound = heard(grand, rows, pedal, stop=6.0)
    bend = np.abs(np.diff(sound, 2, axis=0)).max(1)
    at_rest = np.concatenate([bend[int(0.95 * RATE) : int(2.8 * RATE)], bend[int(3.4 * RATE) :]])
    assert at_rest.max() < bend[: int(0.3 * RATE)].max()
    for moment in (0.7, 1.5, 2.0):
        at = int(moment * RATE)
        assert bend[at - 20 : at + 200].max() < 1.5 * bend[at - 3000 : at - 20].max()


def test_a_part_is_what_the_whole_has_there(piano):
    rows = [(60, 0, 2600, 80), (64, 700, 900, 60), (67, 1900, 300, 90), (61, 2500, 300, 90)]
    whole = heard(piano, rows, [(500, 127), (2400, 0)])
    part = heard(piano, rows, [(500, 127), (2400, 0)], start=1.3, stop=2.9)
    np.testing.assert_array_equal(part, whole[int(1.3 * RATE) : int(2.9 * RATE)])
    forgetful = Piano(piano.sources, cache_bytes=0)
    np.testing.assert_array_equal(heard(forgetful, rows, [(500, 127), (2400, 0)]), whole)


def test_bass_stands_left_of_the_synthetic_piano():
    piano = load_piano(sampled=False)
    for pitch, sign in ((30, 1), (96, -1)):
        sound = heard(piano, [(pitch, 0, 1000, 80)], stop=0.5)
        left, right = decibels(sound[:, :1], 0, 0.5), decibels(sound[:, 1:], 0, 0.5)
        assert 1.5 < sign * (left - right) < 10


def test_partials_of_the_synthetic_piano_are_stretched():
    sound = strings.strike(45, 90, 0, 4 * RATE, RATE).mean(axis=0)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    stretched = 110 * 12 * np.sqrt((1 + 144 * strings.inharmonicity(45)) / (1 + strings.inharmonicity(45)))
    near = slice(4 * 1300, 4 * 1400)
    assert abs((near.start + np.argmax(spectrum[near])) / 4 - stretched) < 1.5
    assert stretched - 110 * 12 > 5


@pytest.mark.parametrize(
    ("rows", "problem"), [([], "no notes"), ([(60, 15_000_000, 100, 60)], "4 hours"), ([(60, -5, 100, 60)], "0 ms on")]
)
def test_what_cannot_be_heard(rows, problem):
    with pytest.raises(PianistError, match=problem):
        sound_of(notes_of(rows))


def test_without_its_library_the_synthetic_piano_is_heard(monkeypatch):
    monkeypatch.setattr("pianist_jax.audio.grand.find_spec", lambda name: None)
    assert load_piano().remark == "soundfile is not installed: a synthetic piano is heard instead"
