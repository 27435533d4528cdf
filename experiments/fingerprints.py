"""Whether music is known by its notes alone: held-out pieces by their scores, recordings by their copies.

    python -m experiments.fingerprints --asap ASAP --others ecompetition rolls piano-midi-de giantmidi \
        pianocore-scores pop909 pianist8 emopia pop1k7

    14 pieces held out by their scores; 81 performances of them:
      share at least 17%, median 43%; 100.0% found
    1653 other files: the nearest
      9% of Beethoven/Piano_Sonatas/28-1: pianocore-scores/Piano_Sonata_No.28_in_A_major,_Op.101 (580 notes)
      4% of Ravel/Gaspard_de_la_Nuit/1_Ondine: emopia/Q1_Y5JcZQ0xg4Y_0.mid
      4% of Debussy/Images_Book_1/1_Reflets_dans_lEau: emopia/Q4_heBmBQDWj-M_2.mid
      4% of Beethoven/Piano_Sonatas/18-1: piano-midi-de/Albeniz/alb_esp1.mid
    962 performances against the recordings of ecompetition:
      816 are among them (share at least 86%)
      146 are not (share at most 0%)

The 9% are no accident: those 580 notes are the sonata's slow movement, which ends by quoting the first. Such a
file counts as holding it, so the line is drawn at 8%. Over all files of those corpora, and with the pieces'
performances held out beside their scores, five are left out: that one, a roll that plays a validation piece a
semitone higher (76%), and three of exercises and preludes that run through scales as a performance does (11 to 20%).
"""

import argparse
import csv
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pianist_jax.data.fingerprints import (
    SAME_PIECE,
    SAME_RECORDING,
    HeldOut,
    hold_out,
    pitch_shingles,
    recording_shingles,
)
from pianist_jax.data.layouts import list_items
from pianist_jax.data.sources import name_of
from pianist_jax.data.trees import open_tree, read_content
from pianist_jax.errors import PianistError
from pianist_jax.music.midi import notes_of_bytes, read_midi
from pianist_jax.music.notes import Notes, normalise


def nearest(held: HeldOut, notes: Notes) -> tuple[float, str]:
    """The largest share with any held-out piece, however small, and which."""
    own = pitch_shingles(notes.pitch)
    shares = []
    for piece, name in enumerate(held.names):
        theirs = held.shingles[held.pieces == piece]
        shares.append((np.isin(own, theirs, assume_unique=True).sum() / max(1, min(len(own), len(theirs))), name))
    return max(shares)


def files(path: str, most: int) -> Iterator[tuple[str, Notes]]:
    """At most so many files of a corpus, drawn evenly."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = open_tree(path, Path(scratch))
        items = list_items(name_of(path), tree)
        for item in random.Random(0).sample(items, min(most, len(items))):
            try:
                content = read_content(tree.root, item.file, item.start, item.size)
                yield f"{name_of(path)}/{item.file}", normalise(notes_of_bytes(item.file, content, item.tracks))[0]
            except PianistError:
                continue


def main() -> None:
    """Print recall and false alarms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--others", nargs="+", required=True, help="corpora, called as in `pianist prepare --list`")
    parser.add_argument("--files", type=int, default=200, help="of each corpus")
    arguments = parser.parse_args()
    rows = list(csv.DictReader((arguments.asap / "metadata.csv").open(encoding="utf-8")))
    validation = [row for row in rows if row["split"] == "validation"]
    scores = sorted({row["midi_score"] for row in validation})
    held = hold_out((s, pitch_shingles(normalise(read_midi(arguments.asap / s))[0].pitch)) for s in scores)
    own = []
    for row in validation:
        share, name = nearest(held, normalise(read_midi(arguments.asap / row["midi_performance"]))[0])
        own.append(share if name == row["midi_score"] else 0.0)
    print(f"{len(scores)} pieces held out by their scores; {len(own)} performances of them:")
    found = np.mean(np.array(own) >= SAME_PIECE)
    print(f"  share at least {min(own):.0%}, median {np.median(own):.0%}; {found:.1%} found")
    others = [file for path in arguments.others for file in files(path, arguments.files)]
    alarms = sorted(((*nearest(held, notes), name) for name, notes in others), reverse=True)
    print(f"{len(others)} other files: {sum(share >= SAME_PIECE for share, *_ in alarms)} taken for one; the nearest")
    for share, piece, name in alarms[:4]:
        print(f"  {share:.0%} of {piece}: {name}")
    known = np.unique(np.concatenate([recording_shingles(notes) for name, notes in files(arguments.others[0], 10**6)]))
    copies = []
    for row in rows:
        sampled = recording_shingles(normalise(read_midi(arguments.asap / row["midi_performance"]))[0])
        place = np.minimum(np.searchsorted(known, sampled), len(known) - 1)
        copies.append((known[place] == sampled).mean() if len(sampled) else 0.0)
    shared = np.array(copies)
    print(f"{len(rows)} performances against the recordings of {name_of(arguments.others[0])}:")
    among = shared >= SAME_RECORDING
    print(f"  {np.sum(among)} are among them (share at least {shared[among].min():.0%})")
    print(f"  {np.sum(~among)} are not (share at most {shared[~among].max():.0%})")


if __name__ == "__main__":
    main()
