"""How long pianists' feet take: the tables of `performance.foot`, over training performances of ASAP.

    python -m experiments.pedal_pace performances.npz

`performances.npz` is of `experiments.touch_data`; every sixteenth performance is read, but no pedal that is a switch.
Eased, the default's performances of ASAP's validation pieces (two of each, at the tempo of the humans) are told from
humans by their pedal alone at an AUC of .72 [.67, .76] instead of .78 [.74, .82]; F1 of transitions is .319 before and
after. Chosen on these pieces: with targets brought to pianists' quantiles besides it is .76 [.70, .81], with moves down
12 ms later too .77 [.72, .83]. `experiments.touch_judge` tells the same of four performances of each.
"""

import argparse
from pathlib import Path

import numpy as np

from experiments.touch_data import read
from pianist_jax.performance.foot import SHARE
from pianist_jax.performance.pedal_moves import moves_of

EVERY, CONTINUOUS = 16, 20  # performances; values of a pedal that is no switch


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("performances", type=Path)
    options = parser.parse_args()
    found = []
    for one in read(options.performances, "train")[::EVERY]:
        if len(np.unique(one.pedal_value)) >= CONTINUOUS:
            moves = moves_of(one.pedal_time, one.pedal_value)
            found.append(np.stack([moves.end - moves.begin, np.diff(moves.target, prepend=0)]))
    time, step = np.concatenate(found, axis=1)
    for name, own in (("going down", time[step > 0]), ("coming up", time[step <= 0])):
        print(f"{name}, {len(own)} moves, ms:", *(f"{p:.0%}: {np.quantile(own, p):.0f}" for p in SHARE[1:]))


if __name__ == "__main__":
    main()
