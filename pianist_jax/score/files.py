"""Score files from strangers: their bytes, zip archives and XML, read within fixed limits.

Nothing here follows a reference out of a file. XML goes through expat with no entity ever declared: a document
that brings its own declarations (entity bombs, external entities) is refused at the sight of them.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
import zlib
from itertools import chain
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from pianist_jax.errors import PianistError
from pianist_jax.files import printable

# What is read, by suffix. Of files that differ in it alone the first is meant: notation knows bars, hands, dynamics.
FORMATS = {
    ".musicxml": "MusicXML", ".mxl": "MusicXML, compressed", ".xml": "MusicXML", ".mei": "MEI",
    ".krn": "kern", ".kern": "kern", ".abc": "ABC", ".mid": "MIDI", ".midi": "MIDI",
}  # fmt: skip
MIDI = tuple(suffix for suffix, kind in FORMATS.items() if kind == "MIDI")
KERN = tuple(suffix for suffix, kind in FORMATS.items() if kind == "kern")
ABC = tuple(suffix for suffix, kind in FORMATS.items() if kind == "ABC")
NOTATION = tuple(suffix for suffix in FORMATS if suffix not in MIDI)

MAX_BYTES = 32 << 20  # the longest piano scores take 4 MB of MusicXML
MAX_MEMBERS = 1000
MAX_RATIO = 250  # of an archive's content to its size; MusicXML shrinks to a twentieth or a fortieth
MAX_CONTAINER = 1 << 16
MAX_ELEMENTS = 1_500_000
MAX_DEPTH = 100
PLAIN_ENCODING = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*<(?:\?xml(?:(?!\?>|encoding).)*(?:encoding=.utf-8.[^<]*)?\?>|[^?])", re.I | re.S
)
PLAIN_METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  # what .mxl allows; bzip2 and LZMA grow without bound


class ScoreError(PianistError):
    """A score file that cannot be read: which file, what is wrong, what to do."""


def read_bytes(path: str | os.PathLike[str], limit: int = MAX_BYTES) -> bytes:
    """The content of a regular file of at most `limit` bytes, which is not empty. Raises ScoreError."""
    name = printable(path)
    try:
        place = Path(os.fsdecode(path))
        if not stat.S_ISREG(place.stat().st_mode):
            raise ScoreError(f"{name}: not a file; give the path of one score")
        with place.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise ScoreError(f"{name}: cannot be read ({reason}); check the path") from error
    if len(data) > limit:
        raise ScoreError(f"{name}: larger than {limit >> 20} MiB, the limit of a score; split it")
    if not data:
        raise ScoreError(f"{name}: empty file; export it again")
    return data


def unpack_mxl(data: bytes, name: str) -> bytes:
    """The score inside the bytes of a compressed MusicXML file (.mxl), found through its container.

    Nothing is written to disk. Raises ScoreError where it is no such archive, is encrypted, or is larger than
    a score can be (members, bytes, ratio of compression; the sizes that the archive states are not believed).
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_MEMBERS:
                raise ScoreError(f"{name}: an archive of more than {MAX_MEMBERS} files; export it again")
            container = parse_xml(_member(archive, "META-INF/container.xml", MAX_CONTAINER, name), name)
            rootfile = container.find(".//{*}rootfile")
            place = None if rootfile is None else rootfile.get("full-path")
            if not place:
                raise ScoreError(f"{name}: its container names no score; export it again")
            limit = min(MAX_BYTES, max(MAX_RATIO * len(data), MAX_CONTAINER))
            return _member(archive, place, limit, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError) as error:
        raise ScoreError(f"{name}: damaged .mxl archive; export it again") from error


def _member(archive: zipfile.ZipFile, place: str, limit: int, name: str) -> bytes:
    try:
        info = archive.getinfo(place)
    except KeyError as error:
        raise ScoreError(f"{name}: the archive has no {printable(place)}; export it again") from error
    if info.flag_bits & 1 or info.compress_type not in PLAIN_METHODS:
        raise ScoreError(f"{name}: an encrypted or oddly compressed archive; export it again")
    with archive.open(info) as member:
        content = member.read(limit + 1)
    if len(content) > limit:
        raise ScoreError(f"{name}: unpacks to more than a score can be ({limit} bytes); export it again")
    return content


def parse_xml(data: bytes, name: str) -> ElementTree.Element:
    """The root element of an XML document, without comments and processing instructions.

    Raises ScoreError where it is not well formed, declares anything inside its DOCTYPE, or has more than
    `MAX_ELEMENTS` elements or `MAX_DEPTH` levels. External DTDs are named by every MusicXML file and never read.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = elements = 0

    def too_much() -> NoReturn:
        raise ScoreError(f"{name}: more XML than a score needs; export it again")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
            too_much()
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def doctype(doctype_name: str, system: str | None, public: str | None, has_internal_subset: bool) -> None:
        if has_internal_subset:
            refuse()

    def refuse(*_: object) -> NoReturn:
        raise ScoreError(f"{name}: its DOCTYPE declares entities, which no score needs; remove the DOCTYPE")

    # Counting every element takes a third of the time: where the text itself has few enough "<", depth alone is left.
    counted = data.count(b"<") > MAX_ELEMENTS or not PLAIN_ENCODING.match(data)
    handlers = (start, end) if counted else (builder.start, builder.end)
    parser.StartElementHandler, parser.EndElementHandler = handlers
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(data, True)
        root: ElementTree.Element = builder.close()
        level = [root]
        for _ in range(MAX_DEPTH if not counted else 0):
            level = list(chain.from_iterable(level))
        if level and not counted:
            too_much()
        return root
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as error:
        raise ScoreError(f"{name}: not well-formed XML ({error}); export it again") from error
