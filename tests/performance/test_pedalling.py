"""The foot: moves are chosen together, come by turns, in time and as deep as they were drawn."""

import itertools

import numpy as np
import pytest

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import chords_of
from pianist_jax.performance.pedalling import (
    APART,
    EARLY,
    KINDS,
    LAYERS,
    LEAST,
    LIFTS,
    SHARES,
    TIMES,
    chord_states,
    chosen_moves,
    depths_of,
    drawn_times,
    gap_features,
    pedalled,
)


def melody(count: int, gap: int = 500) -> Notes:
    """Crotchets, the pedal drawn 90 deep throughout."""
    n = np.arange(count)
    pedal = np.array([100]), np.array([90], np.int16)
    return Notes(60 + n % 12, n * gap, np.full(count, gap), np.full(count, 64), *pedal)


def foot(width: int, up: float, down: float) -> dict[str, np.ndarray]:
    """A network that says the same of every gap: the pedal comes up 10 ms after its chord and goes down 225 ms after.

    Behind an up it goes down 185 ms later. One pianist's pedal is 100 deep and lifted whole, another's 70, up to 40.
    """
    outputs = int(KINDS[-1]) + len(LIFTS) - 1
    sizes, weights = (3 * width + 3, 4, 4, outputs), dict[str, np.ndarray]()
    for name, rows, columns in zip(LAYERS, sizes, sizes[1:], strict=False):
        weights |= {name: np.zeros((rows, columns), np.float32), f"{name}_bias": np.zeros(columns, np.float32)}
    likeliest = (TIMES, 0), (TIMES, 200), (LIFTS, 170)
    said = [np.log(np.where(edges[:-1] == begin, 1e9, 1.0)) for edges, begin in likeliest]
    weights["out_bias"] = np.concatenate([[up, down], *said]).astype(np.float32)
    depths = np.repeat([[100, 0], [70, 40]], len(SHARES)).reshape(2, 2, -1).astype(np.uint8)
    return weights | {"pianists": np.zeros((2, 6)), "own": np.zeros((6, outputs - 2)), "depths": depths}


def worth(moves: list[tuple[int, bool]], chance: np.ndarray) -> float:
    return sum(chance[gap, int(down)] - LEAST for gap, down in moves)


def test_no_other_sequence_of_moves_is_worth_more() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        chance, offset = rng.random((4, 2)), rng.uniform(0, 400, (4, 2))
        found = chosen_moves(chance, offset)
        assert [down for _, down in found] == [k % 2 == 0 for k in range(len(found))]
        order = [sorted(((k, False), (k, True)), key=lambda move: offset[k, int(move[1])]) for k in range(4)]
        every = [move for pair in order for move in pair]
        best = 0.0
        for size in range(len(every) + 1):
            for some in itertools.combinations(every, size):
                by_turns = all(down == (place % 2 == 0) for place, (_, down) in enumerate(some))
                both = [k for k in range(4) if {(k, False), (k, True)} <= set(some)]
                apart = all(abs(offset[k, 0] - offset[k, 1]) > APART for k in both)
                if by_turns and apart:
                    best = max(best, worth(list(some), chance))
        assert worth(found, chance) == pytest.approx(best)


def test_the_pedal_is_changed_behind_every_chord_as_deep_as_it_was_drawn() -> None:
    score = melody(8)
    played = pedalled(chords_of(score), score, np.zeros((8, 5), np.float32), foot(5, 3.0, 3.0), None, 0.3)
    assert played.pedal_time[:3].tolist() == [225, 510, 695]
    assert played.pedal_value[:3].tolist() == [90, 0, 90]
    assert played.pedal_value[-1] == 0
    assert (np.diff(played.pedal_time) > 0).all()
    np.testing.assert_array_equal(played.onset, score.onset)


def test_a_foot_that_is_never_likely_to_move_stays_up() -> None:
    score = melody(8)
    assert not len(
        pedalled(chords_of(score), score, np.zeros((8, 5), np.float32), foot(5, -4.0, -4.0), None, 0.3).pedal_time
    )
    alone = melody(1)
    assert pedalled(chords_of(alone), alone, np.zeros((1, 5), np.float32), foot(5, 3.0, 3.0), None, 0.3) is alone


def test_chance_makes_pedals_of_their_own_that_a_seed_repeats() -> None:
    score, states = melody(60), np.zeros((60, 5), np.float32)

    def one(seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        return pedalled(chords_of(score), score, states, foot(5, -0.8, -0.8), rng, 1.0).pedal_time.tolist()

    assert one(1) == one(1)
    assert one(1) != one(2)


def test_each_pedal_goes_as_deep_as_one_pianist_s() -> None:
    score, states = melody(60), np.zeros((60, 5), np.float32)
    found = set()
    for seed in range(8):
        played = pedalled(chords_of(score), score, states, foot(5, 3.0, 3.0), np.random.default_rng(seed), 0.1)
        found.add(tuple(np.unique(played.pedal_value[:-1]).tolist()))
    assert found == {(0, 100), (40, 70)}


def test_how_deep_a_pedal_is_and_how_far_it_comes_up() -> None:
    time, value = 100 * np.arange(9), np.array([0, 80, 100, 50, 20, 90, 0, 64, 0], np.int16)
    deep, shallow = depths_of(time, value)
    assert (deep[0], deep[4], deep[-1]) == (64, 90, 100)
    assert (shallow[0], shallow[4], shallow[-1]) == (0, 10, 20)


def test_no_move_is_drawn_beyond_its_gap() -> None:
    rng = np.random.default_rng(0)
    said, gap = rng.normal(size=(500, int(KINDS[-1]) + len(LIFTS) - 3)), rng.uniform(30, 2_000, 500)
    for chance in (None, rng):
        times, lift = drawn_times(said, gap, chance)
        assert (times >= -EARLY).all()
        assert (times <= np.maximum(gap - EARLY, TIMES[1])[:, None]).all()
        assert (lift >= 0).all()


def test_a_gap_is_seen_with_the_chords_around_it() -> None:
    score = melody(4)
    states = np.arange(4, dtype=np.float32)[:, None]
    seen = gap_features(chord_states(states, chords_of(score)), score.onset.astype(np.float64))
    np.testing.assert_array_equal(seen[:, :3], [[0, 1, 0], [1, 2, 0], [2, 3, 1]])
    assert seen.shape == (3, 6)
    assert EARLY > 0
