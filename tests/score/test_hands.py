"""Hands by the names of tracks, and worked out where one track holds both."""

import numpy as np
import pytest

from pianist_jax.score.describe import describe
from pianist_jax.score.grid import LEFT, RIGHT
from pianist_jax.score.hands import named_hand, separate_hands
from pianist_jax.score.midi import hand_names
from tests.music.helpers import midi, off, on, track


@pytest.mark.parametrize(
    ("name", "hand"),
    [("Right Hand", 1), ("R.H.", 1), ("RH", 1), ("Rechte Hand", 1), ("Main droite", 1), ("mano sinistra", 2),
     ("Piano LH", 2), ("Linke Hand", 2), ("left", 2), ("Mano izquierda", 2), ("Piano", 0), ("Bright Piano", 0),
     ("Left and right hand", 0), ("", 0)],
)  # fmt: skip
def test_hands_by_what_a_part_is_called(name, hand):
    assert named_hand(name) == hand


def test_names_come_before_how_high_a_part_lies():
    part, pitch = np.array([0, 1]), np.array([72, 48])
    assert hand_names(["Linke Hand", "Rechte Hand"], part, pitch) == (LEFT, RIGHT)
    assert hand_names(["LH", "RH"], part, pitch) == (LEFT, RIGHT)
    assert hand_names(["", ""], part, pitch) == (RIGHT, LEFT)


def test_a_melody_over_broken_chords_is_separated():
    bass = [(0.5 * step, 0.5, pitch) for step, pitch in enumerate([48, 55, 52, 55] * 4)]
    melody = [(0.0, 2.0, 76), (2.0, 1.0, 74), (3.0, 1.0, 72), (4.0, 2.0, 74), (6.0, 2.0, 67)]
    onset, duration, pitch = np.array(bass + melody).T
    found = separate_hands(onset, duration, pitch.astype(int))
    assert found.tolist() == [2] * len(bass) + [1] * len(melody)


def test_what_no_hand_reaches_is_divided_and_a_hand_follows_its_line():
    onset, duration = np.repeat(np.arange(8.0), 2), np.ones(16)
    pitch = np.array([[36 + 2 * step, 60 + step] for step in range(8)]).ravel()
    assert separate_hands(onset, duration, pitch).tolist() == [2, 1] * 8
    high = separate_hands(onset, duration, pitch + 24)  # both in the treble
    assert high.tolist() == [2, 1] * 8
    assert separate_hands(np.zeros(0), np.zeros(0), np.zeros(0, int)).tolist() == []


def test_inspect_tells_the_hands_of_a_single_track(tmp_path):
    notes = [(0, on(40)), (0, on(76)), (500, off(40)), (0, off(76))]
    (tmp_path / "a.mid").write_bytes(midi(track(*notes)))
    assert dict(describe(tmp_path / "a.mid"))["hands"] == "not said, by their places right hand 1, left hand 1; 1 voice"
