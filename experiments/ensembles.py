"""Scores of several players, performed together: is every note there, on whose track, when and how loud?

    python -m examples.ensembles SCORES
    python -m experiments.ensembles SCORES

A line a score: its notes as they are written, part by part, against those of NAME.performance.mid track by track;
channels; played over written time; of each part beside the pianist's the standard deviation of its distance from the
ensemble's clock (ms) and how loud it is against the first one (dB, 40 log10 of velocity times controller); how exact
NAME.daw.mid is (ms). Scores that cannot be read, or have one player alone, are counted.
"""

import json
import sys
import tempfile
from pathlib import Path

import mido
import numpy as np

from pianist_jax import load_model
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import normalise
from pianist_jax.performance.ensemble import in_time
from pianist_jax.rendering.others import tracks_with
from pianist_jax.rendering.renderer import render
from pianist_jax.rendering.result import Rendering
from pianist_jax.score.files import FORMATS


def accounted(rendering: Rendering, path: Path) -> bool:
    """Whether the file has each part's notes on a track of its own, and the tracks channels of their own."""
    own = [] if rendering.conducted else [len(rendering.score)]
    tracks = [track for track in mido.MidiFile(path).tracks if any(each.type == "note_on" for each in track)]
    struck = [sum(each.type == "note_on" for each in track) for track in tracks]
    channels = [next(each.channel for each in track if each.type == "note_on") for track in tracks]
    return struck == [*own, *(len(other.notes) for other in rendering.others)] and len(set(channels)) == len(channels)


def apart(rendering: Rendering) -> list[float]:
    """ms, standard deviation of each part about the ensemble's clock; of pianists of their chords'."""
    notes, written = rendering.notes, normalise(rendering.raw)[0]
    plain = in_time(written, notes, rendering.others, rendering.factor)
    heard = rendering.others_with(notes)
    return [float(np.std(a.notes.onset - b.notes.onset)) for a, b in zip(heard, plain, strict=True)]


def levels(rendering: Rendering) -> list[float]:
    """dB of each part's attacks on average."""
    loud = [] if rendering.conducted else [rendering.notes.velocity.astype(float)]
    for part in tracks_with(rendering, 0):
        place = np.maximum(np.searchsorted(part.curve[:, 0], part.notes.onset, side="right") - 1, 0)
        loud.append(part.notes.velocity * (part.curve[place, 1] / 127 if len(part.curve) else 1.0))
    return [float(np.mean(40 * np.log10(each / 127))) for each in loud]


def line_of(path: Path, rendering: Rendering, folder: Path) -> str:
    """What is told of a score."""
    rendering.save(folder, name="x", force=True)
    loud, written = levels(rendering), normalise(rendering.raw)[0]
    pace = np.ptp(rendering.notes.onset) / max(np.ptp(written.onset) * rendering.factor, 1)
    late = "/".join(f"{each:.0f}" for each in apart(rendering))
    balance = "/".join(f"{each - loud[0]:+.1f}" for each in loud[1:])
    notes = "+".join(str(len(other.notes)) for other in rendering.others)
    first = "-" if rendering.conducted else len(rendering.score)
    whole = "yes" if accounted(rendering, folder / "x.performance.mid") else "NO"
    exact = json.loads((folder / "x.json").read_text())["editable_worst_error_ms"]
    return f"| {path.name} | {first}+{notes} | {whole} | {pace:.3f} | {late} | {balance} | {exact} |"


def main(folder: Path) -> None:
    """Perform all scores below a folder."""
    model, alone, wrong = load_model(), 0, 0
    print("| score | notes | accounted for | played/written | ms apart | dB | DAW file ms |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as there:
        for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in FORMATS):
            try:
                rendering = render(path, model, accompany=True)
            except PianistError:
                wrong += 1
                continue
            if not rendering.others:
                alone += 1
                continue
            print(line_of(path, rendering, Path(there)), flush=True)
    print(f"\n{alone} scores have one player, {wrong} cannot be read")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
