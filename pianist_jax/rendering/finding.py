"""Which scores are meant by what is given — files, folders, lists, tar archives — and where their renderings go."""

import dataclasses
import itertools
import lzma
import os
import tarfile
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pianist_jax.errors import PianistError
from pianist_jax.rendering.archives import (
    ARCHIVES,
    close_archive,
    open_archive,
    require_proportion,
    require_regular,
    take_out,
)
from pianist_jax.rendering.outputs import MADE
from pianist_jax.score.files import FORMATS, MAX_BYTES

SCORE_SUFFIXES = tuple(FORMATS)  # of files that differ in it alone the first is performed
XML_SCORES = (b"<score-partwise", b"<score-timewise", b"<mei")
LIST = ".txt"
LONGEST_LIST = 64 << 20  # bytes
LONGEST_NAME = 200  # bytes


@dataclasses.dataclass(frozen=True)
class FoundScore:
    """A score file and where its rendering goes: a path without suffix, relative to the folder of outputs.

    `twins` are files beside it in a folder that have its name and another suffix, and are not performed. A score in an
    `archive` is its `member`, at byte `offset` of it. `size` is in bytes, 0 where it is unknown.
    """

    score: Path
    stem: Path
    twins: tuple[Path, ...] = ()
    archive: Path | None = None
    member: str = ""
    offset: int = 0
    size: int = 0


def find_scores(arguments: Sequence[str]) -> tuple[list[FoundScore], list[tuple[Path, PianistError]]]:
    """The score files that are meant, each once, and an error for every folder, list or archive without any.

    A folder means all MIDI, MusicXML, MEI and kern files in it at any depth, but no hidden ones and no renderings; of
    files that differ in their suffix alone, one (`SCORE_SUFFIXES`). An archive means the same of its files. A list
    (`.txt`) names files, folders or archives, one a line. Renderings keep the path below the folder or archive, those
    of single files the name alone; where two would go to one place, they keep the path below the folder they have in
    common, and the suffix where that is not enough.
    """
    found: dict[str, FoundScore] = {}
    errors = []
    for argument in arguments:
        try:
            for given in _listed(Path(argument)) if argument.lower().endswith(LIST) else [argument]:
                for job in _jobs_of(given):
                    found.setdefault(place(job.score), job)
        except PianistError as error:
            errors.append((Path(argument), error))
    stems = _separate({where: job.stem for where, job in found.items()})
    return [dataclasses.replace(job, stem=stems[where]) for where, job in found.items()], errors


def own_share() -> str:
    """Which share of the scores falls to this process of its job ("2/8"), "1/1" where it is alone.

    Told by JAX_PROCESS_ID and JAX_NUM_PROCESSES, by SLURM, or by the TPU runtime. The processes do not talk to each
    other: one that fails or ends early does not stop the rest. Raises PianistError (`initialise_distributed`).
    """
    for index, count in (("JAX_PROCESS_ID", "JAX_NUM_PROCESSES"), ("SLURM_PROCID", "SLURM_NTASKS")):
        number, processes = os.environ.get(index, ""), os.environ.get(count, "")
        if number.isdecimal() and processes.isdecimal():
            return f"{int(number) + 1}/{processes}"
    from pianist_jax.parallel import initialise_distributed  # brings JAX, which looking for scores can do without

    if initialise_distributed():
        import jax

        return f"{jax.process_index() + 1}/{jax.process_count()}"
    return "1/1"


def share_of(jobs: Sequence[FoundScore], share: str) -> list[FoundScore]:
    """The part of the jobs that one of several processes takes: "2/8" is every eighth, from the second on.

    Raises PianistError for a share that makes no sense.
    """
    index, _, count = share.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise PianistError(f'the shard is "{share}", but it must be like 2/8: the second of eight')
    return list(jobs[int(index) - 1 :: int(count)])


def place(path: Path) -> str:
    """The absolute path, by which two names of one score are known."""
    return os.path.abspath(path)  # noqa: PTH100 - links are not followed: two names are two scores


def require_there(job: FoundScore) -> None:
    """Raises PianistError for a score that is no file, or larger than one is; archives are opened when they are due."""
    if job.archive is None:
        require_regular(job.score, MAX_BYTES, "one score")


@contextmanager
def shelf() -> Iterator[Callable[[FoundScore], Path]]:
    """A function that gives the file of a job; a member of an archive is taken out until the next one is asked for.

    That raises PianistError where the archive cannot be read, and for what is no file or larger than a score is.
    """
    archive: tarfile.TarFile | None = None
    of: Path | None = None
    with tempfile.TemporaryDirectory(prefix="pianist") as folder:

        def file_of(job: FoundScore) -> Path:
            nonlocal archive, of
            require_there(job)
            if job.archive is None:
                return job.score
            if archive is None or of != job.archive:
                if archive is not None:
                    close_archive(archive)
                archive, of = open_archive(job.archive), job.archive
            name = job.score.name
            file = Path(folder) / (name if len(os.fsencode(name)) <= LONGEST_NAME else f"score{job.score.suffix}")
            for old in Path(folder).iterdir():
                old.unlink()
            file.write_bytes(take_out(archive, job.member, job.score))
            return file

        try:
            yield file_of
        finally:
            if archive is not None:
                close_archive(archive)


