"""Scores: MusicXML (.musicxml, .xml, .mxl), MEI (.mei), kern (.krn), ABC (.abc), MIDI (.mid, .midi) -> notes and what
is written about them.

Repeats are played out, ties joined, ornaments written out, the staves of a pianist merged. Onsets are quantised: tempo
marks count, fermatas are facts that change no time. Files are read as from a stranger: within
limits of size, depth and number, and with no entity resolved.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from pianist_jax.files import printable
from pianist_jax.score.check import check, sound_metres
from pianist_jax.score.ensemble import OtherPart, named_apart, other_part, remarks_on
from pianist_jax.score.facts import Bar, KeySignature, Score, Tempo, TimeSignature
from pianist_jax.score.files import (
    ABC,
    FORMATS,
    KERN,
    MAX_BYTES,
    NOTATION,
    ScoreError,
    parse_xml,
    read_bytes,
    unpack_mxl,
)
from pianist_jax.score.form import settle_form
from pianist_jax.score.instruments import program_of
from pianist_jax.score.loudness import page_dynamics
from pianist_jax.score.marks import deal_out
from pianist_jax.score.parts import is_conducted, is_pianist, keep_parts, other_parts
from pianist_jax.score.played import NothingSounds, play
from pianist_jax.score.reading import AS_IT_STANDS, Reading
from pianist_jax.score.repeats import repeated_sections
from pianist_jax.score.tempi import settle_tempi
from pianist_jax.score.written import DEFAULT_VELOCITY, LEVELS, Mark, Written

__all__ = [
    "DEFAULT_VELOCITY",
    "LEVELS",
    "Bar",
    "KeySignature",
    "Mark",
    "Score",
    "ScoreError",
    "Tempo",
    "TimeSignature",
    "load",
]

MAX_MS = 24 * 3600 * 1000
MIDI_STARTS = (b"MThd", b"RIFF")  # of files that are MIDI whatever their suffix


def load(
    path: str | os.PathLike[str],
    reading: Reading = AS_IT_STANDS,
    *,
    whole: bool = False,
    once: Collection[int] = (),
) -> Score:
    """Read a score of any format and play it out, as the `reading` wants it.

    The suffix tells the format; of a file of another suffix, its first bytes whether it is MIDI.
    Of voltas each is played on its pass; without repeats the last alone. After a da capo or dal segno no
    repeat is played again, nor are those of the written bars `once` (`sections`). MIDI files have no repeats to
    play out.
    Ornaments of MIDI files are written out already. Of several instruments the keyboards play, or the reading's part
    (`parts.chosen_parts`); all where the `whole` is wanted. To accompany are the other pitched ones: the score's
    `others`.
    Raises ScoreError (MidiError for MIDI files) where the file is no readable score with notes, or too large.
    """
    name = printable(path)
    suffix = Path(os.fsdecode(path)).suffix.lower()
    if suffix not in NOTATION:
        if suffix not in FORMATS and not _starts_as_midi(path):
            raise ScoreError(f"{name}: not a score format that is read; give one of {', '.join(FORMATS)}")
        from pianist_jax.score.midi import read_midi_score

        return read_midi_score(path, reading.part, whole=whole, accompany=reading.accompany)
    written = read_written(path)
    everything = dataclasses.replace(written)
    if not whole:
        keep_parts(written, reading.part, name, accompany=reading.accompany)
    if not written.notes:
        what = ", ".join(f"{count} {kind}" for kind, count in written.left_out.items())
        raise ScoreError(f"{name}: no notes{f' ({what} left out)' if what else ''}; give a score with a piano part")
    sound_metres(written)
    settle_form(written)
    settle_tempi(written)
    check(written)
    deal_out(written)
    try:
        score = play(written, reading, once)
        if reading.accompany:
            score = _with_others(name, score, everything, written, reading, once)
    except ValueError as error:
        raise ScoreError(f"{name}: {error}; split it or export it again") from error
    if score.notes.end.max() > MAX_MS:
        raise ScoreError(f"{name}: lasts more than 24 hours; check its tempo marks")
    return dataclasses.replace(score, format=FORMATS[suffix])


def _with_others(
    source: str,
    score: Score,
    everything: Written,
    settled: Written,
    reading: Reading,
    once: Collection[int],
) -> Score:
    """The pianist's score with the parts that are silent in it, played out as it is and on its time line."""
    others, unknown = list[OtherPart](), []
    conducted = is_conducted(everything.parts, reading.part, accompany=True)
    for name, player, alone in other_parts(everything, settled, conducted=conducted):
        deal_out(alone)
        try:
            played = play(alone, reading, once)
        except NothingSounds:
            continue
        quarter, program = score.grid.ticks_per_quarter, program_of(player)
        onset = np.maximum(np.rint(score.milliseconds(played.onset)), 0).astype(np.int64)
        ticks = np.rint(played.onset * quarter), np.rint(played.duration * quarter)
        raw = dataclasses.replace(played.notes, onset=onset)
        own = other_part(name, program, raw, ticks, played.note_id, played.marks)
        loudness = page_dynamics(alone, score, reading, once)
        others.append(dataclasses.replace(own, loudness=loudness, pianist=is_pianist(player, program)))
        unknown += [name] if program is None else []
    tracks = () if conducted else score.grid.part_names
    named = named_apart(others, tracks, source)
    readings = (*score.readings, *remarks_on(named, unknown, tracks))
    return dataclasses.replace(score, others=named, conducted=conducted, readings=readings)


def sections(path: str | os.PathLike[str]) -> list[frozenset[int]]:
    """The written bars of every repeat of a score that signs tell, in order: none in MIDI files. Raises ScoreError."""
    if Path(os.fsdecode(path)).suffix.lower() not in NOTATION:
        return []
    written = read_written(path)
    settle_form(written)
    try:
        return [] if written.orders else repeated_sections([bar.jumps for bar in written.bars])
    except ValueError as error:
        raise ScoreError(f"{printable(path)}: {error}; split it or export it again") from error


def _starts_as_midi(path: str | os.PathLike[str]) -> bool:
    try:
        with Path(os.fsdecode(path)).open("rb") as file:
            return file.read(4) in MIDI_STARTS
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return False


def read_written(path: str | os.PathLike[str]) -> Written:
    """A score of any format but MIDI as it stands on the page, before it is played out. Raises ScoreError."""
    name, suffix = printable(path), Path(os.fsdecode(path)).suffix.lower()
    data = read_bytes(path, MAX_BYTES)
    if data.startswith(b"PK\x03\x04"):
        data = unpack_mxl(data, name)
    elif suffix == ".mxl":
        raise ScoreError(f"{name}: not an .mxl archive; rename it to .musicxml if it is plain MusicXML")
    # Each reader brings modules of its own: a file pays for its format alone.
    if suffix in KERN:
        from pianist_jax.score.kern import read_kern

        return read_kern(data, name)
    if suffix in ABC:
        from pianist_jax.score.abc import read_abc

        return read_abc(data, name)
    root = parse_xml(data, name)
    if root.tag.rpartition("}")[2] == "mei" or suffix == ".mei":
        from pianist_jax.score.mei import read_mei

        return read_mei(root, name)
    from pianist_jax.score.musicxml import read_musicxml

    return read_musicxml(root, name)
