"""Takes: every version of a rendering that somebody has made is kept, and one of them is the current one.

    NAME.json, NAME.daw.mid …    the current take
    NAME.takes/N.json            take N as it was made; its files are made again from it when it becomes current
    NAME.takes/names.json        what somebody calls some of them

NAME.json tells under "take" its number and its parent: the take that was current when it was made, and to which undoing
goes back. Where it tells nothing it is take 1. A take is in its folder before it becomes current, and the current one
before another takes its place (take 1 waits until then), so that a process that is killed loses none. The same notes
from the same settings are the same take, however often they are asked for.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.files import printable, replace_file
from pianist_jax.rendering.claims import Claims
from pianist_jax.rendering.extras import Extras
from pianist_jax.rendering.hashes import file_hash
from pianist_jax.rendering.outputs import (
    FIRST,
    Numbered,
    Saved,
    body_hash,
    output_paths,
    renamed,
    save_rendering,
    take_path,
    wanted_paths,
    was_edited,
)
from pianist_jax.rendering.result import Rendering
from pianist_jax.rendering.stored import BY_HAND, IDENTITY, Stored, apply_edits, as_written, read_rendering

LONGEST_NAME = 60


@dataclasses.dataclass(frozen=True, eq=False)
class Take:
    """A take: its number, that of the one before it, what somebody calls it, the file that holds it.

    `identity` says what it follows from, `body` tells its notes from others; both are empty where the file is damaged.
    `edited`: edits by hand wait in NAME.json, which holds the take.
    """

    number: int
    parent: int | None
    path: Path
    current: bool
    name: str = ""
    identity: dict[str, Any] = dataclasses.field(default_factory=dict)
    body: str = ""
    edited: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether somebody's own edits are in it, which its identity does not tell from others."""
        return any(edit == BY_HAND or "from" in edit for edit in self.identity.get("edits", ()))


def list_takes(stem: Path) -> list[Take]:
    """All takes of the rendering at `stem` (a path without suffix), by number; none where there is no rendering."""
    names, current = _names(stem), _head(_json_path(stem))
    now = None if current is None else _numbered(current)
    files = {number: take_path(stem, number) for number in _kept(stem)}
    if now is not None:
        files.setdefault(now.number, _json_path(stem))
    takes = []
    for number, path in sorted(files.items()):
        head = _head(path) or {}
        told = _numbered(head) if head else Numbered(number)
        identity = {key: head[key] for key in IDENTITY} if head else {}
        is_current = now is not None and now.number == number
        own = (number, told.parent, path, is_current, names.get(number, ""), identity, head.get("body", ""))
        takes.append(Take(*own, edited=is_current and current is not None and was_edited(current)))
    return takes


def read_take(stem: Path, number: int) -> Stored:
    """A take's rendering as it was made. Raises PianistError where there is none or it was edited since."""
    path = take_path(stem, number)
    current = _json_path(stem)
    if not path.exists():
        if not current.exists() or (stored := read_rendering(current)).take.number != number:
            raise PianistError(_no_such(stem, number))
        path = current
    else:
        stored = read_rendering(path)
    if stored.by_hand:
        raise PianistError(f"{printable(path)}: was edited; undo that, or `pianist apply` it in place of NAME.json")
    return stored


def keep_take(
    rendering: Rendering,
    stem: Path,
    extras: Extras,
    *,
    origin: Path | None = None,
    taken: Path | None = None,
    force: bool = False,
    claims: Claims | None = None,
) -> Saved:
    """Make a rendering the current take at `stem`, a new one unless the same is there; `Saved` tells its number.

    Pictures and sound that the one before has are made for it too. `origin`: the JSON file whose edits by hand are in
    the rendering; others that wait in NAME.json are not lost for it. `taken`: a file whose edits are in it, which may
    be one of its own and is kept beside the take (NAME.takes/N.from.mid). `claims`: those of a run that may be at it
    already. Raises PianistError, naming it, where a file is in the way that is not as it was last written, unless
    `force` is set.
    """
    with _claimed(stem, claims):
        before = _current(stem, force=force)
        if before is not None and before.by_hand and before.path != origin and not force:
            raise PianistError(f"{printable(before.path)}: was edited; `pianist apply` keeps that as a take")
        same = _same(list_takes(stem), rendering)
        if same is not None:
            numbered = Numbered(same.number, same.parent)
        elif before is None:
            numbered = Numbered(1 + max(_kept(stem), default=0))
        else:
            numbered = Numbered(1 + max(before.take.number, *_kept(stem), 0), before.take.number)
        return _place(rendering, stem, extras, numbered, before, taken=taken, force=force)


