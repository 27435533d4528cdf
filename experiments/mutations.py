"""Valid files made wrong in small ways, each by its own grammar and now and then byte by byte. For `fuzz`."""

import copy
import io
import json
import lzma
import struct
import zipfile
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np

from pianist_jax.data.parts import assemble

Draw = np.random.Generator
Mutate = Callable[[list[bytes], Draw], bytes]

NUMBERS = [
    "",
    "0",
    "-1",
    "1",
    "2",
    "127",
    "128",
    "255",
    "-7",
    "99999999999",
    "1e400",
    "nan",
    "inf",
    "½",
    "٣",
    "1/0",
    "0x",
    "3.7",
]
WORDS = [
    *NUMBERS,
    "a",
    "z9",
    "#",
    "#x",
    "true",
    "start",
    "stop",
    "major",
    " ",
    "\u200b",
    "s",
    "16",
    "1+2",
    "4/4",
    "D.C.",
    "x" * 400,
]
SIGNS = [
    "*",
    "*^",
    "*v",
    "*x",
    "*+",
    "*-",
    "**kern",
    "**dynam",
    "**mens",
    "*M0/4",
    "*M4/0",
    "*MM0",
    "*MM-3",
    "*k[f#b-]",
    "*>A",
    "*>[A,A,B]",
    "*clefX",
    "*Tr9",
    "*8va",
    "=",
    "==:|!",
    "=:||:",
    "=99999999999",
    ".",
    "4",
    "0c",
    "3%0c",
    "q",
    "8qqC",
    "[4c",
    "4c]",
    "4c_",
    "4c 4e 4g",
    "4C@@99",
    "4..c",
    "4C#-n",
    "1" * 30 + "c",
    "4" + "c" * 40,
    "!",
    "!LO:N",
    "rr",
    "(4c",
    "}",
]
TUNES = [
    "|:", ":|", "::", "|]", "[|", "[1", "|2", "[1-99", ":::::|", "||", "[", "]", "{", "}", "(3", "(9:9:99", "(2::0",
    "Z9999", "z////////", "c9999/9999", "c/0", "^^c", "__C,,,,,,,,,", "c'''''''''", "-", "&", "&&", "<<<", ">>>",
    "[K:none]", "[K:C exp ^c]", "[M:0/0]", "[M:999/128]", "[M:1/0]", "[L:0/1]", "[L:1/9999]", "[Q:0]", "[Q:1/0=9]",
    "[Q:9999]", "[V:2]", "[V:]", "!segno!", "!D.S.!", "!fine!", "!<(!", "!trill!", "!!", '"', '"^x"', "(", ")", "\n",
    "\n\n", "\nX:2\n", "\nK:\n", "\nV:1\n", "%", "%%score {1|2}", "T", "S", "O", "½", "٣", "²",
]  # fmt: skip
EVENTS = [
    b"\xff\x58\x04\x00\x00\x00\x00",
    b"\xff\x58\x04\x04\xff\x18\x08",
    b"\xff\x59\x02\x7f\xff",
    b"\xff\x51\x03\x00\x00\x00",
    b"\xff\x51\x03\xff\xff\xff",
    b"\xff\x51\x01\x01",
    b"\xff\x2f\x00",
    b"\xff\x03\x02\xff\xfe",
    b"\xff\x7f\x82\x00",
    b"\xf0\x05abc",
    b"\xf7\x00",
    b"\x90\x3c\x40",
    b"\x80\x3c\x00",
    b"\x99\x24\x7f",
    b"\xb0\x40\x7f",
    b"\xc0\x7f",
    b"\xe0\x7f\x7f",
    b"\xfe",
    b"\xff\x00\x02\x00\x01",
    b"\xff\x54\x05\xff\x00\x00\x00\x00",
    b"\xff\xff\xff\xff\x7f",
    b"\x3c\x40",
]
LENGTHS = [0, 1, 2, 96, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]
VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    2,
    127,
    128,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    10**12,
    2**63,
    2**70,
    10**400,
    "",
    "a",
    "0",
    "\ud800",
    [],
    [0],
    {},
    {"a": 1},
    [[]],
    "x" * 400,
]


def bytewise(data: bytes, draw: Draw) -> bytes:
    """A few bytes changed, lost, repeated, or all from somewhere on."""
    out = bytearray(data)
    for _ in range(int(draw.integers(1, 6))):
        at, length = int(draw.integers(len(out) + 1)), int(2 ** draw.uniform(0, 6))
        way = draw.integers(6)
        if way == 0 and at < len(out):
            out[at] ^= 1 << int(draw.integers(8))
        elif way == 1 and at < len(out):
            out[at] = int(draw.integers(256))
        elif way == 2:
            del out[at : at + length]
        elif way == 3:
            out[at:at] = out[at : at + length]
        elif way == 4:
            out[at:at] = draw.integers(0, 256, length, np.uint8).tobytes()
        elif draw.random() < 0.3:
            del out[at:]
    return bytes(out)


