"""Does the loader feed an accelerator? Tokens a second and core, padding against packing, memory over many batches.

    python -m experiments.loader_speed PREPARED... [--batch 64] [--window 512] [--share 0.1] [--workers 0 2]

An accelerator that takes a million tokens a second takes 3.6 G in an hour; `--share` of that is drawn while the
resident memory of all processes is read.

Result for nine corpora (two cores shared with other work, so the clock's figures are lower bounds; a core's are not):

    21.3 M notes in 7987 pieces: read once in 1.0 s of one core
    apart   0 workers:  2.63 M tokens/s by the clock,  9.99 M a second of one core
    apart   2 workers:  3.20 M tokens/s by the clock
    packed  0 workers:  3.00 M tokens/s by the clock, 10.32 M a second of one core
    packed  2 workers:  4.91 M tokens/s by the clock

One core feeds an accelerator: records of whole pieces are read and cut, nothing else happens here, for corruption runs
inside the jitted step. Padding, where a window keeps to one piece: 46% of the places in clips shorter
than a window (emopia), at most 1.6% in any other corpus; packed none.

    memory before anything was read: 189 MiB; over 1 of an hour's batches:
            0 batches: 332 MiB
         1373 batches: 337 MiB, and so at every tenth
        13730 batches: 337 MiB
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import time
from pathlib import Path

from pianist_jax.data.packing import padding
from pianist_jax.data.pipeline import Loader, make_loader, make_windows, read_holding
from pianist_jax.music.tokens import NOTE_TOKENS

HOUR = 3.6e9  # tokens


def resident() -> float:
    """MiB of memory of this process and the loader's workers."""
    pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def busy(loader: Loader, batches: int) -> tuple[float, float]:
    """Seconds of the clock, and of the processor in this process, that so many batches take."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in itertools.islice(loader, batches):
        pass
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="PREPARED")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--batches", type=int, default=200, help="drawn to time each setting")
    parser.add_argument("--share", type=float, default=0.1, help="of an hour's batches, to watch the memory")
    parser.add_argument("--workers", type=int, nargs="*", default=[0], help="worker processes to time")
    options = parser.parse_args()
    tokens = options.batch * options.window * NOTE_TOKENS

    before, began = resident(), time.process_time()
    holdings = [read_holding(folder) for folder in options.folders]
    notes = sum(int(holding.notes.sum()) for holding in holdings)
    print(f"{notes / 1e6:.1f} M notes in {sum(len(holding.notes) for holding in holdings)} pieces: ", end="")
    print(f"read once in {time.process_time() - began:.1f} s of one core")
    for holding in holdings:
        cut = make_windows(holding, options.window, packed=False, stride=options.window, seed=0)
        empty = sum(padding(each.layout, options.window) * len(each) for each in cut) / sum(map(len, cut))
        print(f"  {holding.name:18} {empty:6.1%} of all places are padding where windows keep to one piece")
    for packed, workers in itertools.product((False, True), options.workers):
        settings = {"batch": options.batch, "window": options.window, "packed": packed, "workers": workers}
        with make_loader(options.folders, **settings, ahead=4) as loader:
            next(loader)
            wall, cpu = busy(loader, options.batches)
        speed = f"{options.batches * tokens / wall / 1e6:5.2f} M tokens/s by the clock"
        if not workers:
            speed += f", {options.batches * tokens / cpu / 1e6:5.2f} M a second of one core"
        print(f"{'packed' if packed else 'apart ':7} {workers} workers: {speed}", flush=True)
    print(f"memory before anything was read: {before:.0f} MiB; over {options.share:g} of an hour's batches:")
    steps = max(int(options.share * HOUR / tokens / 10), 1)
    with make_loader(options.folders, batch=options.batch, window=options.window, packed=True) as loader:
        next(loader)
        for tenth in range(11):
            print(f"  {tenth * steps:7} batches: {resident():.0f} MiB", flush=True)
            if tenth < 10:
                busy(loader, steps)


if __name__ == "__main__":
    main()
