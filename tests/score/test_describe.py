"""What `pianist inspect` says of files."""

from pathlib import Path

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_parts
from pianist_jax.music.notes import Notes
from pianist_jax.music.part import Part
from pianist_jax.score.describe import describe, minutes, pedal_in_words, pitch_name
from pianist_jax.score.load import load
from tests.music.helpers import midi, off, on, tempo, track

EXAMPLES = Path(__file__).parents[2] / "examples"


def rows_of(path):
    return [how for what, how in describe(path)], dict(reversed(describe(path)))


def test_a_notated_score():
    _, rows = rows_of(EXAMPLES / "petzold-minuet-bwvanh114.musicxml")
    assert rows["format"] == "MusicXML"
    assert rows["bars"] == "64, 32 of them repeats"
    assert (rows["metre"], rows["key"], rows["tempo"]) == ("3/4", "G major", "120 quarters a minute")
    assert rows["notes"] == "426, G2–B5"
    assert rows["hands"].startswith("right hand 276, left hand 150; ")
    assert rows["signs"] == "mordent 10"
    assert (rows["length"], rows["pedal"], rows["problems"]) == ("1:36.0", "none", "none")
    _, rows = rows_of(EXAMPLES / "chopin-prelude-op28-20.musicxml")
    assert rows["dynamics"].endswith("; notes under pp 95, p 89, ff 102, crescendo 51")
    assert rows["key"] == "C minor"


def test_a_midi_score():
    _, rows = rows_of(EXAMPLES / "petzold-minuet-bwvanh114.mid")
    assert rows["format"] == (
        "MIDI, format 1, 3 tracks, 480 ticks a quarter; 100% of the notes on the beat's parts, as in a score"
    )
    assert (rows["bars"], rows["key"], rows["dynamics"]) == ("64", "G major", "velocity 80")


PEDAL = b"\xb0\x40"


def test_a_performance_with_problems(tmp_path):
    """Notes off the beat, doubled, overlapping, without end, too long, too far apart, too low; drums; pedal."""
    path = tmp_path / "a.mid"
    events = [
        (3, on(60, 50)), (0, on(60, 51)), (101, off(60)), (1, off(60)),
        (17, on(64, 90)), (33, on(64, 91)), (20, off(64)), (20, off(64)),
        (7, PEDAL + b"\x7f"), (50, PEDAL + b"\x20"), (30, PEDAL + b"\x00"), (11, PEDAL + b"\x7f"),
        (5000, on(10, 20)), (5100, off(10)), (0, on(36, 99, 9)), (9, off(36, 9)), (13, on(70, 1)),
        (90, b"\xff\x01\x00"),
    ]  # fmt: skip
    path.write_bytes(midi(track(*events)))
    lines, rows = rows_of(path)
    assert "as in a performance" in rows["format"]
    assert rows["dynamics"] == "velocity 1–91, mean 50"
    assert rows["pedal"].startswith("continuous (1 depths), 4 events, pressed 2 times, down ")
    for problem in (
        "1 note of the same pitch and onset as another: performed as one",
        "1 note still sounding when the key is struck again: released there",
        "1 note that a piano does not have",
        "the pedal is down at the end",
        "1 note never released: until the key is struck again, or the end",
        "1 drum note left out",
        "no time signature: 4/4 is meant",
        "no tempo: 120 quarters a minute is meant",
    ):
        assert problem in lines
    assert sum("follows the local tempo" in line for line in lines) == 2


def test_many_changes_are_summed_up(tmp_path):
    path = tmp_path / "a.mid"
    changes = [(480, tempo(400_000 + 1000 * n)) for n in range(20)]
    path.write_bytes(midi(track((0, on(60)), *changes, (480, off(60)))))
    _, rows = rows_of(path)
    assert rows["tempo"] == "120–150 quarters a minute, 20 changes"


@pytest.mark.parametrize(("pitch", "name"), [(60, "C4"), (21, "A0"), (108, "C8"), (63, "Eb4")])
def test_pitches(pitch, name):
    assert pitch_name(pitch) == name


def test_pedal_in_words():
    def pedal(*events):
        time, value = np.array(events, int).reshape(-1, 2).T
        return pedal_in_words(Notes(np.array([60]), np.array([100]), np.array([1000]), np.array([1]), time, value))

    assert pedal() == pedal((0, 0)) == "none"
    assert pedal((0, 127), (600, 0)) == "on and off, 2 events, pressed 1 times, down 50% of the time"
    assert pedal((0, 63), (600, 64)) == "continuous (2 depths), 2 events, pressed 1 times, down 50% of the time"
    assert minutes(62_530) == "1:02.5"


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"MThd")
    with pytest.raises(PianistError, match=r"a\.mid: "):
        describe(tmp_path / "a.mid")
    with pytest.raises(PianistError, match="not a score format"):
        describe(tmp_path / "a.txt")


@pytest.mark.parametrize(("last", "key"), [(41, "F minor"), (44, "Ab major"), (48, "Ab major")])
def test_a_minor_key_that_a_file_calls_major_is_told_by_its_end(tmp_path, last, key):
    none = np.zeros(0, np.int64)
    onset = np.array([0, 480, 960, 960])
    notes = Notes(np.array([60, 68, last, 72]), onset, np.full(4, 400), np.full(4, 64), none, none)
    write_parts(
        tmp_path / "a.mid",
        [Part("Piano", notes)],
        ticks_per_quarter=480,
        tempo=[(0, 500_000)],
        key_signatures=[(0, "Ab")],
    )
    assert dict(describe(tmp_path / "a.mid"))["key"] == key


@pytest.mark.parametrize(("last", "key"), [("F", "Fm"), ("A", "Ab")])
def test_so_is_a_key_without_a_mode_in_what_is_written_of_it(tmp_path, last, key):
    path = tmp_path / "a.musicxml"
    alter = "<alter>-1</alter>" if last == "A" else ""
    path.write_text(
        f"""<score-partwise version="4.0"><part-list><score-part id="P1"><part-name>Piano</part-name></score-part>
</part-list><part id="P1"><measure number="1">
<attributes><divisions>1</divisions><key><fifths>-4</fifths></key></attributes>
<note><pitch><step>C</step><octave>4</octave></pitch><duration>2</duration></note>
<note><pitch><step>{last}</step>{alter}<octave>3</octave></pitch><duration>2</duration></note></measure></part>
</score-partwise>"""
    )
    assert load(path).grid.key_signatures == ((0, key),)
