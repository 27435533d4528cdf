"""Grace notes: when they are played, and how much of which note they take.

    written                                      played
    one small note without a stroke              on the beat: its own note value, of the main note a half at most, two
    (appoggiatura)                               thirds where that is dotted; the main note begins after it
    with a stroke through the stem               before the beat, as fast as a trill, in half the time since the onset
    (acciaccatura), or several                   before at most; no other note changes
    small notes after a trill                    before the end of the trill, as its ending
    steal-time-previous, MEI "unacc"             before the beat, that share of the note before
    steal-time-following, make-time, MEI "acc"   on the beat, that share of the main note, else as fast as a trill

The appoggiatura is C. P. E. Bach's (Versuch I, 1753, II/2) and Leopold Mozart's (Violinschule, 1756, IX); that short
ones come before the beat is how they have been played since the 19th century (Brown, Classical and Romantic Performing
Practice, 1999). The attributes: MusicXML 4.0, <grace>; MEI, att.graced.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from pianist_jax.score.sounding import Clock, Sounding
from pianist_jax.score.written import PLACE_DIGITS, Mark

ROOM = 0.5  # of the time since the onset before; all grace notes of one place share it
SHARE = 0.5  # of the main note at most
DOTTED = 2 / 3
MOST = 0.9  # where the file says a share
SAME = 10.0**-PLACE_DIGITS
ON_BEAT, BEFORE, SLASHED, PLAIN = "grace on", "grace before", "grace slashed", "grace"
Voice = tuple[int, int, int, float]  # part, voice, bar as played, place


def place_graces(heard: Sequence[Sounding], clock: Clock, *, plainly: bool = False) -> None:
    """Give the grace notes of a score their time, in place; all of them before the beat if `plainly`.

    A grace note that a tie has joined to its main note sounds on.
    """
    groups: defaultdict[Voice, list[Sounding]] = defaultdict(list)
    for s in heard:
        if s.note.grace:
            groups[_voice(s)].append(s)
    if not groups:
        return
    onsets = sorted({round(s.start, PLACE_DIGITS) for s in heard if not s.note.grace})
    before: dict[float, list[list[Sounding]]] = defaultdict(list)
    mains: defaultdict[Voice, list[Sounding]] = defaultdict(list)
    trills: dict[tuple[int, int, float], list[Sounding]] = {}
    for s in heard:
        if not s.note.grace:
            if (key := _voice(s)) in groups:
                mains[key].append(s)
            if any(sign.kind == "trill" for sign in s.note.ornaments):
                trills.setdefault((s.note.part, s.note.voice, round(s.end, PLACE_DIGITS)), []).append(s)
    for key, group in groups.items():
        part, voice, _, place = key
        ending = trills.get((part, voice, place), [])
        taken = 0.0 if plainly or ending else _on_beat(group, mains[key], clock)
        if taken:
            _play_on_beat(group, mains[key], taken)
        else:
            before[place].append(group)
    for place, together in before.items():
        step = _step_before(place, together, onsets, clock)
        for group in together:
            _play_before(group, step)
            part, voice = group[0].note.part, group[0].note.voice
            for trill in () if plainly else trills.get((part, voice, place), ()):
                trill.end = max(min(trill.end, min(s.start for s in group)), trill.start + SAME)


def _voice(s: Sounding) -> Voice:
    return s.note.part, s.note.voice, s.played_bar, round(s.start, PLACE_DIGITS)


def _on_beat(group: Sequence[Sounding], mains: Sequence[Sounding], clock: Clock) -> float:
    """Quarters that grace notes take of their main notes; 0 where they come before the beat."""
    sign = next(iter(group[0].note.ornaments), None)
    length = min((main.length for main in mains), default=0.0)
    if sign is None or length <= SAME or sign.kind in (BEFORE, SLASHED):
        return 0.0
    steps = max(s.note.grace for s in group)
    stroke = clock.stroke(group[0].start) * steps
    if sign.share:
        return min(sign.share, MOST) * length
    if steps > 1 or not sign.length:
        return min(stroke, SHARE * length) if sign.kind == ON_BEAT else 0.0
    dotted = abs(sign.length - DOTTED * length) < SAME
    return sign.length if dotted else min(sign.length, SHARE * length)


def _play_on_beat(group: Sequence[Sounding], mains: Sequence[Sounding], taken: float) -> None:
    steps = max(s.note.grace for s in group)
    for s in group:
        tied = s.end > s.start + SAME
        s.start += (steps - s.note.grace) * taken / steps
        s.end = s.end if tied else s.start + taken / steps
        s.marks |= Mark.ORNAMENT
    for main in mains:
        main.start += taken
        main.marks |= Mark.ORNAMENT


def _step_before(place: float, groups: Sequence[Sequence[Sounding]], onsets: Sequence[float], clock: Clock) -> float:
    """Quarters of each grace note of one place, of all voices, before it."""
    steps = max(s.note.grace for group in groups for s in group)
    shares = [sign.share for group in groups for sign in group[0].note.ornaments if sign.kind == BEFORE and sign.share]
    index = bisect_left(onsets, place) - 1
    room = place - onsets[index] if index >= 0 else float("inf")
    if shares and index >= 0:
        return min(max(shares), 1.0) * room / steps
    return min(clock.stroke(place), ROOM * room / steps)


def _play_before(group: Sequence[Sounding], step: float) -> None:
    for s in group:
        tied = s.end > s.start + SAME
        s.start -= s.note.grace * step
        s.end = s.end if tied else s.start + step
        s.marks |= Mark.ORNAMENT
