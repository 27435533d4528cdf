"""How fast the sampled piano plays, and in how much memory.

    OMP_NUM_THREADS=1 taskset -c 0 python -m experiments.piano_speed --asap ASAP --minutes 60

Performances of ASAP are played one after another as one piece until it lasts so long: seconds of music for each second
of the processor (loudness measured besides, nothing encoded), and the highest resident memory in the end. On a core
of a busy AMD EPYC: an hour of 33 755 notes at 67 times real time in 406 MiB.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from pianist_jax.audio import Loudness, load_piano, render_blocks
from pianist_jax.audio.mixing import SAMPLE_RATE
from pianist_jax.music.midi import read_midi
from pianist_jax.music.notes import Notes

EVERY = 37  # files are taken apart by, so that many composers come


def medley(folder: Path, minutes: float) -> Notes:
    """Performances one after another, from 0 ms to so many minutes."""
    files = sorted(path for path in folder.rglob("*.mid") if path.name != "midi_score.mid")
    parts, begin = [], 0
    for number in range(0, EVERY * len(files), EVERY):
        one = read_midi(files[number % len(files)])
        length = int(one.end.max()) + 3000
        parts.append(
            [one.pitch, one.onset + begin, one.duration, one.velocity, one.pedal_time + begin, one.pedal_value]
        )
        begin += length
        if begin > 60_000 * minutes:
            break
    pitch, onset, duration, velocity, time, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    heard, trod = onset < 60_000 * minutes, np.argsort(time, kind="stable")
    return Notes(pitch[heard], onset[heard], duration[heard], velocity[heard], time[trod], value[trod])


def main() -> None:
    """Print a line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    notes = medley(arguments.asap, arguments.minutes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, piano, loudness, seconds, first = time.process_time(), load_piano(), Loudness(SAMPLE_RATE), 0.0, 0.0
    for block in render_blocks(notes, piano=piano):
        loudness.add(block)
        seconds += len(block) / SAMPLE_RATE
        first = first or time.process_time() - began
    spent = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(notes)} notes, {seconds:.0f} s: {seconds / spent:.1f} times real time, first second after {first:.2f} s,"
    )
    print(f"{memory:.0f} MiB ({before:.0f} before), {loudness.integrated():.1f} LUFS")


if __name__ == "__main__":
    main()
