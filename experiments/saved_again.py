"""Is a file that another program has saved again unedited read back as no edit, and an edited one as its edit?

    python -m experiments.saved_again --asap DIR --alignments NPZ [--count 16] [--modes onset bar]
        [--programs musescore rosegarden] [--edits 4]

A human performance of each of `--count` scores of ASAP becomes an editable file in each mode, each program that is
installed reads it and writes it again as MIDI, and `rendering.reimport` says what it takes for an edit in that. The
saved file is then edited `--edits` times anew in each of these ways, and read back: one note 15 stronger or softer, one
an eighth earlier or later. Told is how many of these edits were found, and nothing else with them.

MuseScore 3 (Debian's musescore3) converts by itself. Rosegarden (Debian's rosegarden, with xvfb, openbox and xdotool)
converts only what it has saved itself, so that the editable file is opened and saved on a screen that nobody sees.
What came out stands in experiments/validation.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import mido
import numpy as np

from experiments.musescore import converted, deadpan, drawn, options, program
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.expression import NEUTRAL
from pianist_jax.performance.playable import make_playable
from pianist_jax.performance.readback import ReadBack
from pianist_jax.rendering.hashes import content_hash
from pianist_jax.rendering.reimport import take_in
from pianist_jax.rendering.result import Rendering
from pianist_jax.rendering.stored import Stored, read_rendering
from pianist_jax.score.grid import ScoreGrid

ROSEGARDEN = ("rosegarden", "Xvfb", "openbox", "xdotool")
LONGEST = 120.0  # s to wait for a window
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
Convert = Callable[[Path, Path], object]  # a MIDI file is read, and written again


def written(grid: ScoreGrid, notes: Notes, mode: str, folder: Path) -> Stored:
    """A performance as `pianist render` writes it: a.json, a.daw.mid."""
    notes, score = make_playable(notes), deadpan(grid, notes.pitch)
    named = {"name": "human", "hash": "0" * 64, "dtype": "float32"}
    settings = {"samples": 1, "expression": NEUTRAL.metadata()}
    of = {"name": "a", "content": content_hash(score)}
    identity = {"score": of, "model": named, "seed": 0, "settings": settings, "edits": []}
    count = len(score)
    told = {"input_notes": count, "performed_notes": count, "merged_notes": 0}
    report = {"notes_per_second": 1.0, "compile_seconds": 0.0, "counts": told, "tempo": {"factor": 1.0, "guess": None}}
    rendering = Rendering(score, score, np.arange(count), (notes,), "a", identity, report, grid)
    rendering.save(folder, tempo_events=mode)
    return read_rendering(folder / "a.json")


@contextmanager
def screen() -> Iterator[dict[str, str]]:
    """The environment of programs on a screen that nobody sees."""
    unseen = ["Xvfb", "-displayfd", "1", "-screen", "0", "1400x900x24"]
    with subprocess.Popen(unseen, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        environment = {**os.environ, "DISPLAY": f":{server.stdout.readline().strip()}"}
        with subprocess.Popen(["openbox"], env=environment, **QUIET) as manager:
            yield environment
            manager.terminate()
        server.terminate()


def by_rosegarden(environment: dict[str, str], path: Path, out: Path) -> None:
    """A MIDI file opened in Rosegarden, saved, and converted. Raises PianistError where that does not come about."""
    home = str(path.parent)  # where it has never been, so that it always welcomes
    environment = {**environment, "HOME": home, "XDG_RUNTIME_DIR": home}

    def press(*words: str) -> None:
        subprocess.run(["xdotool", *words], env=environment, check=True, stdout=subprocess.DEVNULL)

    def to_window(name: str) -> None:
        find = ["xdotool", "search", "--onlyvisible", "--name", name, "windowactivate", "--sync"]
        _until(lambda: subprocess.run(find, env=environment, check=False, **QUIET).returncode == 0)

    own, run = path.with_suffix(".rg"), ["rosegarden", "--nosplash", "--nosound"]
    try:
        with subprocess.Popen([*run, str(path)], env=environment, **QUIET) as rosegarden:
            try:
                to_window("Welcome!")
                press("key", "Return")
                to_window(path.name)
                press("key", "ctrl+s")
                to_window("Save as")
                press("type", "--delay", "5", str(own))
                press("key", "Return")
                _until(own.exists)
                time.sleep(1)  # it is written at once
            finally:
                rosegarden.kill()
        offscreen = {**environment, "QT_QPA_PLATFORM": "offscreen"}
        convert = ["rosegarden", "--convert", str(own), str(out)]
        subprocess.run(convert, env=offscreen, check=True, timeout=LONGEST, **QUIET)
    except (subprocess.SubprocessError, OSError) as error:
        raise PianistError(f"{path.name}: Rosegarden does not save it ({type(error).__name__})") from error


def _until(done: Callable[[], bool]) -> None:
    """Wait. Raises TimeoutError."""
    until = time.monotonic() + LONGEST
    while not done():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.5)


Event = tuple[int, mido.Message]  # at a tick


def edited(path: Path, out: Path, how: str, rng: np.random.Generator) -> None:
    """Save a MIDI file with one note stronger or softer by 15 ("strength") or an eighth later or earlier ("place")."""
    file = mido.MidiFile(path)
    tracks: list[list[Event]] = []
    for track in file.tracks:
        tick, events = 0, []
        for message in track:
            tick += message.time
            events.append((tick, message))
        tracks.append(events)
    chosen = _notes_alone(tracks, file.ticks_per_beat)
    events, on, off = chosen[rng.integers(len(chosen))]
    tick, message = events[on]
    if how == "strength":
        louder = message.velocity < 64
        events[on] = tick, message.copy(velocity=message.velocity + (15 if louder else -15))
    else:
        shift = file.ticks_per_beat // 2 * (1 if tick < file.ticks_per_beat else int(rng.choice([-1, 1])))
        for k in (on, off):
            events[k] = events[k][0] + shift, events[k][1]
    for track, own in zip(file.tracks, tracks, strict=True):
        before = 0
        ordered = sorted(own, key=lambda event: (event[1].type == "end_of_track", event[0]))  # stable
        track.clear()
        for at, each in ordered:
            track.append(each.copy(time=max(at - before, 0)))
            before = max(at, before)
    file.save(out)


def _notes_alone(tracks: list[list[Event]], quarter: int) -> list[tuple[list[Event], int, int]]:
    """Notes, as places of their two events in a track, whose key is not struck within two quarters of them."""
    struck = sorted((m.note, tick) for events in tracks for tick, m in events if m.type == "note_on" and m.velocity)
    pairs = [(one, two) for one, two in pairwise(struck) if one[0] == two[0] and two[1] - one[1] < 2 * quarter]
    near = {each for pair in pairs for each in pair}
    found = []
    for events in tracks:
        open_: dict[int, int] = {}
        for k, (tick, message) in enumerate(events):
            if message.type == "note_on" and message.velocity and (message.note, tick) not in near:
                open_[message.note] = k
            elif message.type in ("note_on", "note_off") and message.note in open_:
                found.append((events, open_.pop(message.note), k))
    return found


def is_found(read: ReadBack, how: str) -> bool:
    """Whether one note is told to have been changed in that way, and none in another."""
    stronger, moved = int(read.changed.velocity.sum()), int(read.changed.onset.sum())
    return (stronger, moved) == ((1, 0) if how == "strength" else (0, 1)) and not read.changed.pedal


def programs(names: list[str], environment: dict[str, str] | None) -> dict[str, Convert]:
    """Those of the programs that are installed, as functions."""
    musescore, found = program(), dict[str, Convert]()
    if "musescore" in names and musescore is not None:
        found["musescore"] = partial(converted, musescore)
    if "rosegarden" in names and environment is not None:
        found["rosegarden"] = partial(by_rosegarden, environment)
    return found


def tried(of: dict[str, Convert], grid: ScoreGrid, notes: Notes, mode: str, edits: int) -> Iterator[str]:
    """A line for each program."""
    for name, convert in of.items():
        with tempfile.TemporaryDirectory() as place:
            folder, rng = Path(place), np.random.default_rng(0)
            stored, again = written(grid, notes, mode, folder), folder / "again.mid"
            try:
                convert(folder / "a.daw.mid", again)
                read = take_in(stored, again).read
            except PianistError as error:
                yield f"{name}: {error}"
                continue
            words = f"{read.changed.in_words(grid)}, {read.missing} of {len(notes)} missing, {read.added} added"
            for how in ("strength", "place") if edits else ():
                found = 0
                for _ in range(edits):
                    edited(again, folder / "edited.mid", how, rng)
                    found += is_found(take_in(stored, folder / "edited.mid").read, how)
                words += f", edits of {how} found {found} of {edits}"
            yield f"{name}: {words}"


def main() -> None:
    """Print a line for every score, mode and program."""
    parser = options(__doc__)
    parser.add_argument("--programs", nargs="+", default=["musescore", "rosegarden"])
    parser.add_argument("--edits", type=int, default=4, help="so many edits of each kind in each file")
    given = parser.parse_args()
    can = "rosegarden" in given.programs and all(map(shutil.which, ROSEGARDEN))
    with screen() if can else nullcontext() as environment:
        of = programs(given.programs, environment)
        print(f"installed: {', '.join(of) or 'none, so that nothing is measured'}", flush=True)
        for name, grid, notes in drawn(given.asap, given.alignments, given.count if of else 0):
            for mode in given.modes:
                for line in tried(of, grid, notes, mode, given.edits):
                    print(name, mode, line, flush=True)


if __name__ == "__main__":
    main()
