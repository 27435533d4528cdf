"""The files of a rendering: one MIDI file a performance, and one JSON file that tells what became of every note."""

import hashlib
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError
from pianist_jax.music.midi import write_midi
from pianist_jax.music.notes import survivors

if TYPE_CHECKING:
    from pianist_jax.rendering.renderer import Rendering

SUFFIX = ".performance.mid"


def output_paths(stem: Path, samples: int) -> tuple[list[Path], Path]:
    """The MIDI files and the JSON file of a rendering: `stem` is a path without suffix."""
    names = [stem.name] if samples == 1 else [f"{stem.name}-{k + 1}" for k in range(samples)]
    return [stem.with_name(name + SUFFIX) for name in names], stem.with_name(stem.name + ".json")


def is_made(stem: Path, identity: dict[str, Any]) -> bool:
    """Whether all files of the rendering with this `identity` are there.

    Raises PianistError, naming it, where a file is there that is not of this rendering or was changed since.
    """
    midi_paths, json_path = output_paths(stem, identity["settings"]["samples"])
    made = _made_before(json_path, identity)
    if made is None:
        for path in (json_path, *midi_paths):
            if path.exists():
                raise PianistError(f"{path}: is there already, from another score or settings; --force replaces it")
        return False
    missing = [path for path in midi_paths if not path.exists()]
    for path in midi_paths:
        if path not in missing and made.get(path.name) != _hash(path):
            raise PianistError(f"{path}: was changed since it was rendered; --force replaces it")
    return not missing


def save_rendering(rendering: "Rendering", stem: Path, *, force: bool = False) -> list[Path]:
    """Write the files of a rendering (`Rendering.save`); each appears whole or not at all, the MIDI files first."""
    if not force and is_made(stem, rendering.identity):
        return []
    make_folder(stem.parent)
    midi_paths, json_path = output_paths(stem, len(rendering.performances))
    _remove(json_path)  # it tells of files that are about to change
    for midi_path, notes in zip(midi_paths, rendering.performances, strict=True):
        write_midi(midi_path, notes)
    performances = [
        {"file": path.name, "sha256": _hash(path), "pedal_events": len(notes.pedal_time), "end": int(notes.end.max())}
        for path, notes in zip(midi_paths, rendering.performances, strict=True)
    ]
    content = {**rendering.report, **rendering.identity, "performances": performances}
    _write(json_path, _json(content, note_lines(rendering)))
    return [*midi_paths, json_path]


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


def _made_before(json_path: Path, identity: dict[str, Any]) -> dict[str, str] | None:
    """Hash of each MIDI file that this rendering wrote, by name; None where the JSON file is not of this rendering."""
    try:
        content = json.loads(json_path.read_text(encoding="utf-8"))
        if all(content[key] == value for key, value in identity.items()):
            return {made["file"]: made["sha256"] for made in content["performances"]}
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


def _write(path: Path, content: str) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise PianistError(f"{path}: cannot be written ({error.strerror}); check its folder and your rights") from error
    finally:
        temporary.unlink(missing_ok=True)
