"""The files of a rendering: MIDI files, what else is wanted, and a JSON file that tells what became of every note."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import survivors
from pianist_jax.rendering.extras import DAW, Extras, extra_paths, worst_error, write_extras

if TYPE_CHECKING:
    from pianist_jax.rendering.renderer import Rendering

SUFFIX = ".performance.mid"
DEFAULT_EXTRAS = Extras()
MADE = (SUFFIX, DAW)  # MIDI files that are no scores


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


def is_made(stem: Path, identity: dict[str, Any], extras: Extras, *, has_bars: bool) -> bool:
    """Whether all files of the rendering with this `identity` are there, extras as they are wanted.

    Raises PianistError, naming it, where a file is there that is not of this rendering or was changed since.
    """
    *paths, json_path = wanted_paths(stem, identity["settings"]["samples"], extras, has_bars=has_bars)
    made = _made_before(json_path, identity)
    if made is None:
        for path in (json_path, *paths):
            if path.exists():
                raise PianistError(f"{path}: is there already, from another score or settings; --force replaces it")
        return False
    missing = [path for path in paths if not path.exists()]
    for path in paths:
        if path not in missing and made.get(path.name, {}).get("sha256") != _hash(path):
            raise PianistError(f"{path}: was changed since it was rendered; --force replaces it")
    modes = {about["tempo_events"] for about in made.values() if "tempo_events" in about}
    return not missing and modes <= {extras.tempo_events}


def save_rendering(
    rendering: "Rendering", stem: Path, *, force: bool = False, extras: Extras = DEFAULT_EXTRAS
) -> list[Path]:
    """Write the files of a rendering (`Rendering.save`); each appears whole or not at all, the MIDI files first."""
    has_bars = rendering.grid is not None
    if not force and is_made(stem, rendering.identity, extras, has_bars=has_bars):
        return []
    wanted = wanted_paths(stem, len(rendering.performances), extras, has_bars=has_bars)
    make_folder(stem.parent)
    midi_paths, json_path = output_paths(stem, len(rendering.performances))
    _remove(json_path)  # it tells of files that are about to change
    for midi_path, notes in zip(midi_paths, rendering.performances, strict=True):
        write_midi(midi_path, notes)
    performances = [
        {"file": path.name, "sha256": _hash(path), "pedal_events": len(notes.pedal_time), "end": int(notes.end.max())}
        for path, notes in zip(midi_paths, rendering.performances, strict=True)
    ]
    beside, together = write_extras(rendering, _bare(midi_paths), stem, extras)
    rendering.report["editable_worst_error_ms"] = worst_error(beside)
    performances = [{**own, **more} for own, more in zip(performances, beside, strict=True)]
    content = {**rendering.report, **rendering.identity, "performances": performances, **together}
    replace_file(json_path, _json(content, note_lines(rendering)))
    return [path for path in wanted if path.exists()]


def note_lines(rendering: "Rendering") -> list[dict[str, Any]]:
    """For every raw note, what it was and its performed onset (ms), duration (ms) and velocity in every sample.

    Or, for a note that was merged: with which raw note, counted from 0.
    """
    raw, survivor = rendering.raw, survivors(rendering.raw)
    lines: list[dict[str, Any]] = []
    for i, n in enumerate(rendering.note_of_raw.tolist()):
        line: dict[str, Any] = {
            "pitch": int(raw.pitch[i]),
            "score": {"onset": int(raw.onset[i]), "duration": int(raw.duration[i])},
        }
        if survivor[n] == i:
            line["performed"] = [
                {"onset": int(p.onset[n]), "duration": int(p.duration[n]), "velocity": int(p.velocity[n])}
                for p in rendering.performances
            ]
        else:
            line["merged_with"] = int(survivor[n])
            line["reason"] = "same pitch and onset as that note, which sounds as long or longer"
        lines.append(line)
    return lines


def make_folder(folder: Path) -> None:
    """Make a folder for outputs. Raises PianistError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PianistError(f"{folder}: no folder can be made there ({error.strerror}); choose another") from error


def _made_before(json_path: Path, identity: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    """What is told of each file that this rendering wrote, by name; None where the JSON file is not of this one."""
    try:
        content = json.loads(json_path.read_text(encoding="utf-8"))
        if all(content[key] == value for key, value in identity.items()):
            performances = content["performances"]
            told = [*performances, *(own[key] for own in performances for key in ("editable", "audio") if key in own)]
            told += [content["plot"]] if "plot" in content else []
            return {made["file"]: made for made in told}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PianistError(f"{path}: cannot be read ({error.strerror}); --force replaces it") from error


def _json(content: dict[str, Any], notes: list[dict[str, Any]]) -> str:
    """JSON with one note a line."""
    head = json.dumps(content, indent=1)
    body = ",\n  ".join(json.dumps(note) for note in notes)
    return f'{head[:-2]},\n "notes": [\n  {body}\n ]\n}}\n'


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PianistError(f"{path}: cannot be replaced ({error.strerror}); move it away") from error
