"""Windows meet on note boundaries and every note is performed for good once."""

from itertools import pairwise

import numpy as np
import pytest

from pianist_jax.inference.windows import Row, Windowing, cut_windows, perform_rows, windowing_for
from pianist_jax.music.tokens import NOTE_TOKENS, ScoreTokens

PAPERS = Windowing(notes=512, move=256, prompt=205)


def test_the_usual_windows():
    assert windowing_for(512) == Windowing(notes=512, move=320, prompt=153)
    assert windowing_for(64) == Windowing(notes=64, move=40, prompt=19)
    for notes in range(2, 600):
        windowing_for(notes)  # raises where it leaves notes out


@pytest.mark.parametrize("wrong", [(10, 0, 5), (10, 6, 5), (10, 10, 1), (10, 5, 0)])
def test_windows_that_leave_notes_out_are_refused(wrong):
    with pytest.raises(ValueError, match="leaves notes out"):
        Windowing(*wrong)


@pytest.mark.parametrize("windowing", [PAPERS, windowing_for(512), windowing_for(64), Windowing(3, 1, 1)])
@pytest.mark.parametrize("notes", [1, 2, 63, 64, 65, 511, 512, 513, 767, 832, 833, 2000])
def test_every_note_is_final_in_one_window(windowing, notes):
    windows = cut_windows(notes, windowing)
    assert windows[0].first == windows[0].prompt == 0
    assert windows[-1].last == windows[-1].settled == notes
    assert all(0 < w.last - w.first <= windowing.notes for w in windows)
    for before, after in pairwise(windows):
        assert before.last - before.first == windowing.notes
        assert after.prompt == windowing.prompt
        assert after.first + after.prompt == before.settled <= before.last < after.last


class Echo:
    """Performs each note as (number in its piece, window's first note, key); notes down what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, spans):
        self.asked.append(spans)
        return [self.one(span) for span in spans]

    def one(self, span):
        played = span.score.notes.copy()  # the tests' scores number their notes in slot 0
        played[:, 1], played[:, 2] = span.first, span.key[0]
        played[: len(span.prompt)] = span.prompt
        return played


def numbered(notes):
    score = np.zeros((notes, NOTE_TOKENS), np.int32)
    score[:, 0] = np.arange(notes)
    return ScoreTokens(score)


def rows_of(lengths):
    return [Row(row, 0, numbered(notes), np.array([row, 0], np.uint32)) for row, notes in enumerate(lengths)]


def test_pieces_of_all_lengths_go_side_by_side():
    w = Windowing(notes=10, move=6, prompt=3)
    lengths = [31, 4, 10, 11, 22]
    echo = Echo()
    done = dict(perform_rows(rows_of(lengths), w, echo, batch=3, ahead=8))
    assert sorted(done) == [(piece, 0) for piece in range(5)]
    for row, notes in enumerate(lengths):
        np.testing.assert_array_equal(done[row, 0][:, 0], np.arange(notes))
        assert (done[row, 0][:, 2] == row).all()
        expected = np.zeros(notes, int)
        for window in cut_windows(notes, w):
            expected[window.first + window.prompt :] = window.first
        np.testing.assert_array_equal(done[row, 0][:, 1], expected)
    # Three at a time, those of one length together, and those with a prompt apart from those without.
    assert [[int(span.key[0]) for span in spans] for spans in echo.asked] == [
        [0, 4, 3],
        [0, 4, 3],
        [0, 4],
        [0],
        [2, 1],
        [0],
    ]
    fresh = [0] * 5
    for spans in echo.asked:
        for span in spans:
            fresh[int(span.key[0])] += span.fresh
    assert fresh == lengths


def test_prompts_are_what_was_performed():
    w = Windowing(notes=10, move=6, prompt=3)
    echo = Echo()
    ((_, played),) = perform_rows(rows_of([40]), w, echo, batch=1)
    for (span,) in echo.asked[1:]:
        np.testing.assert_array_equal(span.prompt, played[span.first : span.first + 3])


def test_no_more_rows_are_held_than_are_looked_ahead():
    """However many there are, and like goes with like: no short row waits for a long one."""
    w, made, held = Windowing(notes=100, move=60, prompt=30), 0, []

    def endless():
        nonlocal made
        for row in rows_of([20, 90] * 200):
            made += 1
            yield row

    class Counting(Echo):
        def __call__(self, spans):
            held.append(made - done)
            return super().__call__(spans)

    echo, done = Counting(), 0
    for _, _ in perform_rows(endless(), w, echo, batch=4, ahead=16):
        done += 1
    assert done == made == 400
    assert max(held) <= 16
    mixed = [spans for spans in echo.asked if len({span.score.size for span in spans}) > 1]
    assert len(mixed) <= 1
    assert sum(map(len, echo.asked)) == 400


def test_nothing_to_perform():
    assert list(perform_rows([], PAPERS, Echo(), batch=4)) == []
