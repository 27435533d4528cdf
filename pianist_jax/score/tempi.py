"""Tempi that a page says in words or by what was before: "Adagio", "a tempo", "♩ = 66", "♩ = ♩.".

The words' ranges are those that metronomes carry (Maelzel's scale: Largo 40-60 to Presto 168-200) with the names
between as in the usual tables of music dictionaries; their middle is meant, for a beat of a quarter. Longer beats go
slower and shorter ones faster, by the square root of their length: an Allegro of 138 quarters goes at 98 halves in 2/2,
at 113 dotted quarters in 6/8 and at 195 eighths in 3/8. What a number says at the same place counts instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pianist_jax.score.grid import beat_quarters
from pianist_jax.score.written import PLACE_DIGITS, SHOWN, Sign, TempoHint, Written

SLOWEST, FASTEST = 4.0, 3000.0  # quarters a minute; what lies outside is a slip of the pen
UNTOLD = 120.0  # quarters a minute, which programs write where nobody has said anything
# Quarters a minute where the beat is a quarter, from and to.
TEMPO_WORDS: dict[str, tuple[float, float]] = {
    "larghissimo": (24, 32), "grave": (35, 45), "largo": (40, 60), "lento": (45, 60), "larghetto": (60, 66),
    "adagio": (66, 76), "adagietto": (70, 80), "andante": (76, 108), "andantino": (80, 108), "maestoso": (80, 92),
    "sostenuto": (69, 84), "moderato": (108, 120), "allegretto": (112, 124), "animato": (120, 144),
    "con moto": (100, 116), "tranquillo": (66, 80), "alla marcia": (108, 120), "tempo di marcia": (108, 120),
    "tempo di minuetto": (108, 126), "tempo di menuetto": (108, 126), "tempo di valse": (144, 176),
    "tempo di valzer": (144, 176), "allegro": (120, 156), "con brio": (132, 152), "vivo": (148, 168),
    "vivace": (156, 176), "presto": (168, 200), "prestissimo": (200, 208), "vivacissimo": (172, 184),
    "allegrissimo": (168, 184),
    # German
    "langsam": (45, 60), "getragen": (54, 66), "ruhig": (63, 80), "gehend": (76, 96), "mässig": (96, 116),
    "mäßig": (96, 116), "bewegt": (108, 126), "munter": (120, 144), "lebhaft": (126, 152), "rasch": (138, 160),
    "schnell": (144, 176), "feierlich": (54, 66), "geschwind": (144, 168), "marschmäßig": (108, 120),
    "walzertempo": (144, 176),
    # French
    "lent": (45, 60), "modéré": (96, 116), "animé": (120, 144), "vif": (144, 168), "vite": (144, 168),
    "rapide": (152, 176), "calme": (60, 76), "tranquille": (60, 76), "mouvement de valse": (144, 176),
    # English
    "very slow": (40, 52), "slow": (54, 66), "slowly": (54, 66), "moderate": (100, 116), "moderately": (100, 116),
    "lively": (126, 152), "fast": (138, 168), "very fast": (168, 192), "quick": (138, 160),
    "waltz tempo": (144, 176), "march tempo": (108, 120), "bright": (126, 152),
}  # fmt: skip
MORE = re.compile(r"\b(?:molto|assai|di\s+molto|sehr|très|very|possibile)\b", re.IGNORECASE)
LESS = re.compile(
    r"\bnon\s+(?:troppo|tanto|molto)\b|\b(?:un\s+)?poco\b|\bnicht\s+(?:zu|sehr)\b|\betwas\b|\bpas\s+trop\b|\bun\s+peu\b"
    r"|\bnot\s+too\b|\bziemlich\b|\bassez\b",
    re.IGNORECASE,
)
MIDDLE, STEP = 100.0, 1.08  # quarters a minute that "molto" leads away from and "non troppo" back to, by so much
FASTER = re.compile(
    r"(?<!\bil )(?<!\ble )\b(?:più|piu|plus|more)\s+(?:mosso|allegro|presto|vivo|vivace|animato|animé|vite|stretto)\b"
    r"|\b(?:schneller|bewegter|lebhafter|rascher|faster)\b|\bstretto\b",
    re.IGNORECASE,
)
SLOWER = re.compile(
    r"\b(?:meno|moins|less)\s+(?:mosso|allegro|presto|vivo|vivace|vite|animé)\b"
    r"|\b(?:più|piu|plus)\s+(?:lento|lent|adagio|largo|tranquillo)\b|\b(?:langsamer|ruhiger|slower)\b",
    re.IGNORECASE,
)
HALF = re.compile(r"\bdoppio\s+più\s+lento\b|\bdoppelt\s+so\s+langsam\b|\bhal(?:f|bes)\s+tempo\b", re.IGNORECASE)
CHANGE = 1.15  # times that "più mosso" is faster and "meno mosso" slower
DOUBLE = re.compile(r"\bdoppio\s+movimento\b|\bdoppelt\s+so\s+schnell\b", re.IGNORECASE)
FIRST = re.compile(
    r"\btempo\s*(?:i|1|1o|1°|primo|prima)\b|\b(?:1|1o|1°|i|primo)\.?\s*tempo\b|\berstes\s+tempo\b"
    r"|\b(?:1er|premier)\s+(?:mouvement|mouvt|tempo)\b|\bcome\s+prima\b|\btempo\s+primo\b",
    re.IGNORECASE,
)
BACK = re.compile(
    r"\b(?:a|à|in|im|al)\s+tempo\b|\bau\s+(?:mouvement|mouvt)\b|\btempo\s+giusto\b|\bzeitmaß\b", re.IGNORECASE
)
GRADUAL = re.compile(
    r"\b(?:rit|rall|accel|string|allarg|smorz|calando|morendo|riten|affrett|cresc|dim|decresc|poco\s+a\s+poco"
    r"|peu\s+à\s+peu|nach\s+und\s+nach|sempre\s+più|immer|attacca|segue)\w*",
    re.IGNORECASE,
)
SLOWING = re.compile(
    r"\b(?:rit|ritard\w*|riten\w*|rallent\w*|rall|allarg\w*|slarg\w*|slent\w*|smorz\w*|calando|morendo|cédez|cedez"
    r"|retenu|retenez|ralentir|ralentissez|en\s+retenant|en\s+ralentissant|zurückhalt\w*|verlangsam\w*"
    r"|langsamer\s+werden\w*|hold\s+back)\b",
    re.IGNORECASE,
)
QUICKENING = re.compile(
    r"\b(?:accel\w*|string\w*|affrett\w*|incalz\w*|stretto|serrez|pressez|en\s+serrant|en\s+animant|beschleunig\w*"
    r"|drängend\w*|schneller\s+werden\w*|hurry)\b",
    re.IGNORECASE,
)
# Signs of note values: of Unicode, of fonts for music (SMuFL), and as they are typed.
VALUES: dict[str, float] = {
    "𝅝": 4.0, "𝅗𝅥": 2.0, "𝅘𝅥": 1.0, "♩": 1.0, "𝅘𝅥𝅮": 0.5, "♪": 0.5, "𝅘𝅥𝅯": 0.25, "\ue1d2": 4.0, "\ue1d3": 2.0, "\ue1d5": 1.0,
    "\ue1d7": 0.5, "\ue1d9": 0.25, "\ueca2": 4.0, "\ueca3": 2.0, "\ueca5": 1.0, "\ueca7": 0.5, "\ueca9": 0.25,
}  # fmt: skip
_VALUE = "(" + "|".join(sorted(VALUES, key=len, reverse=True)) + r")\s*((?:[.·]|𝅭|\ue1e7|\uecb7)*)"
NUMBER = re.compile(r"(\d{1,4}(?:[.,]\d{1,3})?)(?:\s*(?:-|–|to|bis|à)\s*(\d{1,4}(?:[.,]\d{1,3})?))?")
EQUATION = re.compile(_VALUE + r"\s*=\s*(?:c(?:a|irca)?\.?|~|≈|ungefähr|environ)?\s*" + NUMBER.pattern)
RELATION = re.compile(_VALUE + r"\s*=\s*" + _VALUE)
LONGEST = 80  # characters of words that are looked at


def middle(text: str) -> float | None:
    """The number in `66`, `c. 66` or, of two, the middle of `100-120`; None where there is none."""
    found = NUMBER.search(text[:LONGEST])
    if found is None:
        return None
    first, last = (float((each or found[1]).replace(",", ".")) for each in found.groups())
    return (first + last) / 2


def hints_of(words: str, bar: int, offset: float) -> list[TempoHint]:
    """What words at a place say about the tempo, for `settle_tempi` to weigh."""
    words = " ".join(words.split())[:LONGEST]
    if found := RELATION.search(words):
        return [TempoHint(bar, offset, words, (_value(found[1], found[2]), _value(found[3], found[4])))]
    relative = any(each.search(words) for each in (DOUBLE, HALF, FASTER, SLOWER)) and not GRADUAL.search(words)
    # Later in a piece, small letters say how to play and not how fast: "sostenuto", "animato".
    is_mark = words[:1] in "([" or words[:1].isupper() or bar == 0
    word = is_mark and _word_tempo(words) is not None
    if word or relative or any(each.search(words) for each in (EQUATION, FIRST, BACK)):
        return [TempoHint(bar, offset, words)]
    return []


def way_of(words: str) -> int:
    """-1 where words ask to slow down little by little, 1 to quicken, 0 for neither."""
    words = words[:LONGEST]
    return -1 if SLOWING.search(words) else 1 if QUICKENING.search(words) else 0


def _value(sign: str, dots: str) -> float:
    """A note value in quarters."""
    return VALUES[sign] * (2 - 0.5 ** len(dots))


def settle_tempi(written: Written) -> None:
    """Make tempo signs of the hints of a score, in place and in order, and say in `readings` what each was read as."""
    given = {_at(sign) for sign in written.tempos if sign.value[2] or abs(sign.value[0] - UNTOLD) > 0.01}
    done: set[tuple[int, float]] = set()
    relative: set[tuple[int, float]] = set()  # "più mosso" twice is not faster than once
    read_as: list[str] = []
    for hint in sorted(written.tempo_hints, key=lambda hint: (hint.bar, hint.offset)):
        place = _at(hint)
        if place in given or place in done:
            continue
        before = sorted((sign for sign in written.tempos if _at(sign) < place), key=_at)
        main = [sign for sign in before if _at(sign) not in relative]
        meant = _meant(hint, before, main, _beat_at(written, place))
        if meant is None or not SLOWEST <= meant[0] <= FASTEST:
            continue
        done.add(place)
        written.tempos = [sign for sign in written.tempos if _at(sign) != place]
        written.tempos.append(Sign(hint.bar, hint.offset, (*meant, 1.0)))
        if any(each.search(hint.words) for each in (FASTER, SLOWER)):
            relative.add(place)
        if hint.words:
            read_as.append(f'"{hint.words}" in bar {written.bars[hint.bar].number}: {meant[0]:.4g}')
    if read_as:
        more = f" and {len(read_as) - SHOWN} more" * (len(read_as) > SHOWN)
        written.readings.append(f"{', '.join(read_as[:SHOWN])} quarters a minute{more}")
    written.tempos.sort(key=lambda sign: (sign.bar, sign.offset))


def _at(sign: Sign | TempoHint) -> tuple[int, float]:
    return sign.bar, round(sign.offset, PLACE_DIGITS)


def _beat_at(written: Written, place: tuple[int, float]) -> float:
    """How many quarters the beat of the metre has at a place."""
    before = [sign for sign in written.times if _at(sign) <= place]
    over, under = before[-1].value[:2] if before else (4.0, 4.0)
    return beat_quarters(int(over), int(under))


def _meant(hint: TempoHint, before: Sequence[Sign], main: Sequence[Sign], beat: float) -> tuple[float, float] | None:
    """Quarters a minute and the note value of the mark (0: the metre's beat); None where nothing is to change.

    `before` are the tempo signs before it, `main` those of them that are not faster or slower than others.
    """
    now = before[-1].value[0] if before else UNTOLD
    words = hint.words
    if hint.becomes is not None:
        old, new = hint.becomes
        return now * new / old, new
    if found := EQUATION.search(words):
        number, value = middle(words[found.start(3) :]), _value(found[1], found[2])
        return None if number is None else (number * value, value)
    if FIRST.search(words) or BACK.search(words):
        seen = [sign for sign in main if sign.value[2]]
        back = (seen[0] if FIRST.search(words) else seen[-1]) if seen else before[0] if before else None
        return None if back is None or back.value[0] == now else (back.value[0], back.value[1])
    for change, times in ((DOUBLE, 2.0), (HALF, 0.5), (FASTER, CHANGE), (SLOWER, 1 / CHANGE)):
        if change.search(words) and main:
            return main[-1].value[0] * times, main[-1].value[1]
    tempo = _word_tempo(words)
    return None if tempo is None else (round(tempo * beat**0.5, 1), 0.0)


def _word_tempo(words: str) -> float | None:
    """Beats of a quarter a minute that words mean; of two ("Allegro moderato") the middle."""
    if GRADUAL.search(words):
        return None
    lower = words.lower()
    found: dict[str, int] = {}
    for word in sorted(TEMPO_WORDS, key=len, reverse=True):
        place = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", lower)
        if place is not None and not any(word in longer for longer in found):
            found[word] = place.start()
    if not found:
        return None
    first = sorted(found, key=lambda word: found[word])[:2]
    tempo = sum(sum(TEMPO_WORDS[word]) / 2 for word in first) / len(first)
    if LESS.search(lower):
        return tempo / STEP if tempo > MIDDLE else tempo * STEP
    if MORE.search(lower):
        return tempo * STEP if tempo > MIDDLE else tempo / STEP
    return tempo
