"""Eight tokens a note: pitch, inter-onset interval, velocity, duration, four pedal samples (arXiv 2512.02652, 3.1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pianist_jax.music.notes import Notes

PAD, MASK, BOS, EOS, PLAY = range(5)
FIRST_PITCH, FIRST_VELOCITY, FIRST_TIME, FIRST_PEDAL = 5, 133, 261, 5261  # first id of each kind
VOCABULARY = 5389
SLOTS = ("pitch", "ioi", "velocity", "duration", "pedal1", "pedal2", "pedal3", "pedal4")
NOTE_TOKENS = len(SLOTS)
PITCH, IOI, VELOCITY, DURATION, PEDAL = range(5)  # numbers of the slots; the pedal's are the last four
SLOT_START = np.array([FIRST_PITCH, FIRST_TIME, FIRST_VELOCITY, FIRST_TIME, *[FIRST_PEDAL] * 4], np.int32)
SLOT_SIZE = np.array([128, 5000, 128, 5000, 128, 128, 128, 128], np.int32)
MAX_IOI, MAX_DURATION, LAST_GAP = 4990, 4999, 4990  # ms
PEDAL_SAMPLES = 4
# What `score.metre` tells of a score note beside its tokens; of each column 0 says that it is not known.
METRE = ("bar", "beat", "beats", "hand", "gap", "begun", "left", "above", "below")
BAR_STEPS, BEAT_STEPS, QUARTER_STEPS = 192, 48, 24
METRE_SIZE = (BAR_STEPS + 1, BEAT_STEPS + 1, 17, 3, 32 * QUARTER_STEPS + 1, 257, 257, 6, 6)
# What `score.page` tells of it: what is written there beside the notes. 0 says that nobody knows, as in the metre.
PAGE = ("level", "hairpin", "along", "gradual", "slur", "signs", "length", "voice")
SIGNS = (
    "staccato", "staccatissimo", "tenuto", "accent", "marcato", "sforzando", "fermata", "arpeggio", "breath",
    "ornament", "grace",
)  # fmt: skip
ALONG_STEPS = 16
PAGE_SIZE = (12, 4, ALONG_STEPS + 2, 2 * 16 + 2, 5, 2 ** len(SIGNS) + 1, 16 * QUARTER_STEPS + 2, 10)

SLOT_START.flags.writeable = SLOT_SIZE.flags.writeable = False


# Columns of each group of `ScoreTokens`: a group to come is one more line here and one more field there.
SCORE_COLUMNS = {"notes": NOTE_TOKENS, "metre": len(METRE), "page": len(PAGE)}


class ScoreTokens(NamedTuple):
    """What a model reads of N score notes, in groups of columns: integers [..., N, columns of the group].

    `notes` are the eight tokens of each note, as ids or as values counted from 0; `metre` the columns of `METRE`,
    `page` those of `PAGE`. A group that the score does not tell is None. JAX takes it as a tree of the arrays that
    there are.
    """

    notes: Any
    metre: Any = None
    page: Any = None

    @property
    def size(self) -> int:
        """How many notes."""
        return self.notes.shape[-2]

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups that there are."""
        return tuple(name for name, group in zip(self._fields, self, strict=True) if group is not None)

    def map(self, function: Callable[[Any], Any]) -> ScoreTokens:
        """`function` of every group that there is."""
        return ScoreTokens(*(None if group is None else function(group) for group in self))

    def at(self, notes: Any) -> ScoreTokens:
        """Some of the notes: a slice, numbers or a mask of the first axis."""
        return self.map(lambda group: group[notes])

    def only(self, groups: Iterable[str]) -> ScoreTokens:
        """The groups of these names."""
        return ScoreTokens(**{name: getattr(self, name) for name in groups})


def score_shapes(groups: Iterable[str], *shape: int) -> ScoreTokens:
    """The shapes of the groups of these names, `shape` without its columns: [..., N]."""
    return ScoreTokens(**{name: (*shape, SCORE_COLUMNS[name]) for name in groups})


def join_scores(scores: Sequence[ScoreTokens]) -> ScoreTokens:
    """Scores one after the other, NumPy arrays [N, columns]; a group that only some tell is 0 (unknown) in others."""
    groups = [name for name in SCORE_COLUMNS if any(name in score.groups for score in scores)]

    def group(name: str, score: ScoreTokens) -> np.ndarray:
        found = getattr(score, name)
        return np.zeros((score.size, SCORE_COLUMNS[name]), score.notes.dtype) if found is None else found

    return ScoreTokens(**{name: np.concatenate([group(name, score) for score in scores]) for name in groups})


