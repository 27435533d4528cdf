"""A MIDI file of a rendering that was edited in another program, read back (`performance.readback`)."""

import dataclasses
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.files import printable
from pianist_jax.music.midi import DEFAULT_TEMPO, read_tracks
from pianist_jax.music.notes import Notes, part
from pianist_jax.performance.readback import ReadBack, Ticks, match_notes, match_places, read_back, same_pedal
from pianist_jax.performance.tempo_events import TempoMap
from pianist_jax.rendering.extras import Extras, lay_out
from pianist_jax.rendering.hashes import file_hash
from pianist_jax.rendering.result import Rendering
from pianist_jax.rendering.stored import Stored, apply_edits

MOST_EDITED = 0.5  # share of the notes; more mean that it was not written in that way
MILLISECONDS = TempoMap(np.array([0]), np.array([DEFAULT_TEMPO]), DEFAULT_TEMPO // 1000)  # of which a tick is one


@dataclasses.dataclass(frozen=True, eq=False)
class Taken:
    """A rendering with the edits of a file, of which of its performances they are, and what they are."""

    rendering: Rendering
    sample: int
    read: ReadBack

    def in_words(self) -> str:
        """What has changed, and what of the file has no place in the rendering."""
        read, grid = self.read, self.rendering.grid
        words = [f"changed: {read.changed.in_words(grid)}" if read.changed else "no edit in it"]
        words += ["its tempi are others"] * read.tempo
        words += ["it is notation, so that lengths, tempi and pedal stay as they were"] * read.notated
        words += [f"{read.missing} notes are not in it and stay as they were"] * bool(read.missing)
        words += [f"{read.added} notes are in no score and are left out"] * bool(read.added)
        return "; ".join(words)


def take_in(stored: Stored, file: Path) -> Taken:
    """The stored rendering, its edits by hand included, with those of a MIDI file that was written from it.

    Of several performances the one that the file is most like. Raises PianistError for a file that cannot be read, has
    no notes, or less than half of the score's.
    """
    rendering = apply_edits(stored)
    given = read_ticks(file, [other.name for other in rendering.others])
    found: list[tuple[int, ReadBack]] = []
    problem = None
    for sample, old in enumerate(rendering.performances):
        try:
            by_time = match_notes(old, given[0].in_milliseconds())
        except PianistError as error:
            problem = error
            continue
        for written, offset, theirs in _ways(rendering, sample, stored.extras, given):
            nearest = next((one for one in theirs if not same_pedal(written, one)), theirs[0])
            for match in (by_time, match_places(written, nearest)):
                if match is not None:
                    try:
                        found.append((sample, read_back(old, written, offset, nearest, match)))
                    except PianistError as error:
                        problem = error
    if not found:
        raise PianistError(f"{printable(file)}: {problem}")
    sample, read = min(found, key=lambda each: each[1].edits)
    if problem is not None and read.edits > len(rendering.score) * MOST_EDITED:  # of the way that it was written in
        raise PianistError(f"{printable(file)}: {problem}")
    if not read.changed:
        return Taken(rendering, sample, read)
    performances = list(rendering.performances)
    performances[sample] = read.notes
    return Taken(rendering.replaced(performances, edit_of(file, sample)), sample, read)


def edit_of(file: Path, sample: int) -> dict[str, Any]:
    """What the rendering's identity tells of it."""
    return {"from": file.name, "sha256": file_hash(file), "performance": sample + 1}


def read_ticks(file: Path, others: Collection[str] = ()) -> list[Ticks]:
    """A MIDI file but for the parts `others` in ticks, once with the pedal of each track that has another.

    Raises MidiError.
    """
    tracks = read_tracks(file, others)
    pitch, start, end, velocity = (
        np.concatenate([getattr(track, name) for track in tracks]) for name in ("pitch", "start", "end", "velocity")
    )
    tempo = np.concatenate([np.array([[0, DEFAULT_TEMPO]]), *(track.tempo for track in tracks)])
    tempo = tempo[np.argsort(tempo[:, 0], kind="stable")]
    tempo = tempo[np.append(np.diff(tempo[:, 0]) > 0, True)]  # of several at one tick the last
    clock = TempoMap(tempo[:, 0], tempo[:, 1], tracks[0].ticks_per_quarter)
    pedals = {track.pedal.tobytes(): track.pedal for track in tracks if len(track.pedal)}
    found = []
    for pedal in pedals.values() or [np.zeros((0, 2), np.int64)]:
        by_time = pedal[np.argsort(pedal[:, 0], kind="stable")]
        notes = Notes(pitch, start, np.maximum(end - start, 1), velocity, by_time[:, 0], by_time[:, 1])
        found.append(Ticks(notes, clock))
    return found


def _ways(
    rendering: Rendering, sample: int, extras: Extras, given: list[Ticks]
) -> Iterator[tuple[Ticks, int, list[Ticks]]]:
    """In which ways a performance may have been written, with its offset in ms, and the file as it is then read."""
    old = rendering.performances[sample]
    in_ms = [Ticks(one.in_milliseconds(), MILLISECONDS) for one in given]
    yield Ticks(old, MILLISECONDS), 0, given
    yield Ticks(old, MILLISECONDS), 0, in_ms
    if rendering.grid is None:
        return
    try:
        mapped, _ = lay_out(rendering.grid, old, rendering.others_with(old, sample), extras)
    except PianistError:  # then there is no such file
        return
    own = part(mapped.notes, 0, len(old))
    yield Ticks(own, mapped.tempo, mapped.grid[: len(old)]), mapped.offset, given
    shifted = dataclasses.replace(
        old, onset=old.onset + mapped.offset, pedal_time=np.maximum(old.pedal_time + mapped.offset, 0)
    )
    yield Ticks(shifted, MILLISECONDS), mapped.offset, in_ms
