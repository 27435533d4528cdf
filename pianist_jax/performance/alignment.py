"""Score notes <-> performed notes: which performed note plays which score note.

The only importer of parangonar. Its dual-DTW matcher does the musical work, on pieces of some hundred notes where both
sides can be cut (`anchors`): what it takes grows with the square of their length. Its first step, a dynamic time
warping of performed notes against score onsets, is replaced by an equivalent one that needs one byte a cell
instead of eight and NumPy rows instead of a Python loop over the cells, so that what cannot be cut may have more than
10 000 notes.
"""

from __future__ import annotations

import logging
import warnings
from itertools import pairwise
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes, part
from pianist_jax.performance.anchors import find_cuts

MAX_CELLS = 2_000_000_000
"""Largest table (performed notes x score onsets) that is tried, one byte a cell."""

_NOTE_FIELDS = [("pitch", "i8"), ("velocity", "i8"), ("id", "i8")]
_SCORE_FIELDS = [("onset_beat", "f8"), ("duration_beat", "f8"), ("is_grace", "?"), *_NOTE_FIELDS]
_PERFORMANCE_FIELDS = [("onset_sec", "f8"), ("duration_sec", "f8"), *_NOTE_FIELDS]
_DIAGONAL, _UP, _LEFT = 0, 1, 2


class AlignmentError(PianistError):
    """A score and a performance that cannot be aligned."""


def align(score: Notes, performance: Notes) -> np.ndarray:
    """Match every score note to a performed note of the same pitch (arXiv 2512.02652, fine-tuning data).

    Both must be normalised (`notes.normalise`). Returns int64[N_score]: for each score note the index of its
    performed note, or -1 where it was not played. No performed note is given twice. The same input gives the
    same answer. What is long is aligned piece by piece, cut where both sides agree (`anchors.find_cuts`).

    Raises AlignmentError where what cannot be cut is too large for one table (`MAX_CELLS`) or the matcher fails.
    """
    ends = [(0, 0), *find_cuts(score, performance), (len(score), len(performance))]
    pieces = [(part(score, s, s_end), part(performance, p, p_end)) for (s, p), (s_end, p_end) in pairwise(ends)]
    for piece in pieces:
        _require_small(*piece)
    matches = [_align_piece(*piece) for piece in pieces]
    return np.concatenate([np.where(m >= 0, m + p, -1) for m, (_, p) in zip(matches, ends, strict=False)])


def _require_small(score: Notes, performance: Notes) -> None:
    onsets = np.unique(score.onset).size
    if onsets * len(performance) > MAX_CELLS:
        raise AlignmentError(
            f"cannot align {len(performance)} performed notes with {onsets} score onsets: "
            f"more than {MAX_CELLS} cells; cut both into movements first"
        )


def _align_piece(score: Notes, performance: Notes) -> np.ndarray:
    if not np.isin(score.pitch, performance.pitch).any():
        return np.full(len(score), -1, np.int64)
    try:
        matched = match_by_parangonar(_score_array(score), _performance_array(performance))
    except (ValueError, IndexError, KeyError, ZeroDivisionError) as error:
        raise AlignmentError(
            f"cannot align {len(performance)} performed notes with {len(score)} score notes ({error}); "
            "check that the performance plays this score"
        ) from error
    return one_to_one(matched, score, performance)


def share_matched(match: np.ndarray) -> float:
    """Share of score notes that have a performed note, 0 for an empty score."""
    return float(np.mean(match >= 0)) if len(match) else 0.0


def match_by_parangonar(score_array: np.ndarray, performance_array: np.ndarray) -> np.ndarray:
    """int64[M, 2] pairs (score index, performance index) as parangonar gives them, quietly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from parangonar.match.matchers import DualDTWNoteMatcher, OnsetMatcherDTW

        logger = logging.getLogger("parangonar")
        disabled, logger.disabled = logger.disabled, True
        try:
            with np.errstate(all="ignore"):
                matcher = DualDTWNoteMatcher(onset_matcher=OnsetMatcherDTW(dtw=warp))
                answer: list[dict[str, Any]] = matcher(score_array, performance_array)
        finally:
            logger.disabled = disabled
    pairs = [(int(a["score_id"]), int(a["performance_id"])) for a in answer if a["label"] == "match"]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _score_array(score: Notes) -> np.ndarray:
    """parangonar's score note array; its beats are seconds here, which only scales its maps."""
    array = np.zeros(len(score), _SCORE_FIELDS)
    array["onset_beat"] = score.onset / 1000
    array["duration_beat"] = score.duration / 1000
    array["pitch"] = score.pitch
    array["id"] = np.arange(len(score))
    return array


