"""How a hand strikes a chord: when each of its notes sounds against the others. Learnt; NumPy only.

The notes of a chord are taken from the highest down. Of each a small network says how likely it is to come so many ms
after the highest, by what it has seen of the chord so far: pitches, hands and spans, velocities, the gaps to the chords
around, where the notes above were put. What is one pianist's own (how closely, how much ahead of the others a melody)
are a few numbers, learnt for each training performance; a rendering draws those of one of them. Louder notes come
earlier on average (Goebl 2001, J. Acoust. Soc. Am. 110, 563-572), wide chords are rolled: the network knows by how
much, and how often not. The mean onset of a chord, which is when it is played (`parameters`), stays.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import Chords, clock_of, placed
from pianist_jax.performance.playable import make_playable

FINE, WIDE, FURTHEST = 3, 10, 200  # ms: width of near bins, of those beyond `NEAR`, and the last edge
NEAR = 61.5
_FAR = np.append(np.arange(NEAR + WIDE, FURTHEST, WIDE), FURTHEST)
EDGES = np.concatenate([-_FAR[::-1], np.arange(-NEAR, NEAR + 1, FINE), _FAR])  # of the bins, ms after the top note
BINS = len(EDGES) - 1
LAYERS = ("in", "hidden", "out")


@dataclasses.dataclass(frozen=True, eq=False)
class Struck:
    """M notes of chords in the order in which they are placed: by chord, the highest first.

    `order` int64 [M]: which of the given notes each is; `chord`, `rank` int64 [M]: its chord, its place in it from 0.
    `known` float32 [M, F]: what is known of it before any is placed.
    """

    order: np.ndarray
    chord: np.ndarray
    rank: np.ndarray
    known: np.ndarray


def chord_notes(
    pitch: np.ndarray, hand: np.ndarray, chord: np.ndarray, velocity: np.ndarray, clock: np.ndarray
) -> Struck:
    """What there is to know of the notes [M] of chords before they are placed.

    Args:
        pitch: MIDI numbers. hand: 0 unknown, 1 right, 2 left. velocity: 1..127.
        chord: ascending from 0, every chord has a note. clock: float64 [C] ms, when the chords are played.
    """
    order = np.lexsort((-pitch.astype(np.int64), chord))
    chord, hand = chord[order], hand[order].astype(np.int64)
    p, v = pitch[order].astype(np.float64), velocity[order].astype(np.float64)
    count = np.bincount(chord)
    first = np.cumsum(count) - count
    top, bottom, rank = first[chord], (first + count - 1)[chord], np.arange(len(chord)) - first[chord]
    last, following = np.maximum(np.arange(len(p)) - 1, 0), np.minimum(np.arange(len(p)) + 1, len(p) - 1)
    later, earlier = rank > 0, np.arange(len(p)) < bottom
    gap = np.log(np.maximum(np.diff(clock), 10) / 300)
    before, after = np.append(1.0, gap)[chord], np.append(gap, 1.0)[chord]
    span, in_hand = _spans(p, chord, hand)
    mean = (np.bincount(chord, v) / count)[chord]
    known = [
        np.minimum(count, 8)[chord] / 4 - 1, np.minimum(rank, 8) / 4, (p[top] - p) / 12, later * (p[last] - p) / 12,
        (p - p[bottom]) / 12, earlier * (p - p[following]) / 12, (p[top] - p[bottom]) / 24, p / 24 - 2.5,
        v / 32 - 2, (v - v[top]) / 16, later * (v - v[last]) / 16, (v - mean) / 16, mean / 32 - 2,
        np.array([0.0, 1.0, -1.0])[hand], later * np.where(hand == hand[last], 1.0, -1.0), (hand == hand[top]) * 1.0,
        span / 12, np.maximum(span - 12, 0) / 4, in_hand / 3, before, after,
    ]  # fmt: skip
    return Struck(order, chord, rank, np.stack(known, axis=1).astype(np.float32))


def _spans(pitch: np.ndarray, chord: np.ndarray, hand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 [M]: semitones between the outer notes of its chord that the hand of each note plays, and how many."""
    key = chord * 3 + hand
    high, low = np.full(key.max(initial=0) + 1, -np.inf), np.full(key.max(initial=0) + 1, np.inf)
    np.maximum.at(high, key, pitch)
    np.minimum.at(low, key, pitch)
    return (high - low)[key], np.bincount(key)[key].astype(np.float64)


