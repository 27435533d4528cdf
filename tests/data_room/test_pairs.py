"""Pair building against cases worked out by hand; a small corpus whose preparation is killed and taken up."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pianist_jax.data import alignments, pairs
from pianist_jax.data.alignments import cached_align
from pianist_jax.data.pairs import build_stretches, cut, make_pairs, read_metadata
from pianist_jax.data.records import unpack_pair
from pianist_jax.data.shards import read_shard
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import encode
from pianist_jax.performance.alignment import align
from pianist_jax.score.load import load
from pianist_jax.score.metre import metre


def make_notes(pitch, onset, duration=None, velocity=None, pedal=()) -> Notes:
    size = len(pitch)
    duration = np.full(size, 100) if duration is None else duration
    velocity = np.full(size, 64) if velocity is None else velocity
    time, value = np.array(pedal, np.int64).reshape(-1, 2).T
    return Notes(pitch, onset, duration, velocity, time, value)


@pytest.fixture
def any_length(monkeypatch):
    monkeypatch.setattr(pairs, "LEAST_NOTES", 1)


def only_stretch(score, performance, match):
    (stretch,) = build_stretches(score, performance, np.array(match))
    return stretch


def test_onsets_are_sorted_and_values_stay_with_their_notes(any_length):
    score = make_notes([60, 64, 67], [500, 500, 1000])
    performance = make_notes([64, 60, 67], [200, 230, 700], [40, 50, 60], [64, 60, 67])
    played = only_stretch(score, performance, [1, 0, 2]).performance
    assert played.pitch.tolist() == [60, 64, 67]
    assert played.onset.tolist() == [0, 30, 500]
    assert played.velocity.tolist() == [60, 64, 67]
    assert played.duration.tolist() == [50, 40, 60]


def test_gaps_are_interpolated(any_length):
    score = make_notes([60, 61, 62, 63], [1000, 1100, 1400, 2000])
    performance = make_notes([60, 63], [300, 1300], [100, 200], [50, 90])
    stretch = only_stretch(score, performance, [0, -1, -1, 1])
    assert stretch.filled.tolist() == [False, True, True, False]
    assert stretch.score.onset.tolist() == [0, 100, 400, 1000]
    # Onset over score onset: 1/10 and 4/10 of the way; the rest over performed onset, here the same shares.
    assert stretch.performance.onset.tolist() == [0, 100, 400, 1000]
    assert stretch.performance.velocity.tolist() == [50, 54, 66, 90]
    assert stretch.performance.duration.tolist() == [100, 110, 140, 200]


def test_velocity_is_interpolated_over_performed_onset(any_length):
    # The missing note lies three quarters of the way, though it is the middle one in score order.
    score = make_notes([60, 61, 62], [0, 750, 1000])
    performance = make_notes([60, 62], [0, 2000], [100, 100], [20, 100])
    stretch = only_stretch(score, performance, [0, -1, 1])
    assert stretch.performance.onset.tolist() == [0, 1500, 2000]
    assert stretch.performance.velocity.tolist() == [20, 80, 100]


@pytest.mark.parametrize("missing", range(3))
def test_missing_note_of_a_chord_keeps_the_order(any_length, missing):
    score = make_notes([50, 60, 64, 67, 72], [0, 500, 500, 500, 1000])
    performance = make_notes([50, 60, 64, 67, 72], [0, 400, 410, 420, 900])
    match = np.arange(5)
    match[1 + missing] = -1
    onset = only_stretch(score, performance, match).performance.onset
    assert np.all(np.diff(onset) >= 0)
    kept = match >= 0
    assert np.array_equal(onset[kept], performance.onset[kept])


def test_cut():
    assert cut(np.array([0, -1, -1, -1, -1, 1])) == [(0, 5)]
    assert cut(np.array([0, 1, -1, -1, -1, -1, -1, 2, 3])) == [(0, 1), (7, 8)]
    assert cut(np.array([-1, -1, 0, 1, -1])) == [(2, 3)]
    assert cut(np.full(9, -1)) == []


def long_pair(missing: slice, notes: int = 140):
    """A score of even notes, played half as fast from 1000 ms on, and its match with a hole."""
    pitch = 40 + np.arange(notes) % 40
    match = np.arange(notes)
    match[missing] = -1
    pedal = ((0, 1), (900, 30), (15_100, 90), (16_100, 100), (29_000, 10), (40_000, 5))
    performance = make_notes(pitch, 1000 + 200 * np.arange(notes), pedal=pedal)
    return make_notes(pitch, 300 + 100 * np.arange(notes), pedal=((0, 127), (7_000, 0))), performance, match


def test_a_hole_of_four_is_filled_and_one_of_five_cuts():
    score, performance, match = long_pair(slice(70, 74))
    assert [len(s.score) for s in build_stretches(score, performance, match)] == [140]
    score, performance, match = long_pair(slice(70, 75))
    first, second = build_stretches(score, performance, match)
    assert (first.first, len(first.score), second.first, len(second.score)) == (0, 70, 75, 65)


def test_stretches_start_at_zero_with_the_pedal_then_in_force():
    _, second = build_stretches(*long_pair(slice(70, 75)))
    assert second.score.onset[0] == second.performance.onset[0] == 0
    assert second.performance.onset[-1] == 64 * 200
    assert second.score.onset[-1] == 64 * 100
    # The second stretch begins at 1000 + 75 * 200 = 16 000 ms and ends 12 800 + 4 990 ms later.
    assert second.performance.pedal_time.tolist() == [0, 100, 13_000]
    assert second.performance.pedal_value.tolist() == [90, 100, 10]
    assert second.score.pedal_time.tolist() == [0]
    assert second.score.pedal_value.tolist() == [0]
    tokens = encode(second.performance)
    assert (tokens[0, 4:] - 5261).tolist() == [90, 90, 100, 100]


def test_notes_far_from_their_chord_are_told():
    onset = np.repeat(np.arange(40), 2) * 500
    score = make_notes(np.tile([60, 64], 40), onset)
    played = onset.copy()
    played[21] += 251
    played[41] += 249
    (stretch,) = build_stretches(score, make_notes(score.pitch, played), np.arange(80))
    # Of a chord of two neither is nearer to the truth.
    assert np.flatnonzero(stretch.displaced).tolist() == []
    played[21] += 300
    (stretch,) = build_stretches(score, make_notes(score.pitch, played), np.arange(80))
    assert np.flatnonzero(stretch.displaced).tolist() == [20, 21]


def test_short_stretches_are_dropped():
    score, performance, match = long_pair(slice(63, 70))
    assert [s.first for s in build_stretches(score, performance, match)] == [70]
    score, performance, match = long_pair(slice(64, 80), notes=140)
    assert [s.first for s in build_stretches(score, performance, match)] == [0]


PEDAL = ((0, 40), (1, 41), (2, 42), (3, 43), (4, 40))
COLUMNS = ("composer", "title", "split", "midi_score", "midi_performance")
HEADER = ",".join(COLUMNS) + "\n"


def make_corpus(folder: Path) -> Path:
    """Four performances of three compositions; the last one plays another piece."""
    rng = np.random.default_rng(3)
    rows = []
    for title, split in (("A", "train"), ("A_no_repeat", "train"), ("B", "validation"), ("C", "train")):
        onset = np.cumsum(rng.integers(1, 4, 90)) * 125
        score = make_notes(rng.integers(40, 80, 90), onset)
        pitch = score.pitch if title != "C" else score.pitch[::-1]
        performance = make_notes(pitch, 700 + onset + rng.integers(0, 30, 90), pedal=PEDAL)
        (folder / title).mkdir(parents=True)
        write_midi(folder / title / "score.mid", score)
        write_midi(folder / title / "one.mid", performance)
        rows.append(("Nobody", title, split, f"{title}/score.mid", f"{title}/one.mid"))
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("asap") / "corpus")


def test_make_pairs(corpus, tmp_path):
    outcomes = make_pairs(corpus, tmp_path)
    assert [bool(o.left_out) for o in outcomes] == [False, False, False, True]
    assert "matched" in outcomes[3].left_out
    assert outcomes[3].matched < 0.9
    assert outcomes[0].composition == outcomes[1].composition == "Nobody/A"
    train, validation = (read_shard(tmp_path / f"{split}.array_record") for split in ("train", "validation"))
    assert (len(train), len(validation)) == (2, 1)
    score, performance, metadata = unpack_pair(validation[0])
    assert performance.shape == (outcomes[2].notes, 8)
    np.testing.assert_array_equal(score.metre, metre(load(corpus / "B" / "score.mid", whole=True).grid)[: score.size])
    assert metadata["unplayed"] == []
    assert metadata["composition"] == "Nobody/B"
    assert metadata["split"] == "validation"
    assert metadata["file"] == "B/one.mid"
    assert metadata["pedal"] == "continuous"
    assert (performance[:, 4:] - 5261 == 40).all()
    with (tmp_path / "manifest.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["performance"] for line in lines] == [o.performance for o in outcomes]
    assert [line["left_out"] for line in lines] == [o.left_out for o in outcomes]


def test_least_matched_is_the_callers(corpus, tmp_path):
    outcomes = make_pairs(corpus, tmp_path, least_matched=1.01)
    assert all("less than 101%" in outcome.left_out for outcome in outcomes)
    assert read_shard(tmp_path / "train.array_record") == []


def test_given_alignments_are_used_only_where_they_are_right(corpus, tmp_path):
    first, second, *_ = read_metadata(corpus)
    score, performance, match = pairs.load_alignment(corpus, first, tmp_path / "cache")
    wrong = np.roll(pairs.load_alignment(corpus, second, tmp_path / "cache")[2], 1)
    path = tmp_path / "given.npz"
    names, sizes = np.array([first.file, second.file]), np.array([len(match), len(wrong)])
    np.savez(path, performance=names, score_notes=sizes, match=np.concatenate((match, wrong)))
    outcomes = make_pairs(corpus, tmp_path / "out", alignments=path)
    assert [o.alignment for o in outcomes[:3]] == ["given", "aligned", "aligned"]
    assert outcomes[1].matched > 0.9
    assert np.array_equal(match, align(score, performance))


DRIVER = """
import sys, time
from pathlib import Path
from pianist_jax.data import alignments, pairs
real = alignments.align
def slow(score, performance):
    if len(list(Path(sys.argv[2], "cache").glob("*.npz"))) >= 2:
        Path(sys.argv[2], "ready").touch()
        time.sleep(600)
    return real(score, performance)
