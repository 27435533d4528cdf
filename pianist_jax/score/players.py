"""Who plays the parts of a MusicXML file, and what the program that wrote it means by small notes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element

from pianist_jax.score.written import WrittenPart

SOUNDS = ("score-instrument/instrument-name", "score-instrument/instrument-sound")
DRUMS = "10"  # the MIDI channel, counted from 1
FIRST_BARS = 4  # in which clefs and staves are looked for
SMALL_NOTES = re.compile(r"MuseScore [0-3]\b|Finale")


def small_notes_sound(root: Element) -> bool:
    """Whether the program that wrote this marks as cues what is merely small, as cadenzas are."""
    software = " ".join(each.text or "" for each in root.iterfind("identification/encoding/software"))
    return SMALL_NOTES.search(software) is not None


def player_of(told: Element | None, measures: list[Element], *, alone: bool) -> WrittenPart:
    """Who plays a part, by its <score-part>, its clefs and its staves; of one part a clef makes no drums."""
    staves, drums = 1, False
    for measure in measures[:FIRST_BARS]:
        for attributes in measure.findall("attributes"):
            staves = max([staves, *_numbers(each.text for each in attributes.findall("staves"))])
            signs = [clef.findtext("sign") for clef in attributes.findall("clef")]
            drums |= not alone and bool(signs) and all(sign == "percussion" for sign in signs)
    if told is None:
        return WrittenPart("", staves=staves, percussion=drums)
    name = (told.findtext("part-name") or told.findtext("part-abbreviation") or "").strip()
    sounds = " ".join(each.text or "" for path in SOUNDS for each in told.iterfind(path)).replace(".", " ")
    channels = [(channel.text or "").strip() for channel in told.iterfind("midi-instrument/midi-channel")]
    programs = _numbers(each.text for each in told.iterfind("midi-instrument/midi-program"))
    drums |= bool(channels) and all(channel == DRUMS for channel in channels)
    return WrittenPart(name[:80], sounds[:200], programs[0] if programs else 0, staves, drums)


def _numbers(texts: Iterable[str | None]) -> list[int]:
    return [int(text) for text in texts if text and re.fullmatch(r"[0-9]{1,3}", text.strip())]
