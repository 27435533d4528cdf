"""Parts beside the pianist's: who plays them, when they sound, in which files, and what becomes of them later."""

import dataclasses
import json
from pathlib import Path

import mido
import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi, write_midi, write_parts
from pianist_jax.music.part import Part
from pianist_jax.performance.ensemble import in_time
from pianist_jax.performance.expression import Expression
from pianist_jax.performance.shape import Shape
from pianist_jax.rendering.reimport import take_in
from pianist_jax.rendering.stored import apply_edits, describe_rendering, read_rendering
from pianist_jax.rendering.takes import keep_take, undo
from pianist_jax.score.ensemble import other_part
from pianist_jax.score.instruments import program_of
from pianist_jax.score.load import load
from pianist_jax.score.reading import Reading
from pianist_jax.score.written import WrittenPart
from tests.music.helpers import notes_of
from tests.rendering.renderings import made_up_rendering
from tests.rendering.songs import HEAD, duet, instrument, melody, piano_bars, score_of, song

SCALE = melody("C4", "D4", "E4", "F4")


def tracks(path: Path) -> dict[str, tuple[set[int], int, list[tuple[float, float, int, int]]]]:
    """Of each track with notes its channels, its program and its notes (begin, end in ms, pitch, velocity)."""
    file, found = mido.MidiFile(path), {}
    ticks = [(0, 500_000)]
    for track in file.tracks:
        at = 0
        for message in track:
            at += message.time
            ticks += [(at, message.tempo)] if message.type == "set_tempo" else []

    def ms(tick: int) -> float:
        ends = [*(start for start, _ in ticks[1:]), tick]
        spans = zip(ticks, ends, strict=True)
        return sum(max(min(end, tick) - start, 0) * tempo for (start, tempo), end in spans) / file.ticks_per_beat / 1000

    for track in file.tracks:
        at, notes, held = 0, [], {}
        for message in track:
            at += message.time
            if message.type == "note_on":
                held[message.note] = (ms(at), message.velocity)
            elif message.type == "note_off":
                begin, velocity = held.pop(message.note)
                notes.append((begin, ms(at), message.note, velocity))
        programs = [message.program for message in track if message.type == "program_change"]
        channels = {message.channel for message in track if not message.is_meta}
        if notes:
            found[track.name] = (channels, programs[0], sorted(notes))
    return found


def test_every_note_of_a_song_is_there(tmp_path):
    score = load(song(tmp_path / "song.musicxml"), Reading(accompany=True))
    (voice,) = score.others
    assert (voice.name, voice.program) == ("Soprano", 52)
    written = [note for note in voice.ids if "~" not in note]
    assert len(written) == 1 + 2 * (2 + 4) + 5 * 4, "the upbeat, bars 2 and 3 twice, the rest once"
    assert set(voice.notes.velocity.tolist()) == {49}, "as loud as it is written"
    assert len(voice.ids) - len(written) == 2 * 14, "the trill is played out"
    assert score.remarks == ("played: Piano; with it: Soprano (--part chooses)", "left out: 8 percussion notes")
    plain = load(tmp_path / "song.musicxml")
    assert plain.others == ()
    np.testing.assert_array_equal(score.notes.onset, plain.notes.onset)


def test_other_parts_go_with_the_pianist():
    score = notes_of([(60, 4000, 1000, 64), (64, 4000, 1000, 64), (60, 6000, 1000, 64), (60, 8000, 2000, 64)])
    played = dataclasses.replace(score, onset=np.array([4000, 4020, 7010, 9010]))
    raw = notes_of([(67, at, 500, 50) for at in (0, 2000, 4000, 5000, 6000, 7500, 8000, 9000)])
    (other,) = in_time(score, played, [other_part("Flute", 73, raw, (raw.onset, raw.duration))], 1.0)
    # 2 s of the score take 3 s, then 2; what is before has 4010 ms, and what comes after the tempo of all chords there.
    late = 9010 + 1000 * 5000 / 4000
    assert other.notes.onset.tolist() == [0, 2005, 4010, 5510, 7010, 8510, 9010, late]
    assert other.notes.duration.tolist()[:5] == [501, 501, 750, 750, 500]
    assert other.notes.velocity.tolist() == [50] * 8
    alone = notes_of([(60, 1000, 500, 64)])
    (other,) = in_time(alone, alone, [other_part("Flute", 73, raw, (raw.onset, raw.duration))], 2.0)
    assert other.notes.onset.tolist()[1:3] == [3000, 7000], "of one chord the tempo that is asked for"


