"""Two pianists, and players without one: who plays what, in which file, in one time."""

import dataclasses
from pathlib import Path

import mido
import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_company
from pianist_jax.music.part import Part
from pianist_jax.performance.ensemble import in_time
from pianist_jax.rendering.reimport import take_in
from pianist_jax.rendering.renderer import render
from pianist_jax.rendering.stored import apply_edits, read_rendering
from pianist_jax.score.load import load
from pianist_jax.score.reading import Reading
from pianist_jax.score.together import AN_ENSEMBLE, Playing
from tests.music.helpers import notes_of
from tests.rendering.models import lively_model
from tests.rendering.renderings import made_up_rendering
from tests.rendering.songs import HEAD, duet, instrument, melody, score_of
from tests.rendering.test_others import tracks

SCALE = melody("C4", "D4", "E4", "F4")
QUARTET = ("Violin I", "Violin II", "Viola", "Violoncello")


def quartet(path: Path) -> Path:
    return score_of(path, **{name.replace(" ", "_"): ("", [HEAD + SCALE, SCALE, SCALE]) for name in QUARTET})


@pytest.fixture(scope="module")
def four_hands(tmp_path_factory):
    path = duet(tmp_path_factory.mktemp("duet") / "duet.musicxml")
    return render(path, lively_model(), samples=2, accompany=True)


def test_two_pianists_have_a_hand_and_a_foot_each(four_hands):
    (second,) = four_hands.others
    assert (second.pianist, len(second.playing)) == (True, 2)
    written, first = four_hands.score, four_hands.performances
    assert second.notes.pitch.tolist() == written.pitch.tolist(), "both play the same notes"
    for sample, notes in enumerate(first):
        (heard,) = four_hands.others_with(notes, sample)
        (plain,) = in_time(four_hands.raw, notes, four_hands.others, four_hands.factor)
        assert np.abs(heard.notes.onset - plain.notes.onset).max() < 250, "one time"
        assert (heard.notes.onset != notes.onset).any(), "and two players"
        assert (heard.notes.velocity != notes.velocity).any()
    assert (second.playing[0].velocity != second.playing[1].velocity).any(), "another one in each performance"


def test_two_pianists_are_in_all_files(four_hands, tmp_path):
    four_hands.save(tmp_path, name="duet")
    (heard,) = four_hands.others_with(four_hands.performances[1], 1)
    for kind, own in (("performance", "Piano"), ("daw", "Right hand")):
        found = tracks(tmp_path / f"duet-2.{kind}.mid")
        assert found[own][1] == found["Secondo Piano"][1] == 0
        assert not found[own][0] & found["Secondo Piano"][0], "a channel each"
        np.testing.assert_allclose(
            sorted(note[0] for note in found["Secondo Piano"][2]), np.sort(heard.notes.onset), atol=1
        )
    content = read_rendering(tmp_path / "duet.json")
    again = tmp_path / "again"
    content.rendering.save(again, name="duet")
    for path in tmp_path.glob("duet*"):
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_a_second_foot_is_written_and_compared(tmp_path):
    """The pedal of either pianist on his own tracks, in both files."""
    rendering = made_up_rendering(duet(tmp_path / "duet.musicxml"), accompany=True, ensemble=AN_ENSEMBLE)
    (second,) = rendering.others
    count = len(second.notes)
    zeros = np.zeros(count)
    own = Playing(zeros, zeros + 1, zeros.astype(int) + 70, np.array([2000.0, 3000.0]), np.array([100, 0]))
    rendering = dataclasses.replace(rendering, others=(dataclasses.replace(second, playing=(own,)),))
    rendering.save(tmp_path)
    (heard,) = rendering.others_with(rendering.notes)
    assert heard.notes.pedal_value.tolist() == [100, 0]
    for name in ("duet.performance.mid", "duet.daw.mid"):
        last = mido.MidiFile(tmp_path / name).tracks[-1]
        assert [message.value for message in last if not message.is_meta and message.is_cc(64)] == [100, 0]
    stored = read_rendering(tmp_path / "duet.json")
    assert stored.rendering.report["editable_worst_error_ms"] <= 1
    assert take_in(stored, tmp_path / "duet.daw.mid").in_words() == "no edit in it"


def test_a_quartet_plays_without_a_pianist(tmp_path):
    path = quartet(tmp_path / "four.musicxml")
    rendering = made_up_rendering(path, accompany=True, ensemble=AN_ENSEMBLE)
    assert rendering.conducted
    rendering.save(tmp_path)
    for kind in ("performance", "daw"):
        found = tracks(tmp_path / f"four.{kind}.mid")
        assert [(name, own[1], len(own[2])) for name, own in found.items()] == [
            ("Violin I", 40, 12), ("Violin II", 40, 12), ("Viola", 41, 12), ("Violoncello", 42, 12)
        ]  # fmt: skip
        assert len(set.union(*(own[0] for own in found.values()))) == 4
        curves = [m.control for track in mido.MidiFile(tmp_path / f"four.{kind}.mid").tracks for m in track
                  if m.type == "control_change"]  # fmt: skip
        assert set(curves) == {11}
    stored = read_rendering(tmp_path / "four.json")
    assert stored.rendering.report["editable_worst_error_ms"] <= 1
    assert stored.rendering.conducted
    assert len(stored.rendering.score) == 12, "what is written together is read once, and played by all"
    assert len(apply_edits(stored).others) == 4
    with pytest.raises(PianistError):
        take_in(stored, tmp_path / "four.daw.mid")


def test_players_of_midi_files_need_no_pianist(tmp_path):
    path = tmp_path / "duo.mid"
    notes = [notes_of([(72 - 20 * k, 500 * n, 500, 64) for n in range(6)]) for k in range(2)]
    write_company(path, [Part("Flute", notes[0], 73), Part("Cello", notes[1], 42)])
    score = load(path, Reading(accompany=True))
    assert score.conducted
    assert [(other.name, other.program, len(other.notes)) for other in score.others] == [
        ("Flute", 73, 6),
        ("Cello", 42, 6),
    ]
    assert not load(path).conducted
    assert not load(path, Reading(part="Cello", accompany=True)).conducted


def test_channels_that_are_shared_have_no_curves(tmp_path):
    players = {f"Flute_{n}": (instrument(program=74), [HEAD + SCALE]) for n in range(16)}
    path = score_of(tmp_path / "many.musicxml", **players)
    rendering = made_up_rendering(path, accompany=True, ensemble=AN_ENSEMBLE)
    assert {other.controller for other in rendering.others_with(rendering.notes)} == {0}
    few = {f"Flute_{n}": (instrument(program=74), [HEAD + SCALE]) for n in range(15)}
    rendering = made_up_rendering(score_of(tmp_path / "few.musicxml", **few), accompany=True, ensemble=AN_ENSEMBLE)
    assert {other.controller for other in rendering.others_with(rendering.notes)} == {11}
