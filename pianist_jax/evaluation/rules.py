"""A pianist of rules: what can be had from a score by a few dozen lines and nothing learnt.

After the rules of the KTH in Stockholm, as its overview describes them (Friberg, Bresin and Sundberg 2006, "Overview
of the KTH rule system for musical performance", Advances in Cognitive Psychology 2(2–3), 145–161), written anew. Sizes
are of the order that the papers give; those of loudness, arch and asynchrony were set once by how large pianists' are
on the whole, none by where pianists do what.

phrase arch        slower and softer towards both ends of phrases and of their halves, a parabola (Friberg 1995,
                   STL-QPSR 36(2–3), 63–70). The ends are guessed: long notes and rests of the top line
duration contrast  short notes shorter and softer (Friberg 1991, Computer Music Journal 15(2), 56–71)
high loud          louder the higher
melodic charge     notes of the top line longer and louder the further they are from the key's root on the circle of
                   fifths; the key is that of the tones around them (profiles: Krumhansl and Kessler 1982, Psychological
                   Review 89(4), 334–368)
chord asynchrony   the louder and the higher first: the melody leads (Goebl 2001, JASA 110(1), 563–572)
final ritard       as a runner stops: v² falls evenly with the score's time (Friberg and Sundberg 1999, JASA 105(3),
                   1469–1484)
articulation       repeated notes detached, all others nearly legato (Bresin and Battel 2000, JNMR 29(3), 211–224)
pedal              none of theirs: changed at every new lowest note, down shortly after it

Written dynamics count as far as the score's velocities have them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import Chords, carried, chord_means, chords_of

VELOCITY, PER_DB = 62.0, 2.2  # the middle; velocity steps to a decibel
PHRASE = 8000.0  # ms of the score, about; the guessed end is the likeliest within half of it
ARCH_TEMPO, ARCH_DB = 0.2, 4.0  # at the ends of a phrase against its middle; half of it for the halves
SHORT, SHORT_TEMPO, SHORT_DB = 600.0, 0.06, 0.8  # notes shorter than that (ms), at most
HIGH_DB = 3.0 / 12  # a semitone
CHARGE_TEMPO, CHARGE_DB = 0.006, 0.2  # a unit of melodic charge
TOP_DB = 3.0  # the top line against the rest
LATE = 1.0  # ms a note comes later in its chord for a velocity step that it is softer than the loudest
RITARD, FINAL = 6000.0, 0.45  # over the last ms of the score, down to this part of the tempo
LEGATO, REPEATED = 0.92, 0.7
UP, DOWN = 10, 110  # ms after a new lowest note
LOW, LOW_REST = 55, 400.0  # lowest notes below this pitch change the pedal, at least so far apart (ms)

# By semitones above the root: C 0, G 1, D 2, A 3, E 4, B 5, F sharp 6, and downward half a unit more (Sundberg).
CHARGE = np.array([0, 6.5, 2, 4.5, 4, 2.5, 6, 1, 5.5, 3, 3.5, 5])
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def perform(score: Notes) -> Notes:
    """The score performed by the rules at the tempo in which it is written, note by note; the same every time."""
    chords = chords_of(score)
    gaps = np.diff(chords.onset, append=chords.onset[-1] + 1000.0)
    top = _top(chords)
    charge = CHARGE[(chords.pitch[top] - _roots(chords)) % 12]
    arch = _arches(_phrase_ends(chords, gaps), chords.onset)
    short = np.clip(1 - gaps / SHORT, 0, 1)
    slower = ARCH_TEMPO * arch - SHORT_TEMPO * short + CHARGE_TEMPO * charge
    clock = _clock(chords.onset, gaps, slower - slower.mean())
    level = -ARCH_DB * arch - SHORT_DB * short
    decibel = level[chords.of] + HIGH_DB * (chords.pitch - chords.pitch.mean())
    decibel[top] += TOP_DB + CHARGE_DB * charge
    written = score.velocity - score.velocity.mean()
    velocity = np.clip(np.rint(VELOCITY + written + PER_DB * (decibel - decibel.mean())), 8, 120)
    onset = clock[chords.of] + _late(chords, velocity)
    end = carried(chords.end, chords.onset, clock)
    part = np.where(_repeated(chords), REPEATED, LEGATO)
    begin = max(0, -int(np.floor(onset.min())))
    pedal_time, pedal_value = _pedal(chords, clock, float(end.max()))
    return replace(
        score,
        onset=np.rint(onset).astype(np.int64) + begin,
        duration=np.maximum(np.rint((end - clock[chords.of]) * part), 30).astype(np.int64),
        velocity=velocity.astype(np.int16),
        pedal_time=pedal_time + begin,
        pedal_value=pedal_value,
    )


def _top(chords: Chords) -> np.ndarray:
    """int64 [O]: the highest note of every onset."""
    upward = np.argsort(chords.pitch, kind="stable")
    top = np.zeros(len(chords), np.int64)
    top[chords.of[upward]] = upward
    return top


def _roots(chords: Chords, around: float = 6000.0) -> np.ndarray:
    """int64 [O]: the root of the key of the tones within some seconds of each onset, by correlation with profiles."""
    profiles = np.stack([np.roll(mode - mode.mean(), root) for root in range(12) for mode in (MAJOR, MINOR)])
    profiles = profiles / np.linalg.norm(profiles, axis=1, keepdims=True)
    lengths = np.zeros((chords.notes + 1, 12))
    lengths[np.arange(chords.notes) + 1, chords.pitch % 12] = np.maximum(chords.end - chords.start, 1.0)
    total = np.cumsum(lengths, axis=0)
    first, last = (np.searchsorted(chords.start, chords.onset + side * around) for side in (-1, 1))
    tones = total[last] - total[first]
    return np.argmax((tones - tones.mean(1, keepdims=True)) @ profiles.T, axis=1) // 2


def _phrase_ends(chords: Chords, gaps: np.ndarray) -> np.ndarray:
    """int64: the onsets that begin phrases, the first and one past the last among them.

    About every `PHRASE` ms one, behind the longest gap (against its neighbours) within half of that.
    """
    usual = np.convolve(np.pad(np.log(gaps), 4, mode="edge"), np.ones(9) / 9, mode="valid")
    long = np.concatenate([[0.0], (np.log(gaps) - usual)[:-1]])  # of the gap before each onset
    begins = [0]
    while True:
        since = chords.onset - chords.onset[begins[-1]]
        near = np.flatnonzero((since > PHRASE / 2) & (since <= 1.5 * PHRASE))
        if not len(near) or chords.onset[-1] - chords.onset[begins[-1]] < 1.5 * PHRASE:
            return np.array([*begins, len(chords)])
        closer = 0.2 * np.abs(since[near] / PHRASE - 1)
        begins.append(int(near[np.argmax(long[near] - closer)]))


def _arches(begins: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """float64 [O]: 0 in the middle of phrases, 1 at their ends, and half of the like for their halves, on average 0."""
    arch = np.zeros(len(onset))
    for first, last in pairwise(begins.tolist()):
        here = onset[first:last]
        place = (here - here[0]) / max(here[-1] - here[0], 1.0)
        arch[first:last] = (2 * place - 1) ** 2 + 0.5 * (2 * ((2 * place) % 1) - 1) ** 2
    return arch - arch.mean()


def _clock(onset: np.ndarray, gaps: np.ndarray, slower: np.ndarray) -> np.ndarray:
    """float64 [O] ms: when each onset is played, log-IOI deviating by `slower`, with the final ritard."""
    left = np.clip((onset[-1] - onset) / min(RITARD, max(onset[-1] / 4, 1.0)), 0, 1)
    tempo = np.sqrt(FINAL**2 + (1 - FINAL**2) * left)
    steps = gaps * np.exp(slower) / tempo
    return np.concatenate([[0.0], np.cumsum(steps[:-1])])


def _late(chords: Chords, velocity: np.ndarray) -> np.ndarray:
    """float64 [N] ms: how much later than its chord's loudest each note comes, on average over a chord 0."""
    loudest = np.zeros(len(chords))
    np.maximum.at(loudest, chords.of, velocity)
    late = LATE * (loudest[chords.of] - velocity)
    return late - chord_means(chords, late)[0][chords.of]


def _repeated(chords: Chords) -> np.ndarray:
    """bool [N]: whether the same key is struck again within 50 ms of a note's written end."""
    order = np.lexsort((chords.start, chords.pitch))
    same = chords.pitch[order][1:] == chords.pitch[order][:-1]
    near = chords.start[order][1:] - chords.end[order][:-1] < 50
    again = np.zeros(chords.notes, bool)
    again[order[:-1]] = same & near
    return again


def _pedal(chords: Chords, clock: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Times int64 in ms and values of the pedal: changed at new lowest notes, up at the end."""
    lowest = np.full(len(chords), 128)
    np.minimum.at(lowest, chords.of, chords.pitch)
    times: list[int] = []
    for number in np.flatnonzero(lowest < LOW).tolist():
        if not times or clock[number] - times[-2] >= LOW_REST:
            times += [round(clock[number]) + UP, round(clock[number]) + DOWN]
    values = np.tile([0, 127], len(times) // 2)
    last = max([round(end), *times]) + 1
    return np.array([*times, last], np.int64), np.append(values, 0).astype(np.int16)