def test_what_begins_before_the_pianist_has_room(tmp_path):
    rendering = made_up_rendering(song(tmp_path / "song.musicxml"), accompany=True)
    (voice,) = rendering.others_with(rendering.notes)
    upbeat = voice.notes.onset[1] - voice.notes.onset[0]
    early = rendering.edited(Expression(shape=Shape(lead_in=0.0)))
    (voice,) = early.others_with(early.notes)
    assert voice.notes.onset[0] == pytest.approx(0, abs=1)
    assert voice.notes.onset[1] == pytest.approx(upbeat, abs=2), "at the tempo in which the pianist begins"
    hit = rendering.edited(Expression(shape=Shape(hits=((4.0, 30.0),))))
    assert hit.grid is not None
    (voice,) = hit.others_with(hit.notes)
    assert hit.notes.onset[hit.grid.onset == 12 * 480].min() == pytest.approx(30_000, abs=25), "that is kept to"
    assert voice.notes.onset[0] == pytest.approx(0, abs=1), "so that an upbeat has less time"


@pytest.mark.parametrize("events", ["onset", "beat"])
def test_files_have_each_part_on_a_track_of_its_own(tmp_path, events):
    rendering = made_up_rendering(song(tmp_path / "song.musicxml"), accompany=True)
    rendering.save(tmp_path, tempo_events=events)
    played, edited = tracks(tmp_path / "song.performance.mid"), tracks(tmp_path / "song.daw.mid")
    assert [(name, own[:2]) for name, own in played.items()] == [("Piano", ({0}, 0)), ("Soprano", ({1}, 52))]
    assert [(name, own[:2]) for name, own in edited.items()] == [
        ("Right hand", ({0}, 0)), ("Left hand", ({1}, 0)), ("Soprano", ({2}, 52))
    ]  # fmt: skip
    (voice,) = rendering.others_with(rendering.notes)
    for notes in (played["Soprano"][2], edited["Soprano"][2]):
        assert [note[2:] for note in notes] == list(zip(voice.notes.pitch, voice.notes.velocity, strict=True))
        np.testing.assert_allclose([note[0] for note in notes], voice.notes.onset, atol=1.0)
        np.testing.assert_allclose([note[1] for note in notes], voice.notes.end, atol=1.0)
    bars = load(tmp_path / "song.daw.mid", whole=True).grid.bars()
    assert len(bars) - 1 == 10, "the bar after the piano's last counts"
    pedalled = [track.name for track in mido.MidiFile(tmp_path / "song.daw.mid").tracks if any(
        message.is_cc(64) for message in track if not message.is_meta)]  # fmt: skip
    assert pedalled == ["Right hand", "Left hand"]


def test_for_notation_they_stand_as_written(tmp_path):
    made_up_rendering(song(tmp_path / "song.musicxml"), accompany=True).save(tmp_path, tempo_events="bar")
    track = mido.MidiFile(tmp_path / "song.daw.mid").tracks[-1]
    ticks = np.cumsum([message.time for message in track])
    struck = [int(tick) for tick, message in zip(ticks, track, strict=True) if message.type == "note_on"]
    assert struck[:2] == [3 * 960, 4 * 960]
    assert struck[-4:] == [960 * (36 + beat) for beat in range(4)]


