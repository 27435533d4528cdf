"""General MIDI programs of instruments, by what the file says or else by what the part is called."""

from __future__ import annotations

import re

from pianist_jax.score.written import WrittenPart

# From 0 on, in the order of General MIDI's families; where it has no such instrument, the nearest. What is found first
# counts, so that a bass clarinet is a clarinet and an alto saxophone no singer.
PROGRAMS: tuple[tuple[int, str], ...] = (
    (64, r"sopran\w*\s*sax"),
    (66, r"tenor\w*\s*sax"),
    (67, r"(?:bari\w*|bass)\s*sax"),
    (65, r"sax"),
    (69, r"english\s*horn|englischhorn|cor\s+anglais|corno\s+inglese"),
    (68, r"oboe|hautbois"),
    (70, r"bassoon|fagott?o?\b|basson\b"),
    (71, r"clarin|klarinet"),
    (56, r"trumpet|trompet|tromba\b|\bcornet"),
    (57, r"trombon|posaune"),
    (58, r"tuba\b|euphonium"),
    (72, r"piccolo"),
    (74, r"recorder|block\s*fl|flauto\s+dolce|flûte\s+à\s+bec"),
    (73, r"flute|flûte|flöte|querfl|flaut"),
    (60, r"horn\b|\bcorno|\bcor\b"),
    (61, r"brass|bläser"),
    (42, r"cell[oei]|gamba"),
    (43, r"double\s*bass|contrab|kontrabass|violone"),
    (40, r"violin|\bvl?n\b|geige|fiddle"),
    (41, r"viola|\bvla\b|bratsche|\balto\s+viol"),
    (33, r"bass\s*guitar|electric\s*bass|pluck\s+bass|e-?bass|bassgitarre"),
    (27, r"electric\s*guitar|guitar\s+electric|e-gitarre"),
    (105, r"banjo"),
    (24, r"guitar|gitarre|chitarra|ukulele|mandolin|\bl(?:u|iu)t[eo]|laute"),
    (46, r"\bharp\b|harfe|\barpa\b|\bharpe\b"),
    (48, r"\bstrings?\b|streicher|\barchi\b"),
    (11, r"vibraphon"),
    (12, r"marimba"),
    (13, r"xylophon"),
    (9, r"glockenspiel"),
    (14, r"tubular|\bbells?\b|glocken"),
    (47, r"timpani|pauken"),
    (21, r"accord[ei]on|akkordeon|fisarmonica"),
    (22, r"harmonica"),
    (52, r"sopran|mezzo|\balto?s?\b|tenor|bar[iy]ton|\bbass(?:o|e|us)?s?\b|cantus|voice|vocal|\bvo[ixc][xe]?\b|canto\b"
         r"|singst|gesang|stimme|choir|chor\b|chorus|choeur|coro\b|chant\b|\bs[aatb]{2,3}\b"),
    (6, r"harpsichord|cembalo|clavecin"),
    (7, r"clavichord"),
    (8, r"celesta"),
    (20, r"harmonium"),
    (19, r"organ|orgel|orgue|^pedal\b"),
    (4, r"electric\s*piano|rhodes"),
    (0, r"piano|\bpno\b|klavier|keyboard"),
)  # fmt: skip
UNTOLD = 1  # counted from 1; what many programs write for anything


def program_of(part: WrittenPart) -> int | None:
    """The program (0-127) of a part: the file's own, else that of its name or sounds, None where nothing tells it."""
    if part.program > UNTOLD:
        return min(part.program, 128) - 1
    text = f"{part.name} {part.sounds}"
    found = (program for program, words in PROGRAMS if re.search(words, text, re.IGNORECASE))
    return next(found, UNTOLD - 1 if part.program == UNTOLD else None)
