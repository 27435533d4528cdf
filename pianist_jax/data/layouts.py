"""How the files of each corpus lie, and what its metadata says of them: composition, split, what is no music of it.

From the corpora's own documentation; those that come without metadata tell by their names.
"""

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterator

from pianist_jax.data.sources import SourceError
from pianist_jax.data.trees import Tree
from pianist_jax.files import printable

LEAST_AUDIO_SCORE = 0.95  # Aria-MIDI; arXiv 2512.02652, pre-training data
LEAST_PDMX_BYTES = 7_000  # arXiv 2512.02652, pre-training data
POP909_TRACKS = ("MELODY", "BRIDGE", "PIANO")  # together the arrangement for piano
_YOUTUBE = r"[\w-]{11}"


@dataclasses.dataclass(frozen=True)
class Item:
    """A MIDI file of a corpus.

    Attributes:
        file: its name, relative to the corpus.
        size, start: bytes, and where it begins in the corpus's tar (-1: in none).
        composition: what all its performances in this corpus share.
        split: `train`, `validation` or `test` (then nobody may see it).
        left_out: why its metadata rules it out; empty where it does not.
        tracks: the names of the tracks to read; empty: all.
    """

    file: str
    size: int
    start: int
    composition: str
    split: str = "train"
    left_out: str = ""
    tracks: tuple[str, ...] = ()


Layout = Callable[[Tree], Iterator[tuple[str, dict]]]


def list_items(name: str, tree: Tree) -> list[Item]:
    """All MIDI files of the corpus `name`, in the order of their names' bytes.

    Raises:
        SourceError: there are none, or metadata is missing or damaged that this corpus cannot do without.
    """
    try:
        told = dict(_LAYOUTS.get(name, _plain)(tree))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        place = printable(tree.root)
        raise SourceError(f"{place}: not laid out like {name} ({type(error).__name__}: {error}); check it") from error
    items = []
    for file in tree.midi():
        facts = {"composition": _stem(file), **told.get(file, {"left_out": f"not listed in the metadata of {name}"})}
        items.append(Item(file, tree.sizes[file], tree.start(file), **facts))
    return items


def _stem(file: str) -> str:
    return file.rpartition(".")[0]


def _plain(tree: Tree) -> Iterator[tuple[str, dict]]:
    for file in tree.midi():
        yield file, {}


def _table(tree: Tree, *names: str, delimiter: str = ",") -> tuple[str, list[dict[str, str]]]:
    """The folder (with its slash) of a table, and its rows."""
    found = tree.find(*names)
    if found is None:
        raise SourceError(f"{printable(tree.root)}: {names[0]} is missing; unpack the whole corpus")
    return found.rpartition("/")[0] + "/" * ("/" in found), list(
        csv.DictReader(io.StringIO(tree.text(found)), delimiter=delimiter)
    )


def _asap(tree: Tree) -> Iterator[tuple[str, dict]]:
    """metadata.csv, a row for each performance; the official one has no column `split`: `--held-out` names its test."""
    folder, rows = _table(tree, "metadata.csv")
    for row in rows:
        facts = {"composition": f"{row['composer']}/{row['title']}", "split": row.get("split") or "train"}
        yield folder + row["midi_performance"], facts
        yield folder + row["midi_score"], {**facts, "left_out": "a score, for pairs"}


def _maestro(tree: Tree) -> Iterator[tuple[str, dict]]:
    """maestro-v3.0.0.csv or maestro-v2.0.0.csv: composer, title, split, and files below years."""
    folder, rows = _table(tree, "maestro-v3.0.0.csv", "maestro-v2.0.0.csv")
    for row in rows:
        composition = f"{row['canonical_composer']}/{row['canonical_title']}"
        yield folder + row["midi_filename"], {"composition": composition, "split": row["split"]}


