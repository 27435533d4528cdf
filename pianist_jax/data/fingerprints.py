"""What music a file holds, whatever it is called: fingerprints of notes.

They are sets of shingles (`music.shingles`), the notes of short windows whatever their order.

* Of pitches, from the lowest of the window up: the same in every key, tempo and articulation. Performances,
  transcriptions and scores of one composition share many, two compositions hardly any. All 81 performances of ASAP's
  14 validation pieces share at least 17% with the scores; of 1 653 other files one shares 9% (the slow movement of
  a sonata whose held-out first movement it quotes), the others at most 4%.
* Of pitches and velocities: what two copies of one recording share, and two performances do not. Of ASAP's 962
  performances 816 share 86% or more with the e-Competition's recordings, though cut from them and timed in
  other ticks; the other 146 share nothing.

`experiments/fingerprints.py` measures both.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.music.shingles import hash_windows

PITCH_WINDOW, RECORDING_WINDOW = 10, 8  # notes
SAME_PIECE = 0.08  # of the shingles of the shorter of two
LEAST_SHARED = 6  # shingles; fewer are no sign of anything
SAME_RECORDING = 0.7  # of a file's shingles that others have
SAMPLE = 16  # one of so many shingles of a recording is kept
LEAST_SAMPLED = 8  # shorter files are the same only if they are so exactly


@dataclasses.dataclass(frozen=True, eq=False)
class HeldOut:
    """The shingles of P pieces that nothing else may be trained on: `find` tells who holds one.

    `names` are P names, `sizes` int64[P] how many shingles each has; `shingles` uint64[S], sorted, are those of
    all, `pieces` int64[S] the piece that each belongs to.
    """

    names: tuple[str, ...]
    sizes: np.ndarray
    shingles: np.ndarray
    pieces: np.ndarray

    def shares(self, shingles: np.ndarray) -> np.ndarray:
        """float64[P]: what each piece has in common with shingles uint64[S], as a share of the shorter of the two."""
        low, high = (np.searchsorted(self.shingles, shingles, side) for side in ("left", "right"))
        runs = [self.pieces[low[at] : high[at]] for at in np.flatnonzero(high > low)]
        shared = np.bincount(np.concatenate([np.zeros(0, np.int64), *runs]), minlength=len(self.names))
        return np.where(shared < LEAST_SHARED, 0.0, shared / np.maximum(np.minimum(self.sizes, len(shingles)), 1))

    def find(self, notes: Notes) -> tuple[str, float] | None:
        """The held-out piece that notes share most with, and the share; None: they hold none of them."""
        shares = self.shares(pitch_shingles(notes.pitch))
        if shares.max(initial=0.0) < SAME_PIECE:
            return None
        nearest = int(np.argmax(shares))
        return self.names[nearest], float(shares[nearest])

    @property
    def digest(self) -> bytes:
        """What tells this list from another."""
        return hashlib.sha256(repr(self.names).encode() + self.shingles.tobytes() + self.pieces.tobytes()).digest()


def hold_out(pieces: Iterable[tuple[str, np.ndarray]]) -> HeldOut:
    """The list of the given pieces (name, `pitch_shingles`), in their order."""
    names, found = [], []
    for name, shingles in pieces:
        names.append(name)
        found.append(shingles)
    sizes = np.array([len(each) for each in found], np.int64)
    shingles = np.concatenate([np.zeros(0, np.uint64), *found])
    order = np.argsort(shingles, kind="stable")
    return HeldOut(tuple(names), sizes, shingles[order], np.repeat(np.arange(len(names)), sizes)[order])


def content_hash(notes: Notes) -> str:
    """Names what normalised notes hold: equal for equal pitches, velocities, lengths and onsets from the first on."""
    digest = hashlib.sha256(b"notes 1")
    onset = notes.onset - notes.onset[:1]
    for column, kind in ((notes.pitch, "<i2"), (notes.velocity, "<i2"), (onset, "<i8"), (notes.duration, "<i8")):
        digest.update(column.astype(kind).tobytes())
    return digest.hexdigest()[:32]


def pitch_shingles(pitch: np.ndarray) -> np.ndarray:
    """Shingles uint64[S], sorted, each once, of pitches int[N] in the order of their onsets."""
    return np.unique(hash_windows(pitch, PITCH_WINDOW, relative=True))


def recording_shingles(notes: Notes) -> np.ndarray:
    """Shingles uint64[S] of pitches and velocities, sorted, each once: a sample, the same for the same notes."""
    found = hash_windows(notes.pitch.astype(np.int64) * 128 + notes.velocity, RECORDING_WINDOW)
    return np.unique(found[found % SAMPLE == 0])


def duplicates(contents: Sequence[str], shingles: Sequence[np.ndarray], notes: Sequence[int]) -> list[int | None]:
    """For each of F files the one whose recording it holds again; None: it is the first to hold it.

    Args:
        contents: `content_hash` of each.
        shingles: `recording_shingles` of each.
        notes: how many each has: the longest of those that share a recording is kept, so that of a recital and
            its pieces the recital stays. Of equals the first stays.

    The file named is the longest before it that has its content or most of its shingles.
    """
    sizes = [len(each) for each in shingles]
    ends = np.cumsum([0, *sizes])
    _, number = np.unique(np.concatenate([np.zeros(0, np.uint64), *shingles]), return_inverse=True)
    owner = np.full(int(number.max(initial=-1)) + 1, -1, np.int64)
    holder: dict[str, int] = {}
    found: list[int | None] = [None] * len(contents)
    for file in sorted(range(len(contents)), key=lambda file: (-notes[file], file)):
        own = number[ends[file] : ends[file + 1]]
        owners = owner[own]
        if contents[file] in holder:
            found[file] = holder[contents[file]]
        elif len(own) >= LEAST_SAMPLED and np.mean(owners >= 0) >= SAME_RECORDING:
            found[file] = int(np.argmax(np.bincount(owners[owners >= 0])))
        else:
            holder[contents[file]] = file
            owner[own[owners < 0]] = file
    return found
