"""Which spines of a Humdrum file are one player's, and who that is: by what stands before its first notes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pianist_jax.score.parts import KEYBOARD
from pianist_jax.score.written import WrittenPart

# Humdrum's codes of instruments (*Ipiano), as words that names are searched for (humdrum.org, tandem interpretations).
CODES = {
    "piano": "piano", "forte": "fortepiano", "cemba": "harpsichord", "clavi": "clavichord", "organ": "organ",
    "celst": "celesta", "hammd": "organ", "rhode": "electric piano", "harmn": "harmonium", "virgi": "virginal",
    "vox": "voice", "soprn": "soprano", "mezzo": "mezzo", "calto": "alto", "alto": "alto", "tenor": "tenor",
    "barit": "bariton", "bass": "bass", "choir": "choir", "vioin": "violin", "violn": "violin", "viola": "viola",
    "cello": "cello", "cbass": "contrabass", "strgr": "string", "flt": "flute", "picco": "piccolo", "oboe": "oboe",
    "clars": "clarinet", "fagot": "bassoon", "corno": "corno", "tromp": "trumpet", "tromb": "trombone",
    "tuba": "tuba", "guitr": "guitar", "liuto": "lute", "arpa": "harp", "timpa": "timpani", "perc": "percussion",
    "drmsp": "drum",
}  # fmt: skip
CLASSES = {"klav": "piano", "vox": "voice", "str": "string", "ww": "flute", "bras": "brass"}
NAME = re.compile(r"""\*I["'](.{1,80})""")
CODE = re.compile(r"\*I([a-z]{3,12})\d*")
CLASS = re.compile(r"\*IC([a-z]{2,6})")
PART = re.compile(r"\*part(\d{1,2})")
DRUMS = {"perc", "drmsp", "drum", "timpa"}
DRUM_CLEF = "*clefX"
TOGETHER = 3  # staves that are one player's where nothing names them


@dataclass
class Column:
    """What the lines before the first notes say of one **kern spine."""

    part: int | None = None
    name: str = ""
    code: str = ""
    family: str = ""  # of instruments
    drums: bool = False


def deal_parts(lines: Sequence[str]) -> tuple[list[int], list[WrittenPart]]:
    """The part of each **kern spine, in the order of the file, and the parts, from the highest staff on.

    Spines are one player's where they say so (*part1), or where neighbours have one name or one instrument; without
    any names, where they are three or fewer.
    """
    columns = _columns(lines)
    keys = _keys(columns)
    order = list(dict.fromkeys(reversed(keys)))  # the file begins with the lowest staff
    players = [_player([column for column, own in zip(columns, keys, strict=True) if own == key]) for key in order]
    return [order.index(key) for key in keys], players


def _keys(columns: Sequence[Column]) -> list[str]:
    """What spines of one player have in common."""
    if columns and all(column.part is not None for column in columns):
        return [str(column.part) for column in columns]
    if not any(column.name or _sound(column) or column.drums for column in columns):
        return [str(0 if len(columns) <= TOGETHER else index) for index in range(len(columns))]
    keys = [f"staff {index}" for index in range(len(columns))]
    for index, (one, other) in enumerate(pairwise(columns)):  # two violins are two players
        if (one.name, _sound(one)) == (other.name, _sound(other)) and KEYBOARD.search(f"{one.name} {_sound(one)}"):
            keys[index + 1] = keys[index]
    return keys


def _player(columns: Sequence[Column]) -> WrittenPart:
    name = next((column.name for column in columns if column.name), "")
    sounds = " ".join(dict.fromkeys(_sound(column) for column in columns if _sound(column)))
    drums = all(column.code in DRUMS or column.drums for column in columns)
    return WrittenPart(name or sounds[:80], sounds[:200], staves=len(columns), percussion=drums)


def _sound(column: Column) -> str:
    return CODES.get(column.code, column.code) or CLASSES.get(column.family, "")


def _columns(lines: Sequence[str]) -> list[Column]:
    columns: list[Column] = []
    fields: list[int] = []  # of the **kern spines
    for line in lines:
        tokens = line.rstrip("\r\n").split("\t")
        if line.startswith("**") and not fields:
            fields = [index for index, token in enumerate(tokens) if token == "**kern"]
            columns = [Column() for _ in fields]
        elif fields and not line.startswith(("*", "!")) and line.strip():
            break
        elif fields and line.startswith("*"):
            if {"*^", "*v", "*+", "*x", "*-"} & set(tokens):
                break
            for column, index in zip(columns, fields, strict=True):
                _read(column, tokens[index] if index < len(tokens) else "")
    if len(columns) == 1:  # a clef makes no drums of what is alone
        columns[0].drums = False
    return columns


def _read(column: Column, token: str) -> None:
    if found := PART.fullmatch(token):
        column.part = int(found[1])
    elif found := NAME.fullmatch(token):
        short = token.startswith("*I'")
        column.name = column.name if short and column.name else " ".join(found[1].split())
    elif found := CODE.fullmatch(token):
        column.code = found[1]
    elif found := CLASS.fullmatch(token):
        column.family = found[1]
    elif token == DRUM_CLEF:
        column.drums = True
