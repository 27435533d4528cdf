from __future__ import annotations

import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import miditoolkit
import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi, write_midi, write_parts, write_ticks
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.part import Part
from tests.music.helpers import (
    SMALL,
    assert_same,
    chunk,
    midi,
    notes_of,
    off,
    on,
    pedal,
    random_notes,
    raw_notes,
    rows_of,
    tempo,
    track,
)


def read(content: bytes) -> Notes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "piece.mid")
        path.write_bytes(content)
        return read_midi(path)


# Reading


def test_reads_milliseconds_pedal_and_latin_1():
    notes = read(SMALL)
    assert rows_of(notes) == [(60, 8, 232, 80), (64, 80, 160, 70)]
    assert notes.pedal_time.tolist() == [0, 242]
    assert notes.pedal_value.tolist() == [127, 0]
    assert [notes.pitch.dtype, notes.onset.dtype, notes.pedal_value.dtype] == [np.int16, np.int64, np.int16]


def test_one_note_in_format_0_under_any_name(tmp_path: Path):
    content = midi(track((1000, on(21)), (1, off(21))), form=0)
    for name in ("a.mid", "B.MID", "c.midi", "d", "Prélude nº 1.mid"):
        (tmp_path / name).write_bytes(content)
        assert rows_of(read_midi(str(tmp_path / name))) == [(21, 1000, 1, 64)]


def test_tracks_are_merged_in_order_without_drums():
    one = track((5, on(60)), (0, on(50, channel=9)), (0, pedal(9, 9)), (5, off(60)), (0, off(50, 9)))
    two = track((0, pedal(100, 3)), (7, pedal(50, 3)))  # pedal alone
    three = track((7, pedal(60)), (0, on(62)), (1, off(62)))
    notes = read(midi(one, two, three))
    assert rows_of(notes) == [(60, 5, 5, 64), (62, 7, 1, 64)]
    assert list(zip(notes.pedal_time, notes.pedal_value, strict=True)) == [(0, 100), (7, 50), (7, 60)]


def test_a_hundred_tracks():
    tracks = [track((n, on(n)), (10, off(n))) for n in range(100)]
    assert rows_of(read(midi(*tracks))) == [(n, n, 10, 64) for n in range(100)]


def test_a_track_without_a_single_event():
    assert len(read(midi(chunk(b"MTrk", b""), track((0, on(60)), (1, off(60)))))) == 1


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([(0, on(60)), (9, on(60, 0))], [(0, 9)], id="velocity 0 ends a note"),
        pytest.param([(0, off(60)), (1, on(60)), (9, off(60)), (1, off(60))], [(1, 9)], id="ends of nothing"),
        pytest.param(
            [(0, on(60)), (2, on(60)), (3, off(60)), (4, off(60))],
            [(0, 5), (2, 7)],
            id="first in, first out",
        ),
        pytest.param(
            [(0, on(60)), (2, on(60, 64, 1)), (3, off(60, 1)), (4, off(60))],
            [(0, 9), (2, 3)],
            id="each channel its own",
        ),
        pytest.param([(4, on(60)), (6, on(61, 0))], [(4, 6)], id="never released: until its track ends"),
        pytest.param(
            [(0, on(60)), (2, on(60)), (3, off(60)), (10, on(60)), (5, off(60))],
            [(0, 2), (2, 3), (15, 5)],
            id="one release missing",
        ),
    ],
)
def test_ends_of_notes(events: list, expected: list[tuple[int, int]]):
    assert [(onset, duration) for _, onset, duration, _ in rows_of(read(midi(track(*events))))] == expected


def test_tempo_of_a_later_track_joins_the_others():
    """A tempo at the start of the second track must not undo those that the first one brings later."""
    first = track((500, tempo(1_000_000)))
    second = track((0, tempo(250_000)), (500, on(60)), (500, off(60)), (0, tempo(0x7FFFFF)))
    assert rows_of(read(midi(first, second))) == [(60, 250, 1000, 64)]


def test_of_tempos_at_one_tick_the_last_counts():
    notes = read(midi(track((0, tempo(1)), (0, tempo(250_000)), (1000, on(60)), (0, off(60)))))
    assert notes.onset.tolist() == [500]


@pytest.mark.parametrize("division", [1, 96, 480, 32767])
def test_tempo_map_against_exact_fractions(division: int):
    rng = np.random.default_rng(division)
    changes = rng.integers([0, 200_000], [3 * division + 1, 2_000_000], (60, 2)).tolist()
    gaps = rng.integers(1, 2 * division + 1, 100).tolist()
    tempos = track(*((gap, tempo(micros)) for gap, micros in changes))
    strikes = track(*(event for gap in gaps for event in ((gap, on(60)), (0, off(60)))))
    notes = read(midi(tempos, strikes, division=division))
    for onset, tick in zip(notes.onset.tolist(), np.cumsum(gaps).tolist(), strict=True):
        now, micros, elapsed = 0, 500_000, Fraction(0)
        for gap, following in changes:
            if now + gap > tick:
                break
            elapsed += Fraction(gap * micros, division)
            now, micros = now + gap, following
        exact = (elapsed + Fraction((tick - now) * micros, division)) / 1000
        assert abs(onset - exact) <= Fraction(1, 2)


