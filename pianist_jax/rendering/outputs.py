"""The files of a rendering: MIDI files, what else is wanted, and a JSON file that tells what became of every note.

The JSON file can be edited and read back (`stored`): "notes" has a line for each note with its performed onset,
duration and velocity in every performance, "pedal" a list of the pedal's movements for every performance.
"""

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from pianist_jax.music.midi import write_company, write_midi
from pianist_jax.music.notes import Notes, survivors
from pianist_jax.rendering.extras import (
    DAW,
    Extras,
    audio_options,
    check_plot,
    extra_paths,
    plot_options,
    read_overlays,
    told_beyond,
    worst_error,
    write_extras,
)
from pianist_jax.rendering.hashes import content_hash, file_hash, grid_hash, json_hash
from pianist_jax.rendering.others import as_track, others_text, others_told

if TYPE_CHECKING:
    from pianist_jax.performance.tempo_map import Mapped
    from pianist_jax.rendering.result import Rendering
    from pianist_jax.score.grid import ScoreGrid

FORMAT = 2  # of the JSON file
OLDER_NAMES = {"rehearsals": "draws", "chance": "residual_scale"}  # of settings in JSON files
SUFFIX = ".performance.mid"
DEFAULT_EXTRAS = Extras()
OVERRIDE = "--force"
MADE = (SUFFIX, DAW)  # MIDI files that are no scores


class Numbered(NamedTuple):
    """Which take of a rendering this is, and which one was there before it (`takes`)."""

    number: int = 1
    parent: int | None = None


FIRST = Numbered()


def output_paths(stem: Path, samples: int) -> tuple[list[Path], Path]:
    """The MIDI files and the JSON file of a rendering: `stem` is a path without suffix."""
    names = [stem.name] if samples == 1 else [f"{stem.name}-{k + 1}" for k in range(samples)]
    return [stem.with_name(name + SUFFIX) for name in names], stem.with_name(stem.name + ".json")


def wanted_paths(stem: Path, samples: int, extras: Extras, *, has_bars: bool) -> list[Path]:
    """All files that are to be written, the JSON file last. Raises PianistError where they cannot be."""
    midi_paths, json_path = output_paths(stem, samples)
    return [*midi_paths, *extra_paths(_bare(midi_paths), stem, extras, has_bars=has_bars), json_path]


def _bare(midi_paths: list[Path]) -> list[Path]:
    return [path.with_name(path.name.removesuffix(SUFFIX)) for path in midi_paths]


def is_made(stem: Path, identity: dict[str, Any], extras: Extras, *, has_bars: bool, override: str = OVERRIDE) -> bool:
    """Whether all files of the rendering with this `identity` are there, extras as they are wanted.

    Raises PianistError, naming it, where a file is there that is not of this rendering or was changed since, and how
    to `override` that.
    """
    *paths, json_path = wanted_paths(stem, identity["settings"]["samples"], extras, has_bars=has_bars)
    before = _made_before(json_path, identity, override)
    if before is None:
        for path in (json_path, *paths):
            if path.exists():
                raise PianistError(f"{path}: is there already, from another score or settings; {override} replaces it")
        return False
    made, was_edited = before
    if was_edited:
        raise PianistError(f"{json_path}: was edited; `pianist apply` writes its files again, {override} replaces it")
    missing = [path for path in paths if not path.exists()]
    for path in paths:
        if path not in missing and made.get(path.name, {}).get("sha256") != file_hash(path):
            raise PianistError(f"{path}: was changed since it was rendered; {override} replaces it")
    editable = [about for about in made.values() if "tempo_events" in about]
    as_asked = all({"halved": False, **about}.items() >= extras.asked.items() for about in editable)
    plots = [about for about in made.values() if "overlay" in about] if extras.plot else []
    as_wanted = all(about.items() >= plot_options(extras).items() for about in plots)
    sounds = [made.get(path.name, {}) for path in paths if extras.audio and path.name.endswith(f".{extras.audio.kind}")]
    as_wanted &= all(about.items() >= audio_options(extras).items() for about in sounds)
    return not missing and as_asked and as_wanted


@dataclasses.dataclass(frozen=True)
class Saved:
    """The files that were written, by how many ms an editable one misses its performance (None: there is none), which
    take they are.

    `beyond` says in words where what sequencers take did not allow more.
    """

    files: tuple[Path, ...] = ()
    worst_error_ms: float | None = None
    take: int = 1
    beyond: tuple[str, ...] = ()


