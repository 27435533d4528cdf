"""Scores as they are engraved: every note with an id, so that what sounds can be found on the page.

The user's file stays as it is. A copy gets ids where it has none, and both readers, ours and the engraver, see the
same bytes of it: what they call a note is then the same.
"""

import hashlib
import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from pianist_jax.files import replace_file
from pianist_jax.score.files import ABC, KERN, MAX_BYTES, MIDI, parse_xml, read_bytes, unpack_mxl

ENGRAVED = "engraved"  # ids that are given begin so
_NOTE = re.compile(r"<note(?=[\s/>])([^>]*)")
_ID = {"mei": re.compile(r"\sxml:id\s*="), "musicxml": re.compile(r"\sid\s*=")}
_ENCODING = re.compile(r"""^(<\?xml[^>]*?)\sencoding\s*=\s*(["'])[^"']*\2""")
_KNOWN = re.compile(r"""<note(?=\s)[^>]*?\s(?:xml:)?id\s*=\s*["']([^"']*)""")
_AGAIN = re.compile(r"(~\d+)?(-\d+)?$")


def make_sheet(score: Path, folder: Path) -> Path | None:
    """A copy of a score in `folder`, ids on all its notes; None of MIDI and ABC, which are not engraved.

    It lies in a folder of its own, named by what the score holds: of the same bytes there is one copy. Raises
    ScoreError where the score cannot be read.
    """
    suffix = score.suffix.lower()
    if suffix in (*MIDI, *ABC):
        return None
    data = read_bytes(score, MAX_BYTES)
    folder = folder / hashlib.sha256(data).hexdigest()[:24]
    if data.startswith(b"PK\x03\x04"):
        data, suffix = unpack_mxl(data, score.name), ".musicxml"
    if suffix not in KERN:
        root = parse_xml(data, score.name)
        kind = "mei" if root.tag.rpartition("}")[2] == "mei" else "musicxml"
        data, suffix = with_ids(_text(data), kind).encode(), f".{kind}"
    sheet = folder / f"{score.stem}{suffix}"
    if not sheet.exists():
        replace_file(sheet, data, make_folder=True)
    return sheet


def with_ids(text: str, kind: str) -> str:
    """The text of a "musicxml" or "mei" score, every <note> that had no id with one."""
    numbers, named = count(1), "xml:id" if kind == "mei" else "id"

    def give(note: re.Match[str]) -> str:
        if _ID[kind].search(note[1]):
            return note[0]
        return f'<note {named}="{ENGRAVED}{next(numbers)}"{note[1]}'

    return _NOTE.sub(give, text)


def _text(data: bytes) -> str:
    """An XML document as text which says that it is UTF-8."""
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
    encoding = next((name for mark, name in marks.items() if data.startswith(mark)), None)
    if encoding is None:
        said = re.match(rb"""<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)""", data)
        encoding = said[1].decode() if said else "utf-8"
    try:
        text = data.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        text = data.decode("utf-8", errors="replace")
    return _ENCODING.sub(r'\1 encoding="UTF-8"', text)


def on_page(ids: Iterable[str], sheet: Path) -> list[str]:
    """The id on the page of each note as played: "x~2-3", the second of an ornament the third time, is "x" there."""
    if sheet.suffix in KERN:
        return ["note-" + _AGAIN.sub("", key) for key in ids]
    known = set(_KNOWN.findall(sheet.read_text(encoding="utf-8")))
    return [key if key in known else _AGAIN.sub("", key) for key in ids]
