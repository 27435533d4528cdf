"""The examples: the committed files are what the source makes, and the source is sound music."""

import itertools
import warnings

import mido
import numpy as np
import pytest

from examples.build import FOLDER, TICKS_PER_CROTCHET, midi_bytes
from examples.musicxml import accidentals, beams, musicxml_bytes
from examples.notation import (
    UNITS_PER_CROTCHET,
    bar_units,
    join_ties,
    midi_pitch,
    parse_hand,
    parse_voice,
    played_bars,
    sounding_notes,
    velocity,
)
from examples.pieces import LARGO, MINUET, PIECES, PRELUDE, Piece

each_piece = pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.name)


def midi_notes(piece: Piece) -> list[list[tuple[float, float, int]]]:
    """(onset, length, pitch) in crotchets of each hand, read from the committed MIDI file."""
    tracks = []
    for track in mido.MidiFile(FOLDER / f"{piece.name}.mid").tracks[1:]:
        now, started, notes = 0, {}, []
        for message in track:
            now += message.time
            if message.type == "note_on":
                started[message.note] = now
            elif message.type == "note_off":
                onset = started.pop(message.note)
                length = (now - onset) / TICKS_PER_CROTCHET
                notes.append((onset / TICKS_PER_CROTCHET, length, message.note))
        assert not started
        tracks.append(sorted(notes))
    return tracks


@each_piece
def test_committed_files_are_what_the_source_makes(piece):
    assert (FOLDER / f"{piece.name}.mid").read_bytes() == midi_bytes(piece)
    assert (FOLDER / f"{piece.name}.musicxml").read_bytes() == musicxml_bytes(piece)


def test_no_other_scores_stand_beside_them():
    scores = {path.stem for pattern in ("*.mid", "*.musicxml") for path in FOLDER.glob(pattern)}
    assert scores == {piece.name for piece in PIECES}


@pytest.mark.parametrize(("piece", "bars", "notes"), [(PRELUDE, 35, 549), (MINUET, 32, 406), (LARGO, 13, 286)])
def test_pieces_are_complete(piece, bars, notes):
    assert [len(parse_hand(piece.right)), len(parse_hand(piece.left))] == [bars, bars]
    assert sum(map(len, midi_notes(piece))) == notes


@each_piece
@pytest.mark.parametrize("hand", ["right", "left"])
def test_every_bar_is_full(piece, hand):
    for number, voices in enumerate(parse_hand(getattr(piece, hand)), 1):
        for voice in voices:
            assert sum(event.length for event in voice) == bar_units(piece), f"bar {number}"


@each_piece
def test_hands_can_play_it(piece):
    """Each hand stays in its range and within a ninth at any onset, and no key is struck while it is down."""
    for notes, (low, high) in zip(midi_notes(piece), [("C3", "B5"), ("C1", "E4")], strict=True):
        assert midi_pitch(low) <= min(pitch for _, _, pitch in notes)
        assert max(pitch for _, _, pitch in notes) <= midi_pitch(high)
        for onset in {onset for onset, _, _ in notes}:
            chord = [pitch for at, _, pitch in notes if at == onset]
            assert max(chord) - min(chord) <= 14, f"onset {onset}"
    both = sorted((pitch, onset, length) for hand in midi_notes(piece) for onset, length, pitch in hand)
    for (pitch, onset, length), (next_pitch, next_onset, _) in itertools.pairwise(both):
        assert pitch != next_pitch or onset + length <= next_onset, (pitch, onset)


