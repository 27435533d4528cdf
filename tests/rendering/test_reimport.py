"""MIDI files of a rendering, as other programs save them, unedited and edited."""

import dataclasses
from pathlib import Path

import mido
import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import Notes
from pianist_jax.performance.readback import Ticks, match_places
from pianist_jax.performance.tempo_events import TempoMap
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.reimport import take_in
from pianist_jax.rendering.stored import read_rendering
from pianist_jax.rendering.takes import keep_take, list_takes, switch_to
from tests.music.helpers import assert_same
from tests.rendering.models import made_up_score
from tests.rendering.renderings import CHORALE, made_up_rendering


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendering")
    keep_take(made_up_rendering(CHORALE, seed=1), folder / "x", Extras())
    keep_take(made_up_rendering(CHORALE, seed=2, samples=2), folder / "two", Extras("beat"))
    return folder


def stored(folder, name="x"):
    return read_rendering(folder / f"{name}.json")


def saved_again(path, ticks=None, change=lambda messages: None):
    """A file as another program saves it: of format 0, in other ticks, its events at one tick in another order."""
    file = mido.MidiFile(path)
    scale = 1 if ticks is None else ticks / file.ticks_per_beat
    messages = []
    for track in reversed(file.tracks):
        tick = 0
        for message in track:
            tick += message.time
            if message.type != "end_of_track":
                messages.append((round(tick * scale), message.copy()))
    order = {"note_on": 2, "note_off": 1}
    messages.sort(key=lambda each: (each[0], order.get(each[1].type, 0)))
    change(messages)
    messages.sort(key=lambda each: (each[0], order.get(each[1].type, 0)))
    new = mido.MidiFile(type=0, ticks_per_beat=ticks or file.ticks_per_beat)
    track, before = mido.MidiTrack(), 0
    for tick, message in messages:
        if message.type == "note_off":
            message = mido.Message("note_on", note=message.note, channel=message.channel, velocity=0)
        track.append(message.copy(time=tick - before))
        before = tick
    new.tracks.append(track)
    out = path.with_name(f"again-{path.name}")
    new.save(out)
    return out


@pytest.mark.parametrize("name", ["x.daw.mid", "x.performance.mid", "two-1.daw.mid", "two-2.performance.mid"])
@pytest.mark.parametrize("ticks", [None, 480, 960])
def test_unedited_files_of_other_programs_have_no_edit(folder, name, ticks):
    taken = take_in(stored(folder, "two" if name.startswith("two") else "x"), saved_again(folder / name, ticks))
    assert taken.in_words() == "no edit in it"
    assert taken.sample == int(name.startswith("two-2"))


