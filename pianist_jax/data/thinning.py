"""Pairs of which a part is played: one hand, the melody, the bass, chords of fewer notes.

Pianists' pairs are dense; people bring nursery songs and hymns. What a pianist made of a hand or a melody is told by
the very notes of it, with the gaps between them.
"""

import dataclasses

import numpy as np

from pianist_jax.data.parts import PairCorpus
from pianist_jax.data.records import compact, expand
from pianist_jax.music.notes import Notes
from pianist_jax.music.tokens import (
    IOI,
    METRE,
    METRE_SIZE,
    PITCH,
    QUARTER_STEPS,
    ScoreTokens,
    decode,
    encode,
    join_scores,
)
from pianist_jax.performance.parameters import group_chords

TEXTURES = ("right hand", "left hand", "melody", "bass", "accompaniment", "outer voices")
LEAST_NOTES = 64
MIDDLE = 60  # the pitch that divides the hands where a score does not tell them
RIGHT, LEFT = 1, 2  # in the metre's column of hands


def thinned(pairs: PairCorpus, rng: np.random.Generator, *, textures: int = 2) -> PairCorpus:
    """Of every training pair so many `TEXTURES`, drawn at random; those of fewer than 64 notes are left out.

    A texture that leaves nothing out is taken too: the pair is of one line already.
    """
    made: list[tuple[int, ScoreTokens, np.ndarray, np.ndarray]] = []
    for number in np.flatnonzero(pairs.split == 0).tolist():
        own = slice(pairs.offsets[number], pairs.offsets[number + 1])
        for texture in rng.choice(TEXTURES, textures, replace=False):
            written = pairs.score.at(own)
            kept = texture_of(written, str(texture))
            if kept.sum() >= LEAST_NOTES:
                score, performance = part_of_score(written, kept), part_of(pairs.performance[own], kept)
                made.append((number, score, performance, pairs.played[own][kept]))
    numbers = np.array([number for number, *_ in made], np.int64)
    return dataclasses.replace(
        pairs,
        score=join_scores([score for _, score, _, _ in made]),
        performance=np.concatenate([performance for _, _, performance, _ in made]),
        played=np.concatenate([played for *_, played in made]),
        offsets=np.concatenate([[0], np.cumsum([score.size for _, score, _, _ in made])]).astype(np.int64),
        composition=pairs.composition[numbers],
        split=pairs.split[numbers],
        pedal=pairs.pedal[numbers],
        metadata=tuple(pairs.metadata[number] for number in numbers),
    )


def texture_of(score: ScoreTokens, texture: str) -> np.ndarray:
    """bool[N]: the notes of a score, values, that belong to one of the `TEXTURES`."""
    pitch = score.notes[:, PITCH].astype(np.int64)
    chord, _ = group_chords(np.cumsum(score.notes[:, IOI], dtype=np.int64))
    right = _right(score)
    everything = np.ones(score.size, bool)
    if texture == "right hand":
        return right
    if texture == "left hand":
        return ~right
    if texture == "melody":
        return _outermost(pitch, chord, right)
    if texture == "bass":
        return _outermost(-pitch, chord, ~right)
    if texture == "accompaniment":
        return ~_outermost(pitch, chord, right)
    return _outermost(pitch, chord, everything) | _outermost(-pitch, chord, everything)


def part_of_score(score: ScoreTokens, kept: np.ndarray) -> ScoreTokens:
    """`part_of` a score's notes, and what its metre and its page tell of them."""
    values = part_of(score.notes, kept)
    metre = None if score.metre is None else _metre_of(score.metre, kept, values)
    return ScoreTokens(values, metre, None if score.page is None else score.page[kept])


def part_of(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The kept notes of values uint16[N, 8]: gaps and pedal samples anew."""
    whole = decode(expand(values))
    begin = whole.onset[kept][0]
    before = max(int(np.searchsorted(whole.pedal_time, begin, side="right")) - 1, 0)  # the pedal in force there
    notes = Notes(
        whole.pitch[kept],
        whole.onset[kept] - begin,
        whole.duration[kept],
        whole.velocity[kept],
        np.maximum(whole.pedal_time[before:] - begin, 0),
        whole.pedal_value[before:],
    )
    return compact(encode(notes))


def _right(score: ScoreTokens) -> np.ndarray:
    """bool[N]: notes of the right hand; by pitch where the score does not tell."""
    high = score.notes[:, PITCH] >= MIDDLE
    if score.metre is None:
        return high
    hand = score.metre[:, METRE.index("hand")]
    return np.where(hand == 0, high, hand == RIGHT)


def _outermost(height: np.ndarray, chord: np.ndarray, among: np.ndarray) -> np.ndarray:
    """bool[N]: of each chord the one highest note among some."""
    places = np.flatnonzero(among)
    order = places[np.lexsort((-height[places], chord[places]))]
    found = np.zeros(len(height), bool)
    found[order[np.unique(chord[order], return_index=True)[1]]] = True
    return found


def _metre_of(metre: np.ndarray, kept: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The metre's columns of the kept notes: gaps and chords are other ones now, all else stays."""
    columns = metre[kept]
    gap, above, below = (METRE.index(name) for name in ("gap", "above", "below"))
    steps = metre[:, gap].astype(np.int64)
    if steps.all():
        place = np.cumsum(steps - 1)[kept]
        columns[:, gap] = np.minimum(np.diff(place, prepend=place[:1]), 32 * QUARTER_STEPS - 1) + 1
    chord, first = group_chords(np.cumsum(values[:, IOI], dtype=np.int64))
    count = np.bincount(chord)[chord]
    low = np.arange(len(chord)) - first[chord]  # the notes of an onset are sorted by pitch
    if columns[:, above].all():
        columns[:, above] = np.minimum(count - low, METRE_SIZE[above] - 1)
        columns[:, below] = np.minimum(low + 1, METRE_SIZE[below] - 1)
    return columns