@each_piece
def test_midi_and_musicxml_agree(piece):
    """Read by partitura, with the repeats played out: pitch, onset and length of each hand, and the marks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # partitura's own, on import and on reading
        import partitura

        part = partitura.load_musicxml(FOLDER / f"{piece.name}.musicxml").parts[0]
        played = partitura.score.unfold_part_maximal(part)
    array = played.note_array(include_staff=True)
    for staff, expected in enumerate(midi_notes(piece), 1):
        hand = array[array["staff"] == staff]
        found = sorted(zip(hand["onset_quarter"], hand["duration_quarter"], hand["pitch"], strict=True))
        assert len(found) == len(expected)
        np.testing.assert_allclose(np.array(found, float), np.array(expected), atol=1e-5)
    assert [tempo.bpm for tempo in part.iter_all(partitura.score.Tempo)] == [piece.tempo]
    assert [(time.beats, time.beat_type) for time in part.time_sigs] == [piece.time]
    assert [key.name for key in part.key_sigs] == [piece.key]
    marks = part.iter_all(partitura.score.ConstantLoudnessDirection)
    assert [(mark.start.t // bar_units(piece) + 1, mark.text) for mark in marks] == list(piece.dynamics)


@each_piece
def test_midi_signatures(piece):
    conductor = {message.type: message for message in mido.MidiFile(FOLDER / f"{piece.name}.mid").tracks[0]}
    assert mido.tempo2bpm(conductor["set_tempo"].tempo) == pytest.approx(piece.tempo)
    signature = conductor["time_signature"]
    assert (signature.numerator, signature.denominator) == piece.time
    assert conductor["key_signature"].key == piece.key


def sounding_at(piece: Piece, bar: int, beat: float) -> list[int]:
    """Pitches that sound at a beat of a bar, bars counted as played."""
    start = (bar - 1) * bar_units(piece) + round((beat - 1) * UNITS_PER_CROTCHET)
    notes = [*sounding_notes(piece, "left"), *sounding_notes(piece, "right")]
    return sorted(note.pitch for note in notes if note.start <= start < note.start + note.length)


@pytest.mark.parametrize(
    ("piece", "bar", "beat", "names"),
    [
        (PRELUDE, 1, 2, "C4 E4 E5"),
        (PRELUDE, 23, 1.75, "Ab2 F3 C4"),  # the diminished chord of bar 23
        (PRELUDE, 34, 2.25, "C2 B2 F5"),  # the dominant seventh over the tonic pedal
        (PRELUDE, 35, 1, "C2 C3 E4 G4 C5"),
        (MINUET, 1, 1, "G3 B3 D4 D5"),
        (MINUET, 32, 1, "G3 G4"),  # bar 16 again: the end of the first half
        (MINUET, 64, 1, "G3 B3 D4 G4"),
        (LARGO, 3, 2, "C1 C2 E3 G3 Bb3 C4 E4"),
        (LARGO, 13, 4, "C3 G3 C4 Eb4 G4 C5"),
    ],
)
def test_known_places(piece, bar, beat, names):
    assert sounding_at(piece, bar, beat) == sorted(map(midi_pitch, names.split()))


def test_repeats_are_played_in_order():
    assert played_bars(MINUET, 32) == [*range(16), *range(16), *range(16, 32), *range(16, 32)]
    assert played_bars(PRELUDE, 35) == list(range(35))


def test_velocities_follow_the_marks():
    assert [velocity(LARGO, bar, 0) for bar in (0, 3, 4, 8, 10)] == [112, 112, 49, 33, 33]
    rising = [velocity(LARGO, bar, start) for bar in (10, 11) for start in (0, 4, 8, 12)]
    assert rising == sorted(set(rising))
    assert velocity(LARGO, 12, 0) == 80
    assert velocity(PRELUDE, 0, 0) == 80


def test_ties_join_and_dangling_ties_are_refused():
    assert join_ties(parse_voice("r:16 C3:8.~ C3:4~ C3:2")) == [(1, 15, "C3")]
    for text in ("C3:4~ D3", "C3:4~ r", "C3:4~"):
        with pytest.raises(ValueError, match="C3 leads nowhere"):
            join_ties(parse_voice(text))


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("H3:4", "not a pitch: 'H3'"),
        ("C:4", "not a pitch: 'C'"),
        ("C3:5", "no such note value: 'C3:5'"),
        ("C3", "no such note value: 'C3'"),
        ("C3:4;", "not a note: 'C3:4;'"),
    ],
)
def test_misspelt_notes_are_refused(token, problem):
    with pytest.raises(ValueError, match=problem):
        parse_voice(token)


def test_accidentals_hold_to_the_bar_line():
    voices = [parse_voice("F#4:4 F4 F#4 F5"), parse_voice("s:2 G4:4 F#4")]
    assert accidentals(voices, fifths=1) == [{(4, "F4"), (8, "F#4"), (12, "F5")}, set()]
    assert accidentals([parse_voice("Bb3:4 B3 Eb4 A3")], fifths=-3) == [{(4, "B3"), (12, "A3")}]


def test_beams_join_what_a_crotchet_holds():
    assert beams(parse_voice("C4:8 D4 E4:4")) == {0: ["begin"], 2: ["end"]}
    assert beams(parse_voice("C4:8. D4:16")) == {0: ["begin"], 3: ["end", "backward hook"]}
    assert beams(parse_voice("r:8 C4:16 D4")) == {2: ["begin", "begin"], 3: ["end", "end"]}
    assert beams(parse_voice("r:8 C4 D4:4")) == {}