alignments.align = slow
pairs.make_pairs(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_run_goes_on_where_it_was(corpus, tmp_path, monkeypatch):
    out = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", DRIVER, str(corpus), str(out)])
    deadline = time.monotonic() + 120
    while not (out / "ready").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "cache").glob("*.npz")}
    assert len(kept) == 2
    assert not (out / "manifest.csv").exists()

    aligned = []

    def count(score, performance):
        aligned.append(len(score))
        return align(score, performance)

    monkeypatch.setattr(alignments, "align", count)
    make_pairs(corpus, out)
    assert len(aligned) == 2
    assert all((out / "cache" / name).stat().st_mtime_ns == time_ns for name, time_ns in kept.items())
    make_pairs(corpus, tmp_path / "whole", workers=2)
    for name in ("train.array_record", "validation.array_record"):
        assert read_shard(out / name) == read_shard(tmp_path / "whole" / name)
    assert (out / "manifest.csv").read_bytes() == (tmp_path / "whole" / "manifest.csv").read_bytes()


def test_damaged_alignment_is_named(tmp_path):
    notes = make_notes([60, 61, 62], [0, 1, 2])
    assert cached_align(notes, notes, tmp_path)[0].tolist() == [0, 1, 2]
    (kept,) = tmp_path.glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:40])
    with pytest.raises(PianistError, match=kept.name):
        cached_align(notes, notes, tmp_path)


def test_unreadable_performance_is_left_out(tmp_path):
    folder = make_corpus(tmp_path / "corpus")
    (folder / "A" / "one.mid").write_bytes(b"MThd")
    outcomes = make_pairs(folder, tmp_path / "out")
    assert outcomes[0].left_out.startswith("A/one.mid")
    assert not outcomes[1].left_out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "unpacked"),
        ("composer,title\n", "midi_performance"),
        (HEADER + "X,Y,test,a,b\n", "'test'"),
        (
            HEADER + "X,Y,train,a,b\nX,Y_repeat,validation,a,c\n",
            "two splits",
        ),
    ],
)
def test_wrong_metadata(tmp_path, text, message):
    if text is not None:
        (tmp_path / "metadata.csv").write_text(text)
    with pytest.raises(PianistError, match=message):
        read_metadata(tmp_path)
