"""Folders joined by names: what is found, what is left out by name, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pianist_jax.data import alignments
from pianist_jax.errors import PianistError
from pianist_jax.evaluation import folders
from pianist_jax.evaluation.folders import Aligner, every_note_once, find_all_candidates, find_candidates, find_pieces
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import normalise
from tests.evaluation.pieces import invented_piece


@pytest.fixture(scope="module")
def pieces():
    rng = np.random.default_rng(0)
    return [invented_piece(rng, size=150 + 20 * index, humans=2, name=name) for index, name in enumerate("ab")]


def put(path, notes):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(path, normalise(notes)[0])


@pytest.fixture
def aligner(tmp_path):
    return Aligner(tmp_path / "cache")


@pytest.fixture
def laid_out(tmp_path, pieces):
    for piece in pieces:
        put(tmp_path / "scores" / f"{piece.name}.mid", piece.score)
        for number, human in enumerate(piece.humans, 1):
            put(tmp_path / "humans" / f"{piece.name}-{number}.mid", human.notes)
            put(tmp_path / "made" / f"{piece.name}-{number}.performance.mid", human.notes)
    return tmp_path


def found(laid_out, aligner):
    return find_pieces(laid_out / "scores", laid_out / "humans", aligner)[0]


def test_scores_and_humans_come_together_by_name(laid_out, aligner, pieces):
    put(laid_out / "scores" / "c.mid", pieces[0].score)
    put(laid_out / "humans" / "d-1.mid", pieces[0].score)
    put(laid_out / "scores" / "a-1.performance.mid", pieces[0].score)  # rendered beside its score
    read, warnings = find_pieces(laid_out / "scores", laid_out / "humans", aligner)
    assert [(piece.name, [human.name for human in piece.humans]) for piece in read] == [
        ("a", ["a-1.mid", "a-2.mid"]),
        ("b", ["b-1.mid", "b-2.mid"]),
    ]
    np.testing.assert_array_equal(read[0].humans[0].match, np.arange(150))
    assert [warning.split(": ", 1)[1] for warning in warnings] == [
        "no score of that name; left out",
        "no human performance c-k.mid; left out",
    ]


def test_the_output_of_render_is_taken_as_it_is(laid_out, aligner, pieces):
    made = laid_out / "made"
    put(made / "a-1.daw.mid", pieces[1].score)  # left aside, whatever it holds
    put(made / "b.mid", pieces[1].humans[0].notes)
    put(made / "b-10.mid", pieces[1].humans[0].notes)
    windows = {"notes": 64, "move": 40, "prompt": 19}
    identity = {"model": {"name": "m", "hash": "ab"}, "seed": 7}
    (made / "a.json").write_text(json.dumps({"settings": {"windows": windows}, **identity}))
    entry, warnings = find_candidates(made, found(laid_out, aligner), aligner, "made")
    assert warnings == []
    assert [one.name for one in entry.performances["a"]] == ["a-1.performance.mid", "a-2.performance.mid"]
    assert [one.name for one in entry.performances["b"]] == [
        "b.mid",
        "b-1.performance.mid",
        "b-2.performance.mid",
        "b-10.mid",
    ]
    assert not any(one.aligned for own in entry.performances.values() for one in own)
    assert entry.boundaries["a"].tolist() == [59, 99, 139]
    assert "b" not in entry.boundaries
    assert entry.about == {"folder": "made"}  # of b nothing is told
    (made / "b.json").write_text(json.dumps(identity))
    entry, _ = find_candidates(made, found(laid_out, aligner), aligner, "made")
    assert entry.about == {"folder": "made", "model": "m", "hash": "ab", "seed": 7}
    (made / "b.json").write_text("[]")
    assert find_candidates(made, found(laid_out, aligner), aligner, "made")[0].about == {"folder": "made"}


def test_names_below_folders_and_of_data_sets(laid_out, aligner, pieces):
    source = laid_out / "scores" / "midi_score.mid"
    below = [replace(piece, name=f"Bach/{piece.name}", source=source) for piece in pieces]
    for name in ("x/Bach/a.mid", "x/Bach/b/midi_score-1.performance.mid"):
        put(laid_out / name, pieces["b" in name.split("/")].humans[0].notes)
    entry, _ = find_candidates(laid_out / "x", below, aligner, "x")
    assert set(entry.performances) == {"Bach/a", "Bach/b"}


def test_a_name_that_could_be_two_is_named(laid_out, aligner, pieces):
    put(laid_out / "scores" / "a-1.mid", pieces[0].score)
    read, warnings = find_pieces(laid_out / "scores", laid_out / "humans", aligner)
    assert [(piece.name, len(piece.humans)) for piece in read] == [("a", 1), ("a-1", 1), ("b", 2)]
    assert any("taken for a performance of a-1, not for number 1" in warning for warning in warnings)


def test_missing_and_extra_notes_are_aligned(laid_out, aligner, pieces):
    notes = pieces[0].humans[0].notes
    kept = np.delete(np.arange(len(notes)), [20, 50])
    columns = {name: getattr(notes, name)[kept] for name in ("pitch", "onset", "duration", "velocity")}
    columns["pitch"] = np.append(columns["pitch"], 100)
    for name in ("onset", "duration", "velocity"):
        columns[name] = np.append(columns[name], columns[name][60])
    order = np.lexsort((columns["pitch"], columns["onset"]))
    put(laid_out / "other" / "a.mid", replace(notes, **{name: values[order] for name, values in columns.items()}))
    entry, _ = find_candidates(laid_out / "other", found(laid_out, aligner), aligner, "other")
    (one,) = entry.performances["a"]
    assert one.aligned
    assert one.missing - one.extra == 1
    assert 2 <= one.missing <= 20  # one pitch comes in every chord, so that some are taken for one another


def test_another_piece_under_the_same_name_is_refused(laid_out, aligner, pieces):
    rng = np.random.default_rng(9)
    wrong = replace(pieces[0].score, pitch=rng.permutation(30 + np.arange(150) % 50))
    order = np.lexsort((wrong.pitch, wrong.onset))
    put(laid_out / "made" / "a-2.performance.mid", replace(wrong, pitch=wrong.pitch[order]))
    with pytest.raises(PianistError, match=r"a-2\.performance\.mid: only \d+% of its notes.*another piece"):
        find_candidates(laid_out / "made", found(laid_out, aligner), aligner, "made")


def test_alignments_are_kept_by_content(laid_out, aligner, pieces, monkeypatch):
    read = found(laid_out, aligner)
    notes = replace(pieces[0].humans[0].notes, pitch=np.append(pieces[0].score.pitch[:-1], 110))
    for folder in ("one", "two"):
        put(laid_out / folder / "a.mid", notes)
    first, _ = find_candidates(laid_out / "one", read, aligner, "one")
    monkeypatch.setattr(alignments, "align", lambda *_: pytest.fail("was aligned before"))
    second, _ = find_candidates(laid_out / "two", read, aligner, "two")
    np.testing.assert_array_equal(first.performances["a"][0].match, second.performances["a"][0].match)


def test_every_note_once_goes_by_the_order_of_each_pitch(pieces):
    score, played = pieces[0].score, pieces[0].humans[0].notes
    rng = np.random.default_rng(1)
    rolled = replace(played, onset=played.onset + rng.integers(0, 40, len(played)))
    order = np.lexsort((rolled.pitch, rolled.onset))
    columns = {name: getattr(rolled, name)[order] for name in ("pitch", "onset", "duration", "velocity")}
    match = every_note_once(score, replace(rolled, **columns))
    np.testing.assert_array_equal(order[match], np.arange(150))
    backwards = replace(played, onset=played.onset.max() - played.onset)
    assert every_note_once(score, backwards) is None
    assert every_note_once(score, replace(played, pitch=np.append(played.pitch[1:], 99))) is None


@pytest.mark.parametrize(
    ("scores", "humans", "message"),
    [
        ("scores", "scores", "the same folder"),
        ("nowhere", "humans", "nowhere: no such folder"),
        ("scores", "nowhere", "nowhere: no such folder"),
        ("empty", "humans", "empty: no scores in it"),
        ("scores", "empty", "empty: no human performance of any score; name them"),
    ],
)
def test_folders_that_cannot_be_used(laid_out, aligner, scores, humans, message):
    (laid_out / "empty").mkdir()
    with pytest.raises(PianistError, match=message):
        find_pieces(laid_out / scores, laid_out / humans, aligner)


def test_files_that_cannot_be_used(laid_out, aligner, pieces):
    read = found(laid_out, aligner)
    (laid_out / "empty").mkdir()
    with pytest.raises(PianistError, match=r"empty: no candidate for any score; .* a-1\.mid"):
        find_candidates(laid_out / "empty", read, aligner, "empty")
    (laid_out / "made" / "a-3.mid").write_bytes(b"no midi")
    with pytest.raises(PianistError, match=r"a-3\.mid: not a MIDI file"):
        find_candidates(laid_out / "made", read, aligner, "made")


def test_folders_that_are_called_alike_keep_their_paths(laid_out, aligner, pieces):
    for where in ("x", "y"):
        put(laid_out / where / "out" / "a.mid", pieces[0].humans[0].notes)
    read = found(laid_out, aligner)
    entries, _ = find_all_candidates([laid_out / "x" / "out", laid_out / "y" / "out", laid_out / "made"], read, aligner)
    assert [entry.name for entry in entries] == [str(laid_out / "x" / "out"), str(laid_out / "y" / "out"), "made"]


def test_several_processes_find_the_same(laid_out, tmp_path):
    one, two = (found(laid_out, Aligner(tmp_path / f"cache{workers}", workers)) for workers in (1, 2))
    for first, second in zip(one, two, strict=True):
        for own, other in zip(first.humans, second.humans, strict=True):
            np.testing.assert_array_equal(own.match, other.match)


def test_progress_is_told(laid_out, tmp_path):
    told = []
    found(laid_out, Aligner(tmp_path / "cache", advance=lambda done, of: told.append((done, of))))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_notation_is_read_and_stands_back_behind_midi():
    scores, warnings = folders._scores(folders.Path(__file__).parents[2] / "examples")
    assert "bach-prelude-bwv846" in scores
    assert scores["bach-prelude-bwv846"].suffix == ".mid"
    assert any("left aside for bach-prelude-bwv846.mid" in warning for warning in warnings)
    notated = folders.read_notes(scores["bach-prelude-bwv846"].with_suffix(".musicxml"))
    assert len(notated) == len(folders.read_notes(scores["bach-prelude-bwv846"]))
