"""Broken chords: the notes of an arpeggio begin one after the other and sound on to the end of the chord.

    sign                   played
    wavy line              from the lowest note up, the lowest on the beat, 65 ms each (the note value nearest to it),
                           all within half the chord's length
    with an arrow down     from the highest note down
    through both staves    one chord from the lowest note of the lower staff up; else each staff for itself, at once
    bracket                together

With its last note on the beat (an option, as pianists since the 19th century often play it) the others come before,
in half the time since the onset before at most. Beginning on the beat: C. P. E. Bach (Versuch I, 1753, III); on it or
before it: Brown, Classical and Romantic Performing Practice (1999).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from pianist_jax.score.sounding import Clock, Sounding
from pianist_jax.score.written import PLACE_DIGITS, Mark

STEP_MS = 65.0
ROOM = 0.5
UP, DOWN = "arpeggio", "arpeggio down"


def break_chords(
    signed: Sequence[Sounding], heard: Sequence[Sounding], clock: Clock, *, last_on_beat: bool = False
) -> None:
    """Give the notes of broken chords their beginnings, in place; `signed` are the notes that have signs."""
    chords: defaultdict[tuple[int, float, str], list[Sounding]] = defaultdict(list)
    down: set[tuple[int, float, str]] = set()
    for s in signed:
        for sign in s.note.ornaments if not s.note.grace else ():
            if sign.kind in (UP, DOWN):
                # One that has no number is one sign for each staff.
                key = (s.note.part, round(s.start, PLACE_DIGITS), sign.number or f"staff {s.note.staff}")
                chords[key].append(s)
                if sign.kind == DOWN:
                    down.add(key)
    onsets = sorted({round(s.start, PLACE_DIGITS) for s in heard}) if chords and last_on_beat else []
    for key, notes in chords.items():
        order = sorted({s.note.pitch for s in notes}, reverse=key in down)
        gaps, place = len(order) - 1, key[1]
        if not gaps:
            continue
        room = ROOM * min(s.length for s in notes)
        if last_on_beat:
            index = bisect_left(onsets, place) - 1
            room = ROOM * (place - onsets[index]) if index >= 0 else room
        step = min(clock.stroke(place, STEP_MS), room / gaps)
        for s in notes:
            s.start += (order.index(s.note.pitch) - gaps * last_on_beat) * step
            s.marks |= Mark.ORNAMENT