def _listed(path: Path) -> list[str]:
    """The lines of a list but for empty ones and those that begin with #."""
    require_regular(path, LONGEST_LIST, "a list")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise PianistError(f"{path}: cannot be read as a list of scores ({reason}); check the path") from error
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise PianistError(f"{path}: names no scores; write one path a line")
    return named


def _jobs_of(argument: str) -> list[FoundScore]:
    path = Path(argument)
    if not argument:
        raise PianistError("an empty path is no score; give a file or a folder")
    try:
        folder = path.is_dir()
        if not folder and not path.name.lower().endswith(ARCHIVES):
            return [FoundScore(path, Path(path.stem), size=_size(path))]
        jobs = _jobs_below(path) if folder else _jobs_inside(path)
    except OSError as error:  # a name longer than names can be, a folder that may not be looked into
        raise PianistError(f"{path}: cannot be looked for ({error.strerror}); check the path") from error
    if not jobs:
        raise PianistError(f"{path}: no scores in it; give another {'folder' if folder else 'archive'}")
    return jobs


def _jobs_below(folder: Path) -> list[FoundScore]:
    files = [file for file in sorted(folder.rglob("*")) if _is_score(file.relative_to(folder)) and not file.is_dir()]
    odd = {file for file in files if not file.is_file()}  # pipes, devices: whoever asks for their content is told
    known = (
        file for file in files if file.suffix.lower() != ".xml" or file in odd or _is_notation(partial(file.open, "rb"))
    )
    return [
        FoundScore(best, best.relative_to(folder).with_suffix(""), tuple(twins), size=_size(best))
        for best, *twins in (sorted(group, key=odd.__contains__) for group in _with_twins(known))
    ]


def _jobs_inside(path: Path) -> list[FoundScore]:
    members: dict[Path, tarfile.TarInfo] = {}
    archive, unpacked = open_archive(path), 0
    try:
        for member in archive:
            unpacked += 0 if member.issparse() else member.size
            require_proportion(path, unpacked)
            name = PurePosixPath(member.name)
            if not member.isfile() or name.is_absolute() or ".." in name.parts or not _is_score(Path(name)):
                continue
            opened = partial(archive.extractfile, member)
            if name.suffix.lower() != ".xml" or _is_notation(opened):
                members[Path(name)] = member
    except (OSError, EOFError, ValueError, tarfile.TarError, lzma.LZMAError) as error:
        raise PianistError(f"{path}: breaks off or is damaged; pack it again") from error
    finally:
        close_archive(archive)
    jobs = []
    for best, *twins in _with_twins(members):
        member, inside = members[best], [path / twin for twin in twins]
        job = FoundScore(
            path / best, best.with_suffix(""), tuple(inside), path, member.name, member.offset, member.size
        )
        jobs.append(job)
    return sorted(jobs, key=lambda job: job.offset)  # a compressed archive can only be read forwards


def _with_twins(files: Iterable[Path]) -> list[list[Path]]:
    """The files that have the same name but for the suffix together, best first."""
    groups = defaultdict(list)
    for file in files:
        groups[file.with_suffix("")].append(file)
    return [sorted(group, key=lambda file: SCORE_SUFFIXES.index(file.suffix.lower())) for group in groups.values()]


def _is_notation(opened: Callable[[], Any]) -> bool:
    """Whether an XML file holds a score: not all do. What cannot be read is for the reader to name."""
    try:
        with opened() as xml:
            return any(map(xml.read(4096).__contains__, XML_SCORES))
    except OSError:
        return True


def _is_score(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SCORE_SUFFIXES and not hidden and not path.name.endswith(MADE)


def _size(path: Path) -> int:
    with suppress(OSError, ValueError):
        return path.stat().st_size
    return 0


def _separate(stems: dict[str, Path]) -> dict[str, Path]:
    """The stems, by absolute path of their scores, no two the same, where case is folded either."""
    stems = dict(stems)
    for suffix in (False, True):
        for group in _collisions(stems):
            stems.update(_below_common(group, suffix=suffix))
    if _collisions(stems):
        stems = _below_common(list(stems), suffix=True)
    taken = set(map(_folded, stems.values()))
    for group in _collisions(stems):  # paths that differ in nothing but case or composition: they are numbered
        for where in sorted(group)[1:]:
            numbered = (stems[where].with_name(f"{stems[where].name}-{number}") for number in itertools.count(2))
            stems[where] = next(stem for stem in numbered if _folded(stem) not in taken)
            taken.add(_folded(stems[where]))
    return stems


def _folded(stem: Path) -> str:
    """What file systems take for the same name, whether they fold case or not."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem.as_posix()).casefold())


def _collisions(stems: dict[str, Path]) -> list[list[str]]:
    groups = defaultdict(list)
    for where, stem in stems.items():
        groups[_folded(stem)].append(where)
    return [group for group in groups.values() if len(group) > 1]


def _below_common(group: list[str], *, suffix: bool) -> dict[str, Path]:
    common = os.path.commonpath([Path(where).parent for where in group])
    below = {where: Path(where).relative_to(common) for where in group}
    return below if suffix else {where: path.with_suffix("") for where, path in below.items()}
