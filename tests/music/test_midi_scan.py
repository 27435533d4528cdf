"""The fast reader against mido, byte by byte: where it answers, it answers the same."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pianist_jax.music.midi import MidiError, parse_midi, scan_messages
from pianist_jax.music.midi_scan import Scanned, scan
from tests.music.helpers import SMALL, chunk, midi, number, off, on, pedal, random_notes, tempo, track

EXAMPLES = Path(__file__).parents[2] / "examples"


def assert_read_the_same(content: bytes) -> Scanned:
    """The fast reader answers, and as mido does."""
    scanned, other = scan(content), scan_messages("piece.mid", content)
    assert scanned is not None
    for field in dataclasses.fields(Scanned):
        np.testing.assert_array_equal(getattr(scanned, field.name), getattr(other, field.name), err_msg=field.name)
    return scanned


def events(rng: np.random.Generator, count: int) -> list[tuple[int, bytes]]:
    """Notes struck and released in any order, pedal, tempi, names, running status: everything the format has."""
    made: list[tuple[int, bytes]] = []
    for _ in range(count):
        channel, pitch, value = int(rng.integers(0, 3)) * 4 + 1, int(rng.integers(60, 64)), int(rng.integers(0, 128))
        choices = [on(pitch, value, channel), off(pitch, channel), pedal(value, channel), tempo(value * 7919)]
        choices += [bytes([0xC0 | channel, value]), bytes([0xE0 | channel, value, pitch]), bytes([0xA0, pitch, value])]
        choices += [b"\xff\x03\x03\xe9tu", b"\xff\x7f\x02\xff\x00", b"\xf0\x03\x43\x12\xf7", b"\xff\x59\x02\xfb\x01"]
        event = choices[int(rng.choice(len(choices), p=(0.35, 0.3, 0.15, *[0.2 / 8] * 8)))]
        if made and 0x80 <= event[0] < 0xC0 and made[-1][1][0] == event[0] and rng.random() < 0.7:
            event = event[1:]  # the status that is in force goes without saying
        elif made and 0x80 <= event[0] < 0xC0 and rng.random() < 0.1:
            made.append((0, event))
            event = event[1:]
        made.append((int(rng.choice([0, 0, 1, 100, 200, 20_000])), event))
    return made


def test_everything_a_track_can_hold():
    rng = np.random.default_rng(0)
    for form in (0, 1) * 20:
        tracks = [track(*events(rng, int(rng.integers(1, 200)))) for _ in range(1 if form == 0 else 4)]
        assert_read_the_same(midi(*tracks, form=form, division=int(rng.integers(1, 32768))))


STRIKES = st.lists(st.tuples(st.booleans(), st.integers(60, 61), st.integers(0, 1), st.integers(0, 2)), max_size=14)


@given(STRIKES, STRIKES)
def test_notes_end_as_they_do_for_mido(first: list, second: list):
    """Releases of nothing, strikes without release, many of one key at one tick, on two channels and tracks."""
    tracks = [
        track(*((delta, (on if struck else off)(pitch, channel=channel)) for struck, pitch, channel, delta in each))
        for each in (first, second)
    ]
    assert_read_the_same(midi(*tracks))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.mid")), ids=lambda path: path.stem)
def test_the_examples(path: Path):
    assert len(assert_read_the_same(path.read_bytes()).start) > 100


def test_tracks_can_be_chosen_by_name():
    """As in corpora whose files hold more than the piano; tempi count from whatever track."""
    tracks = [track((0, b"\xff\x03\x05PIANO"), (0, on(60)), (9, off(60)))]
    tracks.append(track((0, tempo(250_000)), (0, b"\xff\x03\x04DRUM"), (5, on(40)), (0, pedal(9)), (9, off(40))))
    tracks.append(track((0, b"\xff\x03\x07MELODY\0"), (0, on(72)), (0, pedal(7)), (0, b"\xff\x03\x01x"), (9, off(72))))
    content = midi(*tracks)
    for read in (scan, lambda data, only: scan_messages("piece.mid", data, only)):
        scanned = read(content, ("PIANO", "MELODY"))
        assert scanned is not None
        assert scanned.pitch.tolist() == [60, 72]
        assert scanned.pedal.tolist() == [[0, 7]]
        assert scanned.tempo.tolist() == [[0, 250_000]]
        nothing = read(content, ("VOICE",))
        assert nothing is not None
        assert len(nothing.start) == 0


def test_a_file_without_notes_and_one_without_events():
    assert len(assert_read_the_same(midi(track((0, tempo(400_000))))).start) == 0
    assert len(assert_read_the_same(midi(chunk(b"MTrk", b""), track((0, on(36, 9, 9))))).start) == 0


UNUSUAL = {
    "data after a program change, without status": track((0, b"\xc0\x05"), (0, b"\x07"), (0, on(60)), (1, off(60))),
    "a delta of five bytes": chunk(b"MTrk", b"\x80\x80\x80\x80\x00" + on(60)),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_the_unusual_is_left_to_mido(case: str):
    content = midi(UNUSUAL[case])
    assert scan(content) is None
    assert len(scan_messages("piece.mid", content).start) == 1


def test_the_time_of_an_unknown_meta_event_counts():
    content = midi(track((10, b"\xff\x60\x00"), (5, on(60)), (1, off(60))))
    scanned = scan(content)
    assert scanned is not None
    assert scanned.start.tolist() == [15]
    assert_read_the_same(content)


def test_whatever_the_bytes_the_answer_is_that_of_mido():
    rng = np.random.default_rng(5)
    seeds = [SMALL, midi(track(*events(rng, 40)), track(*events(rng, 10)))]
    seeds.append(midi(track((0, b"\xff\x54\x05\x60\1\2\3\4"))))
    answered = refused = 0
    for case in range(4000):
        content = np.frombuffer(seeds[case % len(seeds)], np.uint8).copy()
        where = rng.integers(14, len(content), rng.integers(1, 4))
        content[where] = rng.integers(0, 256, len(where))
        data = content.tobytes()[: int(rng.integers(0, 9 * len(content)))]
        scanned = scan(data)
        if scanned is None:
            refused += 1
        else:
            assert_read_the_same(data)
            answered += 1
    assert answered > 500
    assert refused > 500


def test_numbers_of_any_length_cost_no_time():
    endless = midi(chunk(b"MTrk", b"\xff" * (1 << 20)))
    assert scan(endless) is None
    assert scan(midi(chunk(b"MTrk", b"\x00\xff\x01" + number(1 << 60)))) is None


@pytest.mark.slow
def test_real_files():
    """Every fourth MIDI file of ASAP (scores and performances), as mido reads it."""
    if "PIANIST_DATA" not in os.environ:
        pytest.skip("PIANIST_DATA names no folder with asap/")
    paths = sorted(Path(os.environ["PIANIST_DATA"], "asap").rglob("*.mid"))[::4]
    assert paths
    for path in paths:
        content = path.read_bytes()
        try:
            parse_midi("piece.mid", content)
        except MidiError:
            assert scan(content) is None
        else:
            assert_read_the_same(content)


def test_a_large_file():
    notes = random_notes(np.random.default_rng(1), 5000, seconds=600)
    ticks = np.concatenate([notes.onset, notes.end])
    order = np.argsort(ticks, kind="stable")
    struck = zip(notes.pitch.tolist(), notes.velocity.tolist(), strict=True)
    messages = [on(pitch, velocity) for pitch, velocity in struck]
    messages += [off(pitch) for pitch in notes.pitch.tolist()]
    deltas = np.diff(ticks[order], prepend=0).tolist()
    content = midi(track(*((delta, messages[at]) for delta, at in zip(deltas, order.tolist(), strict=True))))
    assert len(assert_read_the_same(content).start) == 5000
