"""Everything that a studio holds: workspace, model, engraver, sounds; and what its page is told of a score."""

import dataclasses
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.rendering.extras import write_picture
from pianist_jax.rendering.hashes import content_hash
from pianist_jax.rendering.takes import list_takes, name_take, switch_to, undo
from pianist_jax.score.grid import ScoreGrid
from pianist_jax.score.load import load
from pianist_jax.studio.drafts import drafted
from pianist_jax.studio.engraving import Engraver
from pianist_jax.studio.events import Hub
from pianist_jax.studio.jobs import Job, Worker
from pianist_jax.studio.performing import perform, perform_bars
from pianist_jax.studio.recordings import KEY, add_recording, recording_view, recordings_of, recordings_told
from pianist_jax.studio.sheets import make_sheet, on_page
from pianist_jax.studio.shelf import keep_draft, performance_of, shape, shape_of, shaped, takes_of
from pianist_jax.studio.sound import Sounds
from pianist_jax.studio.view import score_view, take_view
from pianist_jax.studio.wishes import Draft, Wish
from pianist_jax.studio.workspace import Workspace

if TYPE_CHECKING:
    from pianist_jax.inference.engine import Model

WRITTEN = "score"  # key of the score itself among the takes
PREVIEW = "preview"  # key of what is being performed
EXAMPLES = Path(__file__).parents[2] / "examples"  # in a checkout
Warm = Callable[["Model", Job], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Read:
    """A score as it was when it was read: which file, at which time; normalised notes; its sheet and the ids on that.

    No more of it is read than a page needs, so that it is there before the model's libraries are.
    """

    stamp: tuple[Path, int]
    notes: Notes
    grid: ScoreGrid
    content: str
    sheet: Path | None
    ids: list[str]


class Desk:
    """What the routes of the server call."""

    def __init__(self, workspace: Workspace, load_model: Callable[[], "Model"], warm_up: Warm | None = None) -> None:
        self.workspace, self.hub, self.engraver = workspace, Hub(), Engraver()
        self._scratch = tempfile.TemporaryDirectory(prefix="pianist-studio-")
        self.sounds = Sounds(Path(self._scratch.name))
        self.worker = Worker(load_model, self.hub.tell, warm_up)
        self._read: dict[str, Read] = {}
        self._undone: dict[str, list[int]] = {}
        self._writing = threading.Lock()
        self._previews: dict[str, dict[str, Any]] = {}

    def close(self) -> None:
        """Stop everything; the model's thread ends as soon as it can."""
        self.hub.close()
        self.worker.close()
        self.engraver.close()
        self.sounds.close()
        self._scratch.cleanup()

    def overview(self) -> dict[str, Any]:
        """What there is: scores, examples, jobs, and how the model is."""
        from pianist_jax.score.files import FORMATS

        return {
            "scores": [
                {"name": name, "format": FORMATS[path.suffix.lower()], "performed": self._json(name).exists()}
                for name, path in self.workspace.scores().items()
            ],
            "examples": examples(),
            "suffixes": list(FORMATS),
            "jobs": self.worker.open_jobs(),
            "model": self.worker.model_event(),
            "folder": str(self.workspace.folder),
        }

    def wake(self) -> None:
        """Load what performs, what engraves and what sounds."""
        self.engraver.wake()
        self.worker.wake()
        self.sounds.tune()

    def add(self, file_name: str, content: bytes, width: int = 0) -> str:
        """Keep a score and read it; gives its name. Its pages are begun, where a `width` is told.

        Raises PianistError, and keeps nothing, where it is none.
        """
        from pianist_jax.studio.workspace import safe_name

        stem, suffix = safe_name(file_name)
        with tempfile.TemporaryDirectory(dir=self._scratch.name) as folder:
            trial = Path(folder) / f"{stem}{suffix}"
            trial.write_bytes(content)
            try:
                read = self._read_file(trial, width)
            except PianistError as error:
                raise PianistError(str(error).replace(f"{folder}/", "")) from error
        name = self.workspace.add(file_name, content)
        self._keep(name, dataclasses.replace(read, stamp=_stamp(self.workspace.score(name))))
        self.hub.tell({"event": "scores"})
        return name

    def add_example(self, name: str, width: int = 0) -> str:
        """Keep an example. Raises PianistError where there is none of that name."""
        if name not in examples():
            raise PianistError(f"{name[:80]!r}: no such example")
        path = EXAMPLES / f"{name}.musicxml"
        return self.add(path.name, path.read_bytes(), width)

    def view(self, name: str, width: int = 0) -> dict[str, Any]:
        """A score, and which takes there are; its pages are begun, where a `width` is told.

        Raises PianistError where it cannot be read.
        """
        read = self._read_score(name, width)
        written = {"key": WRITTEN, "label": "As written", "told": "the score, note by note", "version": read.content}
        shelf = self._shelf(name, read)
        return {
            **score_view(name, read.grid, read.notes, read.ids),
            "engraved": read.sheet is not None,
            "takes": [written, *shelf.pop("takes"), *recordings_told(self.workspace.stem(name))],
            **shelf,
            "files": sorted(self.workspace.made(name)),
        }

    def _shelf(self, name: str, read: Read) -> dict[str, Any]:
        """What is performed of a score, as far as it can be read."""
        stem = self.workspace.stem(name)
        shelf: dict[str, Any] = {"takes": [], "problem": "", "can_undo": False, "can_redo": False, "shape": None}
        try:
            takes = list_takes(stem)
            current = next((take for take in takes if take.current), None)
            shelf["takes"] = takes_of(stem, read.content)
            if shelf["takes"] and current is not None:
                undone = self._undone.get(name, [])
                shelf["can_undo"] = current.edited or current.parent is not None
                shelf["can_redo"] = bool(undone) and undone[-1] in [take.number for take in takes]
                shelf["shape"] = shape_of(stem)
            elif current is not None:
                shelf["problem"] = f"{name}: was performed from another version of this score; perform it anew"
        except PianistError as error:
            shelf["problem"] = self._words(error)
        return shelf

    def take(self, name: str, key: str) -> dict[str, Any]:
        """A performance of a score, or the score itself. Raises PianistError where there is none."""
        read = self._read_score(name)
        if key == WRITTEN:
            self.sounds.know(read.notes)
            return take_view(read.grid, read.notes, read.notes)
        if key == PREVIEW and name in self._previews:
            return self._previews[name]
        stem = self.workspace.stem(name)
        if key.startswith(KEY):
            path = recordings_of(stem).get(key)
            if path is None:
                raise PianistError(f"{key[:80]!r}: no such recording; load the page anew")
            view, notes = recording_view(read.grid, read.notes, path)
            self.sounds.know(notes)
            return view
        rendering, at = performance_of(stem, key, read.content)
        return self._performed(read, rendering.score, rendering.performances[at])

    def try_draft(self, name: str, draft: Draft) -> dict[str, Any]:
        """A performance with edits by hand that are not kept. Raises PianistError."""
        read = self._read_score(name)
        rendering, at = performance_of(self.workspace.stem(name), draft.key, read.content)
        return self._performed(read, rendering.score, drafted(rendering.performances[at], draft))

    def try_shape(self, name: str, wish: Wish, sample: int) -> dict[str, Any]:
        """A sample, from 0, of the current take as it would be with other strengths; nothing is kept.

        Raises PianistError.
        """
        read = self._read_score(name)
        stored, rendering, _ = shaped(self.workspace.stem(name), wish)
        rendering = rendering or stored.rendering
        at = min(sample, len(rendering.performances) - 1)
        return self._performed(read, rendering.score, rendering.performances[at])

    def picture(self, name: str, key: str) -> Path:
        """A picture (PNG) of a performance. Raises PianistError where there is none."""
        read, stem = self._read_score(name), self.workspace.stem(name)
        rendering, at = performance_of(stem, key, read.content)
        path = Path(self._scratch.name) / f"{content_hash(rendering.performances[at])}.png"
        if not path.exists():
            write_picture(path, name, read.grid, [(f"take {key}", rendering.performances[at])])
        return path

    def current(self, name: str) -> tuple[str, str] | None:
        """The key of what the workspace's files are of, and its sound's; None where nothing is performed."""
        shelf = self._shelf(name, self._read_score(name))
        key: str | None = next((take["key"] for take in shelf["takes"] if take["current"]), None)
        return None if key is None else (key, self.take(name, key)["sound"])

    def _performed(self, read: Read, score: Notes, notes: Notes) -> dict[str, Any]:
        self.sounds.know(notes)
        return take_view(read.grid, score, notes)

    def add_recording(self, name: str, file_name: str, content: bytes) -> str:
        """Keep a recording of the score; gives its key. Raises PianistError, and keeps nothing, where it is none."""
        read = self._read_score(name)
        with tempfile.TemporaryDirectory(dir=self._scratch.name) as folder:
            try:
                key = add_recording(self.workspace.stem(name), read.notes, file_name, Path(folder), content)
            except PianistError as error:
                raise PianistError(str(error).replace(f"{folder}/", "")) from error
        self.hub.tell({"event": "changed", "name": name, "what": "recording"})
        return key

    def change(
        self,
        name: str,
        what: str,
        number: int = 0,
        wish: Wish | None = None,
        title: str = "",
        draft: Draft | None = None,
    ) -> None:
        """Do what needs no model: "shape" the current take, "edit" one, "undo", "redo", "use", "name" one.

        Raises PianistError.
        """
        stem = self.workspace.stem(name)
        undone = self._undone.setdefault(name, [])
        try:
            with self._writing:
                before = [take.number for take in list_takes(stem) if take.current]
                goes_back = what == "undo"
                if what == "shape":
                    goes_back = not shape(stem, wish or Wish())
                elif what == "edit" and draft is not None:
                    keep_draft(stem, draft, self._read_score(name).content)
                elif what == "undo":
                    undo(stem)
                elif what == "redo" and undone:
                    switch_to(stem, undone.pop())
                elif what == "use":
                    switch_to(stem, number)
                elif what == "name":
                    name_take(stem, number, title)
        except PianistError as error:
            raise PianistError(self._words(error)) from error
        if goes_back:
            undone += before
        elif what in ("shape", "use", "edit"):
            undone.clear()
        self.hub.tell({"event": "changed", "name": name, "what": what})

    def pages(self, name: str, width: int, first: int = 0) -> tuple[list[str], int]:
        """SVG of some of the score's pages from number `first` on, and how many there are.

        Raises PianistError where it has none.
        """
        sheet = self._read_score(name).sheet
        if sheet is None:
            raise PianistError(f"{name}: a MIDI file has no page; its notes are in the roll")
        return self.engraver.pages(sheet, width, first)

    def perform(self, name: str, wish: Wish) -> Job:
        """Put a performance of the score, or of some bars or a hand of it, in the queue. Raises PianistError."""
        stem, score = self.workspace.stem(name), self.workspace.score(name)
        if wish.whole:
            run = perform(stem, score, wish, partial(self._preview, name))
        elif not self._json(name).exists():
            raise PianistError(f"{name}: nothing is performed yet; perform the whole score first")
        else:
            run = perform_bars(stem, score, wish)

        def then_tell(model: "Model", job: Job) -> None:
            try:
                run(model, job)
            except PianistError as error:
                raise PianistError(self._words(error)) from error
            self._undone.pop(name, None)
            self.hub.tell({"event": "changed", "name": name, "what": job.kind})

        return self.worker.submit("perform" if wish.whole else "bars", name, then_tell)

    def _preview(self, name: str, score: Notes, notes: Notes) -> None:
        """Show the beginning of what is being performed."""
        self.sounds.know(notes)
        self._previews[name] = take_view(self._read_score(name).grid, score, notes)
        self.hub.tell({"event": "notes", "name": name, "count": len(notes)})

    def _words(self, error: PianistError) -> str:
        return str(error).replace(f"{self.workspace.folder}/", "")

    def _json(self, name: str) -> Path:
        stem = self.workspace.stem(name)
        return stem.with_name(stem.name + ".json")

    def _read_score(self, name: str, width: int = 0) -> Read:
        path = self.workspace.score(name)
        known = self._read.get(name)
        if known is not None and known.stamp == _stamp(path):
            return known
        try:
            return self._keep(name, self._read_file(path, width))
        except PianistError as error:
            raise PianistError(self._words(error)) from error

    def _read_file(self, path: Path, width: int) -> Read:
        """A score of the workspace, or one that may become one."""
        stamp, sheet = _stamp(path), make_sheet(path, Path(self._scratch.name))
        if sheet is not None and width:
            self.engraver.begin(sheet, width)  # while it is read here
        score = load(path)
        notes, grid, ids = normalise(score.notes)[0], score.grid, []
        if sheet is not None:
            on_sheet = grid if sheet.read_bytes() == path.read_bytes() else load(sheet).grid
            ids = on_page(on_sheet.ids, sheet) if len(on_sheet) == len(grid) else []
        return Read(stamp, notes, grid, content_hash(score.notes), sheet, ids)

    def _keep(self, name: str, read: Read) -> Read:
        self._read = {**dict(list(self._read.items())[-7:]), name: read}
        return read


def _stamp(path: Path) -> tuple[Path, int]:
    return path, path.stat().st_mtime_ns


def examples() -> list[str]:
    """The names of the examples that are there."""
    return sorted(path.stem for path in EXAMPLES.glob("*.musicxml"))
