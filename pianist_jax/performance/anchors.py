"""Where a score and a performance surely agree, so that both may be cut there and their pieces aligned by themselves.

Anchors are windows of notes that stand once in each; the longest chain of them that goes forward in both is kept. A
repeat that one side alone plays stands twice there, so that it has no anchors, or, where it is not played twice in one
way, some to either time. Cuts therefore lie only where nearly all anchors around tell the same place. NumPy only.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.music.shingles import hash_windows

WINDOW = 10  # notes of an anchor
LEAST = 250  # notes of a piece, on either side
NEARBY = 60  # notes of the score before and after a cut whose anchors must agree
LEAST_ANCHORS = 4
AGREEING = 0.9  # of them
STRAYING = 12  # notes more or fewer than at the cut that one side may have played since an anchor, or till one
CHORD = 20  # ms between notes of a chord, at most


def find_anchors(score: np.ndarray, performance: np.ndarray) -> np.ndarray:
    """Windows of `WINDOW` pitches that stand once in each of int[N] and int[M]: int64[A, 2], where, in score order."""
    (ours, i), (theirs, j) = (_once(hash_windows(pitch, WINDOW)) for pitch in (score, performance))
    _, a, b = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    order = np.argsort(i[a])
    return np.stack([i[a], j[b]], axis=1)[order]


def _once(shingles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those that stand once among shingles uint64[W], and where."""
    found, first, count = np.unique(shingles, return_index=True, return_counts=True)
    return found[count == 1], first[count == 1]


def longest_chain(values: Sequence[int]) -> list[int]:
    """Indices of the longest part of V different numbers that ascends."""
    ends: list[int] = []  # the smallest number that a part of each length ends with
    at: list[int] = []  # and where it is
    before: list[int] = []
    for index, value in enumerate(values):
        length = bisect.bisect_left(ends, value)
        before.append(at[length - 1] if length else -1)
        ends[length : length + 1], at[length : length + 1] = [value], [index]
    chain, index = [], at[-1] if at else -1
    while index >= 0:
        chain.append(index)
        index = before[index]
    return chain[::-1]


def find_cuts(score: Notes, performance: Notes) -> list[tuple[int, int]]:
    """Where both may be cut: (score index, performance index) of the notes that come after each cut, ascending.

    A cut lies within an anchor, before a chord of the score, where the same keys have been struck since the anchor
    began. Both are normalised; every piece has `LEAST` notes on either side.
    """
    anchors = find_anchors(score.pitch, performance.pitch)
    found = []
    last, end = np.zeros(2, np.int64), np.array([len(score), len(performance)])
    for anchor in anchors[longest_chain(anchors[:, 1].tolist())]:
        if min(anchor - last) < LEAST or not _agreed(anchors, anchor):
            continue
        cut = anchor + _chord_within(score, performance, *anchor)
        if min(end - cut) < LEAST:
            break
        if min(cut - anchor) > 0:
            found.append((int(cut[0]), int(cut[1])))
            last = cut
    return found


def _agreed(anchors: np.ndarray, anchor: np.ndarray) -> bool:
    """Whether nearly all anchors around one, not only those of the chain, tell of the same place."""
    low, high = np.searchsorted(anchors[:, 0], (anchor[0] - NEARBY, anchor[0] + NEARBY))
    ahead = anchors[low:high, 1] - anchors[low:high, 0]
    agreeing = np.abs(ahead - (anchor[1] - anchor[0])) <= STRAYING
    return int(agreeing.sum()) >= LEAST_ANCHORS and float(np.mean(agreeing)) >= AGREEING


def _chord_within(score: Notes, performance: Notes, i: int, j: int) -> int:
    """After how many notes of an anchor a chord of the score begins, the same keys struck before it; 0: nowhere.

    The middlemost of such places: the notes around it are in the anchor, too.
    """
    begins = 1 + np.flatnonzero(np.diff(score.onset[i : i + WINDOW]) > CHORD)
    places = [
        int(k) for k in begins
        if np.array_equal(np.sort(score.pitch[i : i + k]), np.sort(performance.pitch[j : j + k]))
    ]  # fmt: skip
    return min(places, key=lambda k: abs(k - WINDOW // 2), default=0)