def test_reads_the_notes_that_miditoolkit_reads(tmp_path: Path):
    rng = np.random.default_rng(3)
    tracks = []
    for channel in (0, 1, 9):
        sounding: list[int] = []
        events = []
        for _ in range(400):
            gap = int(rng.integers(0, 50))
            if sounding and rng.random() < 0.5:
                pitch = sounding.pop(int(rng.integers(len(sounding))))
                events.append((gap, off(pitch, channel) if rng.random() < 0.5 else on(pitch, 0, channel)))
            else:
                sounding.append(int(rng.integers(58, 66)))
                events.append((gap, on(sounding[-1], int(rng.integers(1, 128)), channel)))
        tracks.append(track(*events, *((1, off(pitch, channel)) for pitch in sounding)))
    (tmp_path / "piece.mid").write_bytes(midi(*tracks))
    others = [
        (note.pitch, note.start, note.end - note.start, note.velocity)
        for instrument in miditoolkit.MidiFile(tmp_path / "piece.mid").instruments
        for note in instrument.notes
        if not instrument.is_drum
    ]
    assert len(others) > 300
    assert sorted(rows_of(read_midi(tmp_path / "piece.mid"))) == sorted(others)


# Writing


def written(notes: Notes) -> Notes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.mid")
        write_midi(path, notes)
        assert [p.name for p in Path(folder).iterdir()] == ["out.mid"]
        return read_midi(path)


@given(raw_notes(), st.integers(0, 20 * 3_600_000))
def test_written_notes_read_back_identical(raw: Notes, start: int):
    notes, _ = normalise(raw)
    moved = replace(notes, onset=notes.onset + start)
    assert_same(written(moved), moved)


def test_a_long_piece_reads_back_identical():
    notes, _ = normalise(random_notes(np.random.default_rng(4), 20_000, seconds=4000, pedals=30_000))
    assert_same(written(notes), notes)


def test_chords_read_back_in_the_order_they_were_written(tmp_path: Path):
    """miditoolkit writes the shortest note of a chord first; readers sort by pitch."""
    notes = notes_of([(60, 0, 300, 64), (64, 0, 100, 65), (67, 0, 200, 66)])
    write_midi(tmp_path / "out.mid", notes)
    assert_same(read_midi(tmp_path / "out.mid"), notes)


@pytest.mark.parametrize("micros", [1, 2, 3, 333_333, 499_999, 500_000, 500_001, 16_777_214, 16_777_215])
def test_every_tempo_is_written_to_the_microsecond(micros: int, tmp_path: Path):
    write_ticks(tmp_path / "out.mid", notes_of([NOTE]), ticks_per_quarter=480, tempo=[(0, micros)])
    messages = [message for each in mido.MidiFile(tmp_path / "out.mid").tracks for message in each]
    assert [message.tempo for message in messages if message.type == "set_tempo"] == [micros]


def test_beats_a_minute_in_floats_hold_every_microsecond():
    """What miditoolkit stores for a tempo, and what it writes of it (mido.tempo2bpm, mido.bpm2tempo)."""
    micros = np.arange(1, 1 << 24)
    assert (np.rint(60 * 1e6 / (60 * 1e6 / micros)) == micros).all()


def test_parts_signatures_and_title(tmp_path: Path):
    write_parts(
        tmp_path / "out.mid",
        [Part("Right hand", notes_of([(72, 0, 5, 64)], [(3, 127)])), Part("Left hand", notes_of([(40, 2, 5, 64)]))],
        ticks_per_quarter=96,
        tempo=[(0, 500_000), (96, 400_000)],
        time_signatures=[(0, 6, 8)],
        key_signatures=[(0, "Bbm"), (96, "C")],
        title="Прелюдия" * 20,
        texts=["½"],
    )
    file = miditoolkit.MidiFile(tmp_path / "out.mid", charset="utf-8")
    assert [part.name for part in file.instruments] == ["Right hand", "Left hand"]
    assert {(key.key_name, key.time) for key in file.key_signature_changes} == {("Bbm", 0), ("C", 96)}
    assert [(sign.numerator, sign.denominator) for sign in file.time_signature_changes] == [(6, 8)]
    tracks = mido.MidiFile(tmp_path / "out.mid", charset="utf-8").tracks
    assert tracks[0].name == "Прелюдия" * 20
    assert [message.text for message in tracks[0] if message.type == "text"] == ["½"]
    assert [[m.key for m in track if m.type == "key_signature"] for track in tracks] == [["Bbm", "C"]] * 3
    assert [[m.type for m in track][:2] for track in tracks[1:]] == [["track_name", "key_signature"]] * 2
    assert rows_of(read_midi(tmp_path / "out.mid")) == [(72, 0, 26, 64), (40, 10, 26, 64)]