def save_rendering(
    rendering: "Rendering",
    stem: Path,
    *,
    force: bool = False,
    extras: Extras = DEFAULT_EXTRAS,
    take: Numbered = FIRST,
    gone: Sequence[Path] = (),
    override: str = OVERRIDE,
) -> Saved:
    """Write the files of a rendering (`Rendering.save`); each appears whole or not at all, and those `gone` no more.

    All are made beside their place and then moved there, the JSON file first: wherever this is broken off, the JSON
    file that is there tells whose the others are, and which of them are missing. Of any take but the first the JSON
    file lies in the folder of takes before that.
    """
    has_bars = rendering.grid is not None
    if not force and is_made(stem, rendering.identity, extras, has_bars=has_bars, override=override):
        return Saved()
    wanted = wanted_paths(stem, len(rendering.performances), extras, has_bars=has_bars)
    check_plot(rendering.grid, extras)
    overlaid = read_overlays(rendering, extras)
    make_folder(stem.parent)
    with _placed(stem, wanted, gone) as stage:
        beside = _write_files(rendering, stage, extras, overlaid, take)
        kept = take_path(stem, take.number)
        if take != FIRST and not kept.exists():
            replace_file(kept, output_paths(stage, 1)[1].read_bytes(), make_folder=True)
    files = tuple(path for path in wanted if path.exists())
    return Saved(files, worst_error(beside), take.number, told_beyond(beside))


def take_path(stem: Path, number: int) -> Path:
    """Where the JSON file of a take is kept that is not, or not only, the current one."""
    return stem.with_name(f"{stem.name}.takes") / f"{number}.json"


def unfinished_path(stem: Path) -> Path:
    """The folder in which the files of a rendering are made before they take their places."""
    return stem.with_name(f".{stem.name}.part")


@contextmanager
def _placed(stem: Path, wanted: list[Path], gone: Sequence[Path]) -> Iterator[Path]:
    """A stem in a folder of its own, from where what is written takes the place of all that was `wanted` before.

    Files that are `gone` give way to it too.
    """
    folder, path = unfinished_path(stem), stem
    try:
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
        folder.mkdir()
        yield folder / stem.name
        *others, json_path = wanted
        for path in (*others, *gone):
            path.unlink(missing_ok=True)
        for path in (json_path, *others):
            if (folder / path.name).exists():
                (folder / path.name).replace(path)
    except OSError as error:
        raise PianistError(f"{path}: cannot be written ({error.strerror}); check its folder and your rights") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_files(
    rendering: "Rendering", stem: Path, extras: Extras, overlaid: Sequence[tuple[str, "Mapped"]], take: Numbered
) -> list[dict[str, Any]]:
    """Write all files; gives what is told of those beside each performance."""
    midi_paths, json_path = output_paths(stem, len(rendering.performances))
    for sample, (midi_path, notes) in enumerate(zip(midi_paths, rendering.performances, strict=True)):
        others = [as_track(other) for other in rendering.others_with(notes, sample)]
        try:
            title = rendering.grid.title if rendering.grid is not None else ""
            if rendering.conducted:
                write_company(midi_path, others, title=title)
            else:
                write_midi(midi_path, notes, title=title, others=others)
        except ValueError as error:  # of edits, or a tempo, that no music has
            name = midi_path.name
            raise PianistError(f"{name}: cannot be written as MIDI ({error}); check edits and tempo scale") from error
    performances = [
        {
            "file": path.name,
            "sha256": file_hash(path),
            "content": content_hash(notes),
            "pedal_events": len(notes.pedal_time),
            "end": int(notes.end.max()),
        }
        for path, notes in zip(midi_paths, rendering.performances, strict=True)
    ]
    beside, together = write_extras(rendering, _bare(midi_paths), stem, extras, overlaid)
    report = {**rendering.report, "editable_worst_error_ms": worst_error(beside)}
    performances = [{**own, **more} for own, more in zip(performances, beside, strict=True)]
    grid = {"grid": _grid_lines(rendering.grid)} if rendering.grid is not None else {}
    numbered = {"take": take._asdict()} if take != FIRST else {}
    content = {
        "format": FORMAT, **report, **rendering.identity, **numbered, "performances": performances, **together, **grid
    }  # fmt: skip
    replace_file(json_path, json_text(content, rendering))
    return beside


