"""The corpora: what each one is, under which licence it comes, and which files of a folder are its music."""

import dataclasses
import difflib
import os
from pathlib import Path

from pianist_jax.errors import PianistError

KINDS = ("performance", "transcription", "score")
PEDALS = ("none", "switch", "continuous")
SPLITS = ("train", "validation")


class SourceError(PianistError):
    """An unknown corpus, or a folder that holds none."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A corpus of piano MIDI files.

    Attributes:
        name: what records and commands call it.
        kind: `performance` (played, on keys or rolls), `transcription` (of audio) or `score` (no expression).
        pedal: how its sustain pedal was recorded: `continuous` values, an on/off `switch`, or `none`. Where
            it is `none` the pedal tokens mean nothing and training must not score them.
        licence: as found at its origin.
        weight: how often each of its notes is drawn in pre-training, relative to the others.
        coarse: whether times and velocities lie on a coarse grid, so that training jitters them (paper.md §4).
    """

    name: str
    kind: str
    pedal: str
    licence: str
    weight: float
    coarse: bool = False


# Weights: recordings first; transcriptions by how much expression survives them; scores only teach notation.
# ASAP counts for nothing here: its place is in the pairs.
SOURCES = (
    Source("ecompetition", "performance", "continuous", "none stated; treat as CC BY-NC-SA 4.0", 1.0),
    Source("rolls", "performance", "switch", "CC BY-NC-SA 4.0", 0.5),
    Source("pop1k7", "transcription", "none", "none stated", 0.5),
    Source("pop909", "performance", "switch", "MIT", 0.5),
    Source("pianist8", "transcription", "switch", "none stated", 0.75),
    Source("emopia", "transcription", "switch", "none stated", 0.75),
    Source("piano-midi-de", "performance", "switch", "none stated; CC BY-SA by its site", 0.5),
    Source("giantmidi", "transcription", "switch", "none stated", 1.0),
    Source("pianocore-scores", "score", "none", "CC BY-NC-SA 4.0", 0.25),
    Source("asap", "performance", "continuous", "CC BY-NC-SA 4.0", 0.0),
)


def find_source(name: str) -> Source:
    """The corpus of that name.

    Raises:
        SourceError: there is none; the message names the nearest.
    """
    names = [source.name for source in SOURCES]
    if name in names:
        return SOURCES[names.index(name)]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
    raise SourceError(f"unknown corpus {name!r}: did you mean {nearest!r}? Known: {', '.join(names)}")


def midi_files(folder: Path) -> list[Path]:
    """All MIDI files below a folder, relative to it, ordered by the bytes of their names.

    `.mid` and `.midi` in any case; macOS resource forks (`._name.mid`) are no music and are passed over.

    Raises:
        SourceError: the folder does not exist or holds no MIDI file.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; give the one that a corpus was unpacked to")
    found = [
        Path(parent, name).relative_to(folder)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith((".mid", ".midi")) and not name.startswith("._")
    ]
    if not found:
        raise SourceError(f"{folder}: no MIDI file below it; give the folder that a corpus was unpacked to")
    return sorted(found, key=os.fsencode)
