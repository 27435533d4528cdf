"""Which parts of a score are a pianist's, in MusicXML and in MIDI."""

import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import MidiError, read_midi
from pianist_jax.music.notes import normalise
from pianist_jax.score.describe import describe
from pianist_jax.score.grid import LEFT, RIGHT
from pianist_jax.score.load import ScoreError, load
from pianist_jax.score.reading import Reading
from tests.music.helpers import midi, off, on, pedal, track
from tests.score.xml_text import attributes, direction, note, read

PITCHES = ["C4", "D4", "E4", "F4", "G4"]


def score_of(*parts: str, inside: str = "") -> str:
    """Parts of one note each, C4, D4, E4 …; a part is its name and what else its <score-part> says after a bar."""
    told, bars = "", ""
    for number, part in enumerate(parts, 1):
        name, _, more = part.partition("|")
        told += f'<score-part id="P{number}"><part-name>{name}</part-name>{more}</score-part>'
        bars += f'<part id="P{number}"><measure number="1">{attributes().replace("<staves>2</staves>", "")}'
        bars += f"{inside if number == 1 else ''}{note(PITCHES[number - 1], 96)}</measure></part>"
    return f"<score-partwise><part-list>{told}</part-list>{bars}</score-partwise>"


def instrument(name: str = "", sound: str = "", channel: int = 1, program: int = 1) -> str:
    told = f"<instrument-name>{name}</instrument-name><instrument-sound>{sound}</instrument-sound>"
    midi_told = f"<midi-channel>{channel}</midi-channel><midi-program>{program}</midi-program>"
    return f"|<score-instrument>{told}</score-instrument><midi-instrument>{midi_told}</midi-instrument>"


def played(tmp_path, *parts: str) -> str:
    score = read(tmp_path, score_of(*parts))
    return "".join("CDEFG"[[60, 62, 64, 65, 67].index(pitch)] for pitch in score.notes.pitch.tolist())


def test_two_pianists_are_told_of(tmp_path):
    text = score_of("Piano I", "Piano II").replace("<key>", "<staves>2</staves><key>")
    score = read(tmp_path, text)
    assert score.readings == ("2 pianists, played as one: Piano I, Piano II (--part chooses)",)
    assert read(tmp_path, score_of("Piano 1", "Piano 2")).readings == ()


@pytest.mark.parametrize(
    ("parts", "sound"),
    [
        (("Soprano", "Piano"), "D"),
        (("Violine", "Violoncello", "Klavier"), "E"),
        (("Piano", "Flute"), "C"),
        (("Pf." + instrument("Grand Piano"), "Vln."), "C"),
        (("I" + instrument(sound="keyboard.harpsichord"), "II" + instrument(sound="strings.violin")), "C"),
        (("Solo" + instrument(program=41), "Begleitung" + instrument(program=7)), "D"),
        (("Piano 1", "Piano 2"), "CD"),
        (("Right Hand", "Left Hand"), "CD"),
        (("Piano", ""), "CD"),
        (("Piano", "Staff 2"), "CD"),
        (("", "", ""), "CDE"),
        (("Heldin", "Oboe"), "C"),
        (("Violin", "Viola", "Cello"), "CDE"),
        (("Piano", "Drumset" + instrument(channel=10)), "C"),
        (("Piano", "Harp"), "C"),
        (("Harp",), "C"),
    ],
)
def test_keyboards_are_found(tmp_path, parts, sound):
    assert played(tmp_path, *parts) == sound


def test_what_is_left_out_is_said(tmp_path):
    score = read(tmp_path, score_of("Soprano", "Piano"))
    assert score.readings == ("played: Piano; left out: Soprano (--part chooses, --accompany lets all sound)",)
    assert score.left_out == ("1 notes of Soprano",)
    assert [how for _, how in describe(tmp_path / "score.musicxml")][-1] == "left out: 1 notes of Soprano"
    assert read(tmp_path, score_of("Violin", "Viola")).readings == (
        "no keyboard among Violin, Viola: all are played (--part chooses)",
    )
    assert read(tmp_path, score_of("Piano", "Drums" + instrument(channel=10))).left_out == ("1 percussion notes",)
    with pytest.raises(ScoreError, match=r"no notes \(1 percussion notes left out\)"):
        read(tmp_path, score_of("Drums" + instrument(channel=10)))