def note_lines(rendering: "Rendering") -> list[dict[str, Any]]:
    """For every raw note, what it was and its performed onset (ms), duration (ms) and velocity in every sample.

    Or, for a note that was merged: with which raw note, counted from 0. Of a score with bars also where the note
    stands: its bar and how far into it (17.5: the middle of bar 17), its part, its tick and length in ticks; and its
    id in a file that has ids ("n7~3": the third note that is played for the ornament of "n7").
    """
    raw, survivor, grid = rendering.raw, survivors(rendering.raw), rendering.grid
    bar = grid.bar_of(grid.onset).round(3).tolist() if grid is not None else []
    lines: list[dict[str, Any]] = []
    for i, n in enumerate(rendering.note_of_raw.tolist()):
        line: dict[str, Any] = {
            "pitch": int(raw.pitch[i]),
            "score": {name: int(getattr(raw, name)[i]) for name in ("onset", "duration", "velocity")},
        }
        if survivor[n] == i:
            if grid is not None:
                named = {"id": grid.ids[n]} if grid.ids else {}
                line = {**named, "bar": bar[n], **line}
                places = {"part": grid.part, "tick": grid.onset, "ticks": grid.duration}
                line["score"] |= {name: int(column[n]) for name, column in places.items()}
            line["performed"] = [
                {"onset": int(p.onset[n]), "duration": int(p.duration[n]), "velocity": int(p.velocity[n])}
                for p in rendering.performances
            ]
        else:
            line["merged_with"] = int(survivor[n])
            line["reason"] = "same pitch and onset as that note, which sounds as long or longer"
        lines.append(line)
    return lines


def _grid_lines(grid: "ScoreGrid") -> dict[str, Any]:
    return {
        "ticks_per_quarter": grid.ticks_per_quarter,
        "parts": list(grid.part_names),
        "time_signatures": [list(signature) for signature in grid.time_signatures],
        "key_signatures": [list(signature) for signature in grid.key_signatures],
        "tempi": [list(mark) for mark in grid.tempi],
        "hash": grid_hash(grid),
        "remarks": list(grid.remarks),
        **({"title": grid.title} if grid.title else {}),
    }


def pedal_lines(notes: Notes) -> list[dict[str, int]]:
    """The pedal's movements: time in ms, value 0 (up) to 127 (down)."""
    pairs = zip(notes.pedal_time.tolist(), notes.pedal_value.tolist(), strict=True)
    return [{"time": time, "value": value} for time, value in pairs]


def make_folder(folder: Path) -> None:
    """Make a folder for outputs. Raises PianistError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PianistError(f"{folder}: no folder can be made there ({error.strerror}); choose another") from error


def _made_before(
    json_path: Path, identity: dict[str, Any], override: str
) -> tuple[dict[str, dict[str, Any]], bool] | None:
    """What is said of each file that this rendering wrote, by name, and whether the JSON file was edited since.

    None where it is not of this rendering.
    """
    try:
        content = renamed(json.loads(json_path.read_text(encoding="utf-8")))
        if all(content[key] == value for key, value in {"format": FORMAT, **identity}.items()):
            return files_made(content), was_edited(content)
        if content["edits"] and all(content[key] == value for key, value in identity.items() if key != "edits"):
            raise PianistError(f"{json_path}: holds edits of this rendering; {override} replaces them")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return None


def was_edited(content: dict[str, Any]) -> bool:
    """Whether notes or pedal in a JSON file were edited since it was written."""
    return bool(content["body"] != json_hash([content["pedal"], content["notes"]]))


def renamed(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a JSON file, settings that were written under older names under those of today."""

    def settings(given: dict[str, Any]) -> dict[str, Any]:
        return {OLDER_NAMES.get(name, name): value for name, value in given.items()}

    edits = [
        {**edit, "settings": settings(edit["settings"])} if "settings" in edit else edit for edit in content["edits"]
    ]
    return {**content, "settings": settings(content["settings"]), "edits": edits}


def files_made(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the content of a JSON file says of each file that was written with it, by name."""
    performances = content["performances"]
    files = [*performances, *(own[key] for own in performances for key in ("editable", "audio") if key in own)]
    files += [content[key] for key in ("plot", "page") if key in content]
    return {made["file"]: made for made in files if "file" in made}


def body_hash(rendering: "Rendering") -> str:
    """What tells a rendering's notes and pedal from others: the "body" in its JSON file."""
    return json_hash([[pedal_lines(notes) for notes in rendering.performances], note_lines(rendering)])


def json_text(content: dict[str, Any], rendering: "Rendering") -> str:
    """JSON of this content and of the rendering's notes and pedal: a line for each note and each pedal event."""
    lines, pedals = note_lines(rendering), [pedal_lines(notes) for notes in rendering.performances]
    head = json.dumps({**content, "body": json_hash([pedals, lines])}, indent=1)[:-2]
    score_pedal = _lines(pedal_lines(rendering.raw), 1)
    pedal = ",\n".join(f"  {_lines(own, 2)}" for own in pedals)
    notes = _lines(lines, 1)
    others = others_text(others_told(rendering))
    return f'{head},\n "score_pedal": {score_pedal},\n "pedal": [\n{pedal}\n ],\n "notes": {notes}{others}\n}}\n'


def _lines(values: Sequence[Any], indent: int) -> str:
    """A JSON list, one value a line."""
    if not values:
        return "[]"
    margin = " " * indent
    body = ",\n".join(f"{margin} {json.dumps(value)}" for value in values)
    return f"[\n{body}\n{margin}]"