def seen_above(offset: np.ndarray, at: np.ndarray, rank: int) -> np.ndarray:
    """float32 [n, 5]: of notes number `at` of rank `rank`, how those above them were placed (ms after the top note)."""
    above = np.stack([offset[at - back] for back in range(1, rank + 1)])  # the last one first
    last, second = above[0], above[min(1, rank - 1)]
    seen = np.stack([last / 20, second / 20, above.mean(0) / 20, above.max(0) / 20, above.min(0) / 20], axis=1)
    return np.clip(seen, -6, 6).astype(np.float32)


def bins_of(offset: np.ndarray) -> np.ndarray:
    """int64: the bin of each offset (ms after the top note); those beyond the edges are in the outermost."""
    return np.clip(np.searchsorted(EDGES, offset, side="right") - 1, 0, BINS - 1)


def touched(
    chords: Chords,
    performance: Notes,
    hand: np.ndarray | None,
    head: Mapping[str, np.ndarray],
    rng: np.random.Generator | None,
) -> Notes:
    """The performance (note n plays note n of the score) with the notes of each chord struck as a hand does.

    Args:
        hand: int [N] as in `chord_notes`; None where no score tells.
        head: weights, as `experiments.touch_chords` writes them.
        rng: None: every note where it comes most often, under nobody's hand.

    The mean onset of each chord stays, but for the first one: what begins the performance begins when it did.
    """
    if not len(performance):
        return performance
    clock = clock_of(chords, performance.onset)
    hands = np.zeros(len(performance), np.int64) if hand is None else hand
    notes = chord_notes(performance.pitch, hands, chords.of, performance.velocity, clock)
    offset = np.empty(len(performance))
    offset[notes.order] = draw_offsets(notes, head, rng)
    offset -= (np.bincount(chords.of, offset) / np.bincount(chords.of))[chords.of]
    onset = placed(chords, clock, offset)
    opening = chords.of == 0
    onset[opening] += max(int(performance.onset.min() - onset[opening].min()), -int(onset[opening].min()))
    return make_playable(dataclasses.replace(performance, onset=onset))


def draw_offsets(notes: Struck, head: Mapping[str, np.ndarray], rng: np.random.Generator | None) -> np.ndarray:
    """float64 [M] ms after its chord's highest note of each note, as one of the pianists would place them."""
    pianists = head["pianists"]
    own = np.zeros_like(pianists[0]) if rng is None else pianists[rng.integers(len(pianists))]
    offset = np.zeros(len(notes.chord))
    for rank in range(1, int(notes.rank.max(initial=0)) + 1):
        at = np.flatnonzero(notes.rank == rank)
        pianist = np.broadcast_to(own, (len(at), len(own)))
        x = np.concatenate([notes.known[at], seen_above(offset, at, rank), pianist], axis=1)
        odds = _likelihoods(head, x)
        if rng is None:
            which, place = odds.argmax(axis=1), np.full(len(at), 0.5)
        else:
            sums = np.cumsum(odds, axis=1)
            which = np.minimum((sums < rng.random(len(at))[:, None] * sums[:, -1:]).sum(1), BINS - 1)
            place = rng.random(len(at))
        offset[at] = EDGES[which] + place * np.diff(EDGES)[which]
    return offset


def _likelihoods(head: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """float64 [n, BINS], not normalised."""
    for layer in LAYERS:
        x = x @ head[layer] + head[f"{layer}_bias"]
        if layer != LAYERS[-1]:
            x = np.maximum(x, 0)
    return np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
