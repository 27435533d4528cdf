"""Many score files at once: which they are, where their renderings go, and what becomes of each."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pianist_jax.errors import PianistError
from pianist_jax.rendering.expression import NEUTRAL, Expression
from pianist_jax.rendering.extras import Extras, check_plot
from pianist_jax.rendering.outputs import DEFAULT_EXTRAS, MADE, is_made, make_folder, save_rendering, wanted_paths
from pianist_jax.rendering.programs import Model
from pianist_jax.rendering.renderer import Piece, Rendering, identity_of, read_piece, render_all
from pianist_jax.rendering.sampling import DEFAULT, Sampling

# Of files that differ in their suffix alone the first of these is performed: notation knows bars, hands and dynamics.
SCORE_SUFFIXES = (".musicxml", ".mxl", ".xml", ".mei", ".krn", ".kern", ".mid", ".midi")
XML_SCORES = (b"<score-partwise", b"<score-timewise", b"<mei")


@dataclasses.dataclass(frozen=True)
class Job:
    """A score file and where its rendering goes: a path without suffix, relative to the folder of outputs.

    `twins` are files beside it in a folder that have its name and another suffix, and are not performed.
    """

    score: Path
    stem: Path
    twins: tuple[Path, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a score: a `rendering` now written to `files`, or those `files` left alone, or an `error`."""

    score: Path
    files: tuple[Path, ...] = ()
    rendering: Rendering | None = None
    error: PianistError | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Scores that are read and wait to be rendered into `folder`, and what has become of the others already."""

    jobs: tuple[Job, ...]
    pieces: tuple[Piece, ...]
    outcomes: tuple[Outcome, ...]
    folder: Path
    seed: int
    samples: int
    sampling: Sampling
    extras: Extras = DEFAULT_EXTRAS
    expression: Expression = NEUTRAL

    @property
    def notes(self) -> int:
        """How many notes are to be performed."""
        return self.samples * sum(len(piece.score) for piece in self.pieces)


def find_scores(arguments: Sequence[str]) -> tuple[list[Job], list[Outcome]]:
    """The score files that are meant, each once, and an error for every folder without any.

    A folder means all MIDI, MusicXML, MEI and kern files in it at any depth, but no hidden ones and no renderings; of
    files that differ in their suffix alone, one (`SCORE_SUFFIXES`). Their renderings keep the path below that folder,
    those of single files the name alone; where two would go to one place, they keep the path below the folder they have
    in common, and the suffix where that is not enough.
    """
    found: dict[str, Job] = {}
    outcomes = []
    for argument in arguments:
        path = Path(argument)
        if not argument:
            outcomes.append(Outcome(path, error=PianistError("an empty path is no score; give a file or a folder")))
        elif path.is_dir():
            groups = _scores_below(path)
            if not groups:
                outcomes.append(Outcome(path, error=PianistError(f"{path}: no scores in it; give another folder")))
            for file, *twins in groups:
                found.setdefault(_place(file), Job(file, file.relative_to(path).with_suffix(""), tuple(twins)))
        else:
            found.setdefault(_place(path), Job(path, Path(path.stem)))
    stems = _separate({place: job.stem for place, job in found.items()})
    return [dataclasses.replace(job, stem=stems[place]) for place, job in found.items()], outcomes


def _scores_below(folder: Path) -> list[list[Path]]:
    """The scores in a folder at any depth, those with the same name but for the suffix together, best first."""
    groups = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        if _is_score(file.relative_to(folder)) and file.is_file() and _is_notation(file):
            groups[file.with_suffix("")].append(file)
    return [sorted(group, key=lambda file: SCORE_SUFFIXES.index(file.suffix.lower())) for group in groups.values()]


def _is_notation(file: Path) -> bool:
    """Whether a file holds a score: of XML files not all do. What cannot be read is for the reader to name."""
    if file.suffix.lower() != ".xml":
        return True
    try:
        with file.open("rb") as opened:
            return any(map(opened.read(4096).__contains__, XML_SCORES))
    except OSError:
        return True


def _place(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links are not followed: two names are two scores


def _is_score(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SCORE_SUFFIXES and not hidden and not path.name.endswith(MADE)


def _separate(stems: dict[str, Path]) -> dict[str, Path]:
    """The stems, by absolute path of their scores, no two of them the same."""
    for rename in (_below_common, _below_common_with_suffix):
        stems = {**stems, **{place: rename(place, group) for group in _collisions(stems) for place in group}}
    if _collisions(stems):
        stems = {place: _below_common_with_suffix(place, list(stems)) for place in stems}
    return stems


def _collisions(stems: dict[str, Path]) -> list[list[str]]:
    groups = defaultdict(list)
    for place, stem in stems.items():
        groups[stem].append(place)
    return [group for group in groups.values() if len(group) > 1]


def _below_common(place: str, group: list[str]) -> Path:
    return _below_common_with_suffix(place, group).with_suffix("")


def _below_common_with_suffix(place: str, group: list[str]) -> Path:
    return Path(place).relative_to(os.path.commonpath([Path(other).parent for other in group]))


def read_scores(
    jobs: Sequence[Job],
    folder: Path,
    model: Model,
    *,
    seed: int = 0,
    samples: int = 1,
    sampling: Sampling = DEFAULT,
    force: bool = False,
    extras: Extras = DEFAULT_EXTRAS,
    expression: Expression = NEUTRAL,
) -> Batch:
    """Read all scores; set aside those that cannot be read, are rendered already, or would replace something else."""
    inputs = {_place(job.score) for job in jobs}
    ready: list[tuple[Job, Piece]] = []
    outcomes = []
    for job in jobs:
        stem = folder / job.stem
        try:
            piece = read_piece(job.score)
            identity = identity_of(piece, model, seed, samples, sampling, expression)
            check_plot(piece.grid, extras)
            has_bars = piece.grid is not None
            paths = wanted_paths(stem, samples, extras, has_bars=has_bars)
            for path in paths:
                if _place(path) in inputs:
                    raise PianistError(f"{path}: is itself a score to render; choose another folder with -o")
            if not force and is_made(stem, identity, extras, has_bars=has_bars):
                outcomes.append(Outcome(job.score, tuple(paths)))
                continue
            make_folder(stem.parent)
            ready.append((job, piece))
        except OSError as error:  # a name too long, a disk that fails
            outcomes.append(Outcome(job.score, error=PianistError(f"{job.score}: {error.strerror}; check the path")))
        except PianistError as error:
            outcomes.append(Outcome(job.score, error=error))
    jobs_ready, pieces = tuple(job for job, _ in ready), tuple(piece for _, piece in ready)
    return Batch(jobs_ready, pieces, tuple(outcomes), folder, seed, samples, sampling, extras, expression)


def render_files(batch: Batch, model: Model, *, advance: Callable[[int], None] | None = None) -> Iterator[Outcome]:
    """Render what waits in `batch` and write it, each score as soon as it is done (`render_all`)."""
    b = batch
    rendered = render_all(
        b.pieces,
        model,
        seed=b.seed,
        samples=b.samples,
        sampling=b.sampling,
        expression=b.expression,
        advance=advance,
    )
    for number, rendering in rendered:
        job = b.jobs[number]
        try:
            # Forced, as `read_scores` has asked what is in the way.
            files = save_rendering(rendering, b.folder / job.stem, force=True, extras=b.extras)
            yield Outcome(job.score, tuple(files), rendering)
        except PianistError as error:
            yield Outcome(job.score, error=error)
