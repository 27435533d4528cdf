"""What the page says about each note: hand, slur, dynamics in force, hairpin, and a velocity made of them.

By the page, before repeats are played out: the second time through sounds as it is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from pianist_jax.score.written import (
    DEFAULT_VELOCITY,
    PLACE_DIGITS,
    Mark,
    Sign,
    Spanner,
    Written,
    WrittenNote,
    bar_starts,
)

LONGEST_GRADUAL = 16.0  # quarters that "rit." and "accel." last at most


def deal_out(written: Written) -> None:
    """Set `hand`, `level`, `hairpin`, `gradual`, `velocity` and the slur and sforzando marks of every note, in place.

    Upper staves are the right hand, lower ones the left; of an odd number the middle one is right. A note's own
    velocity stays. Others take that of the dynamic mark in force in their part, whatever its staff, and 80 (mf)
    before the first. In a hairpin that leads to a mark of its direction, velocity moves in a straight line.
    """
    _deal_hands(written.notes)
    starts = bar_starts(bar.length for bar in written.bars)
    place = np.round([starts[note.bar] + note.offset for note in written.notes], PLACE_DIGITS)
    _deal_graduals(written, place, starts)
    by_part: defaultdict[int, list[int]] = defaultdict(list)
    by_voice: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for index in np.argsort(place, kind="stable").tolist():
        note = written.notes[index]
        by_part[note.part].append(index)
        by_voice[note.part, note.voice].append(index)
    slurs: defaultdict[tuple[int, int], list[Spanner]] = defaultdict(list)
    for span in written.slurs:
        for voice in span.voices:
            slurs[span.part, voice].append(span)
    for voice_key, spans in slurs.items():
        indices = by_voice.get(voice_key, [])
        begins, ends = _span_places(spans, starts)
        covered = _covered(place[indices], begins, ends)
        for index in np.array(indices, np.int64)[covered > 0].tolist():
            written.notes[index].marks |= Mark.SLUR
    for part, indices in by_part.items():
        notes = [written.notes[index] for index in indices]
        levels = [sign for sign in written.levels if sign.part == part]
        hairpins = [span for span in written.hairpins if span.part == part]
        _deal_dynamics(notes, place[indices], levels, hairpins, starts)
        attacks = [sign for sign in written.sforzandi if sign.part == part]
        _deal_attacks(notes, place[indices], attacks, starts)


def _deal_graduals(written: Written, places: np.ndarray, starts: list[float]) -> None:
    """How long each note has been slowed down or quickened: to the next word or mark of tempo, `LONGEST_GRADUAL`."""
    graduals = sorted(written.graduals, key=lambda sign: (sign.bar, sign.offset))
    others = [(sign.bar, sign.offset) for sign in written.tempos if sign.value[2]]
    others += [(hint.bar, hint.offset) for hint in written.tempo_hints]
    at = _sign_places(graduals, starts)
    ends = np.sort(np.round([*at, *(starts[bar] + offset for bar, offset in others)], PLACE_DIGITS))
    for sign, begin in zip(graduals, at.tolist(), strict=True):
        behind = ends[np.searchsorted(ends, begin, side="right") :]
        end = min([begin + LONGEST_GRADUAL, *behind[:1].tolist()])
        for index in np.flatnonzero((places >= begin) & (places < end)).tolist():
            written.notes[index].gradual = int(sign.value[0]) * (1 + int(places[index] - begin))


def _deal_hands(notes: Sequence[WrittenNote]) -> None:
    staves = sorted({(note.part, note.staff) for note in notes})
    right = set(staves[: (len(staves) + 1) // 2])
    for note in notes:
        note.hand = 1 if (note.part, note.staff) in right else 2


def _sign_places(signs: Sequence[Sign], starts: list[float]) -> np.ndarray:
    return np.round([starts[sign.bar] + sign.offset for sign in signs], PLACE_DIGITS)


def _span_places(spans: Sequence[Spanner], starts: list[float]) -> tuple[np.ndarray, np.ndarray]:
    begins = [starts[span.begin[0]] + span.begin[1] for span in spans]
    ends = [starts[span.end[0]] + span.end[1] for span in spans]
    return np.round(begins, PLACE_DIGITS), np.round(ends, PLACE_DIGITS)


def _covered(places: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """How many spans, both ends included, cover each of the sorted places."""
    after = np.searchsorted(np.sort(ends), places, side="left")
    return np.searchsorted(np.sort(begins), places, side="right") - after


def _deal_dynamics(
    notes: Sequence[WrittenNote],
    places: np.ndarray,
    levels: Sequence[Sign],
    hairpins: Sequence[Spanner],
    starts: list[float],
) -> None:
    at = _sign_places(levels, starts)
    order = np.argsort(at, kind="stable")
    at = at[order]
    # Row 0 is what holds before the first mark.
    values = np.array([(-1, DEFAULT_VELOCITY), *(levels[index].value for index in order)], np.float64)
    in_force = np.searchsorted(at, places, side="right")
    velocity, kind = values[in_force, 1], np.zeros(len(places), np.int64)
    begins, ends = _span_places(hairpins, starts)
    reached = -np.inf
    for index in np.argsort(begins, kind="stable"):
        begin, end = begins[index], ends[index]
        if begin < reached or end <= begin:
            continue  # a second hairpin over the first, for the other staff
        reached = end
        low, high = np.searchsorted(places, [begin, end], side="left")
        kind[low:high] = hairpins[index].kind
        before = np.searchsorted(at, begin, side="right")
        if before == len(at) or at[before] < end:
            continue
        first, last = values[before, 1], values[before + 1, 1]
        if (last - first) * hairpins[index].kind > 0:
            velocity[low:high] = first + (last - first) * (places[low:high] - begin) / (end - begin)
            velocity[high : np.searchsorted(places, at[before], side="left")] = last
    columns = (values[in_force, 0].tolist(), kind.tolist(), np.rint(velocity).tolist())
    for note, level, hairpin, loud in zip(notes, *columns, strict=True):
        note.level, note.hairpin = int(level), hairpin
        note.velocity = note.velocity or int(loud)


def _deal_attacks(
    notes: Sequence[WrittenNote], places: np.ndarray, attacks: Sequence[Sign], starts: list[float]
) -> None:
    """sf and its kin: the notes at that place and staff are at least that loud, those after it are not."""
    loudest: dict[tuple[float, int], int] = {}
    for sign, at in zip(attacks, _sign_places(attacks, starts).tolist(), strict=True):
        loudest[at, sign.staff] = int(sign.value[0])
    for note, at in zip(notes, places.tolist(), strict=True):
        attack = max(loudest.get((at, note.staff), 0), loudest.get((at, 0), 0))
        if attack and not note.grace:
            note.marks |= Mark.SFORZANDO
            note.velocity = max(note.velocity, attack)