def _performance_array(performance: Notes) -> np.ndarray:
    array = np.zeros(len(performance), _PERFORMANCE_FIELDS)
    array["onset_sec"] = performance.onset / 1000
    array["duration_sec"] = performance.duration / 1000
    array["pitch"] = performance.pitch
    array["velocity"] = performance.velocity
    array["id"] = np.arange(len(performance))
    return array


def one_to_one(pairs: np.ndarray, score: Notes, performance: Notes) -> np.ndarray:
    """The match array of pairs in which a note may stand twice: the earlier of its partners keeps it."""
    match = np.full(len(score), -1, np.int64)
    taken = np.zeros(len(performance), bool)
    for s, p in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if match[s] < 0 and not taken[p] and score.pitch[s] == performance.pitch[p]:
            match[s], taken[p] = p, True
    return match


def warp(pitches: np.ndarray, onset_pitches: list[set[int]], return_path: bool = True) -> tuple[float, np.ndarray]:
    """Dynamic time warping of performed pitches [P] against the pitch sets of score onsets [S].

    A step costs 1 where the performed pitch is not in the set. Gives (total cost, path int64[L, 2] of
    (performed note, score onset)), the same as parangonar's `DTWSL`, ties included.
    """
    pitch_P = np.asarray(pitches, np.int64)
    wrong_KS = np.ones((128, len(onset_pitches)), np.int32)
    for s, chord in enumerate(onset_pitches):
        wrong_KS[list(map(int, chord)), s] = 0
    came_from_PS, total = _warp_table(pitch_P, wrong_KS)
    return float(total), _backtrack(came_from_PS)


def _warp_table(pitch_P: np.ndarray, wrong_KS: np.ndarray) -> tuple[np.ndarray, int]:
    """Where the cheapest path into each cell comes from (uint8[P, S]) and the cost of the last cell.

    A row D[s] = c[s] + min(before[s], before[s-1], D[s-1]) needs no loop over s: with C the running sum of c,
    D[s] = C[s] + min over k <= s of (min(before[k], before[k-1]) - C[k-1]).
    """
    notes, onsets = len(pitch_P), wrong_KS.shape[1]
    far = np.int32(2**30)
    sum_KS = np.cumsum(wrong_KS, axis=1, dtype=np.int32)
    came_from_PS = np.empty((notes, onsets), np.uint8)
    before_S, diagonal_S = np.full(onsets, far, np.int32), np.full(onsets, far, np.int32)
    diagonal_S[0] = 0
    left_S = np.full(onsets, far, np.int32)
    for n, pitch in enumerate(pitch_P):
        sum_S = sum_KS[pitch]
        enter_S = np.minimum(before_S, diagonal_S) - (sum_S - wrong_KS[pitch])
        cost_S = np.minimum.accumulate(enter_S) + sum_S
        left_S[1:] = cost_S[:-1]
        row_S = np.where(before_S <= left_S, _UP, _LEFT)
        came_from_PS[n] = np.where(diagonal_S <= np.minimum(before_S, left_S), _DIAGONAL, row_S)
        before_S = cost_S
        diagonal_S[0], diagonal_S[1:] = far, cost_S[:-1]
    return came_from_PS, int(before_S[-1])


def _backtrack(came_from_PS: np.ndarray) -> np.ndarray:
    """The cheapest path from the first cell to the last, int64[L, 2]."""
    n, s = came_from_PS.shape[0] - 1, came_from_PS.shape[1] - 1
    path = [(n, s)]
    while n > 0 or s > 0:
        step = _LEFT if n == 0 else _UP if s == 0 else came_from_PS[n, s]
        n, s = n - (step != _LEFT), s - (step != _UP)
        path.append((n, s))
    return np.array(path[::-1], np.int64)
