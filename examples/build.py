"""Writes the examples as MIDI and MusicXML: `python -m examples.build`, or `make examples`.

The same notes go into both: a quantised MIDI score (repeats played out, a track for each hand) and a
MusicXML score (repeats as signs, two staves). The same source gives the same bytes.
"""

import io
from pathlib import Path

import mido

from examples.musicxml import musicxml_bytes
from examples.notation import UNITS_PER_CROTCHET, sounding_notes
from examples.pieces import PIECES, Piece

FOLDER = Path(__file__).parent
TICKS_PER_CROTCHET = 480
TICKS_PER_UNIT = TICKS_PER_CROTCHET // UNITS_PER_CROTCHET


def midi_bytes(piece: Piece) -> bytes:
    """The piece as a type-1 MIDI file: tempo and signatures, then a track for each hand."""
    beats, beat_type = piece.time
    score = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_CROTCHET)
    conductor = score.add_track(piece.title)
    conductor.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(piece.tempo)))
    conductor.append(mido.MetaMessage("time_signature", numerator=beats, denominator=beat_type))
    conductor.append(mido.MetaMessage("key_signature", key=piece.key))
    for hand in ("right", "left"):
        track = score.add_track(f"{hand.capitalize()} hand")
        track.append(mido.Message("program_change", program=0))
        messages = []
        for note in sounding_notes(piece, hand):
            on = mido.Message("note_on", note=note.pitch, velocity=note.velocity)
            off = mido.Message("note_off", note=note.pitch, velocity=0)
            messages.append((note.start * TICKS_PER_UNIT, 1, note.pitch, on))
            messages.append(((note.start + note.length) * TICKS_PER_UNIT, 0, note.pitch, off))
        now = 0
        for tick, _, _, message in sorted(messages, key=lambda item: item[:3]):
            track.append(message.copy(time=tick - now))
            now = tick
    out = io.BytesIO()
    score.save(file=out)
    return out.getvalue()


def main() -> None:
    """Writes every piece beside this file."""
    for piece in PIECES:
        (FOLDER / f"{piece.name}.mid").write_bytes(midi_bytes(piece))
        (FOLDER / f"{piece.name}.musicxml").write_bytes(musicxml_bytes(piece))


if __name__ == "__main__":
    main()
