"""The foot: moves are chosen together, come by turns, in time and as deep as they were drawn."""

import itertools

import numpy as np
import pytest

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import chords_of
from pianist_jax.performance.pedalling import APART, EARLY, LAYERS, LEAST, chosen_moves, gap_features, pedalled


def melody(count: int, gap: int = 500) -> Notes:
    """Crotchets, the pedal drawn 90 deep throughout."""
    n = np.arange(count)
    pedal = np.array([100]), np.array([90], np.int16)
    return Notes(60 + n % 12, n * gap, np.full(count, gap), np.full(count, 64), *pedal)


def foot(width: int, up: float, down: float) -> dict[str, np.ndarray]:
    """A network that says the same of every gap: the pedal comes up at 0 ms and goes down 200 ms later."""
    sizes, weights = (3 * width + 3, 4, 4, 4), dict[str, np.ndarray]()
    for name, rows, columns in zip(LAYERS, sizes, sizes[1:], strict=False):
        weights |= {name: np.zeros((rows, columns), np.float32), f"{name}_bias": np.zeros(columns, np.float32)}
    weights["out_bias"] = np.array([up, down, 0.0, 1.0], np.float32)
    return weights


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
    played = pedalled(score, score, np.zeros((8, 5), np.float32), foot(5, 3.0, 3.0), None, 0.3)
    assert played.pedal_time[:3].tolist() == [200, 500, 700]
    assert played.pedal_value[:3].tolist() == [90, 0, 90]
    assert played.pedal_value[-1] == 0
    assert (np.diff(played.pedal_time) > 0).all()
    np.testing.assert_array_equal(played.onset, score.onset)


def test_a_foot_that_is_never_likely_to_move_stays_up() -> None:
    score = melody(8)
    assert not len(pedalled(score, score, np.zeros((8, 5), np.float32), foot(5, -4.0, -4.0), None, 0.3).pedal_time)
    alone = melody(1)
    assert pedalled(alone, alone, np.zeros((1, 5), np.float32), foot(5, 3.0, 3.0), None, 0.3) is alone


def test_chance_makes_pedals_of_their_own_that_a_seed_repeats() -> None:
    score, states = melody(60), np.zeros((60, 5), np.float32)

    def one(seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        return pedalled(score, score, states, foot(5, -0.8, -0.8), rng, 1.0).pedal_time.tolist()

    assert one(1) == one(1)
    assert one(1) != one(2)


def test_a_gap_is_seen_with_the_chords_around_it() -> None:
    score = melody(4)
    states = np.arange(4, dtype=np.float32)[:, None]
    seen = gap_features(states, chords_of(score), score.onset.astype(np.float64))
    np.testing.assert_array_equal(seen[:, :3], [[0, 1, 0], [1, 2, 0], [2, 3, 1]])
    assert seen.shape == (3, 6)
    assert EARLY > 0
