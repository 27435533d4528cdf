"""POP909's arrangements laid on their quantised scores (POP909-Score): pairs of pop, with its melodies.

Both files of a song hold the same three tracks with the same notes in the same order, so nothing has to be aligned: of
each track, the k-th note of a pitch in one is that in the other.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from pianist_jax.data.layouts import POP909_TRACKS
from pianist_jax.data.pairs import (
    LEAST_MATCHED,
    LEAST_NOTES,
    Outcome,
    PairError,
    Performance,
    build_stretches,
    outcome_of,
    pack_stretch,
    write_pairs,
)
from pianist_jax.data.prepare import draw_split
from pianist_jax.data.records import pedal_kind
from pianist_jax.data.sources import SPLITS
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import notes_of_bytes, read_bytes, read_midi
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import METRE
from pianist_jax.performance.alignment import share_matched
from pianist_jax.score.load import load
from pianist_jax.score.metre import metre

EVEN = 64  # velocity of every score note: the files' own are the performance's
UNTOLD = [METRE.index(name) for name in ("bar", "beats")]  # the scores are on beats, but count no bars


def make_pop_pairs(
    pop909: Path,
    scores: Path,
    out_dir: Path,
    *,
    validation: float = 0.0,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Lay every song of POP909 that has a score on it; writes what `pairs.make_pairs` does.

    Args:
        pop909: holds NNN/NNN.mid (perhaps deeper).
        scores: holds NNN.mid.
        validation: the share of songs to validate on, the same songs as `prepare` chooses by it.

    Raises:
        PairError: there is no song with a score. A song that cannot be read is left out and named in the manifest.
    """
    songs = {path.stem: path for path in sorted(pop909.rglob("[0-9][0-9][0-9].mid")) if path.parent.name == path.stem}
    written = {path.stem: path for path in sorted(scores.rglob("[0-9][0-9][0-9].mid"))}
    both = [name for name in songs if name in written]
    if not both:
        raise PairError(f"{scores}: no NNN.mid that is a score of {pop909}; give POP909 and the folder of its scores")
    records: dict[str, list[bytes]] = {split: [] for split in SPLITS}
    outcomes = []
    for name in both:
        one = Performance(f"{name}/{name}.mid", f"{name}.mid", name, draw_split(name, validation))
        try:
            outcome, packed = _pair(one, written[name], songs[name])
        except PianistError as error:
            reason = str(error).replace(str(written[name]), one.score).replace(str(songs[name]), one.file)
            outcome, packed = outcome_of(one, reason), []
        report(outcome)
        outcomes.append(outcome)
        records[one.split] += packed
    write_pairs(out_dir, records, outcomes)
    return outcomes


def _pair(one: Performance, written: Path, played: Path) -> tuple[Outcome, list[bytes]]:
    score, performance = normalise(read_midi(written))[0], normalise(_of_tracks(played))[0]
    found = dict(_same_notes(written, played))
    place = {key: number for number, key in enumerate(_keys(performance))}
    match = np.array([place.get(found.get(key, (-1, -1)), -1) for key in _keys(score)], np.int64)
    match = _each_once(match)
    facts = {
        "score_notes": len(score),
        "performance_notes": len(performance),
        "alignment": "given",
        "matched": round(share_matched(match), 4),
    }
    stretches = build_stretches(replace(score, velocity=np.full(len(score), EVEN)), performance, match)
    if share_matched(match) < LEAST_MATCHED or not stretches:
        reason = f"less than {LEAST_MATCHED:.0%} of the score matched, or {LEAST_NOTES} notes"
        return outcome_of(one, reason, **facts), []
    facts |= {
        "stretches": len(stretches),
        "notes": sum(len(each.score) for each in stretches),
        "filled": sum(int(each.filled.sum()) for each in stretches),
    }
    columns = metre(load(written, whole=True).grid)
    columns[:, UNTOLD] = 0
    pedal = pedal_kind(performance.pedal_value)
    packed = [pack_stretch("pop909", one, pedal, stretch, columns) for stretch in stretches]
    return outcome_of(one, "", **facts), packed


def _of_tracks(path: Path) -> Notes:
    return notes_of_bytes(path.name, read_bytes(path, path.name), POP909_TRACKS)


def _same_notes(written: Path, played: Path) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """(pitch, onset) in the score and in the performance, of the notes of pitches that a track has as often in both."""
    files = [read_bytes(path, path.name) for path in (written, played)]
    for track in POP909_TRACKS:
        sides = []
        for path, data in zip((written, played), files, strict=True):
            by_pitch: dict[int, list[tuple[int, int]]] = {}
            for key in _keys(notes_of_bytes(path.name, data, (track,))):
                by_pitch.setdefault(key[0], []).append(key)
            sides.append(by_pitch)
        for pitch, own in sides[0].items():
            other = sides[1].get(pitch, [])
            if len(own) == len(other):
                yield from zip(sorted(own), sorted(other), strict=True)


def _keys(notes: Notes) -> list[tuple[int, int]]:
    return list(zip(notes.pitch.tolist(), notes.onset.tolist(), strict=True))


def _each_once(match: np.ndarray) -> np.ndarray:
    """A match in which no performed note plays two score notes: the first keeps it."""
    _, first = np.unique(match, return_index=True)
    once = np.full(len(match), -1, np.int64)
    once[first] = match[first]
    return once
