"""Which note of a chord sounds first: the louder one. NumPy only.

Onsets are learnt and drawn in the order of the score, lowest note first, so that a melody on top would always come
late. Under a pianist's hand it comes early, since a key that is struck harder gets its hammer to the string sooner
(Goebl 2001, J. Acoust. Soc. Am. 110, 563-572: melody lead is largely an artefact of velocity). So the onsets of a
chord go to its notes by their velocities. How far they lie apart stays, and so does the order of rolled chords.
"""

import dataclasses

import numpy as np

from pianist_jax.music.notes import Notes
from pianist_jax.performance.parameters import Chords
from pianist_jax.performance.playable import make_playable

ROLLED = 60  # ms from first to last from which a chord is rolled, not struck


def voiced(chords: Chords, performance: Notes) -> Notes:
    """The performance (note n plays note n of the score) with the onsets of each chord dealt out, the loudest first.

    Of notes equally loud the highest comes first.
    """
    if not len(performance):
        return performance
    chord, first = chords.of, chords.first
    spread = np.maximum.reduceat(performance.onset, first) - np.minimum.reduceat(performance.onset, first)
    struck = (spread < ROLLED)[chord]
    loudest_first = np.lexsort((-performance.pitch.astype(np.int64), -performance.velocity.astype(np.int64), chord))
    onset = np.empty_like(performance.onset)
    onset[loudest_first] = performance.onset[np.lexsort((performance.onset, chord))]
    return make_playable(dataclasses.replace(performance, onset=np.where(struck, onset, performance.onset)))
