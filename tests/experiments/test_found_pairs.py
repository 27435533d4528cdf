"""Pairs found by content, among made-up files."""

import csv
from pathlib import Path

import numpy as np
import pytest

from experiments.found_pairs import find_pairs, place
from pianist_jax.data.pairs import read_metadata
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import Notes, normalise, part
from tests.data_room.conftest import notes_without_pedal

COLUMNS = ("composer", "title", "split", "xml_score", "midi_score", "midi_performance")


def score(seed: int, notes: int = 300) -> Notes:
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.choice([0, 250, 500], notes))
    return notes_without_pedal(rng.integers(40, 90, notes), onset, np.full(notes, 200), np.full(notes, 64))


PRELUDE = score(7, 150)


def played(seed: int, *scores: Notes, up: int = 0) -> Notes:
    """A recital: one after the other, slower, each note struck somehow."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum([3000, *(int(one.end.max()) * 6 // 5 + 3000 for one in scores[:-1])])
    onset = np.concatenate([one.onset * 6 // 5 + start for one, start in zip(scores, starts, strict=True)])
    pitch = np.concatenate([one.pitch for one in scores]) + up
    velocity = rng.integers(20, 100, len(pitch))
    return notes_without_pedal(pitch, onset, np.full(len(pitch), 300), velocity)


def plant(path: Path, notes: Notes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(path, notes)
    return str(path)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> Path:
    """ASAP: a piece to train on and one to validate on. Others: their scores and more, and recitals."""
    folder = tmp_path_factory.mktemp("corpora")
    known, withheld, new, other = (score(seed) for seed in range(4))
    rows = []
    for title, split, written in (("Known", "train", known), ("Withheld", "validation", withheld)):
        plant(folder / "asap" / title / "score.mid", written)
        plant(folder / "asap" / title / "one.mid", played(10, written))
        rows.append(("A", title, split, "", f"{title}/score.mid", f"{title}/one.mid"))
    with (folder / "asap" / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    scores, rolls, contest = (folder / name for name in ("pianocore-scores", "rolls", "ecompetition"))
    plant(scores / "New_score_a.mid", new)
    plant(scores / "New_score_b.mid", part(new, 0, 250))
    plant(scores / "Withheld_score_a.mid", withheld)
    plant(scores / "Silent_score_a.mid", other)
    plant(contest / "2002" / "recital.mid", played(1, PRELUDE, new, known))
    plant(contest / "2002" / "copy.mid", played(10, known))  # the performance that ASAP has
    plant(contest / "2004" / "withheld.mid", played(2, withheld))
    plant(rolls / "high_exp.mid", played(3, known, up=5))
    plant(rolls / "again_exp.mid", played(1, new))
    return folder


def run(corpora: Path, out: Path) -> str:
    recordings = [str(corpora / name) for name in ("ecompetition", "rolls")]
    return find_pairs(str(corpora / "pianocore-scores"), recordings, corpora / "asap", out, workers=1)


def test_what_is_new_is_cut_out(corpora, tmp_path):
    told = run(corpora, tmp_path / "found")
    found = read_metadata(tmp_path / "found")
    before = len(PRELUDE)
    recital = "ecompetition_2002_recital"
    assert [(one.composition, one.file, one.split) for one in found] == [
        ("A/Known", f"asap/Known/score/{recital}_{before + len(score(2)) - 4}.mid", "train"),
        ("pianocore-scores/New_score_a", f"pianocore-scores/New_score_a/{recital}_{before - 4}.mid", "train"),
        ("pianocore-scores/New_score_a", "pianocore-scores/New_score_a/rolls_again_exp_0.mid", "train"),
    ]
    assert told.splitlines() == [
        "4 stretches: 3 new, 1 of a known recording",
        "2 performances of 1 compositions that ASAP lacks",
        "1 performances of 1 compositions of ASAP",
    ]
    for one in found:
        written, heard = (normalise(read_midi(tmp_path / "found" / file))[0] for file in (one.score, one.file))
        assert heard.onset[0] == 0
        assert len(written) <= len(heard) <= len(written) + 8
        first = 4 if "recital" in one.file else 0
        assert np.array_equal(np.sort(heard.pitch[first : first + len(written)]), np.sort(written.pitch))


def test_the_same_files_give_the_same_folder(corpora, tmp_path):
    run(corpora, tmp_path / "one")
    run(corpora, tmp_path / "two")
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two")
    )
    assert len(one) == 6
    assert one == two
    with pytest.raises(PianistError, match="exists already"):
        run(corpora, tmp_path / "one")


def test_a_stretch_must_go_through_most_of_the_score():
    written, rest = score(0), score(1)
    whole = np.concatenate([rest.pitch, written.pitch, rest.pitch])
    found = place(written.pitch, whole)
    assert found is not None
    assert found[:2] == (len(rest) - 4, len(rest) + len(written) + 4)
    assert found[2] > 0.9 * len(written)
    assert place(written.pitch, whole[: len(rest) + len(written) // 2]) is None
    assert place(written.pitch, rest.pitch) is None