def switch_to(
    stem: Path, number: int, extras: Extras | None = None, *, force: bool = False, claims: Claims | None = None
) -> Saved:
    """Make a take the current one: its files are made again from its JSON file, with other `extras` where given.

    Pictures and sound that the current take has are made for it too. Edits by hand that wait in NAME.json become a take
    first. `claims` as in `keep_take`. Raises PianistError where there is no such take or a file was changed that would
    be lost.
    """
    stored = read_take(stem, number)
    if _json_path(stem).exists():
        keep_edits(stem, claims)
    with _claimed(stem, claims):
        before = _current(stem, force=force)
        return _place(stored.rendering, stem, extras or stored.extras, stored.take, before, force=force)


def undo(stem: Path, *, force: bool = False) -> Saved:
    """Go back to the take from which the current one was made. Raises PianistError where there is none."""
    current = _require_current(stem)
    parent = current.take.number if current.by_hand else current.take.parent
    if parent is None:
        raise PianistError(f"{stem.name}: take {current.take.number} is the first; there is nothing to undo")
    keep_edits(stem)
    return switch_to(stem, parent, force=force)


def keep_edits(stem: Path, claims: Claims | None = None) -> Saved | None:
    """Make a take of edits by hand that wait in NAME.json, if there are any; `claims` as in `keep_take`."""
    stored = _require_current(stem)
    if not stored.by_hand:
        return None
    return keep_take(apply_edits(stored), stem, stored.extras, origin=stored.path, claims=claims)


def name_take(stem: Path, number: int, name: str) -> None:
    """Call a take something; an empty name takes it away. Raises PianistError for no such take or no such name."""
    if number not in [take.number for take in list_takes(stem)]:
        raise PianistError(_no_such(stem, number))
    if len(name) > LONGEST_NAME or not name.isprintable() or name.strip().isdecimal():
        raise PianistError(f"{name[:LONGEST_NAME]!r} is no name; give a few words of at most {LONGEST_NAME} characters")
    names = {key: value for key, value in {**_names(stem), number: name.strip()}.items() if value}
    content = json.dumps({str(key): value for key, value in sorted(names.items())}, indent=1, ensure_ascii=False)
    replace_file(take_path(stem, 0).with_name("names.json"), f"{content}\n", make_folder=True)


def find_take(stem: Path, text: str) -> int:
    """The number of a take that is given as a number or by its name. Raises PianistError where there is none."""
    takes = list_takes(stem)
    for take in takes:
        if text == str(take.number) or (take.name and text == take.name):
            return take.number
    raise PianistError(_no_such(stem, text))


def _place(
    rendering: Rendering,
    stem: Path,
    extras: Extras,
    take: Numbered,
    before: Stored | None,
    *,
    taken: Path | None = None,
    force: bool,
) -> Saved:
    """Write the files of a take in place of those of the one before, which is kept."""
    if before is not None:
        wanted = before.extras.also(extras)
        extras = dataclasses.replace(wanted, tempo_events=extras.tempo_events)
    has_bars = rendering.grid is not None
    paths = wanted_paths(stem, len(rendering.performances), extras, has_bars=has_bars)[:-1]
    gone = require_unchanged(stem, before, paths, taken=taken, force=force)
    if before is not None and before.take != take:
        _keep(stem, before)
    if taken is not None and (before is None or before.take != take):
        copy = _taken_path(stem, take.number)
        replace_file(copy, taken.read_bytes(), make_folder=True)
    return save_rendering(rendering, stem, force=True, extras=extras, take=take, gone=gone)


