"""A minute of sound: the beginnings of two examples as the bundled model plays them: `python -m examples.listen`.

Default settings, seed 0, the bundled piano; MP3 files beside this one, the same bytes each time on one machine. A
beginning ends before the first note of a bar, and its last notes die away.
"""

from pathlib import Path

import numpy as np

import pianist_jax
from pianist_jax.audio import parse_format, write_audio
from pianist_jax.music.notes import Notes
from pianist_jax.rendering.result import Rendering

FOLDER = Path(__file__).parent
HEARD = {"chopin-prelude-op28-20": 9, "petzold-minuet-bwvanh114": 17}  # up to which bar


def beginning(rendering: Rendering, bar: int) -> Notes:
    """The first performance until before a bar, counted from 1 as played; the pedal is let go with its last notes."""
    assert rendering.grid is not None
    notes, tick = rendering.notes, rendering.grid.bars()[bar - 1]
    heard = rendering.grid.onset < tick
    end = int(notes.end[heard].max())
    pedal = notes.pedal_time < end
    return Notes(
        notes.pitch[heard],
        notes.onset[heard],
        notes.duration[heard],
        notes.velocity[heard],
        np.append(notes.pedal_time[pedal], end),
        np.append(notes.pedal_value[pedal], 0),
    )


def main() -> None:
    """Write both beside this file."""
    model = pianist_jax.load_model()
    for name, bar in HEARD.items():
        rendering = pianist_jax.render(FOLDER / f"{name}.musicxml", model, seed=0)
        write_audio(FOLDER / f"{name}.mp3", beginning(rendering, bar), parse_format("mp3,44100"))


if __name__ == "__main__":
    main()