def test_edits_in_ticks(folder):
    """A note louder, one an eighth later, one half as long, one left out, one that is in no score."""
    quarter = mido.MidiFile(folder / "x.daw.mid").ticks_per_beat
    ons: list[int] = []

    def change(messages):
        ons[:] = [n for n, (_, message) in enumerate(messages) if message.type == "note_on" and message.velocity]
        louder, later, gone = (messages[ons[n]] for n in (5, 40, 80))
        messages[ons[5]] = (louder[0], louder[1].copy(velocity=126))
        for n, (tick, message) in enumerate(messages):
            if n >= ons[40] and message.type in ("note_on", "note_off") and message.note == later[1].note:
                messages[n] = (tick + quarter // 2, message)
                if message.type == "note_off" or not message.velocity:
                    break
        off = next(
            n
            for n in range(ons[80], len(messages))
            if messages[n][1].type == "note_off" and messages[n][1].note == gone[1].note
        )
        del messages[off], messages[ons[80]]
        messages += [
            (9 * quarter, mido.Message("note_on", note=107, velocity=50)),
            (10 * quarter, mido.Message("note_off", note=107)),
        ]

    old = stored(folder)
    taken = take_in(old, saved_again(folder / "x.daw.mid", change=change))
    before, after = old.rendering.notes, taken.rendering.notes
    read = taken.read
    assert (read.missing, read.added, read.tempo, read.notated) == (1, 1, False, False)
    assert [int(which.sum()) for which in (read.changed.velocity, read.changed.onset, read.changed.duration)][:2] == [
        1,
        1,
    ]
    assert after.velocity[read.changed.velocity].tolist() == [126]
    moved = int(np.flatnonzero(read.changed.onset)[0])
    grid = old.rendering.grid
    eighth = grid.ticks_per_quarter // 2
    later = before.onset[np.flatnonzero(grid.onset == grid.onset[moved] + eighth)]
    assert len(later) == 0 or abs(after.onset[moved] - later.min()) < 40
    assert 300 < after.onset[moved] - before.onset[moved] < 1500
    assert taken.rendering.identity["edits"][-1]["from"] == "again-x.daw.mid"
    assert "1 notes are not in it and stay as they were; 1 notes are in no score" in taken.in_words()


def test_pedal_of_one_hand_alone(folder):
    file = mido.MidiFile(folder / "x.daw.mid")
    for message in file.tracks[1]:
        if message.type == "control_change" and message.control == 64 and message.value == 127:
            message.value = 99
    file.save(folder / "pedal.mid")
    taken = take_in(stored(folder), folder / "pedal.mid")
    assert taken.read.changed.in_words() == "pedal"
    before, after = stored(folder).rendering.notes, taken.rendering.notes
    assert np.where(before.pedal_value == 127, 99, before.pedal_value).tolist() == after.pedal_value.tolist()
    assert np.abs(before.pedal_time - after.pedal_time).max() <= 1


def test_another_tempo(folder):
    """Everything half as fast, as by a slider for the tempo; the first note begins when it began."""

    def change(messages):
        for n, (tick, message) in enumerate(messages):
            if message.type == "set_tempo":
                messages[n] = (tick, message.copy(tempo=2 * message.tempo))

    old = stored(folder)
    for name in ("x.daw.mid", "x.performance.mid"):
        taken = take_in(old, saved_again(folder / name, change=change))
        assert taken.read.tempo
        before, after = old.rendering.notes, taken.rendering.notes
        begin = before.onset.min()
        np.testing.assert_allclose(after.onset - begin, 2 * (before.onset - begin), atol=2)
        np.testing.assert_allclose(after.duration, 2 * before.duration, atol=4)
        assert after.velocity.tolist() == before.velocity.tolist()


def as_notation(path, out, moved=()):
    """What MuseScore 3 makes of a file: notes at their written places, whole note values, one tempo, no pedal."""
    file, new = mido.MidiFile(path), mido.MidiFile(ticks_per_beat=480)
    count = 0
    for track in file.tracks:
        tick, events = 0, []
        for message in track:
            tick += message.time
            if message.type in ("note_on", "note_off"):
                count += 1
                place = round(2 * tick / file.ticks_per_beat) * 240
                shift = 240 * (count in moved)
                events.append((place + shift - (message.type == "note_off"), message.copy()))
        events.sort(key=lambda each: each[0])
        own, before = mido.MidiTrack(), 0
        for place, message in events:
            own.append(message.copy(time=max(place - before, 0)))
            before = max(place, before)
        new.tracks.append(own)
    new.save(out)


def test_programs_for_notation(tmp_path):
    """All its notes are quarters and halves, so that rounding to eighths is what such a program does."""
    score = tmp_path / "a.mid"
    notes = made_up_score(40)
    write_midi(score, dataclasses.replace(notes, onset=notes.onset // 125 * 500, duration=np.full(40, 400)))
    keep_take(made_up_rendering(score), tmp_path / "x", Extras())
    as_notation(tmp_path / "x.daw.mid", tmp_path / "again.mid")
    taken = take_in(stored(tmp_path), tmp_path / "again.mid")
    assert taken.in_words() == "no edit in it; it is notation, so that lengths, tempi and pedal stay as they were"


@pytest.mark.parametrize("events", ["bar", "onset"])
def test_what_programs_for_notation_round_and_lose_is_no_edit(tmp_path, events):
    score = tmp_path / "a.mid"
    notes = made_up_score(40)
    write_midi(score, dataclasses.replace(notes, onset=notes.onset // 125 * 500, duration=np.full(40, 400)))
    keep_take(made_up_rendering(score), tmp_path / "x", Extras(tempo_events=events))
    as_notation(tmp_path / "x.daw.mid", tmp_path / "again.mid")
    file = mido.MidiFile(tmp_path / "again.mid")
    first = next(message for message in file.tracks[-1] if message.type == "note_on")
    lost = next(k for k, message in enumerate(file.tracks[-1]) if message.type == "note_on" and message is not first)
    file.tracks[-1][lost] = file.tracks[-1][lost].copy(velocity=0)
    file.save(tmp_path / "again.mid")
    taken = take_in(stored(tmp_path), tmp_path / "again.mid")
    assert not taken.read.changed
    assert (taken.read.missing, taken.read.added, taken.read.notated) == (1, 0, True)
    last = [message for message in file.tracks[-1] if message.type == "note_on" and message.velocity][-1]
    last.time += 960
    file.save(tmp_path / "moved.mid")
    taken = take_in(stored(tmp_path), tmp_path / "moved.mid")
    assert taken.read.notated
    assert taken.read.changed.onset.sum() == 1


def test_repeated_notes_that_were_merged_rounded_or_made_louder(folder):
    """A key struck every sixteenth, as a program for notation has it: what is left stays in order."""
    onset, count = np.array([0, 240, 480, 720, 960, 2400]), 6
    velocity = np.array([40, 50, 60, 70, 80, 90])
    pitch, none, clock = np.full(count, 60), np.zeros(0, int), TempoMap(np.array([0]), np.array([500_000]), 960)
    written = Ticks(Notes(pitch, onset, np.full(count, 100), velocity, none, none), clock, onset)

    def matched(keep, shift=0, louder=(0,) * 6):
        keep = np.array(keep)
        own = (onset[keep] + shift, np.full(len(keep), 100), (velocity + np.array(louder))[keep])
        match = match_places(written, Ticks(Notes(pitch[keep], *own, none, none), clock))
        return None if match is None else match.tolist()

    assert matched([0, 1, 2, 3, 4, 5]) == [0, 1, 2, 3, 4, 5]
    assert matched([0, 2, 3, 4, 5]) == [0, -1, 1, 2, 3, 4]
    assert matched([0, 1, 2, 3, 4, 5], louder=[0, 0, 10, 0, 0, 0]) == [0, 1, 2, 3, 4, 5]
    nearer_to_the_one_before = np.array([0, -180, -180, 0, 0])
    assert matched([0, 2, 3, 4, 5], nearer_to_the_one_before) == [0, -1, 1, 2, 3, 4]
    assert matched([0, 1, 2, 3, 4, 5], np.array([0, 0, 0, 0, 0, 2400])) == [0, 1, 2, 3, 4, 5]


def test_what_is_no_file_of_it(folder, tmp_path):
    write_midi(tmp_path / "other.mid", made_up_score(60))
    with pytest.raises(PianistError, match=r"other\.mid: has \d+% of the score's notes, so that it plays another"):
        take_in(stored(folder), tmp_path / "other.mid")
    mido.MidiFile(type=0, tracks=[mido.MidiTrack()]).save(tmp_path / "empty.mid")
    with pytest.raises(PianistError, match=r"empty\.mid: no notes"):
        take_in(stored(folder), tmp_path / "empty.mid")


def test_a_file_edited_in_place_becomes_a_take(tmp_path):
    keep_take(made_up_rendering(CHORALE, seed=1), tmp_path / "x", Extras())
    path = tmp_path / "x.daw.mid"
    file = mido.MidiFile(path)
    note = next(message for message in file.tracks[1] if message.type == "note_on" and message.velocity)
    note.velocity = 3
    file.save(path)
    edited = path.read_bytes()
    old = stored(tmp_path)
    with pytest.raises(PianistError, match=r"x\.daw\.mid: was changed .* --from` takes edits of MIDI files in"):
        keep_take(made_up_rendering(CHORALE, seed=2), tmp_path / "x", Extras())
    taken = take_in(old, path)
    assert keep_take(taken.rendering, tmp_path / "x", Extras(), taken=path).take == 2
    assert (tmp_path / "x.takes" / "2.from.mid").read_bytes() == edited
    assert sorted(read_midi(path).velocity)[0] == 3
    assert_same(take_in(stored(tmp_path), path).rendering.notes, taken.rendering.notes)
    assert [take.parent for take in list_takes(tmp_path / "x")] == [None, 1]
    assert Path(tmp_path / "x.takes" / "1.json").exists()


def test_a_file_whose_edits_a_take_has_is_in_nobody_s_way(tmp_path):
    """A command that is killed between its take and the files leaves the edited one where it was."""
    keep_take(made_up_rendering(CHORALE, seed=1), tmp_path / "x", Extras())
    path = tmp_path / "x.performance.mid"
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    write_midi(path, dataclasses.replace(notes := read_midi(path), velocity=np.full(len(notes), 9, np.int16)))
    edited = path.read_bytes()
    taken = take_in(stored(tmp_path), path)
    keep_take(taken.rendering, tmp_path / "x", Extras(), taken=path)
    for file, content in (before | {path: edited}).items():
        file.write_bytes(content)
    assert switch_to(tmp_path / "x", 2).take == 2
    assert_same(stored(tmp_path).rendering.notes, taken.rendering.notes)
    path.write_bytes(edited + b"more")
    with pytest.raises(PianistError, match="was changed since it was rendered"):
        switch_to(tmp_path / "x", 1)
