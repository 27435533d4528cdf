"""The score as played: repeats unfolded, ties joined, grace notes placed, times in ms."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.score.facts import (
    DEFAULT_TEMPO,
    Bar,
    KeySignature,
    Score,
    Tempo,
    TimeSignature,
    elapsed,
)
from pianist_jax.score.ornaments import play_ornaments
from pianist_jax.score.reading import AS_IT_STANDS, Reading
from pianist_jax.score.repeats import Form, played_form
from pianist_jax.score.sounding import Sounding
from pianist_jax.score.written import (
    MAX_NOTES,
    MAX_QUARTERS,
    PLACE_DIGITS,
    Mark,
    Sign,
    Written,
    WrittenNote,
    bar_starts,
)

PEDAL_LIFT = 0.125  # quarters for which a pedal that is changed stays up
# What of its written length a note sounds, by its signs, the first that it has: what MuseScore's MIDI files have, which
# performances are laid on (median over a sixth of ASAP's scores: .49, .49 to .33, .66; all others .99).
SOUNDS = (
    (Mark.STACCATO | Mark.TENUTO, 2 / 3),
    (Mark.STACCATISSIMO, 1 / 3),
    (Mark.STACCATO, 1 / 2),
    (Mark.MARCATO, 2 / 3),
)
MAX_HELD = 32  # tied notes of one pitch at once
LONGEST_GAP = 1  # bars over which a tie leads on to a chord whose notes were struck one after the other
SAME = 10.0**-PLACE_DIGITS

Fact = TypeVar("Fact")


class NothingSounds(ValueError):
    """A score without a note in the bars that are played."""


def play(written: Written, reading: Reading = AS_IT_STANDS, once: Collection[int] = ()) -> Score:
    """Play out a score whose notes have been dealt their marks (`marks.deal_out`), as the `reading` wants it.

    Repeats of the written bars `once` are not taken. What is played for ornaments and grace notes: `ornaments`,
    `graces`, `chords`. A tie joins a note to the next of its pitch in its part that begins where it ends, over bar
    lines and into voltas. What is in force at a place (tempo, signatures, pedal) is what the page says there, whichever
    way the player came.
    Raises ValueError where it grows beyond the limits of a score.
    """
    if sum(map(len, (written.times, written.keys, written.tempos, written.pedal))) > MAX_NOTES:
        raise ValueError(f"more than {MAX_NOTES} tempo marks, signatures and pedal marks")
    named = written.orders.get(reading.repeats) if not once else None
    jumps = [bar.jumps for bar in written.bars]
    form = Form(list(named)) if named else played_form(jumps, repeats=reading.repeats, once=once)
    order, breaks_off = form
    lengths = [written.bars[bar].length for bar in order]
    if breaks_off:
        lengths[-1] = min(breaks_off, lengths[-1])
    starts = bar_starts(lengths)
    if starts[-1] > MAX_QUARTERS:
        raise ValueError(f"more than {MAX_QUARTERS:g} quarters long, repeats played out")
    bars, times_through = _bars(written, order, starts, lengths)
    fragments = _unfold(written, order, starts, breaks_off)
    sounding = _join_ties(fragments)
    if not sounding:
        raise NothingSounds("no notes in the bars that are played")
    tempos = _unfold_signs(written.tempos, written, order, starts, lambda at, v: Tempo(at, v[0], v[1], bool(v[2])))
    if not tempos or tempos[0].start > 0:
        tempos.insert(0, Tempo(0.0, DEFAULT_TEMPO))
    keys = _unfold_signs(written.keys, written, order, starts, lambda at, v: KeySignature(at, int(v[0]), bool(v[1])))
    sounding = play_ornaments(sounding, fragments, tempos, keys, reading.style, written.composer)
    sounding.sort(key=lambda s: (round(s.start, PLACE_DIGITS), s.note.pitch))
    pedal = _unfold_signs(written.pedal, written, order, starts, lambda at, value: (at, int(value[0])), False)
    return _score(written, sounding, bars, times_through, starts, order, tuple(tempos), tuple(keys), _lift(pedal))


def sounding_share(marks: np.ndarray) -> np.ndarray:
    """float64[N]: what of its written length each note of these `Mark` flags sounds (`SOUNDS`)."""
    share = np.ones(len(marks))
    for signs, sounds in reversed(SOUNDS):
        share[marks & int(signs) == int(signs)] = sounds
    return share


def _bars(
    written: Written, order: Sequence[int], starts: Sequence[float], lengths: Sequence[float]
) -> tuple[tuple[Bar, ...], list[int]]:
    seen: defaultdict[int, int] = defaultdict(int)
    bars: list[Bar] = []
    for start, length, index in zip(starts, lengths, order, strict=False):
        seen[index] += 1
        bar = written.bars[index]
        bars.append(Bar(start, length, bar.number, bar.pickup and not bars, seen[index]))
    return tuple(bars), [bar.time_through for bar in bars]


def _unfold(written: Written, order: Sequence[int], starts: Sequence[float], breaks_off: float) -> list[Sounding]:
    by_bar: defaultdict[int, list[WrittenNote]] = defaultdict(list)
    for note in written.notes:
        by_bar[note.bar].append(note)
    if sum(len(by_bar[bar]) for bar in order) > MAX_NOTES:
        raise ValueError(f"more than {MAX_NOTES} notes, repeats played out")
    return [
        Sounding(
            note,
            played,
            starts[played] + note.offset,
            starts[played] + note.offset + note.length,
            note.marks,
        )
        for played, bar in enumerate(order)
        for note in by_bar[bar]
        if not breaks_off or played < len(order) - 1 or note.offset < breaks_off - SAME
    ]


def _join_ties(fragments: Sequence[Sounding]) -> list[Sounding]:
    """Notes that continue a tie end the note that the tie began with, and are heard no more themselves.

    Where several notes of one pitch are tied at once (two voices), a note continues the one of its own voice. A
    tie whose second end is not written leads to the next note of the page, if that has its pitch and place. Where a
    chord is struck note by note and then written as held, ties lead over the time between.
    """
    heard: list[Sounding] = []
    held: defaultdict[tuple[int, int], list[Sounding]] = defaultdict(list)
    last: dict[int, WrittenNote] = {}  # the written note that each held one has got to
    waiting: dict[tuple[int, int], Sounding] = {}  # the last of its key, if its tie has not ended

    by_voice: defaultdict[tuple[int, int], tuple[list[float], list[bool]]] = defaultdict(lambda: ([], []))
    for s in sorted(fragments, key=lambda s: s.start):
        starts, tied = by_voice[s.note.part, s.note.voice]
        starts.append(s.start)
        tied.append(s.note.tie_start)

    def may_follow(note: WrittenNote, other: Sounding) -> bool:
        return note.tie_stop or (not note.grace and note.bar - last[id(other)].bar in (0, 1))

    def leads_over(fragment: Sounding, other: Sounding) -> bool:
        bars = fragment.note.bar - last[id(other)].bar
        same_way = bars == fragment.played_bar - other.played_bar and fragment.note.voice == last[id(other)].voice
        if not (fragment.note.tie_stop and 0 <= bars <= LONGEST_GAP and same_way):
            return False
        # All that is struck meanwhile is held as well.
        starts, tied = by_voice[fragment.note.part, fragment.note.voice]
        first, stop = bisect_left(starts, other.end - SAME), bisect_left(starts, fragment.start - SAME)
        return first < stop and all(tied[first:stop])

    def order(s: Sounding) -> tuple[float, bool, int, bool]:
        return round(s.start, PLACE_DIGITS), not s.note.grace, -s.note.grace, not s.note.tie_stop

    for fragment in sorted(fragments, key=order):
        note, key = fragment.note, (fragment.note.part, fragment.note.pitch)
        held[key] = [other for other in held[key] if other.end > fragment.start - 2 * SAME][-MAX_HELD:]
        near = [other for other in held[key] if other.end < fragment.start + 2 * SAME and may_follow(note, other)]
        if not near and key in waiting and leads_over(fragment, waiting[key]):
            near = [waiting[key]]
        waiting.pop(key, None)
        if not near:
            heard.append(fragment)
            if note.tie_start:
                held[key].append(fragment)
                waiting[key] = fragment
                last[id(fragment)] = note
            continue
        joined = min(near, key=lambda other: last[id(other)].voice != note.voice)
        joined.end = fragment.end
        joined.marks |= note.marks
        last[id(joined)] = note
        held[key] = [other for other in held[key] if other is not joined]
        if note.tie_start:
            held[key].append(joined)
            waiting[key] = joined
    return heard


def _unfold_signs(
    signs: Sequence[Sign],
    written: Written,
    order: Sequence[int],
    starts: Sequence[float],
    fact: Callable[[float, tuple[float, ...]], Fact],
    once: bool = True,
) -> list[Fact]:
    """Facts of what is in force, at each change; of several signs at one place the last counts if `once`."""
    ordered = sorted(signs, key=lambda sign: (sign.bar, sign.offset))
    by_bar: defaultdict[int, list[Sign]] = defaultdict(list)
    in_force: list[tuple[float, ...] | None] = []  # at each bar line of the page
    for sign in ordered:
        by_bar[sign.bar].append(sign)
    value: tuple[float, ...] | None = None
    for index in range(len(written.bars)):
        in_force.append(value)
        value = by_bar[index][-1].value if by_bar[index] else value
    found: list[tuple[float, tuple[float, ...]]] = []
    for played, index in enumerate(order):
        length = written.bars[index].length
        events = [(min(sign.offset, length), sign.value) for sign in by_bar[index]]
        before = in_force[index]
        if before is not None and not (once and events and events[0][0] == 0):
            events.insert(0, (0.0, before))
        for offset, now in events:
            at = starts[played] + offset
            if once and found and found[-1][0] == at:
                found.pop()
            if not found or found[-1][1] != now:
                found.append((at, now))
    return [fact(at, now) for at, now in found]


def _lift(pedal: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """A pedal that is released and pressed at one place stays up for a moment, so that the change is heard."""
    events = list(pedal)
    for index, (before, event) in enumerate(pairwise(pedal), 1):
        if event[0] == before[0] and event[1] > before[1]:
            after = pedal[index + 1][0] if index + 1 < len(pedal) else np.inf
            events[index] = (min(event[0] + PEDAL_LIFT, (event[0] + after) / 2), event[1])
    return events


def _score(
    written: Written,
    sounding: Sequence[Sounding],
    bars: tuple[Bar, ...],
    times_through: Sequence[int],
    starts: Sequence[float],
    order: Sequence[int],
    tempos: tuple[Tempo, ...],
    keys: tuple[KeySignature, ...],
    pedal: Sequence[tuple[float, int]],
) -> Score:
    notes = [s.note for s in sounding]
    onset = np.round([s.start for s in sounding], 9)
    end = np.round([s.end for s in sounding], 9)
    bar = np.array([s.played_bar for s in sounding], np.int32)
    pedal_place = np.array([at for at, _ in pedal], np.float64)
    lead = -float(elapsed(tempos, onset[:1])[0]) if onset[0] < 0 else 0.0
    onset_ms, end_ms, pedal_ms = (
        np.rint(lead + elapsed(tempos, place)).astype(np.int64) for place in (onset, end, pedal_place)
    )
    marks = np.array([s.marks for s in sounding], np.uint32)
    sounds = np.rint((end_ms - onset_ms) * sounding_share(marks)).astype(np.int64)
    raw = Notes(
        pitch=np.array([note.pitch for note in notes]),
        onset=onset_ms,
        duration=np.maximum(sounds, 1),
        velocity=np.array([note.velocity for note in notes]),
        pedal_time=np.maximum.accumulate(pedal_ms) if len(pedal_ms) else pedal_ms,
        pedal_value=np.array([value for _, value in pedal], np.int64),
    )
    again = [times_through[s.played_bar] for s in sounding]
    return Score(
        notes=raw,
        note_id=tuple(note.id if n == 1 else f"{note.id}-{n}" for note, n in zip(notes, again, strict=True)),
        bar=bar,
        beat=np.round(onset - np.array(starts)[bar], 9),
        onset=onset,
        duration=end - onset,
        hand=np.array([note.hand for note in notes], np.int8),
        voice=np.array([note.voice for note in notes], np.int16),
        grace=np.array([note.grace > 0 for note in notes], bool),
        marks=marks,
        level=np.array([note.level for note in notes], np.int8),
        hairpin=np.array([note.hairpin for note in notes], np.int8),
        gradual=np.array([note.gradual for note in notes], np.int8),
        bars=bars,
        time_signatures=tuple(
            _unfold_signs(written.times, written, order, starts, lambda at, v: TimeSignature(at, int(v[0]), int(v[1])))
        ),
        key_signatures=keys,
        tempos=tempos,
        pedal=pedal_place,
        lead=lead,
        left_out=tuple(f"{count} {kind}" for kind, count in sorted(written.left_out.items())),
        readings=tuple(dict.fromkeys(written.readings)),
        problems=tuple(written.problem_lines()),
        title=written.title,
    )
