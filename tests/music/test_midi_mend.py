"""MIDI files that are odd but say their notes plainly: read, and the oddity named."""

import struct

import numpy as np
import pytest

from pianist_jax.music.midi import MidiError, read_midi
from pianist_jax.music.midi_mend import mended
from pianist_jax.score.describe import describe
from pianist_jax.score.load import load
from tests.music.helpers import END, SMALL, chunk, midi, number, off, on, tempo, track

NOTES = ((0, on(60)), (500, off(60)), (0, on(64)), (500, off(64)))
PLAIN = midi(track(*NOTES))


def events(*more: tuple[int, bytes]) -> bytes:
    return b"".join(number(delta) + event for delta, event in [*more, *NOTES, END])


def told(count: int, *tracks: bytes) -> bytes:
    content = midi(*tracks)
    return content[:10] + struct.pack(">h", count) + content[12:]


def long_track(extra: int) -> bytes:
    content = events()
    return b"MTrk" + struct.pack(">L", len(content) + extra) + content


ODD = {
    "key of mode 255": (midi(track((0, b"\xff\x59\x02\xfe\xff"), *NOTES)), "track 1: a key signature of mode 255"),
    "key of 9 flats": (midi(track((0, b"\xff\x59\x02\xf7\x00"), *NOTES)), "track 1: a key signature of 9 flats"),
    "key of 100 sharps": (midi(track((0, b"\xff\x59\x02\x64\x00"), *NOTES)), "a key signature of 100 sharps"),
    "key of one byte": (midi(track((0, b"\xff\x59\x01\x02"), *NOTES)), "a meta event 0x59 that is too short"),
    "metre of 0/4": (midi(track((0, b"\xff\x58\x04\0\2\x18\x08"), *NOTES)), "a time signature of 0/2^2"),
    "metre of 4/2^200": (midi(track((0, b"\xff\x58\x04\4\xc8\x18\x08"), *NOTES)), "a time signature of 4/2^200"),
    "metre of two bytes": (midi(track((0, b"\xff\x58\x02\4\2"), *NOTES)), "a meta event 0x58 that is too short"),
    "SMPTE offset": (midi(track((0, b"\xff\x54\x05\xff\xff\xff\xff\xff"), *NOTES)), "an impossible SMPTE offset"),
    "a chunk before the tracks": (PLAIN[:14] + chunk(b"XFIH", b"hi") + PLAIN[14:], "unknown chunks passed over: XFIH"),
    "a chunk after the tracks": (PLAIN + chunk(b"XFKM", b"x"), "unknown chunks passed over: XFKM"),
    "too many tracks told": (told(7, track(*NOTES)), "the header tells of 7 tracks, the file has 1"),
    "too few tracks told": (told(1, track((0, tempo(500_000))), track(*NOTES)), "tells of 1 track, the file has 2"),
    "no tracks told": (told(0, track(*NOTES)), "the header tells of 0 tracks, the file has 1"),
    "a length that swallows the next track": (
        midi(long_track(6), track((0, b"\xff\x01\x02hi"))), "track 1 tells a wrong length",
    ),
    "a last length beyond the file": (midi(long_track(900)), "track 1 tells a wrong length"),
    "a length cut short": (midi(long_track(-9), track((0, b"\xff\x01\x02hi"))), "track 1 tells a wrong length"),
    "RIFF": (
        b"RIFF" + struct.pack("<L", len(PLAIN) + 20) + b"RMIDDISP" + struct.pack("<L", 3) + b"abc\0"
        + b"data" + struct.pack("<L", len(PLAIN)) + PLAIN, "wrapped in RIFF",
    ),
    "an old Macintosh's header": (bytes(128) + PLAIN, "128 bytes before its header"),
    "no end of track": (midi(chunk(b"MTrk", events()[:-4])), "track 1 does not say that it ends"),
    "RIFF that tells a wrong length": (
        b"RIFF" + bytes(4) + b"RMIDdata" + struct.pack("<L", 3) + PLAIN, "wrapped in RIFF",
    ),
    "tempo of two bytes": (midi(track((0, b"\xff\x51\x02\x07\xa1"), *NOTES)), "a meta event 0x51 that is too short"),
    "tempo zero": (midi(track((0, tempo(0)), *NOTES)), "track 1: a tempo of zero: passed over"),
    "format 2 of one track": (midi(track(*NOTES), form=2), "format 2: read as 0"),
    "format 9": (midi(track(*NOTES), form=9), "format 9: read as 0"),
    "a chunk whose name no text is": (PLAIN[:14] + chunk(b"\1\2\3\4", b"hi") + PLAIN[14:], "passed over: \\x01\\x02"),
    "bytes behind it": (PLAIN + bytes(40), "40 bytes after its last track"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_the_odd_is_read_and_named(case, tmp_path):
    content, oddity = ODD[case]
    path = tmp_path / "odd.mid"
    path.write_bytes(content)
    notes = read_midi(path)
    assert (notes.pitch.tolist(), notes.onset.tolist(), notes.duration.tolist()) == ([60, 64], [0, 500], [500, 500])
    assert load(path, whole=True).grid.onset.tolist() == [0, 500]
    assert sum(oddity in how for _, how in describe(path)) == 1


def test_the_plain_is_left_as_it_is():
    for content in (PLAIN, SMALL, midi(track(*NOTES), track((0, b"\xff\x59\x02\xfb\x01")))):
        assert mended(content) == (content, ())


def test_a_key_of_odd_mode_keeps_its_flats(tmp_path):
    (tmp_path / "a.mid").write_bytes(ODD["key of mode 255"][0])
    assert load(tmp_path / "a.mid").key_signatures[0].fifths == -2
    assert load(tmp_path / "a.mid", whole=True).grid.key_signatures == ((0, "Bb"),)


def test_bars_are_where_the_notes_are_whatever_is_between(tmp_path):
    """The time of a meta event that no parser knows counts, for the grid, too."""
    path = tmp_path / "a.mid"
    path.write_bytes(midi(track((0, on(60)), (500, off(60)), (2000, b"\xff\x60\x01\x00"), (0, on(64)), (9, off(64)))))
    assert read_midi(path).onset.tolist() == [0, 2500]
    assert load(path, whole=True).grid.onset.tolist() == [0, 2500]
    score = load(path)
    assert (score.onset.tolist(), score.bar.tolist()) == ([0, 5], [0, 1])


def test_billions_of_bars_are_refused_before_they_are_counted_out(tmp_path):
    path = tmp_path / "bars.mid"
    events = ((0, tempo(100)), (0, b"\xff\x58\x04\1\7\x18\x08"), (0, on(60)), ((1 << 27) - 1, off(60)))
    path.write_bytes(midi(track(*events), division=1))
    with pytest.raises(MidiError, match=r"bars\.mid: more than 20000 bars; "):
        load(path)


def test_nothing_is_mended_that_is_not_understood():
    rng = np.random.default_rng(3)
    for case in range(2000):
        content = bytearray(SMALL if case % 2 else PLAIN)
        for _ in range(int(rng.integers(1, 6))):
            content[int(rng.integers(0, len(content)))] = int(rng.integers(0, 256))
        data, _ = mended(bytes(content[: int(rng.integers(0, 3 * len(content)))]))
        assert mended(data).data == data or not data.startswith(b"MThd")


def test_messages_of_systems_say_nothing_whatever_their_bytes(tmp_path):
    for message in (b"\xf7\x02\xf3\x01", b"\xf7\x01\xf8", b"\xf0\x03\x41\xc1\xf7"):
        (tmp_path / "a.mid").write_bytes(midi(track((500, message), *NOTES)))
        assert load(tmp_path / "a.mid").onset.tolist() == [1, 2]


def test_what_breaks_off_is_still_refused(tmp_path):
    for cut in (3, 20, 30):
        (tmp_path / "a.mid").write_bytes(midi(track((0, tempo(9))), track(*NOTES))[:-cut])
        with pytest.raises(MidiError, match="truncated"):
            read_midi(tmp_path / "a.mid")
