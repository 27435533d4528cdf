"""Models and scores that the tests of this folder share; compiling is what costs, so few shapes."""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from pianist_jax.config import preset
from pianist_jax.inference.engine import Model, make_model
from pianist_jax.music.midi import DEFAULT_TEMPO, write_parts
from pianist_jax.music.notes import Notes
from pianist_jax.music.part import Part
from pianist_jax.performance.passage import Passage
from pianist_jax.rendering.passages import perform_passage
from tests.model.helpers import lively_params

NOTE = dataclasses.replace(preset("note-tiny"), window=64)  # windows of 64 notes, each 40 further, prompts of 19
TOKEN = dataclasses.replace(preset("tiny"), encoder_layers=2, window=64)


@functools.cache
def lively_model() -> Model:
    """A note-decoder model with opinions; its programs stay compiled for the whole process."""
    return make_model(NOTE, lively_params(NOTE), name="lively")


def perform_bars(piece, rendering, model, bars=None, *, hand=None, **asked):
    """These bars, of both hands or of one, performed anew."""
    return perform_passage(piece, rendering, model, Passage.of(bars, hand), **asked)


def made_up_score(notes: int, seed: int = 0) -> Notes:
    """Chords, repeated notes and runs, in steps of 125 ms."""
    rng = np.random.default_rng(seed)
    onset = np.cumsum(rng.choice([0, 125, 250, 500], notes, p=[0.4, 0.3, 0.2, 0.1]))
    pitch = 40 + 7 * np.arange(notes) % 41  # no pitch twice in a chord
    order = np.lexsort((pitch, onset))
    duration = rng.choice([100, 125, 400, 1500], notes)
    return Notes(pitch[order], onset[order], duration, np.full(notes, 64), np.zeros(0, int), np.zeros(0, int))


def written_for_two_hands(path: Path, notes: Notes, middle: int = 60) -> Path:
    """A MIDI file of a score, the hands in tracks of their own."""
    hands = []
    for hand, own in (("Right hand", notes.pitch >= middle), ("Left hand", notes.pitch < middle)):
        columns = {name: getattr(notes, name)[own] for name in ("pitch", "onset", "duration", "velocity")}
        hands.append(Part(hand, dataclasses.replace(notes, **columns)))
    write_parts(path, hands, ticks_per_quarter=500, tempo=[(0, DEFAULT_TEMPO)])
    return path
