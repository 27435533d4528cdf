"""A pianist who accompanies a recording of the solo: in its time, and not that of something else."""

import dataclasses

import numpy as np
import pytest

from examples.ensembles import musicxml
from examples.tunes import SCORES
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import Notes
from pianist_jax.rendering.following import following, read_solo
from pianist_jax.rendering.renderer import Piece, read_piece
from pianist_jax.rendering.stored import read_rendering
from pianist_jax.score.reading import Reading
from pianist_jax.score.together import AN_ENSEMBLE
from tests.music.helpers import notes_of
from tests.rendering.renderings import made_up_rendering


def score_file(folder, name: str):
    path = folder / f"{name}.musicxml"
    path.write_text(musicxml(next(score for score in SCORES if score.name == name)))
    return path


def piece_of(path) -> Piece:
    return read_piece(path, Reading(accompany=True))


def sung(written: Notes) -> Notes:
    """The solo with a rubato, the first notes late and all of it slower, one note missing and one too many."""
    time = 1500 + written.onset * 1.3 + 300 * np.sin(written.onset / 3000)
    end = 1500 + written.end * 1.3 + 300 * np.sin(written.end / 3000)
    loud = np.where(written.onset < 4000, 50, 90)
    played = dataclasses.replace(
        written,
        onset=time.astype(np.int64),
        duration=np.maximum((end - time).astype(np.int64) - 30, 20),
        velocity=loud.astype(np.int16),
    )
    kept = np.arange(len(written)) != 5
    columns = [getattr(played, name)[kept] for name in ("pitch", "onset", "duration", "velocity")]
    more = [np.append(column, extra) for column, extra in zip(columns, (30, 60_000, 50, 60), strict=True)]
    none = np.zeros(0, np.int64)
    return Notes(more[0], more[1], more[2], more[3], none, none)


def test_the_pianist_goes_with_the_recording(tmp_path):
    path = score_file(tmp_path, "violin-piano")
    piece, solo_file = piece_of(path), tmp_path / "solo.mid"
    (violin,) = piece.others
    recorded = sung(violin.notes)
    write_midi(solo_file, recorded)
    solo = read_solo(piece, solo_file)
    assert solo.in_words().endswith(
        "29 of 30 notes of Violin are as they were played; 1 were missing and are filled in; "
        "1 are in no score and are left out"
    )
    plain = made_up_rendering(path, accompany=True, ensemble=AN_ENSEMBLE)
    followed = following(plain, solo)
    late = followed.report["recording_at"]
    (heard,) = followed.others_with(followed.notes)
    played, chosen = solo.match >= 0, solo.match[solo.match >= 0]
    np.testing.assert_allclose(heard.notes.onset[played], solo.played.onset[chosen] + late, atol=1)
    np.testing.assert_array_equal(heard.notes.velocity[played], solo.played.velocity[chosen])
    assert heard.notes.onset[4] < heard.notes.onset[5] < heard.notes.onset[6], "what is missing has its place"
    grid = followed.grid
    assert grid is not None
    places = {tick: heard.notes.onset[n] for n, tick in enumerate(violin.onset.tolist()) if played[n]}
    apart = [
        int(time - places[tick])
        for tick, time in zip(grid.onset.tolist(), followed.notes.onset.tolist(), strict=True)
        if tick in places
    ]
    assert len(apart) > 30
    assert np.abs(apart).max() < 30, "as far as his chords are spread, of a solo that is 1.3 times as slow"
    assert followed.report["tempo"]["factor"] == pytest.approx(1.3, abs=0.05)
    followed.save(tmp_path / "out")
    stored = read_rendering(tmp_path / "out" / "violin-piano.json").rendering
    assert stored.identity["settings"]["follow"]["file"] == "solo.mid"
    assert stored.report["editable_worst_error_ms"] <= 1
    (again,) = stored.others_with(stored.notes)
    np.testing.assert_array_equal(again.notes.onset, heard.notes.onset)


def test_what_cannot_be_followed(tmp_path):
    solo_file = tmp_path / "solo.mid"
    violin = piece_of(score_file(tmp_path, "violin-piano"))
    write_midi(solo_file, notes_of([(61 + 7 * (n % 3), 400 * n, 300, 64) for n in range(30)]))
    with pytest.raises(PianistError, match=r"plays \d+% of the score's notes, too few"):
        read_solo(violin, solo_file)
    write_midi(solo_file, sung(violin.others[0].notes))
    with pytest.raises(PianistError, match="no part 'Tuba' to follow; its other parts are: 1 Violin"):
        read_solo(violin, solo_file, "Tuba")
    assert read_solo(violin, solo_file, "1").number == read_solo(violin, solo_file, "viol").number == 0
    for name, what in (
        ("quartet", "no piano part"),
        ("four-hands", "no solo part beside pianos; --solo names one of 1 Secondo"),
        ("lead-sheet", "no part beside the pianist's"),
    ):
        with pytest.raises(PianistError, match=what):
            read_solo(piece_of(score_file(tmp_path, name)), solo_file)
