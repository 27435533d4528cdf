"""Which notes a passage has, and that what files tell of one gives it back."""

import numpy as np
import pytest

from pianist_jax.errors import PianistError
from pianist_jax.performance.passage import Passage
from pianist_jax.score.grid import LEFT, RIGHT, ScoreGrid

QUARTERS = 480 * np.arange(16)  # four bars of 4/4
GRID = ScoreGrid(480, QUARTERS, np.full(16, 400), np.arange(16) % 2, (RIGHT, LEFT))
PASSAGES = [
    Passage(((2, 3),)),
    Passage(((1, 1), (3, 4))),
    Passage((), "left"),
    Passage(((1, 1), (4, 4)), "right"),
]


def test_notes():
    where = [[np.flatnonzero(part).tolist() for part in passage.notes(GRID)] for passage in PASSAGES]
    assert where == [
        [[*range(4, 12)]],
        [[*range(4)], [*range(8, 16)]],
        [[*range(1, 16, 2)]],
        [[0, 2], [12, 14]],
    ]


def test_what_is_told():
    assert [passage.metadata() for passage in PASSAGES] == [
        {"bars": [2, 3]},
        {"bars": [[1, 1], [3, 4]]},
        {"hand": "left"},
        {"bars": [[1, 1], [4, 4]], "hand": "right"},
    ]
    assert [Passage.told({**passage.metadata(), "seed": 3}) for passage in PASSAGES] == PASSAGES
    assert [passage.in_words() for passage in PASSAGES] == [
        "bars 2-3",
        "bars 1-1, 3-4",
        "the left hand",
        "bars 1-1, 4-4 of the right hand",
    ]
    assert Passage.of((2, 3)) == Passage.of([(2, 3)]) == PASSAGES[0]


def test_what_cannot_be():
    for ranges in (((3, 4), (1, 2)), ((1, 4), (4, 5)), ((1, 4), (2, 3))):
        with pytest.raises(PianistError, match="let ranges go on, as in 5-8,17-20"):
            Passage(ranges)
    with pytest.raises(PianistError, match="neither bars nor a hand"):
        Passage()
    with pytest.raises(PianistError, match="'both' is no hand; choose right or left"):
        Passage((), "both")
    with pytest.raises(PianistError, match="no bars 4-5: the score has bars 1-4"):
        Passage(((1, 1), (4, 5))).notes(GRID)
    unknown = ScoreGrid(480, QUARTERS, np.full(16, 400), np.zeros(16, int), ("Piano",))
    with pytest.raises(PianistError, match="does not tell which notes the right hand plays"):
        Passage((), "right").notes(unknown)
    one = ScoreGrid(480, QUARTERS, np.full(16, 400), (QUARTERS >= 1920).astype(int), (RIGHT, LEFT))
    with pytest.raises(PianistError, match="no note of the left hand begins in bars 1-1"):
        Passage(((1, 1),), "left").notes(one)