def require_unchanged(
    stem: Path, before: Stored | None, paths: Sequence[Path], *, taken: Path | None = None, force: bool = False
) -> list[Path]:
    """The files of the take before that the new one, with files at `paths`, does not have.

    Raises PianistError, naming it, where any of all these is not as it was last written, unless `force` is set, or it
    is the one `taken` in or was before (a command killed in between leaves it where it was, its take already kept).
    """
    made = {} if before is None else before.made
    gone = [stem.with_name(name) for name in made if stem.with_name(name) not in paths]
    for path in [] if force else [*paths, *gone]:
        if not path.exists() or (taken is not None and taken.exists() and path.samefile(taken)):
            continue
        found = file_hash(path)
        if made.get(path.name, {}).get("sha256") != found and found not in _taken_in(stem):
            how = "`pianist apply NAME.json --from` takes edits of MIDI files in, --force replaces it"
            raise PianistError(f"{path}: was changed since it was rendered, or is another's; {how}")
    return [path for path in gone if path.exists()]


def _keep(stem: Path, before: Stored) -> None:
    """Put the current take into the folder of takes, as it was before it was edited by hand, where it is not there."""
    path = take_path(stem, before.take.number)
    text = None if path.exists() else as_written(before)
    if text is not None:
        replace_file(path, text, make_folder=True)


def _same(takes: Sequence[Take], rendering: Rendering) -> Take | None:
    alike = [take for take in takes if take.identity == rendering.identity]
    body = body_hash(rendering) if alike else ""
    return next((take for take in alike if take.body == body), None)


def _current(stem: Path, *, force: bool = False) -> Stored | None:
    """The current take; None where there is none, or, with `force`, where what is there is no rendering."""
    path = _json_path(stem)
    if not path.exists():
        return None
    try:
        return read_rendering(path)
    except PianistError as error:
        if force:
            return None
        raise PianistError(f"{error}; --force replaces it") from error


def _require_current(stem: Path) -> Stored:
    path = _json_path(stem)
    if not path.exists():
        raise PianistError(f"{printable(path)}: no rendering there; give the NAME.json of `pianist render`")
    return read_rendering(path)


def _json_path(stem: Path) -> Path:
    return output_paths(stem, 1)[1]


def _kept(stem: Path) -> list[int]:
    """The numbers of the takes in the folder."""
    folder = take_path(stem, 0).parent
    names = [path.stem for path in folder.glob("*.json")] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal() and not name.startswith("0"))


def _taken_path(stem: Path, number: int) -> Path:
    """Where the file is kept whose edits a take has."""
    return take_path(stem, number).with_suffix(".from.mid")


def _taken_in(stem: Path) -> set[str]:
    """The hashes of the files whose edits kept takes have."""
    return {file_hash(path) for number in _kept(stem) if (path := _taken_path(stem, number)).exists()}


def _names(stem: Path) -> dict[int, str]:
    try:
        told = json.loads(take_path(stem, 0).with_name("names.json").read_text(encoding="utf-8"))
        return {int(number): str(name) for number, name in told.items() if str(name).isprintable()}
    except (OSError, ValueError, AttributeError):
        return {}


def _head(path: Path) -> dict[str, Any] | None:
    """What a take's JSON file says, unread; None for what is none."""
    try:
        content: dict[str, Any] = renamed(json.loads(path.read_text(encoding="utf-8")))
        return content if all(key in content for key in (*IDENTITY, "body")) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _numbered(content: dict[str, Any]) -> Numbered:
    try:
        return Numbered(**content["take"])
    except (KeyError, TypeError):
        return FIRST


def _no_such(stem: Path, which: int | str) -> str:
    there = ", ".join(str(take.number) for take in list_takes(stem))
    return f"{stem.name}: there is no take {which}; " + (f"there are {there}" if there else "render the score first")


@contextmanager
def _claimed(stem: Path, claims: Claims | None) -> Iterator[None]:
    """Nobody else may write this rendering meanwhile; where `claims` has it already, it keeps it.

    Raises PianistError where somebody is at it.
    """
    claims = Claims() if claims is None else claims
    had = stem in claims.held
    if not claims.take(stem):
        raise PianistError(f"{stem}: another process is at it; wait until it has ended")
    try:
        yield
    finally:
        if not had:
            claims.release(stem)
