"""A part of a pair played alone: the right notes, with the gaps, chords and pedal that they then have."""

import numpy as np
import pytest

from pianist_jax.data.parts import PairCorpus
from pianist_jax.data.records import compact
from pianist_jax.data.thinning import TEXTURES, part_of, part_of_score, texture_of, thinned
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import METRE, ScoreTokens, encode
from tests.music.helpers import columns_of

RIGHT, LEFT = 1, 2
HAND, GAP, ABOVE, BELOW = (METRE.index(name) for name in ("hand", "gap", "above", "below"))


def values(notes: Notes, hand: list[int] | None = None) -> ScoreTokens:
    """Stored values of notes, with a metre where the hands are told: a quarter is 400 ms."""
    tokens = compact(encode(notes))
    if hand is None:
        return ScoreTokens(tokens)
    columns = np.ones((len(notes), len(METRE)), np.uint16)
    columns[:, HAND] = hand
    columns[:, GAP] = np.diff(notes.onset, prepend=0) // 400 * 24 + 1
    return ScoreTokens(tokens, columns)


@pytest.fixture
def bars() -> tuple[Notes, list[int]]:
    """Two beats of a chord over a bass note, and between them a melody note alone."""
    pitch = [40, 60, 64, 72, 74, 43, 59, 67, 71]
    onset = [0, 0, 0, 0, 400, 800, 800, 800, 800]
    hand = [LEFT, RIGHT, RIGHT, RIGHT, RIGHT, LEFT, LEFT, RIGHT, RIGHT]
    pedal = ([0, 200, 700, 900], [90, 0, 80, 0])
    return columns_of(pitch, onset, 390, pedal=pedal), hand


@pytest.mark.parametrize(
    ("texture", "pitches"),
    [
        ("right hand", [60, 64, 72, 74, 67, 71]),
        ("left hand", [40, 43, 59]),
        ("melody", [72, 74, 71]),
        ("bass", [40, 43]),
        ("accompaniment", [40, 60, 64, 43, 59, 67]),
        ("outer voices", [40, 72, 74, 43, 71]),
    ],
)
def test_textures(bars, texture, pitches):
    notes, hand = bars
    kept = texture_of(values(notes, hand), texture)
    assert notes.pitch[kept].tolist() == pitches


def test_hands_that_are_not_told_are_parted_by_pitch(bars):
    notes, _ = bars
    for told in (values(notes), values(notes, [0] * 9)):
        assert notes.pitch[texture_of(told, "left hand")].tolist() == [40, 43, 59]


def test_a_part_has_gaps_pedal_and_chords_of_its_own(bars):
    notes, hand = bars
    kept = texture_of(values(notes, hand), "left hand")
    part, metre, _ = part_of_score(values(notes, hand), kept)
    assert part[:, 1].tolist() == [0, 800, 0]
    assert (metre[:, GAP] - 1).tolist() == [0, 48, 0]
    assert metre[:, ABOVE].tolist() == [1, 2, 1]
    assert metre[:, BELOW].tolist() == [1, 1, 2]
    # Quarters of the way from 0 to 800 ms: down until 200, down again from 700 on.
    assert part[0, 4:8].tolist() == [90, 0, 0, 0]
    assert part[1, 4:8].tolist() == [80] * 4
    alone = columns_of([40, 43, 59], [0, 800, 800], 390, pedal=(notes.pedal_time, notes.pedal_value))
    np.testing.assert_array_equal(part, compact(encode(alone)))


def test_a_part_begins_with_the_pedal_that_was_down():
    notes = columns_of([40, 60], [0, 500], 100, pedal=([100, 600], [77, 0]))
    part = part_of(values(notes).notes, np.array([False, True]))
    assert part[0, 1] == 0
    assert part[0, 4] == 77


def test_a_corpus_is_thinned_pair_by_pair():
    rng = np.random.default_rng(0)
    count = 200
    onset = 300 * np.repeat(np.arange(count // 2), 2)
    pitch = np.tile([45, 70], count // 2) + rng.integers(0, 4, count)
    score = columns_of(pitch, onset, 250)
    played = columns_of(pitch, onset + rng.integers(0, 30, count).cumsum(), 99, 50)
    both = [np.concatenate([values(notes).notes] * 3) for notes in (score, played)]
    corpus = PairCorpus(
        score=ScoreTokens(both[0]),
        performance=both[1],
        played=np.tile(np.arange(count) != 5, 3),
        offsets=count * np.arange(4),
        composition=np.array([0, 1, 1], np.int32),
        split=np.array([0, 1, 0], np.uint8),
        pedal=np.array([2, 2, 1], np.uint8),
        compositions=("a", "b"),
        metadata=({"k": 0}, {"k": 1}, {"k": 2}),
    )
    made = thinned(corpus, rng, textures=len(TEXTURES))
    assert [about["k"] for about in made.metadata] == [0] * 6 + [2] * 6, "validation pairs stay whole"
    assert made.pedal.tolist() == [2] * 6 + [1] * 6
    assert sorted(np.diff(made.offsets).tolist()) == [100] * 10 + [200] * 2
    assert made.score.size == len(made.performance) == len(made.played) == made.offsets[-1]
    np.testing.assert_array_equal(made.score.notes[:, 0], made.performance[:, 0])
    assert (made.score.notes < np.array([128, 5000, 128, 5000, *[128] * 4])).all()
    again = thinned(corpus, np.random.default_rng(0), textures=2)
    assert len(again.metadata) == 4