def test_later_commands_keep_them(tmp_path):
    made_up_rendering(song(tmp_path / "song.musicxml"), accompany=True).save(tmp_path)
    path, before = tmp_path / "song.json", tracks(tmp_path / "song.performance.mid")
    stored = read_rendering(path)
    again = tmp_path / "again"
    stored.rendering.save(again, name="song")
    for name in ("song.performance.mid", "song.daw.mid", "song.json"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()
    assert ("with Soprano", f"{len(before['Soprano'][2])} notes, program 52") in describe_rendering(path)

    slower = apply_edits(stored, Expression(tempo_scale=0.5))
    keep_take(slower, tmp_path / "song", stored.extras)
    after = tracks(tmp_path / "song.performance.mid")
    late, early = (np.diff([note[0] for note in each["Soprano"][2]]) for each in (after, before))
    np.testing.assert_allclose(late, 2 * early, atol=4)
    undo(tmp_path / "song")
    assert tracks(tmp_path / "song.performance.mid") == before

    content = json.loads(path.read_text())
    for line in content["notes"]:
        if "performed" in line and line["bar"] >= 4:
            line["performed"][0]["onset"] += 700
    path.write_text(json.dumps(content))
    keep_take(apply_edits(read_rendering(path)), tmp_path / "song", stored.extras, origin=path)
    moved = tracks(tmp_path / "song.performance.mid")["Soprano"][2]
    shift = [late[0] - early[0] for late, early in zip(moved, before["Soprano"][2], strict=True)]
    assert shift[:18] == [0] * 18
    assert shift[-10:] == pytest.approx([700] * 10, abs=30)

    content["others"][0]["notes"][0]["pitch"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(PianistError, match=r'what "others" say was edited'):
        read_rendering(path)


def test_edits_made_elsewhere_are_the_pianists(tmp_path):
    made_up_rendering(song(tmp_path / "song.musicxml"), accompany=True).save(tmp_path)
    stored = read_rendering(tmp_path / "song.json")
    for name in ("song.performance.mid", "song.daw.mid"):
        taken = take_in(stored, tmp_path / name)
        assert (taken.in_words(), taken.read.added) == ("no edit in it", 0)


def test_midi_files_of_several_parts(tmp_path):
    path = tmp_path / "duo.mid"
    piano = notes_of([(48, 500, 500, 64), (55, 1000, 500, 64), (60, 1500, 500, 64)])
    violin = notes_of([(72, 0, 250, 90), (74, 250, 250, 40), (60, 1500, 700, 70)])
    write_midi(path, piano, others=[Part("Violin", violin, 40)])
    rendering = made_up_rendering(path, accompany=True)
    (other,) = rendering.others
    assert (other.name, other.program, other.notes.onset.tolist()) == ("Violin", 40, violin.onset.tolist())
    rendering.save(tmp_path / "out")
    assert tracks(tmp_path / "out" / "duo.daw.mid")["Violin"][1] == 40
    assert len(read_midi(tmp_path / "out" / "duo.performance.mid")) == 6


def test_four_hands_and_quartets(tmp_path):
    path = duet(tmp_path / "duet.musicxml")
    (second,) = load(path, Reading(accompany=True)).others
    assert (second.name, second.pianist, len(second.notes)) == ("Secondo Piano", True, 23)
    assert load(path).readings[-1].startswith("2 pianists, played as one"), "without --accompany"
    (second,) = load(path, Reading(part="1", accompany=True)).others
    assert (second.name, second.program, len(second.notes)) == ("Secondo Piano", 0, 23)
    twins = score_of(tmp_path / "twins.musicxml", Piano=("", piano_bars()), Piano_=("", piano_bars()))
    assert [other.name for other in load(twins, Reading(part="1", accompany=True)).others] == ["Piano 2"]
    names = ("Violin I", "Violin II", "Viola", "Violoncello")
    quartet = score_of(tmp_path / "four.musicxml", **{name: ("", [HEAD + SCALE]) for name in names})
    together = load(quartet, Reading(accompany=True))
    assert together.conducted
    assert [(other.name, len(other.notes)) for other in together.others] == [(name, 4) for name in names]
    assert not load(quartet).conducted
    rest = load(quartet, Reading(part="Violin I", accompany=True)).others
    assert [(other.name, other.program) for other in rest] == [("Violin II", 40), ("Viola", 41), ("Violoncello", 42)]


@pytest.mark.parametrize(
    ("part", "program"),
    [
        (WrittenPart("Bass Clarinet in B♭"), 71),
        (WrittenPart("Alto Saxophone"), 65),
        (WrittenPart("Alto"), 52),
        (WrittenPart("", "voice soprano"), 52),
        (WrittenPart("", "strings violin"), 40),
        (WrittenPart("Vla."), 41),
        (WrittenPart("Violoncelle."), 42),
        (WrittenPart("Strings 1"), 48),
        (WrittenPart("Violone di ripieno"), 43),
        (WrittenPart("Bass", "pluck bass electric"), 33),
        (WrittenPart("Solo", program=74), 73),
        (WrittenPart("Flute", program=1), 73),
        (WrittenPart("Erhu", program=1), 0),
        (WrittenPart("Erhu"), None),
        (WrittenPart("Singstimme"), 52),
        (WrittenPart("Klavier 2"), 0),
        (WrittenPart("Corno inglese"), 69),
        (WrittenPart("Kontrafagott"), 70),
    ],
)
def test_instruments(part, program):
    assert program_of(part) == program


def test_what_is_not_known_is_said(tmp_path):
    parts = {"Erhu": ("", [HEAD + SCALE]), "Piano": ("", [HEAD + SCALE])}
    score = load(score_of(tmp_path / "a.musicxml", **parts), Reading(accompany=True))
    assert score.readings[-1] == "Erhu: no such instrument is known; sounds as a piano"
    players = {f"Flute {n}": (instrument(program=74), [HEAD + SCALE]) for n in range(15)}
    many = load(score_of(tmp_path / "b.musicxml", **players, Piano=("", [HEAD + SCALE])), Reading(accompany=True))
    assert "more parts than MIDI has channels (15): parts of one instrument share one" in many.readings
    made_up_rendering(tmp_path / "b.musicxml", accompany=True).save(tmp_path)
    assert {own[0].pop() for own in tracks(tmp_path / "b.performance.mid").values()} == {0, 1}


def test_channels_leave_the_drums_out(tmp_path):
    note = notes_of([(60, 0, 10, 64)])
    write_parts(tmp_path / "a.mid", [Part(f"{n}", note, n) for n in range(15)], ticks_per_quarter=480, tempo=())
    assert [own[0].pop() for own in tracks(tmp_path / "a.mid").values()] == [n for n in range(16) if n != 9]