def encode(notes: Notes) -> np.ndarray:
    """Tokens int32[N, 8] of normalised notes.

    IOIs above 4990 ms and durations above 4999 ms are clipped, as the vocabulary ends there; the first IOI
    is the first onset. The pedal is sampled at exact quarters of the way to the next onset, a change at that
    very instant included, so that all notes of a chord but the last carry one value four times.
    Raises ValueError where onsets decrease or start before 0, or a value is outside its range.
    """
    ioi = np.diff(notes.onset, prepend=0)
    if np.any(ioi < 0):
        note = int(np.argmax(ioi < 0))
        before = f"note {note - 1}" if note else "time 0"
        raise ValueError(f"note {note} begins {-ioi[note]} ms before {before}: normalise the notes first")
    values = np.empty((len(notes), NOTE_TOKENS), np.int64)
    values[:, PITCH] = notes.pitch
    values[:, IOI] = np.minimum(ioi, MAX_IOI)
    values[:, VELOCITY] = notes.velocity
    values[:, DURATION] = np.minimum(notes.duration, MAX_DURATION)
    values[:, PEDAL:] = sample_pedal(notes)
    _require_slots(values, values)
    return (values + SLOT_START).astype(np.int32)


def encode_from_first(notes: Notes) -> np.ndarray:
    """int32 [N, 8] of normalised notes as `encode` has them, from the first onset on."""
    begin = notes.onset[0]
    pedal_time = np.maximum(notes.pedal_time - begin, 0)
    return encode(dataclasses.replace(notes, onset=notes.onset - begin, pedal_time=pedal_time))


def sample_pedal(notes: Notes) -> np.ndarray:
    """CC64 in force, int64[N, 4], at onset + k/4 of the gap to the next onset; 0 at first."""
    gap = np.append(np.diff(notes.onset), LAST_GAP)[: len(notes)]
    # In quarters of a millisecond every sample time is an integer, and "at exactly that time" is exact.
    quarters = PEDAL_SAMPLES * notes.onset[:, None] + np.arange(PEDAL_SAMPLES) * gap[:, None]
    changes = np.searchsorted(PEDAL_SAMPLES * notes.pedal_time, quarters, side="right")
    return np.append(np.int64(0), notes.pedal_value.astype(np.int64))[changes]


def decode(tokens: ArrayLike, start: int = 0) -> Notes:
    """Notes of tokens int[N, 8]; onsets in ms are `start` plus the running sum of the IOIs.

    Pedal samples lie at quarters of the way to the next onset, rounded down to the millisecond, so that
    `encode(decode(tokens)) == tokens` for all tokens that came from notes. An event is written only where the
    value changes; of samples that fall on one instant the last counts.
    Raises ValueError, naming note and slot, where an id does not belong to its slot (special ids included).
    """
    ids = np.asarray(tokens)
    if ids.ndim != 2 or ids.shape[1] != NOTE_TOKENS or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"tokens are {ids.dtype}{list(ids.shape)}, expected integers [N, {NOTE_TOKENS}]")
    values = ids.astype(np.int64) - SLOT_START
    _require_slots(values, ids)
    onset = start + np.cumsum(values[:, IOI])
    gap = np.append(values[1:, IOI], LAST_GAP)[: len(values)]
    time = onset[:, None] + np.arange(PEDAL_SAMPLES) * gap[:, None] // PEDAL_SAMPLES
    pedal_time, pedal_value = _pedal_changes(time.ravel(), values[:, PEDAL:].ravel())
    return Notes(values[:, PITCH], onset, values[:, DURATION], values[:, VELOCITY], pedal_time, pedal_value)


def _pedal_changes(time: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    last = np.append(time[1:] != time[:-1], np.ones(min(len(time), 1), bool))
    time, value = time[last], value[last]
    changed = np.diff(value, prepend=0) != 0
    return time[changed], value[changed]


def _require_slots(values: np.ndarray, given: np.ndarray) -> None:
    wrong = (values < 0) | (values >= SLOT_SIZE)
    if wrong.any():
        note, slot = np.argwhere(wrong)[0]
        raise ValueError(f"note {note}, slot {slot}: {given[note, slot]} is no {SLOTS[slot]}")