def test_a_key_is_released_before_it_is_struck_again(tmp_path: Path):
    notes = notes_of([(60, 0, 300, 64), (60, 300, 100, 70)], [(300, 99)])
    write_midi(tmp_path / "out.mid", notes, name="Étude № 3")
    file = miditoolkit.MidiFile(tmp_path / "out.mid", charset="utf-8")
    (piano,) = file.instruments
    assert (piano.name, piano.program, file.ticks_per_beat) == ("Étude № 3", 0, 500)
    assert [(n.start, n.end, n.velocity) for n in piano.notes] == [(0, 300, 64), (300, 400, 70)]
    assert [(c.number, c.time, c.value) for c in piano.control_changes] == [(64, 300, 99)]


NOTE = (60, 0, 1, 64)


@pytest.mark.parametrize(
    ("rows", "pedal_events", "message"),
    [
        ([NOTE, (128, 0, 1, 64)], [], "pitch 1 is 128"),
        ([(-1, 0, 1, 64)], [], "pitch 0 is -1"),
        ([NOTE, (61, 0, 1, 0)], [], "velocity 1 is 0"),
        ([(60, 0, 1, 128)], [], "velocity 0 is 128"),
        ([(60, -1, 9, 64)], [], "onset 0 is -1"),
        ([(60, 0, 0, 64)], [], "duration 0 is 0"),
        ([(60, 86_400_000, 1, 64)], [], "release 0 is 86400001"),
        ([NOTE], [(-1, 0)], "pedal time 0 is -1"),
        ([NOTE], [(0, 128)], "pedal value 0 is 128"),
        ([NOTE], [(86_400_001, 0)], "pedal time 0 is 86400001"),
        ([(60, 0, 5, 64), (60, 4, 5, 64)], [], "notes of pitch 60 overlap at 4"),
        ([(60, 0, 5, 64), (60, 0, 5, 64)], [], "notes of pitch 60 overlap at 0"),
    ],
)
def test_what_midi_cannot_say_is_not_written(rows: list, pedal_events: list, message: str, tmp_path: Path):
    with pytest.raises(ValueError, match=message):
        write_midi(tmp_path / "out.mid", notes_of(rows, pedal_events))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path):
    with pytest.raises(PianistError, match=r"none/out\.mid: cannot be written \(No such file or directory\); "):
        write_midi(tmp_path / "none" / "out.mid", notes_of([NOTE]))
    (tmp_path / "folder").mkdir()
    with pytest.raises(PianistError, match="folder: cannot be written"):
        write_midi(tmp_path / "folder", notes_of([NOTE]))
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_an_old_file_is_replaced_whole(tmp_path: Path):
    write_midi(tmp_path / "out.mid", notes_of([(60, n, 1, 64) for n in range(1000)]))
    write_midi(tmp_path / "out.mid", notes_of([NOTE]))
    assert rows_of(read_midi(tmp_path / "out.mid")) == [NOTE]
    assert [p.name for p in tmp_path.iterdir()] == ["out.mid"]


def test_ticks_sound_as_their_tempo_says(tmp_path: Path):
    notes = notes_of([(60, 480, 480, 64), (62, 960, 240, 65)], [(720, 127)])
    write_ticks(
        tmp_path / "out.mid",
        notes,
        ticks_per_quarter=480,
        tempo=[(0, 1_000_000), (720, 333_333)],
        time_signatures=[(0, 3, 8)],
    )
    again = read_midi(tmp_path / "out.mid")
    assert rows_of(again) == [(60, 1000, 667, 64), (62, 1667, 166, 65)]
    assert again.pedal_time.tolist() == [1500]
    (signature,) = miditoolkit.MidiFile(tmp_path / "out.mid").time_signature_changes
    assert (signature.numerator, signature.denominator, signature.time) == (3, 8, 0)


@pytest.mark.parametrize(("division", "micros"), [(0, 500_000), (32_768, 500_000), (480, 0), (480, 1 << 24)])
def test_ticks_that_have_no_time(division: int, micros: int, tmp_path: Path):
    with pytest.raises(ValueError, match="outside 1"):
        write_ticks(tmp_path / "a.mid", notes_of([NOTE]), ticks_per_quarter=division, tempo=[(0, micros)])
    assert list(tmp_path.iterdir()) == []
