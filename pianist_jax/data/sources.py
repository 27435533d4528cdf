"""The corpora: what each one is, and under which licence it comes. `layouts` tells how their files lie."""

import dataclasses
import difflib
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
        coarse: whether times and velocities lie on a coarse grid, so that training jitters them (arXiv 2512.02652).
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
    Source("maestro", "performance", "continuous", "CC BY-NC-SA 4.0", 1.0),
    Source("rolls", "performance", "switch", "CC BY-NC-SA 4.0", 0.5),
    Source("aria-midi", "transcription", "switch", "CC BY-NC-SA 4.0", 1.0, coarse=True),
    Source("pop1k7", "transcription", "none", "none stated", 0.5),
    Source("pop909", "performance", "switch", "MIT", 0.5),
    Source("pianist8", "transcription", "switch", "none stated", 0.75),
    Source("emopia", "transcription", "switch", "none stated", 0.75),
    Source("piano-midi-de", "performance", "switch", "none stated; CC BY-SA by its site", 0.5),
    Source("giantmidi", "transcription", "switch", "none stated", 1.0),
    Source("pdmx", "score", "none", "CC BY 4.0; each score public domain or CC0", 0.25),
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


def own_source(name: str, kind: str, pedal: str = "switch") -> Source:
    """A corpus that is not in the table: a folder or tar of MIDI files of one kind.

    Raises:
        SourceError: the name is one of the table's, or no name, or the kind or pedal is unknown.
    """
    if name in {source.name for source in SOURCES} or not name or not set(name).isdisjoint("/\\"):
        raise SourceError(f"{name!r} cannot name a corpus of your own: choose another name")
    if kind not in KINDS or pedal not in PEDALS:
        raise SourceError(f"kind {kind!r} or pedal {pedal!r} is none of {', '.join((*KINDS, *PEDALS))}")
    return Source(name, kind, pedal, "your own", 1.0)


def name_of(path: str) -> str:
    """What a folder or tar is called: `maestro` of `data/maestro.tar.xz`."""
    name = Path(path).name
    for suffix in (".gz", ".xz", ".bz2", ".tgz", ".tar"):
        name = name.removesuffix(suffix)
    return name
