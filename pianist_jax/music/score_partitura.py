"""MEI and kern -> the score as written, through partitura (with `alignment`, its only importer).

partitura gives notes, bars, signatures, tempo and explicit ties. What it does not read comes from the file
itself: of MEI repeats, endings, ties written as attributes, articulation, ornaments, slurs, dynamics, pedal and
tempo; of kern the repeat signs at bar lines. Kern's slurs, articulation and ornaments are not read.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.music.score_files import ScoreError
from pianist_jax.music.score_repeats import MAX_BARS
from pianist_jax.music.score_written import (
    MAX_NOTES,
    MAX_QUARTERS,
    PLACE_DIGITS,
    Sign,
    Written,
    WrittenBar,
    WrittenNote,
)

MAX_MEI, MAX_KERN = 4 << 20, 1 << 20  # bytes; partitura takes half a minute for either
STEP = 1e-6


def read_kern(data: bytes, name: str) -> Written:
    """A Humdrum file with **kern spines as written. Raises ScoreError where partitura cannot read it."""
    if len(data) > MAX_KERN or max(map(len, data.split(b"\n"))) > 10_000:
        raise ScoreError(f"{name}: more kern than a score needs; split it or export it as MusicXML")
    if not data.lstrip().startswith((b"!", b"**")):
        raise ScoreError(
            f"{name}: not a Humdrum file (no **kern spine); give a MusicXML, MEI, kern or MIDI file"
        )
    text = data.decode("utf-8", errors="replace")
    # Comments say nothing that is played, and NumPy, which partitura reads with, warns of empty lines.
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("!")]
    written = _through_partitura("\n".join([*lines, ""]).encode(), "score.krn", name)
    signs = [line.split("\t")[0] for line in lines if line.startswith("=")]
    first = 0 if lines and _bar_line_first(lines) else 1
    for index, sign in enumerate(signs, first):
        if re.search(r":[|!]", sign) and 0 < index <= len(written.bars):
            written.bars[index - 1].jumps.repeat_end = 2
        if re.search(r"[|!]:", sign) and index < len(written.bars):
            written.bars[index].jumps.repeat_start = True
    return written


def _bar_line_first(lines: list[str]) -> bool:
    """Whether a bar line stands before the first note or rest."""
    return next((line for line in lines if not line.startswith("*")), "").startswith("=")


def _through_partitura(data: bytes, file_name: str, name: str) -> Written:
    """These bytes, read and walked quietly. partitura takes names of files, or URLs: it gets a file of our own."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),  # it prints what it does not know
        np.errstate(all="ignore"),
        tempfile.TemporaryDirectory() as folder,
    ):
        warnings.simplefilter("ignore")
        import partitura

        path = Path(folder, file_name)
        path.write_bytes(data)
        try:
            load = partitura.load_mei if file_name.endswith(".mei") else partitura.load_kern
            return _written(load(str(path)), name)
        except (ScoreError, MemoryError):
            raise
        except Exception as error:  # whatever the malformed text led partitura to
            kind = type(error).__name__
            raise ScoreError(f"{name}: cannot be read ({kind}); check it or export it as MusicXML") from error


def _written(loaded: Any, name: str) -> Written:
    import partitura.score as pt

    parts = sorted(loaded.parts, key=lambda part: min((n.staff or 1 for n in part.notes), default=1))
    starts, bars = _bars(parts, pt.Measure, name)
    written = Written(bars=bars)

    def place(part: Any, time: int) -> tuple[int, float]:
        at = float(part.quarter_map(time))
        bar = min(max(int(np.searchsorted(starts, at + STEP, side="right")) - 1, 0), len(bars) - 1)
        return bar, round(at - float(starts[bar]), PLACE_DIGITS + 2)

    for number, part in enumerate(parts):
        if sum(len(other.notes) for other in parts) > MAX_NOTES:
            raise ScoreError(f"{name}: more than {MAX_NOTES} notes; split it")
        for note in part.notes:
            written.notes.append(_note(note, number, part, place, pt.GraceNote))
        if number == 0:
            for time in part.iter_all(pt.TimeSignature):
                written.times.append(Sign(*place(part, time.start.t), (time.beats, time.beat_type)))
            for key in part.iter_all(pt.KeySignature):
                minor = float(key.mode in ("minor", "min", -1))
                written.keys.append(Sign(*place(part, key.start.t), (key.fifths, minor)))
            for tempo in part.iter_all(pt.Tempo):
                if 4 <= tempo.bpm <= 3000:
                    written.tempos.append(Sign(*place(part, tempo.start.t), (float(tempo.bpm), 0.0, 1.0)))
    if any(not 0 <= note.pitch <= 127 or note.length > MAX_QUARTERS for note in written.notes):
        raise ScoreError(f"{name}: notes beyond MIDI's range; export it again")
    return written


def _bars(parts: list[Any], measure: type, name: str) -> tuple[np.ndarray, list[WrittenBar]]:
    """Starts in quarters, one more than bars, and the bars of the first part that has any."""
    for part in parts:
        found = sorted(part.iter_all(measure), key=lambda bar: bar.start.t)
        if not found:
            continue
        end = float(part.quarter_map(part.last_point.t))
        starts = [float(part.quarter_map(bar.start.t)) for bar in found]
        names = [str(bar.name if bar.name is not None else bar.number) for bar in found]
        if starts[0] > STEP:  # a pick-up without a bar line before it
            starts, names = [0.0, *starts], ["0", *names]
        lengths = np.diff([*starts, end])
        kept = [index for index, length in enumerate(lengths) if length > STEP]
        if len(kept) > MAX_BARS or not kept or end > MAX_QUARTERS:
            raise ScoreError(f"{name}: no bars, or more than {MAX_BARS}; export it again")
        bars, number = [], 0
        for index in kept:
            number = int(names[index]) if re.fullmatch(r"\d{1,6}", names[index]) else number
            bars.append(WrittenBar(float(lengths[index]), number))
        bars[0].pickup = len(bars) > 1 and bars[0].length < bars[1].length - STEP
        return np.array([*(starts[index] for index in kept), end]), bars
    raise ScoreError(f"{name}: a score without bars; export it again")


def _note(
    note: Any, number: int, part: Any, place: Callable[..., tuple[int, float]], grace: type[Any]
) -> WrittenNote:
    bar, offset = place(part, note.start.t)
    steps = 0
    if isinstance(note, grace):
        steps = 1
        follower = note.grace_next
        while isinstance(follower, grace) and steps < 100:
            steps, follower = steps + 1, follower.grace_next
    start, end = float(part.quarter_map(note.start.t)), float(part.quarter_map(note.end.t))
    return WrittenNote(
        bar=bar,
        offset=offset,
        length=0.0 if steps else end - start,
        pitch=int(note.midi_pitch),
        part=number,
        staff=min(int(note.staff or 1), 99),
        voice=min(int(note.voice or 1), 9999),
        id=str(note.id)[:100],
        grace=steps,
        tie_start=note.tie_next is not None,
        tie_stop=note.tie_prev is not None,
    )