def _aria(tree: Tree) -> Iterator[tuple[str, dict]]:
    """metadata.json by file id, and files ID_SEGMENT.mid; segments of poor audio are left out."""
    found = tree.find("metadata.json")
    if found is None:
        raise SourceError(f"{printable(tree.root)}: metadata.json is missing; unpack the whole corpus")
    metadata = {int(number): facts for number, facts in json.loads(tree.text(found)).items()}
    for file in tree.midi():
        number, _, segment = _stem(file.rpartition("/")[2]).partition("_")
        if not number.isdigit() or int(number) not in metadata:
            continue
        facts = metadata[int(number)]
        score = float(facts.get("audio_scores", {}).get(segment, 0.0))
        reason = "" if score >= LEAST_AUDIO_SCORE else f"audio score {score:.2f}, below {LEAST_AUDIO_SCORE}"
        tags = facts.get("metadata", {})
        known = [str(tags[key]) for key in ("composer", "opus", "piece_number", "key_signature") if tags.get(key)]
        identified = tags.get("composer") and (tags.get("opus") or tags.get("piece_number"))
        yield file, {"composition": "/".join(known) if identified else number, "left_out": reason}


def _giantmidi(tree: Tree) -> Iterator[tuple[str, dict]]:
    """Files `Surname, First names, Title, YouTube id.mid`; the splits of its table, where it lies beside them.

    Of the sample that its authors evaluated with: `Surname_Title_ID_cut_mov_2.mid`.
    """
    splits: dict[str, str] = {}
    table = "full_music_pieces_youtube_similarity_pianosoloprob_split.csv"
    if tree.find(table):
        for row in _table(tree, table, delimiter="\t")[1]:
            if row["split"] in ("train", "validation", "test"):
                splits[row["youtube_id"]] = row["split"]
    for file in tree.midi():
        name = _stem(file.rpartition("/")[2])
        found = re.search(rf"^(.*)(?:, |_)({_YOUTUBE})$", re.sub(r"(_cut)?(_(mov|no)_\w+)?$", "", name))
        composition, video = (found[1], found[2]) if found else (name, "")
        yield file, {"composition": composition, "split": splits.get(video, "train")}


def _pdmx(tree: Tree) -> Iterator[tuple[str, dict]]:
    """PDMX.csv: a row for each score, with the path of its MIDI file and what its licence says."""
    folder, rows = _table(tree, "PDMX.csv")
    for row in rows:
        file = folder + row["mid"].removeprefix("./")
        if file not in tree.sizes:
            continue
        reason = "" if tree.sizes[file] > LEAST_PDMX_BYTES else f"{tree.sizes[file]} bytes, at most {LEAST_PDMX_BYTES}"
        if row.get("subset:no_license_conflict", "True") == "False":
            reason = "its licence is in doubt"
        title = row.get("song_name") or row.get("title") or _stem(file)
        yield file, {"composition": f"{row.get('composer_name') or '?'}/{title}", "left_out": reason}


def _pop909(tree: Tree) -> Iterator[tuple[str, dict]]:
    """NNN/NNN.mid, and other versions of the songs below NNN/versions."""
    for file in tree.midi():
        folder, _, name = file.rpartition("/")
        song = re.search(r"\d{3}", name)
        other = folder.endswith("versions")
        reason = "another version of the song" if other else ""
        yield (
            file,
            {"composition": song[0] if song else _stem(name), "left_out": reason, "tracks": POP909_TRACKS},
        )


def _named(pattern: str) -> Layout:
    """A corpus whose file names hold the composition as group 1."""

    def layout(tree: Tree) -> Iterator[tuple[str, dict]]:
        for file in tree.midi():
            found = re.search(pattern, _stem(file.rpartition("/")[2]))
            yield file, {"composition": found[1]} if found else {}

    return layout


def _rolls(tree: Tree) -> Iterator[tuple[str, dict]]:
    """ROLL_exp.mid, with emulated dynamics; ROLL_raw.mid and ROLL_note.mid are the holes of the same roll."""
    for file in tree.midi():
        roll, _, variant = _stem(file).rpartition("_")
        if variant in ("raw", "note"):
            yield file, {"composition": roll, "left_out": f"the {variant} scan of a roll, without dynamics"}
        else:
            yield file, {"composition": roll if variant == "exp" else _stem(file)}


_LAYOUTS: dict[str, Layout] = {
    "asap": _asap,
    "maestro": _maestro,
    "aria-midi": _aria,
    "giantmidi": _giantmidi,
    "pdmx": _pdmx,
    "pop909": _pop909,
    "rolls": _rolls,
    "emopia": _named(rf"^Q[1-4]_({_YOUTUBE})_\d+$"),
    "pianocore-scores": _named(r"^(.*?)_score_"),
}
