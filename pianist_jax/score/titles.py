"""What a piece is called, where its file says so."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

LONGEST = 120  # characters
# What programs call the first track of a MIDI file where nobody has named the piece.
NO_TITLE = re.compile(
    r"(tempo|conductor|control|master|meta|midi|piano|track|untitled|unnamed|new|seq(uence)?|song|score|title|\W|\d)+"
    r"( (track|map|part|score|name|file))?\W*\d*",
    re.IGNORECASE,
)


def title_of(*texts: str | None) -> str:
    """The texts that say something, one after the other, on one line; "" where none does.

    What another one says already is not said again.
    """
    told: list[str] = []
    for text in texts:
        plain = "".join(c for c in " ".join((text or "").split()) if c.isprintable()).strip()
        if plain and not any(plain.casefold() in other.casefold() for other in told):
            told = [other for other in told if other.casefold() not in plain.casefold()] + [plain]
    whole = ", ".join(told)
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1].rstrip()}…"


def track_title(name: str) -> str:
    """The title that the name of a MIDI file's first track tells, if it is one."""
    title = title_of(name)
    return "" if NO_TITLE.fullmatch(title) else title


def mei_title(root: Element) -> str:
    """The title of an MEI document's own description: the main one, and what is subordinate to it."""
    titles = root.findall("meiHead/fileDesc/titleStmt/title")
    main = [one for one in titles if one.get("type") in (None, "main", "uniform", "proper")] or titles
    parts = [one for one in titles if one.get("type") == "subordinate"]
    return title_of(*("".join(one.itertext()) for one in (*main[:1], *parts[:1])))
