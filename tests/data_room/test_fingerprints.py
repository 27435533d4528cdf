import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pianist_jax.data.fingerprints import (
    SAME_PIECE,
    HeldOut,
    content_hash,
    duplicates,
    hold_out,
    pitch_shingles,
    recording_shingles,
)
from pianist_jax.data.quality import fault
from pianist_jax.music.notes import Notes
from tests.data_room.conftest import invented_notes, notes_without_pedal


def held_out(**pieces: Notes) -> HeldOut:
    return hold_out((name, pitch_shingles(notes.pitch)) for name, notes in pieces.items())


def changed(notes: Notes, **columns: np.ndarray) -> Notes:
    kept = {name: getattr(notes, name) for name in ("pitch", "onset", "duration", "velocity")}
    return notes_without_pedal(**{**kept, **columns})


def test_the_content_is_the_notes_from_the_first_on():
    notes = invented_notes(1)
    assert content_hash(notes) == content_hash(changed(notes, onset=notes.onset + 777))
    assert len(content_hash(notes)) == 32
    others = [
        changed(notes, velocity=np.where(np.arange(len(notes)) == 5, 1, notes.velocity)),
        changed(notes, pitch=notes.pitch + 1),
        changed(notes, onset=notes.onset * 2),
        changed(notes, duration=notes.duration + 1),
    ]
    assert len({content_hash(each) for each in (notes, *others)}) == 5


@given(st.integers(0, 99), st.integers(-11, 11))
def test_a_piece_is_found_in_any_key_and_tempo(seed: int, semitones: int):
    notes = invented_notes(seed, 150)
    held = held_out(other=invented_notes(100 + seed), piece=notes)
    slower = changed(notes, pitch=notes.pitch + semitones, onset=notes.onset * 3)
    assert held.find(slower) == ("piece", 1.0)
    assert held.find(invented_notes(200 + seed)) is None


def test_chords_may_be_spread():
    """Up to 40 ms between the notes of a chord: only windows that cut one change."""
    rng = np.random.default_rng(0)
    pitches = np.concatenate([rng.choice(88, 4, replace=False) + 21 for _ in range(200)])
    onsets = np.repeat(np.arange(200) * 300, 4)
    written = notes_without_pedal(pitches, onsets, np.full(800, 200), np.full(800, 64))
    spread = notes_without_pedal(pitches, onsets + rng.integers(0, 40, 800), np.full(800, 200), np.full(800, 64))
    found = held_out(chorale=written).find(spread)
    assert found is not None
    assert SAME_PIECE < found[1] < 0.8


def test_few_notes_are_no_sign_of_anything():
    notes = invented_notes(3, 15)  # 6 windows at most
    held = held_out(nothing=notes_without_pedal([], [], [], []), piece=notes)
    short = notes_without_pedal(notes.pitch[:12], notes.onset[:12], notes.duration[:12], notes.velocity[:12])
    assert held.find(short) is None
    assert held_out().find(notes) is None


def test_shingles_are_the_same_on_every_machine():
    assert pitch_shingles(np.arange(60, 70)).tolist() == [pitch_shingles(np.arange(21, 31)).tolist()[0]]
    assert pitch_shingles(np.arange(60, 70)).tolist() == [PITCHES]
    assert pitch_shingles(np.arange(9)).tolist() == []


PITCHES = 10952811209261950718


def recording(*seeds: int) -> Notes:
    made = [invented_notes(seed, 400) for seed in seeds]
    starts = np.cumsum([0, *(int(each.end.max()) for each in made[:-1])])
    columns = [(e.pitch, e.onset + s, e.duration, e.velocity) for e, s in zip(made, starts, strict=True)]
    return notes_without_pedal(*(np.concatenate(each) for each in zip(*columns, strict=True)))


def doubles(*recordings: Notes) -> list[int | None]:
    return duplicates(
        [content_hash(each) for each in recordings],
        [recording_shingles(each) for each in recordings],
        [len(each) for each in recordings],
    )


def test_the_longest_that_holds_a_recording_stays():
    a, b, c = recording(1), recording(2), recording(3)
    assert doubles(a, b, c) == [None, None, None]
    assert doubles(a, recording(1, 2, 3), b, c) == [1, None, 1, 1]
    assert doubles(a, b, a, a) == [None, None, 0, 0]
    rounded = changed(a, onset=a.onset + (np.random.default_rng(0).random(len(a)) < 0.05))
    assert doubles(a, rounded) in ([None, 0], [1, None])
    assert doubles(recording(1, 2), recording(2, 3)) == [None, None]  # each holds what the other does not
    assert doubles() == []


def test_another_performance_of_a_piece_is_another_recording():
    a = recording(1)
    again = changed(a, velocity=np.random.default_rng(0).integers(1, 128, len(a)))
    assert doubles(a, again) == [None, None]


def test_short_files_are_doubles_only_of_what_is_the_same():
    a = invented_notes(1, 80)
    longer = changed(a, duration=a.duration + 1)
    assert doubles(a, longer, a) == [None, None, 0] or doubles(a, longer, a) == [0, None, 0]
    assert len(recording_shingles(a)) < 8


@pytest.mark.parametrize(
    ("columns", "kind", "reason"),
    [
        ({}, "performance", ""),
        ({"velocity": np.full(200, 64)}, "performance", "constant velocity: 100% of the notes of a performance"),
        ({"velocity": np.full(200, 64)}, "transcription", "constant velocity: 100%"),
        ({"velocity": np.full(200, 64)}, "score", ""),
        ({"onset": np.arange(200)}, "score", "absurd timing: 1005 notes a second"),
        ({"onset": np.arange(200) * 11_000}, "score", "absurd timing: 11 s from note to note"),
    ],
)
def test_what_is_not_worth_learning_from(columns: dict, kind: str, reason: str):
    rng = np.random.default_rng(0)
    pitch, velocity = np.arange(200) % 88 + 21, rng.integers(1, 128, 200)
    plain = notes_without_pedal(pitch, np.arange(200) * 250, np.full(200, 90), velocity)
    found = fault(changed(plain, **columns), kind)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_too_few_notes():
    notes = invented_notes(0, 60)
    assert fault(notes, "score") == f"too short: {len(notes)} notes, fewer than 64"