def test_a_part_can_be_chosen(tmp_path):
    path = tmp_path / "score.musicxml"
    path.write_text(score_of("Soprano", "Clarinet in B", "Piano"))
    for part, pitch in (("1", 60), ("soprano", 60), ("clar", 62), ("Piano", 64), ("3", 64)):
        assert load(path, Reading(part=part)).notes.pitch.tolist() == [pitch]
    for part in ("4", "0", "tuba", ""):
        with pytest.raises(PianistError, match="its parts are: 1 Soprano, 2 Clarinet in B, 3 Piano"):
            load(path, Reading(part=part))


def test_what_a_silent_part_says_of_time_holds_for_all(tmp_path):
    """Its tempo and its jumps, but not its dynamics and its pedal."""
    signs = direction("<dynamics><ff/></dynamics>") + direction('<pedal type="start"/>') + '<sound tempo="66"/>'
    score = read(tmp_path, score_of("Violin", "Piano", inside=signs))
    assert score.tempos[0].quarters_per_minute == 66
    assert (score.notes.velocity.tolist(), score.pedal.tolist()) == ([80], [])


def program(number: int, channel: int = 0) -> bytes:
    return bytes([0xC0 | channel, number])


def named(name: str) -> bytes:
    return b"\xff\x03" + bytes([len(name)]) + name.encode()


def of_track(pitch: int, name: str = "", number: int | None = None, channel: int = 0) -> bytes:
    told = [(0, named(name))] if name else []
    told += [] if number is None else [(0, program(number, channel))]
    return track(*told, (0, pedal(127, channel)), (0, on(pitch, channel=channel)), (500, off(pitch, channel=channel)))


MIDI = {
    "by name": ((of_track(72, "Violin", 40), of_track(48, "Piano", 0)), [48]),
    "by program": ((of_track(72, "", 40), of_track(48, "", 0)), [48]),
    "hands": ((of_track(72, "Piano right"), of_track(48, "Piano left")), [48, 72]),
    "without names": ((of_track(72), of_track(48)), [48, 72]),
    "a program that means nothing": ((of_track(72, "", 0), of_track(48, "", 0, 1)), [48, 72]),
    "no keyboard": ((of_track(72, "Flute", 73), of_track(48, "Cello", 42)), [48, 72]),
    "drums": ((of_track(72, "Piano"), of_track(36, "Kit", None, 9)), [72]),
}


@pytest.mark.parametrize("case", MIDI)
def test_keyboards_of_midi(tmp_path, case):
    tracks, pitches = MIDI[case]
    path = tmp_path / "a.mid"
    path.write_bytes(midi(*tracks))
    score = load(path)
    notes, grid = score.notes, score.grid
    assert sorted(notes.pitch.tolist()) == pitches
    assert len(grid) == len(normalise(notes)[0]) == len(pitches)
    if len(pitches) == 2:
        assert sorted(grid.part_names) == sorted([RIGHT, LEFT]) or case in ("hands", "no keyboard")
    # What is read as a performance is all of it.
    assert len(read_midi(path)) == len(load(path, whole=True).grid) == sum(b"Kit" not in each for each in tracks)


def test_a_part_of_midi_can_be_chosen(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(midi(of_track(72, "Violin", 40), of_track(48, "Piano", 0, 1)))
    score = load(path, Reading(part="violin"))
    assert (score.notes.pitch.tolist(), score.grid.remarks) == ([72], ("left out: 1 notes of Piano",))
    assert load(path).grid.remarks[0] == "played: Piano; left out: Violin (--part chooses, --accompany lets all sound)"
    assert len(load(path).notes.pedal_time) == 1
    with pytest.raises(PianistError, match=r"a\.mid: no part 'tuba'; its parts are: 1 Violin, 2 Piano"):
        load(path, Reading(part="tuba"))
    path.write_bytes(midi(track((0, on(36, 99, 9)), (9, off(36, 9)))))
    with pytest.raises(MidiError, match="only drum notes"):
        load(path)


def test_channels_are_the_parts_of_format_0(tmp_path):
    path = tmp_path / "a.mid"
    events = [(0, program(40)), (0, program(0, 1)), (0, on(72)), (0, on(48, channel=1))]
    events += [(500, off(72)), (9, off(48, 1))]
    path.write_bytes(midi(track(*events), form=0))
    score = load(path)
    notes, grid = score.notes, score.grid
    assert (notes.pitch.tolist(), notes.duration.tolist(), grid.duration.tolist()) == ([48], [509], [509])