def xml(seeds: list[bytes], draw: Draw) -> bytes:
    """Elements lost, doubled, moved or taken from another file; attributes and text of an odd value."""
    root = ElementTree.fromstring(_one(seeds, draw))
    for _ in range(int(draw.integers(1, 5))):
        parents = [element for element in root.iter() if len(element)]
        elements = list(root.iter())
        one = _one(elements, draw)
        if draw.random() < 0.5 and parents:
            _shuffle(_one(parents, draw), elements, seeds, draw)
        elif draw.random() < 0.5 and one.attrib:
            name = _one(sorted(one.attrib), draw)
            values = [element.get(name, "") for element in elements if name in element.attrib]
            one.set(name, _one(WORDS if draw.random() < 0.7 else values, draw))
            if draw.random() < 0.2:
                del one.attrib[name]
        elif draw.random() < 0.3:
            other = _one(elements, draw)
            one.attrib |= other.attrib
        else:
            leaves = [element for element in elements if (element.text or "").strip()] or elements
            _one(leaves, draw).text = _one(WORDS, draw)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def _shuffle(parent: ElementTree.Element, elements: list[ElementTree.Element], seeds: list[bytes], draw: Draw) -> None:
    at = int(draw.integers(len(parent)))
    way = draw.integers(5)
    if way == 0:
        del parent[at]
    elif way == 1:
        parent.insert(int(draw.integers(len(parent) + 1)), copy.deepcopy(parent[at]))
    elif way == 2:
        parent[at], parent[0] = parent[0], parent[at]
    elif way == 3:
        parent.insert(at, copy.deepcopy(_one(elements[len(elements) // 20 :], draw)))
    else:
        other = list(ElementTree.fromstring(_one(seeds, draw)).iter())
        parent.insert(at, copy.deepcopy(_one(other[len(other) // 20 :], draw)))


def kern(seeds: list[bytes], draw: Draw) -> bytes:
    """Lines and fields lost, doubled, moved or of an odd sign; characters exchanged."""
    lines = [line.split("\t") for line in _one(seeds, draw).decode("utf-8", "replace").split("\n")]
    for _ in range(int(draw.integers(1, 6))):
        at, way = int(draw.integers(len(lines))), draw.integers(7)
        field = int(draw.integers(len(lines[at])))
        if way == 0 and len(lines) > 1:
            del lines[at]
        elif way == 1:
            lines.insert(int(draw.integers(len(lines) + 1)), list(lines[at]))
        elif way == 2:
            lines[at][field] = _one(_one(lines, draw), draw)
        elif way == 3:
            lines[at][field] = _one(SIGNS, draw)
        elif way == 4:
            lines.insert(at, [_one(SIGNS, draw)] * len(lines[at]))
        elif way == 5:
            lines[at][field] += _one(SIGNS, draw)
        else:
            text = lines[at][field]
            cut = int(draw.integers(len(text) + 1))
            lines[at][field] = (
                text[:cut] + _one(list("0123456789.%[]_()qrPpkJLXn#-&;'~^:,>A \t"), draw) + text[cut + 1 :]
            )
    return "\n".join("\t".join(line) for line in lines).encode("utf-8", "replace")


def midi(seeds: list[bytes], draw: Draw) -> bytes:
    """Odd events between others, headers of odd numbers, chunks lost, doubled or of another length."""
    data = bytearray(_one(seeds, draw))
    for _ in range(int(draw.integers(1, 4))):
        way, at = draw.integers(5), int(draw.integers(22, max(23, len(data))))
        tracks = [place for place in range(len(data) - 8) if data[place : place + 4] == b"MTrk"]
        if way == 0:
            struct.pack_into(">H", data, int(draw.choice([8, 10, 12])), int(_one(LENGTHS, draw)) & 0xFFFF)
        elif way == 1 and tracks:
            struct.pack_into(">I", data, _one(tracks, draw) + 4, int(_one(LENGTHS, draw)))
        elif way == 2 and tracks:
            place = _one(tracks, draw)
            delta = _one([b"\0", b"\x60", b"\xff\xff\xff\x7f", b"\x81\x00"], draw)
            _insert(data, place, 8, delta + _one(EVENTS, draw))
        elif way == 3:
            place = max((track for track in tracks if track < at), default=0)
            _insert(data, place, max(8, at - place), _one([b"", b"\0"], draw) + _one(EVENTS, draw))
        elif tracks:
            place = _one(tracks, draw)
            data += data[place:] if draw.random() < 0.5 else b"XFIH\0\0\0\2ab"
    return bytes(data)


def _insert(data: bytearray, track: int, offset: int, event: bytes) -> None:
    """Bytes put into a track, whose length goes with them."""
    data[track + offset : track + offset] = event
    if data[track : track + 4] == b"MTrk":
        (length,) = struct.unpack_from(">I", data, track + 4)
        struct.pack_into(">I", data, track + 4, min(length + len(event), 0xFFFFFFFF))


def tree(value: Any, draw: Draw, times: int = 3) -> Any:
    """A JSON value with some values of it lost, doubled, exchanged or odd."""
    holder = [copy.deepcopy(value)]
    for _ in range(int(draw.integers(1, times + 1))):
        places: list[tuple[Any, Any]] = []
        _walk(holder, places)
        place, key = places[int(len(places) * draw.random() ** 2)]  # what stands first has more kinds
        way = draw.integers(5)
        if way == 0 and isinstance(place, dict):
            del place[key]
        elif way == 1 and isinstance(place, list) and place is not holder:
            place.insert(key, copy.deepcopy(place[key])) if draw.random() < 0.5 else place.pop(key)
        elif way == 2:
            other, there = _one(places, draw)
            place[key] = copy.deepcopy(other[there])
        else:
            place[key] = copy.deepcopy(_one(VALUES, draw))  # it may be edited in turn
    return holder[0]


def _walk(value: Any, places: list[tuple[Any, Any]]) -> None:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        places.append((value, key))
        _walk(value[key], places)


def abc(seeds: list[bytes], draw: Draw) -> bytes:
    """A tune with signs put in or taken out, and lines in another order."""
    text = _one(seeds, draw).decode("utf-8")
    for _ in range(int(draw.integers(1, 6))):
        at, length = (int(draw.integers(high)) for high in (len(text) + 1, 6))
        way = draw.integers(3)
        if way == 0:
            text = text[:at] + _one(TUNES, draw) + text[at:]
        elif way == 1:
            text = text[:at] + text[at + length :]
        else:
            lines = text.split("\n")
            first, second = (int(place) for place in draw.integers(len(lines), size=2))
            lines[first], lines[second] = lines[second], _one([lines[first], *WORDS], draw)
            text = "\n".join(lines)
    return text.encode("utf-8", errors="replace")


def stored(seeds: list[bytes], draw: Draw) -> bytes:
    """The JSON file of a rendering, edited."""
    return json.dumps(tree(json.loads(_one(seeds, draw)), draw)).encode()


def mxl(seeds: list[bytes], draw: Draw) -> bytes:
    """An archive whose container or score is wrong, or itself byte by byte."""
    container = b'<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>'
    files = {"META-INF/container.xml": xml([container], draw) if draw.random() < 0.2 else container}
    files["a.xml"] = xml(seeds, draw) if draw.random() < 0.3 else _one(seeds, draw)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():  # a ZipInfo has no time of the clock in it
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return bytewise(out.getvalue(), draw) if draw.random() < 0.6 else out.getvalue()


def safetensors(seeds: list[bytes], draw: Draw) -> bytes:
    """A file of tensors with an edited header, or edited settings within."""
    data = _one(seeds, draw)
    end = 8 + struct.unpack_from("<Q", data)[0]
    header, body = json.loads(data[8:end]), data[end:]
    about = header["__metadata__"]
    name = _one(sorted(set(header) - {"__metadata__"}), draw)
    way = draw.integers(5)
    if way == 0:
        key = _one(sorted(about), draw)
        about[key] = json.dumps(tree(json.loads(about[key]), draw)) if about[key].startswith("{") else _one(WORDS, draw)
    elif way == 1:
        header[_one([name + ".a", name.rpartition(".")[0], name + "::scale", "", ".", "a..b"], draw)] = header.pop(name)
    elif way == 2:
        header[name]["dtype"] = _one(
            ["F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL", "F16", "BF16", "F64", "I64", "F4", "C64"], draw
        )
    elif way == 3:
        shape = header[name]["shape"]
        header[name]["shape"] = _one([shape[::-1], [*shape, 1], [], [0], [int(np.prod(shape))], [-1], [2**40]], draw)
    else:
        header = tree(header, draw)
    text = json.dumps(header).encode("utf-8")
    if draw.random() < 0.3:
        body = bytewise(body, draw)
    return struct.pack("<Q", len(text)) + text + body


def part(seeds: list[bytes], draw: Draw) -> bytes:
    """An exported part with an edited header."""
    data = _one(seeds, draw)
    (length,) = struct.unpack_from("<I", data, 12)
    header = json.loads(lzma.decompress(data[16 : 16 + length]))
    return assemble(tree(header, draw), [data[16 + length :]])


def _one(values: Any, draw: Draw) -> Any:
    return values[int(draw.integers(len(values)))]
