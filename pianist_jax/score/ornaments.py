"""What is played for each ornament sign, written out note by note before a pianist performs it.

The neighbours are those of the scale: their accidental is the one written at the sign, else the last one of their
letter in the bar and staff, else the key signature's. A stroke is the note value nearest to 80 ms at the tempo of the
place, or what the note is long enough for. The last note of each is held to the end of the written one.

    sign                         played (0 the written note, 1 and -1 its neighbours)
    trill, wavy line             0 1 0 1 … 0, as long as the note (all notes that the line covers; tied ones as one)
      from above                 1 0 1 0 … 0
      before small notes         the same, up to the small notes, which are its ending
      over notes that spell it   those notes, as they are written
    short trill (inverted        0 1 0
      mordent, Pralltriller)
      long, shake                0 1 0 1 0
    mordent                      0 -1 0; long 0 -1 0 -1 0
    turn                         1 0 -1 0
      inverted                   -1 0 1 0
      delayed                    0 held, then 1 0 -1 0 at the end of the note (inverted: -1 0 1 0)
    slide (Schleifer)            -2 -1 0
    tremolo, one note            0 0 0 0 … in strokes of the value that its slashes say; none below 55 ms
      two notes                  a b a b … over the time of both
      not measured               the same in strokes of a trill
    glissando, slide line        0 held, then the white keys between (black ones, between two black ones), 50 ms each

Grace notes and broken chords: `graces`, `chords`.

Mordent and turn after the table of J. S. Bach ("Explication", 1720) and C. P. E. Bach (Versuch I, 1753:
II/4 turn, II/5 mordent, II/7 slide, II/8 short trill); the trill that begins on its own note after Hummel (1828),
as notation programs play it, too. From above is the rule of both Bachs (II/3): an option
(`OrnamentStyle.upper_trills`), and what is done where the file names a composer before Hummel's time (`FROM_ABOVE`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pianist_jax.score.chords import break_chords
from pianist_jax.score.facts import KeySignature, Tempo
from pianist_jax.score.graces import place_graces
from pianist_jax.score.sounding import STROKE_MS, Clock, Sounding
from pianist_jax.score.written import MAX_NOTES, PLACE_DIGITS, Ornament

PATTERNS = {
    "short trill": (0, 1, 0),
    "long short trill": (0, 1, 0, 1, 0),
    "mordent": (0, -1, 0),
    "long mordent": (0, -1, 0, -1, 0),
    "turn": (1, 0, -1, 0),
    "inverted turn": (-1, 0, 1, 0),
    "slide": (-2, -1, 0),
}
DELAYED = {"delayed turn": "turn", "delayed inverted turn": "inverted turn"}
PLAYED = {"trill", *PATTERNS, *DELAYED, "tremolo", "tremolo start", "tremolo stop", "glissando start"}
NEIGHBOURS = {"trill", *PATTERNS, *DELAYED}  # those that play other keys than the written ones
FASTEST_MS = 55.0  # of tremolos, between two strokes
GLISSANDO_MS = 50.0  # a key
MAX_STROKES = 1024  # of one note
SCALE = (0, 2, 4, 5, 7, 9, 11)
FIFTHS = (1, 3, 5, 0, 2, 4, 6)  # place of C, D, E … in the order of sharps F C G D A E B
BLACK = {1, 3, 6, 8, 10}
SAME = 10.0**-PLACE_DIGITS
SPELLED = 4  # notes that make a trill
NEXT = 0.01  # quarters between one note's end and the next
FROM_ABOVE = re.compile(
    r"\b(bach|couperin|rameau|h[aä]e?nd[e]?l|scarlatti|purcell|froberger|buxtehude|pachelbel|telemann|soler|daquin|"
    r"frescobaldi|byrd|böhm|kuhnau|fischer|muffat|haydn|mozart|cimarosa|galuppi|paradisi|seixas)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class OrnamentStyle:
    """How ornaments are played: at all (else they stay marks), trills from above (None: by the composer), chords that
    are broken with their last note on the beat and not their first, and how long a note of a trill or turn lasts."""

    played: bool = True
    upper_trills: bool | None = None
    last_on_beat: bool = False
    trill_ms: float = STROKE_MS


PLAIN = OrnamentStyle()


@dataclass(frozen=True)
class _Page:
    """What neighbours depend on: accidentals by (bar as played, part, staff, letter) as (place, alter), and keys."""

    accidentals: dict[tuple[int, int, int, int], list[tuple[float, int]]]
    keys: Sequence[KeySignature]
    clock: Clock
    from_above: bool
    trill_ms: float


def play_ornaments(
    heard: list[Sounding],
    fragments: Iterable[Sounding],
    tempos: Sequence[Tempo],
    keys: Sequence[KeySignature],
    style: OrnamentStyle = PLAIN,
    composer: str = "",
) -> list[Sounding]:
    """The notes that are heard once ornaments are played and grace notes placed; `heard` is changed in place.

    `fragments` are all notes of the page as played, those too that ties join to others. The notes of an ornament
    follow the id of the written one (`Sounding.part_of`). Raises ValueError where they are more than a score can have.
    """
    clock = Clock(tempos)
    place_graces(heard, clock, plainly=not style.played)
    if not style.played:
        return heard
    signed = [s for s in heard if s.note.ornaments]
    if not signed:
        return heard
    above = bool(FROM_ABOVE.search(composer)) if style.upper_trills is None else style.upper_trills
    page = _Page(_accidentals(fragments, signed), keys, clock, above, style.trill_ms)
    break_chords(signed, heard, clock, last_on_beat=style.last_on_beat)
    partners, spelled_out = _partners(signed), _spelled_out(signed, heard, page)
    played: list[Sounding] = []
    for s in heard:
        played += _play(s, page, partners) if s.note.ornaments and id(s) not in spelled_out else (s,)
        if len(played) > MAX_NOTES:
            raise ValueError(f"more than {MAX_NOTES} notes, ornaments written out")
    return played


def _play(s: Sounding, page: _Page, partners: dict[int, Sounding]) -> list[Sounding]:
    """The notes that one note with signs is played as; the first sign of those that play other notes counts."""
    sign = next((sign for sign in s.note.ornaments if sign.kind in PLAYED), None)
    if sign is None or s.note.grace or s.length <= SAME:
        return [s]
    stroke = page.clock.stroke(s.start, page.trill_ms)
    if sign.kind == "trill":
        return _strokes(s, _trill(s.length, stroke, page.from_above), page, sign)
    if sign.kind in PATTERNS:
        pattern = PATTERNS[sign.kind]
        return _strokes(s, _held_last(pattern, s.length, min(stroke, s.length / (len(pattern) + 1))), page, sign)
    if sign.kind in DELAYED:
        pattern = PATTERNS[DELAYED[sign.kind]]
        stroke = min(stroke, s.length / (2 * len(pattern)))
        begin = s.length - len(pattern) * stroke
        later = [(step, begin + index * stroke) for index, step in enumerate(pattern)]
        return _strokes(s, [(0, 0.0), *later], page, sign)
    if sign.kind == "tremolo":
        return _tremolo(s, sign, page)
    partner = partners.get(id(s))
    if partner is None:
        return [s]
    return _glissando(s, partner, page) if sign.kind == "glissando start" else _two_notes(s, partner, sign, page)


def _spelled_out(signed: Sequence[Sounding], heard: Sequence[Sounding], page: _Page) -> set[int]:
    """Identities of the notes whose trill the page writes out, and of those that it writes it out with.

    Four or more notes (or chords) that go to and fro between two neighbours, each too short for a trill of its own:
    below their line, or in another voice of the staff while the note with the sign is held.
    """
    trilled = [s for s in signed if any(sign.kind == "trill" for sign in s.note.ornaments)]
    runs: list[list[list[Sounding]]] = []
    for chord in _chords(trilled):
        if runs and _goes_on(runs[-1], chord) and _short(chord[0], page):
            runs[-1].append(chord)
        else:
            runs.append([chord])
    found = {id(s) for run in runs if len(run) >= SPELLED for chord in run for s in chord}
    staves = {(s.note.part, s.note.staff) for s in trilled}
    around: defaultdict[tuple[int, int, int], list[Sounding]] = defaultdict(list)
    for s in sorted(heard, key=lambda s: s.start) if trilled else ():
        if (s.note.part, s.note.staff) in staves and not s.note.grace and _short(s, page):
            around[s.note.part, s.note.staff, s.note.pitch].append(s)
    for s in trilled:
        own, *beside = (
            len(_within(around.get((s.note.part, s.note.staff, s.note.pitch + step), []), s)) for step in (0, 1, 2)
        )
        if not _short(s, page) and min(own, max(beside)) >= SPELLED // 2:
            found.add(id(s))
    return found


def _chords(trilled: Sequence[Sounding]) -> list[list[Sounding]]:
    chords: defaultdict[tuple[int, int, float], list[Sounding]] = defaultdict(list)
    for s in trilled:
        chords[s.note.part, s.note.voice, round(s.start, PLACE_DIGITS)].append(s)
    return [chord for _, chord in sorted(chords.items())]


def _short(s: Sounding, page: _Page) -> bool:
    """Whether a note is over before a trill could be heard on it."""
    return s.length < SPELLED * page.clock.stroke(s.start)


def _within(notes: Sequence[Sounding], s: Sounding) -> Sequence[Sounding]:
    """Those of these notes, in order, that begin while another is held, in other voices."""
    first = bisect_left(notes, s.start - SAME, key=lambda each: each.start)
    last = bisect_left(notes, s.end - SAME, key=lambda each: each.start)
    return [each for each in notes[first:last] if each.note.voice != s.note.voice]


def _goes_on(run: Sequence[Sequence[Sounding]], chord: Sequence[Sounding]) -> bool:
    last = run[-1]
    old, new = (sorted(s.note.pitch for s in each) for each in (last, chord))
    beside = len(old) == len(new) and all(0 < abs(a - b) <= 2 for a, b in zip(old, new, strict=True))
    same = len(run) == 1 or sorted(s.note.pitch for s in run[-2]) == new
    voice = (last[0].note.part, last[0].note.voice) == (chord[0].note.part, chord[0].note.voice)
    ending = len(run) >= SPELLED
    return ((beside and same) or ending) and voice and abs(last[0].end - chord[0].start) < NEXT


def _trill(length: float, stroke: float, from_above: bool) -> list[tuple[int, float]]:
    """(step, place from the beginning) of each stroke: the last is on the note itself and fills what is left."""
    stroke = min(stroke, length / 4)
    count = min(int(length / stroke + SAME), MAX_STROKES)
    count -= count % 2 == (0 if not from_above else 1)
    return [((index + from_above) % 2, index * stroke) for index in range(count)]


def _held_last(pattern: Sequence[int], length: float, stroke: float) -> list[tuple[int, float]]:
    return [(step, min(index * stroke, length)) for index, step in enumerate(pattern)]


def _strokes(s: Sounding, strokes: list[tuple[int, float]], page: _Page, sign: Ornament) -> list[Sounding]:
    """Notes of these steps from the written one, each until the next begins, the last to the end."""
    pitches = {step: s.note.pitch + neighbour(s, step, page, sign) for step in {step for step, _ in strokes}}
    ends = [s.start + place for _, place in strokes[1:]] + [s.end]
    return [
        s.part_of(number, min(max(pitches[step], 0), 127), s.start + place, end)
        for number, ((step, place), end) in enumerate(zip(strokes, ends, strict=True), 1)
    ]


def neighbour(s: Sounding, steps: int, page: _Page, sign: Ornament) -> int:
    """Semitones from a note to the one so many letters above or below it."""
    if steps == 0:
        return 0
    if sign.interval and abs(steps) == 1:
        return steps * sign.interval
    letter, alter = s.note.step, s.note.alter
    if letter < 0:  # nothing says how it is spelled
        return 2 * steps
    own = 12 * (letter // 7) + SCALE[letter % 7] + alter
    other = letter + steps
    written = sign.above if steps > 0 else sign.below
    if written is None:
        written = _in_force(s, other, page)
        distance = 12 * (other // 7) + SCALE[other % 7] + written - own
        # An augmented second, or less than a semitone, is no ornament (C. P. E. Bach, II/3 § 15).
        return min(max(distance, -2 * abs(steps)), -1) if steps < 0 else max(min(distance, 2 * steps), 1)
    return 12 * (other // 7) + SCALE[other % 7] + written - own


def _in_force(s: Sounding, letter: int, page: _Page) -> int:
    """The accidental of a letter where a note begins: the last in its bar and staff, else that of the key."""
    before = page.accidentals.get((s.played_bar, s.note.part, s.note.staff, letter), [])
    place = bisect_left(before, (s.start + SAME, -9))
    if place:
        return before[place - 1][1]
    fifths = next((key.fifths for key in reversed(page.keys) if key.start <= s.start + SAME), 0)
    return (fifths - FIFTHS[letter % 7] + 6) // 7


def _accidentals(
    fragments: Iterable[Sounding], signed: Sequence[Sounding]
) -> dict[tuple[int, int, int, int], list[tuple[float, int]]]:
    bars = {s.played_bar for s in signed if any(sign.kind in NEIGHBOURS for sign in s.note.ornaments)}
    found: defaultdict[tuple[int, int, int, int], list[tuple[float, int]]] = defaultdict(list)
    for s in fragments if bars else ():
        if s.played_bar in bars and s.note.step >= 0:
            found[s.played_bar, s.note.part, s.note.staff, s.note.step].append((s.start, s.note.alter))
    for places in found.values():
        places.sort()
    return found


def _partners(signed: Sequence[Sounding]) -> dict[int, Sounding]:
    """The other end of tremolos of two notes and of glissandi, by the identity of each note that has one.

    A second note belongs to the last first one before it of its part and number; of chords each note has a partner.
    """
    found: dict[int, Sounding] = {}
    begun: dict[tuple[str, int, str], list[Sounding]] = {}
    ended: dict[tuple[str, int, str], float] = {}
    for s in sorted(signed, key=lambda s: s.start):
        for sign in s.note.ornaments:
            what, _, end = sign.kind.partition(" ")
            key = (what, s.note.part, sign.number)
            if what not in ("tremolo", "glissando") or not end:
                continue
            first = begun.get(key, [])
            if end == "start":
                if not first or first[0].start < s.start - SAME:
                    begun[key] = first = []
                    ended.pop(key, None)
                first.append(s)
            elif first and s.start > first[0].start + SAME and abs(ended.get(key, s.start) - s.start) < SAME:
                if what == "tremolo" and s.start > first[0].end + SAME:
                    continue
                ended[key] = s.start
                found[id(s)] = first[0]
                for one in first:
                    found.setdefault(id(one), s)
    return found


def _stroke_of(s: Sounding, sign: Ornament, page: _Page) -> float:
    stroke = sign.length or page.clock.stroke(s.start)
    while stroke < page.clock.quarters(s.start, FASTEST_MS):
        stroke *= 2
    return stroke


def _tremolo(s: Sounding, sign: Ornament, page: _Page) -> list[Sounding]:
    count = min(max(round(s.length / _stroke_of(s, sign, page)), 1), MAX_STROKES)
    stroke = s.length / count
    return [
        s.part_of(number + 1, s.note.pitch, s.start + number * stroke, s.start + (number + 1) * stroke)
        for number in range(count)
    ]


def _two_notes(s: Sounding, other: Sounding, sign: Ornament, page: _Page) -> list[Sounding]:
    """One note of a tremolo of two: every second stroke of the time of both, from the first or the second on."""
    start, end = min(s.start, other.start), max(s.end, other.end)
    turn = int(s.start > other.start)
    count = min(max(round((end - start) / (2 * _stroke_of(s, sign, page))), 1), MAX_STROKES)
    stroke = (end - start) / (2 * count)
    begins = [start + (2 * number + turn) * stroke for number in range(count)]
    return [s.part_of(number, s.note.pitch, begin, begin + stroke) for number, begin in enumerate(begins, 1)]


def _glissando(s: Sounding, last: Sounding, page: _Page) -> list[Sounding]:
    low, high = sorted((s.note.pitch, last.note.pitch))
    black = low % 12 in BLACK and high % 12 in BLACK
    keys = [pitch for pitch in range(low + 1, high) if (pitch % 12 in BLACK) == black]
    if s.note.pitch > last.note.pitch:
        keys.reverse()
    end = s.end
    step = min(page.clock.quarters(s.start, GLISSANDO_MS), (end - s.start) / (len(keys) + 1))
    begin = end - len(keys) * step
    first = s.part_of(1, s.note.pitch, s.start, begin if keys else s.end)
    return [
        first,
        *(s.part_of(n + 2, key, begin + n * step, begin + (n + 1) * step) for n, key in enumerate(keys)),
    ]
